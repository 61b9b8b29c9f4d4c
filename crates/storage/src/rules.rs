//! What is kept for how long, and what is made of it: one file of rules for both back ends.
//!
//! ```toml
//! [retention]                 # a partition goes when its whole day is older than this; tables that are not named stay for ever
//! ticks = "30d"
//! quotes = "52w"
//!
//! [[aggregate]]               # bars of ticks' trades
//! from = "ticks"
//! to = "bars"
//! interval = "1m"
//!
//! [[aggregate]]               # longer bars of shorter ones
//! from = "bars"
//! from_interval = "1m"
//! to = "bars"
//! interval = "1h"
//! lag = "5s"                  # an interval counts as over this long after its end
//!
//! [[thin]]                    # of each instrument and interval, the last quote alone stays
//! table = "quotes"
//! interval = "1m"
//! after = "7d"                # where the whole day is older than this
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    error::{Result, StorageError},
    table::Table,
};

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// For how long a table's rows are kept, in nanoseconds: whole days. A table that is not here stays for ever.
    pub retention_ns: BTreeMap<Table, i64>,
    /// What is aggregated, in this order: what reads another one's result comes after it.
    pub aggregates: Vec<Aggregate>,
    /// What is thinned.
    pub thin: Vec<Thin>,
}

/// Bars of something finer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// [`Table::Ticks`] or [`Table::Bars`].
    pub from: Table,
    /// Of bars, those of this interval.
    pub from_interval_ns: Option<i64>,
    /// [`Table::Bars`].
    pub to: Table,
    /// Length of an interval; a day is a whole number of them.
    pub interval_ns: i64,
    /// How long after its end an interval counts as over.
    pub lag_ns: i64,
}

/// Fewer rows of what is old: of each instrument and interval, the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thin {
    /// [`Table::Quotes`] or [`Table::Greeks`]: those that are told from each other by instrument and time alone.
    pub table: Table,
    /// Length of an interval; a day is a whole number of them.
    pub interval_ns: i64,
    /// How old a whole day must be; whole days.
    pub after_ns: i64,
}

