use std::collections::BTreeMap;

use arrow_array::{Float64Array, Int64Array, RecordBatch, cast::AsArray, types::Float64Type, types::Int64Type};
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::{
    block_on,
    compact::{CompactSettings, compact},
    parquet::{
        Attempt, Earlier, Writer, WriterSettings,
        check::instruments,
        read,
        samples::{self, Tick, clock},
    },
    place::S3Settings,
};

const DAY: Date = date(2026, 1, 2);
const MINUTE: i64 = 60_000_000_000;
const RULES: &str = r#"
    [[aggregate]]
    from = "ticks"
    to = "bars"
    interval = "1m"
    [[aggregate]]
    from = "bars"
    from_interval = "1m"
    to = "bars"
    interval = "1h"
"#;

/// A place with its folder.
struct Ground {
    _folder: tempfile::TempDir,
    place: Place,
    rules: Rules,
}

/// A bar as tests compare it: open, high, low, close, volume, vwap, trades.
type Values = (f64, f64, f64, f64, Option<f64>, Option<f64>, i64);

impl Ground {
    fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap();
        Self { _folder: folder, place, rules: Rules::parse("rules", rules).unwrap() }
    }

    fn ingest(&self, writer: &str, ticks: &[Tick]) {
        block_on(async {
            let settings = WriterSettings::new(writer, Earlier::Keep, clock());
            let mut writer = Writer::new(&self.place, settings).unwrap();
            writer.append(Table::Ticks, &samples::ticks(ticks)).await.unwrap();
            writer.finish().await.unwrap();
        });
    }

    fn run(&self, now_ns: i64) -> Vec<RuleReport> {
        block_on(downsample(&self.place, &self.rules, now_ns)).unwrap()
    }

    /// Bars of an interval by instrument and begin.
    fn bars(&self, interval_ns: i64) -> BTreeMap<(String, i64), Values> {
        let (batches, scanned) = block_on(read(&self.place, Table::Bars, &Filter::default())).unwrap();
        assert!(scanned.damaged.is_empty(), "{scanned:?}");
        let mut bars = BTreeMap::new();
        for rows in &batches {
            let float =
                |name: &str| -> &Float64Array { rows.column_by_name(name).unwrap().as_primitive::<Float64Type>() };
            let integer =
                |name: &str| -> &Int64Array { rows.column_by_name(name).unwrap().as_primitive::<Int64Type>() };
            for row in (0..rows.num_rows()).filter(|row| integer("interval_ns").value(*row) == interval_ns) {
                let option = |name: &str| float(name).iter().nth(row).flatten();
                let [open, high, low, close] = ["open", "high", "low", "close"].map(|name| float(name).value(row));
                let values = (open, high, low, close, option("volume"), option("vwap"), integer("trades").value(row));
                let key = (instruments(rows).value(row).to_owned(), times(rows).value(row) - begin_ns(DAY));
                assert!(bars.insert(key, values).is_none(), "a bar is there twice");
            }
        }
        bars
    }
}

fn trade(second: i64, price: f64, size: f64) -> Tick {
    let time_ns = begin_ns(DAY) + second * 1_000_000_000;
    Tick { time_ns, instrument: "SPY", sequence: second, kind: "trade", price: Some(price), size: Some(size), flags: 1 }
}

/// After the day is over.
fn later() -> i64 {
    begin_ns(DAY) + DAY_NS + 1
}

#[test]
fn what_is_only_told_is_what_is_done_then_and_touches_nothing() {
    let ground = Ground::new(RULES);
    ground.ingest("feed", &[trade(0, 10.0, 1.0), trade(61, 11.0, 1.0)]);
    let everything = || {
        let listed = block_on(ground.place.list(&object_store::path::Path::from(""))).unwrap();
        listed.into_iter().map(|meta| (meta.location, meta.last_modified, meta.size)).collect::<Vec<_>>()
    };
    let before = everything();
    let told = || block_on(downsample_dry_run(&ground.place, &ground.rules, later())).unwrap();
    let first = told();
    assert_eq!((first[0].days[&DAY], first[0].rows_read), (2, 2));
    assert_eq!((told(), everything()), (first.clone(), before));
    assert_eq!(ground.run(later())[0], first[0]);
    assert!(told()[0].days.is_empty());
    // Late rows would change their bars alone; the others are counted with them.
    ground.ingest("late", &[trade(62, 12.0, 1.0)]);
    let late = told();
    assert_eq!((late[0].days[&DAY], late[0].rows_read), (2, 2));
    assert_eq!(ground.run(later())[0], late[0]);
}

