//! Streaming features of books and trades against their definitions over a whole column: the value after each update, found anew from all that
//! came until then.

use proptest::prelude::*;

use super::{
    Depth, Level, Trade,
    hawkes::{HawkesIntensity, HawkesParameters},
    kyle::{KyleLambda, SignedVolume},
    lobster::level,
    microprice::{Microprice, MicropriceStates, StreamingMicroprice},
    realised_kernel::{RollingKernel, realised_kernel},
    regression::fit_line,
    returns::IntervalReturns,
    spread::{EffectiveSpread, RealisedSpread},
};
use crate::{event::Side, mutations::Random};

const SECOND_NS: u64 = 1_000_000_000;

/// A book of one level a side, or a trade.
#[derive(Debug, Clone, Copy)]
enum Happened {
    Book(u64, Level, Level),
    Trade(Trade),
}

impl Happened {
    fn time_ns(&self) -> u64 {
        match self {
            Self::Book(time_ns, ..) => *time_ns,
            Self::Trade(trade) => trade.time_ns,
        }
    }

    fn mid_half_ticks(&self) -> Option<i64> {
        match self {
            Self::Book(_, bid, ask) => Some(bid.price_ticks + ask.price_ticks),
            Self::Trade(_) => None,
        }
    }
}

/// Books and trades in order of time, some at the same, with a book first; the venue does not always say who began a trade.
fn made(seed: u64, count: usize) -> Vec<Happened> {
    let mut random = Random(seed);
    let (mut now_ns, mut middle) = (1_000 * SECOND_NS, 1_000_i64);
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        now_ns += [0, 1, SECOND_NS / 5, SECOND_NS / 2, 2 * SECOND_NS][random.below(5)];
        middle += random.below(5) as i64 - 2;
        if number > 0 && random.below(2) == 0 {
            let resting_side = [None, Some(Side::Bid), Some(Side::Ask)][random.below(3)];
            let (price_ticks, size) = (middle + random.below(5) as i64 - 2, 1 + random.next() % 90);
            all.push(Happened::Trade(Trade { time_ns: now_ns, price_ticks, size, resting_side }));
        } else {
            let apart = 1 + random.below(3) as i64;
            let mut size = || 1 + random.next() % 90;
            all.push(Happened::Book(now_ns, level(middle, size()), level(middle + apart, size())));
        }
    }
    all
}

/// Who began each trade, by the definition of Lee and Ready's rules, with the mid before it.
fn signed(all: &[Happened]) -> Vec<(Trade, Option<i8>, i64)> {
    let mut trades: Vec<(Trade, Option<i8>, i64)> = Vec::new();
    for (place, happened) in all.iter().enumerate() {
        let Happened::Trade(trade) = happened else { continue };
        let mid = all[..place].iter().rev().find_map(Happened::mid_half_ticks).unwrap();
        let prices: Vec<i64> = trades.iter().map(|(trade, ..)| trade.price_ticks).chain([trade.price_ticks]).collect();
        let change = prices.windows(2).rev().map(|two| two[1] - two[0]).find(|change| *change != 0);
        let sign = |number: i64| (number != 0).then(|| number.signum() as i8);
        let told = trade.resting_side.map(|side| if side == Side::Ask { 1 } else { -1 });
        trades.push((*trade, told.or(sign(2 * trade.price_ticks - mid)).or(change.and_then(sign)), mid));
    }
    trades
}

fn of((time_ns, bid, ask): &(u64, Level, Level)) -> Depth<'_> {
    Depth { time_ns: *time_ns, bids: std::slice::from_ref(bid), asks: std::slice::from_ref(ask) }
}

