use super::{
    super::{Request, Writer, aggregate, aggregate_dry_run, retain, thin},
    writing::rows,
    *,
};
use crate::{downsample::downsample, parquet, rules::Rules};

const MINUTE: i64 = 60_000_000_000;

fn rules(text: &str) -> Rules {
    Rules::parse("rules.toml", text).unwrap()
}

const BARS: &str = r#"
    [[aggregate]]
    from = "ticks"
    to = "bars"
    interval = "1m"
    [[aggregate]]
    from = "bars"
    from_interval = "1m"
    to = "bars"
    interval = "1h"
    lag = "5m"
"#;

/// Trades of one instrument: time, sequence, price, size.
fn trades(rows: &[(i64, i64, f64, Option<f64>)]) -> RecordBatch {
    let columns = Table::Ticks.columns().iter().map(|column| -> ArrayRef {
        match column.name {
            "time" | "receive_time" => time_array(rows.iter().map(|row| row.0)),
            "instrument" => Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "SPY"))),
            "sequence" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            "kind" => Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "trade"))),
            "price" => Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
            "size" => Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.3))),
            "flags" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 0))),
            _ => arrow_array::new_null_array(&column.kind.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(Table::Ticks.schema(), columns.collect()).unwrap()
}

/// `time interval open high low close volume vwap trades` of every bar, in order; times from [`DAY`] on in minutes.
async fn bars(database: &Database) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT concat_ws(' ', (\"time\" - {DAY}) / {MINUTE}, interval_ns / {MINUTE}, open, high, low, close, \
         coalesce(volume::text, '-'), coalesce(vwap::text, '-'), trades) FROM zomma.bars ORDER BY interval_ns, \"time\""
    )))
    .fetch_all(database.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn bars_follow_the_ticks_late_ones_too() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    let rules = rules(BARS);
    let second = |n: i64| DAY + n * 1_000_000_000;
    // In one nanosecond the sequence says which is first and which is last.
    let first = [
        (second(10), 2, 101.0, Some(1.0)),
        (second(10), 1, 100.0, Some(2.0)),
        (second(50), 4, 99.0, Some(1.0)),
        (second(50), 3, 103.0, None),
        (second(70), 5, 104.0, Some(4.0)),
        (second(130), 6, 90.0, Some(1.0)),
    ];
    writer.append(Table::Ticks, &trades(&first), "a").await.unwrap();
    // The third minute is not over yet.
    let done = aggregate(&database, &rules, second(179)).await.unwrap();
    assert_eq!((done[0].name.as_str(), done[0].bars, done[1].bars), ("ticks-bars-1m", 2, 0));
    let minutes = ["0 1 100 103 99 99 4 100 4", "1 1 104 104 104 104 4 104 1"];
    assert_eq!(bars(&database).await, minutes);
    // Nothing is new: nothing is done.
    let again = aggregate(&database, &rules, second(179)).await.unwrap();
    assert_eq!((again[0].bars, again[0].days, again[1].bars), (0, 0, 0));
    // It is over: it is made, and the rows of minutes that did not change are not read.
    let done = aggregate(&database, &rules, second(180)).await.unwrap();
    assert_eq!((done[0].bars, done[1].bars), (1, 0));
    // A tick that comes late changes its minute; the hour is over with its lag.
    writer.append(Table::Ticks, &trades(&[(second(5), 7, 110.0, Some(4.0))]), "b").await.unwrap();
    let done = aggregate(&database, &rules, second(3600 + 299)).await.unwrap();
    assert_eq!((done[0].bars, done[1].bars), (1, 0));
    let done = aggregate(&database, &rules, second(3600 + 300)).await.unwrap();
    assert_eq!((done[0].bars, done[1].bars), (0, 1));
    // (110·4 + 101 + 200 + 99)/8 = 105; the hour (105·8 + 104·4 + 90)/13 = 1346/13.
    let all = [
        "0 1 110 110 99 99 8 105 5".to_owned(),
        "1 1 104 104 104 104 4 104 1".into(),
        "2 1 90 90 90 90 1 90 1".into(),
        format!("0 60 110 110 90 90 13 {} 7", 1346.0 / 13.0),
    ];
    assert_eq!(bars(&database).await, all);
    // Two at once do not disturb each other.
    writer.append(Table::Ticks, &trades(&[(second(185), 8, 91.0, Some(1.0))]), "c").await.unwrap();
    let (one, other) =
        tokio::join!(aggregate(&database, &rules, second(9000)), aggregate(&database, &rules, second(9000)));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one[0].bars + other[0].bars, bars(&database).await.len()), (1, 5));
}