#[test]
fn bars_are_those_of_printed_trades() {
    let ground = Ground::new(RULES);
    let non_printable = i64::from(zomma_market::event::Flags::NON_PRINTABLE.0) | 1;
    ground.ingest(
        "feed",
        &[
            trade(0, 10.0, 100.0),
            Tick { kind: "execute", ..trade(5, 12.0, 50.0) },
            // Not printed: the trade of the cross tells its size again.
            Tick { kind: "execute", flags: non_printable, ..trade(6, 99.0, 1_000.0) },
            Tick { kind: "trade", flags: non_printable, ..trade(7, 9.0, 25.0) },
            Tick { kind: "add", ..trade(8, 50.0, 1.0) },
            Tick { kind: "execute", price: None, ..trade(9, 0.0, 7.0) },
            trade(59, 11.0, 25.0),
            trade(60, 20.0, 1.0),
            Tick { instrument: "QQQ", size: None, ..trade(61, 5.0, 0.0) },
        ],
    );
    let reports = ground.run(later());
    assert_eq!((reports[0].rows_read, reports[0].unpriced, reports[0].days[&DAY]), (9, 1, 3));
    let bars = ground.bars(MINUTE);
    let vwap = (10.0 * 100.0 + 12.0 * 50.0 + 9.0 * 25.0 + 11.0 * 25.0) / 200.0;
    assert_eq!(bars[&("SPY".into(), 0)], (10.0, 12.0, 9.0, 11.0, Some(200.0), Some(vwap), 4));
    assert_eq!(bars[&("SPY".into(), MINUTE)], (20.0, 20.0, 20.0, 20.0, Some(1.0), Some(20.0), 1));
    assert_eq!(bars[&("QQQ".into(), MINUTE)], (5.0, 5.0, 5.0, 5.0, None, None, 1));
    let hours = ground.bars(60 * MINUTE);
    let vwap = (vwap * 200.0 + 20.0) / 201.0;
    assert_eq!(hours[&("SPY".into(), 0)], (10.0, 20.0, 9.0, 20.0, Some(201.0), Some(vwap), 5));
}

#[test]
fn an_interval_waits_for_its_end_and_late_rows_change_the_bars_they_are_of() {
    let ground = Ground::new(RULES);
    let at = |second: i64| begin_ns(DAY) + second * 1_000_000_000;
    ground.ingest("a", &[trade(10, 10.0, 1.0), trade(70, 11.0, 1.0), trade(130, 12.0, 1.0)]);
    ground.run(at(125));
    assert_eq!(ground.bars(MINUTE).len(), 2);
    // Nothing is over that was not: nothing is read.
    let again = ground.run(at(170));
    assert_eq!((again[0].days.len(), again[0].rows_read), (0, 0));
    // Only the third minute is read now.
    let third = ground.run(at(180));
    assert_eq!((third[0].rows_read, third[0].days[&DAY]), (1, 3));
    // A late row of the second minute: that minute alone is read again.
    ground.ingest("b", &[trade(61, 5.0, 9.0)]);
    let late = ground.run(at(185));
    assert_eq!((late[0].rows_read, late[0].days[&DAY]), (2, 3));
    assert_eq!(ground.bars(MINUTE)[&("SPY".into(), MINUTE)], (5.0, 11.0, 5.0, 11.0, Some(10.0), Some(5.6), 2));
    assert!(ground.bars(60 * MINUTE).is_empty(), "the hour is not over");
    ground.run(at(3_600));
    assert_eq!(ground.bars(60 * MINUTE).len(), 1);
    // A row that is late after the hour was made changes the hour too, in the same run.
    ground.ingest("c", &[trade(11, 1.0, 1.0)]);
    ground.run(at(3_601));
    assert_eq!(ground.bars(60 * MINUTE)[&("SPY".into(), 0)].2, 1.0);
}

