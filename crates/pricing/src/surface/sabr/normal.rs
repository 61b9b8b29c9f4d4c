//! A smile of Hagan's normal expansion.

use serde::{Deserialize, Serialize};

use super::{curve::Curve, family::Family, formula::Sabr, jet::Jet, smile::SabrParameters};
use crate::{
    math::{Plain, mills_parts},
    surface::{
        from_price::{Implied, LogPrice},
        smile::Smile,
    },
};

/// One expiry's smile under Hagan's normal expansion ([`super::Sabr::normal_volatility`]) for a forward of 1: Bachelier's price at that
/// volatility, and Black's volatility of the price, to some 1e-12 of itself. Under a shift the model is that of the forward plus shift; Bachelier's
/// price knows the distance of strike and forward alone, so that it is the same formula.
///
/// Bachelier's forward may end below zero, so that far below the forward (where the put is worth more than its strike, or gains on it
/// as the strike falls) there is no smile. There puts are a power of the strike, with the value and slope of the last strike that has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "NormalSabrParameters", into = "NormalSabrParameters")]
pub struct NormalSabrSmile {
    parameters: SabrParameters,
    shift: f64,
    /// Of the forward plus shift as 1.
    curve: Curve,
    /// The lowest log-moneyness down to which Bachelier's put falls with its strike as [`LEAST_POWER`] asks at least, and its ln V there.
    lowest: [f64; 2],
}

/// What a smile of the normal expansion is saved as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NormalForm")]
pub struct NormalSabrParameters {
    /// The model; under a shift α is the normal volatility at the money over the forward, α₀ (F + shift)^β / F.
    #[serde(flatten)]
    pub parameters: SabrParameters,
    /// The shift as a share of the forward, at or above 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub shift: f64,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Parameters as they are read.
#[derive(Deserialize)]
struct NormalForm {
    expiry_years: f64,
    #[serde(flatten)]
    sabr: Sabr,
    #[serde(default)]
    shift: f64,
}

impl TryFrom<NormalForm> for NormalSabrParameters {
    type Error = String;

    fn try_from(NormalForm { expiry_years, sabr, shift }: NormalForm) -> Result<Self, Self::Error> {
        if !(0.0..=MOST_SHIFT).contains(&shift) {
            return Err(format!("shift = {shift:?}; allowed: 0 to {MOST_SHIFT} forwards"));
        }
        Ok(Self { parameters: SabrParameters::checked(expiry_years, sabr)?, shift })
    }
}

/// The largest shift over the forward: with more the model is Bachelier's to the last digit that matters.
pub const MOST_SHIFT: f64 = 100.0;
/// Least d ln(put)/d ln(strike): at 1 the put would fall as slowly as its strike.
const LEAST_POWER: f64 = 1.1;
/// Where the search for the lowest log-moneyness begins.
const LOWEST: f64 = -20.0;

impl NormalSabrSmile {
    /// The smile of parameters.
    pub fn new(parameters: NormalSabrParameters) -> Self {
        let NormalSabrParameters { parameters, shift } = parameters;
        let [level, rho, vol_of_vol, beta] = parameters.without_time();
        let curve = Curve::new([level / (1.0 + shift), rho, vol_of_vol, beta]);
        let mut smile = Self { parameters, shift, curve, lowest: [LOWEST, 0.0] };
        let mut range = [LOWEST, 0.0];
        const HALVINGS: usize = 40;
        for _ in 0..HALVINGS {
            let middle = 0.5 * (range[0] + range[1]);
            let is_sound = bachelier(middle, smile.deviation(middle)).is_some_and(|put| put.0.slope >= LEAST_POWER);
            range[usize::from(is_sound)] = middle;
        }
        let lowest = range[1];
        smile.lowest = [lowest, bachelier(lowest, smile.deviation(lowest)).map_or(f64::NAN, |put| put.0.log)];
        smile
    }

    fn price(&self, k: f64) -> Option<LogPrice> {
        let [lowest, log] = self.lowest;
        if k < lowest {
            return Some(LogPrice {
                log: log + LEAST_POWER * (k - lowest),
                slope: LEAST_POWER,
                density: LEAST_POWER * (LEAST_POWER - 1.0),
            });
        }
        bachelier(k, self.deviation(k)).map(|found| found.0)
    }

    /// Bachelier's total deviation over the forward.
    fn deviation(&self, k: f64) -> Jet {
        let (whole, strike) = (1.0 + self.shift, k.exp());
        let Jet([deviation, by, by_by]) = self.curve.normal(self.shifted(k));
        // The shifted log-moneyness by k.
        let first = strike / (strike + self.shift);
        let second = first * self.shift / (strike + self.shift);
        Jet([deviation, by * first, by_by * first * first + by * second].map(|x| whole * x))
    }