#[tokio::test]
async fn bars_over_many_minutes_are_those_of_a_plain_loop() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    let rules = rules("[[aggregate]]\nfrom='ticks'\nto='bars'\ninterval='1s'");
    let mut expected = std::collections::BTreeMap::<(String, i64), (f64, f64, f64, f64, Option<f64>, f64, i64)>::new();
    let sent = ticks(0, 20_000);
    let texts = |index: usize| sent.column(index).as_any().downcast_ref::<StringArray>().unwrap().clone();
    let floats = |index: usize| sent.column(index).as_any().downcast_ref::<Float64Array>().unwrap().clone();
    let (names, kinds, prices, sizes) = (texts(1), texts(4), floats(6), floats(7));
    for row in 0..sent.num_rows() {
        use arrow_array::Array;
        if kinds.value(row) != "trade" || prices.is_null(row) {
            continue;
        }
        let (price, size) = (prices.value(row), sizes.is_valid(row).then(|| sizes.value(row)));
        let time = (row as i64 * 1_000_007) / 1_000_000_000;
        let notional = size.map_or(0.0, |size| price * size);
        let first = (price, price, price, price, size, notional, 1);
        expected
            .entry((names.value(row).to_owned(), time))
            .and_modify(|bar| {
                bar.1 = bar.1.max(price);
                bar.2 = bar.2.min(price);
                bar.3 = price;
                bar.4 = match (bar.4, size) {
                    (Some(one), Some(other)) => Some(one + other),
                    (one, other) => one.or(other),
                };
                bar.5 += notional;
                bar.6 += 1;
            })
            .or_insert(first);
    }
    // In pieces, the later ones first, with runs between.
    for piece in (0..20).rev() {
        writer.append(Table::Ticks, &ticks(piece * 1000, 1000), &format!("{piece}")).await.unwrap();
        aggregate(&database, &rules, DAY + DAY_NS).await.unwrap();
    }
    let made = rows(&database, &Request::of(Table::Bars)).await;
    assert_eq!(made.num_rows(), expected.len());
    for row in 0..made.num_rows() {
        let float = |index: usize| made.column(index).as_any().downcast_ref::<Float64Array>().unwrap().value(row);
        let whole = |index: usize| made.column(index).as_any().downcast_ref::<Int64Array>().unwrap().value(row);
        let time = made.column(0).as_any().downcast_ref::<TimestampNanosecondArray>().unwrap().value(row);
        let name = made.column(1).as_any().downcast_ref::<StringArray>().unwrap().value(row).to_owned();
        let bar = expected[&(name, (time - DAY) / 1_000_000_000)];
        let volume = bar.4.unwrap();
        assert_eq!((float(3), float(4), float(5), float(6), whole(9)), (bar.0, bar.1, bar.2, bar.3, bar.6));
        // To the bit: sums are made in one order.
        assert_eq!((float(7).to_bits(), float(8).to_bits()), (volume.to_bits(), (bar.5 / volume).to_bits()));
    }
}

#[tokio::test]
async fn both_back_ends_make_the_same_bars() {
    let Some((_server, database, _)) = migrated().await else { return };
    same_bars(&database).await;
}

pub(super) async fn same_bars(database: &Database) {
    let text = "[[aggregate]]\nfrom='ticks'\nto='bars'\ninterval='1s'\n\
                [[aggregate]]\nfrom='bars'\nfrom_interval='1s'\nto='bars'\ninterval='10s'\nlag='2s'";
    let (rules, now) = (rules(text), DAY + 25_000_000_000);
    let folder = tempfile::tempdir().unwrap();
    let place = crate::Place::open(folder.path().to_str().unwrap(), &crate::place::S3Settings::default()).unwrap();
    let clock: parquet::Clock = Arc::new(move || now);
    let settings = parquet::WriterSettings::new("desk", parquet::Earlier::Keep, clock);
    let mut files = parquet::Writer::new(&place, settings).unwrap();
    let mut server = Writer::new(database.clone());
    for piece in 0..3 {
        let batch = ticks(piece * 10_000, 10_000);
        files.append(Table::Ticks, &batch).await.unwrap();
        server.append(Table::Ticks, &batch, &format!("{piece}")).await.unwrap();
    }
    files.finish().await.unwrap();
    downsample(&place, &rules, now).await.unwrap();
    // What is only told is what is done then, chained rules too, and nothing is there before.
    let told = aggregate_dry_run(database, &rules, now).await.unwrap();
    assert!(bars(database).await.is_empty());
    assert_eq!(aggregate(database, &rules, now).await.unwrap(), told);
    let (of_files, _) = parquet::read(&place, Table::Bars, &parquet::Filter::default()).await.unwrap();
    let sorted = |batches: &[RecordBatch]| -> Vec<String> {
        let whole = arrow_select::concat::concat_batches(&Table::Bars.schema(), batches).unwrap();
        let mut rows: Vec<_> =
            (0..whole.num_rows()).map(|row| format!("{:?}", whole.slice(row, 1).columns())).collect();
        rows.sort_unstable();
        rows
    };
    let of_server = rows(database, &Request::of(Table::Bars)).await;
    // 25 seconds and two whole tens, of three instruments.
    assert_eq!(of_server.num_rows(), (25 + 2) * 3);
    assert_eq!(sorted(&[of_server]), sorted(&of_files));
}

