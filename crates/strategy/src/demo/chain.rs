//! The quotes of the generated market.

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday, time},
};
use zomma_base::{ExerciseStyle, OptionType, Settlement, calendar, time as clock};

use super::{
    DemoRow, faults, history,
    market::{Market, Term},
};
use crate::random::SplitMix64;

/// New York time of the quotes.
const QUOTE_TIME: Time = time(15, 45, 0, 0);
/// How far the vendor's index price lags the options, a share.
const SPOT_LAG: f64 = 0.0004;

/// One listed expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Listing {
    root: &'static str,
    style: ExerciseStyle,
    settlement: Settlement,
    expiry: Date,
}

/// The chain of the session before `quote_date` and of `quote_date` (or the last session before it), in the order of a vendor's file.
///
/// Deterministic: the same seed and date give the same rows.
pub fn demo_chain(seed: u64, quote_date: Date) -> Vec<DemoRow> {
    let today = calendar::session_on_or_before(quote_date);
    let yesterday = today.yesterday().map_or(today, calendar::session_on_or_before);
    let closes = history::closes(seed, today);
    let [before, now] = closes.last_two();
    let listings = listings(today);
    let mut random = SplitMix64::new(seed);
    let first = session(&mut random, yesterday, before, 1.0, &listings);
    // Spot fell on the day, so volatility rose.
    let level = 1.0 - 1.5 * (now / before - 1.0);
    let mut second = session(&mut random, today, now, level, &listings);
    faults::spoil(&mut random, &first, &mut second);
    let mut rows = first;
    rows.append(&mut second);
    rows
}

/// The expiries listed around a date: weeklies, monthlies in the morning, American monthlies.
fn listings(today: Date) -> Vec<Listing> {
    let european = |root, settlement, expiry| Listing { root, style: ExerciseStyle::European, settlement, expiry };
    let mut listings: Vec<Listing> = Vec::new();
    // Daily for a week, then Fridays for six.
    let days = calendar::sessions_between(today, today.saturating_add(56.days()));
    for expiry in days {
        let is_near = expiry <= today.saturating_add(7.days());
        if is_near || expiry.weekday() == Weekday::Friday {
            listings.push(european("ZMXW", Settlement::Pm, expiry));
        }
    }
    let months = third_fridays(today);
    for (index, expiry) in months.iter().enumerate().filter(|(index, _)| [0, 1, 2, 3, 6, 9, 12, 18].contains(index)) {
        listings.push(european("ZMX", Settlement::Am, *expiry));
        if index <= 6 {
            listings.push(Listing {
                root: "ZMXA",
                style: ExerciseStyle::American,
                settlement: Settlement::Pm,
                expiry: *expiry,
            });
        }
    }
    listings.sort_by_key(|listing| (listing.expiry, listing.root));
    listings
}

/// The third Fridays after a date, or the session before where Friday is none.
fn third_fridays(today: Date) -> Vec<Date> {
    (0..19)
        .filter_map(|month| {
            let first = today.first_of_month().checked_add(month.months()).ok()?;
            first.nth_weekday_of_month(3, Weekday::Friday).ok()
        })
        .map(calendar::session_on_or_before)
        .filter(|expiry| *expiry > today)
        .collect()
}

fn session(random: &mut SplitMix64, quote_date: Date, spot: f64, level: f64, listings: &[Listing]) -> Vec<DemoRow> {
    let instant = clock::new_york_instant(quote_date.to_datetime(QUOTE_TIME));
    let market = Market { quote_date, instant, spot, volatility_level: level };
    let printed = spot * (1.0 - SPOT_LAG);
    let mut rows = Vec::new();
    for listing in listings {
        let term = market.term(listing.expiry, listing.settlement);
        if term.years <= 0.0 {
            continue;
        }
        for strike in strikes(spot, &term, listing.style) {
            for option_type in [OptionType::Call, OptionType::Put] {
                let quote = quote(random, &market, &term, listing, option_type, strike);
                rows.push(DemoRow {
                    quote_date,
                    quote_time: QUOTE_TIME,
                    spot: printed,
                    root: listing.root,
                    option_type,
                    exercise_style: listing.style,
                    settlement: listing.settlement,
                    expiry: listing.expiry,
                    strike,
                    bid: quote.bid,
                    ask: quote.ask,
                    last: quote.last,
                    volume: quote.volume,
                    open_interest: quote.open_interest,
                });
            }
        }
    }
    rows
}

/// Strikes on a grid that widens away from the money. Both sessions list the same, so the grid hangs on round numbers.
fn strikes(spot: f64, term: &Term, style: ExerciseStyle) -> Vec<f64> {
    let deviation = term.theta.sqrt().max(0.01);
    let (reach_down, reach_up) = match style {
        ExerciseStyle::European => (6.0, 3.5),
        ExerciseStyle::American => (3.0, 2.0),
    };
    let low = spot * (-reach_down * deviation).exp();
    let high = spot * (reach_up * deviation).exp();
    let step_far = if term.years > 0.5 { 100.0 } else { 50.0 };
    let step_near = if style == ExerciseStyle::American {
        50.0
    } else if term.years > 0.25 {
        25.0
    } else {
        10.0
    };
    let is_near = |strike: f64| (strike / spot).ln().abs() < 1.2 * deviation;
    let mut strikes = Vec::new();
    let mut strike = (low / step_near).floor() * step_near;
    while strike <= high {
        let step = if is_near(strike) { step_near } else { step_far };
        if (strike / step).fract() == 0.0 {
            strikes.push(strike);
        }
        strike += step_near;
    }
    strikes
}

struct Quote {
    bid: f64,
    ask: f64,
    last: f64,
    volume: u32,
    open_interest: u32,
}

fn quote(
    random: &mut SplitMix64,
    market: &Market,
    term: &Term,
    listing: &Listing,
    option_type: OptionType,
    strike: f64,
) -> Quote {
    let value = market.value(term, listing.style, option_type, strike);
    let intrinsic = (option_type.sign() * (market.spot - strike)).max(0.0);
    let time_value = (value - intrinsic).max(0.0);
    // Makers quote wider what is worth more and what is deeper in the money.
    let half_spread = 0.03 + 0.012 * time_value.sqrt() + 0.004 * time_value + 0.0015 * intrinsic;
    let centre = value + 0.25 * half_spread * random.bell().clamp(-2.0, 2.0);
    let tick = if value < 3.0 { 0.05 } else { 0.10 };
    let in_ticks = |count: f64| (count * tick * 100.0).round() / 100.0;
    let bid = in_ticks(((centre - half_spread) / tick + 1e-9).floor().max(0.0));
    let ask = in_ticks(((centre + half_spread) / tick - 1e-9).ceil().max(1.0));
    let moneyness = (strike / term.forward).ln() / term.theta.sqrt();
    let interest = 4000.0 * (-0.5 * (moneyness + 0.6).powi(2)).exp() * random.uniform() / (0.3 + term.years);
    let volume = (interest * 0.3 * random.uniform().powi(3)) as u32;
    let last = if volume > 0 { in_ticks((centre / tick).round().max(1.0)) } else { f64::NAN };
    Quote { bid, ask, last, volume, open_interest: interest as u32 }
}
