//! The out-of-the-money option under jumps that hardly come before expiry, by how many come: what minutes to expiry leave of Merton and Kou,
//! where the integral of [`time_value`](crate::fourier::time_value) has lost the digits of a value so small.
//!
//! Formula  v(k, t) = Σ Pₙ Bₙ with Pₙ = e^(−λt) (λt)ⁿ/n!, and Bₙ the option given n jumps. With G = ∂²B/∂k² − ∂B/∂k = eᵏ times the density of
//!          ln S, and since values are homogeneous, ∂Bₙ/∂t = −λζ(B − B′) + σ²/2 G with the compensator ζ (Merton 1976; Kou 2002).
//! Merton   Given n jumps ln S is normal: Black's formula, as many terms as count.
//! Kou      One jump is a normal and an exponential variable, whose density solves f′ = ±η(f − φ). Two jumps or more are left away: a
//!          share of about λt (1 + ηk)/2 of the value, where λt is at most [`MOST_EVENTS_OF_KOU`].

use crate::{
    fourier::{Kou, Merton, Model, TimeValue},
    math::{Plain, mills, normal_cdf, normal_pdf},
    surface::from_price::price,
};

/// The most expected jumps.
const MOST_EVENTS_OF_MERTON: f64 = 0.1;
const MOST_EVENTS_OF_KOU: f64 = 5e-4;
/// Terms of Merton's series: beyond, 0.1ⁿ/n! is under the rounding of the first.
const TERMS: u32 = 12;

/// The out-of-the-money option under a model of rare jumps; none of another model, or where jumps are not rare.
pub(super) fn time_value(model: &Model, expiry_years: f64, k: f64) -> Option<TimeValue> {
    match model {
        Model::Merton(model) => merton(model, expiry_years, k),
        Model::Kou(model) => kou(model, expiry_years, k),
        _ => None,
    }
}

/// An option on what has this density, as a function of the log-strike: its value and slope, G, and two derivatives of G.
#[derive(Clone, Copy, Debug)]
struct Parts {
    value: f64,
    slope: f64,
    g: [f64; 3],
}

impl Parts {
    /// Of a value and slope, and of the density of ln S with its two derivatives.
    fn new(k: f64, value: f64, slope: f64, [f, f1, f2]: [f64; 3]) -> Self {
        let strike = k.exp();
        Self { value, slope, g: [f, f + f1, f + 2.0 * f1 + f2].map(|part| strike * part) }
    }

    fn plus(self, share: f64, other: Self) -> Self {
        let add = |x: f64, y: f64| x + share * y;
        Self {
            value: add(self.value, other.value),
            slope: add(self.slope, other.slope),
            g: std::array::from_fn(|i| add(self.g[i], other.g[i])),
        }
    }

    const ZERO: Self = Self { value: 0.0, slope: 0.0, g: [0.0; 3] };
}

/// ln S normal: mean and deviation.
#[derive(Clone, Copy, Debug)]
struct Normal {
    mean: f64,
    deviation: f64,
}

impl Normal {
    /// The forward.
    fn forward(&self) -> f64 {
        (self.mean + 0.5 * self.deviation * self.deviation).exp()
    }

    /// The put where `k` is below zero, else the call, on this variable.
    fn option(&self, k: f64) -> f64 {
        let forward = self.forward();
        let x = k - forward.ln();
        let intrinsic = if k < 0.0 { k.exp() - forward } else { forward - k.exp() };
        // Out of the money by the better formula, which parity turns where this forward lies on the other side.
        forward * price(x, self.deviation) + intrinsic.max(0.0)
    }

    /// P(ln S < k) where `k` is below zero, else P(ln S > k).
    fn tail(&self, k: f64) -> f64 {
        let h = (k - self.mean) / self.deviation;
        normal_cdf::<Plain>(if k < 0.0 { h } else { -h })
    }

    /// The density at `k` and two derivatives.
    fn density(&self, k: f64) -> [f64; 3] {
        let h = (k - self.mean) / self.deviation;
        let f = normal_pdf::<Plain>(h) / self.deviation;
        [f, -h / self.deviation * f, (h * h - 1.0) / (self.deviation * self.deviation) * f]
    }

    fn parts(&self, k: f64) -> Parts {
        let sign = if k < 0.0 { 1.0 } else { -1.0 };
        Parts::new(k, self.option(k), sign * k.exp() * self.tail(k), self.density(k))
    }

