//! Two expiries: what lives longer is worth no less, at the strike that the carry makes the same.
//!
//! European    with g = F₂/F₁ and D = D₂/D₁ known, far calls of strike at most g K₁, n of them with n D g ≥ 1, are worth (S − K₁)⁺ at least when
//!             the near one expires (Carr and Madan 2005: prices at equal moneyness rise with expiry); so are n far puts of strike at least g K₁
//!             worth (K₁ − S)⁺. One far put of strike at least K₁ max(1/D, g) is enough too, in whole contracts; the cheaper way is taken. At no
//!             rates and no dividends all of it is the same strike, one for one.
//! American    the far option can do all that the near one can: at the same strike or a better one, one for one, whatever the carry.
//! Of each near option that is sold, the cheapest far one is kept.

use zomma_base::{ExerciseStyle, OptionType};

use super::{
    costs::Costs,
    finding::{Assumption, Finding, Kind, Setting},
    leg::{Leg, Side},
    payoff::FarCarry,
    quotes::{ExpiryQuotes, Ladder, Rung},
};

/// Looks at two expiries, the nearer first.
pub(super) fn between(
    near: (usize, &ExpiryQuotes, &Ladder),
    far: (usize, &ExpiryQuotes, &Ladder),
    costs: &Costs,
    found: &mut Vec<Finding>,
) {
    let (near_index, near_quotes, near_ladder) = near;
    let (far_index, far_quotes, far_ladder) = far;
    let style = near_quotes.exercise_style;
    if far_quotes.years <= near_quotes.years || style != far_quotes.exercise_style {
        return;
    }
    let (carry, assumes) = match (style, near_quotes.carry, far_quotes.carry) {
        (ExerciseStyle::American, ..) => (FarCarry { near: near_index, growth: 1.0, discount: 1.0 }, Vec::new()),
        (ExerciseStyle::European, Some([f1, d1]), Some([f2, d2])) => {
            (FarCarry { near: near_index, growth: f2 / f1, discount: d2 / d1 }, vec![Assumption::Carry])
        }
        (ExerciseStyle::European, ..) => return,
    };
    let setting = Setting { costs, style, expiry: near_index, years: near_quotes.years, far: Some((far_index, carry)) };
    let share = carry.discount * carry.growth;
    let package = |sold: &Rung, bought: &Rung, quantity: f64| {
        let legs =
            [Leg::option(sold, Side::Sell, 1.0, near_index), Leg::option(bought, Side::Buy, quantity, far_index)];
        setting.finding(Kind::Calendar, legs.into_iter().collect::<Option<Vec<Leg>>>()?, assumes.clone())
    };
    let quantity = (1.0 / share).max(1.0);

    let calls = cheapest_within(far_ladder.calls.iter(), OptionType::Call);
    for sold in near_ladder.calls.iter().filter(|rung| rung.bid.is_some()) {
        let reach = sold.strike * carry.growth * (1.0 + ROUNDING);
        let bought = last_of(&calls, |strike| strike <= reach);
        found.extend(bought.and_then(|bought| package(sold, bought, quantity)));
    }
    let puts = cheapest_within(far_ladder.puts.iter().rev(), OptionType::Put);
    for sold in near_ladder.puts.iter().filter(|rung| rung.bid.is_some()) {
        let from = |factor: f64| {
            let reach = sold.strike * factor * (1.0 - ROUNDING);
            last_of(&puts, |strike| strike >= reach)
        };
        let at_moneyness = from(carry.growth).and_then(|bought| package(sold, bought, quantity));
        let one_for_one = from(carry.growth.max(1.0 / carry.discount)).and_then(|bought| package(sold, bought, 1.0));
        let edge = |finding: &Option<Finding>| finding.as_ref().map_or(0.0, |finding| finding.edge_after_fees);
        found.extend(if edge(&one_for_one) >= edge(&at_moneyness) {
            one_for_one.or(at_moneyness)
        } else {
            at_moneyness
        });
    }
}

/// The last of a list whose strikes are within reach from its start on.
fn last_of<'a>(list: &[(f64, &'a Rung)], is_within: impl Fn(f64) -> bool) -> Option<&'a Rung> {
    let end = list.partition_point(|(strike, _)| is_within(*strike));
    Some(list.get(end.checked_sub(1)?)?.1)
}

/// Strikes that differ by less are one.
const ROUNDING: f64 = 1e-12;

/// Each strike, and the cheapest of those up to it in the order given.
fn cheapest_within<'a>(rungs: impl Iterator<Item = &'a Rung>, option_type: OptionType) -> Vec<(f64, &'a Rung)> {
    let mut best: Option<(f64, &Rung)> = None;
    let mut list = Vec::new();
    for rung in rungs.filter(|rung| rung.option_type == option_type) {
        if let Some(ask) = rung.ask
            && best.is_none_or(|(least, _)| ask.price < least)
        {
            best = Some((ask.price, rung));
        }
        list.extend(best.map(|(_, best)| (rung.strike, best)));
    }
    list
}
