//! The findings as text: a book for each currency.

use std::fmt::Write;

use zomma_risk::Scenario;

use super::scenarios::{Case, Findings};

/// The Greeks fail where they are off by more than this share of the profit
const SHARE_OF_PROFIT: f64 = 0.1;
/// and by more than this share of the largest profit or loss of the grid.
const SHARE_OF_LARGEST: f64 = 0.01;
/// Positions that are named in the worst case.
const POSITIONS: usize = 5;

/// Profits and what the Greeks say of them, of the groups of one book.
pub struct Book<'a> {
    /// The currency, where there is such a column.
    pub currency: Option<String>,
    /// Its groups.
    pub groups: Vec<usize>,
    /// The cases, with the book's profit and what the Greeks say.
    pub cases: Vec<(&'a Case, f64, f64)>,
    /// The largest profit or loss of the cases.
    largest: f64,
}

/// A book for each currency, without groups of which no row can be valued.
pub fn books(findings: &Findings) -> Vec<Book<'_>> {
    let rows = findings.rows_by_group();
    let of = |(currency, mut groups): (Option<String>, Vec<usize>)| {
        groups.retain(|&group| rows[group][0] > 0);
        let sum = |column: &[f64]| groups.iter().map(|&group| column[group]).sum::<f64>();
        let cases: Vec<_> = findings.cases.iter().map(|case| (case, sum(&case.profit), sum(&case.by_greeks))).collect();
        let largest = cases.iter().map(|(_, profit, _)| profit.abs()).fold(0.0, f64::max);
        Book { currency, groups, cases, largest }
    };
    findings.holdings.by_currency().into_iter().map(of).filter(|book| !book.groups.is_empty()).collect()
}

impl Book<'_> {
    /// Its positions that have no value in a case.
    pub fn lost(&self, case: &Case) -> usize {
        self.groups.iter().map(|&group| case.outcome.rows_failed[group]).sum()
    }

    /// Whether the Greeks fail in a case.
    pub fn fails(&self, profit: f64, by_greeks: f64) -> bool {
        let off = (by_greeks - profit).abs();
        off > SHARE_OF_PROFIT * profit.abs() && off > SHARE_OF_LARGEST * self.largest
    }
}

/// The report.
pub fn text(findings: &Findings) -> String {
    let mut out = String::new();
    for book in books(findings) {
        // Writing to a string does not fail.
        let _ = write_book(findings, &book, &mut out);
    }
    out
}

fn write_book(findings: &Findings, book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let value: f64 = book.groups.iter().map(|&group| findings.value[group]).sum();
    let currency = book.currency.as_deref().map_or(String::new(), |currency| format!(" {currency}"));
    let groups = book.groups.len();
    let of_groups = if groups > 1 { format!(" in {groups} groups") } else { String::new() };
    let rows = rows_of(findings, &book.groups);
    writeln!(out, "Value now:{currency} {} ({rows} positions{of_groups})\n", amount(value))?;
    write_greeks(findings, book, out)?;
    write_grid(findings, book, out)?;
    write_worst(findings, book, out)?;
    write_stresses(book, out)?;
    write_failures(book, out)
}

fn rows_of(findings: &Findings, groups: &[usize]) -> usize {
    let holdings = &findings.holdings;
    let counted =
        |row: &usize| holdings.table.status[*row].is_ok() && groups.contains(&(holdings.group[*row] as usize));
    (0..holdings.table.len()).filter(counted).count()
}

fn write_greeks(findings: &Findings, book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let of = |get: fn(&zomma_risk::Sensitivities) -> f64| -> f64 {
        book.groups.iter().map(|&group| get(&findings.sensitivities[group])).sum()
    };
    let lines = [
        ("spot 1 % up", of(|s| 0.01 * s.cash_delta + 0.5e-4 * s.cash_gamma)),
        ("spot 1 % down", of(|s| -0.01 * s.cash_delta + 0.5e-4 * s.cash_gamma)),
        ("volatility 1 point up", of(|s| 0.01 * s.vega)),
        ("a day passes", of(|s| s.theta / 365.0)),
        ("rates 1 basis point up", of(|s| 1e-4 * s.rho)),
    ];
    writeln!(out, "By the Greeks:")?;
    for (what, profit) in lines {
        writeln!(out, "  {what:<24}{:>16}", amount(profit))?;
    }
    let failed: usize = book.groups.iter().map(|&group| findings.sensitivities[group].rows_failed).sum();
    if failed > 0 {
        writeln!(out, "  [without {failed} rows: a small move leaves them without a value]")?;
    }
    writeln!(out)
}

