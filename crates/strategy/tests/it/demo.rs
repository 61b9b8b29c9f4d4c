//! The generated market: what was put in comes out.

use jiff::civil::date;
use zomma_base::Status;
use zomma_strategy::{
    analysis::{CandidateKind, analyze},
    demo,
};

use crate::support::{config, demo_bars, demo_chains};

#[test]
fn the_same_seed_gives_the_same_rows() {
    let rows = demo::demo_chain(demo::SEED, demo::QUOTE_DATE);
    let text = |rows: &[demo::DemoRow]| {
        let mut out = Vec::new();
        demo::write_chain_csv(rows, &mut out).unwrap();
        out
    };
    assert_eq!(text(&rows), text(&demo::demo_chain(demo::SEED, demo::QUOTE_DATE)));
    assert_ne!(text(&rows), text(&demo::demo_chain(demo::SEED + 1, demo::QUOTE_DATE)));
}

#[test]
fn every_fault_that_was_put_in_is_found() {
    let [before, today] = demo_chains();
    let analysis = analyze(&today, Some(&before), Some(&demo_bars()), &config()).unwrap();
    println!("{:?}\n{:#?}", analysis.rejected, analysis.notes);
    for reason in [Status::CrossedQuote, Status::StaleQuote, Status::NoQuote, Status::Duplicate, Status::Expired] {
        assert!(analysis.rejected.contains_key(&reason), "{reason}: {:?}", analysis.rejected);
    }
    assert_eq!(analysis.rejected[&Status::Duplicate], 6);
    assert_eq!(analysis.rejected[&Status::Expired], 8);
}

#[test]
fn the_clean_session_is_fitted_without_arbitrage() {
    let [before, today] = demo_chains();
    for chain in [&before, &today] {
        let analysis = analyze(chain, None, None, &config()).unwrap();
        let share = analysis.quality.inside_share().unwrap();
        let arbitrage = &analysis.surface.arbitrage;
        println!(
            "{} rows {} expiries {} inside {share:.3} rmse {:.3} spot {} {:?} {:?}",
            chain.quote_date,
            analysis.rows_read,
            analysis.expiries.len(),
            analysis.quality.rmse_vol_points,
            analysis.spot,
            arbitrage,
            analysis.timings
        );
        assert!(share > 0.6, "{share}");
        assert_eq!(arbitrage.butterfly_violations + arbitrage.calendar_violations, 0);
        // The rate put in runs from 4.35 % to 3.85 %.
        for expiry in &analysis.expiries {
            let rate = -expiry.discount_factor.ln() / expiry.expiry_years;
            assert!((rate - 0.042).abs() < 0.006, "{} {} {rate} {:?}", expiry.root, expiry.expiry, expiry.rate_source);
        }
        // The vendor's price lags by four hundredths of a per cent.
        let lag = analysis.spot / chain.underlying_last.unwrap() - 1.0;
        assert!((lag - 0.0004).abs() < 0.0003, "{lag}");
    }
}

#[test]
fn candidates_are_what_they_say() {
    let [before, today] = demo_chains();
    let bars = demo_bars();
    let analysis = analyze(&today, Some(&before), Some(&bars), &config()).unwrap();
    assert!(analysis.candidates.len() > 50, "{}", analysis.candidates.len());
    for candidate in &analysis.candidates {
        assert_eq!(candidate.status, Status::Ok);
        assert!(candidate.bid > 0.0);
        assert!((0.05..=0.45).contains(&candidate.delta.abs()));
        assert!((0.0..=1.0).contains(&candidate.probability_of_profit));
        assert!((0.0..=1.0).contains(&candidate.probability_of_touch));
        assert!((0.0..=1.0).contains(&candidate.kelly_fraction));
        assert!(candidate.score >= 0.0, "Kelly never chooses to lose");
        let secured = match candidate.kind {
            CandidateKind::CashSecuredPut => candidate.strike - candidate.bid,
            CandidateKind::CoveredCall => analysis.spot - candidate.bid,
        };
        let days = analysis.expiries[candidate.expiry].calendar_days as f64;
        assert!((candidate.annualized_yield - candidate.bid / secured * 365.0 / days).abs() < 1e-12);
        assert_eq!(candidate.break_even, secured);
        // Sold at the bid, so it costs about half a spread under the density that prices it.
        let half_spread = 0.5 * (today.quotes.ask[candidate.row] - candidate.bid);
        let cost = -candidate.expected_value_rn;
        assert!(
            cost > -2.0 * half_spread && cost < 4.0 * half_spread,
            "{cost} {half_spread} {candidate:?} {:?}",
            analysis.expiries[candidate.expiry]
        );
    }
    assert!(analysis.candidates.windows(2).all(|pair| pair[0].score >= pair[1].score));

    let without = analyze(&today, Some(&before), None, &config()).unwrap();
    assert!(
        without
            .candidates
            .iter()
            .all(|c| c.status == Status::NoHistory && c.score.is_nan() && c.expected_value_p.is_nan())
    );
    assert_eq!(without.candidates.len(), analysis.candidates.len());
}

#[test]
fn bars_from_the_quote_date_on_are_not_looked_at() {
    let [_, today] = demo_chains();
    let bars = demo_bars();
    let mut ahead = bars.clone();
    for (day, close) in [(date(2025, 6, 13), 1.0), (date(2025, 6, 16), 1e9)] {
        ahead.date.push(day);
        for column in [&mut ahead.open, &mut ahead.high, &mut ahead.low, &mut ahead.close, &mut ahead.adjusted_close] {
            column.push(close);
        }
        ahead.dividend.push(0.0);
    }
    let values = |bars| -> Vec<u64> {
        let analysis = analyze(&today, None, Some(bars), &config()).unwrap();
        analysis.candidates.iter().map(|candidate| candidate.expected_value_p.to_bits()).collect()
    };
    assert_eq!(values(&bars), values(&ahead));
}