#[test]
fn twice_gives_the_same_and_compaction_changes_nothing() {
    let ground = Ground::new(RULES);
    let rows: Vec<Tick> =
        (0..2_000).map(|index| trade(index * 7 % 10_000, 100.0 + (index % 13) as f64 / 3.0, 1.5)).collect();
    ground.ingest("a", &rows[..1_200]);
    // Some of them again: each key counts once.
    ground.ingest("b", &rows[1_000..]);
    ground.run(later());
    let bars = ground.bars(MINUTE);
    assert_eq!(bars.values().map(|bar| bar.6).sum::<i64>(), 2_000);
    let again = ground.run(later());
    assert!(again.iter().all(|report| report.days.is_empty() && report.rows_read == 0), "{again:?}");
    assert_eq!(ground.bars(MINUTE), bars);
    let settings = CompactSettings {
        tables: Table::ALL.to_vec(),
        attempt: Attempt { now_ns: later(), take_over: false },
        closed_after_ns: 0,
        dry_run: false,
    };
    let compacted = block_on(compact(&ground.place, &settings)).unwrap();
    assert_eq!((compacted.compacted.len(), compacted.compacted[0].duplicates), (1, 200));
    let after = ground.run(later());
    assert_eq!(after[0].days.len(), 1);
    assert_eq!(ground.bars(MINUTE), bars);
    // Where what is remembered is lost, everything is made again, and is the same.
    block_on(async {
        for meta in ground.place.list(&object_store::path::Path::from("_state")).await.unwrap() {
            ground.place.delete(&meta.location).await.unwrap();
        }
    });
    ground.run(later());
    assert_eq!(ground.bars(MINUTE), bars);
}

#[test]
fn a_day_past_its_retention_is_not_aggregated_again_and_one_that_was_not_stays() {
    let ground = Ground::new(&format!("[retention]\nticks = \"1d\"\n{RULES}"));
    ground.ingest("a", &[trade(10, 10.0, 1.0), trade(20, 11.0, 1.0)]);
    let much_later = later() + 5 * DAY_NS;
    // The files are of now by their own time, which is after this: not being written, by the rule's clock.
    let retained = block_on(crate::retention::retain(&ground.place, &ground.rules, much_later, false)).unwrap();
    assert!(retained.dropped.is_empty() && retained.left_alone.len() == 1, "{retained:?}");
    ground.run(later());
    let bars = ground.bars(MINUTE);
    let soon = jiff::Timestamp::now().as_nanosecond() as i64 + 3_600_000_000_000;
    assert_eq!(block_on(crate::retention::retain(&ground.place, &ground.rules, soon, false)).unwrap().dropped.len(), 1);
    ground.ingest("late", &[trade(30, 99.0, 1.0)]);
    let reports = ground.run(much_later);
    assert_eq!((reports[0].too_late.as_slice(), ground.bars(MINUTE)), ([DAY].as_slice(), bars));
}

#[test]
fn a_day_that_comes_past_its_retention_gets_its_bars_and_is_then_dropped_with_what_comes_later() {
    let ground = Ground::new(&format!("[retention]\nticks = \"1d\"\n{RULES}"));
    // Past the ten minutes in which a file may still be being written.
    let soon = jiff::Timestamp::now().as_nanosecond() as i64 + 3_600_000_000_000;
    let retain = || block_on(crate::retention::retain(&ground.place, &ground.rules, soon, false)).unwrap();
    ground.ingest("a", &[trade(10, 10.0, 1.0), trade(20, 11.0, 1.0)]);
    assert_eq!(retain().left_alone.len(), 1, "nothing has seen its rows");
    assert!(ground.run(soon).iter().all(|report| report.too_late.is_empty()));
    let bars = ground.bars(MINUTE);
    assert_eq!((bars.len(), retain().dropped.len()), (1, 1));
    // Its rows are gone: what comes now would make other bars, so it makes none and goes too.
    ground.ingest("late", &[trade(30, 99.0, 1.0)]);
    assert_eq!(ground.run(soon)[0].too_late, [DAY]);
    assert_eq!((ground.bars(MINUTE), retain().dropped.len()), (bars, 1));
}

