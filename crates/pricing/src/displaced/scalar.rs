//! One option in plain f64: from the undiscounted option on the forward to spot, rate and yield by the chain rule.
//!
//! Formula   V = D U(F, K, T, σ), D = e^(−rT), F = S E with E = e^(bT), b = r − q; on a forward E = 1 and b = 0
//! Domain    any f64: a row that is no option has a status. σ = 0 gives the limits, some infinite where forward and strike meet

use zomma_base::Status;

use super::{Distribution, Model, Underlying, forward};
use crate::black::{Greek, Row, scalar::Quantities};

/// What is wrong with the row: the first bad field in the order of [`Row`], then the displacement; [`Status::Ok`] where there is none.
pub fn check(row: &Row, displacement: f64, model: Model) -> Status {
    let on_spot = model.underlying == Underlying::Spot;
    if !row.spot.is_finite() {
        if on_spot { Status::BadSpot } else { Status::BadForward }
    } else if !row.strike.is_finite() {
        Status::BadStrike
    } else if !row.expiry_years.is_finite() {
        Status::BadExpiry
    } else if row.expiry_years <= 0.0 {
        Status::Expired
    } else if !row.risk_free_rate.is_finite() {
        Status::BadRate
    } else if on_spot && !row.dividend_yield.is_finite() {
        Status::BadYield
    } else if !(row.volatility.is_finite() && row.volatility >= 0.0) {
        Status::BadVolatility
    } else if model.distribution == Distribution::Displaced && !displacement.is_finite() {
        Status::BadDisplacement
    } else {
        Status::Ok
    }
}

/// Value and all Greeks in the order of [`Greek::ALL`], raw units; phi on a forward, and lambda where the value is 0, are absent: NaN.
/// `displacement` is read by [`Distribution::Displaced`] alone.
///
/// Errors: the status of the first bad field; [`Status::Expired`] where T ≤ 0; [`Status::BadDisplacement`] where the displaced forward
/// or strike is not above zero; [`Status::Overflow`] where a quantity is not representable.
pub fn greeks(row: &Row, displacement: f64, model: Model) -> Result<Quantities, Status> {
    match check(row, displacement, model) {
        Status::Ok => {}
        status => return Err(status),
    }
    let on_spot = model.underlying == Underlying::Spot;
    let (spot, expiry, rate) = (row.spot, row.expiry_years, row.risk_free_rate);
    let carry = if on_spot { rate - row.dividend_yield } else { 0.0 };
    let growth = (carry * expiry).exp();
    let discount = (-rate * expiry).exp();
    let forward = spot * growth;
    if !(forward.is_finite() && discount.is_finite()) {
        return Err(Status::Overflow);
    }
    let u = match model.distribution {
        Distribution::Normal => forward::normal(row, forward),
        Distribution::Displaced => forward::displaced(row, forward, displacement)?,
    };
    let drift = carry * forward;
    // A forward that does not drift takes no part, even in what is infinite.
    let drifted = |x: f64| if drift == 0.0 { 0.0 } else { drift * x };
    let (value, vega) = (discount * u.value, discount * u.vega);
    let scale = discount * growth;
    let delta = scale * u.delta;
    let gamma = scale * growth * u.gamma;

    let mut q = [0.0; 19];
    let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
    set(Greek::Price, value);
    set(Greek::Delta, delta);
    set(Greek::Gamma, gamma);
    set(Greek::Vega, vega);
    set(Greek::Theta, rate * value + discount * (u.theta - drifted(u.delta)));
    let by_forward = discount * expiry * forward;
    set(Greek::Rho, -expiry * value + if on_spot { by_forward * u.delta } else { 0.0 });
    set(Greek::Phi, if on_spot { -by_forward * u.delta } else { f64::NAN });
    set(Greek::Vanna, scale * u.vanna);
    set(Greek::Charm, (rate - carry) * delta + scale * (u.charm - drifted(u.gamma)));
    set(Greek::Vomma, discount * u.vomma);
    set(Greek::Veta, rate * vega + discount * (u.veta - drifted(u.vanna)));
    set(Greek::Vera, -expiry * vega + if on_spot { by_forward * u.vanna } else { 0.0 });
    set(Greek::Speed, scale * growth * growth * u.speed);
    set(Greek::Zomma, scale * growth * u.zomma);
    let carried = rate - 2.0 * carry;
    let carried = if carried == 0.0 { 0.0 } else { carried * gamma };
    set(Greek::Color, carried + scale * growth * (u.color - drifted(u.speed)));
    set(Greek::Ultima, discount * u.ultima);
    set(Greek::DualDelta, discount * u.dual_delta);
    set(Greek::DualGamma, discount * u.dual_gamma);
    set(Greek::Lambda, if value == 0.0 { f64::NAN } else { spot * delta / value });

    let absent = |greek: Greek| greek == Greek::Lambda || greek == Greek::Phi && !on_spot;
    let broken = Greek::ALL.into_iter().any(|greek| q[greek as usize].is_nan() && !absent(greek));
    if broken || value.is_infinite() || delta.is_infinite() { Err(Status::Overflow) } else { Ok(q) }
}
