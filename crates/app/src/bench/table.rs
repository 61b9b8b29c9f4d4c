//! A report as a table for people.

use super::compare::{Change, Comparison};
use super::{Line, Report, Speed};

/// The whole report: where it ran, one table a section, what is to be said of lines.
pub fn render(report: &Report) -> String {
    let mut text = heading(report);
    let mut notes: Vec<String> = Vec::new();
    let mut rows = vec![HEADER.map(str::to_owned)];
    let mut section = None;
    for line in &report.lines {
        if section != Some(line.section) {
            section = Some(line.section);
            let name = line.section.as_str();
            rows.push(std::array::from_fn(|column| if column == 0 { name.to_owned() } else { String::new() }));
        }
        let marks: Vec<String> = line.notes.iter().map(|note| footnote(&mut notes, note)).collect();
        rows.push(row(line, &marks.concat()));
    }
    text.push_str(&aligned(&rows));
    for (place, note) in notes.iter().enumerate() {
        text.push_str(&format!("[{}] {note}\n", place + 1));
    }
    text
}

/// Columns of the table.
const HEADER: [&str; 8] = ["", "size", "one core", "all cores", "device", "ratio", "first call", "check"];

fn heading(report: &Report) -> String {
    let machine = &report.machine;
    let cores = if machine.cores == 1 { "1 core".into() } else { format!("{} cores", machine.cores) };
    let mut text = format!("{}, {cores}", machine.cpu);
    if machine.threads != machine.cores {
        text.push_str(&format!(" ({} threads)", machine.threads));
    }
    if let Some(bytes) = machine.memory_bytes {
        text.push_str(&format!(", {:.0} GB", bytes as f64 / 1e9));
    }
    match &report.device {
        Some(device) => {
            text.push_str(&format!("; {} {}", device.id, device.name));
            if let Some(driver) = &device.driver {
                text.push_str(&format!(", driver {driver}"));
            }
            if device.software {
                text.push_str(" (software: a processor in disguise)");
            }
        }
        None => text.push_str("; no device: the CPU alone"),
    }
    text.push('\n');
    if report.build != "release" {
        text.push_str("This is not a release build: its own loops run with checks, and slower.\n");
    }
    if report.quick {
        text.push_str("--quick: small sizes and few runs; rates are for a look, not for quoting.\n");
    }
    text.push('\n');
    text
}

/// The note's mark, the same for the same words.
fn footnote(notes: &mut Vec<String>, note: &str) -> String {
    let place = notes.iter().position(|known| known == note).unwrap_or_else(|| {
        notes.push(note.to_owned());
        notes.len() - 1
    });
    format!(" [{}]", place + 1)
}

fn row(line: &Line, marks: &str) -> [String; 8] {
    let rate = |speed: &Option<Speed>| speed.as_ref().map_or("-".into(), |speed| rate_and_spread(speed, &line.unit));
    let first = [&line.device, &line.all_cores, &line.one_core].into_iter().flatten().next();
    [
        format!("  {}", line.task),
        line.size.clone(),
        rate(&line.one_core),
        rate(&line.all_cores),
        rate(&line.device),
        line.ratio().map_or("-".into(), |ratio| format!("{}x", three_digits(ratio))),
        first.map_or("-".into(), |speed| seconds(speed.first_seconds)),
        match line.agrees {
            Some(true) => format!("yes{marks}"),
            Some(false) => format!("NO{marks}"),
            None => format!("-{marks}"),
        },
    ]
}

/// `41.2 GFLOP/s ±3%`: the median, and half the interquartile range.
fn rate_and_spread(speed: &Speed, unit: &str) -> String {
    format!("{} {unit} ±{:.0}%", three_digits(speed.rate), (50.0 * speed.spread()).ceil())
}

/// Three significant digits, without an exponent.
fn three_digits(value: f64) -> String {
    let digits = if value > 0.0 { 2 - value.log10().floor() as i32 } else { 0 };
    let shown = format!("{value:.*}", digits.clamp(0, 6) as usize);
    // 99.96 has one digit left after its rounding to 100.0.
    if shown.contains('.') && shown.chars().filter(char::is_ascii_digit).count() > 3 && value >= 1.0 {
        return format!("{value:.*}", (digits - 1).clamp(0, 6) as usize);
    }
    shown
}

fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{} s", three_digits(v)),
        v if v >= 1e-3 => format!("{} ms", three_digits(1e3 * v)),
        v => format!("{} us", three_digits(1e6 * v)),
    }
}

/// What changed since an earlier report.
pub fn render_comparison(comparison: &Comparison) -> String {
    let mut text = format!("\nAgainst {} of {}:\n\n", comparison.file, comparison.date);
    if let Some(difference) = &comparison.other_machine {
        text.push_str(&format!("Another machine: {difference}. The ratios compare machines, not programs.\n\n"));
    }
    let header = ["", "size", "one core", "all cores", "device"].map(str::to_owned);
    let mut rows = vec![header];
    for line in &comparison.lines {
        let cell = |change: &Option<Change>| change.as_ref().map_or("-".into(), Change::words);
        let task = format!("{} {}", line.section.as_str(), line.task);
        rows.push([task, line.size.clone(), cell(&line.one_core), cell(&line.all_cores), cell(&line.device)]);
    }
    text.push_str(&aligned(&rows));
    let (faster, slower) = comparison.counts();
    text.push_str(&format!("{faster} faster, {slower} slower beyond the noise\n"));
    if comparison.unmatched > 0 {
        text.push_str(&format!("{} lines are in one of the two only\n", comparison.unmatched));
    }
    text
}

/// Columns as wide as their widest cell: the first two to the left, the rest to the right but for the last.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let padding = " ".repeat(width - cell.chars().count());
            if column < 2 || column == N - 1 { format!("{cell}{padding}") } else { format!("{padding}{cell}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (123.4, "123"),
            (98_765.4, "98765"),
        ] {
            assert_eq!(three_digits(value), shown);
        }
        assert_eq!(seconds(0.37), "370 ms");
        assert_eq!(seconds(1.5), "1.50 s");
        assert_eq!(seconds(0.000_012_3), "12.3 us");
    }

    #[test]
    fn a_note_that_returns_keeps_its_mark() {
        let mut notes = Vec::new();
        assert_eq!(["a", "b", "a"].map(|note| footnote(&mut notes, note)), [" [1]", " [2]", " [1]"]);
        assert_eq!(notes, ["a", "b"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a", "1", "22", "x"], ["long", "2", "3", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "a     1  22  x\nlong  2   3  y\n");
    }
}
