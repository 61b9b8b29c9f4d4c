//! What a fitted surface answers.

use super::Surface;

impl Surface {
    /// Total variance σ²T at log-moneyness `k` (of the forward of that expiry) and `expiry_years`: linear in expiry at fixed k between
    /// slices, which keeps it free of calendar arbitrage; before the first slice and after the last the volatility at `k` is that
    /// slice's. Zero at or before expiry. NaN on a surface without slices.
    pub fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        let after = self.slices.partition_point(|slice| slice.expiry_years < expiry_years);
        if expiry_years <= 0.0 && !self.slices.is_empty() {
            return 0.0;
        }
        let before = after.checked_sub(1).and_then(|i| self.slices.get(i));
        match (before, self.slices.get(after)) {
            (Some(low), Some(high)) => {
                let share = (expiry_years - low.expiry_years) / (high.expiry_years - low.expiry_years);
                let (w_low, w_high) = (low.svi.total_variance(k), high.svi.total_variance(k));
                w_low + share * (w_high - w_low)
            }
            (Some(only), None) | (None, Some(only)) => only.svi.total_variance(k) * expiry_years / only.expiry_years,
            (None, None) => f64::NAN,
        }
    }

    /// Volatility at log-moneyness `k` and `expiry_years`, per square root of a year; NaN at or before expiry.
    pub fn volatility(&self, k: f64, expiry_years: f64) -> f64 {
        if expiry_years > 0.0 { (self.total_variance(k, expiry_years) / expiry_years).sqrt() } else { f64::NAN }
    }

    /// Risk-neutral density of ln(S_T/F) at `k` under slice `slice`; None where there is no such slice.
    pub fn slice_density(&self, slice: usize, k: f64) -> Option<f64> {
        self.slices.get(slice).map(|slice| slice.svi.density(k))
    }

    /// Risk-neutral probability that ln(S_T/F) ends below `k` under slice `slice`; None where there is no such slice.
    pub fn slice_probability_below(&self, slice: usize, k: f64) -> Option<f64> {
        self.slices.get(slice).map(|slice| slice.svi.probability_below(k))
    }
}
