//! The smile of a price curve: Black's total variance and its derivatives from an out-of-the-money price and its derivatives.

use super::jet::Jet;
use crate::math::{FRAC_1_SQRT_2PI, Plain, mills, normal_cdf};

/// Newton's steps after which a search is given up.
const MOST_STEPS: usize = 60;

/// An undiscounted out-of-the-money price over the forward (a put below it, a call from it on) as a function of k = ln(strike/forward).
#[derive(Clone, Copy, Debug)]
pub(super) struct Price {
    /// ln V, finite where V itself is too small for a number.
    pub(super) log: f64,
    /// V′/V by k.
    pub(super) slope: f64,
    /// V″/V by k.
    pub(super) bend: f64,
}

/// Black's total deviation θ = σ√t of a price at `k` with its derivatives by k, searched from `guess` on; none where the price is not between
/// zero and its bound.
///
/// Black's out-of-the-money value is n(d₁)(m(a) − m(a + θ)) with Mills' ratio m and a = |k|/θ − θ/2, so that its logarithm and all ratios
/// to it are at hand however small it is. Accurate to some 1e-12 of θ.
pub(super) fn deviation(k: f64, price: &Price, guess: f64) -> Option<Jet> {
    let theta = search(k, price.log, guess)?;
    let parts = Parts::new(k, theta);
    let Parts { over_vega: r, d1, d2, .. } = parts;
    let (slope, bend) = (price.slope * r, price.bend * r);
    // Black's value by k, over its vega n(d₁).
    let by_k = if k < 0.0 { parts.strike_ratio } else { -parts.strike_ratio };
    let by_kk = by_k + 1.0 / theta;
    let first = slope - by_k;
    let second = bend - (by_kk + 2.0 * d1 / theta * first + d1 * d2 / theta * first * first);
    Some(Jet([theta, first, second]))
}

/// Black's out-of-the-money value over its derivative by the deviation `theta`.
pub(super) fn over_vega(k: f64, theta: f64) -> f64 {
    Parts::new(k, theta).over_vega
}

/// Black's value over its vega, and what else follows from the same ratios.
struct Parts {
    d1: f64,
    d2: f64,
    /// V/n(d₁).
    over_vega: f64,
    /// K N(±d₂)/(F n(d₁)): the probability of exercise, over the vega.
    strike_ratio: f64,
}

impl Parts {
    fn new(k: f64, theta: f64) -> Self {
        let d1 = 0.5 * theta - k / theta;
        let d2 = d1 - theta;
        let inner = k.abs() / theta - 0.5 * theta;
        let (near, far) = (mills_of(inner), mills::<Plain>(inner + theta));
        Self { d1, d2, over_vega: near - far, strike_ratio: if k < 0.0 { near } else { far } }
    }
}

/// Mills' ratio of any sign.
fn mills_of(x: f64) -> f64 {
    if x >= 0.0 { mills::<Plain>(x) } else { normal_cdf::<Plain>(-x) / (FRAC_1_SQRT_2PI * (-0.5 * x * x).exp()) }
}

