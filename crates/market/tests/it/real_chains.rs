//! Every file of the real data: chains parse with their known rows, everything else is refused with words.

use std::path::PathBuf;

use jiff::civil::{Date, date};
use zomma_base::{OptionType, Settlement, Status};
use zomma_market::chain::{Chain, ChainError, Layout, ReadOptions, members, parse};

fn folder() -> Option<PathBuf> {
    zomma_testkit::real_data().map(|data| data.join("options"))
}

fn read(file: &str) -> Option<Result<Vec<Chain>, ChainError>> {
    let member = members(&folder()?.join(file)).and_then(|mut all| all.next().expect("one member"));
    Some(member.and_then(|member| parse(&member, &ReadOptions::default())))
}

#[test]
fn real_spx_days() {
    for (file, day, rows, spot) in [
        ("spx_cboe_eod_20190425.csv", date(2019, 4, 25), 13_340, 2919.04),
        ("spx_cboe_eod_20190603.csv", date(2019, 6, 3), 14_078, 2740.21),
    ] {
        let Some(chains) = read(file) else { return };
        let chains = chains.unwrap();
        assert_eq!(chains.len(), 1);
        let chain = &chains[0];
        let quotes = &chain.quotes;
        assert_eq!((chain.layout, chain.underlying.as_str(), chain.quote_date), (Layout::CboeEndOfDay, "SPX", day));
        assert_eq!((chain.quote_time, chain.underlying_last, quotes.len()), (None, Some(spot), rows));
        assert!(quotes.status.iter().all(|status| status.is_ok()), "{:?}", chain.notes);
        let mut roots = quotes.roots.clone();
        roots.sort();
        assert_eq!(roots, ["SPX", "SPXW"]);
        for row in 0..quotes.len() {
            let is_am = quotes.root_of(row) == "SPX";
            assert_eq!(quotes.settlement[row] == Settlement::Am, is_am);
            let letter = if quotes.option_type[row] == OptionType::Call { 'C' } else { 'P' };
            let stated = format!(
                "{}{}{letter}{:08}",
                quotes.root_of(row),
                quotes.expiry[row].strftime("%y%m%d"),
                (quotes.strike[row] * 1000.0).round()
            );
            assert_eq!(quotes.symbol.get(row), stated);
        }
        let zero_bids = quotes.bid.iter().filter(|bid| **bid == 0.0).count();
        assert!((700..=900).contains(&zero_bids), "{zero_bids} zero bids");
        assert!(quotes.has("open_interest") && quotes.has("volume") && !quotes.has("settlement"));
    }
}

#[test]
fn real_spx_tar_of_42_days() {
    let Some(folder) = folder() else { return };
    let mut dates: Vec<Date> = Vec::new();
    let mut rows = 0;
    for member in members(&folder.join("spx_cboe_eod_2019-04-25_2019-06-28.tar.xz")).unwrap() {
        let member = member.unwrap();
        assert!(member.one_of_many && member.name.contains("tar.xz!SPX_2019"), "{}", member.name);
        let chains = parse(&member, &ReadOptions::default()).unwrap();
        assert_eq!(chains.len(), 1);
        assert!(chains[0].quotes.status.iter().all(|status| status.is_ok()));
        dates.push(chains[0].quote_date);
        rows += chains[0].quotes.len();
    }
    assert_eq!((dates.len(), rows), (42, 582_508));
    assert!(dates.is_sorted() && dates.contains(&date(2019, 5, 27)));
}

#[test]
fn real_spy_year() {
    let Some(chains) = read("spy_puts_calls_eod_2021_subset.csv") else { return };
    let chains = chains.unwrap();
    assert_eq!(chains.len(), 252);
    assert!(chains.is_sorted_by_key(|chain| chain.quote_date));
    let rows: usize = chains.iter().map(|chain| chain.quotes.len()).sum();
    assert_eq!(rows, 5040);
    let crossed =
        |chain: &Chain| (0..chain.quotes.len()).filter(|row| chain.quotes.bid[*row] > chain.quotes.ask[*row]).count();
    assert_eq!(chains.iter().map(crossed).sum::<usize>(), 17);
    for chain in &chains {
        assert_eq!((chain.layout, chain.underlying.as_str()), (Layout::CboeEndOfDayIso, "SPY"));
        assert_eq!(chain.quotes.roots, ["SPY"]);
        assert!(chain.quotes.settlement.iter().all(|settlement| *settlement == Settlement::Pm));
    }
    assert_eq!((chains[0].quote_date, chains[0].underlying_last), (date(2021, 1, 4), Some(368.79)));
}

#[test]
fn real_aapl_lean() {
    let Some(chains) = read("aapl_american_chain_201406_daily.csv") else { return };
    let chains = chains.unwrap();
    let days: Vec<(Date, usize)> = chains.iter().map(|chain| (chain.quote_date, chain.quotes.len())).collect();
    assert_eq!(days.iter().map(|(_, rows)| rows).sum::<usize>(), 4532);
    assert_eq!(days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [date(2014, 6, 6), date(2014, 6, 9)]);
    for chain in &chains {
        assert_eq!((chain.layout, chain.underlying.as_str()), (Layout::Lean, "AAPL"));
        assert!(chain.notes.iter().any(|note| note.contains("file's name")), "{:?}", chain.notes);
        assert!(!chain.quotes.has("open_interest") && chain.quotes.has("bid"));
        assert!(chain.quotes.bid.iter().any(|bid| bid.is_nan()));
    }
    assert_eq!(chains[0].quotes.expiry[0].date(), date(2014, 6, 6));
    assert_eq!((chains[0].quotes.strike[1], chains[0].quotes.ask[1]), (490.0, 0.04));
    assert!(chains[0].quotes.bid[1].is_nan());
    assert_eq!(chains[0].quotes.status[1], Status::Ok);
}

#[test]
fn real_files_that_are_no_chain() {
    for (file, found) in [
        ("aapl_ohlc_daily_unadjusted.csv", "date, open, high, low, close, volume"),
        ("spy_ohlc_daily_unadjusted.csv", "date, open, high, low, close, volume"),
        ("spy_ohlc_2021.csv", "symbol, date, close"),
        ("aapl_lean_factor_file.csv", "19980102, 0.8613657"),
        ("spy_lean_factor_file.csv", "19980102, 0.6566606"),
        ("dax_2002_07_05_surface.json", "implied_vols_strike_major"),
        ("spx_smile_2025_jan13_feb21_39dte.json", "market_vols"),
        ("spx_smile_2025_jan24_feb21_28dte_stable.json", "market_vols"),
    ] {
        let Some(outcome) = read(file) else { return };
        let error = outcome.unwrap_err();
        assert!(matches!(error, ChainError::Unrecognised { .. }) && error.is_no_chain(), "{error}");
        let words = error.to_string();
        assert!(words.contains(file) && words.contains(found) && words.contains("needed"), "{words}");
    }
}
