//! Cash-or-nothing and asset-or-nothing options that may be exercised at any time.
//!
//! Formula   Out of the money the holder exercises when the spot first touches the strike K, by T: cash·F, K·F, with F the value of one unit
//!           of currency paid at the touch. In the money at once: cash, S
//! Method    Waiting pays nothing where what is paid does not grow by it: cash where r ≥ 0, the share where q ≥ 0 (in units of the share its
//!           amount is constant and discounted by q). Elsewhere there is a boundary of exercise inside the money, which no formula has
//! Source    E. Reiner and M. Rubinstein, "Unscrambling the binary code" (1991); F as in `barrier`
//! Accuracy  tolerance.rs: exotic barrier, of what is paid

use zomma_base::{OptionType, Status};

use super::barrier::touch;
use super::number::{Field, Number};
use super::terms::{Terms, finite};
use crate::black::Row;

/// An amount that is paid at exercise where ω(S − K) ≥ 0, at any time to expiry.
///
/// Errors: those of the module; `BadPrice` where `cash` is not finite or below zero; `BadMethod` where the rate is below zero, so that waiting
/// may be worth more than the amount.
pub fn american_cash_or_nothing(row: &Row, cash: f64) -> Result<f64, Status> {
    american_cash_or_nothing_in(row, cash)
}

/// The share at exercise where ω(S − K) ≥ 0, at any time to expiry.
///
/// Errors: those of the module; `BadMethod` where the yield is below zero, so that waiting may be worth more than the share.
pub fn american_asset_or_nothing(row: &Row) -> Result<f64, Status> {
    american_asset_or_nothing_in(row)
}

/// [`american_cash_or_nothing`] in any numbers: in the money what is paid does not move.
pub(crate) fn american_cash_or_nothing_in<N: Number>(row: &Row, cash: f64) -> Result<N, Status> {
    let terms = Terms::<N>::new(row)?;
    if !(cash.is_finite() && cash >= 0.0) {
        return Err(Status::BadPrice);
    }
    if row.risk_free_rate < 0.0 {
        return Err(Status::BadMethod);
    }
    if is_exercised_at_once(row) { Ok(N::constant(cash)) } else { finite(at_the_strike(row, &terms)? * cash) }
}

/// [`american_asset_or_nothing`] in any numbers: in the money what is paid moves with the spot alone.
pub(crate) fn american_asset_or_nothing_in<N: Number>(row: &Row) -> Result<N, Status> {
    let terms = Terms::<N>::new(row)?;
    if row.dividend_yield < 0.0 {
        return Err(Status::BadMethod);
    }
    if is_exercised_at_once(row) {
        return Ok(N::field(Field::Spot, row.spot));
    }
    finite(at_the_strike(row, &terms)? * terms.strike)
}

/// Whether the spot is at the strike or in the money.
fn is_exercised_at_once(row: &Row) -> bool {
    row.option_type.sign() * (row.spot - row.strike) >= 0.0
}

fn at_the_strike<N: Number>(row: &Row, terms: &Terms<N>) -> Result<N, Status> {
    // η of the formula: 1 where the barrier is below.
    let eta = match row.option_type {
        OptionType::Call => -1.0,
        OptionType::Put => 1.0,
    };
    touch(terms, terms.strike, eta)
}
