//! The real bars and factors.

use std::path::Path;

use jiff::civil::date;
use zomma_market::bars::{self, DailyBars};
use zomma_market::chain::{Member, members};
use zomma_market::instruments::{Action, AdjustFor, DatedAction, Definition, Instruments};

fn options() -> Option<std::path::PathBuf> {
    zomma_testkit::real_data().map(|data| data.join("options"))
}

fn factors(path: &Path) -> Member {
    members(path).unwrap().next().unwrap().unwrap()
}

fn adjusted_on(bars: &DailyBars, day: jiff::civil::Date) -> f64 {
    bars.adjusted_close[bars.date.binary_search(&day).unwrap()]
}

#[test]
fn real_aapl_splits_are_seen_without_factors_and_agree_with_them() {
    let Some(folder) = options() else { return };
    let guessed = bars::read(&folder.join("aapl_ohlc_daily_unadjusted.csv")).unwrap();
    assert_eq!((guessed.len(), guessed.date[0]), (5849, date(1998, 1, 2)));
    for split in [
        "2000-06-21 taken for a 2:1",
        "2005-02-28 taken for a 2:1",
        "2014-06-09 taken for a 7:1",
        "2020-08-31 taken for a 4:1",
    ] {
        assert!(guessed.notes.iter().any(|note| note.contains(split)), "{split}: {:?}", guessed.notes);
    }
    assert!(guessed.notes.iter().any(|note| note.contains("2000-09-29") && note.contains("left as a move")));
    assert_eq!(guessed.notes.len(), 5);
    let stated = guessed.clone().with_factors(&factors(&folder.join("aapl_lean_factor_file.csv"))).unwrap();
    // Beside dividends, which are below 1 % each, the two agree on every return.
    for day in 1..stated.len() {
        let of = |bars: &DailyBars| (bars.adjusted_close[day] / bars.adjusted_close[day - 1]).ln();
        assert!((of(&guessed) - of(&stated)).abs() < 0.012, "{}", stated.date[day]);
    }
    // The dividend of $3.29 a share before the 7:1 split, ex 2014-05-08.
    let ex = stated.date.binary_search(&date(2014, 5, 8)).unwrap();
    assert!((stated.dividend[ex] - 3.29).abs() < 0.01, "{}", stated.dividend[ex]);
}

#[test]
fn real_corporate_actions_adjust_prices_as_the_factors_do() {
    let Some(folder) = options() else { return };
    let file = factors(&folder.join("aapl_lean_factor_file.csv"));
    let bars = bars::read(&folder.join("aapl_ohlc_daily_unadjusted.csv")).unwrap().with_factors(&file).unwrap();
    let mut instruments = Instruments::new();
    let (tick_nanos, lot_nanos) = (100_000, 1_000_000_000);
    let aapl = instruments.define(Definition { symbol: "AAPL".into(), tick_nanos, lot_nanos, valid_from_ns: 0 });
    for DatedAction { from_ns, action } in bars::actions(&file).unwrap() {
        instruments.act(aapl, from_ns, action).unwrap();
    }
    let splits: Vec<_> = instruments
        .actions(aapl)
        .iter()
        .filter_map(|dated| match dated.action {
            Action::Split { new_shares, old_shares } => Some((new_shares, old_shares)),
            _ => None,
        })
        .collect();
    assert_eq!(splits, [(2, 1), (2, 1), (7, 1), (4, 1)]);
    let noon_ns = |day: jiff::civil::Date| {
        let noon = zomma_base::time::new_york_instant(day.to_datetime(jiff::civil::time(12, 0, 0, 0)));
        u64::try_from(noon.as_nanosecond()).unwrap()
    };
    // Across each split and dividend alone, and all of them together.
    for day in 0..bars.len() {
        let to_ns = noon_ns(date(2050, 1, 1));
        let all = instruments.adjustment(aapl, noon_ns(bars.date[day]), to_ns, AdjustFor::SplitsAndDividends);
        let error = bars.close[day] * all.price / bars.adjusted_close[day] - 1.0;
        // The file rounds its split factors to seven decimals, so 1/56 to 0.0178571 within 5e-8: 2.8e-6 of it. The actions have the ratio itself.
        assert!(error.abs() < 2.9e-6, "{}: {error:e}", bars.date[day]);
    }
    let over_2014 =
        instruments.adjustment(aapl, noon_ns(date(2014, 6, 6)), noon_ns(date(2014, 6, 9)), AdjustFor::Splits);
    assert_eq!((over_2014.price, over_2014.size), (1.0 / 7.0, 7.0));
}

#[test]
fn real_spy_bars_of_two_vendors_agree() {
    let Some(folder) = options() else { return };
    let year = bars::read(&folder.join("spy_ohlc_2021.csv")).unwrap();
    assert_eq!((year.len(), year.close[0]), (252, 368.79));
    assert!((adjusted_on(&year, date(2021, 1, 4)) - 345.185_762_658_273).abs() < 1e-12);
    assert_eq!(year.dividend.iter().filter(|cash| **cash > 0.0).count(), 4);
    let long = bars::read(&folder.join("spy_ohlc_daily_unadjusted.csv")).unwrap();
    assert!(long.notes.is_empty() && long.adjusted_close == long.close, "{:?}", long.notes);
    let long = long.with_factors(&factors(&folder.join("spy_lean_factor_file.csv"))).unwrap();
    let mut compared = 0;
    for day in 1..year.len() {
        let Ok(at) = long.date.binary_search(&year.date[day]) else { continue };
        let ours = (long.adjusted_close[at] / long.adjusted_close[at - 1]).ln();
        let theirs = (year.adjusted_close[day] / year.adjusted_close[day - 1]).ln();
        assert!((ours - theirs).abs() < 5e-3, "{}: {ours} {theirs}", year.date[day]);
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn real_chains_and_factors_are_no_bars() {
    let Some(folder) = options() else { return };
    for file in ["spx_cboe_eod_20190425.csv", "aapl_american_chain_201406_daily.csv", "aapl_lean_factor_file.csv"] {
        let words = bars::read(&folder.join(file)).unwrap_err().to_string();
        assert!(words.contains(file) && words.contains("missing"), "{words}");
    }
}
