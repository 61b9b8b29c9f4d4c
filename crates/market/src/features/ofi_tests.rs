//! Order-flow imbalance: by hand, streaming against its definition, and what is published of it on real days.

use proptest::prelude::*;

use super::super::{
    integrated_ofi::{IntegratedOfi, LevelWeights, StreamingWeights},
    lobster::{self, level},
};
use super::*;

const SECOND_NS: u64 = 1_000_000_000;

#[test]
fn each_case_of_one_event_by_hand() {
    let before = level(100, 7);
    assert_eq!(bid_flow(before, level(100, 9)), 2, "added at the same price");
    assert_eq!(bid_flow(before, level(101, 4)), 4, "a better bid: all of it");
    assert_eq!(bid_flow(before, level(99, 20)), -7, "the best bid is gone: all that was there");
    assert_eq!(ask_flow(before, level(100, 3)), -4, "taken at the same price");
    assert_eq!(ask_flow(before, level(99, 4)), 4, "a better ask");
    assert_eq!(ask_flow(before, level(101, 20)), -7, "the best ask is gone");
    assert_eq!(bid_flow(NO_BID, level(100, 9)), 9, "the first of a side");
    assert_eq!(ask_flow(level(100, 9), NO_ASK), -9, "the last of a side");
    assert_eq!(bid_flow(NO_BID, NO_BID), 0);
}

#[test]
fn levels_of_many_coins_in_the_smallest_of_lots_flow_in_full() {
    // Lots of 10⁻⁸: 50,000, 20,000 and 90,000 coins, and then what no coin reaches.
    let coin = 100_000_000;
    let mut set = super::super::FeatureSet::parse("ofi:10s").unwrap();
    let mut alone = RollingOfi::new(1, 10 * SECOND_NS).unwrap();
    let mut values = Vec::new();
    for lots in [50_000 * coin, 20_000 * coin, 90_000 * coin, MOST_LOTS, 0, u64::MAX, 0] {
        let (bids, asks) = ([level(100, lots)], [level(102, MOST_LOTS - lots.min(MOST_LOTS))]);
        let depth = Depth { time_ns: 5, bids: &bids, asks: &asks };
        set.on_depth(&depth);
        alone.on_depth(&depth);
        assert_eq!(set.values(), [alone.value()]);
        values.push(alone.value().unwrap());
    }
    // Every lot that comes to the bid leaves the ask: twice the bid's change since the first book.
    let by_hand = |lots: u64| (2 * (i128::from(lots) - i128::from(50_000 * coin))) as f64;
    let lots = [50_000 * coin, 20_000 * coin, 90_000 * coin, MOST_LOTS, 0, MOST_LOTS, 0];
    assert_eq!(values, lots.map(by_hand));
}

#[test]
fn intervals_by_hand() {
    let book = |seconds: u64, bid: Level, ask: Level| (seconds * SECOND_NS, [bid], [ask]);
    let books = [
        book(12, level(100, 5), level(102, 5)),
        book(15, level(100, 8), level(102, 5)),
        book(20, level(101, 2), level(102, 5)),
        book(45, level(101, 2), level(103, 6)),
    ];
    let books = books.iter().map(|(time_ns, bids, asks)| Depth { time_ns: *time_ns, bids, asks });
    let found = intervals(books, 10 * SECOND_NS, 1).unwrap();
    let seen: Vec<(u64, i64, i64)> =
        found.iter().map(|i| (i.start_ns / SECOND_NS, i.flow[0], i.mid_change_half_ticks)).collect();
    assert_eq!(seen, [(10, 3, 0), (20, 2, 1), (30, 0, 0), (40, 5, 1)]);
    assert_eq!((found[0].mean_depth, found[2].mean_depth), ((5.0 + 5.0 + 8.0 + 5.0) / 4.0, 0.0));
}

#[test]
fn a_clock_that_jumps_makes_no_flood_of_intervals() {
    let (bids, asks) = ([level(100, 5)], [level(102, 5)]);
    let mut flow = IntervalFlow::new(SHORTEST_NS, 1).unwrap();
    let mut given = 0;
    for time_ns in [0, u64::MAX - 1, 5, u64::MAX] {
        flow.on_depth(&Depth { time_ns, bids: &bids, asks: &asks }, |_| given += 1);
    }
    assert_eq!(given, 0);
}