    /// ln((strike + shift)/(forward + shift)).
    fn shifted(&self, k: f64) -> f64 {
        if self.shift == 0.0 { k } else { (k.exp_m1() / (1.0 + self.shift)).ln_1p() }
    }
}

impl From<NormalSabrParameters> for NormalSabrSmile {
    fn from(parameters: NormalSabrParameters) -> Self {
        Self::new(parameters)
    }
}

impl From<NormalSabrSmile> for NormalSabrParameters {
    fn from(NormalSabrSmile { parameters, shift, .. }: NormalSabrSmile) -> Self {
        Self { parameters, shift }
    }
}

/// Bachelier's out-of-the-money value n(d) s (1 − |d| m(|d|)) with d = (1 − e^k)/s and Mills' ratio m, over the forward, at a total deviation
/// `s` over the forward, and V/n(d); none where that is not above zero.
fn bachelier(k: f64, s: Jet) -> Option<(LogPrice, f64)> {
    let [s, s_by_k, s_by_kk] = s.0;
    if !(s > 0.0 && s.is_finite()) {
        return None;
    }
    let strike = k.exp();
    let d = -k.exp_m1() / s;
    // Mills' ratio p/q has q = x p + r, so that 1 − x p/q = r/q.
    let parts = mills_parts::<Plain>(d.abs());
    let value = s * parts.r / parts.q;
    // V_K; V_s is 1, V_KK 1/s, V_Ks d/s and V_ss d²/s: all over n(d).
    let by_strike = if k < 0.0 { parts.p / parts.q } else { -parts.p / parts.q };
    let first = strike * by_strike + s_by_k;
    let moved = strike + d * s_by_k;
    // The first term of V_kk is that of V_k.
    let density = s_by_kk - s_by_k + moved * moved / s;
    let log = value.ln() - 0.5 * d * d - LOG_SQRT_TAU;
    Some((LogPrice { log, slope: first / value, density: density / value }, value))
}

/// ln √(2π).
const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

impl Smile for NormalSabrSmile {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        self.price(k).map_or([f64::NAN; 3], |price| price.smile(k))
    }

    fn total_variance(&self, k: f64) -> f64 {
        self.price(k).map_or(f64::NAN, |price| price.total_variance(k))
    }
}

impl Family for NormalSabrSmile {
    const MOST_STEPS: usize = 30;

    fn of(parameters: SabrParameters, shift: f64) -> Self {
        Self::new(NormalSabrParameters { parameters, shift })
    }

    fn parameters(&self) -> SabrParameters {
        self.parameters
    }

