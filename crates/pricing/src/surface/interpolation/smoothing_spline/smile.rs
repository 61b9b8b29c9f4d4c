//! A smile whose prices are a cubic spline.

use serde::{Deserialize, Serialize};

use crate::surface::{
    extrapolation::continued,
    from_price::{LogPrice, price},
    interpolation::piecewise_cubic::{PiecewiseCubic, hermite},
    smile::Smile,
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
        let [value, by] = if k < 0.0 { [put, by] } else { [put + (1.0 - kappa), by - 1.0] };
        LogPrice::by_moneyness(kappa, [value, by, by_by]).smile(k)
    }
}

/// Undiscounted put price over the forward at log-moneyness `k` and total variance `w`: parity adds what it adds exactly.
pub(super) fn put_price(k: f64, w: f64) -> f64 {
    price(k, w.max(0.0).sqrt()) + (k.exp() - 1.0).max(0.0)
}