/// Books of random levels in order of time.
fn random_books() -> impl Strategy<Value = Vec<(u64, Vec<Level>, Vec<Level>)>> {
    let side = || prop::collection::vec((1i64..4, 0u64..50), 0..4);
    let book = (0u64..4 * SECOND_NS, side(), side(), 90i64..110);
    prop::collection::vec(book, 1..80).prop_map(|books| {
        let mut now = 1_000 * SECOND_NS;
        let mut made = Vec::new();
        for (step, bids, asks, mid) in books {
            now += step;
            let away = |sign: i64, side: Vec<(i64, u64)>| {
                side.into_iter().scan(mid, move |price, (gap, size)| {
                    *price += sign * gap;
                    Some(level(*price, size))
                })
            };
            made.push((now, away(-1, bids).collect(), away(1, asks).collect()));
        }
        made
    })
}

proptest! {
    #[test]
    fn streaming_is_batch_and_the_past_is_all_it_knows(books in random_books(), level in 1usize..4, window in 1u64..20) {
        let books: Vec<Depth<'_>> = books.iter().map(|(time_ns, bids, asks)| Depth { time_ns: *time_ns, bids, asks }).collect();
        let window_ns = window * SECOND_NS;
        let mut streaming = RollingOfi::new(level, window_ns).unwrap();
        let whole = rolling_ofi(&books, level, window_ns).unwrap();
        for (row, depth) in books.iter().enumerate() {
            streaming.on_depth(depth);
            prop_assert_eq!(streaming.value(), Some(whole[row]));
            // What follows changes nothing: the batch of the books so far ends in the same number.
            let so_far = rolling_ofi(&books[..=row], level, window_ns).unwrap();
            prop_assert_eq!(so_far.last(), Some(&whole[row]));
        }
    }

    #[test]
    fn flow_is_what_the_resting_size_grew_by_where_prices_stay(sizes in prop::collection::vec((1u64..1000, 1u64..1000), 2..50)) {
        let mut flow = OrderFlow::new(1).unwrap();
        let total: i64 = sizes.iter().map(|&(bid, ask)| {
            flow.on_depth(&Depth { time_ns: 0, bids: &[level(9, bid)], asks: &[level(11, ask)] })[0]
        }).sum();
        let grew = |of: fn(&(u64, u64)) -> u64| of(&sizes[sizes.len() - 1]) as i64 - of(&sizes[0]) as i64;
        prop_assert_eq!(total, grew(|s| s.0) - grew(|s| s.1));
    }
}

#[test]
fn books_of_an_interval_given_together_are_those_given_one_by_one() {
    let mut random = crate::mutations::Random(3);
    let one = || (OrderFlow::new(3).unwrap(), StreamingWeights::new(3, SECOND_NS).unwrap());
    let ((mut flow, mut one_by_one), (_, mut together)) = (one(), one());
    let (mut now_ns, mut fitted) = (1_000 * SECOND_NS, 0);
    for _ in 0..300 {
        // Now and then some empty intervals, and once in a while more than a day.
        let pause_ns = match random.below(40) {
            0 => 3 * DAY_NS,
            1..6 => 7 * SECOND_NS,
            _ => SECOND_NS,
        };
        now_ns = (now_ns / SECOND_NS * SECOND_NS) + pause_ns;
        if pause_ns > DAY_NS {
            together.begin_anew();
        }
        let (mut sums, mut resting, count) = ([0; 3], 0.0, 1 + random.below(5) as u64);
        for _ in 0..count {
            now_ns += random.next() % (SECOND_NS / 8);
            let mut side = |at: i64| [0, 1, 2].map(|away| level(100 + at * (1 + away), 1 + random.next() % 90));
            let (bids, asks) = (side(-1), side(1));
            let depth = Depth { time_ns: now_ns, bids: &bids, asks: &asks };
            let of_event = flow.on_depth(&depth);
            one_by_one.on_flow(&depth, of_event);
            sums.iter_mut().zip(of_event).for_each(|(sum, flow)| *sum += flow);
            resting += bids.iter().chain(&asks).map(|level| level.size as f64).sum::<f64>();
        }
        together.on_books(now_ns, resting, &sums, count);
        let found = together.integrated(&[1.0, 10.0, 100.0]);
        assert_eq!(found, one_by_one.integrated(&[1.0, 10.0, 100.0]));
        fitted += usize::from(found.is_some());
    }
    assert!(fitted > 200, "{fitted}");
}