/// Spot to the right, volatility down; one table for each crossing of rate and days.
fn write_grid(findings: &Findings, book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let axes = &findings.axes;
    let (columns, lines) = (axes.spot_change.len(), axes.volatility_shift.len());
    for (table, cases) in book.cases[..axes.len()].chunks(columns * lines).enumerate() {
        let (rate, days) = (axes.rate_shift[table % axes.rate_shift.len()], axes.days[table / axes.rate_shift.len()]);
        writeln!(out, "Profit by spot and volatility{}:", when(rate, days))?;
        let cell = |(case, profit, by_greeks): &(&Case, f64, f64)| {
            format!("{}{}", amount(*profit), mark(book, case, *profit, *by_greeks))
        };
        let texts: Vec<String> = cases.iter().map(cell).collect();
        let heads: Vec<String> = axes.spot_change.iter().map(|change| format!("{} ", percent(*change))).collect();
        let width = texts.iter().chain(&heads).map(|text| text.chars().count()).max().unwrap_or(0) + 1;
        write!(out, "  {:>9}", "")?;
        for head in &heads {
            write!(out, "{head:>width$}")?;
        }
        writeln!(out)?;
        for (line, shift) in axes.volatility_shift.iter().enumerate() {
            write!(out, "  {:>9}", points(*shift))?;
            for text in &texts[line * columns..(line + 1) * columns] {
                write!(out, "{text:>width$}")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_worst(findings: &Findings, book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let mut order: Vec<usize> = (0..book.cases.len()).collect();
    order.sort_by(|&a, &b| book.cases[a].1.total_cmp(&book.cases[b].1));
    if findings.worst == 0 || order.is_empty() {
        return Ok(());
    }
    writeln!(out, "Worst cases:")?;
    for &at in order.iter().take(findings.worst) {
        let (case, profit, _) = book.cases[at];
        let name = case.stress.map_or(String::new(), |stress| format!("  ({})", stress.name));
        let lost = lost(book, case);
        writeln!(out, "  {:>16}  {}{name}{lost}", amount(profit), moves(&case.scenario))?;
    }
    let (case, profit, _) = book.cases[order[0]];
    if profit < 0.0 {
        write_positions(findings, book, case, out)?;
    }
    if book.groups.len() > 1 {
        writeln!(out, "\n  each group at its own worst:")?;
        for &group in &book.groups {
            let worst = findings.cases.iter().min_by(|a, b| a.profit[group].total_cmp(&b.profit[group]));
            if let Some(worst) = worst {
                let name = findings.holdings.groups[group].join(", ");
                writeln!(out, "  {:>16}  {name}: {}", amount(worst.profit[group]), moves(&worst.scenario))?;
            }
        }
    }
    writeln!(out)
}

/// The positions that lose most in a case.
fn write_positions(findings: &Findings, book: &Book<'_>, case: &Case, out: &mut String) -> std::fmt::Result {
    let holdings = &findings.holdings;
    let profits = findings.row_profits(&case.scenario);
    let mut rows: Vec<usize> = (0..profits.len())
        .filter(|&row| profits[row] < 0.0 && book.groups.contains(&(holdings.group[row] as usize)))
        .collect();
    rows.sort_by(|&a, &b| profits[a].total_cmp(&profits[b]));
    writeln!(out, "\n  where the worst of them comes from:")?;
    for &row in rows.iter().take(POSITIONS) {
        let table = &holdings.table;
        writeln!(
            out,
            "  {:>16}  row {}: {} x {} {} {}, {:.3} years",
            amount(profits[row]),
            row + 1,
            holdings.quantity[row],
            table.exercise[row].as_str(),
            table.option_type[row].as_str(),
            table.strike[row],
            table.expiry_years[row],
        )?;
    }
    Ok(())
}

fn write_stresses(book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let mut stresses = book.cases.iter().filter_map(|case| Some((case.0.stress?, case))).peekable();
    if stresses.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "Stresses:")?;
    for (stress, (case, profit, by_greeks)) in stresses {
        let mark = if book.fails(*profit, *by_greeks) { "*" } else { " " };
        let lost = lost(book, case);
        writeln!(out, "  {:>16}{mark} {:<20} {}{lost}", amount(*profit), stress.name, stress.description)?;
    }
    writeln!(out)
}

/// Where the Greeks say something else, the greatest error first.
fn write_failures(book: &Book<'_>, out: &mut String) -> std::fmt::Result {
    let mut failing: Vec<_> =
        book.cases.iter().filter(|(_, profit, by_greeks)| book.fails(*profit, *by_greeks)).collect();
    let all = book.cases.len();
    if failing.is_empty() {
        return writeln!(
            out,
            "The Greeks hold in all {all} scenarios: within a tenth of the profit, or a hundredth of the largest one.\n"
        );
    }
    failing.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()));
    writeln!(
        out,
        "The Greeks (to the second order) fail in {} of {all} scenarios, marked *; most of all:",
        failing.len()
    )?;
    for (case, profit, by_greeks) in failing.iter().take(POSITIONS) {
        writeln!(
            out,
            "  {:>16}  by the Greeks {:>16}  {}",
            amount(*profit),
            amount(*by_greeks),
            moves(&case.scenario)
        )?;
    }
    writeln!(out)
}

/// `!` where rows have no value in the case, `*` where the Greeks fail.
fn mark(book: &Book<'_>, case: &Case, profit: f64, by_greeks: f64) -> &'static str {
    match (book.lost(case) > 0, book.fails(profit, by_greeks)) {
        (true, _) => "!",
        (false, true) => "*",
        (false, false) => " ",
    }
}

/// What is missing in a case.
fn lost(book: &Book<'_>, case: &Case) -> String {
    match book.lost(case) {
        0 => String::new(),
        rows => format!("  [without {rows} rows: {}]", case.outcome.fault),
    }
}

/// A scenario in words.
pub fn moves(scenario: &Scenario) -> String {
    let spot = format!("spot {}", percent(scenario.spot_change));
    format!("{spot}, volatility {}{}", points(scenario.volatility_shift), when(scenario.rate_shift, scenario.days))
}

fn when(rate: f64, days: f64) -> String {
    let rate = if rate == 0.0 { String::new() } else { format!(", rates {:+} bp", rounded(rate * 1e4)) };
    let days = match rounded(days) {
        0.0 => String::new(),
        1.0 => ", after 1 day".into(),
        days => format!(", after {days} days"),
    };
    rate + &days
}

fn percent(change: f64) -> String {
    format!("{:+} %", rounded(change * 100.0))
}

fn points(shift: f64) -> String {
    format!("{:+} pt", rounded(shift * 100.0))
}

/// To what a reader wants to see of it.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4 + 0.0
}

/// An amount with thousands apart, to the unit, or to the cent where it is small.
fn amount(x: f64) -> String {
    if !x.is_finite() {
        return "none".into();
    }
    let decimals = if x.abs() < 1000.0 { 2 } else { 0 };
    let digits = format!("{:.decimals$}", x.abs());
    let (whole, cents) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let is_zero = digits.chars().all(|c| matches!(c, '0' | '.'));
    format!("{}{grouped}{cents}", if x < 0.0 && !is_zero { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_at_a_glance() {
        for (x, wanted) in [
            (0.0, "0.00"),
            (-0.001, "0.00"),
            (12.345, "12.35"),
            (-1234.5, "-1,234"),
            (1e6, "1,000,000"),
            (f64::NAN, "none"),
        ] {
            assert_eq!(amount(x), wanted, "{x}");
        }
    }

    #[test]
    fn moves_say_what_moves() {
        let scenario = Scenario { spot_change: -0.1, volatility_shift: 0.05, rate_shift: 0.0025, days: 7.0 };
        assert_eq!(moves(&scenario), "spot -10 %, volatility +5 pt, rates +25 bp, after 7 days");
        assert_eq!(moves(&Scenario::NONE), "spot +0 %, volatility +0 pt");
    }
}
