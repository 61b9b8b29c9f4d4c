//! Every real chain there is.

use std::{collections::BTreeMap, path::Path};

use jiff::civil::{Date, date};
use rayon::prelude::*;
use zomma_base::Status;
use zomma_market::chain::{Chain, ReadOptions, members, parse};
use zomma_strategy::analysis::{Analysis, Candidate, ForwardSource, RateSource, analyze};

use crate::support::config;

/// The chains of a file by date. The same date twice is two entries.
pub fn chains(path: &Path, underlying: Option<&str>) -> Vec<Chain> {
    let options = ReadOptions { underlying: underlying.map(str::to_owned), ..ReadOptions::default() };
    let members: Vec<_> = members(path).unwrap().map(Result::unwrap).collect();
    let mut chains: Vec<Chain> = members.par_iter().flat_map(|member| parse(member, &options).unwrap()).collect();
    chains.sort_by_key(|chain| chain.quote_date);
    chains
}

/// What a day came to, in one line.
fn line(chain: &Chain, analysis: &Analysis) -> String {
    let worst = analysis.expiries.iter().map(|e| e.quality.inside_share().unwrap_or(0.0)).fold(1.0, f64::min);
    let own = analysis.expiries.iter().filter(|e| e.rate_source == RateSource::Parity).count();
    format!(
        "{} {} rows {} kept {} expiries {} (own rate {own}) spot {:.3} last {:?} quotes {} inside {:.4} (worst slice {worst:.2}) unconstrained {:.4} rmse {:.4} violations {} candidates {} | {}",
        analysis.underlying,
        analysis.quote_date,
        analysis.rows_read,
        analysis.rows_read - analysis.rejected.values().sum::<usize>(),
        analysis.expiries.len(),
        analysis.spot,
        chain.underlying_last,
        analysis.quality.quotes,
        share(analysis),
        analysis.expiries.iter().filter_map(|e| e.unconstrained.inside).sum::<usize>() as f64
            / analysis.quality.quotes.max(1) as f64,
        analysis.quality.rmse_vol_points,
        violations(analysis),
        analysis.candidates.len(),
        analysis.timings.stages.iter().map(|(stage, ms)| format!("{stage} {ms:.1}")).collect::<Vec<_>>().join(" "),
    )
}

fn print_expiries(analysis: &Analysis) {
    for expiry in &analysis.expiries {
        println!(
            "  {} {} T {:.5} F {:.3} ±{:.3} r {:.4} {:?} {:?} pairs {} quotes {} inside {:.2} free {:.2} rmse {:.3} atm {:.4} {:?}",
            expiry.root,
            expiry.expiry,
            expiry.expiry_years,
            expiry.forward,
            expiry.forward_error.unwrap_or(f64::NAN),
            -expiry.discount_factor.ln() / expiry.expiry_years,
            expiry.forward_source,
            expiry.rate_source,
            expiry.parity_pairs,
            expiry.quotes,
            expiry.quality.inside_share().unwrap_or(0.0),
            expiry.unconstrained.inside_share().unwrap_or(0.0),
            expiry.quality.rmse_vol_points,
            expiry.atm_volatility,
            expiry.slice_source,
        );
    }
}

fn share(analysis: &Analysis) -> f64 {
    analysis.quality.inside_share().unwrap_or(0.0)
}

fn violations(analysis: &Analysis) -> usize {
    analysis.surface.arbitrage.butterfly_violations + analysis.surface.arbitrage.calendar_violations
}

#[test]
fn real_spx_days_fit_inside_the_quotes_without_arbitrage() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    for (file, rows, expiries, least) in
        [("spx_cboe_eod_20190425.csv", 13_340, 41, 0.65), ("spx_cboe_eod_20190603.csv", 14_078, 43, 0.55)]
    {
        let chain = chains(&folder.join("options").join(file), None).remove(0);
        let analysis = analyze(&chain, None, None, &config()).unwrap();
        println!("{}", line(&chain, &analysis));
        print_expiries(&analysis);
        for note in &analysis.notes {
            println!("  {note}");
        }
        assert_eq!((analysis.rows_read, analysis.expiries.len()), (rows, expiries));
        assert_eq!(violations(&analysis), 0);
        assert!(share(&analysis) >= least, "{file}: {}", share(&analysis));
        // Fed funds were at 2.41 %, a year of LIBOR at 2.7 % (April) and 2.5 % (June).
        for expiry in &analysis.expiries {
            let rate = -expiry.discount_factor.ln() / expiry.expiry_years;
            assert!((0.015..0.035).contains(&rate), "{} {}: rate {rate}", expiry.root, expiry.expiry);
            assert_eq!(expiry.forward_source, ForwardSource::Parity);
        }
        // The snapshot is before the close: the index moved by points, not by tens.
        assert!((analysis.spot - chain.underlying_last.unwrap()).abs() < 5.0);
        // SPX in the morning and SPXW in the afternoon of one date are two expiries.
        let mut dates: BTreeMap<Date, usize> = BTreeMap::new();
        for expiry in &analysis.expiries {
            *dates.entry(expiry.expiry_date).or_default() += 1;
        }
        assert!(dates.values().filter(|count| **count == 2).count() >= 6);
    }
}