    fn evaluate<const N: usize>(
        x: [f64; 4],
        shift: f64,
        k: impl Iterator<Item = f64>,
        out: &mut Vec<(f64, [f64; N])>,
    ) -> bool {
        let smile = Self::of(SabrParameters::with_time(x, 1.0), shift);
        out.clear();
        for k in k {
            // Below the lowest log-moneyness the put there decides.
            let at = k.max(smile.lowest[0]);
            // The level is that over the forward: what the curve divides it by, the deviation is multiplied by.
            let (s, [by_level, by_rho, by_vol_of_vol]) = smile.curve.normal_gradient(smile.shifted(at));
            let whole = 1.0 + shift;
            let (s, by) = (whole * s, [by_level, whole * by_rho, whole * by_vol_of_vol]);
            let (Some((_, value)), Some(price)) = (bachelier(at, Jet::constant(s)), smile.price(k)) else {
                return false;
            };
            let Some(Implied { deviation, over_vega, .. }) = Implied::of(k, &price) else { return false };
            let ratio = over_vega / value;
            out.push((deviation, std::array::from_fn(|i| by.get(i).map_or(0.0, |by| ratio * by))));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{math::normal_cdf, math::normal_pdf, surface::sabr::Sabr};

    fn smile(alpha: f64, rho: f64, nu: f64, expiry_years: f64) -> NormalSabrSmile {
        shifted([alpha, 0.0, rho, nu], expiry_years, 0.0)
    }

    fn shifted([alpha, beta, rho, nu]: [f64; 4], expiry_years: f64, shift: f64) -> NormalSabrSmile {
        NormalSabrSmile::of(SabrParameters { expiry_years, sabr: Sabr { alpha, beta, rho, nu } }, shift)
    }

    #[test]
    fn blacks_price_at_the_smile_is_bacheliers_at_the_normal_volatility() {
        for (alpha, rho, nu, t) in [(0.2, -0.3, 0.8, 1.0), (0.15, 0.2, 3.0, 0.05), (0.3, 0.0, 0.0, 0.5)] {
            let smile = smile(alpha, rho, nu, t);
            for k in [-0.3_f64, -0.1, -1e-6, 0.0, 0.05, 0.2] {
                let theta = smile.total_variance(k).sqrt();
                let sign = if k < 0.0 { -1.0 } else { 1.0 };
                let d1 = -k / theta + 0.5 * theta;
                let black =
                    sign * (normal_cdf::<Plain>(sign * d1) - k.exp() * normal_cdf::<Plain>(sign * (d1 - theta)));
                let s = Sabr { alpha, beta: 0.0, rho, nu }.normal_volatility(1.0, k.exp(), t, 0.0) * t.sqrt();
                let away = 1.0 - k.exp();
                let d = away / s;
                let bachelier = sign * away * normal_cdf::<Plain>(sign * d) + s * normal_pdf::<Plain>(d);
                assert!((black - bachelier).abs() < 1e-14 + 1e-10 * black, "{black} {bachelier} at {k}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let with_shift = [(0.5, 0.1), (1.0, 0.5), (0.7, 3.0)];
        let with_shift = with_shift.map(|(beta, shift)| shifted([0.2, beta, -0.3, 0.8], 1.0, shift));
        for smile in [smile(0.2, -0.3, 0.8, 1.0), smile(0.15, 0.2, 3.0, 0.05)].into_iter().chain(with_shift) {
            for k in [-2.0, -0.5, -0.1, -0.01, 0.02, 0.3, 0.8] {
                let h = 1e-5;
                let [up, at, down] = [k + h, k, k - h].map(|k| smile.derivatives(k));
                let (first, second) = ((up[0] - down[0]) / (2.0 * h), (up[1] - down[1]) / (2.0 * h));
                assert!((at[1] - first).abs() < 1e-6 * (1.0 + first.abs()), "{at:?} {first} at {k}");
                assert!((at[2] - second).abs() < 1e-4 * (1.0 + second.abs()), "{at:?} {second} at {k}");
            }
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for (beta, shift) in [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.3), (0.5, 0.2), (1.0, 2.0)] {
            let x = [0.2, -0.4, 0.9, beta];
            let strikes = [-0.4, -0.1, 0.0, 0.15];
            let mut out: Vec<(f64, [f64; 3])> = Vec::new();
            assert!(NormalSabrSmile::evaluate(x, shift, strikes.into_iter(), &mut out));
            for i in 0..3 {
                let side = |step: f64| {
                    let (mut y, mut out) = (x, Vec::<(f64, [f64; 3])>::new());
                    y[i] += step;
                    assert!(NormalSabrSmile::evaluate(y, shift, strikes.into_iter(), &mut out));
                    out
                };
                let (up, down) = (side(1e-6), side(-1e-6));
                for ((up, down), (_, by)) in up.iter().zip(&down).zip(&out) {
                    let numeric = (up.0 - down.0) / 2e-6;
                    let tolerance = 1e-7 * (1.0 + numeric.abs());
                    assert!((by[i] - numeric).abs() < tolerance, "β {beta}, shift {shift}, {i}: {} {numeric}", by[i]);
                }
            }
        }
    }

    #[test]
    fn a_shifted_smile_is_hagans_formula_of_shifted_forward_and_strike() {
        for (alpha, beta, shift, t) in [(0.2, 0.5, 0.25, 1.0), (0.15, 1.0, 0.1, 0.05), (0.3, 0.3, 2.0, 0.5)] {
            let (rho, nu) = (-0.4, 0.9);
            let smile = shifted([alpha, beta, rho, nu], t, shift);
            let model = Sabr { alpha: alpha * (1.0 + shift).powf(-beta), beta, rho, nu };
            for k in [-0.3_f64, -0.1, 0.0, 0.05, 0.2] {
                let deviation = model.normal_volatility(1.0, k.exp(), t, shift) * t.sqrt();
                let found = smile.deviation(k).0[0];
                assert!((found / deviation - 1.0).abs() < 1e-13, "{found} {deviation} at {k}, β {beta}, shift {shift}");
            }
        }
    }

    #[test]
    fn a_shift_is_saved_where_there_is_one_and_a_wrong_one_is_refused() {
        let json = serde_json::to_string(&shifted([0.2, 0.5, -0.7, 1.5], 0.5, 0.25)).expect("numbers");
        assert_eq!(json, r#"{"expiry_years":0.5,"alpha":0.2,"beta":0.5,"rho":-0.7,"nu":1.5,"shift":0.25}"#);
        assert_eq!(serde_json::from_str::<NormalSabrSmile>(&json).expect("what was written").shift, 0.25);
        let without = serde_json::to_string(&smile(0.2, -0.7, 1.5, 0.5)).expect("numbers");
        assert!(!without.contains("shift"), "{without}");
        for wrong in ["-0.1", "101", "1e999"] {
            let refused = serde_json::from_str::<NormalSabrSmile>(&json.replace("0.25", wrong));
            assert!(refused.is_err(), "{wrong}");
        }
    }

    #[test]
    fn far_below_the_forward_there_is_a_smile_still_without_arbitrage() {
        let smile = smile(0.25, 0.0, 0.5, 2.0);
        assert!(smile.lowest[0] > -10.0 && smile.lowest[0] < -0.5, "{:?}", smile.lowest);
        for step in 0..400 {
            let k = -0.05 * f64::from(step);
            let g = smile.durrleman_g(k);
            assert!(g >= -1e-8 && g.is_finite(), "{g} at {k}");
        }
    }
}
