//! Total variance and its derivatives from an out-of-the-money price and its derivatives, through the implicit function theorem.
//!
//! Formula  With V(k, t) the price (of a put below the forward, of a call from it on) and b(k, w) Black's, V(k, t) = b(k, w(k, t)):
//!          w_k = (V_k − b_k)/b_w and w_t = V_t/b_w; w_kk from the density, x² V_xx = b_w·2g with Durrleman's g; and once more for w_kt and w_tt,
//!          where b_kw/b_w = 1/2 − k/w and b_ww/b_w = k²/2w² − 1/2w − 1/8. b_w = n(d₁)/(2√w).
//! Method   Prices by their logarithm and derivatives over the price, Black's by Mills' ratios over n(d₁): nothing underflows, however far from
//!          the money.

use super::smile::Variance;
use crate::implied_vol::{reduced_price, total_volatility_of_log, total_volatility_of_log_price};

/// ln √(8π).
const LN_SQRT_8_PI: f64 = 1.612_085_713_764_618;

/// An undiscounted out-of-the-money price over the forward (of a put below it, of a call from it on) as a function of k = ln(strike/forward).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogPrice {
    /// ln V, finite where V itself is too small for a number.
    pub(super) log: f64,
    /// V_k/V.
    pub(super) slope: f64,
    /// (V_kk − V_k)/V, which is x² V_xx/V by the moneyness x = exp(k): the density of ln(S_T/F) over V/x.
    pub(super) density: f64,
}

impl LogPrice {
    /// That of the value `value` above zero, with its first two derivatives by the moneyness x.
    pub(super) fn by_moneyness(x: f64, [value, slope, density]: [f64; 3]) -> Self {
        Self { log: value.ln(), slope: x * slope / value, density: x * x * density / value }
    }

    /// w; NaN where no volatility gives the price.
    pub(super) fn total_variance(&self, k: f64) -> f64 {
        total_variance(k, self.log)
    }

    /// w, w′ and w″; NaN where no volatility gives the price.
    pub(super) fn smile(&self, k: f64) -> [f64; 3] {
        Implied::of(k, self).map_or([f64::NAN; 3], |implied| implied.smile)
    }
}

/// w of an out-of-the-money price over the forward whose logarithm is `log`; NaN where no volatility gives it.
pub(super) fn total_variance(k: f64, log: f64) -> f64 {
    total_volatility_of_log(k, log - k.min(0.0)).map_or(f64::NAN, |deviation| deviation * deviation)
}

/// What Black's formula says of a price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Implied {
    k: f64,
    /// √w.
    pub(super) deviation: f64,
    /// V/n(d₁): the price over its derivative by √w.
    pub(super) over_vega: f64,
    /// w, w′ and w″.
    pub(super) smile: [f64; 3],
}

impl Implied {
    /// None where no volatility gives the price.
    pub(super) fn of(k: f64, price: &LogPrice) -> Option<Self> {
        let [deviation, over_vega, near, far] = total_volatility_of_log_price(k.abs(), price.log - k.min(0.0))?;
        let w = deviation * deviation;
        // −b_k over n(d₁): the probability of exercise times the moneyness.
        let exercise = if k < 0.0 { -near } else { far };
        let slope = 2.0 * deviation * (price.slope * over_vega + exercise);
        let g = price.density * deviation * over_vega;
        let lead = 1.0 - 0.5 * k * slope / w;
        let bend = 2.0 * (g - lead * lead + 0.25 * slope * slope * (1.0 / w + 0.25));
        Some(Self { k, deviation, over_vega, smile: [w, slope, bend] })
    }

    /// The same with the derivatives by time of a price with these V_t/V, V_kt/V and V_tt/V.
    pub(super) fn variance(&self, [by_t, by_kt, by_tt]: [f64; 3]) -> Variance {
        let [w, slope, bend] = self.smile;
        let over_by_w = 2.0 * self.deviation * self.over_vega;
        let log_by_k = 0.5 - self.k / w;
        let log_by_w = 0.5 * (self.k * self.k / w - 1.0) / w - 0.125;
        let w_t = by_t * over_by_w;
        Variance {
            total: w,
            by_k: slope,
            by_kk: bend,
            by_t: w_t,
            by_kt: by_kt * over_by_w - (log_by_k + log_by_w * slope) * w_t,
            by_tt: by_tt * over_by_w - log_by_w * w_t * w_t,
        }
    }
}

