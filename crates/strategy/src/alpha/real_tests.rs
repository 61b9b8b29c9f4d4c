//! What the chains of real days give.

use std::path::Path;

use zomma_market::chain::{self, Chain, ReadOptions};
use zomma_testkit::real_data;

use super::{
    arbitrage::{Costs, HedgeRule, ScanConfig, scan_chain},
    options::{OptionFeaturesConfig, option_features},
};
use crate::analysis::{AnalysisConfig, WheelFilters, analyze};

fn config() -> AnalysisConfig {
    AnalysisConfig {
        exercise_style: None,
        quote_time: None,
        rate_curve: Vec::new(),
        dividend_yield: None,
        wheel: WheelFilters {
            delta: [0.0, 1.0],
            days_to_expiry: [0, 36_500],
            min_open_interest: None,
            max_spread: None,
        },
    }
}

fn chains(path: &Path) -> Vec<Chain> {
    let members = chain::members(path).unwrap();
    members.flat_map(|member| chain::parse(&member.unwrap(), &ReadOptions::default()).unwrap()).collect()
}

#[test]
fn real_probe() {
    let Some(data) = real_data() else { return };
    let costs = Costs { fee_per_contract: 0.65, fee_per_share: 0.0, multiplier: 100.0 };
    let days = chains(&data.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz"));
    for (at, day) in days.iter().enumerate() {
        let previous = at.checked_sub(1).map(|at| &days[at]);
        let scan_config = ScanConfig { analysis: config(), costs, rate_spread: 0.0, hedge: HedgeRule::None };
        let scan = match scan_chain(day, previous, &scan_config) {
            Ok(scan) => scan,
            Err(error) => {
                println!("{} {error}", day.quote_date);
                continue;
            }
        };
        let mut counts = std::collections::BTreeMap::new();
        for finding in &scan.findings {
            *counts.entry((finding.standing.as_str(), finding.kind.as_str())).or_insert(0) += 1;
        }
        println!("{} {counts:?}", day.quote_date);
        for finding in scan.findings.iter().take(3) {
            let legs: Vec<String> = finding.legs.iter().map(|leg| format!("{} {:.4} {:?} @{}", leg.side.as_str(), leg.quantity, leg.instrument, leg.price)).collect();
            println!("   {:?} {:?} T={:.4} edge {:.4} net {:.4} rate {:?} {:?}", finding.kind, finding.standing, scan.terms.expiries[finding.expiry].years, finding.edge, finding.edge_after_fees, finding.locked_rate, legs);
        }
        if at % 10 == 0 {
            for (terms, rates) in scan.terms.expiries.iter().zip(&scan.box_rates) {
                println!("   box {} {} {:.3} parity {:?} lend {:?} borrow {:?}", terms.root, terms.expiry_date, terms.years,
                    terms.carry.map(|[_, d]| -d.ln() / terms.years), rates.lend.map(|r| (r.rate, r.strikes)), rates.borrow.map(|r| (r.rate, r.strikes)));
            }
        }
    }
}

#[test]
fn real_probe_options() {
    let Some(data) = real_data() else { return };
    let days = chains(&data.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz"));
    for (at, day) in days.iter().enumerate() {
        let previous = at.checked_sub(1).map(|at| &days[at]);
        let Ok(analysis) = analyze(day, previous, None, &config()) else { println!("{} no", day.quote_date); continue };
        let f = option_features(day, &analysis, &OptionFeaturesConfig::default());
        let t = &f.tenors[0].skew;
        println!("{} S {:.1} atm30 {:.4?} atm90 {:.4?} rr {:.4?} bf {:.4?} 90110 {:.4?} slope {:.3?} pcv {:.2?} pcoi {:.2?} gex {:.3e} (c {:.3e} p {:.3e}) zero {:.1?} vanna {:.2e} charm {:.2e} cov {:.4?} pain {:?}",
            day.quote_date, analysis.spot, t.atm, f.tenors[1].skew.atm, t.risk_reversal_25(), t.butterfly_25(), t.skew_90_110(), f.tenors[0].slope(), f.volume.ratio, f.open_interest.ratio,
            f.exposure.gamma, f.exposure.call_gamma, f.exposure.put_gamma, f.zero_gamma, f.exposure.vanna, f.exposure.charm, f.exposure.covered, f.max_pain);
    }
}

#[test]
fn real_probe_aapl() {
    let Some(data) = real_data() else { return };
    for day in chains(&data.join("options/aapl_american_chain_201406_daily.csv")) {
        for stock in [None, Some(())] {
            let close = if day.quote_date.day() == 6 { 645.57 } else { 93.70 };
            let hedge = stock.map_or(HedgeRule::None, |()| HedgeRule::Stock { bid: close - 0.02, ask: close + 0.02 });
            let costs = Costs { fee_per_contract: 0.65, fee_per_share: 0.005, multiplier: 100.0 };
            let scan_config = ScanConfig { analysis: config(), costs, rate_spread: 0.0, hedge };
            let scan = scan_chain(&day, None, &scan_config).unwrap();
            let mut counts = std::collections::BTreeMap::new();
            for finding in &scan.findings {
                *counts.entry((finding.standing.as_str(), finding.kind.as_str())).or_insert(0) += 1;
            }
            println!("{} spot {} {counts:?}", day.quote_date, scan.terms.spot);
            for finding in scan.findings.iter().take(12) {
                let legs: Vec<String> = finding.legs.iter().map(|leg| format!("{} {:.4} {:?} @{} x{:?}", leg.side.as_str(), leg.quantity, leg.instrument, leg.price, leg.size)).collect();
                println!("   {:?} {:?} {} T={:.4} edge {:.4} net {:.4} units {:?} {:?}", finding.kind, finding.standing, scan.terms.expiries[finding.expiry].expiry_date, scan.terms.expiries[finding.expiry].years, finding.edge, finding.edge_after_fees, finding.units, legs);
            }
        }
        let Ok(analysis) = analyze(&day, None, None, &config()) else { continue };
        let f = option_features(&day, &analysis, &OptionFeaturesConfig::default());
        println!("{:?} {:?}", f.tenors, f.max_pain);
    }
}