impl Aggregate {
    /// Its name, which says what it does and which no other rule of the file has: `ticks-bars-1m`, `bars-1m-bars-1h`.
    pub fn name(&self) -> String {
        let of = self.from_interval_ns.map(|interval| format!("-{}", duration_text(interval))).unwrap_or_default();
        format!("{}{of}-{}-{}", self.from, self.to, duration_text(self.interval_ns))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    retention: BTreeMap<String, String>,
    #[serde(default)]
    aggregate: Vec<AggregateText>,
    #[serde(default)]
    thin: Vec<ThinText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AggregateText {
    from: String,
    from_interval: Option<String>,
    to: String,
    interval: String,
    lag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThinText {
    table: String,
    interval: String,
    after: String,
}

impl Rules {
    /// Reads rules; `name` is the file's, for messages.
    ///
    /// # Errors
    ///
    /// Where it is no TOML, a key is not known, a table cannot be used so, or a duration makes no sense: with the key, the value and what is allowed.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let wrong = |problem: String| StorageError::Rules { name: name.to_owned(), problem };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        Self::of(&file).map_err(wrong)
    }

    fn of(file: &File) -> Result<Self, String> {
        let mut rules = Self::default();
        for (table, keep) in &file.retention {
            let key = format!("[retention] {table}");
            let table = table.parse().map_err(|problem| format!("[retention]: {problem}"))?;
            rules.retention_ns.insert(table, whole_days(&key, keep)?);
        }
        for (index, text) in file.aggregate.iter().enumerate() {
            let aggregate = aggregate(&format!("[[aggregate]] {}", index + 1), text)?;
            if rules.aggregates.iter().any(|other| other.name() == aggregate.name()) {
                return Err(format!("[[aggregate]] {}: {} is there already", index + 1, aggregate.name()));
            }
            rules.aggregates.push(aggregate);
        }
        for (index, reader) in rules.aggregates.iter().enumerate() {
            let makes_it = |maker: &Aggregate| reader.from_interval_ns == Some(maker.interval_ns);
            let late = rules.aggregates[index..].iter().find(|maker| makes_it(maker));
            if let Some(maker) = late {
                return Err(format!(
                    "[[aggregate]] {} must come after {}, which it reads",
                    reader.name(),
                    maker.name()
                ));
            }
        }
        for (index, text) in file.thin.iter().enumerate() {
            let thin = thin(&format!("[[thin]] {}", index + 1), text)?;
            if rules.thin.iter().any(|other| other.table == thin.table) {
                return Err(format!("[[thin]] {}: a rule for {} is there already", index + 1, thin.table));
            }
            rules.thin.push(thin);
        }
        Ok(rules)
    }
}

fn aggregate(key: &str, text: &AggregateText) -> Result<Aggregate, String> {
    let table = |field: &str, name: &str| name.parse::<Table>().map_err(|problem| format!("{key}: {field}: {problem}"));
    let (from, to) = (table("from", &text.from)?, table("to", &text.to)?);
    if !matches!(from, Table::Ticks | Table::Bars) {
        return Err(format!("{key}: from = {:?}; allowed: ticks, bars", text.from));
    }
    if to != Table::Bars {
        return Err(format!("{key}: to = {:?}; allowed: bars", text.to));
    }
    let interval_ns = interval(&format!("{key}: interval"), &text.interval)?;
    let from_interval_ns = match (&text.from_interval, from) {
        (None, Table::Ticks) => None,
        (Some(text), Table::Bars) => Some(interval(&format!("{key}: from_interval"), text)?),
        (None, _) => return Err(format!("{key}: from_interval is missing; needed where from is bars, such as \"1m\"")),
        (Some(_), _) => return Err(format!("{key}: from_interval; allowed only where from is bars")),
    };
    if let Some(of) = from_interval_ns.filter(|of| interval_ns % of != 0 || interval_ns == *of) {
        let (interval, of) = (&text.interval, duration_text(of));
        return Err(format!("{key}: interval = {interval:?}; allowed: two or more whole intervals of {of}"));
    }
    let lag_ns = text.lag.as_deref().map(|lag| duration(&format!("{key}: lag"), lag)).transpose()?.unwrap_or(0);
    Ok(Aggregate { from, from_interval_ns, to, interval_ns, lag_ns })
}

fn thin(key: &str, text: &ThinText) -> Result<Thin, String> {
    let table: Table = text.table.parse().map_err(|problem| format!("{key}: table: {problem}"))?;
    if !matches!(table, Table::Quotes | Table::Greeks) {
        return Err(format!("{key}: table = {:?}; allowed: quotes, greeks", text.table));
    }
    let interval_ns = interval(&format!("{key}: interval"), &text.interval)?;
    Ok(Thin { table, interval_ns, after_ns: whole_days(&format!("{key}: after"), &text.after)? })
}

/// Units, the longest first, with their nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("w", 7 * DAY_NS),
    ("d", DAY_NS),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A whole number and a unit, in nanoseconds.
fn duration(key: &str, text: &str) -> Result<i64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = UNITS.iter().find(|(unit, _)| *unit == &text[digits..]);
    let number: Option<i64> = text[..digits].parse().ok();
    let ns = number.zip(unit).and_then(|(number, (_, ns))| number.checked_mul(*ns));
    ns.ok_or_else(|| {
        format!("{key} = {text:?}; allowed: a whole number and a unit (w, d, h, m, s, ms, us, ns), such as \"1m\"")
    })
}

fn interval(key: &str, text: &str) -> Result<i64, String> {
    let ns = duration(key, text)?;
    let is_good = ns > 0 && DAY_NS % ns == 0;
    is_good
        .then_some(ns)
        .ok_or_else(|| format!("{key} = {text:?}; allowed: what a day is a whole number of, such as \"1m\" or \"1d\""))
}

fn whole_days(key: &str, text: &str) -> Result<i64, String> {
    let ns = duration(key, text)?;
    let is_good = ns >= DAY_NS && ns % DAY_NS == 0;
    is_good
        .then_some(ns)
        .ok_or_else(|| format!("{key} = {text:?}; allowed: one or more whole days, such as \"30d\" or \"52w\""))
}

/// A duration in the longest unit that it is a whole number of.
pub fn duration_text(ns: i64) -> String {
    let unit = UNITS.iter().find(|(unit, length)| *unit != "w" && ns % length == 0);
    unit.map_or_else(|| format!("{ns}ns"), |(unit, length)| format!("{}{unit}", ns / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [retention]
        ticks = "30d"
        quotes = "2w"
        [[aggregate]]
        from = "ticks"
        to = "bars"
        interval = "1m"
        [[aggregate]]
        from = "bars"
        from_interval = "1m"
        to = "bars"
        interval = "1h"
        lag = "5s"
        [[thin]]
        table = "quotes"
        interval = "30s"
        after = "7d"
    "#;

    #[test]
    fn rules_are_read() {
        let rules = Rules::parse("rules.toml", GOOD).unwrap();
        assert_eq!(rules.retention_ns, [(Table::Ticks, 30 * DAY_NS), (Table::Quotes, 14 * DAY_NS)].into());
        let names: Vec<_> = rules.aggregates.iter().map(Aggregate::name).collect();
        assert_eq!(names, ["ticks-bars-1m", "bars-1m-bars-1h"]);
        assert_eq!(rules.aggregates[1].lag_ns, 5_000_000_000);
        assert_eq!(rules.thin, [Thin { table: Table::Quotes, interval_ns: 30_000_000_000, after_ns: 7 * DAY_NS }]);
        assert_eq!(Rules::parse("empty.toml", "").unwrap(), Rules::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let refused = |from: &str, to: &str, words: &[&str]| {
            assert!(GOOD.contains(from), "{from}");
            let error = Rules::parse("rules.toml", &GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            for word in [&["rules.toml"], words].concat() {
                assert!(error.contains(word), "{error}: {word}");
            }
        };
        refused("lag =", "lagg =", &["lagg", "lag"]);
        refused("[retention]", "[retain]", &["retain", "retention"]);
        refused("ticks = \"30d\"", "trades = \"30d\"", &["trades", "ticks, quotes, bars"]);
        refused("\"30d\"", "\"36h\"", &["ticks", "36h", "whole days"]);
        refused("\"30d\"", "\"30\"", &["30", "w, d, h"]);
        refused("\"30d\"", "\"99999999999999999999d\"", &["a whole number and a unit"]);
        refused("interval = \"1m\"", "interval = \"7m\"", &["7m", "a day is a whole number"]);
        refused("interval = \"1m\"", "interval = \"0s\"", &["0s"]);
        refused("from = \"ticks\"", "from = \"quotes\"", &["quotes", "ticks, bars"]);
        refused("to = \"bars\"", "to = \"ticks\"", &["allowed: bars"]);
        refused("from_interval = \"1m\"", "from_interval = \"1h\"", &["two or more"]);
        refused("from_interval = \"1m\"", "", &["from_interval is missing"]);
        refused("table = \"quotes\"", "table = \"ticks\"", &["allowed: quotes, greeks"]);
        let swapped = "[[aggregate]]\nfrom='bars'\nfrom_interval='1m'\nto='bars'\ninterval='1h'\n[[aggregate]]\nfrom='ticks'\nto='bars'\ninterval='1m'";
        let error = Rules::parse("r", swapped).unwrap_err().to_string();
        assert!(error.contains("must come after ticks-bars-1m"), "{error}");
    }

    #[test]
    fn a_duration_reads_back() {
        for text in ["1ns", "30s", "1m", "90m", "1d", "30d", "250ms"] {
            assert_eq!(duration_text(duration("", text).unwrap()), text);
        }
    }
}
