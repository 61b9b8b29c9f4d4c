//! Closed forms of a lognormal variable: the known means of control variates.
//!
//! Source   F. Black (1976); A. G. Z. Kemna and A. C. F. Vorst, "A pricing method for options based on average asset values" (1990), for
//!          the geometric average over n equally spaced dates: mean of the logarithm (r − q − σ²/2)T(n + 1)/2n, variance
//!          σ²T(n + 1)(2n + 1)/6n²

use zomma_base::OptionType;

use super::Market;
use crate::math::{Plain, normal_cdf};

/// A variable whose logarithm is normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lognormal {
    pub mean: f64,
    pub variance: f64,
}

impl Lognormal {
    /// The spot at expiry under Black–Scholes.
    pub(super) fn spot(market: &Market, volatility: f64) -> Self {
        Self { mean: market.forward(), variance: volatility * volatility * market.expiry_years }
    }

    /// The geometric average of the spot over equally spaced dates.
    pub(super) fn geometric_average(market: &Market, volatility: f64, dates: usize) -> Self {
        let (n, square) = (dates as f64, volatility * volatility);
        let drift = market.risk_free_rate - market.dividend_yield - 0.5 * square;
        let log = drift * market.expiry_years * (n + 1.0) / (2.0 * n);
        let variance = square * market.expiry_years * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * n * n);
        Self { mean: market.spot * (log + 0.5 * variance).exp(), variance }
    }

    fn d(&self, strike: f64) -> [f64; 2] {
        let deviation = self.variance.sqrt();
        let d1 = if deviation > 0.0 {
            (self.mean / strike).ln() / deviation + 0.5 * deviation
        } else {
            // Certain: in the money or not.
            if self.mean > strike { f64::INFINITY } else { f64::NEG_INFINITY }
        };
        [d1, d1 - deviation]
    }

    /// Mean of (ω(X − K))⁺.
    pub(super) fn option(&self, option_type: OptionType, strike: f64) -> f64 {
        let sign = option_type.sign();
        let [d1, d2] = self.d(strike).map(|d| normal_cdf::<Plain>(sign * d));
        sign * (self.mean * d1 - strike * d2)
    }

    /// Probability of ω(X − K) > 0.
    pub(super) fn digital(&self, option_type: OptionType, strike: f64) -> f64 {
        normal_cdf::<Plain>(option_type.sign() * self.d(strike)[1])
    }
}