#[tokio::test]
async fn old_days_go_when_their_bars_are_made_and_bars_stay() {
    let Some((_server, database, _)) = migrated().await else { return };
    old_days_go(&database).await;
}

pub(super) async fn old_days_go(database: &Database) {
    let mut writer = Writer::new(database.clone());
    let kept = rules(&format!("[retention]\nticks = \"2d\"\n{BARS}"));
    let day = |n: i64| DAY + n * DAY_NS + 30 * MINUTE;
    for n in 0..4 {
        writer
            .append(Table::Ticks, &trades(&[(day(n), n, 100.0 + n as f64, Some(1.0))]), &format!("{n}"))
            .await
            .unwrap();
    }
    let now = DAY + 4 * DAY_NS;
    // No bars have been made of them: they stay.
    let done = retain(database, &kept, now, false).await.unwrap();
    assert_eq!((done.dropped.len(), done.held.len()), (0, 2));
    aggregate(database, &kept, now).await.unwrap();
    let would = retain(database, &kept, now, true).await.unwrap();
    let dates: Vec<_> = would.dropped.iter().map(|(table, date)| format!("{table} {date}")).collect();
    assert_eq!(dates, ["ticks 2026-01-02", "ticks 2026-01-03"]);
    assert_eq!(number(database, "SELECT count(*) FROM zomma.ticks").await, 4);
    assert_eq!(retain(database, &kept, now, false).await.unwrap().dropped, would.dropped);
    assert_eq!(number(database, "SELECT count(*) FROM zomma.ticks").await, 2);
    assert_eq!(retain(database, &kept, now, false).await.unwrap().dropped, []);
    // One that comes for a day that is gone must not make the day's bar of itself alone; the day goes again.
    let before = bars(database).await;
    assert_eq!(before.len(), 8);
    writer.append(Table::Ticks, &trades(&[(day(0) + 1, 9, 1.0, Some(1.0))]), "late").await.unwrap();
    aggregate(database, &kept, now).await.unwrap();
    assert_eq!(bars(database).await, before);
    assert_eq!(retain(database, &kept, now, false).await.unwrap().dropped.len(), 1);
}

#[tokio::test]
async fn of_old_quotes_the_last_of_an_interval_stays() {
    let Some((_server, database, _)) = migrated().await else { return };
    old_quotes_are_thinned(&database).await;
}

pub(super) async fn old_quotes_are_thinned(database: &Database) {
    let at = |minutes: i64| DAY + minutes * MINUTE;
    let sent = [
        (at(0), 1.0),
        (at(1) - 1, 2.0),
        (at(1), 3.0),
        (at(5), 4.0),
        (at(5) + 7, 5.0),
        (at(1440), 6.0),
        (at(1440) + 1, 7.0),
    ];
    Writer::new(database.clone()).append(Table::Quotes, &quotes(&sent), "a").await.unwrap();
    let rules = rules("[[thin]]\ntable = \"quotes\"\ninterval = \"1m\"\nafter = \"7d\"");
    // The second day is not old enough yet.
    let now = DAY + 8 * DAY_NS;
    assert_eq!(thin(database, &rules, now, true).await.unwrap(), [(Table::Quotes, 2)]);
    assert_eq!(thin(database, &rules, now, false).await.unwrap(), [(Table::Quotes, 2)]);
    let expected = [sent[1], sent[2], sent[4], sent[5], sent[6]];
    assert_eq!(rows(database, &Request::of(Table::Quotes)).await, quotes(&expected));
    assert_eq!(thin(database, &rules, now, false).await.unwrap(), [(Table::Quotes, 0)]);
    assert_eq!(thin(database, &rules, now + DAY_NS, false).await.unwrap(), [(Table::Quotes, 1)]);
}
