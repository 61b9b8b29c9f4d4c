//! What the terminal shows: the day in a table that fits it.

use std::{fmt::Write, io::IsTerminal};

use zomma_pricing::surface::SliceSource;
use zomma_strategy::analysis::{CandidateKind, ForwardSource, RateSource};

use super::{
    outcome::Outcome,
    summary::{CandidateRow, ExpiryRow, Summary},
};
use crate::failure;

/// Expiries shown; all of them are in `summary.json`.
const EXPIRIES_MAX: usize = 20;
/// Candidates shown.
const CANDIDATES_MAX: usize = 5;
/// Width where the output is no terminal.
const WIDTH_DEFAULT: usize = 100;

/// Colours and width of the output.
#[derive(Clone, Copy, Debug)]
struct Style {
    colour: bool,
    width: usize,
}

impl Style {
    fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        // https://no-color.org: set and not empty means no colour.
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = terminal_size::terminal_size().map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0));
        Self { colour: is_terminal && !no_colour, width: if is_terminal { width } else { WIDTH_DEFAULT } }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn alarm(self, text: &str) -> String {
        self.paint("31", text)
    }
}

/// The summary of a run; empty where no date was analysed, of which the error on standard error says all.
pub fn text(outcome: &Outcome) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    if outcome.summaries().next().is_none() {
        return out;
    }
    // Writing to a String has no way to fail.
    let _ = if outcome.many {
        write_many(&mut out, outcome, style)
    } else {
        match outcome.summaries().next() {
            Some(summary) => write_day(&mut out, outcome, summary, style),
            None => Ok(()),
        }
    };
    out
}

/// A table whose columns are as wide as their cells; numbers to the right, the first `left` columns to the left.
struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(left: usize, header: &[&str]) -> Self {
        Self { left, rows: vec![header.iter().map(|cell| (*cell).to_string()).collect()] }
    }

    fn write(&self, out: &mut String, style: Style) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let widths: Vec<usize> =
            (0..columns).map(|i| self.rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
        // Columns from the right fall away until the line fits.
        let mut shown = columns;
        while shown > 1 && widths[..shown].iter().map(|width| width + 2).sum::<usize>() + 1 > style.width {
            shown -= 1;
        }
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::from(" ");
            for (i, cell) in row[..shown].iter().enumerate() {
                let width = widths[i];
                if i < self.left { write!(line, " {cell:<width$} ")? } else { write!(line, " {cell:>width$} ")? }
            }
            let line = line.trim_end();
            writeln!(out, "{}", if number == 0 { style.faint(line) } else { line.to_string() })?;
        }
        Ok(())
    }
}

fn write_day(out: &mut String, outcome: &Outcome, summary: &Summary, style: Style) -> std::fmt::Result {
    let gap =
        summary.spot_gap.map_or(String::new(), |gap| format!(" (file {}, gap {gap:+.2})", number(summary.spot - gap)));
    writeln!(
        out,
        "{}  {}  spot {}{gap}",
        style.bold(&format!("{} {}", summary.underlying, summary.quote_date)),
        &summary.quote_time[11..16],
        number(summary.spot),
    )?;
    writeln!(out)?;
    write_expiries(out, summary, style)?;
    writeln!(out)?;
    let violations = match summary.arbitrage_violations {
        0 => "no arbitrage".to_string(),
        some => style.alarm(&format!("{some} arbitrage violations")),
    };
    writeln!(
        out,
        "{}  {} of {} quotes inside bid-ask, rmse {:.3} vol points ({:.3} near the money), {violations} at {} points checked",
        style.bold("Fit"),
        percent(summary.inside_bid_ask_share),
        summary.quotes_judged,
        summary.rmse_vol_points,
        summary.near_the_money.rmse_vol_points,
        summary.arbitrage.points,
    )?;
    writeln!(
        out,
        "{}",
        style.faint(&format!(
            "     unconstrained SVI, which may have arbitrage: {}, {:.3}",
            percent(summary.unconstrained.inside_bid_ask_share),
            summary.unconstrained.rmse_vol_points
        ))
    )?;
    let rejected = summary.rejected.0.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>();
    writeln!(
        out,
        "{} {} kept of {} read{}",
        style.bold("Rows"),
        summary.rows_kept,
        summary.rows_read,
        if rejected.is_empty() { String::new() } else { format!("; rejected: {}", rejected.join(", ")) }
    )?;
    write_candidates(out, summary, style)?;
    if let Some(folder) = &outcome.out {
        writeln!(out)?;
        let folder = folder.display();
        writeln!(out, "{} {folder}/report.html", style.bold("Report"))?;
        writeln!(
            out,
            "{}",
            style.faint(&format!("       {folder}/{{quotes.parquet, surface.json, candidates.csv, summary.json}}"))
        )?;
    } else {
        writeln!(
            out,
            "\n{}",
            style.faint("--out DIR writes the report, all quotes with their Greeks, the surface and the candidates")
        )?;
    }
    let stages: Vec<String> = summary.timings_ms.0.iter().map(|(stage, ms)| format!("{stage} {ms:.0}")).collect();
    writeln!(out, "{}", style.faint(&format!("{:.0} ms: {}", outcome.elapsed.as_secs_f64() * 1e3, stages.join(", "))))
}

