//! `candidates.csv`: every strike that passes the wheel's filters, best first.

use zomma_market::chain::Chain;
use zomma_strategy::analysis::{Analysis, CandidateKind};

use super::summary::CandidateRow;

/// Columns of the file.
const HEADER: [&str; 19] = [
    "kind",
    "symbol",
    "underlying",
    "root",
    "expiry",
    "calendar_days",
    "strike",
    "bid",
    "delta",
    "volatility",
    "probability_of_profit",
    "probability_of_touch",
    "expected_value_rn",
    "expected_value_p",
    "annualized_yield",
    "break_even",
    "kelly_fraction",
    "score",
    "status",
];

/// A float in its shortest form; NaN is an empty cell.
pub fn float(value: f64) -> String {
    if value.is_finite() { zmij::Buffer::new().format_finite(value).to_string() } else { String::new() }
}

/// The name of a kind.
pub fn kind(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::CashSecuredPut => "cash_secured_put",
        CandidateKind::CoveredCall => "covered_call",
    }
}

/// The file's content.
pub fn encode(chain: &Chain, analysis: &Analysis) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for candidate in &analysis.candidates {
        let row = CandidateRow::of(candidate, chain, analysis);
        let numbers = [
            row.strike,
            row.bid,
            row.delta,
            row.volatility,
            row.probability_of_profit,
            row.probability_of_touch,
            row.expected_value_rn,
            row.expected_value_p,
            row.annualized_yield,
            row.break_even,
            row.kelly_fraction,
            row.score,
        ]
        .map(float);
        let words =
            [kind(row.kind), &row.symbol, &analysis.underlying, &row.root, &row.expiry, &row.calendar_days.to_string()]
                .map(str::to_string);
        writer.write_record(words.iter().chain(&numbers).map(String::as_str).chain([row.status]))?;
    }
    Ok(writer.into_inner()?)
}
