//! A smile whose prices are a cubic spline.

use serde::{Deserialize, Serialize};

use crate::surface::{
    extrapolation::continued,
    from_price::{LogPrice, price},
    interpolation::{
        knots::is_ascending,
        piecewise_cubic::{PiecewiseCubic, hermite},
    },
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
#[serde(try_from = "PriceSplineForm")]
pub struct PriceSpline {
    /// κ of the knots, ascending; at least two.
    pub moneyness: Vec<f64>,
    /// Put price over the forward at each.
    pub put_price: Vec<f64>,
    /// Its slope by κ at each.
    pub slope: Vec<f64>,
}

/// A spline as it is read.
#[derive(Deserialize)]
struct PriceSplineForm {
    moneyness: Vec<f64>,
    put_price: Vec<f64>,
    slope: Vec<f64>,
}

impl TryFrom<PriceSplineForm> for PriceSpline {
    type Error = &'static str;

    fn try_from(PriceSplineForm { moneyness, put_price, slope }: PriceSplineForm) -> Result<Self, Self::Error> {
        let n = moneyness.len();
        let is_whole = n > 1 && put_price.len() == n && slope.len() == n;
        if !(is_whole && is_ascending(&moneyness) && moneyness[0] > 0.0) {
            return Err(
                "a spline of prices has two knots at least, of ascending moneyness above 0, and a put_price and a slope at each",
            );
        }
        let spline = Self { moneyness, put_price, slope };
        if spline.has_values() {
            Ok(spline)
        } else {
            Err("a spline of prices must have a volatility at every knot: see put_price and slope")
        }
    }
}

impl Smile for PriceSpline {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        let n = self.moneyness.len();
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
    /// Whether there is a volatility at every knot.
    pub(super) fn has_values(&self) -> bool {
        self.moneyness.iter().all(|kappa| self.derivatives(kappa.ln()).iter().all(|part| part.is_finite()))
    }

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
