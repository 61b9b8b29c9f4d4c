//! One out-of-the-money option to relative accuracy, however little it is worth, with its derivatives by log-strike and expiry: what an
//! implied volatility far from the money, and a density, are made of.
//!
//! Formula   With s = c + iu, v(x) = (1/π) ∫ Re e^(Λ(s) + (1 − s)x)/(s(s − 1)) du over u > 0: the call where c > 1, the put where c < 0, in
//!           forwards (Lewis 2001). Each derivative by x multiplies by 1 − s, by T with Λ_T, twice by T with Λ_T² + Λ_TT.
//! Method    Along a bent line ([`super::bent`]) where it may be, else along a straight one. It goes through the saddle, the c that makes e^(Λ(c) + (1 − c)x)/|c(c − 1)| least, so that the terms are no larger
//!           than the value and it keeps its digits. By the trapezoidal rule, in lanes.
//! Error     The rule with step 2π/P gives Σ e^((c − 1)nP) v(x + nP) over all n (Poisson). Out of the money these are bounded by the
//!           moments as in [`super::period`], and P is such that they are under e^−28 of the value; in the money they are that plus
//!           parity's part, which is taken away in closed form.
//! Accuracy  1e-10 of the value at usual parameters, 1e-8 at random ones (tests); the position of the saddle matters to the cost only

#![allow(clippy::needless_range_loop, reason = "loops over lanes read as their formulae do with indices")]

use super::bent;
use super::complex::{Complex, complex};
use super::elementary::Lanes;
use super::exponent::Exponent;
use super::heston::HestonExponent;
use super::jumps::{BatesExponent, KouExponent, MertonExponent};
use super::model::{Bates, Merton, Model};
use super::quantities::Slice;
use super::variance_gamma::VarianceGammaExponent;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};
use zomma_base::Status;

/// −ln of the share of the value that each error may be.
const BOUND: f64 = 28.0;
/// Nodes of a block.
const BLOCK: usize = 32;
/// The most nodes.
const MOST: usize = 32_768;
/// The line keeps to this share of the distance to an exploding moment, where that costs no more digits than so many powers of e.
const ROOMY: f64 = 0.6;
const MOST_LOST: f64 = 6.0;
/// Looks at moments to place the line, and on each side for the period.
const SEARCHES: usize = 18;
/// A step by so little of itself ends a search.
const FINE: f64 = 0.06;

/// The undiscounted out-of-the-money option (a call where k ≥ 0) on a forward of one. Derivatives at constant k or T, over the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeValue {
    /// ln v; v may be under the range of numbers.
    pub ln_value: f64,
    /// ∂v/∂k / v
    pub by_k: f64,
    /// ∂²v/∂k² / v
    pub by_kk: f64,
    /// ∂v/∂T / v
    pub by_t: f64,
    /// ∂²v/∂k∂T / v
    pub by_kt: f64,
    /// ∂²v/∂T² / v
    pub by_tt: f64,
}

/// The out-of-the-money option at log-strike k = ln(K/F) with all its derivatives.
///
/// Errors: of the model; `BadExpiry`, `Expired`; `BadStrike` where k is not finite; `NotConverged` where 32,768 nodes do not do.
pub fn time_value(model: &Model, expiry_years: f64, log_moneyness: f64) -> Result<TimeValue, Status> {
    let [value, by_k, by_kk, by_t, by_kt, by_tt, ln_scale] = of::<true>(model, expiry_years, log_moneyness)?;
    let all = TimeValue {
        ln_value: within(value.ln() + ln_scale, log_moneyness)?,
        by_k: by_k / value,
        by_kk: by_kk / value,
        by_t: by_t / value,
        by_kt: by_kt / value,
        by_tt: by_tt / value,
    };
    if [by_k, by_kk, by_t, by_kt, by_tt].iter().all(|x| x.is_finite()) { Ok(all) } else { Err(Status::NotConverged) }
}

/// The logarithm of its value alone, at less cost. Errors as [`time_value`].
pub fn ln_time_value(model: &Model, expiry_years: f64, log_moneyness: f64) -> Result<f64, Status> {
    let [value, .., ln_scale] = of::<false>(model, expiry_years, log_moneyness)?;
    within(value.ln() + ln_scale, log_moneyness)
}

/// A value's logarithm, where it is under that of the most that an option may be worth.
fn within(ln_value: f64, x: f64) -> Result<f64, Status> {
    if ln_value < x.min(0.0) { Ok(ln_value) } else { Err(Status::NotConverged) }
}

/// Value, derivatives and the logarithm of what scales them.
fn of<const ALL: bool>(model: &Model, expiry: f64, x: f64) -> Result<[f64; 7], Status> {
    model.check()?;
    Slice { spot: 1.0, expiry_years: expiry, risk_free_rate: 0.0, dividend_yield: 0.0 }.check()?;
    if !x.is_finite() {
        return Err(Status::BadStrike);
    }
    match without_nothing(model) {
        Model::Heston(model) => line::<ALL, _, 5>(HestonExponent { model, expiry }, x),
        Model::Bates(model) => line::<ALL, _, 8>(BatesExponent::new(&model, expiry), x),
        Model::Merton(model) => line::<ALL, _, 4>(MertonExponent::new(&model, expiry), x),
        Model::Kou(model) => line::<ALL, _, 5>(KouExponent { model, expiry }, x),
        Model::VarianceGamma(model) => line::<ALL, _, 3>(VarianceGammaExponent { model, expiry }, x),
    }
    .ok_or(Status::NotConverged)
}