    /// The same with an exponential jump of rate `eta`, upward or downward.
    fn with_jump(&self, eta: f64, is_up: bool, k: f64) -> Parts {
        let Self { mean, deviation } = *self;
        // Mirrored, a downward jump is an upward one.
        let way = if is_up { 1.0 } else { -1.0 };
        let (h, reach) = (way * (k - mean) / deviation, eta * deviation);
        let inner = reach - h;
        let f = if inner > 0.0 {
            eta * normal_pdf::<Plain>(h) * mills::<Plain>(inner)
        } else {
            eta * (reach * (0.5 * reach - h)).exp() * normal_cdf::<Plain>(-inner)
        };
        let [own, own_slope, _] = self.density(k);
        let f1 = way * eta * (own - f);
        let f2 = way * eta * (own_slope - f1);
        let is_put = k < 0.0;
        let strike = k.exp();
        // The tail of the sum: longer where the jump leads there, shorter where it leads away.
        let leads = is_put != is_up;
        let tail = if leads { self.tail(k) + f / eta } else { (self.tail(k) - f / eta).max(0.0) };
        let value = match (is_up, leads) {
            (true, true) => (eta * self.option(k) + strike * tail) / (eta - 1.0),
            (true, false) => (eta * self.option(k) - strike * tail) / (eta - 1.0),
            (false, true) => (eta * self.option(k) + strike * tail) / (eta + 1.0),
            (false, false) => (eta * self.option(k) - strike * tail) / (eta + 1.0),
        };
        Parts::new(k, value.max(0.0), if is_put { strike * tail } else { -strike * tail }, [f, f1, f2])
    }
}

/// Sums of probability-weighted parts with their derivatives by time.
struct Sum {
    /// λ, λζ and σ².
    intensity: f64,
    drift: f64,
    variance: f64,
    t: f64,
    /// v, v_k, v_kk, v_t, v_kt, v_tt.
    numbers: [f64; 6],
}

impl Sum {
    fn new(intensity: f64, compensator: f64, volatility: f64, t: f64) -> Self {
        let (drift, variance) = (intensity * compensator, volatility * volatility);
        Self { intensity, drift, variance, t, numbers: [0.0; 6] }
    }

    /// ln S without jumps.
    fn diffusion(&self) -> Normal {
        let variance = self.variance * self.t;
        Normal { mean: -0.5 * variance - self.drift * self.t, deviation: variance.sqrt() }
    }

    /// Adds what the option is given `jumps` jumps, which have this probability.
    fn add(&mut self, jumps: u32, probability: f64, parts: &Parts) {
        let Parts { value, slope, g: [g, g1, g2] } = *parts;
        let (drift, half) = (self.drift, 0.5 * self.variance);
        let value_t = half * g - drift * (value - slope);
        let slope_t = drift * g + half * g1;
        let g_t = half * (g2 - g1) - drift * (g - g1);
        let value_tt = half * g_t - drift * (value_t - slope_t);
        let n = f64::from(jumps);
        let rate = n / self.t - self.intensity;
        let all = [
            value,
            slope,
            slope + g,
            rate * value + value_t,
            rate * slope + slope_t,
            (rate * rate - n / (self.t * self.t)) * value + 2.0 * rate * value_t + value_tt,
        ];
        for (sum, number) in self.numbers.iter_mut().zip(all) {
            *sum += probability * number;
        }
    }

    fn time_value(self) -> Option<TimeValue> {
        let [value, by_k, by_kk, by_t, by_kt, by_tt] = self.numbers;
        let is_sound = value > 0.0 && self.numbers.iter().all(|number| number.is_finite());
        is_sound.then(|| TimeValue {
            ln_value: value.ln(),
            by_k: by_k / value,
            by_kk: by_kk / value,
            by_t: by_t / value,
            by_kt: by_kt / value,
            by_tt: by_tt / value,
        })
    }
}

fn merton(model: &Merton, t: f64, k: f64) -> Option<TimeValue> {
    let Merton { volatility, jump_intensity, jump_mean, jump_std } = *model;
    let events = jump_intensity * t;
    if !(events <= MOST_EVENTS_OF_MERTON && volatility > 0.0) {
        return None;
    }
    let compensator = (jump_mean + 0.5 * jump_std * jump_std).exp_m1();
    let mut sum = Sum::new(jump_intensity, compensator, volatility, t);
    let diffusion = sum.diffusion();
    let mut probability = (-events).exp();
    for jumps in 0..TERMS {
        let n = f64::from(jumps);
        let deviation = diffusion.deviation.hypot(jump_std * n.sqrt());
        let given = Normal { mean: diffusion.mean + n * jump_mean, deviation };
        sum.add(jumps, probability, &given.parts(k));
        probability *= events / (n + 1.0);
    }
    sum.time_value()
}

