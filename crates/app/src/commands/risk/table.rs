//! The findings for machines: every scenario of every group as CSV, everything as JSON.

use std::{io::Write, path::Path, time::Duration};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::{
    report,
    scenarios::{Case, Findings},
};
use crate::{batch, output_file::AtomicFile};

/// Writes the table.
pub fn write(findings: &Findings, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = AtomicFile::create(path).with_context(cannot)?;
    file.write_all(&csv(findings)).and_then(|()| file.commit()).with_context(cannot)
}

fn csv(findings: &Findings) -> Vec<u8> {
    let mut header: Vec<&str> = findings.holdings.keys.iter().map(String::as_str).collect();
    header.extend([
        "stress",
        "spot_change",
        "volatility_shift",
        "rate_shift",
        "days",
        "value",
        "profit",
        "profit_by_greeks",
        "rows_failed",
    ]);
    let mut out = Vec::new();
    batch::append_line(header.into_iter(), &mut out);
    let rows = findings.rows_by_group();
    for case in &findings.cases {
        let scenario = &case.scenario;
        for (group, key) in findings.holdings.groups.iter().enumerate() {
            let numbers = [
                scenario.spot_change,
                scenario.volatility_shift,
                scenario.rate_shift,
                scenario.days,
                case.outcome.value[group],
                case.profit[group],
                case.by_greeks[group],
            ];
            let mut cells = key.clone();
            cells.push(case.stress.map_or("", |stress| stress.name).to_owned());
            let [valued, never] = rows[group];
            // A group of which no row can be valued has no value, and not one of 0.
            let is_told = |place: usize| place < 4 || valued > 0;
            cells.extend(
                numbers.iter().enumerate().map(|(place, &x)| if is_told(place) { number(x) } else { String::new() }),
            );
            cells.push((case.outcome.rows_failed[group] + never).to_string());
            batch::append_line(cells.iter().map(String::as_str), &mut out);
        }
    }
    out
}

fn number(x: f64) -> String {
    if x.is_finite() { zmij::Buffer::new().format_finite(x).to_owned() } else { String::new() }
}

/// Everything on one line.
pub fn json(findings: &Findings, elapsed: Duration) -> String {
    let books: Vec<Value> = report::books(findings).iter().map(|book| book_json(findings, book)).collect();
    let faults: Map<String, Value> =
        findings.holdings.faults.iter().map(|(status, (rows, _))| (status.as_str().into(), json!(rows))).collect();
    let line = json!({
        "rows": findings.holdings.table.len(),
        "rows_ok": findings.rows_ok,
        "status": faults,
        "scenarios": findings.cases.len(),
        "books": books,
        "elapsed_ms": elapsed.as_secs_f64() * 1e3,
    });
    format!("{line}\n")
}

fn book_json(findings: &Findings, book: &report::Book<'_>) -> Value {
    let of = |get: fn(&zomma_risk::Sensitivities) -> f64| -> f64 {
        book.groups.iter().map(|&group| get(&findings.sensitivities[group])).sum()
    };
    let case = |(case, profit, by_greeks): &(&Case, f64, f64)| {
        json!({
            "stress": case.stress.map(|stress| stress.name),
            "spot_change": case.scenario.spot_change,
            "volatility_shift": case.scenario.volatility_shift,
            "rate_shift": case.scenario.rate_shift,
            "days": case.scenario.days,
            "profit": profit,
            "profit_by_greeks": by_greeks,
            "greeks_fail": book.fails(*profit, *by_greeks),
            "rows_failed": book.lost(case),
        })
    };
    let mut worst: Vec<_> = book.cases.iter().collect();
    worst.sort_by(|a, b| a.1.total_cmp(&b.1));
    json!({
        "currency": book.currency,
        "value": book.groups.iter().map(|&group| findings.value[group]).sum::<f64>(),
        "greeks": {
            "cash_delta": of(|s| s.cash_delta),
            "cash_gamma": of(|s| s.cash_gamma),
            "vega": of(|s| s.vega),
            "vomma": of(|s| s.vomma),
            "cash_vanna": of(|s| s.cash_vanna),
            "theta": of(|s| s.theta),
            "cash_charm": of(|s| s.cash_charm),
            "rho": of(|s| s.rho),
            "rows_failed": book.groups.iter().map(|&group| findings.sensitivities[group].rows_failed).sum::<usize>(),
        },
        "cases": book.cases.iter().map(case).collect::<Vec<_>>(),
        "worst": worst.into_iter().take(findings.worst).map(case).collect::<Vec<_>>(),
        "groups": book.groups.iter().map(|&group| json!({
            "key": findings.holdings.keys.iter().cloned().zip(findings.holdings.groups[group].iter().map(|cell| json!(cell))).collect::<Map<_, _>>(),
            "value": findings.value[group],
            "worst": findings.cases.iter().map(|case| case.profit[group]).fold(f64::INFINITY, f64::min),
        })).collect::<Vec<_>>(),
    })
}
