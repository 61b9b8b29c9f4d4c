//! The value when nothing is uncertain: the spot follows its forward and falls by each dividend.
//!
//! Formula   max over the dates of exercise of e^(−rt) payoff(S(t)); inside a stretch the vanilla ω(S e^(−qt) − K e^(−rt)) has one turning
//!           point at most

use super::contract::Exercise;
use super::events::{Event, Stretch};
use super::stepper::Unit;

/// Value of an option without a barrier on a spot (in units of the strike) that is certain. `stretches` run from expiry back to now.
pub(super) fn certain_value(unit: &Unit<'_>, exercise: Exercise<'_>, stretches: &[Stretch], spot: f64) -> f64 {
    let (rate, carry) = (unit.rate, unit.rate - unit.dividend_yield);
    let american = exercise == Exercise::American;
    let mut spot = spot;
    let mut best = f64::NEG_INFINITY;
    let worth = |spot: f64, time: f64| (-rate * time).exp() * unit.payoff.at(spot);
    for stretch in stretches.iter().rev() {
        let Stretch { begin, length, event, .. } = *stretch;
        if american || event == Some(Event::Exercise) {
            best = best.max(worth(spot, begin));
        }
        if let Some(Event::Dividend(amount)) = event {
            spot = (spot - amount).max(0.0);
        }
        if american {
            // Just after the dividend, and where q S e^(ct) = r.
            best = best.max(worth(spot, begin));
            let turn = (rate / (unit.dividend_yield * spot)).ln() / carry;
            if turn > 0.0 && turn < length {
                best = best.max(worth(spot * (carry * turn).exp(), begin + turn));
            }
        }
        spot *= (carry * length).exp();
    }
    let expiry = stretches.first().map_or(0.0, |s| s.begin + s.length);
    best.max(worth(spot, expiry))
}