#[test]
fn a_rule_that_is_added_after_a_day_was_dropped_makes_no_bars_of_what_comes_late() {
    let mut ground = Ground::new("[retention]\nticks = \"1d\"");
    let soon = jiff::Timestamp::now().as_nanosecond() as i64 + 3_600_000_000_000;
    let retain = |ground: &Ground| block_on(crate::retention::retain(&ground.place, &ground.rules, soon, false));
    ground.ingest("a", &[trade(10, 10.0, 1.0), trade(20, 11.0, 1.0)]);
    // No rule reads the day: it goes at once.
    assert_eq!(retain(&ground).unwrap().dropped.len(), 1);
    ground.ingest("late", &[trade(30, 99.0, 1.0)]);
    ground.rules = Rules::parse("rules", &format!("[retention]\nticks = \"1d\"\n{RULES}")).unwrap();
    let told = block_on(downsample_dry_run(&ground.place, &ground.rules, soon)).unwrap();
    assert_eq!(told[0].too_late, [DAY]);
    let reports = ground.run(soon);
    assert_eq!((reports[0].too_late.as_slice(), ground.bars(MINUTE).len()), ([DAY].as_slice(), 0));
    // It is named once, is seen, and goes with the next run of retention; a day that was never dropped gets its bars.
    let next = Tick { time_ns: begin_ns(DAY) + DAY_NS, ..trade(0, 7.0, 1.0) };
    ground.ingest("next", &[next]);
    let reports = ground.run(soon);
    assert_eq!((reports[0].too_late.len(), ground.bars(MINUTE).len()), (0, 1));
    assert_eq!(retain(&ground).unwrap().dropped.len(), 2);
}