fn near(found: Option<f64>, wanted: Option<f64>, tolerance: f64) -> bool {
    match (found, wanted) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= tolerance * wanted.abs().max(1.0),
        (found, wanted) => found == wanted,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_effective_spread_is_that_of_the_last_trade_with_a_side(seed in any::<u64>()) {
        let all = made(seed, 120);
        let mut streaming = EffectiveSpread::new();
        for (place, happened) in all.iter().enumerate() {
            match happened {
                Happened::Book(time_ns, bid, ask) => {
                    streaming.on_depth(&Depth { time_ns: *time_ns, bids: &[*bid], asks: &[*ask] });
                }
                Happened::Trade(trade) => streaming.on_trade(trade),
            }
            let of_one = |(trade, sign, mid): &(Trade, Option<i8>, i64)| {
                sign.map(|sign| (i64::from(sign) * (2 * trade.price_ticks - mid)) as f64)
            };
            let wanted = signed(&all[..=place]).iter().rev().find_map(of_one);
            prop_assert_eq!(streaming.value(), wanted, "update {}", place);
        }
    }

    #[test]
    fn the_realised_spread_is_that_against_the_mid_a_horizon_later(seed in any::<u64>()) {
        let all = made(seed, 120);
        let horizon_ns = 2 * SECOND_NS;
        let mut streaming = RealisedSpread::new(horizon_ns).unwrap();
        for (place, happened) in all.iter().enumerate() {
            match happened {
                Happened::Book(time_ns, bid, ask) => {
                    streaming.on_depth(&Depth { time_ns: *time_ns, bids: &[*bid], asks: &[*ask] });
                }
                Happened::Trade(trade) => streaming.on_trade(trade),
            }
            let now_ns = happened.time_ns();
            let spread = |(trade, sign, _): &(Trade, Option<i8>, i64)| {
                let until_ns = trade.time_ns + horizon_ns;
                let sign = i64::from((*sign)?);
                let known = all[..=place].iter().rev().filter(|it| it.time_ns() <= until_ns);
                let mid = known.filter_map(Happened::mid_half_ticks).next()?;
                (until_ns < now_ns).then(|| ((sign * (2 * trade.price_ticks - mid)) as f64, trade.size as f64))
            };
            let grown: Vec<(f64, f64)> = signed(&all[..=place]).iter().filter_map(spread).collect();
            prop_assert_eq!(streaming.value(), grown.last().map(|last| last.0), "update {}", place);
            let weight: f64 = grown.iter().map(|(_, size)| size).sum();
            let mean = grown.iter().map(|(spread, size)| spread * size).sum::<f64>() / weight;
            prop_assert!(near(streaming.mean(), (weight > 0.0).then_some(mean), 1e-12), "update {}", place);
        }
    }

    #[test]
    fn kyles_lambda_is_the_line_through_its_last_intervals(seed in any::<u64>(), root in any::<bool>()) {
        let all = made(seed, 150);
        let (interval_ns, window) = (3 * SECOND_NS, 6);
        let volume = if root { SignedVolume::Root } else { SignedVolume::Plain };
        let mut streaming = KyleLambda::new(interval_ns, window, volume).unwrap();
        let mut lines = 0;
        for (place, happened) in all.iter().enumerate() {
            match happened {
                Happened::Book(time_ns, bid, ask) => {
                    streaming.on_depth(&Depth { time_ns: *time_ns, bids: &[*bid], asks: &[*ask] });
                }
                Happened::Trade(trade) => streaming.on_trade(trade),
            }
            let trades = signed(&all[..=place]);
            let first = all[0].time_ns() / interval_ns;
            let over = happened.time_ns() / interval_ns;
            let mid_before = |end_ns: u64| {
                let before = all[..=place].iter().rev().filter(|it| it.time_ns() < end_ns);
                before.filter_map(Happened::mid_half_ticks).next()
            };
            let at_start = all[0].mid_half_ticks().unwrap();
            let of_interval = |index: u64| {
                let inside = trades.iter().filter(|(trade, ..)| trade.time_ns / interval_ns == index);
                let size = |trade: &Trade| if root { (trade.size as f64).sqrt() } else { trade.size as f64 };
                let x: f64 = inside.map(|(trade, sign, _)| sign.map_or(0.0, f64::from) * size(trade)).sum();
                let start = if index == first { at_start } else { mid_before(index * interval_ns).unwrap() };
                (x, (mid_before((index + 1) * interval_ns).unwrap() - start) as f64 * 0.5)
            };
            let rows: Vec<(f64, f64)> = (first..over).map(of_interval).collect();
            let last = rows.len().checked_sub(window).map(|from| rows[from..].iter().copied().unzip());
            let line = last.and_then(|(x, y): (Vec<f64>, Vec<f64>)| fit_line(&x, &y).ok());
            prop_assert!(near(streaming.value(), line.map(|line| line.slope), 1e-9), "update {}", place);
            lines += usize::from(line.is_some());
        }
        prop_assert!(lines > 20, "{} lines", lines);
    }

    #[test]
    fn the_rolling_kernel_is_the_kernel_of_its_last_returns(seed in any::<u64>(), returns in 2usize..12, bandwidth in 0usize..11) {
        let bandwidth = bandwidth.min(returns - 1);
        let mut streaming = RollingKernel::new(SECOND_NS, returns, bandwidth).unwrap();
        let (mut cut, mut all) = (IntervalReturns::new(SECOND_NS, returns).unwrap(), Vec::new());
        for (place, happened) in made(seed, 200).iter().enumerate() {
            let Happened::Book(time_ns, bid, ask) = happened else { continue };
            let depth = Depth { time_ns: *time_ns, bids: &[*bid], asks: &[*ask] };
            streaming.on_depth(&depth);
            cut.on_depth(&depth, |value| all.push(value));
            let last = all.len().checked_sub(returns).map(|from| realised_kernel(&all[from..], bandwidth).unwrap());
            // Of returns of a thousandth.
            prop_assert!(near(streaming.value(), last, 1e-15), "update {}", place);
        }
    }

    #[test]
    fn the_hawkes_intensity_is_the_sum_over_all_events(seed in any::<u64>()) {
        let parameters = HawkesParameters { mu: 0.3, alpha: 0.7, beta: 1.9 };
        let mut streaming = HawkesIntensity::new(parameters).unwrap();
        let all = made(seed, 150);
        for (place, happened) in all.iter().enumerate() {
            if let Happened::Trade(trade) = happened {
                streaming.on_event(trade.time_ns);
            }
            let now_ns = happened.time_ns();
            let trades = all[..=place].iter().filter(|it| matches!(it, Happened::Trade(_)));
            let excited: f64 = trades.map(|it| (-1.9 * (now_ns - it.time_ns()) as f64 * 1e-9).exp() * 0.7).sum();
            prop_assert!(near(Some(streaming.at(now_ns)), Some(0.3 + excited), 1e-12), "update {}", place);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// The table in use is that of the books up to the last doubling, found anew, and the price is that of the book now.
    #[test]
    fn the_streaming_microprice_is_that_of_a_fit_to_the_books_before(seed in any::<u64>()) {
        let states = MicropriceStates::new(3, 2, 1).unwrap();
        let mut streaming = StreamingMicroprice::new(states);
        let books: Vec<(u64, Level, Level)> = made(seed, 7_000)
            .into_iter()
            .filter_map(|it| if let Happened::Book(time_ns, bid, ask) = it { Some((time_ns, bid, ask)) } else { None })
            .collect();
        let mut fitted = None;
        for (place, book) in books.iter().enumerate() {
            streaming.on_depth(&of(book));
            // A step is from one book to the next: after so many there is one book more.
            if [1_000, 2_000].contains(&place) {
                fitted = Some(Microprice::fit(states, books[..=place].iter().map(of)).unwrap());
            }
            let wanted = fitted.as_ref().and_then(|fitted| fitted.price_ticks(&of(book)));
            prop_assert_eq!(streaming.value(), wanted, "book {}", place);
        }
        prop_assert!(streaming.value().is_some());
    }
}
