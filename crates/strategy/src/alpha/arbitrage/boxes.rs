//! Two synthetic forwards of one expiry: a loan whose rate the options set.
//!
//! A long box (call bought and put sold at K₁, the reverse at K₂ > K₁) pays K₂ − K₁ at expiry and so lends; a short one borrows. Against cash at the
//! stated rates a box is parity between two strikes without the underlying. American options: the long box pays K₂ − K₁ at least, and no later; a
//! short one can be asked for the width twice (its call and its put exercised at different times) and is left to the bound of each vertical.

use zomma_base::ExerciseStyle;

use super::{
    costs::Costs,
    finding::{Assumption, Finding, Kind, Setting},
    leg::{Leg, Side},
    quotes::{CashQuote, ExpiryQuotes, Ladder, Pair},
};

/// Looks for boxes against cash: of each strike where the synthetic is sold, the best one to buy it at.
pub(super) fn against_cash(ladder: &Ladder, cash: CashQuote, setting: &Setting<'_>, found: &mut Vec<Finding>) {
    let pairs = ladder.pairs();
    let mut best: Option<(f64, &Pair)> = None;
    let mut keep = |sold: &Pair, best: &mut Option<(f64, &Pair)>, side: Side| {
        if let Some((_, bought)) = best {
            found.extend(package(bought, sold, side, cash, setting));
        }
    };
    for sold in &pairs {
        keep(sold, &mut best, Side::Sell);
        offer(&mut best, sold, cash.borrow);
    }
    if setting.style == ExerciseStyle::American {
        return;
    }
    best = None;
    for sold in pairs.iter().rev() {
        keep(sold, &mut best, Side::Buy);
        offer(&mut best, sold, cash.lend);
    }
}

/// Keeps the pair where the synthetic forward is cheapest.
fn offer<'a>(best: &mut Option<(f64, &'a Pair)>, pair: &'a Pair, discount: f64) {
    let Some(paid) = bought_at(pair) else { return };
    let price = paid + pair.call.strike * discount;
    if best.is_none_or(|(least, _)| price < least) {
        *best = Some((price, pair));
    }
}

/// Call bought, put sold.
fn bought_at(pair: &Pair) -> Option<f64> {
    Some(pair.call.ask?.price - pair.put.bid?.price)
}

/// Call sold, put bought.
fn sold_at(pair: &Pair) -> Option<f64> {
    Some(pair.call.bid?.price - pair.put.ask?.price)
}

fn package(bought: &Pair, sold: &Pair, side: Side, cash: CashQuote, setting: &Setting<'_>) -> Option<Finding> {
    let price = if side == Side::Sell { cash.borrow } else { cash.lend };
    let option = |rung, side| Leg::option(rung, side, 1.0, setting.expiry);
    let legs = vec![
        option(&bought.call, Side::Buy)?,
        option(&bought.put, Side::Sell)?,
        option(&sold.call, Side::Sell)?,
        option(&sold.put, Side::Buy)?,
        Leg::cash(side, (sold.call.strike - bought.call.strike).abs(), price, setting.expiry),
    ];
    let mut assumes = vec![Assumption::Rate];
    if setting.style == ExerciseStyle::American {
        assumes.push(Assumption::RatesNotNegative);
    }
    setting.finding(Kind::Box, legs, assumes)
}

/// The rate of one box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxRate {
    /// Continuously compounded, after fees.
    pub rate: f64,
    /// Strikes, ascending.
    pub strikes: [f64; 2],
    /// Present value: what is lent or borrowed, currency a share.
    pub amount: f64,
}

/// What the boxes of one expiry lend and borrow at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoxRates {
    /// The highest rate at which a long box lends.
    pub lend: Option<BoxRate>,
    /// The lowest rate at which a short box borrows; none for American options.
    pub borrow: Option<BoxRate>,
}

/// The best rates of the boxes of an expiry, from live quotes. A box that costs nothing or less has no rate (it is a finding).
///
/// Time: the square of the number of strikes.
pub fn box_rates(expiry: &ExpiryQuotes, costs: &Costs) -> BoxRates {
    let pairs = Ladder::new(expiry, true).pairs();
    let fees = 4.0 * costs.option_fee();
    let mut rates = BoxRates::default();
    for (at, low) in pairs.iter().enumerate() {
        for high in &pairs[at + 1..] {
            let strikes = [low.call.strike, high.call.strike];
            let width = strikes[1] - strikes[0];
            let rate = |amount: f64| BoxRate { rate: (width / amount).ln() / expiry.years, strikes, amount };
            if let (Some(paid), Some(got)) = (bought_at(low), sold_at(high)) {
                let amount = paid - got + fees;
                if amount > 0.0 && rates.lend.is_none_or(|best| rate(amount).rate > best.rate) {
                    rates.lend = Some(rate(amount));
                }
            }
            if let (Some(got), Some(paid)) = (sold_at(low), bought_at(high)) {
                let amount = got - paid - fees;
                let is_bounded = expiry.exercise_style == ExerciseStyle::European;
                if is_bounded && amount > 0.0 && rates.borrow.is_none_or(|best| rate(amount).rate < best.rate) {
                    rates.borrow = Some(rate(amount));
                }
            }
        }
    }
    rates
}