/// Black's out-of-the-money price over the forward at the total deviation √w.
pub(super) fn price(k: f64, deviation: f64) -> f64 {
    reduced_price(k.abs(), deviation) * k.min(0.0).exp()
}

/// ln ∂(price over forward)/∂w at the total deviation √w.
pub(super) fn ln_by_variance(k: f64, deviation: f64) -> f64 {
    let d1 = 0.5 * deviation - k / deviation;
    -0.5 * d1 * d1 - LN_SQRT_8_PI - deviation.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        math::{Plain, mills, normal_cdf},
        surface::Svi,
    };

    /// Black's price over the forward by the textbook.
    fn black(k: f64, deviation: f64) -> f64 {
        let d1 = 0.5 * deviation - k / deviation;
        let sign = if k < 0.0 { -1.0 } else { 1.0 };
        sign * (normal_cdf::<Plain>(sign * d1) - k.exp() * normal_cdf::<Plain>(sign * (d1 - deviation)))
    }

    /// ln of Black's price, V_k/V and x² V_xx/V on a smile: from Mills' ratios, ∂P/∂x = N(−d₂) + n(d₂) w′/2√w and the density g n(d₂)/√w.
    fn price_of(k: f64, smile: [f64; 3]) -> LogPrice {
        let [w, slope, _] = smile;
        let deviation = w.sqrt();
        let inner = k.abs() / deviation - 0.5 * deviation;
        let (near, far) = (mills::<Plain>(inner), mills::<Plain>(inner + deviation));
        let d1 = 0.5 * deviation - k / deviation;
        let value = near - far;
        let exercise = if k < 0.0 { near } else { -far };
        LogPrice {
            log: value.ln() - 0.5 * d1 * d1 - 0.918_938_533_204_672_8,
            slope: (exercise + 0.5 * slope / deviation) / value,
            density: crate::surface::durrleman_g(k, smile) / (deviation * value),
        }
    }

    #[test]
    fn the_smile_that_made_the_prices_comes_back_with_its_derivatives() {
        let smile = |k: f64| 0.2 - 0.3 * k + 0.4 * k * k;
        for k in [-0.6_f64, -0.2, -1e-3, 0.0, 1e-3, 0.1, 0.3] {
            // Price derivatives by fourth-order differences of the textbook's price.
            let h = 1e-3;
            let side = |x: f64| {
                // The same option on both sides of the money.
                let own = black(x, smile(x));
                let parity = if x < 0.0 { -x.exp_m1() } else { x.exp_m1() };
                if (x < 0.0) == (k < 0.0) { own } else { own + parity }
            };
            let v: Vec<f64> = (-2..=2).map(|i| side(k + h * f64::from(i))).collect();
            let slope = (v[0] - 8.0 * v[1] + 8.0 * v[3] - v[4]) / (12.0 * h);
            let bend = (-v[0] + 16.0 * v[1] - 30.0 * v[2] + 16.0 * v[3] - v[4]) / (12.0 * h * h);
            let price = LogPrice { log: v[2].ln(), slope: slope / v[2], density: (bend - slope) / v[2] };
            let [w, by_k, by_kk] = price.smile(k);
            let (s, ds) = (smile(k), 0.8 * k - 0.3);
            assert!((w.sqrt() / s - 1.0).abs() < 1e-11, "{w} {s} at {k}");
            assert!((by_k - 2.0 * s * ds).abs() < 1e-6, "{by_k} at {k}");
            assert!((by_kk - 2.0 * (ds * ds + s * 0.8)).abs() < 1e-3, "{by_kk} at {k}");
            assert!((price.total_variance(k) - w).abs() < 1e-15);
        }
    }

    #[test]
    fn wings_whose_prices_are_too_small_for_a_number_have_their_smile() {
        // A week of an index: ln V from −700 to −8,000.
        let svi = Svi { a: 1e-5, b: 4e-4, rho: -0.6, m: 0.001, sigma: 0.01 };
        for k in [-3.0_f64, -2.0, -1.0, 0.4, 0.8, 1.5] {
            let theirs = crate::surface::Smile::derivatives(&svi, k);
            let price = price_of(k, theirs);
            assert!(price.log < -690.0, "{} at {k}", price.log);
            let ours = price.smile(k);
            assert!((ours[0] / theirs[0] - 1.0).abs() < 1e-11, "{ours:?} {theirs:?} at {k}");
            assert!((ours[1] / theirs[1] - 1.0).abs() < 1e-9, "{ours:?} {theirs:?} at {k}");
            // w″ is what g leaves of (1 − kw′/2w)², which is far greater.
            let lead = 1.0 - 0.5 * k * theirs[1] / theirs[0];
            assert!((ours[2] - theirs[2]).abs() < 1e-11 * lead * lead, "{ours:?} {theirs:?} at {k}");
        }
    }

    #[test]
    fn derivatives_by_time_are_those_of_the_prices() {
        // w(k, t) = t (0.04 − 0.02 k + 0.1 k² t); logarithms of its prices by differences in t.
        let total = |k: f64, t: f64| t * (0.04 - 0.02 * k + 0.1 * k * k * t);
        for (k, t) in [(-0.4_f64, 0.5_f64), (-1e-3, 0.5), (0.0, 0.1), (0.3, 2.0)] {
            let at = |t: f64| {
                let smile = [total(k, t), t * (-0.02 + 0.2 * k * t), 0.2 * t * t];
                price_of(k, smile)
            };
            let h = 1e-3 * t;
            let here = at(t);
            let [low, high] = [-h, h].map(|h| at(t + h));
            // Of ln V by t, from which V_t/V and V_tt/V, and V_kt/V from that of V_k/V.
            let first = (high.log - low.log) / (2.0 * h);
            let second = (high.log - 2.0 * here.log + low.log) / (h * h);
            let mixed = (high.slope - low.slope) / (2.0 * h);
            let by = [first, mixed + here.slope * first, second + first * first];
            let found = Implied::of(k, &here).expect("it has a volatility").variance(by);
            let expected = [0.04 - 0.02 * k + 0.2 * k * k * t, -0.02 + 0.4 * k * t, 0.2 * k * k];
            for (ours, theirs) in [found.by_t, found.by_kt, found.by_tt].into_iter().zip(expected) {
                assert!((ours - theirs).abs() < 2e-5, "{found:?} {expected:?} at {k}, {t}");
            }
        }
    }

    #[test]
    fn prices_outside_their_bounds_have_none() {
        let none = |k: f64, log: f64| LogPrice { log, slope: 0.0, density: 0.0 }.smile(k).iter().all(|it| it.is_nan());
        assert!(none(-1.0, -0.9) && none(1.0, 0.0) && none(0.0, f64::NEG_INFINITY) && none(0.0, f64::NAN));
    }

    #[test]
    fn prices_and_their_slopes_are_blacks() {
        for (k, deviation) in [(-0.5, 0.2), (-0.01, 0.2), (0.0, 0.2), (0.3, 0.5), (1.0, 3.0)] {
            assert!((price(k, deviation) / black(k, deviation) - 1.0).abs() < 1e-11, "{k} {deviation}");
            let w: f64 = deviation * deviation;
            let h = 1e-5 * w;
            let numeric = (price(k, (w + h).sqrt()) - price(k, (w - h).sqrt())) / (2.0 * h);
            assert!((ln_by_variance(k, deviation).exp() / numeric - 1.0).abs() < 1e-7, "{k} {deviation}");
        }
        assert_eq!((price(0.1, 0.0), price(-0.1, 0.0)), (0.0, 0.0));
    }
}
