//! Implied volatility under Black's formula, after P. Jäckel, "Let's Be Rational" (2015): a rational guess in four branches, then
//! Householder(3) steps on the straightest objective; machine precision wherever the price determines the volatility, and a status
//! where it does not.
//!
//! A row is first reduced to its out-of-the-money value p over the discounted lesser of forward and strike, in (0, 1), and
//! |ln(F/K)|. An in-the-money price gives up its intrinsic value without a rounding. Statuses:
//!
//! - `Undetermined`: the rounding of the price (half its last place, and that of the discounted spot and strike where those were
//!   computed here) moves the volatility by more than 0.1 % of itself. A price of zero out of the money, or equal to the intrinsic
//!   value in the money, is of this kind: every small enough volatility rounds to it.
//! - `BelowIntrinsic`: the price is below the intrinsic value of the forward by more than rounding.
//! - `AboveMaximum`: the price is at or above the discounted forward (call) or strike (put), which no volatility reaches.
//! - `BadForward`, `BadSpot`, `BadStrike`, `BadExpiry`, `Expired`, `BadRate`, `BadYield`, `BadPrice`: the field, in this order.
//! - `Overflow`: exp(−rate·T), or the discounted forward or strike, leaves the range of numbers.

mod batch;
mod guess;
mod guess_kernel;
pub(crate) mod kernel;
pub mod launch;
mod mills;
mod resident;
mod scalar;
#[cfg(test)]
mod tests;

pub use resident::Resident;
pub use scalar::{implied_volatility_bsm_row, implied_volatility_row};
pub(crate) use scalar::{reduced_price, reduced_vega, total_volatility_of_log, total_volatility_of_log_price};

use zomma_base::{OptionType, Status};

use crate::black::Row;
use crate::math::Target;

/// A batch of prices as columns of one length. `price` is discounted: price = discount_factor · Black(forward, strike, vol·√T).
#[derive(Clone, Copy, Debug)]
pub struct PriceColumns<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Forward to expiry.
    pub forward: &'a [f64],
    /// Strike.
    pub strike: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Discount factor to expiry.
    pub discount_factor: &'a [f64],
    /// Discounted option price.
    pub price: &'a [f64],
}

/// A batch of Black–Scholes–Merton prices on spot, as columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct BsmPriceColumns<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Spot.
    pub spot: &'a [f64],
    /// Strike.
    pub strike: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Continuously compounded.
    pub risk_free_rate: &'a [f64],
    /// Continuously compounded.
    pub dividend_yield: &'a [f64],
    /// Option price.
    pub price: &'a [f64],
}

impl<'a> BsmPriceColumns<'a> {
    /// The columns of numbers, in the order in which the kernel reads them.
    pub(crate) fn columns(&self) -> [&'a [f64]; 6] {
        [self.spot, self.strike, self.expiry_years, self.risk_free_rate, self.dividend_yield, self.price]
    }
}

impl BsmPriceColumns<'_> {
    /// Row `i`, without a volatility.
    fn row(&self, i: usize) -> Row {
        Row {
            option_type: self.option_type[i],
            spot: self.spot[i],
            strike: self.strike[i],
            expiry_years: self.expiry_years[i],
            risk_free_rate: self.risk_free_rate[i],
            dividend_yield: self.dividend_yield[i],
            volatility: f64::NAN,
        }
    }
}

/// Writes one row's answer.
fn put(result: Result<f64, Status>, out: &mut f64, status: &mut Status) {
    (*out, *status) = match result {
        Ok(volatility) => (volatility, Status::Ok),
        Err(code) => (f64::NAN, code),
    };
}

/// The volatility of each row, per square root of a year; NaN and a status that is not `Ok` where the price determines none (the
/// module says which). Row i depends on row i alone. Batches of more than a few thousand rows use the threads of the current rayon
/// pool.
///
/// Panics where the columns, `out` and `status` are not of one length.
pub fn implied_volatility(rows: &PriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    implied_volatility_on(Target::best(), rows, out, status);
}

/// [`implied_volatility`] with the instructions of one target (the baseline where this machine has not got it): for tests and
/// benchmarks.
pub fn implied_volatility_on(target: Target, rows: &PriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let n = out.len();
    let lengths = [rows.option_type.len(), rows.forward.len(), rows.strike.len(), rows.expiry_years.len()];
    assert!(lengths.iter().all(|&l| l == n) && status.len() == n, "columns of one length");
    assert!(rows.discount_factor.len() == n && rows.price.len() == n, "columns of one length");
    batch::black(target, rows, out, status);
}

/// [`implied_volatility`] from spot, rate and yield: more exact than through a computed forward and discount factor.
///
/// Panics where the columns, `out` and `status` are not of one length.
pub fn implied_volatility_bsm(rows: &BsmPriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    implied_volatility_bsm_on(Target::best(), rows, out, status);
}

/// [`implied_volatility_bsm`] with the instructions of one target.
pub fn implied_volatility_bsm_on(target: Target, rows: &BsmPriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let n = out.len();
    let lengths = [rows.option_type.len(), rows.spot.len(), rows.strike.len(), rows.expiry_years.len()];
    assert!(lengths.iter().all(|&l| l == n) && status.len() == n, "columns of one length");
    let lengths = [rows.risk_free_rate.len(), rows.dividend_yield.len(), rows.price.len()];
    assert!(lengths.iter().all(|&l| l == n), "columns of one length");
    batch::bsm(target, rows, out, status);
}