fn kou(model: &Kou, t: f64, k: f64) -> Option<TimeValue> {
    let Kou { volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate } = *model;
    let events = jump_intensity * t;
    if !(events <= MOST_EVENTS_OF_KOU && volatility > 0.0) {
        return None;
    }
    let compensator = jump_up_probability / (jump_up_rate - 1.0) - (1.0 - jump_up_probability) / (jump_down_rate + 1.0);
    let mut sum = Sum::new(jump_intensity, compensator, volatility, t);
    let diffusion = sum.diffusion();
    let none = (-events).exp();
    sum.add(0, none, &diffusion.parts(k));
    let up = diffusion.with_jump(jump_up_rate, true, k);
    let down = diffusion.with_jump(jump_down_rate, false, k);
    sum.add(1, none * events, &Parts::ZERO.plus(jump_up_probability, up).plus(1.0 - jump_up_probability, down));
    sum.time_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fourier;

    const MERTON: Merton = Merton { volatility: 0.2, jump_intensity: 0.5, jump_mean: -0.08, jump_std: 0.12 };
    const KOU: Kou = Kou {
        volatility: 0.2,
        jump_intensity: 0.5,
        jump_up_probability: 0.35,
        jump_up_rate: 22.0,
        jump_down_rate: 9.0,
    };

    /// The integral, at expiries and strikes where it keeps its digits and jumps are rare.
    #[test]
    fn it_is_the_integral_where_that_has_digits() {
        for (model, years, least, rate) in [
            (Model::Merton(MERTON), 0.02, 1e-8, 0.0),
            (Model::Merton(MERTON), 1e-3, 1e-8, 0.0),
            // The two jumps left away are a share of λt/2 of one about, the further out the more.
            (Model::Kou(KOU), 2e-4, 1e-4, 22.0),
            (Model::Kou(Kou { jump_up_probability: 1.0, ..KOU }), 2e-4, 1e-4, 22.0),
            (Model::Kou(Kou { jump_up_probability: 0.0, ..KOU }), 2e-4, 1e-4, 9.0),
        ] {
            for k in [-0.1_f64, -0.02, -4e-3, -1e-3, 0.0, 2e-3, 5e-3, 0.03, 0.1] {
                let ours = time_value(&model, years, k).expect("jumps are rare");
                let Ok(theirs) = fourier::time_value(&model, years, k) else { continue };
                let share = least * (1.0 + rate * k.abs());
                let what = format!("{model:?} {years} {k}: {ours:?} {theirs:?}");
                assert!((ours.ln_value - theirs.ln_value).abs() < share, "{what}");
                for (ours, theirs, unit) in [
                    (ours.by_k, theirs.by_k, 1.0 / years.sqrt()),
                    (ours.by_kk, theirs.by_kk, 1.0 / years),
                    (ours.by_t, theirs.by_t, 1.0 / years),
                    (ours.by_kt, theirs.by_kt, years.powf(-1.5)),
                    (ours.by_tt, theirs.by_tt, 1.0 / (years * years)),
                ] {
                    assert!((ours - theirs).abs() < 100.0 * share * theirs.abs().max(unit), "{ours} {theirs}: {what}");
                }
            }
        }
    }

    /// Against quadrature of the payoff over the density, far from the money.
    #[test]
    fn one_exponential_jump_is_its_quadrature() {
        let normal = Normal { mean: -3e-4, deviation: 0.01 };
        for (eta, is_up) in [(15.0, true), (9.0, false)] {
            for k in [-0.3_f64, -0.05, -0.01, 0.0, 0.02, 0.2] {
                let found = normal.with_jump(eta, is_up, k);
                let way = if is_up { 1.0 } else { -1.0 };
                // The option given the jump, by Simpson's rule over the jump's size.
                let (n, most) = (40_000_u32, 40.0 / eta);
                let at = |i: u32| {
                    let y = most * f64::from(i) / f64::from(n);
                    let weight = if i == 0 || i == n {
                        1.0
                    } else if i % 2 == 1 {
                        4.0
                    } else {
                        2.0
                    };
                    let shifted = Normal { mean: normal.mean + way * y, ..normal };
                    weight * eta * (-eta * y).exp() * shifted.option(k)
                };
                let exact = (0..=n).map(at).sum::<f64>() * most / f64::from(n) / 3.0;
                // Where the jump leads away from the strike two numbers all but cancel, to rounding of the greater.
                assert!((found.value - exact).abs() < 1e-12 + 1e-9 * exact, "{eta} {k}: {} {exact}", found.value);
                let h = 1e-5;
                let near = |h: f64| normal.with_jump(eta, is_up, k + h);
                // The sides of the money are one function of their own each.
                if k != 0.0 {
                    let slope = (near(h).value - near(-h).value) / (2.0 * h);
                    assert!((found.slope - slope).abs() < 1e-6, "{eta} {k}: {} {slope}", found.slope);
                    let bend = (near(h).slope - near(-h).slope) / (2.0 * h);
                    assert!((found.slope + found.g[0] - bend).abs() < 1e-5, "{eta} {k}");
                    for i in 0..2 {
                        let by = (near(h).g[i] - near(-h).g[i]) / (2.0 * h);
                        assert!((found.g[i + 1] - by).abs() < 1e-4 * by.abs().max(1.0), "{eta} {k} {i}");
                    }
                }
            }
        }
    }

    /// Ten minutes out, in strikes where a value is a billionth of a billionth.
    #[test]
    fn every_strike_has_a_value_ten_minutes_before_the_end() {
        let minutes = 10.0 / 525_600.0;
        for model in [
            Model::Merton(MERTON),
            Model::Kou(KOU),
            Model::Merton(Merton { jump_intensity: 1e-3, ..MERTON }),
            Model::Kou(Kou { jump_intensity: 1e-3, ..KOU }),
        ] {
            for i in -60_i32..=60 {
                let k = 0.01 * f64::from(i);
                let found = time_value(&model, minutes, k).expect("jumps are rare");
                assert!(found.ln_value < 0.0 && found.by_k.is_finite() && found.by_tt.is_finite(), "{model:?} {k}");
            }
        }
    }
}
