//! A report in words, and for machines.

use std::fmt::Write;

use serde_json::{Value, json};
use zomma_strategy::alpha::evaluation::{Cost, Estimate, HalfLife, InformationCoefficient};

use super::report::{CombinedReport, HorizonReport, Outcome, SignalReport};

/// The report as a table by signal.
pub fn in_words(outcome: &Outcome, price: &str, cost: Cost) -> String {
    let mut text = String::new();
    let cost = match cost {
        Cost::BasisPoints(cost) => format!("{cost} bp"),
        Cost::Price(cost) => format!("{cost} in the unit of {price}"),
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}: {} rows, {}; price {price}, cost {cost} a position traded",
        outcome.name, outcome.rows, outcome.span
    );
    if outcome.without_price > 0 {
        let _ = writeln!(text, "  {} rows without a price", outcome.without_price);
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "  {note}");
    }
    for signal in &outcome.signals {
        one(&mut text, signal, outcome.rows);
    }
    for combined in &outcome.combined {
        joined(&mut text, combined);
    }
    text.push_str(
        "\nIC: correlation with the return ahead, 95 % band by Newey-West over overlapping rows (lag in rows); gross, net and break-even in basis points a \
         horizon,\nturnover in positions a horizon, of a position clamp(score, -1, 1) set once a horizon.\n",
    );
    text
}

const HEADER: &str = "horizon       rows       IC  95 % band             rank IC  95 % band               lag    hit  turnover     gross       net  break-even";

fn one(text: &mut String, signal: &SignalReport, rows: usize) {
    let _ = writeln!(text, "\n{}: {} values, {} rows without", signal.name, signal.values, rows - signal.values);
    let _ = writeln!(text, "  {HEADER}");
    for horizon in &signal.horizons {
        line(text, horizon);
    }
    let step = signal.horizons.first().map_or(0, |horizon| horizon.horizon_ns);
    let half_life = match signal.decay.half_life {
        HalfLife::After(ns) => format!("half of it is gone after {}", seconds(ns)),
        HalfLife::NotWithin(ns) => format!("half of it is not gone within {}", seconds(ns as f64)),
        HalfLife::NothingToHalve => "cannot be told from 0".to_owned(),
    };
    let _ = writeln!(text, "  decay, in returns of {}: {half_life}", seconds(step as f64));
}

fn line(text: &mut String, report: &HorizonReport) {
    let InformationCoefficient { rows, lag_rows, pearson, spearman, .. } = report.coefficient;
    let trading = &report.trading;
    let _ = writeln!(
        text,
        "  {:<8} {rows:>9} {:>8.4}  {:<20} {:>8.4}  {:<20} {lag_rows:>6} {:>6} {:>9.3} {:>9.4} {:>9.4} {:>11}",
        seconds(report.horizon_ns as f64),
        pearson.value,
        band(&pearson),
        spearman.value,
        band(&spearman),
        report.hit_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1}%", 100.0 * rate)),
        trading.turnover,
        trading.gross_bp,
        trading.net_bp,
        trading.break_even_bp.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.4}")),
    );
}

fn band(estimate: &Estimate) -> String {
    estimate.band.map_or_else(|| "too few horizons".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"))
}

fn joined(text: &mut String, combined: &CombinedReport) {
    let how = match combined.folds {
        0 => "online weights".to_owned(),
        folds => format!("{folds} folds"),
    };
    let _ = writeln!(
        text,
        "\njoined, {how}, the last of {} known rows; judged behind the training rows alone",
        combined.training_rows
    );
    let _ = writeln!(text, "  {HEADER}");
    line(text, &combined.report);
    let weights = combined.weights.iter().map(|(_, weight)| *weight);
    for ((name, alone), weight) in combined.alone.iter().zip(weights) {
        let _ = writeln!(
            text,
            "    {name:<32} IC alone on these rows {:>8.4}  {:<20} weight {weight:.3e}",
            alone.pearson.value,
            band(&alone.pearson)
        );
    }
}

/// Nanoseconds as a time that can be read.
fn seconds(ns: f64) -> String {
    match ns / 1e9 {
        s if s >= 3_600.0 => format!("{:.3}h", s / 3_600.0).replace(".000h", "h"),
        s if s >= 60.0 => format!("{:.2}m", s / 60.0).replace(".00m", "m"),
        s if s >= 1.0 => format!("{s:.2}s").replace(".00s", "s"),
        s => format!("{:.3}ms", s * 1e3).replace(".000ms", "ms"),
    }
}

/// The report for machines.
pub fn json(outcome: &Outcome) -> Value {
    let signals: Vec<Value> = outcome.signals.iter().map(|signal| of_signal(signal, outcome.rows)).collect();
    let combined: Vec<Value> = outcome.combined.iter().map(of_combined).collect();
    json!({
        "file": outcome.name,
        "rows": outcome.rows,
        "rows_without_price": outcome.without_price,
        "notes": outcome.notes,
        "signals": signals,
        "combined": combined,
    })
}

fn of_signal(signal: &SignalReport, rows: usize) -> Value {
    let (outcome, ns) = match signal.decay.half_life {
        HalfLife::After(ns) => ("after", Some(ns)),
        HalfLife::NotWithin(ns) => ("not_within", Some(ns as f64)),
        HalfLife::NothingToHalve => ("nothing_to_halve", None),
    };
    json!({
        "name": signal.name,
        "values": signal.values,
        "rows_without": rows - signal.values,
        "horizons": signal.horizons.iter().map(of_horizon).collect::<Vec<_>>(),
        "decay": {
            "half_life": outcome,
            "half_life_ns": ns,
            "profile": signal.decay.profile.iter().map(|(ahead_ns, ic)| json!({ "ahead_ns": ahead_ns, "ic": ic })).collect::<Vec<_>>(),
        },
    })
}

fn of_horizon(report: &HorizonReport) -> Value {
    let InformationCoefficient { rows, without_return, lag_rows, pearson, spearman } = report.coefficient;
    let trading = &report.trading;
    json!({
        "horizon_ns": report.horizon_ns,
        "rows": rows,
        "rows_without_return": without_return,
        "lag_rows": lag_rows,
        "ic": of_estimate(&pearson),
        "rank_ic": of_estimate(&spearman),
        "hit_rate": report.hit_rate,
        "decisions": trading.decisions,
        "flat_decisions": trading.flat,
        "turnover": trading.turnover,
        "gross_bp": trading.gross_bp,
        "net_bp": trading.net_bp,
        "break_even_bp": trading.break_even_bp,
    })
}

fn of_estimate(estimate: &Estimate) -> Value {
    json!({
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "low": estimate.band.map(|(low, _)| low),
        "high": estimate.band.map(|(_, high)| high),
    })
}

fn of_combined(combined: &CombinedReport) -> Value {
    let alone = combined.alone.iter().zip(&combined.weights).map(
        |((name, alone), (_, weight))| json!({ "name": name, "ic": of_estimate(&alone.pearson), "weight": weight }),
    );
    json!({
        "joined": of_horizon(&combined.report),
        "alone": alone.collect::<Vec<_>>(),
        "training_rows": combined.training_rows,
        "folds": combined.folds,
    })
}