fn write_expiries(out: &mut String, summary: &Summary, style: Style) -> std::fmt::Result {
    let header = ["expiry", "root", "days", "forward", "rate", "atm vol", "quotes", "inside", "rmse", "free svi"];
    let mut table = Table::new(2, &header);
    let all = &summary.expiries;
    let shown = thinned(all.len());
    let mut marks = [false; 3];
    for expiry in shown.iter().map(|&i| &all[i]) {
        table.rows.push(expiry_cells(expiry, &mut marks));
    }
    table.write(out, style)?;
    if shown.len() < all.len() {
        writeln!(out, "  {}", style.faint(&format!("and {} more expiries in summary.json", all.len() - shown.len())))?;
    }
    let legend = [
        (marks[0], "' forward from spot and carry"),
        (marks[1], "* rate from the curve of other expiries, --rate, or assumed"),
        (marks[2], "° shape borrowed from SSVI or flat"),
    ];
    for (_, text) in legend.into_iter().filter(|(used, _)| *used) {
        writeln!(out, "  {}", style.faint(text))?;
    }
    Ok(())
}

fn expiry_cells(expiry: &ExpiryRow, marks: &mut [bool; 3]) -> Vec<String> {
    let mut mark = |which: usize, on: bool, sign: &str| -> String {
        marks[which] |= on;
        if on { sign.to_string() } else { " ".to_string() }
    };
    let by_carry = mark(0, expiry.forward_source == ForwardSource::SpotAndCarry, "'");
    let by_curve = mark(1, expiry.rate_source != RateSource::Parity, "*");
    let borrowed = mark(2, expiry.slice_source.is_some_and(|source| source != SliceSource::Svi), "°");
    vec![
        format!("{} {}", &expiry.expiry[..10], expiry.settlement.to_uppercase()),
        expiry.root.clone(),
        expiry.calendar_days.to_string(),
        format!("{}{by_carry}", number(expiry.forward)),
        format!("{}{by_curve}", percent_2(expiry.risk_free_rate)),
        format!("{}{borrowed}", percent_2(expiry.atm_volatility)),
        expiry.quotes.to_string(),
        percent(expiry.inside_bid_ask_share),
        format!("{:.3}", expiry.rmse_vol_points),
        percent(expiry.unconstrained.inside_bid_ask_share),
    ]
}

/// Which of `count` expiries are shown: the first half one by one, the rest spread out, the last always.
fn thinned(count: usize) -> Vec<usize> {
    if count <= EXPIRIES_MAX {
        return (0..count).collect();
    }
    let near = EXPIRIES_MAX / 2;
    let far = EXPIRIES_MAX - near;
    (0..near).chain((1..=far).map(|i| near - 1 + i * (count - near) / far)).collect()
}

fn write_candidates(out: &mut String, summary: &Summary, style: Style) -> std::fmt::Result {
    if summary.candidates == 0 {
        return writeln!(
            out,
            "{} no strike passes the filters (--delta, --dte, --min-open-interest, --max-spread)",
            style.bold("Wheel")
        );
    }
    writeln!(out, "\n{} {} candidates; the best:", style.bold("Wheel"), summary.candidates)?;
    let header = [
        "sell",
        "expiry",
        "root",
        "strike",
        "bid",
        "delta",
        "P(profit)",
        "P(touch)",
        "yield p.a.",
        "EV rn",
        "EV real",
        "Kelly",
    ];
    let mut table = Table::new(3, &header);
    for candidate in summary.best_candidates.iter().take(CANDIDATES_MAX) {
        table.rows.push(candidate_cells(candidate));
    }
    table.write(out, style)
}

