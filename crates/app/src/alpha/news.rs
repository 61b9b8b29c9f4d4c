//! News: CSV or JSON lines with time, instrument and headline.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::failure::shown;

const COLUMNS: [&str; 3] = ["time", "instrument", "headline"];
/// Faults that are told one by one.
const FAULTS_SHOWN: usize = 5;

/// A headline.
#[derive(Debug)]
pub struct Headline {
    /// When it was published, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Of whom it speaks.
    pub instrument: String,
    /// What it says.
    pub text: String,
}

/// What a file has.
#[derive(Debug, Default)]
pub struct News {
    /// Rows that could be read, in the file's order.
    pub headlines: Vec<Headline>,
    /// Rows that could not.
    pub unread: usize,
    /// The first of them, in words.
    pub faults: Vec<String>,
}

/// Reads news; `-` is standard input. Rows whose cells are missing or make no sense are counted and left out.
///
/// # Errors
///
/// A file that cannot be read or is no text, a CSV header without the three columns, not one row that can be read, and times that step back.
pub fn read(path: &Path) -> anyhow::Result<News> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let got = match path == Path::new("-") {
        true => io::stdin().read_to_end(&mut bytes).map(|_| ()),
        false => fs::read(path).map(|read| bytes = read),
    };
    got.with_context(|| name.clone())?;
    let news = parse(&bytes).with_context(|| name.clone())?;
    if news.headlines.is_empty() && news.unread == 0 {
        bail!("{name}: has columns and not one headline");
    }
    if news.headlines.is_empty() {
        bail!("{name}: not one headline that can be read: {}", news.faults.join("; "));
    }
    Ok(news)
}

fn parse(bytes: &[u8]) -> anyhow::Result<News> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).context("is no text in UTF-8")?;
    if text.trim_start().is_empty() {
        bail!("is empty: news are needed, JSON lines or CSV with time, instrument, headline");
    }
    let mut news = News::default();
    let mut last: Option<(usize, i64)> = None;
    let mut take = |row: usize, cells: Result<[String; 3], String>| -> anyhow::Result<()> {
        match cells.and_then(|[time, instrument, text]| headline(&time, instrument, text)) {
            Ok(headline) => {
                if let Some((above, above_ns)) = last.filter(|(_, above_ns)| headline.time_ns < *above_ns) {
                    let time_ns = headline.time_ns;
                    bail!(
                        "row {row}, time {time_ns} ns: before row {above} ({above_ns} ns); allowed: times that do not step back"
                    );
                }
                last = Some((row, headline.time_ns));
                news.headlines.push(headline);
            }
            Err(fault) => {
                news.unread += 1;
                if news.faults.len() < FAULTS_SHOWN {
                    news.faults.push(format!("row {row}: {fault}"));
                }
            }
        }
        Ok(())
    };
    if text.trim_start().starts_with('{') {
        for (row, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            take(row, of_json(line))?;
        }
    } else {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers()?.clone();
        let place = |name: &str| header.iter().position(|found| found == name);
        let (Some(time), Some(instrument), Some(headline)) = (place(COLUMNS[0]), place(COLUMNS[1]), place(COLUMNS[2]))
        else {
            let found: Vec<&str> = header.iter().collect();
            bail!("needed: the columns {}; found [{}]", COLUMNS.join(", "), shown(&found.join(", ")));
        };
        for (row, record) in (1..).zip(reader.records()) {
            let record = record?;
            let cell =
                |at: usize, name: &str| record.get(at).map(str::to_owned).ok_or_else(|| format!("has no {name}"));
            let cells = || Ok([cell(time, COLUMNS[0])?, cell(instrument, COLUMNS[1])?, cell(headline, COLUMNS[2])?]);
            take(row, cells())?;
        }
    }
    Ok(news)
}

fn of_json(line: &str) -> Result<[String; 3], String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("is no JSON: {error}"))?;
    let cell = |name: &str| match value.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other) => Err(format!("{name} = {}; allowed: text", shown(&other.to_string()))),
        None => Err(format!("has no {name}")),
    };
    Ok([cell(COLUMNS[0])?, cell(COLUMNS[1])?, cell(COLUMNS[2])?])
}

/// Whole numbers from here on are nanoseconds, of 1973: smaller ones are of seconds, milliseconds or microseconds.
const LEAST_NS: i64 = 100_000_000_000_000_000;
const NOT_NANOSECONDS: &str =
    "nanoseconds since the Unix epoch from 1973 on (a smaller number is most likely of s, ms or us)";

fn headline(time: &str, instrument: String, text: String) -> Result<Headline, String> {
    let time_ns = match time.parse::<i64>() {
        Ok(time_ns) if time_ns >= LEAST_NS => time_ns,
        Ok(_) => {
            return Err(format!(
                "time = \"{}\"; allowed: {NOT_NANOSECONDS}, or a date-time with its offset",
                shown(time)
            ));
        }
        Err(_) => {
            let instant: jiff::Timestamp = time.parse().map_err(|_| {
                format!(
                    "time = \"{}\"; allowed: nanoseconds since the Unix epoch, or a date-time with its offset",
                    shown(time)
                )
            })?;
            i64::try_from(instant.as_nanosecond()).map_err(|_| format!("time = \"{}\" is too far off", shown(time)))?
        }
    };
    if instrument.trim().is_empty() {
        return Err("instrument is empty".into());
    }
    Ok(Headline { time_ns, instrument: instrument.trim().to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_another_unit_are_refused() {
        for time in ["1700000100", "1700000100000", "1700000100000000", "0", "-5"] {
            let told = headline(time, "ACME".into(), "Profit".into()).unwrap_err();
            assert!(told.contains(time) && told.contains("most likely of s, ms or us"), "{told}");
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let csv = parse(
            b"time,instrument,headline\n2024-03-01T14:30:00Z,ACME,\"Profit, at last\"\n1709303400000000001,ACME,x\n",
        )
        .unwrap();
        let lines = "{\"time\":\"2024-03-01T14:30:00Z\",\"instrument\":\"ACME\",\"headline\":\"Profit, at last\"}\n\n{\"time\":1709303400000000001,\"instrument\":\"ACME\",\"headline\":\"x\"}\n";
        let json = parse(lines.as_bytes()).unwrap();
        for news in [csv, json] {
            let read: Vec<_> =
                news.headlines.iter().map(|it| (it.time_ns, it.instrument.as_str(), it.text.as_str())).collect();
            assert_eq!(
                read,
                [(1_709_303_400_000_000_000, "ACME", "Profit, at last"), (1_709_303_400_000_000_001, "ACME", "x")]
            );
        }
    }

    #[test]
    fn bad_rows_are_counted_and_bad_files_refused() {
        let news = parse(b"time,instrument,headline\n1700000000000000001,A,x\nsoon,A,y\n1700000000000000002,,z\n3\n1700000000000000004,B,w\n").unwrap();
        assert_eq!((news.headlines.len(), news.unread), (2, 3));
        assert!(news.faults[0].starts_with("row 2: time = \"soon\""), "{:?}", news.faults);
        let refused = |bytes: &[u8]| format!("{:#}", parse(bytes).unwrap_err());
        assert!(refused(b"when,who\n1,A\n").contains("found [when, who]"));
        assert!(
            refused(b"time,instrument,headline\n1700000000000000002,A,x\n1700000000000000001,A,y\n")
                .contains("row 2, time 1700000000000000001 ns: before row 1")
        );
        assert!(refused(b" \n").contains("is empty"));
        assert!(refused(b"\xff\xfe\x00").contains("UTF-8"));
    }
}