/// ln √(2π).
const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// The total deviation of an out-of-the-money price over the forward whose logarithm is `log`, from `guess` on: Newton's method, on ln V by ln θ near the money and on 1/ln V by θ² far from it, each of which is nearly
/// a straight line there.
pub(super) fn search(k: f64, log: f64, guess: f64) -> Option<f64> {
    // Against the bound of the value.
    let bound = k.min(0.0);
    if !(log < bound && log > f64::NEG_INFINITY && guess > 0.0) {
        return None;
    }
    let log = log - bound;
    let mut theta = guess;
    for _ in 0..MOST_STEPS {
        let parts = Parts::new(k, theta);
        let value = parts.over_vega.ln() - 0.5 * parts.d1 * parts.d1 - LOG_SQRT_TAU - bound;
        let miss = value - log;
        // ∂ ln V/∂ ln θ
        let slope = theta / parts.over_vega;
        let step = if log < -3.0 && value < 0.0 {
            // d(1/ln V) = −(slope/ln V²) d ln θ, and ln θ = ½ ln θ².
            let change = 2.0 * (miss / log) * (-value) / slope;
            0.5 * (1.0 + change.clamp(-0.9, 8.0)).ln()
        } else {
            (-miss / slope).clamp(-1.0, 1.0)
        };
        if !step.is_finite() {
            return None;
        }
        theta *= step.exp();
        // Newton's error is of the second order of its step.
        if step.abs() < 1e-8 {
            return Some(theta);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Black's price over the forward by the textbook.
    fn black(k: f64, theta: f64) -> f64 {
        let d1 = 0.5 * theta - k / theta;
        let sign = if k < 0.0 { -1.0 } else { 1.0 };
        sign * (normal_cdf::<Plain>(sign * d1) - k.exp() * normal_cdf::<Plain>(sign * (d1 - theta)))
    }

    #[test]
    fn the_smile_that_made_the_prices_comes_back_with_its_derivatives() {
        let smile = |k: f64| Jet([0.2 - 0.3 * k + 0.4 * k * k, -0.3 + 0.8 * k, 0.8]);
        for k in [-0.6_f64, -0.2, -1e-3, 0.0, 1e-3, 0.1, 0.3] {
            // Price derivatives by fourth-order differences of the textbook's price.
            let h = 1e-3;
            let side = |x: f64| {
                // The same option on both sides of the money.
                let theta = smile(x).0[0];
                let own = black(x, theta);
                if (x < 0.0) == (k < 0.0) {
                    own
                } else if k < 0.0 {
                    own - 1.0 + x.exp()
                } else {
                    own + 1.0 - x.exp()
                }
            };
            let v: Vec<f64> = (-2..=2).map(|i| side(k + h * f64::from(i))).collect();
            let slope = (v[0] - 8.0 * v[1] + 8.0 * v[3] - v[4]) / (12.0 * h);
            let bend = (-v[0] + 16.0 * v[1] - 30.0 * v[2] + 16.0 * v[3] - v[4]) / (12.0 * h * h);
            let price = Price { log: v[2].ln(), slope: slope / v[2], bend: bend / v[2] };
            for guess in [0.01, 0.2, 3.0] {
                let ours = deviation(k, &price, guess).expect("it has a volatility").0;
                let theirs = smile(k).0;
                assert!((ours[0] / theirs[0] - 1.0).abs() < 1e-11, "{ours:?} {theirs:?} at {k} from {guess}");
                assert!((ours[1] - theirs[1]).abs() < 1e-6, "{ours:?} {theirs:?} at {k}");
                assert!((ours[2] - theirs[2]).abs() < 1e-3, "{ours:?} {theirs:?} at {k}");
            }
        }
    }

    #[test]
    fn prices_too_small_for_a_number_have_a_volatility() {
        for (k, theta) in [(-3.0_f64, 0.05_f64), (2.0, 0.04), (-0.5, 0.002)] {
            let parts = Parts::new(k, theta);
            let log = parts.over_vega.ln() - 0.5 * parts.d1 * parts.d1 - LOG_SQRT_TAU;
            assert!(log < -800.0);
            for guess in [0.01 * theta, 0.5 * theta, 20.0 * theta] {
                let found = search(k, log, guess).expect("found");
                assert!((found / theta - 1.0).abs() < 1e-10, "{found} {theta}");
            }
        }
    }

    #[test]
    fn prices_outside_their_bounds_have_none() {
        let price = |log: f64| Price { log, slope: 0.0, bend: 0.0 };
        assert!(deviation(-1.0, &price(-0.9), 0.2).is_none());
        assert!(deviation(1.0, &price(0.0), 0.2).is_none());
        assert!(deviation(0.0, &price(f64::NEG_INFINITY), 0.2).is_none());
        assert!(deviation(0.0, &price(f64::NAN), 0.2).is_none());
    }
}