#[test]
fn real_spx_tar_has_41_sessions_and_a_copy() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let chains = chains(&folder.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz"), None);
    assert_eq!(chains.len(), 42);
    let mut copies = Vec::new();
    for (index, chain) in chains.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| &chains[index]);
        match analyze(chain, previous, None, &config()) {
            Ok(analysis) => {
                let stale = analysis.rejected.get(&Status::StaleQuote).copied().unwrap_or(0);
                println!("{} stale {stale} rejected {:?}", line(chain, &analysis), analysis.rejected);
                assert_eq!(violations(&analysis), 0, "{}", chain.quote_date);
                assert!(share(&analysis) > 0.50, "{}: {}", chain.quote_date, share(&analysis));
                assert!(stale * 200 < analysis.rows_read, "{}: {stale} stale rows", chain.quote_date);
            }
            Err(error) => {
                println!("{error}");
                assert!(error.to_string().contains("repeats"), "{error}");
                copies.push(chain.quote_date);
            }
        }
    }
    assert_eq!(copies, [date(2019, 5, 27)]);
}

#[test]
fn real_spy_2021_gives_an_answer_every_day() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let chains = chains(&folder.join("options/spy_puts_calls_eod_2021_subset.csv"), None);
    assert_eq!(chains.len(), 252);
    let mut crossed = 0;
    let mut without_pairs = 0;
    for (index, chain) in chains.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| &chains[index]);
        let analysis = analyze(chain, previous, None, &config()).unwrap();
        println!("{}", line(chain, &analysis));
        print_expiries(&analysis);
        crossed += analysis.rejected.get(&Status::CrossedQuote).copied().unwrap_or(0);
        let last = chain.underlying_last.unwrap();
        assert!((analysis.spot / last - 1.0).abs() < 0.01, "{}: {} {last}", chain.quote_date, analysis.spot);
        assert_eq!(violations(&analysis), 0, "{}", chain.quote_date);
        let pairs: usize = analysis.expiries.iter().map(|expiry| expiry.parity_pairs).sum();
        without_pairs += usize::from(pairs == 0);
        for expiry in &analysis.expiries {
            assert!((0.03..1.0).contains(&expiry.atm_volatility), "{} {}", chain.quote_date, expiry.atm_volatility);
            assert_eq!(expiry.parity_pairs == 0, expiry.forward_source == ForwardSource::SpotAndCarry);
        }
    }
    println!("crossed {crossed}, days without a pair {without_pairs}");
    assert_eq!(crossed, 17);
    assert!(without_pairs >= 10, "ten days list no pair at all; found {without_pairs}");
}

#[test]
fn real_history_gives_candidates_their_odds() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let folder = folder.join("options");
    let bars = zomma_market::bars::read(&folder.join("spy_ohlc_daily_unadjusted.csv")).unwrap();
    let chain = chains(&folder.join("spx_cboe_eod_20190425.csv"), None).remove(0);
    let analysis = analyze(&chain, None, Some(&bars), &config()).unwrap();
    println!("{}", line(&chain, &analysis));
    for note in &analysis.notes {
        println!("  {note}");
    }
    for candidate in analysis.candidates.iter().take(12) {
        println!("  {candidate:?} {} days", analysis.expiries[candidate.expiry].calendar_days);
    }
    assert!(analysis.candidates.iter().all(|candidate| candidate.status.is_ok()));
    // Sold at the bid under the density that prices them, all but a few lose; that the real world pays a premium is why they are sold.
    let count = |of: fn(&&Candidate) -> bool| analysis.candidates.iter().filter(of).count();
    let (fair, real) = (count(|c| c.expected_value_rn < 0.0), count(|c| c.expected_value_p > 0.0));
    println!("{} candidates: {fair} lose under the surface, {real} win under history", analysis.candidates.len());
    assert!(fair * 10 > analysis.candidates.len() * 7);
    assert!(real > 0);
}

#[test]
fn real_aapl_either_side_of_its_split() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let chains = chains(&folder.join("options/aapl_american_chain_201406_daily.csv"), Some("AAPL"));
    assert_eq!(chains.len(), 2);
    for (index, (chain, close)) in chains.iter().zip([645.57, 93.70]).enumerate() {
        let previous = index.checked_sub(1).map(|index| &chains[index]);
        let analysis = analyze(chain, previous, None, &config()).unwrap();
        println!("{}", line(chain, &analysis));
        print_expiries(&analysis);
        for note in &analysis.notes {
            println!("  {note}");
        }
        // The file has no underlying price: the close is found from parity alone.
        assert!((analysis.spot / close - 1.0).abs() < 0.002, "{} {close}", analysis.spot);
        assert_eq!(violations(&analysis), 0);
    }
}
