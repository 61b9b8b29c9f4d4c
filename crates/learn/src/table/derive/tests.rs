//! Derived columns against values by hand, the scalar twins that they stand for, and their own past.

use std::collections::BTreeMap;

use proptest::prelude::*;
use zomma_base::OptionType;
use zomma_market::features::indicators::oscillators::Rsi;
use zomma_pricing::black::{Greek, Model, Row, scalar};

use super::*;
use crate::data::uniform;

/// A table in memory.
#[derive(Default)]
struct Memory {
    rows: usize,
    numbers: BTreeMap<&'static str, Vec<f64>>,
    texts: BTreeMap<&'static str, Vec<&'static str>>,
    whole: BTreeMap<&'static str, Vec<Option<i64>>>,
}

impl Memory {
    fn of(columns: &[(&'static str, &[f64])]) -> Self {
        let numbers = columns.iter().map(|(name, column)| (*name, column.to_vec())).collect();
        Self { rows: columns[0].1.len(), numbers, ..Self::default() }
    }
}

impl Columns for Memory {
    fn rows(&self) -> usize {
        self.rows
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>, LearnError> {
        self.numbers.get(name).cloned().ok_or_else(|| self.wrong(0, format!("no column {name}")))
    }

    fn whole_numbers(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, LearnError> {
        Ok(self.whole.get(name).cloned())
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, LearnError> {
        let column = self.texts.get(name).ok_or_else(|| self.wrong(0, format!("no column {name}")))?;
        Ok(column.iter().map(|text| (*text).to_owned()).collect())
    }

    fn wrong(&self, row: usize, problem: String) -> LearnError {
        LearnError::Shard { path: format!("memory row {}", row + 1), reason: problem }
    }
}

fn derivation(text: &str) -> Derivation {
    toml::from_str(text).unwrap()
}

fn derived(text: &str, from: &Memory) -> Derived {
    let derivation = derivation(text);
    derivation.check().unwrap();
    Derived::of(&[derivation], from).unwrap()
}

/// Nanoseconds since the epoch.
fn ns(instant: &str) -> f64 {
    instant.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as f64
}

#[test]
fn parts_of_the_time_are_those_of_the_calendar() {
    // A Wednesday's open; the Friday after Thanksgiving, which closes at 13:00; a Saturday; a minute after a close.
    let times =
        ["2026-07-01T13:30:00Z", "2025-11-28T15:00:00Z", "2026-07-11T12:00:00Z", "2026-07-01T20:01:00.5Z"].map(ns);
    let table = Memory::of(&[("time_ns", &times), ("expiry", &times.map(|time| time + 73.0 * 86_400e9))]);
    let made = derived(
        "kind = \"time\"\nof = \"time_ns\"\nexpiry = \"expiry\"\ncolumns = [\"time_of_day\", \"time_of_day_sin\", \"time_of_day_cos\", \"day_of_week\", \
         \"day_of_week_sin\", \"seconds_to_close\", \"expiry_years\", \"day_of_year_cos\"]",
        &table,
    );
    let near = |name: &str, wanted: [f64; 4], tolerance: f64| {
        for (found, wanted) in made.column(name).unwrap().iter().zip(wanted) {
            assert!((found - wanted).abs() < tolerance, "{name}: {found} {wanted}");
        }
    };
    let clock = [34_200.0, 36_000.0, 28_800.0, 57_660.5];
    near("time_of_day", clock, 1e-6);
    near("time_of_day_sin", clock.map(|s| (std::f64::consts::TAU * s / 86_400.0).sin()), 1e-9);
    near("time_of_day_cos", clock.map(|s| (std::f64::consts::TAU * s / 86_400.0).cos()), 1e-9);
    near("day_of_week", [2.0, 4.0, 5.0, 2.0], 1e-12);
    // To the close at 16:00, at 13:00, on Monday at 16:00, on Thursday at 16:00.
    near("seconds_to_close", [23_400.0, 10_800.0, 201_600.0, 86_339.5], 1e-6);
    near("expiry_years", [0.2; 4], 1e-9);
    let day = |day: f64| (std::f64::consts::TAU * day / 365.0).cos();
    near(
        "day_of_year_cos",
        [
            day(181.0 + clock[0] / 86_400.0),
            day(331.0 + clock[1] / 86_400.0),
            day(191.0 + clock[2] / 86_400.0),
            day(181.0 + clock[3] / 86_400.0),
        ],
        1e-9,
    );
    // The same instants in other units, and another zone.
    for (unit, seconds) in [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("d", 86_400.0)] {
        let table = Memory::of(&[("t", &times.map(|time| (time * 1e-9) / seconds))]);
        let text = format!(
            "kind = \"time\"\nof = \"t\"\nunit = \"{unit}\"\nzone = \"UTC\"\ncolumns = [\"time_of_day\"]\nprefix = \"utc_\""
        );
        let found = derived(&text, &table);
        let wanted = [48_600.0, 54_000.0, 43_200.0, 72_060.5];
        for (found, wanted) in found.column("utc_time_of_day").unwrap().iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-4, "{unit}: {found} {wanted}");
        }
    }
    // What is no instant has no parts.
    let table = Memory::of(&[("t", &[f64::NAN, 1e300, f64::NEG_INFINITY])]);
    let found = derived("kind = \"time\"\nof = \"t\"\ncolumns = [\"time_of_day\", \"seconds_to_close\"]", &table);
    assert!(found.column("time_of_day").unwrap().iter().all(|x| x.is_nan()));
    assert!(found.column("seconds_to_close").unwrap().iter().all(|x| x.is_nan()));
}

#[test]
fn greeks_are_those_of_the_scalar_twin() {
    const ROWS: usize = 9000;
    let between = |k: u64, low: f64, high: f64| {
        (0..ROWS as u64).map(|i| low + (high - low) * uniform(k, i)).collect::<Vec<f64>>()
    };
    let (spot, strike, expiry) = (between(1, 80.0, 120.0), between(2, 80.0, 120.0), between(3, 0.1, 2.0));
    let mut volatility = between(4, 0.1, 0.6);
    volatility[17] = f64::NAN;
    let mut table = Memory::of(&[("spot", &spot), ("strike", &strike), ("t", &expiry), ("volatility", &volatility)]);
    let mut types: Vec<&str> = (0..ROWS).map(|i| if i % 3 == 0 { "call" } else { "put" }).collect();
    types[5] = "straddle";
    table.texts.insert("type", types.clone());
    for (more, model) in [("dividend_yield = 0.01", Model::Bsm), ("forward = \"spot\"", Model::Black76)] {
        let made = derived(
            &format!(
                "kind = \"greeks\"\noption_type = \"type\"\nexpiry_years = \"t\"\nrisk_free_rate = 0.03\n{more}\n\
                 columns = [\"delta\", \"gamma\", \"vega\", \"theta\", \"vanna\"]\nprefix = \"of_\""
            ),
            &table,
        );
        for i in (0..ROWS).step_by(11).chain([5, 17]) {
            let row = Row {
                option_type: if types[i] == "call" { OptionType::Call } else { OptionType::Put },
                spot: spot[i],
                strike: strike[i],
                expiry_years: expiry[i],
                risk_free_rate: 0.03,
                dividend_yield: if model == Model::Black76 { 0.0 } else { 0.01 },
                volatility: volatility[i],
            };
            for greek in [Greek::Delta, Greek::Gamma, Greek::Vega, Greek::Theta, Greek::Vanna] {
                let found = made.column(&format!("of_{}", greek.as_str())).unwrap()[i];
                if i == 5 || i == 17 {
                    assert!(found.is_nan(), "row {i} {greek:?}: {found}");
                    continue;
                }
                let wanted = scalar::greeks(&row, model).unwrap()[greek as usize];
                assert!((found - wanted).abs() < 1e-9 * (1.0 + wanted.abs()), "row {i} {greek:?}: {found} {wanted}");
            }
        }
    }
}

const SERIES: &str = "kind = \"series\"\nof = \"mid\"\ncolumns = [\"return:2\", \"realised_volatility:4\", \"bipower_volatility:4\", \"jump_share:4\", \
                      \"rsi:3\", \"ema_gap:3\", \"sma_gap:3\", \"macd:2:4:2\", \"macd_signal:2:4:2\", \"percent_b:3:2\"]";

#[test]
fn series_by_hand_and_what_is_not_full_yet() {
    let mid = [100.0, 101.0, 100.5, 102.0, 101.0, 103.0, f64::NAN, 104.0];
    let made = derived(SERIES, &Memory::of(&[("mid", &mid)]));
    let of = |name: &str| made.column(name).unwrap();
    assert!((of("return:2")[3] - (102.0f64 / 101.0).ln()).abs() < 1e-15);
    // A price that is none is passed over: two rows before the last are 101 and 103.
    assert!((of("return:2")[7] - (104.0f64 / 101.0).ln()).abs() < 1e-15);
    let returns: Vec<f64> =
        [100.0f64, 101.0, 100.5, 102.0, 101.0].windows(2).map(|pair| (pair[1] / pair[0]).ln()).collect();
    let variance: f64 = returns.iter().map(|r| r * r).sum();
    let bipower: f64 =
        returns.windows(2).map(|pair| pair[0].abs() * pair[1].abs()).sum::<f64>() * std::f64::consts::FRAC_PI_2;
    assert!((of("realised_volatility:4")[4] - variance.sqrt()).abs() < 1e-15);
    assert!((of("bipower_volatility:4")[4] - bipower.sqrt()).abs() < 1e-15);
    assert!((of("jump_share:4")[4] - (1.0 - bipower / variance).max(0.0)).abs() < 1e-12);
    assert!((of("sma_gap:3")[2] - (100.5 / 100.5 - 1.0)).abs() < 1e-12);
    let mut rsi = Rsi::new(3).unwrap();
    mid[..6].iter().for_each(|price| rsi.push(*price));
    assert_eq!(of("rsi:3")[5], rsi.value().unwrap());
    // MACD's signal needs 4 + 2 − 1 rows, a realised measure of 4 returns 5: four rows are early, and the empty price is a fault.
    assert!((0..4).all(|row| made.is_warming(row)) && !(4..8).any(|row| made.is_warming(row)));
    assert!(of("rsi:3")[6].is_nan());
    for name in ["return:2", "macd:2:4:2", "macd_signal:2:4:2", "percent_b:3:2", "ema_gap:3"] {
        assert!(of(name)[4].is_finite() && of(name)[7].is_finite(), "{name}");
    }
}

proptest! {
    #[test]
    fn no_row_sees_what_comes_after_it(
        prices in proptest::collection::vec(1.0..200.0f64, 8..60), cut in 1usize..60, factor in 0.5..2.0f64
    ) {
        let cut = cut.min(prices.len());
        let whole = derived(SERIES, &Memory::of(&[("mid", &prices)]));
        let mut other = prices.clone();
        other[cut..].iter_mut().for_each(|price| *price *= factor);
        let changed = derived(SERIES, &Memory::of(&[("mid", &other)]));
        for (name, column) in &whole.columns {
            for (row, (one, other)) in column.iter().zip(&changed.columns[name]).take(cut).enumerate() {
                prop_assert_eq!(one.to_bits(), other.to_bits(), "{} row {}", name, row);
            }
        }
    }

    #[test]
    fn interleaved_series_are_those_apart(prices in proptest::collection::vec(1.0..200.0f64, 20..80)) {
        let symbols: Vec<&'static str> = (0..prices.len()).map(|i| ["A", "B", "C"][i * i % 3]).collect();
        let mut table = Memory::of(&[("mid", &prices)]);
        table.texts.insert("symbol", symbols.clone());
        let together = derived(&format!("{SERIES}\nby = \"symbol\""), &table);
        for symbol in ["A", "B", "C"] {
            let rows: Vec<usize> = (0..prices.len()).filter(|i| symbols[*i] == symbol).collect();
            if rows.is_empty() {
                continue;
            }
            let alone: Vec<f64> = rows.iter().map(|row| prices[*row]).collect();
            let apart = derived(SERIES, &Memory::of(&[("mid", &alone)]));
            for (name, column) in &apart.columns {
                for (place, row) in rows.iter().enumerate() {
                    prop_assert_eq!(column[place].to_bits(), together.columns[name][*row].to_bits());
                    prop_assert_eq!(apart.is_warming(place), together.is_warming(*row));
                }
            }
        }
    }
}

/// Rows at any pace, two series in one table, prices that are none: each window of time against all rows before it.
#[test]
fn windows_of_time_are_those_of_their_definition() {
    const ROWS: usize = 400;
    let mut time = 0.0;
    let times: Vec<f64> = (0..ROWS as u64)
        .map(|i| {
            // Bursts within a second, some at one instant, and gaps of minutes.
            time += [0.0, 0.2, 7.0, 45.0, 200.0][(5.0 * uniform(1, i)) as usize];
            time
        })
        .collect();
    let mut prices: Vec<f64> = (0..ROWS as u64).map(|i| 100.0 * (1.0 + 0.02 * uniform(2, i))).collect();
    prices[50] = f64::NAN;
    prices[51] = -1.0;
    let ms: Vec<f64> = times.iter().map(|time| 1e3 * time).collect();
    let mut table = Memory::of(&[("mid", &prices), ("t", &ms)]);
    let symbols: Vec<&str> = (0..ROWS).map(|i| if i % 3 == 0 { "A" } else { "B" }).collect();
    table.texts.insert("symbol", symbols.clone());
    let made = derived(
        "kind = \"series\"\nof = \"mid\"\nby = \"symbol\"\ntime = \"t\"\ntime_unit = \"ms\"\ncolumns = [\"return:2min\", \
         \"realised_volatility:10min\", \"jump_share:600s\", \"sma_gap:2min\", \"percent_b:0.1h:2\", \"return:3\"]",
        &table,
    );
    let of_series = |row: usize| {
        let is_before = move |i: &usize| *i <= row;
        let is_good = |i: &usize| prices[*i].is_finite() && prices[*i] > 0.0;
        (0..ROWS).filter(is_before).filter(|i| symbols[*i] == symbols[row]).filter(is_good).collect::<Vec<usize>>()
    };
    let mut full = [0; 5];
    for row in 0..ROWS {
        let rows = of_series(row);
        let is_priced = rows.last() == Some(&row);
        for (n, (name, span)) in [
            ("return:2min", 120),
            ("realised_volatility:10min", 600),
            ("jump_share:600s", 600),
            ("sma_gap:2min", 120),
            ("percent_b:0.1h:2", 360),
        ]
        .into_iter()
        .enumerate()
        {
            let found = made.column(name).unwrap()[row];
            // Tenths of a second are no whole numbers of binary fractions of one.
            let at = |i: usize| ms[i].round() as i64;
            let begin = at(row) - 1000 * span;
            let before = rows.iter().rev().find(|i| at(**i) <= begin);
            let within: Vec<f64> = rows.iter().filter(|i| at(**i) > begin).map(|i| prices[*i]).collect();
            let whole: Vec<f64> = before.map(|i| prices[*i]).into_iter().chain(within.iter().copied()).collect();
            let returns: Vec<f64> = whole.windows(2).map(|pair| (pair[1] / pair[0]).ln()).collect();
            let is_known = is_priced && before.is_some() && (n == 0 || n > 2 || returns.len() >= 4);
            if !is_known {
                assert!(found.is_nan(), "{name} row {row}: {found}");
                assert_eq!(made.is_warming(row), is_priced || made.is_warming(row));
                continue;
            }
            full[n] += 1;
            let mean = within.iter().sum::<f64>() / within.len() as f64;
            let deviation = (within.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / within.len() as f64).sqrt();
            let variance = returns.iter().map(|x| x * x).sum::<f64>();
            let wanted = match n {
                0 => (prices[row] / whole[0]).ln(),
                1 => variance.sqrt(),
                2 => zomma_market::features::realised::Realised::of(&returns).unwrap().jump_share().unwrap_or(0.0),
                3 => prices[row] / mean - 1.0,
                _ if deviation < 1e-12 => 0.5,
                _ => (prices[row] - (mean - 2.0 * deviation)) / (4.0 * deviation),
            };
            assert!((found - wanted).abs() < 1e-10, "{name} row {row}: {found} {wanted}");
        }
    }
    assert!(full.iter().all(|rows| *rows > 100), "{full:?}");
    // Of rows as ever, beside them.
    let third = of_series(200);
    let wanted = (prices[200] / prices[third[third.len() - 4]]).ln();
    assert!((made.column("return:3").unwrap()[200] - wanted).abs() < 1e-12);
    // A row without a time is in no window of it, and the others are what they were.
    let (mid, t) = ([1.0, 2.0, 3.0, 4.0], [0.0, f64::NAN, 60.0, 120.0]);
    let table = Memory::of(&[("mid", &mid), ("t", &t)]);
    let text = "kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ntime_unit = \"s\"\ncolumns = [\"return:1min\"]";
    let made = derived(text, &table);
    let found = made.column("return:1min").unwrap();
    assert!(found[0].is_nan() && made.is_warming(0) && found[1].is_nan() && !made.is_warming(1));
    assert!((found[2] - 3f64.ln()).abs() < 1e-15 && (found[3] - (4.0f64 / 3.0).ln()).abs() < 1e-15);
}

/// Rows a steady tenth of a second apart, in each unit and type that a table may have: the price a whole span before is the window's first, in each
/// row.
#[test]
fn windows_below_a_second_have_the_row_a_whole_span_before() {
    const ROWS: usize = 3000;
    for (grid_ns, span, back) in [
        (100_000_000, "100ms", 1),
        (100_000_000, "700ms", 7),
        (50_000_000, "150ms", 3),
        (10_000_000, "250ms", 25),
        (1_000_000, "2ms", 2),
    ] {
        let first = ns("2025-10-09T13:30:00Z") as i64;
        let times: Vec<i64> = (0..ROWS as i64).map(|i| first + grid_ns * i).collect();
        let prices: Vec<f64> = (0..ROWS as u64).map(|i| 100.0 + uniform(3, i)).collect();
        for (unit, scale) in [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] {
            let text = format!(
                "kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ntime_unit = \"{unit}\"\ncolumns = [\"return:{span}\"]"
            );
            // As a shard's 64-bit numbers, and as f64.
            let fractions: Vec<f64> = times.iter().map(|time| *time as f64 / f64::from(scale)).collect();
            let mut tables = vec![Memory::of(&[("mid", &prices), ("t", &fractions)])];
            if grid_ns % i64::from(scale) == 0 {
                let mut table = Memory::of(&[("mid", &prices)]);
                table.whole.insert("t", times.iter().map(|time| Some(time / i64::from(scale))).collect());
                tables.push(table);
            }
            for table in tables {
                let made = derived(&text, &table);
                let found = made.column(&format!("return:{span}")).unwrap();
                for row in back..ROWS {
                    let wanted = (prices[row] / prices[row - back]).ln();
                    assert_eq!(found[row], wanted, "{unit} {span} row {row}");
                }
                assert!((0..back).all(|row| made.is_warming(row)));
            }
        }
    }
    // Whole nanoseconds tell what f64 cannot: a row one nanosecond short of the span is within it.
    let first = ns("2025-10-09T13:30:00Z") as i64;
    let mut table = Memory::of(&[("mid", &[1.0, 2.0, 3.0])]);
    table.whole.insert("t", [0, 1, 100_000_000].map(|after| Some(first + after)).to_vec());
    let text = "kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ncolumns = [\"return:100ms\"]";
    assert_eq!(derived(text, &table).column("return:100ms").unwrap()[2], 3f64.ln());
}

#[test]
fn a_time_beyond_the_calendar_and_a_window_of_too_many_rows_are_refused_by_row() {
    let text = "kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ntime_unit = \"d\"\ncolumns = [\"return:1d\"]";
    let mut table = Memory::of(&[("mid", &[1.0, 2.0]), ("t", &[0.0, 1e6])]);
    let refused = |table: &Memory, text: &str| Derived::of(&[derivation(text)], table).unwrap_err().to_string();
    let words = "memory row 2: column t is 1000000, counted in D; allowed: 1677-09-21 to 2262-04-11";
    assert!(refused(&table, text).contains(words), "{}", refused(&table, text));
    table.whole.insert("t", vec![None, Some(1_000_000)]);
    assert!(refused(&table, text).contains(words), "{}", refused(&table, text));
    let rows = 100_001;
    let (prices, times) = (vec![1.0; rows], vec![0.0; rows]);
    let table = Memory::of(&[("mid", &prices), ("t", &times)]);
    let text = "kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ncolumns = [\"return:1d\", \"sma_gap:1d\"]";
    let error = refused(&table, text);
    assert!(error.contains("row 100001: the window of sma_gap:1d has more than 100000 rows"), "{error}");
}

#[test]
fn rows_out_of_the_order_of_time_are_refused_by_row() {
    let table = Memory::of(&[("mid", &[1.0, 2.0, 3.0]), ("t", &[10.0, 30.0, 20.0])]);
    let error =
        Derived::of(&[derivation("kind = \"series\"\nof = \"mid\"\ntime = \"t\"\ncolumns = [\"return:1\"]")], &table);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("memory row 3") && error.contains("t is 20 after 30"), "{error}");
}

#[test]
fn one_derivation_reads_what_the_one_before_it_made() {
    let t = ns("2026-07-01T13:30:00Z");
    let columns =
        [("spot", 100.0), ("strike", 100.0), ("volatility", 0.2), ("time_ns", t), ("expiry_ns", t + 365.0 * 86_400e9)];
    let table = Memory::of(
        &columns.map(|(name, x)| (name, vec![x])).iter().map(|(name, x)| (*name, &x[..])).collect::<Vec<_>>(),
    );
    let made = Derived::of(
        &[
            derivation("kind = \"time\"\nof = \"time_ns\"\nexpiry = \"expiry_ns\"\ncolumns = [\"expiry_years\"]"),
            derivation("kind = \"greeks\"\noption_type = \"call\"\ncolumns = [\"price\"]"),
        ],
        &table,
    );
    // At the money at 20 % over a year without rates: 100·(2N(0.1) − 1), N(0.1) = 0.539827837.
    assert!((made.unwrap().column("price").unwrap()[0] - 7.965_567_455).abs() < 1e-8);
}

#[test]
fn what_cannot_be_made_is_refused_by_what_is_allowed() {
    for (text, words) in [
        ("kind = \"time\"\nof = \"t\"\ncolumns = [\"hour\"]", "hour is not allowed: time_of_day"),
        ("kind = \"time\"\nof = \"t\"\ncolumns = []", "an empty list"),
        ("kind = \"time\"\nof = \"t\"\nzone = \"Mars\"\ncolumns = [\"time_of_day\"]", "zone: Mars"),
        ("kind = \"time\"\nof = \"t\"\ncolumns = [\"expiry_years\"]", "derive.expiry is missing"),
        ("kind = \"greeks\"\ncolumns = [\"alpha\"]", "alpha is not allowed: price, delta"),
        ("kind = \"greeks\"\nspot = \"s\"\nforward = \"f\"\ncolumns = [\"delta\"]", "a spot or a forward"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"momentum:3\"]", "it is not known; allowed: return:ROWS"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"rsi\"]", "has 0 parameters"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"rsi:0\"]", "0 is not a whole number from 1"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"jump_share:3\"]", "from 4"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"return:x\"]", "\"x\" is no number"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"macd:9:3:2\"]", "less than slow"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"return:5min\"]", "derive.time is missing"),
        ("kind = \"series\"\nof = \"p\"\ntime = \"t\"\ncolumns = [\"rsi:5min\"]", "not of a span of time"),
        ("kind = \"series\"\nof = \"p\"\ntime = \"t\"\ncolumns = [\"return:0s\"]", "1ms to 366d"),
        ("kind = \"series\"\nof = \"p\"\ntime = \"t\"\ncolumns = [\"percent_b:5min:x\"]", "a number above 0"),
        ("kind = \"series\"\nof = \"p\"\ncolumns = [\"return:5weeks\"]", "\"5weeks\" is no number"),
    ] {
        let error = derivation(text).check().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let error =
        toml::from_str::<Derivation>("kind = \"series\"\nof = \"p\"\nrows = 3\ncolumns = []").unwrap_err().to_string();
    assert!(error.contains("unknown field `rows`"), "{error}");
    let error = toml::from_str::<Derivation>("kind = \"alpha\"").unwrap_err().to_string();
    assert!(error.contains("unknown variant `alpha`"), "{error}");
}
