//! Contracts that have a closed form though they may be exercised early: American digitals.

use zomma_base::{OptionType, Status};

use super::{
    Order, PayoffName, Terms,
    differences::{self, Room},
    engines::{self, NOTHING, Quantities},
};
use crate::{
    black::{Greek, Row},
    exotic,
};

/// The price of an American digital, and its Greeks: what it pays where it is exercised at once, differences of the formula else.
pub(super) fn by_formula(row: &Row, terms: &Terms, order: Order) -> Result<Quantities, Status> {
    let is_cash = terms.payoff == PayoffName::CashOrNothing;
    let price = if is_cash {
        exotic::american_cash_or_nothing(row, terms.cash)?
    } else {
        exotic::american_asset_or_nothing(row)?
    };
    if order == Order::None {
        return Ok(engines::price_alone(price));
    }
    if exotic::is_exercised_at_once(row) {
        return Ok(exercised(price, if is_cash { 0.0 } else { 1.0 }));
    }
    // A moved row is still one that waits for the touch: room on the strike's side, and no sign of a rate that a step may change.
    let value = |moved: &Row| exotic::at_the_touch(moved, if is_cash { terms.cash } else { moved.strike });
    let way = (row.strike - row.spot).abs();
    let (spot, strike) = match row.option_type {
        OptionType::Call => ([f64::INFINITY, way], [way, f64::INFINITY]),
        OptionType::Put => ([way, f64::INFINITY], [f64::INFINITY, way]),
    };
    let room = Room { spot, strike, level: Some((row.strike / row.spot).ln().abs()), dates: 1.0 };
    let mut quantities = differences::greeks(row, price, &value, &room);
    // The amount is a function of S/K, or the strike times one: a strike that moves past the spot is not asked for.
    let [delta, gamma] = [Greek::Delta, Greek::Gamma].map(|greek| quantities[greek as usize]);
    let ratio = row.spot / row.strike;
    let [dual_delta, dual_gamma] = if is_cash {
        [-ratio * delta, ratio / row.strike * (2.0 * delta + row.spot * gamma)]
    } else {
        [price / row.strike - ratio * delta, ratio * ratio * gamma]
    };
    quantities[Greek::DualDelta as usize] = dual_delta;
    quantities[Greek::DualGamma as usize] = dual_gamma;
    Ok(quantities)
}

/// What is paid at once changes with the spot alone.
fn exercised(price: f64, delta: f64) -> Quantities {
    let mut quantities = NOTHING;
    let flat = [
        Greek::Gamma,
        Greek::Vega,
        Greek::Vomma,
        Greek::Theta,
        Greek::Rho,
        Greek::Phi,
        Greek::Vanna,
        Greek::Charm,
        Greek::Veta,
        Greek::Vera,
        Greek::DualDelta,
        Greek::DualGamma,
    ];
    flat.into_iter().for_each(|greek| quantities[greek as usize] = 0.0);
    quantities[Greek::Price as usize] = price;
    quantities[Greek::Delta as usize] = delta;
    if price != 0.0 {
        // The amount is the spot, or does not move with it.
        quantities[Greek::Lambda as usize] = delta;
    }
    quantities
}
