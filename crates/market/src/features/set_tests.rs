//! Sets of features: by name, with no look-ahead and no NaN, whatever the stream.

use proptest::prelude::*;

use super::super::{
    FeatureStream, Level,
    lobster::{self, Day, level},
    registry::BOOK_FEATURES,
};
use super::*;
use crate::{
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side},
    mutations::Random,
};

/// Every feature, with windows short enough for streams of some hundred events.
fn every_feature() -> String {
    let short = |name: &str| match name {
        "microprice" => "microprice:2:2:1".to_owned(),
        "vpin" => "vpin:10:3".to_owned(),
        "vpin_bulk" => "vpin_bulk:10:3:1s".to_owned(),
        "ofi_integrated" => "ofi_integrated:1s:3".to_owned(),
        "realised_spread" => "realised_spread:1s".to_owned(),
        "kyle" | "kyle_root" | "realised_variance" | "bipower" | "jump" | "jump_share" => format!("{name}:1s:5"),
        "realised_kernel" => "realised_kernel:1s:5:2".to_owned(),
        "value_area_low" | "value_area_high" => format!("{name}:1:0.7:1s"),
        other if registry::find(other).unwrap().parameters.starts_with("bar=1m:bars=") => format!("{other}:1s:3"),
        other if registry::find(other).unwrap().parameters.starts_with("bar=1m") => format!("{other}:1s"),
        other => other.to_owned(),
    };
    registry::features().map(|info| short(info.name)).collect::<Vec<_>>().join(",")
}

#[test]
fn a_set_tells_how_many_levels_it_looks_at() {
    let levels = |features: &str| FeatureSet::parse(features).unwrap().levels();
    assert_eq!(levels("mid,vpin"), 1);
    assert_eq!(levels("imbalance"), 1);
    assert_eq!(levels("imbalance:7,ofi_level:10s:3"), 7);
    assert_eq!((levels("ofi_level:10s:12"), levels("ofi_integrated"), levels("ofi_integrated:10s")), (12, 5, 5));
}

#[test]
fn names_and_parameters_that_are_not_are_told() {
    let message = |features: &str| FeatureSet::parse(features).err().unwrap().to_string();
    let unknown = message("spread,imbalanced:5");
    assert!(
        unknown.starts_with("unknown feature \"imbalanced\"; allowed: mid, spread, relative_spread, "),
        "{unknown}"
    );
    assert!(message("").starts_with("unknown feature \"\"; allowed: mid, "));
    assert_eq!(message("imbalance:0"), "feature imbalance:0: levels 0; allowed: 1 to 20");
    assert_eq!(message("imbalance:two"), "feature imbalance:two: levels \"two\"; allowed: a whole number");
    assert_eq!(
        message("ofi:10"),
        "feature ofi:10: window \"10\"; allowed: a whole number with ns, us, ms, s, m or h behind it, as 10s"
    );
    assert_eq!(
        message("spread:1"),
        "feature spread:1: parameter \"1\"; allowed: no more parameters than the feature has"
    );
    assert_eq!(message("mid,mid"), "feature mid: name given twice; allowed: each feature once");
    assert_eq!(message("hawkes:1:3:2"), "feature hawkes:1:3:2: alpha 3; allowed: 0 or more, below beta");
    assert_eq!(
        message("vpin:nan"),
        "feature vpin:nan: bucket \"nan\"; allowed: a finite number, with units or value behind it where it is none of lots"
    );
}

#[test]
fn every_feature_is_made_by_its_name_alone_and_says_what_it_is() {
    for info in registry::features() {
        let set = FeatureSet::parse(info.name).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), [info.name]);
        assert!(!info.unit.is_empty() && !info.window.is_empty() && !info.about.is_empty(), "{info:?}");
        // The defaults that are told are those that are used.
        let told: Vec<&str> =
            info.parameters.split(':').filter_map(|told| told.split_once('=')).map(|(_, value)| value).collect();
        if !told.is_empty() {
            FeatureSet::parse(&format!("{}:{}", info.name, told.join(":"))).unwrap();
        }
    }
    assert_eq!(FeatureSet::parse(BOOK_FEATURES).unwrap().len(), 18);
}

/// A time, the bids and asks then, and the trade before them.
type Row = (u64, Vec<Level>, Vec<Level>, Option<Trade>);

/// A stream of a random walk's books and trades.
#[derive(Debug, Clone)]
struct Stream(Vec<Row>);