/// The model, jumps that never come being of no size: their moments would count otherwise.
fn without_nothing(model: &Model) -> Model {
    match *model {
        Model::Bates(Bates { heston, jump_intensity: 0.0, .. }) => Model::Heston(heston),
        Model::Merton(Merton { volatility, jump_intensity: 0.0, .. }) => {
            Model::Merton(Merton { volatility, jump_intensity: 0.0, jump_mean: 0.0, jump_std: 0.0 })
        }
        other => other,
    }
}

fn line<const ALL: bool, X: Exponent<P>, const P: usize>(exponent: X, x: f64) -> Option<[f64; 7]> {
    let is_call = x >= 0.0;
    // Λ(s) + (1 − s)x at a distance beyond the nearer pole.
    let at = |distance: f64| if is_call { 1.0 + distance } else { -distance };
    let height = |c: f64| exponent.moment(c) + (1.0 - c) * x;
    let variance = (-8.0 * exponent.moment(0.5)).max(1e-24);
    if !variance.is_finite() {
        return None;
    }
    // The saddle, were the logarithm normal and the nearer pole the only one.
    let pull = x.abs() - 0.5 * variance;
    let guess = 0.5 * (pull + (pull * pull + 4.0 * variance).sqrt()) / variance;
    let damped = |distance: f64| height(at(distance)) - (distance * (1.0 + distance)).ln();
    let Least { at: mut distance, value: scale, infinite_from } = least(damped, guess)?;
    let infinite_from = explosion(damped, distance, infinite_from);
    // The largest term is of the order of one.
    let place = Place { c: at(distance), ln_scale: scale, room: [distance, infinite_from - distance], x };
    if let Some(sums) = bent::sums::<ALL, X, P>(&exponent, &place, height) {
        let [value, by_k, by_kk, by_t, by_kt, by_tt] = sums;
        return Some([value, by_k, by_kk, by_t, by_kt, by_tt, scale]);
    }
    // Next to an exploding moment the period would have no room: a few digits are worth it.
    let roomy = ROOMY * infinite_from;
    if distance > roomy && damped(roomy) < scale + MOST_LOST {
        distance = roomy;
    }
    let c = at(distance);
    let lost = damped(distance) - scale;
    // The value is less than the scale by about this, as the integral of a bell of its width.
    let room = BOUND - scale + 2.0;
    let guess = (2.0 * BOUND / variance).sqrt();
    let (out, outer) = if is_call { (1.0, 0.0) } else { (-1.0, 1.0) };
    // Further out on the same side, and beyond the other pole.
    let own = least(|d| (height(c + out * d) + room) / d, guess)?.value;
    let other = least(|d| (height(outer - out * d) + room) / (d + distance + 1.0), guess)?.value;
    let period = own.max(other);
    if !(period > 0.0 && period.is_finite()) {
        return None;
    }
    let mut sums = [0.0; 6];
    let mut met = false;
    let step = 2.0 * std::f64::consts::PI / period;
    // The largest term is of the order of one.
    let ln_scale = height(c) - (distance * (1.0 + distance)).ln() + step.ln();
    let line =
        Line::<ALL, X, P> { exponent, c, step, x, ln_scale, bound: BOUND + lost, sums: &mut sums, met: &mut met };
    dispatch(Target::best(), line);
    if !met {
        return None;
    }
    // What the periods in the money hold by parity: e^((c − 1)nP)(±1 ∓ e^(x + nP)).
    let [with_one, with_strike] = if is_call {
        [1.0 / (distance * period).exp_m1(), -(-ln_scale + x).exp() / ((1.0 + distance) * period).exp_m1()]
    } else {
        [-1.0 / ((1.0 + distance) * period).exp_m1(), (-ln_scale + x).exp() / (distance * period).exp_m1()]
    };
    let with_one = if with_one == 0.0 { 0.0 } else { with_one * (-ln_scale).exp() };
    sums[0] -= with_one + with_strike;
    sums[1] -= with_strike;
    sums[2] -= with_strike;
    let [value, by_k, by_kk, by_t, by_kt, by_tt] = sums;
    Some([value, by_k, by_kk, by_t, by_kt, by_tt, ln_scale])
}

/// Where a function is about least.
struct Least {
    at: f64,
    value: f64,
    /// From where on it was seen to be infinite.
    infinite_from: f64,
}

