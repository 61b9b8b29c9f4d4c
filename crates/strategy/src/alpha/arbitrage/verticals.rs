//! Two strikes of one type: monotonicity, and the width that a vertical can be worth at most.
//!
//! For K₁ < K₂, C(K₁) ≥ C(K₂) and P(K₂) ≥ P(K₁); neither vertical is worth more than D·(K₂ − K₁), for American options than K₂ − K₁. Of each
//! option that is sold, the best one to buy against it is kept.

use zomma_base::{ExerciseStyle, OptionType};

use super::{
    finding::{Assumption, Finding, Kind, Setting},
    leg::{Leg, Side},
    quotes::{CashQuote, Ladder, Rung},
};

/// Monotonicity of both types.
pub(super) fn monotonicity(ladder: &Ladder, setting: &Setting<'_>, found: &mut Vec<Finding>) {
    // What dominates a call has a lower strike, what dominates a put a higher one.
    let calls = best_before(ladder.calls.iter(), |_| 0.0);
    let puts = best_before(ladder.puts.iter().rev(), |_| 0.0);
    for (sold, bought) in calls.into_iter().chain(puts) {
        let legs =
            [Leg::option(sold, Side::Sell, 1.0, setting.expiry), Leg::option(bought, Side::Buy, 1.0, setting.expiry)];
        found.extend(
            legs.into_iter()
                .collect::<Option<Vec<Leg>>>()
                .and_then(|legs| setting.finding(Kind::Vertical, legs, Vec::new())),
        );
    }
}

/// Verticals sold for more than their width.
pub(super) fn width(ladder: &Ladder, cash: CashQuote, setting: &Setting<'_>, found: &mut Vec<Finding>) {
    // A sold American option can be exercised now, so the width must be at hand.
    let (lend, assumed) = match setting.style {
        ExerciseStyle::European => (cash.lend, Assumption::Rate),
        ExerciseStyle::American => (1.0, Assumption::RatesNotNegative),
    };
    let value = |rung: &Rung| rung.option_type.sign() * rung.strike * lend;
    let calls = best_before(ladder.calls.iter().rev(), value);
    let puts = best_before(ladder.puts.iter(), value);
    for (sold, bought) in calls.into_iter().chain(puts) {
        let width = (sold.strike - bought.strike).abs();
        let legs = [
            Leg::option(sold, Side::Sell, 1.0, setting.expiry),
            Leg::option(bought, Side::Buy, 1.0, setting.expiry),
            Some(Leg::cash(Side::Buy, width, lend, setting.expiry)),
        ];
        let legs = legs.into_iter().collect::<Option<Vec<Leg>>>();
        found.extend(legs.and_then(|legs| setting.finding(Kind::VerticalWidth, legs, vec![assumed])));
    }
}

/// Each rung with a bid, and the cheapest of those before it by ask plus `extra`.
fn best_before<'a>(rungs: impl Iterator<Item = &'a Rung>, extra: impl Fn(&Rung) -> f64) -> Vec<(&'a Rung, &'a Rung)> {
    let mut pairs = Vec::new();
    // The last strike's rungs wait until the strike has passed.
    let mut best: Option<(f64, &Rung)> = None;
    let mut waiting: Option<(f64, &Rung)> = None;
    for rung in rungs {
        if let Some(candidate) = waiting.filter(|(_, last)| last.strike != rung.strike) {
            if best.is_none_or(|(least, _)| candidate.0 < least) {
                best = Some(candidate);
            }
            waiting = None;
        }
        if let (Some(_), Some((_, bought))) = (rung.bid, best) {
            pairs.push((rung, bought));
        }
        if let Some(ask) = rung.ask {
            waiting = Some((ask.price + extra(rung), rung));
        }
    }
    pairs
}

/// Bounds that need no second strike: an option is worth no more than the underlying (a call) or its strike (a put).
pub(super) fn put_upper_bound(ladder: &Ladder, cash: CashQuote, setting: &Setting<'_>, found: &mut Vec<Finding>) {
    let (lend, assumed) = match setting.style {
        ExerciseStyle::European => (cash.lend, Assumption::Rate),
        ExerciseStyle::American => (1.0, Assumption::RatesNotNegative),
    };
    for put in ladder.puts.iter().filter(|put| put.option_type == OptionType::Put) {
        let Some(sold) = Leg::option(put, Side::Sell, 1.0, setting.expiry) else { continue };
        let legs = vec![sold, Leg::cash(Side::Buy, put.strike, lend, setting.expiry)];
        found.extend(setting.finding(Kind::UpperBound, legs, vec![assumed]));
    }
}