impl Stream {
    fn updates(&self) -> impl Iterator<Item = Update<'_>> {
        self.0.iter().flat_map(|(time_ns, bids, asks, trade)| {
            trade.map(Update::Trade).into_iter().chain([Update::Book(Depth { time_ns: *time_ns, bids, asks })])
        })
    }
}

fn streams() -> impl Strategy<Value = Stream> {
    let side = || prop::collection::vec((1i64..3, 0u64..40), 0..4);
    let trade = prop::option::weighted(0.4, (-3i64..4, 1u64..30, 0u8..3));
    let row = (0u64..1_500_000_000, -2i64..3, side(), side(), trade);
    prop::collection::vec(row, 1..150).prop_map(|rows| {
        let (mut now, mut mid) = (1_000_000_000_000, 1_000i64);
        let made = rows.into_iter().map(|(step, change, bids, asks, trade)| {
            now += step;
            mid += change;
            let away = |sign: i64, side: Vec<(i64, u64)>| {
                let mut price = mid;
                side.into_iter()
                    .map(|(gap, size)| {
                        price += sign * gap;
                        level(price, size)
                    })
                    .collect::<Vec<_>>()
            };
            let trade = trade.map(|(off, size, side)| {
                let resting_side = [None, Some(Side::Bid), Some(Side::Ask)][usize::from(side)];
                Trade { time_ns: now, price_ticks: mid + off, size, resting_side }
            });
            (now, away(-1, bids), away(1, asks), trade)
        });
        Stream(made.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_prefix_of_the_stream_says_the_same_as_the_whole_up_to_there(stream in streams(), cut in 0.0f64..1.0) {
        let features = every_feature();
        let whole = FeatureSet::parse(&features).unwrap().columns(stream.updates());
        let rows = (stream.0.len() as f64 * cut) as usize;
        let prefix = Stream(stream.0[..rows].to_vec());
        let seen = FeatureSet::parse(&features).unwrap().columns(prefix.updates());
        for (column, (whole, seen)) in whole.values.iter().zip(&seen.values).enumerate() {
            prop_assert_eq!(&whole[..rows], &seen[..], "column {}", column);
            prop_assert!(whole.iter().flatten().all(|value| value.is_finite()), "column {}: {:?}", column, whole);
        }
    }

    #[test]
    fn what_follows_changes_nothing_before_it(stream in streams(), other in streams(), cut in 0.0f64..1.0) {
        let features = every_feature();
        let rows = (stream.0.len() as f64 * cut) as usize;
        let later = |tail: &Stream| Stream(stream.0[..rows].iter().chain(&tail.0).cloned().collect());
        let columns = |stream: &Stream| FeatureSet::parse(&features).unwrap().columns(stream.updates());
        let (one, two) = (columns(&stream), columns(&later(&other)));
        for (one, two) in one.values.iter().zip(&two.values) {
            prop_assert_eq!(&one[..rows], &two[..rows]);
        }
    }
}

/// Events of one instrument's orders and trades, with losses, snapshots and times that jump among them.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let body = (0u8..40, 0u64..12, any::<bool>(), 1i64..6, 1u64..40);
    let told = (0u64..1_500_000_000, body, 0u8..30, 0u8..60);
    prop::collection::vec(told, 1..120).prop_map(|told| {
        let mut now_ns = 1_000_000_000_000;
        let event = |(step, (kind, order_id, is_bid, away, size), flags, jump): (u64, _, u8, u8)| {
            now_ns += step;
            let (side, price_ticks) = if is_bid { (Side::Bid, 1_000 - away) } else { (Side::Ask, 1_000 + away) };
            let (body, of_body) = match kind {
                0..20 => (Body::Add { order_id, side, price_ticks, size }, Flags(0)),
                20..28 => (Body::Execute { order_id, size, price_ticks: NO_PRICE }, Flags(0)),
                28..34 => (Body::Trade { resting_side: Some(side), price_ticks, size }, Flags(0)),
                34..39 => (Body::Cancel { order_id, size }, Flags(0)),
                _ => (Body::Clear, Flags::SNAPSHOT),
            };
            let of_loss = if flags == 0 { Flags::GAP } else { Flags(0) };
            let of_end = if flags % 3 == 1 { Flags(0) } else { Flags::LAST };
            let exchange_ns = if jump == 0 { u64::MAX - now_ns } else { now_ns };
            let flags = of_body | of_loss | of_end;
            Event { exchange_ns, receive_ns: now_ns, sequence: 1, instrument: InstrumentId(3), flags, body }
        };
        told.into_iter().map(event).collect()
    })
}

/// The first of some numbers of events after which a stream of so many and no more has other values than the stream of all had there. `make` is given
/// the events that there are, so that a feature which reads ahead can be made.
fn first_that_differs(events: &[Event], make: impl Fn(&[Event]) -> FeatureStream) -> Option<usize> {
    let mut whole = make(events);
    let after: Vec<Vec<Option<f64>>> = events
        .iter()
        .map(|event| {
            whole.event(event);
            whole.set().values().to_vec()
        })
        .collect();
    (1..=events.len()).find(|&count| {
        let mut alone = make(&events[..count]);
        for event in &events[..count] {
            alone.event(event);
        }
        alone.set().values() != after[count - 1]
    })
}

/// Says how many events are still to come.
struct ReadsAhead {
    left: f64,
}

impl Feature for ReadsAhead {
    fn on_book(&mut self, _: &Book<'_>) -> Option<f64> {
        self.left -= 1.0;
        Some(self.left)
    }

    fn on_trade(&mut self, _: &Trade) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn after_so_many_events_the_values_are_the_same_whatever_follows(events in events()) {
        let features = every_feature();
        let make = |_: &[Event]| FeatureStream::new(FeatureSet::parse(&features).unwrap(), InstrumentId(3), 5);
        prop_assert_eq!(first_that_differs(&events, make), None);
    }
}

#[test]
fn a_feature_that_reads_ahead_is_found() {
    let event = |order_id| Event {
        exchange_ns: 5,
        receive_ns: 5,
        sequence: 1,
        instrument: InstrumentId(3),
        flags: Flags::LAST,
        body: Body::Add { order_id, side: Side::Bid, price_ticks: 100, size: 1 },
    };
    let make = |events: &[Event]| {
        let feature = Form::Own(Box::new(ReadsAhead { left: events.len() as f64 }));
        let member = Member { name: "reads_ahead".to_owned(), info: registry::find("mid").unwrap() };
        FeatureStream::new(FeatureSet::of(vec![(member, feature)]).unwrap(), InstrumentId(3), 5)
    };
    let events: Vec<Event> = (0..4).map(event).collect();
    assert_eq!(first_that_differs(&events, make), Some(1));
}

#[test]
fn real_what_a_set_shares_is_what_each_feature_finds_alone() {
    use super::super::{integrated_ofi::IntegratedOfi, ofi::RollingOfi};
    let Some(day) = lobster::amzn() else { return };
    let second_ns = 1_000_000_000;
    let mut set = FeatureSet::parse("ofi:10s,ofi_level:1s:4,ofi_integrated:10s:3,ofi_level:10s:5").unwrap();
    let mut alone = (
        RollingOfi::new(1, 10 * second_ns).unwrap(),
        RollingOfi::new(4, second_ns).unwrap(),
        IntegratedOfi::new(3, 10 * second_ns).unwrap(),
        RollingOfi::new(5, 10 * second_ns).unwrap(),
    );
    for depth in day.books().take(20_000) {
        set.on_depth(&depth);
        alone.0.on_depth(&depth);
        alone.1.on_depth(&depth);
        alone.2.on_depth(&depth);
        alone.3.on_depth(&depth);
        assert_eq!(set.values(), [alone.0.value(), alone.1.value(), alone.2.value(), alone.3.value()]);
    }
}

#[test]
fn extremes_of_prices_sizes_and_times_make_no_nan_and_no_panic() {
    let extremes = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let mut set = FeatureSet::parse(&every_feature()).unwrap();
    for time_ns in [0, 5, u64::MAX, 3, 1_000_000_000, u64::MAX] {
        for bid in extremes {
            for ask in extremes {
                for size in [0, 1, u64::MAX] {
                    for resting_side in [None, Some(Side::Bid), Some(Side::Ask)] {
                        set.on_trade(&Trade { time_ns, price_ticks: bid, size, resting_side });
                    }
                    set.on_depth(&Depth { time_ns, bids: &[level(bid, size)], asks: &[level(ask, 1)] });
                    for (name, value) in set.names().zip(set.values()) {
                        assert!(
                            value.is_none_or(|value| !value.is_nan()),
                            "{name} at bid {bid} ask {ask} size {size}: {value:?}"
                        );
                    }
                }
            }
        }
    }
}

fn updates(day: &Day, rows: usize) -> impl Iterator<Item = Update<'_>> {
    (0..rows).flat_map(move |row| {
        day.trade(row).copied().map(Update::Trade).into_iter().chain([Update::Book(day.depth(row))])
    })
}

#[test]
fn real_every_feature_has_a_value_by_noon_and_knows_nothing_of_the_afternoon() {
    let Some(day) = lobster::amzn() else { return };
    // AMZN trades too little by noon for fifty buckets of a million.
    let features = registry::features().map(|info| info.name).collect::<Vec<_>>().join(",");
    let features = features.replace("vpin_bulk", "vpin_bulk:400000value").replace("vpin,", "vpin:400000value,");
    let half = day.rows() / 2;
    let whole = FeatureSet::parse(&features).unwrap().columns(updates(day, half + 5_000));
    let morning = FeatureSet::parse(&features).unwrap().columns(updates(day, half));
    for ((name, whole), morning) in features.split(',').zip(&whole.values).zip(&morning.values) {
        assert!(morning[half - 100..].iter().any(Option::is_some), "{name} has no value by noon");
        assert_eq!(&whole[..half], &morning[..], "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn moments_in_between_change_nothing_after_them_and_know_nothing_of_it(
        stream in streams(),
        steps in prop::collection::vec(0u64..900_000_000, 1..150),
        cut in 0.0f64..1.0,
    ) {
        let features = every_feature();
        let plain = FeatureSet::parse(&features).unwrap().columns(stream.updates());
        // Before each book the moments that fall between it and the one before.
        let mut steps = steps.iter().cycle();
        let (mut with, mut books, mut last_ns) = (Vec::new(), Vec::new(), None);
        for update in stream.updates() {
            let time_ns = match update {
                Update::Book(depth) => depth.time_ns,
                Update::Trade(trade) => trade.time_ns,
                Update::Time(time_ns) => time_ns,
            };
            if let Some(before_ns) = last_ns.replace(time_ns) {
                let moment = before_ns + steps.next().unwrap();
                if moment < time_ns {
                    with.push(Update::Time(moment));
                }
            }
            books.extend(matches!(update, Update::Book(_)).then_some(with.iter().filter(|it| !matches!(it, Update::Trade(_))).count()));
            with.push(update);
        }
        let moments = FeatureSet::parse(&features).unwrap().columns(with.iter().copied());
        let cut = (with.len() as f64 * cut) as usize;
        let prefix = FeatureSet::parse(&features).unwrap().columns(with[..cut].iter().copied());
        for ((name, plain), (moments, prefix)) in features.split(',').zip(&plain.values).zip(moments.values.iter().zip(&prefix.values)) {
            let at_books: Vec<_> = books.iter().map(|row| moments[*row]).collect();
            prop_assert_eq!(&at_books, plain, "{}: what follows a moment", name);
            prop_assert_eq!(&moments[..prefix.len()], &prefix[..], "{}: a moment that knows what follows", name);
            prop_assert!(moments.iter().flatten().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn windows_run_on_where_nothing_happens() {
    let mut set = FeatureSet::parse("mid,ofi:1s,hawkes:1:1:2,realised_variance:1s:4,sma:1s:1,traded").unwrap();
    set.advance(1);
    assert_eq!(set.values(), [None; 6]);
    let second = 1_000_000_000;
    for (time_ns, bid) in [(0, 98), (second / 2, 99)] {
        set.on_trade(&Trade { time_ns, price_ticks: bid, size: 3, resting_side: Some(Side::Bid) });
        set.on_depth(&Depth { time_ns, bids: &[level(bid, 7)], asks: &[level(102, 5)] });
    }
    assert_eq!(set.values()[1], Some(7.0));
    let hawkes = set.values()[2].unwrap();
    set.advance(second + second / 4);
    // The bar of the first second is over, the flow is still in its window.
    assert_eq!((set.values()[0], set.values()[1], set.values()[4]), (Some(100.5), Some(7.0), Some(99.0)));
    assert!(set.values()[2].unwrap() < hawkes);
    set.advance(second + second / 2);
    assert_eq!(set.values()[1], Some(0.0), "half a second after half a second is a second old");
    assert_eq!(set.values()[3], None);
    set.advance(4 * second);
    assert!(set.values()[3].is_some_and(|variance| variance > 0.0), "four intervals are over: {:?}", set.values());
    set.advance(6 * second);
    assert_eq!(set.values()[3], Some(0.0), "and the move is in none of the last four");
    set.on_trade(&Trade { time_ns: 6 * second, price_ticks: 99, size: 4, resting_side: None });
    assert_eq!(set.values()[5], Some(6.0));
    set.advance(6 * second);
    assert_eq!(set.values()[5], Some(10.0), "a trade that left no book counts from the next moment on");
}

#[test]
fn parameters_in_the_currency_are_those_of_the_feed() {
    let binance = Units { tick_nanos: 10, lot_nanos: 10 };
    let vpin = |units, written: &str, size: u64, price_ticks| {
        let mut set = FeatureSet::parse_in(written, units).unwrap();
        for time_ns in 0..3 {
            set.on_trade(&Trade { time_ns, price_ticks, size, resting_side: Some(Side::Ask) });
        }
        set.on_depth(&Depth { time_ns: 3, bids: &[level(1, 1)], asks: &[level(2, 1)] });
        set.values()[0]
    };
    // Three trades of half a coin at 60,000: one bucket of one coin, or of 60,000 of the currency, is full.
    for written in ["vpin:1units:1", "vpin:60000value:1", "vpin:100000000:1"] {
        assert_eq!(vpin(binance, written, 50_000_000, 6_000_000_000_000), Some(1.0), "{written}");
    }
    assert_eq!(vpin(binance, "vpin:2units:1", 50_000_000, 6_000_000_000_000), None);
    // The defaults fill a bucket with a million: 10,000 shares at 100.
    assert_eq!(vpin(Units::default(), "vpin:1000000value:1", 3_333, 1_000_000), None);
    assert_eq!(vpin(Units::default(), "vpin:1000000value:1", 3_334, 1_000_000), Some(1.0));
}

/// A stretch of a busy market: the same prices, sizes and gaps of time whenever it is played, after `begin_ns`.
fn stretch(begin_ns: u64, books: usize, mut take: impl FnMut(Update<'_>)) -> u64 {
    let (mut random, mut now_ns, mut mid) = (Random(11), begin_ns, 10_000_i64);
    let mut sides = [[Level::default(); 5]; 2];
    for book in 0..books {
        now_ns += random.below(20_000_000) as u64;
        // Back to where it began in the end, so that no price is new the next time.
        mid += if book % 2 == 0 { [-1, 0, 0, 0, 1][random.below(5)] } else { (10_000 - mid).signum() };
        for (sign, side) in [-1, 1].into_iter().zip(&mut sides) {
            for (away, of_side) in (1..).zip(side.iter_mut()) {
                *of_side = level(mid + sign * away, random.below(40) as u64 + 1);
            }
        }
        if random.below(4) == 0 {
            let (size, resting_side) = (1 + random.below(30) as u64, Some([Side::Bid, Side::Ask][random.below(2)]));
            take(Update::Trade(Trade { time_ns: now_ns, price_ticks: mid, size, resting_side }));
        }
        take(Update::Book(Depth { time_ns: now_ns, bids: &sides[0], asks: &sides[1] }));
    }
    now_ns
}

#[test]
fn features_whose_rings_have_been_full_allocate_nothing_and_neither_do_their_fits() {
    let books = 20_000;
    let mut names = every_feature();
    for name in BOOK_FEATURES.split(',').map(str::trim) {
        if names.split(',').all(|known| known != name) {
            names = format!("{names},{name}");
        }
    }
    let mut set = FeatureSet::parse(&names).unwrap();
    let mut take = |update: Update<'_>| match update {
        Update::Book(depth) => set.on_depth(&depth),
        Update::Trade(trade) => set.on_trade(&trade),
        Update::Time(time_ns) => set.advance(time_ns),
    };
    let first = crate::allocations::measure(|| stretch(1_000_000_000_000, books, &mut take));
    // The microprice's table is fitted at 32,000 steps, the weights of the integrated flow at every tenth interval more.
    let second = crate::allocations::measure(|| stretch(first.0, books, &mut take));
    assert!(first.1.calls > 0, "what allocates would be seen");
    assert_eq!(second.1.calls, 0);
    let without: Vec<&str> = set.names().zip(set.values()).filter(|of| of.1.is_none()).map(|of| of.0).collect();
    // In the last seconds the mid at each interval's end is the same: there is nothing to divide by.
    assert_eq!(without, ["kyle:1s:5", "kyle_root:1s:5", "jump:1s:5", "jump_share:1s:5", "percent_b:1s:3"]);
}
