//! What the closed forms share: checked terms, and products of a power and a normal probability.

use zomma_base::Status;

use crate::black::{Model, Row, scalar};
use crate::math::{FRAC_1_SQRT_2PI, Plain, mills, normal_cdf};

/// A row in the quantities of the formulae.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub spot: f64,
    pub years: f64,
    pub rate: f64,
    /// Cost of carry b = r − q.
    pub carry: f64,
    pub volatility: f64,
    /// σ√T
    pub deviation: f64,
    /// e^(−rT)
    pub discount: f64,
    /// e^(bT)
    pub growth: f64,
}

impl Terms {
    /// Errors: the first bad field; `BadVolatility` where there is none.
    pub fn new(row: &Row) -> Result<Self, Status> {
        match scalar::check(row, Model::Bsm) {
            Status::Ok => {}
            status => return Err(status),
        }
        if row.volatility == 0.0 {
            return Err(Status::BadVolatility);
        }
        let carry = row.risk_free_rate - row.dividend_yield;
        Ok(Self {
            spot: row.spot,
            years: row.expiry_years,
            rate: row.risk_free_rate,
            carry,
            volatility: row.volatility,
            deviation: row.volatility * row.expiry_years.sqrt(),
            discount: (-row.risk_free_rate * row.expiry_years).exp(),
            growth: (carry * row.expiry_years).exp(),
        })
    }

    /// (ln(a/b) + (b + σ²/2) T)/(σ√T): d1 of a spot a and a strike b.
    pub fn d1(&self, a: f64, b: f64) -> f64 {
        ((a / b).ln() + self.carry * self.years) / self.deviation + 0.5 * self.deviation
    }
}

/// e^power N(x), also where the power overflows and the probability vanishes.
pub(super) fn weighted(power: f64, x: f64) -> f64 {
    if x > -5.0 {
        return power.exp() * normal_cdf::<Plain>(x);
    }
    let tail = if x > -1e14 { mills::<Plain>(-x) } else { 0.0 };
    (power - 0.5 * x * x).exp() * FRAC_1_SQRT_2PI * tail
}

/// A value, or `Overflow` where it is no number.
pub(super) fn finite(value: f64) -> Result<f64, Status> {
    if value.is_finite() { Ok(value) } else { Err(Status::Overflow) }
}
