//! What was found, for a terminal.

use std::fmt::Write;

use zomma_strategy::alpha::arbitrage::Standing;

use super::rows::{BoxRow, DayFindings};

/// The days: of one, its findings and what boxes lend and borrow at; of many, a line each and the best findings over all.
pub fn text(days: &[DayFindings], limit: usize) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    match days {
        [day] => {
            let _ = writeln!(text, "{} {}: {}", day.underlying, day.quote_date, counts(day));
            boxes(&mut text, &day.box_rates);
        }
        _ => {
            for day in days {
                let _ = writeln!(text, "{} {}: {}", day.underlying, day.quote_date, counts(day));
            }
        }
    }
    let mut all: Vec<_> = days.iter().flat_map(|day| day.findings.iter().map(move |row| (day, row))).collect();
    all.sort_by(|(_, a), (_, b)| {
        let doubt = |standing: Standing| standing >= Standing::ZeroSize;
        doubt(a.standing).cmp(&doubt(b.standing)).then_with(|| b.edge_after_fees.total_cmp(&a.edge_after_fees))
    });
    if !all.is_empty() {
        let _ = writeln!(
            text,
            "\n  {:<11}{:<15}{:<13}{:<11}{:>9}{:>10}{:>8}{:>8}  legs (of a lot)",
            "date", "kind", "standing", "expiry", "edge", "net", "units", "rate"
        );
    }
    for (day, row) in all.iter().take(limit) {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let _ = writeln!(
            text,
            "  {:<11}{:<15}{:<13}{:<11}{:>9.4}{:>10.4}{:>8}{:>8}  {}",
            day.quote_date,
            row.kind.as_str(),
            row.standing.as_str(),
            row.expiry.get(..10).unwrap_or(&row.expiry),
            row.edge,
            row.edge_after_fees,
            or_dash(row.units.map(|units| format!("{units:.1}"))),
            or_dash(row.locked_rate.map(|rate| format!("{:.2} %", 100.0 * rate))),
            row.words()
        );
    }
    if all.len() > limit {
        let _ = writeln!(text, "  and {} more (--limit, or all of them with -o)", all.len() - limit);
    }
    text
}

/// How many of each standing.
fn counts(day: &DayFindings) -> String {
    let found: usize = day.by_standing.values().sum();
    let size = if day.has_sizes { "" } else { "; the file has no sizes" };
    if found == 0 {
        return format!("{} options, nothing found{size}", day.options);
    }
    let standings: Vec<String> =
        day.by_standing.iter().map(|(standing, count)| format!("{count} {}", standing.as_str())).collect();
    let kinds: Vec<String> =
        day.tradable_by_kind.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!("; tradable: {}", kinds.join(", ")) };
    format!("{} options, {found} findings: {}{kinds}{size}", day.options, standings.join(", "))
}

/// What boxes lend and borrow at.
fn boxes(text: &mut String, rows: &[BoxRow]) {
    let shown: Vec<&BoxRow> = rows.iter().filter(|row| row.lend.is_some() || row.borrow.is_some()).collect();
    if shown.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n  {:<8}{:<11}{:>9}{:>11}{:>11}{:>11}  strikes of both",
        "root", "expiry", "years", "rate", "box lends", "borrows"
    );
    for row in shown {
        let percent = |rate: Option<f64>| rate.map_or_else(|| "-".into(), |rate| format!("{:.3} %", 100.0 * rate));
        let strikes = |of: Option<[f64; 2]>| of.map_or_else(|| "-".into(), |[low, high]| format!("{low}/{high}"));
        let _ = writeln!(
            text,
            "  {:<8}{:<11}{:>9.4}{:>11}{:>11}{:>11}  {} {}",
            row.root,
            row.expiry.get(..10).unwrap_or(&row.expiry),
            row.expiry_years,
            percent(row.rate),
            percent(row.lend),
            percent(row.borrow),
            strikes(row.lend_strikes),
            strikes(row.borrow_strikes)
        );
    }
}
