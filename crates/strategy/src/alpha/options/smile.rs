//! Volatility by strike at one expiry.

use zomma_pricing::surface::Svi;

/// A smile over log-moneyness k = ln(K/F), with the range that was quoted.
#[derive(Clone, Debug)]
pub struct Smile {
    years: f64,
    quoted: [f64; 2],
    curve: Curve,
}

#[derive(Clone, Debug)]
enum Curve {
    /// (k, total variance) by ascending k.
    Points(Vec<[f64; 2]>),
    Svi(Svi),
}

impl Smile {
    /// Through columns of volatilities, by lines in total variance; pairs that are not finite are left out, and of equal k the first counts. `None`
    /// where fewer than two are left or `years` is not above zero.
    pub fn from_columns(years: f64, log_moneyness: &[f64], volatility: &[f64]) -> Option<Self> {
        let mut points: Vec<[f64; 2]> = log_moneyness
            .iter()
            .zip(volatility)
            .filter(|(k, volatility)| k.is_finite() && volatility.is_finite() && **volatility > 0.0)
            .map(|(&k, &volatility)| [k, volatility * volatility * years])
            .collect();
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        points.dedup_by(|later, first| later[0] == first[0]);
        let (first, last) = (points.first()?[0], points.last()?[0]);
        (points.len() >= 2 && years > 0.0 && years.is_finite()).then_some(Self {
            years,
            quoted: [first, last],
            curve: Curve::Points(points),
        })
    }

    /// A fitted slice, over the log-moneyness that was quoted. `None` where `years` is not above zero or nothing was quoted.
    pub fn from_svi(years: f64, svi: Svi, quoted: [f64; 2]) -> Option<Self> {
        let is_range = quoted[0].is_finite() && quoted[1].is_finite() && quoted[0] < quoted[1];
        (is_range && years > 0.0 && years.is_finite()).then_some(Self { years, quoted, curve: Curve::Svi(svi) })
    }

    /// Years to expiry.
    pub fn years(&self) -> f64 {
        self.years
    }

    /// Lowest and highest quoted log-moneyness.
    pub fn quoted(&self) -> [f64; 2] {
        self.quoted
    }

    /// Volatility; `None` beyond the quotes.
    pub fn volatility(&self, log_moneyness: f64) -> Option<f64> {
        let variance = self.total_variance(log_moneyness)?;
        (variance > 0.0).then(|| (variance / self.years).sqrt())
    }

    /// Volatility squared times years; `None` beyond the quotes.
    pub fn total_variance(&self, log_moneyness: f64) -> Option<f64> {
        let [low, high] = self.quoted;
        if !(low..=high).contains(&log_moneyness) {
            return None;
        }
        match &self.curve {
            Curve::Svi(svi) => Some(svi.total_variance(log_moneyness)),
            Curve::Points(points) => {
                let after = points.partition_point(|point| point[0] <= log_moneyness).clamp(1, points.len() - 1);
                let [[k0, w0], [k1, w1]] = [points[after - 1], points[after]];
                Some(w0 + (w1 - w0) * (log_moneyness - k0) / (k1 - k0))
            }
        }
    }

    /// ∂w/∂k at the money, by a central difference over ±`SLOPE_STEP`; `None` where that is beyond the quotes.
    pub fn variance_slope(&self) -> Option<f64> {
        Some((self.total_variance(SLOPE_STEP)? - self.total_variance(-SLOPE_STEP)?) / (2.0 * SLOPE_STEP))
    }
}

/// Half the stretch of log-moneyness that the slope at the money is taken over: wide enough to span two strikes of a liquid chain.
const SLOPE_STEP: f64 = 0.005;
