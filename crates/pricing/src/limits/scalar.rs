//! One option in plain f64: the specification.
//!
//! Limits    T → 0 from above at fixed σ; K (or K + δ) → 0 from above; σ → 0 from above at fixed T > 0. Off the strike an option at expiry
//!           is a forward contract ω(S e^(−qT) − K e^(−rT)) or nothing, and so is one of strike 0; its time Greeks are the carry
//! At S = K  with s the deviation of the spot a root of a year (σ(S + δ), or σ under Bachelier): gamma, dual_gamma ~ 1/(s√T), theta ~ −s/√T,
//!           veta ~ −1/√T, zomma ~ −1/√T and color ~ T^(−3/2) grow without bound, charm by ((r − q)S/(2s) + σ/4)/√T (Bachelier: without σ/4)
//!           and speed by ((r − q)S/(sσ) + 3/2)/√T (Bachelier: (r − q)S/s), unless that factor is 0. All else has a limit

use zomma_base::Status;

use super::Formula;
use crate::black::{self, Greek, Row, scalar::Quantities};
use crate::displaced;

/// Value and all Greeks by their limits, raw units, in the order of [`Greek::ALL`]; as the formula's own where the row is inside its domain.
/// One that grows without bound is NaN, for [`Formula::status_of`] to tell from those that are absent (lambda of a value of 0, phi on a
/// forward). At expiry and at the strike delta is ω/2. `displacement` is read by displaced diffusion alone.
///
/// Errors: the formula's own, but for an expiry of exactly 0 and a strike (or displaced strike) of exactly 0.
pub fn greeks(row: &Row, displacement: f64, formula: Formula) -> Result<Quantities, Status> {
    let shift = formula.shift(displacement);
    let strike_is_least = !formula.is_normal() && row.strike + shift == 0.0;
    let is_now = row.expiry_years == 0.0;
    if !(strike_is_least || is_now) {
        return ordinary(row, displacement, formula).map(|q| q.map(|x| if x.is_infinite() { f64::NAN } else { x }));
    }
    check(row, displacement, formula, strike_is_least)?;
    let omega = row.option_type.sign();
    let gain = if strike_is_least { omega } else { omega * (row.spot - row.strike) };
    // Without volatility the forward passes the strike, or stays at it.
    let drift = if formula.on_spot() { (row.risk_free_rate - row.dividend_yield) * row.spot } else { 0.0 };
    let gain = if gain == 0.0 && row.volatility == 0.0 { omega * drift } else { gain };
    let found = if gain > 0.0 {
        forward_contract(row, formula)
    } else if gain < 0.0 {
        worthless(formula)
    } else {
        at_the_strike(row, shift, drift, formula)
    };
    // Zeros without a sign.
    let found = found.map(|x| x + 0.0);
    if found.iter().any(|x| x.is_infinite()) { Err(Status::Overflow) } else { Ok(found) }
}

fn ordinary(row: &Row, displacement: f64, formula: Formula) -> Result<Quantities, Status> {
    match formula {
        Formula::Black(model) => black::scalar::greeks(row, model),
        Formula::Displaced(model) => displaced::scalar::greeks(row, displacement, model),
    }
}

/// The formula's own check of a row with an expiry and a strike that it allows.
fn check(row: &Row, displacement: f64, formula: Formula, strike_is_least: bool) -> Result<(), Status> {
    let expiry_years = if row.expiry_years == 0.0 { 1.0 } else { row.expiry_years };
    let status = match formula {
        Formula::Black(model) => {
            let strike = if strike_is_least { 1.0 } else { row.strike };
            black::scalar::check(&Row { strike, expiry_years, ..*row }, model)
        }
        Formula::Displaced(model) => displaced::scalar::check(&Row { expiry_years, ..*row }, displacement, model),
    };
    if !status.is_ok() {
        return Err(status);
    }
    if let Formula::Displaced(_) = formula
        && !formula.is_normal()
    {
        let carry = if formula.on_spot() { row.risk_free_rate - row.dividend_yield } else { 0.0 };
        let forward = row.spot * (carry * row.expiry_years).exp();
        if !(forward + displacement > 0.0 && row.strike + displacement >= 0.0) {
            return Err(Status::BadDisplacement);
        }
    }
    Ok(())
}

/// The yield, which on a forward is the rate.
fn dividend_of(row: &Row, formula: Formula) -> f64 {
    if formula.on_spot() { row.dividend_yield } else { row.risk_free_rate }
}

/// ω(A − B): an option that is certain to be exercised at expiry.
fn forward_contract(row: &Row, formula: Formula) -> Quantities {
    let omega = row.option_type.sign();
    let (years, rate, dividend) = (row.expiry_years, row.risk_free_rate, dividend_of(row, formula));
    let (income, discount) = ((-dividend * years).exp(), (-rate * years).exp());
    let (a, b) = (omega * row.spot * income, omega * row.strike * discount);
    let value = a - b;
    let mut q = [0.0; Greek::ALL.len()];
    let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
    set(Greek::Price, value);
    set(Greek::Delta, omega * income);
    set(Greek::Theta, dividend * a - rate * b);
    set(Greek::Rho, if formula.on_spot() { years * b } else { -years * value });
    set(Greek::Phi, if formula.on_spot() { -years * a } else { f64::NAN });
    set(Greek::Charm, omega * dividend * income);
    set(Greek::DualDelta, -omega * discount);
    set(Greek::Lambda, if value == 0.0 { f64::NAN } else { a / value });
    q
}

fn worthless(formula: Formula) -> Quantities {
    let mut q = [0.0; Greek::ALL.len()];
    q[Greek::Lambda as usize] = f64::NAN;
    if !formula.on_spot() {
        q[Greek::Phi as usize] = f64::NAN;
    }
    q
}

/// At expiry with the spot at the strike; without volatility only where the forward does not drift away from it.
fn at_the_strike(row: &Row, shift: f64, drift: f64, formula: Formula) -> Quantities {
    let omega = row.option_type.sign();
    let volatility = row.volatility.abs();
    let deviation = if formula.is_normal() { volatility } else { volatility * (row.spot + shift) };
    let is_certain = deviation == 0.0;
    let (of_charm, of_speed) = match (formula.is_normal(), is_certain) {
        (true, true) => (0.0, 0.0),
        (true, false) => (drift / deviation, drift / deviation),
        (false, true) => (0.0, 1.5),
        (false, false) => (0.5 * drift / deviation + 0.25 * volatility, drift / deviation / volatility + 1.5),
    };
    let limit_unless = |factor: f64, limit: f64| if factor == 0.0 { limit } else { f64::NAN };
    let mut q = worthless(formula);
    let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
    set(Greek::Delta, 0.5 * omega);
    set(Greek::DualDelta, -0.5 * omega);
    set(Greek::Theta, if is_certain { 0.0 } else { f64::NAN });
    set(Greek::Charm, limit_unless(of_charm, 0.5 * omega * dividend_of(row, formula)));
    set(Greek::Speed, limit_unless(of_speed, 0.0));
    for greek in [Greek::Gamma, Greek::Veta, Greek::Zomma, Greek::Color, Greek::DualGamma] {
        set(greek, f64::NAN);
    }
    q
}
