//! Cash-or-nothing and asset-or-nothing options.
//!
//! Formula   cash e^(−rT) N(ωd2); S e^(−qT) N(ωd1)
//! Source    M. Rubinstein and E. Reiner, "Unscrambling the binary code" (1991)
//! Accuracy  that of `black`: they are its dual delta and its delta

use zomma_base::Status;

use super::number::{Inputs, Number};
use super::terms::{finite, probability};
use crate::black::{Greek, Model, Row, scalar};

/// An amount that is paid at expiry where ω(S − K) > 0.
///
/// Errors: those of [`scalar::greeks`]; `BadPrice` where `cash` is not finite or below zero.
pub fn cash_or_nothing(row: &Row, cash: f64) -> Result<f64, Status> {
    cash_or_nothing_in(row, cash)
}

/// The share at expiry where ω(S − K) > 0.
///
/// Errors: those of [`scalar::greeks`].
pub fn asset_or_nothing(row: &Row) -> Result<f64, Status> {
    asset_or_nothing_in(row)
}

/// [`cash_or_nothing`] in any numbers.
pub(crate) fn cash_or_nothing_in<N: Number>(row: &Row, cash: f64) -> Result<N, Status> {
    let greeks = scalar::greeks(row, Model::Bsm)?;
    if !(cash.is_finite() && cash >= 0.0) {
        return Err(Status::BadPrice);
    }
    let Inputs { rate, years, .. } = Inputs::<N>::new(row);
    let value = -row.option_type.sign() * greeks[Greek::DualDelta as usize] * cash;
    let one = (-rate * years).exp() * ends_inside::<N>(row, -0.5);
    finite((one * cash).with_value(value))
}

/// [`asset_or_nothing`] in any numbers.
pub(crate) fn asset_or_nothing_in<N: Number>(row: &Row) -> Result<N, Status> {
    let greeks = scalar::greeks(row, Model::Bsm)?;
    let Inputs { spot, income, years, .. } = Inputs::<N>::new(row);
    let value = row.option_type.sign() * greeks[Greek::Delta as usize] * row.spot;
    let share = spot * (-income * years).exp() * ends_inside::<N>(row, 0.5);
    finite(share.with_value(value))
}

/// N(ω(h + side·σ√T)), h = (ln(S/K) + bT)/(σ√T): that the option ends in the money, in units of cash (−1/2) or of the share (1/2). Without
/// volatility it is one or nothing, or jumps where the forward is at the strike.
fn ends_inside<N: Number>(row: &Row, side: f64) -> N {
    let Inputs { spot, strike, volatility, years, rate, income } = Inputs::<N>::new(row);
    let (sign, away) = (row.option_type.sign(), (spot / strike).ln() + (rate - income) * years);
    if row.volatility == 0.0 {
        let away = sign * away.value();
        return N::constant(if away == 0.0 { f64::NAN } else { f64::from(away > 0.0) });
    }
    let deviation = volatility * years.sqrt();
    probability((away / deviation + deviation * side) * sign)
}
