//! Cash-or-nothing and asset-or-nothing options.
//!
//! Formula   cash e^(−rT) N(ωd2); S e^(−qT) N(ωd1)
//! Source    M. Rubinstein and E. Reiner, "Unscrambling the binary code" (1991)
//! Accuracy  that of `black`: they are its dual delta and its delta

use zomma_base::Status;

use super::terms::finite;
use crate::black::{Greek, Model, Row, scalar};

/// An amount that is paid at expiry where ω(S − K) > 0.
///
/// Errors: those of [`scalar::greeks`]; `BadPrice` where `cash` is not finite or below zero.
pub fn cash_or_nothing(row: &Row, cash: f64) -> Result<f64, Status> {
    let greeks = scalar::greeks(row, Model::Bsm)?;
    if !(cash.is_finite() && cash >= 0.0) {
        return Err(Status::BadPrice);
    }
    finite(-row.option_type.sign() * greeks[Greek::DualDelta as usize] * cash)
}

/// The share at expiry where ω(S − K) > 0.
///
/// Errors: those of [`scalar::greeks`].
pub fn asset_or_nothing(row: &Row) -> Result<f64, Status> {
    let greeks = scalar::greeks(row, Model::Bsm)?;
    finite(row.option_type.sign() * greeks[Greek::Delta as usize] * row.spot)
}