fn candidate_cells(candidate: &CandidateRow) -> Vec<String> {
    let kind = match candidate.kind {
        CandidateKind::CashSecuredPut => "put",
        CandidateKind::CoveredCall => "call",
    };
    let or_dash = |text: String, value: f64| if value.is_finite() { text } else { "-".into() };
    vec![
        kind.into(),
        candidate.expiry[..10].into(),
        candidate.root.clone(),
        number(candidate.strike),
        format!("{:.2}", candidate.bid),
        format!("{:.3}", candidate.delta),
        percent(Some(candidate.probability_of_profit)),
        percent(Some(candidate.probability_of_touch)),
        percent(Some(candidate.annualized_yield)),
        or_dash(format!("{:.2}", candidate.expected_value_rn), candidate.expected_value_rn),
        or_dash(format!("{:.2}", candidate.expected_value_p), candidate.expected_value_p),
        or_dash(percent(Some(candidate.kelly_fraction)), candidate.kelly_fraction),
    ]
}

fn write_many(out: &mut String, outcome: &Outcome, style: Style) -> std::fmt::Result {
    let header =
        ["date", "underlying", "rows", "kept", "expiries", "spot", "inside", "rmse", "arbitrage", "candidates"];
    let mut table = Table::new(2, &header);
    for summary in outcome.summaries() {
        table.rows.push(vec![
            summary.quote_date.clone(),
            summary.underlying.clone(),
            summary.rows_read.to_string(),
            summary.rows_kept.to_string(),
            summary.expiries.len().to_string(),
            number(summary.spot),
            percent(summary.inside_bid_ask_share),
            format!("{:.3}", summary.rmse_vol_points),
            summary.arbitrage_violations.to_string(),
            summary.candidates.to_string(),
        ]);
    }
    let analysed = table.rows.len() - 1;
    table.write(out, style)?;
    for day in &outcome.days {
        if let Err(error) = &day.result {
            let word = if day.is_no_chain { "skipped" } else { "failed" };
            writeln!(out, "  {} {}", style.alarm(word), failure::words(error))?;
        }
    }
    let skipped = outcome.days.iter().filter(|day| day.is_no_chain).count();
    let dates = outcome.days.len() - skipped;
    let skipped = if skipped > 0 { format!(", {skipped} other files skipped") } else { String::new() };
    let violations: usize = outcome.summaries().map(|summary| summary.arbitrage_violations).sum();
    writeln!(
        out,
        "\n{}{skipped}, {violations} arbitrage violations, {:.1} s",
        style.bold(&format!("{analysed} of {dates} dates analysed")),
        outcome.elapsed.as_secs_f64()
    )?;
    match &outcome.out {
        Some(folder) => {
            let folder = folder.display();
            writeln!(out, "{} {folder}/<date>/report.html, {folder}/summary.json", style.bold("Reports"))
        }
        None => writeln!(out, "{}", style.faint("--out DIR writes a report a date and a summary over all")),
    }
}

/// A price with two decimals.
fn number(value: f64) -> String {
    if value.is_finite() { unsigned_zero(format!("{value:.2}")) } else { "-".into() }
}

fn percent(share: Option<f64>) -> String {
    share.filter(|share| share.is_finite()).map_or("-".into(), |share| unsigned_zero(format!("{:.1} %", share * 100.0)))
}

fn percent_2(value: f64) -> String {
    if value.is_finite() { unsigned_zero(format!("{:.2} %", value * 100.0)) } else { "-".into() }
}

/// A number that was rounded to zero has no sign.
fn unsigned_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if !rest.contains(|c: char| ('1'..='9').contains(&c)) => rest.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_drops_columns_that_do_not_fit() {
        let mut table = Table::new(1, &["date", "rows", "spot"]);
        table.rows.push(vec!["2019-04-25".into(), "13340".into(), "2926.17".into()]);
        let mut wide = String::new();
        table.write(&mut wide, Style { colour: false, width: 80 }).unwrap();
        assert_eq!(wide, "  date         rows     spot\n  2019-04-25  13340  2926.17\n");
        let mut narrow = String::new();
        table.write(&mut narrow, Style { colour: false, width: 21 }).unwrap();
        assert_eq!(narrow, "  date         rows\n  2019-04-25  13340\n");
    }

    #[test]
    fn what_rounds_to_zero_has_no_sign() {
        assert_eq!(
            (percent_2(-0.0), percent_2(-1e-9), percent_2(-0.0123)),
            ("0.00 %".into(), "0.00 %".into(), "-1.23 %".into())
        );
    }

    #[test]
    fn many_expiries_are_thinned_to_first_and_last() {
        assert_eq!(thinned(3), [0, 1, 2]);
        let shown = thinned(37);
        assert_eq!((shown.len(), shown[0], shown[19]), (EXPIRIES_MAX, 0, 36));
        assert!(shown.is_sorted_by(|a, b| a < b));
    }
}
