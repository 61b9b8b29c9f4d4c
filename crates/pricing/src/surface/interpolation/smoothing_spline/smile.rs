//! A smile whose prices are a cubic spline.

use serde::{Deserialize, Serialize};
use zomma_base::OptionType;

use crate::{
    implied_vol::implied_volatility_row,
    math::{Plain, normal_cdf, normal_pdf},
    surface::{
        extrapolation::continued,
        interpolation::piecewise_cubic::{PiecewiseCubic, hermite},
        smile::Smile,
    },
};

/// A smile of the smoothing spline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SmoothedSmile {
    /// From a spline of prices.
    Price(PriceSpline),
    /// From a spline of total variance, where quotes are too few, or prices without arbitrage were not found.
    Variance(PiecewiseCubic),
}

impl Smile for SmoothedSmile {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        match self {
            Self::Price(spline) => spline.derivatives(k),
            Self::Variance(spline) => spline.derivatives(k),
        }
    }
}

/// Undiscounted put prices over the forward as cubics in moneyness κ = strike/forward between knots; beyond them total variance is linear in
/// ln κ within Lee's bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriceSpline {
    /// κ of the knots, ascending; at least two.
    pub moneyness: Vec<f64>,
    /// Put price over the forward at each.
    pub put_price: Vec<f64>,
    /// Its slope by κ at each.
    pub slope: Vec<f64>,
}

impl Smile for PriceSpline {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        let n = self.moneyness.len();
        if n < 2 || self.put_price.len() != n || self.slope.len() != n {
            return [f64::NAN; 3];
        }
        let (low, high) = (self.moneyness[0].ln(), self.moneyness[n - 1].ln());
        if k < low {
            let [w, slope, _] = self.inside(low);
            let [w, slope, bend] = continued([w, -slope], low - k);
            [w, -slope, bend]
        } else if k > high {
            let [w, slope, _] = self.inside(high);
            continued([w, slope], k - high)
        } else {
            self.inside(k)
        }
    }
}

impl PriceSpline {
    /// w and its derivatives between the first knot and the last: those of the price, through Black's formula.
    fn inside(&self, k: f64) -> [f64; 3] {
        let kappa = k.exp();
        let after = self.moneyness.partition_point(|&knot| knot < kappa).clamp(1, self.moneyness.len() - 1);
        let ends = |column: &[f64]| [column[after - 1], column[after]];
        let [put, by, by_by] = hermite(ends(&self.moneyness), ends(&self.put_price), ends(&self.slope), kappa);
        let (option_type, price) =
            if k < 0.0 { (OptionType::Put, put) } else { (OptionType::Call, put + (1.0 - kappa)) };
        let Ok(deviation) = implied_volatility_row(option_type, 1.0, kappa, 1.0, 1.0, price) else {
            return [f64::NAN; 3];
        };
        let w = deviation * deviation;
        // Derivatives of the put over the forward by k, and of Black's formula by k and w.
        let (price_k, price_kk) = (kappa * by, kappa * by + kappa * kappa * by_by);
        let d1 = -k / deviation + 0.5 * deviation;
        let density = normal_pdf::<Plain>(d1);
        let black_k = kappa * normal_cdf::<Plain>(deviation - d1);
        let black_kk = black_k + density / deviation;
        let black_w = 0.5 * density / deviation;
        let black_kw = black_w * d1 / deviation;
        let black_ww = black_w * (k * k / (2.0 * w * w) - 0.5 / w - 0.125);
        let slope = (price_k - black_k) / black_w;
        let bend = (price_kk - black_kk - slope * (2.0 * black_kw + black_ww * slope)) / black_w;
        [w, slope, bend]
    }
}

/// Undiscounted put price over the forward at log-moneyness `k` and total variance `w`.
pub(super) fn put_price(k: f64, w: f64) -> f64 {
    let kappa = k.exp();
    if w <= 0.0 {
        return (kappa - 1.0).max(0.0);
    }
    let deviation = w.sqrt();
    let d1 = -k / deviation + 0.5 * deviation;
    // Out of the money first: parity adds what it adds exactly.
    if k < 0.0 {
        kappa * normal_cdf::<Plain>(deviation - d1) - normal_cdf::<Plain>(-d1)
    } else {
        normal_cdf::<Plain>(d1) - kappa * normal_cdf::<Plain>(d1 - deviation) + (kappa - 1.0)
    }
}

/// ∂price/∂w at log-moneyness `k` and total variance `w`.
pub(super) fn price_by_variance(k: f64, w: f64) -> f64 {
    let deviation = w.sqrt();
    0.5 * normal_pdf::<Plain>(-k / deviation + 0.5 * deviation) / deviation
}
