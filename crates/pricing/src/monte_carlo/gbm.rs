//! Geometric Brownian motion: its parameters, checked, and the drift and deviation of a step.

use zomma_base::Status;

/// A spot that moves as geometric Brownian motion under the pricing measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gbm {
    pub(super) spot: f64,
    risk_free_rate: f64,
    dividend_yield: f64,
    volatility: f64,
    expiry_years: f64,
}

impl Gbm {
    /// From spot (currency), rate and yield (continuously compounded), volatility (per square root of a year) and years to expiry.
    ///
    /// # Errors
    ///
    /// The status of the first field that is not finite, or (spot) not from 1e-200 to 1e200, (expiry) not above zero, (volatility) below
    /// it;
    /// [`Status::Overflow`] where seventeen deviations would leave the range of numbers.
    pub fn new(
        spot: f64,
        expiry_years: f64,
        risk_free_rate: f64,
        dividend_yield: f64,
        volatility: f64,
    ) -> Result<Self, Status> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let fault = if !(1e-200..=1e200).contains(&spot) {
            Some(Status::BadSpot)
        } else if expiry_years <= 0.0 {
            Some(Status::Expired)
        } else if !positive(expiry_years) {
            Some(Status::BadExpiry)
        } else if !risk_free_rate.is_finite() {
            Some(Status::BadRate)
        } else if !dividend_yield.is_finite() {
            Some(Status::BadYield)
        } else if !(volatility >= 0.0 && volatility.is_finite()) {
            Some(Status::BadVolatility)
        } else {
            None
        };
        if let Some(status) = fault {
            return Err(status);
        }
        let gbm = Self { spot, risk_free_rate, dividend_yield, volatility, expiry_years };
        let farthest = gbm.drift(1).abs() + 17.0 * gbm.deviation(1) + (risk_free_rate * expiry_years).abs();
        if farthest <= 200.0 { Ok(gbm) } else { Err(Status::Overflow) }
    }

    /// What the logarithm of the spot rises by in one of `steps` steps, but for chance.
    pub(super) fn drift(&self, steps: usize) -> f64 {
        let per_year = self.risk_free_rate - self.dividend_yield - 0.5 * self.volatility * self.volatility;
        per_year * self.expiry_years / steps as f64
    }

    /// Its standard deviation in one of `steps` steps.
    pub(super) fn deviation(&self, steps: usize) -> f64 {
        self.volatility * (self.expiry_years / steps as f64).sqrt()
    }

    pub(super) fn discount_factor(&self) -> f64 {
        (-self.risk_free_rate * self.expiry_years).exp()
    }
}