/// The least of a function with one minimum, infinite from some point on.
fn least(f: impl Fn(f64) -> f64, guess: f64) -> Option<Least> {
    let mut best = Least { at: f64::NAN, value: f64::INFINITY, infinite_from: f64::INFINITY };
    let mut t = guess;
    // Down to a finite value first.
    for _ in 0..60 {
        let value = f(t);
        if value.is_finite() {
            (best.at, best.value) = (t, value);
            break;
        }
        best.infinite_from = t;
        t *= 0.4;
    }
    if best.at.is_nan() {
        return None;
    }
    // Up or down by a factor, which grows while that helps, and shrinks to its root and turns where it does not. Next to infinity it can only
    // be down.
    let mut factor = if best.infinite_from.is_finite() { 0.6_f64 } else { 1.8 };
    for _ in 0..SEARCHES {
        t = best.at * factor;
        if t >= best.infinite_from {
            t = (best.at * best.infinite_from).sqrt();
        }
        let value = f(t);
        if !value.is_finite() {
            best.infinite_from = t.min(best.infinite_from);
        }
        if value < best.value {
            (best.at, best.value) = (t, value);
            factor *= factor.sqrt();
        } else {
            factor = 1.0 / factor.sqrt();
        }
        if (factor - 1.0).abs() < FINE {
            break;
        }
    }
    Some(best)
}

/// From where on `f` is infinite, to a few percent: between `finite` and `infinite_from`.
fn explosion(f: impl Fn(f64) -> f64, mut finite: f64, mut infinite_from: f64) -> f64 {
    for _ in 0..8 {
        if infinite_from < 1.05 * finite || infinite_from > 1e3 * finite {
            break;
        }
        let middle = (finite * infinite_from).sqrt();
        if f(middle).is_finite() {
            finite = middle;
        } else {
            infinite_from = middle;
        }
    }
    infinite_from
}

/// Where a contour crosses the real line.
pub(super) struct Place {
    pub c: f64,
    /// The largest term's logarithm, about.
    pub ln_scale: f64,
    /// Distance to the nearer pole, and on the other side to where moments explode.
    pub room: [f64; 2],
    pub x: f64,
}

/// The integral along a line, over e^ln_scale.
struct Line<'a, const ALL: bool, X, const P: usize> {
    exponent: X,
    c: f64,
    step: f64,
    x: f64,
    ln_scale: f64,
    /// −ln of the share of the largest term that the rest may be.
    bound: f64,
    sums: &'a mut [f64; 6],
    /// Whether its end was reached.
    met: &'a mut bool,
}

impl<const ALL: bool, X: Exponent<P>, const P: usize> Line<'_, ALL, X, P> {
    /// Whether what lies beyond `u` may be left away. Against the value's weight those of derivatives grow as u² and, twice by expiry, as u⁴ at
    /// most, and fall short of the sum by as much.
    fn ends(&self, u: f64) -> bool {
        let share = u / (1.0 + self.c.abs());
        let growth = if ALL { 4.0 * (1.0 + share * share).ln() } else { 0.0 };
        self.exponent.envelope(self.c, u) - self.exponent.moment(self.c) + growth <= -self.bound
    }
}

impl<const ALL: bool, X: Exponent<P>, const P: usize> Kernel for Line<'_, ALL, X, P> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let places = if ALL { 6 } else { 1 };
        if !self.ends(self.step * MOST as f64) {
            return;
        }
        // The node factor step/π, and the scale.
        let ln_factor = (self.step * std::f64::consts::FRAC_1_PI).ln() - self.ln_scale;
        for first in (0..MOST).step_by(BLOCK) {
            let mut terms = [[0.0; BLOCK]; 6];
            for i in 0..BLOCK {
                let s = complex(self.c, self.step * (first + i) as f64);
                let all = terms_at::<ALL, M, X, P>(&self.exponent, s, self.x, ln_factor);
                for place in 0..places {
                    terms[place][i] = all[place].re;
                }
            }
            for place in 0..places {
                if first == 0 {
                    terms[place][0] *= 0.5;
                }
                self.sums[place] += terms[place].iter().sum::<f64>();
            }
            if self.ends(self.step * (first + BLOCK) as f64) {
                *self.met = true;
                return;
            }
        }
    }
}

/// e^(Λ(s) + (1 − s)x + ln_factor)/(s(s − 1)), and the same times what makes each derivative.
#[inline(always)]
pub(super) fn terms_at<const ALL: bool, M: MultiplyAdd, X: Exponent<P>, const P: usize>(
    exponent: &X,
    s: Complex,
    x: f64,
    ln_factor: f64,
) -> [Complex; 6] {
    let by_x = Complex::ONE - s;
    let (value, by_t, by_tt) = if ALL {
        let gradient = exponent.gradient::<Lanes<M>>(s);
        (gradient.value, gradient.expiry, gradient.expiry_twice)
    } else {
        (exponent.value::<Lanes<M>>(s), Complex::ZERO, Complex::ZERO)
    };
    let wave = (value + by_x.scale(x) + complex(ln_factor, 0.0)).exp::<Lanes<M>>();
    let weight = -(wave / (s * by_x));
    if !ALL {
        return [weight, Complex::ZERO, Complex::ZERO, Complex::ZERO, Complex::ZERO, Complex::ZERO];
    }
    let slope = weight * by_x;
    [weight, slope, slope * by_x, weight * by_t, slope * by_t, weight * (by_t.square() + by_tt)]
}