fn r_squared(intervals: &[Interval], flow: impl Fn(&Interval) -> f64) -> Vec<f64> {
    let windows = regress_mid(intervals, 1_800 * SECOND_NS, flow).unwrap();
    windows.iter().map(|window| window.line.as_ref().unwrap().r_squared).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn real_flow_explains_about_half_of_the_mids_changes_over_ten_seconds() {
    for (name, day) in [("AAPL", lobster::aapl()), ("AMZN", lobster::amzn())] {
        let Some(day) = day else { return };
        let intervals = intervals(day.books(), 10 * SECOND_NS, 1).unwrap();
        let windows = r_squared(&intervals, |interval| interval.flow[0] as f64);
        println!("{name}: mean R² {:.4}, by window {windows:.3?}", mean(&windows));
        assert_eq!(windows.len(), 13, "{name}: half-hours of the session");
        assert!((0.45..=0.60).contains(&mean(&windows)), "{name}: mean R² {} of {windows:?}", mean(&windows));
    }
}

#[test]
fn real_the_integrated_flow_explains_more_than_the_best_level_alone() {
    let Some(day) = lobster::amzn() else { return };
    let intervals = intervals(day.books(), 10 * SECOND_NS, 5).unwrap();
    let weights = LevelWeights::fit(&intervals, 5).unwrap();
    let best = r_squared(&intervals, |interval| interval.scaled_flow(0));
    let integrated = r_squared(&intervals, |interval| weights.integrated(interval));
    println!(
        "explained {:.3} by {:.3?}; R² {:.4} and {:.4}",
        weights.explained(),
        weights.weights(),
        mean(&best),
        mean(&integrated)
    );
    assert!(mean(&integrated) > mean(&best), "{} against {}", mean(&integrated), mean(&best));
    assert!(
        weights.weights().iter().all(|weight| *weight > 0.0),
        "every level's flow points the same way: {weights:?}"
    );
}

#[test]
fn real_streaming_integrated_flow_is_its_weights_on_the_rolling_flows() {
    let Some(day) = lobster::amzn() else { return };
    let rows = 20_000;
    let mut streaming = IntegratedOfi::new(5, 10 * SECOND_NS).unwrap();
    let mut levels: Vec<RollingOfi> = (1..=5).map(|level| RollingOfi::new(level, 10 * SECOND_NS).unwrap()).collect();
    for depth in day.books().take(rows) {
        streaming.on_depth(&depth);
        levels.iter_mut().for_each(|level| level.on_depth(&depth));
    }
    // The last interval is not over, and the last fit was made when there were 30 and a tenth more so many times.
    let over = intervals(day.books().take(rows), 10 * SECOND_NS, 5).unwrap();
    let fits = std::iter::successors(Some(30), |fitted| Some(fitted + fitted / 10));
    let last_fit = fits.take_while(|fitted| *fitted < over.len()).last().unwrap();
    let weights = LevelWeights::fit(&over[..last_fit], 5).unwrap();
    let by_hand: f64 =
        weights.weights().iter().zip(&levels).map(|(weight, level)| weight * level.value().unwrap()).sum();
    let found = streaming.value().unwrap();
    assert!((found - by_hand).abs() <= 1e-9 * by_hand.abs().max(1.0), "{found} against {by_hand}");
}

#[test]
fn weights_by_hand_and_what_cannot_be_fitted() {
    let interval = |flow: i64| {
        let mut levels = [0; MOST_LEVELS];
        (levels[0], levels[1]) = (flow, 3 * flow);
        Interval { start_ns: 0, mid_change_half_ticks: 0, flow: levels, mean_depth: 2.0 }
    };
    // Level 2 always flows three times what level 1 does: w is along (1, 3), and that is all there is.
    let all: Vec<Interval> = (-20..20).map(interval).collect();
    let weights = LevelWeights::fit(&all, 2).unwrap();
    assert!((weights.weights()[0] - 0.25).abs() < 1e-12 && (weights.explained() - 1.0).abs() < 1e-12, "{weights:?}");
    assert_eq!(
        LevelWeights::fit(&all[..9], 2).unwrap_err().to_string(),
        "level weights: 9 observations; allowed: 30 or more"
    );
    assert_eq!(
        LevelWeights::fit(&[interval(1); 40], 2).unwrap_err().to_string(),
        "level weights: the flows never vary"
    );
    assert_eq!(IntegratedOfi::new(1, 1).unwrap_err().to_string(), "levels 1; allowed: 2 to 20");
    let error = IntervalFlow::new(5, 1).unwrap_err().to_string();
    assert_eq!(error, "interval_ns 5; allowed: 100 ms to one day (100,000,000 to 86,400,000,000,000 ns)");
}