#[test]
fn days_that_two_drop_at_once_are_both_known_and_so_are_those_of_earlier_versions() {
    let ground = Ground::new("[retention]\nticks = \"1d\"");
    let day = |day: i8| date(2026, 1, day);
    let read = || block_on(DroppedDays::read(&ground.place, Table::Ticks)).unwrap();
    let (mut one, mut other) = (read(), read());
    block_on(one.add(&ground.place, Table::Ticks, day(3))).unwrap();
    block_on(other.add(&ground.place, Table::Ticks, day(4))).unwrap();
    block_on(other.add(&ground.place, Table::Ticks, day(3))).unwrap();
    block_on(other.add(&ground.place, Table::Quotes, day(5))).unwrap();
    let put = |name: &str, text: &str| {
        let path = object_store::path::Path::from("_state").join(name);
        block_on(ground.place.put(&path, text.to_owned().into(), Put::Replace)).unwrap();
    };
    put("dropped-ticks.json", r#"{"days":["2026-01-06"]}"#);
    // A rule that is no longer there, of a version that kept the days with it.
    put("ticks-bars-5m.json", r#"{"days":{},"dropped":["2026-01-07"]}"#);
    let known: Vec<bool> = (2..=8).map(|of| read().contains(day(of))).collect();
    assert_eq!(known, [false, true, true, false, true, true, false]);
}

#[test]
fn a_retention_that_dies_in_the_middle_of_a_day_leaves_its_bars_right() {
    let ground = Ground::new(&format!("[retention]\nticks = \"1d\"\n{RULES}"));
    let soon = jiff::Timestamp::now().as_nanosecond() as i64 + 3_600_000_000_000;
    ground.ingest("a", &[trade(10, 10.0, 1.0)]);
    ground.ingest("b", &[trade(20, 11.0, 1.0), trade(70, 12.0, 1.0)]);
    ground.run(soon);
    let bars = ground.bars(MINUTE);
    // It has written that the day goes, and taken one of its two files away.
    let mut dropped = block_on(DroppedDays::read(&ground.place, Table::Ticks)).unwrap();
    block_on(dropped.add(&ground.place, Table::Ticks, DAY)).unwrap();
    block_on(ground.place.delete(&file_path(Table::Ticks, DAY, "a", 0))).unwrap();
    assert_eq!(ground.run(soon)[0].too_late, [DAY], "bars of half a day would be wrong ones");
    assert_eq!(ground.bars(MINUTE), bars);
    let retained = block_on(crate::retention::retain(&ground.place, &ground.rules, soon, false)).unwrap();
    assert_eq!((retained.dropped.len(), retained.dropped[0].files), (1, 1));
    ground.run(soon);
    assert_eq!(ground.bars(MINUTE), bars);
}

#[test]
fn what_came_before_a_day_was_past_its_retention_is_aggregated_after_it_too() {
    let ground = Ground::new(&format!("[retention]\nticks = \"1d\"\n{RULES}"));
    let soon = jiff::Timestamp::now().as_nanosecond() as i64 + 3_600_000_000_000;
    // At noon the rule has seen the morning; the afternoon comes in time, and the next run is days later.
    ground.ingest("a", &[trade(10, 10.0, 1.0)]);
    ground.run(begin_ns(DAY) + DAY_NS / 2);
    ground.ingest("b", &[trade(15 * 3_600, 12.0, 1.0)]);
    assert!(ground.run(soon)[0].too_late.is_empty());
    assert_eq!(ground.bars(MINUTE).len(), 2);
    // A file that comes while the day is still there is aggregated as well.
    ground.ingest("c", &[trade(16 * 3_600, 13.0, 1.0)]);
    assert!(ground.run(soon)[0].too_late.is_empty());
    assert_eq!(ground.bars(MINUTE).len(), 3);
    let retained = block_on(crate::retention::retain(&ground.place, &ground.rules, soon, false)).unwrap();
    assert_eq!(retained.dropped.len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_stops_its_day_alone() {
    let ground = Ground::new(RULES);
    ground.ingest("a", &[trade(10, 10.0, 1.0)]);
    let next = Tick { time_ns: begin_ns(DAY) + DAY_NS, ..trade(0, 7.0, 1.0) };
    ground.ingest("a", &[next]);
    let path = file_path(Table::Ticks, DAY, "a", 0);
    block_on(ground.place.put(&path, "rubbish".into(), Put::Replace)).unwrap();
    let reports = ground.run(later() + DAY_NS);
    assert!(reports[0].failed[&DAY].contains("a-000000.parquet"), "{reports:?}");
    assert_eq!(reports[0].days.len(), 1);
}

/// Open, high, low, close and count of a bar.
type Expected = (f64, f64, f64, f64, i64);

/// A bar by the definition, over all trades at once.
fn expected(ticks: &[Tick], interval_ns: i64) -> BTreeMap<(String, i64), Expected> {
    let mut by_bar: BTreeMap<(String, i64), Vec<&Tick>> = BTreeMap::new();
    for tick in ticks {
        let begin = (tick.time_ns - begin_ns(DAY)).div_euclid(interval_ns) * interval_ns;
        by_bar.entry((tick.instrument.to_owned(), begin)).or_default().push(tick);
    }
    let bar = |mut trades: Vec<&Tick>| {
        trades.sort_by_key(|tick| tick.time_ns);
        let prices = || trades.iter().filter_map(|tick| tick.price);
        let (open, close) = (trades[0].price.unwrap(), trades[trades.len() - 1].price.unwrap());
        (open, prices().fold(f64::MIN, f64::max), prices().fold(f64::MAX, f64::min), close, trades.len() as i64)
    };
    by_bar.into_iter().map(|(key, trades)| (key, bar(trades))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    /// However rows arrive and whenever it runs meanwhile, the bars in the end are those of all rows.
    #[test]
    fn bars_made_step_by_step_are_those_made_at_once(
        seconds in proptest::collection::hash_set(0..1_200_i64, 1..60),
        cuts in proptest::collection::vec(0..60_usize, 0..4),
        moments in proptest::collection::vec(0..1_300_i64, 4),
    ) {
        let ticks: Vec<Tick> = seconds.into_iter().enumerate().map(|(index, second)| {
            Tick { instrument: ["SPY", "QQQ"][index % 2], ..trade(second, (second * 31 % 17) as f64, 1.0) }
        }).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(ticks.len())).chain([0, ticks.len()]).collect();
        cuts.sort_unstable();
        let ground = Ground::new(RULES);
        for (index, part) in cuts.windows(2).filter(|part| part[0] < part[1]).enumerate() {
            ground.ingest(&format!("w{index}"), &ticks[part[0]..part[1]]);
            ground.run(begin_ns(DAY) + moments[index % 4] * 1_000_000_000);
        }
        ground.run(later());
        let found: BTreeMap<_, _> = ground.bars(MINUTE).into_iter().map(|(key, bar)| (key, (bar.0, bar.1, bar.2, bar.3, bar.6))).collect();
        prop_assert_eq!(found, expected(&ticks, MINUTE));
        let hours: BTreeMap<_, _> = ground.bars(60 * MINUTE).into_iter().map(|(key, bar)| (key, (bar.0, bar.1, bar.2, bar.3, bar.6))).collect();
        prop_assert_eq!(hours, expected(&ticks, 60 * MINUTE));
    }
}

#[test]
fn batches_are_given_before_the_end_of_many_bars() {
    let mut fold = Fold::new(MINUTE, None);
    let mut bars = 0;
    let ticks: Vec<Tick> = (0..40_000).map(|index| Tick { time_ns: index * MINUTE, ..trade(0, 1.0, 1.0) }).collect();
    let mut given: Vec<RecordBatch> = Vec::new();
    for part in ticks.chunks(10_000) {
        given.extend(fold.take(&samples::ticks(part)).unwrap());
    }
    assert!(!given.is_empty());
    given.extend(fold.finish().unwrap());
    given.iter().for_each(|rows| bars += rows.num_rows());
    assert_eq!(bars, 40_000);
}

/// The day's only rows were wrong and are gone: their bars go, and the hours that were made of those; not while one file of the day is left, and not
/// where retention dropped the rows that the bars are of.
#[test]
fn bars_of_a_day_whose_rows_were_taken_away_go() {
    let ground = Ground::new(RULES);
    let delete = |name: &str| {
        block_on(async {
            let of_day = files(&ground.place, Table::Ticks, Some(DAY)).await.unwrap();
            let file = of_day.iter().find(|file| file.writer == name).unwrap();
            ground.place.delete(&file.meta.location).await.unwrap();
        });
    };
    let forget = || block_on(forget_emptied(&ground.place, Table::Ticks, DAY)).unwrap();
    let bars = || (ground.bars(MINUTE).len(), ground.bars(60 * MINUTE).len());
    ground.ingest("wrong", &[trade(0, 10.0, 1.0)]);
    ground.ingest("right", &[trade(61, 11.0, 1.0)]);
    ground.run(later());
    assert_eq!(bars(), (2, 1));
    delete("wrong");
    assert!(!forget());
    assert_eq!(bars(), (2, 1), "the next run makes them anew");
    ground.run(later());
    assert_eq!(bars(), (1, 1));
    delete("right");
    assert!(forget());
    assert_eq!(bars(), (0, 0));
    assert!(!forget());
    ground.run(later());
    ground.ingest("again", &[trade(5, 12.0, 1.0)]);
    ground.run(later());
    assert_eq!(bars(), (1, 1));
    delete("again");
    block_on(async {
        let mut dropped = DroppedDays::read(&ground.place, Table::Ticks).await.unwrap();
        dropped.add(&ground.place, Table::Ticks, DAY).await.unwrap();
    });
    assert!(!forget());
    assert_eq!(bars(), (1, 1));
}
