//! `--schema`: which of a file's columns are a table's, and in which units: a file that can be printed, edited and handed back.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use anyhow::Context;
use toml::Value;
use zomma_storage::table::{Column, Kind, Table};

use super::nanoseconds;
use crate::{
    batch::parse_instant,
    failure::{BadArguments, shown},
};

/// Units that whole numbers of time may be of, with their nanoseconds.
const UNITS: [(&str, i64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A column of the file; its whole numbers of time count so many nanoseconds, its numbers are times this.
    Column { name: String, unit_ns: i64, scale: f64 },
    /// The same nanoseconds or whole number in every row.
    Integer(i64),
    /// The same number in every row.
    Float(f64),
    /// The same text in every row.
    Text(String),
}

/// A column of the table, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The table's column.
    pub column: &'static Column,
    /// Where its values come from.
    pub from: Origin,
}

impl Source {
    /// A column under its own name and in its own unit.
    pub fn same(column: &'static Column) -> Self {
        Self { column, from: Origin::Column { name: column.name.to_owned(), unit_ns: 1, scale: 1.0 } }
    }
}

/// What a file's columns are, in the order of the table's.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSchema(pub Vec<Source>);

impl RowSchema {
    /// Reads the file.
    pub fn open(path: &Path, table: Table) -> anyhow::Result<Self> {
        let name = format!("--schema {}", path.display());
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        Self::parse(&text, table).map_err(|problem| BadArguments(format!("{name}: {problem}")).into())
    }

    /// Reads its text; what is wrong with it otherwise.
    pub fn parse(text: &str, table: Table) -> Result<Self, String> {
        let lines: toml::Table = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
        if let Some(unknown) = lines.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(format!("{table} has no column {:?}; allowed: {}", shown(unknown), names.join(", ")));
        }
        let mut sources = Vec::with_capacity(lines.len());
        for column in table.columns() {
            match lines.get(column.name) {
                Some(value) => sources.push(Source { column, from: from(column, value)? }),
                None if column.nullable => {}
                None => return Err(format!("{} is missing, and is needed", column.name)),
            }
        }
        Ok(Self(sources))
    }

    /// What it says, as far as it makes rows: the same of two texts that differ in remarks and order alone.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for Source { column, from } in &self.0 {
            // Writing to a string does not fail.
            let _ = match from {
                Origin::Column { name, unit_ns, scale } => {
                    writeln!(told, "{} column {name:?} {unit_ns} {scale:?}", column.name)
                }
                Origin::Integer(value) => writeln!(told, "{} integer {value}", column.name),
                Origin::Float(value) => writeln!(told, "{} float {value:?}", column.name),
                Origin::Text(value) => writeln!(told, "{} text {value:?}", column.name),
            };
        }
        told
    }
}

fn from(column: &Column, value: &Value) -> Result<Origin, String> {
    let name = column.name;
    let of_column = |theirs: &str, unit_ns: i64, scale: f64| match theirs.is_empty() {
        true => Err(format!("{name} = \"\"; allowed: the name of a column of the file")),
        false => Ok(Origin::Column { name: theirs.to_owned(), unit_ns, scale }),
    };
    let keys = match value {
        Value::String(theirs) => return of_column(theirs, 1, 1.0),
        Value::Table(keys) => keys,
        other => {
            return Err(format!(
                "{name} is {}; allowed: the name of a column of the file, or {{ column = \"…\" }} or {{ value = … }}",
                other.type_str()
            ));
        }
    };
    let allowed: &[&str] = match column.kind {
        Kind::Time => &["column", "unit", "value"],
        Kind::Float => &["column", "scale", "value"],
        Kind::Integer | Kind::Text => &["column", "value"],
    };
    if let Some(unknown) = keys.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(format!("{name}: {:?} is not known there; allowed: {}", shown(unknown), allowed.join(", ")));
    }
    match (keys.get("column"), keys.get("value")) {
        (Some(Value::String(theirs)), None) => {
            let unit_ns = match keys.get("unit") {
                None => 1,
                Some(unit) => {
                    let known = UNITS.iter().find(|(known, _)| unit.as_str() == Some(*known));
                    known.map(|(_, ns)| *ns).ok_or_else(|| format!("{name}: unit = {unit}; allowed: s, ms, us, ns"))?
                }
            };
            let scale = match keys.get("scale") {
                None => Some(1.0),
                Some(Value::Integer(scale)) => Some(*scale as f64),
                Some(scale) => scale.as_float(),
            };
            let scale = scale.filter(|scale| scale.is_finite() && *scale != 0.0);
            of_column(theirs, unit_ns, scale.ok_or(format!("{name}: scale; allowed: a finite number other than 0"))?)
        }
        (None, Some(value)) if keys.len() == 1 => constant(column, value),
        _ => Err(format!("{name}; allowed: either column, a text, or value")),
    }
}

fn constant(column: &Column, value: &Value) -> Result<Origin, String> {
    let found = match (column.kind, value) {
        (Kind::Time | Kind::Integer, Value::Integer(number)) => Some(Origin::Integer(*number)),
        (Kind::Time, Value::String(text)) => parse_instant(text).ok().map(nanoseconds).map(Origin::Integer),
        (Kind::Time, Value::Datetime(time)) => {
            parse_instant(&time.to_string()).ok().map(nanoseconds).map(Origin::Integer)
        }
        (Kind::Float, Value::Integer(number)) => Some(Origin::Float(*number as f64)),
        (Kind::Float, Value::Float(number)) => Some(Origin::Float(*number)),
        (Kind::Text, Value::String(text)) => Some(Origin::Text(text.clone())),
        _ => None,
    };
    found.ok_or_else(|| format!("{}: value = {value}; allowed: {}", column.name, kind_text(column.kind)))
}

/// What a column may hold, in words.
pub fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Time => "a time: nanoseconds since the Unix epoch, or a date-time such as 2026-01-02T15:30:00Z",
        Kind::Integer => "a whole number of 64 bits",
        Kind::Float => "a finite number",
        Kind::Text => "text",
    }
}

/// A template for a table, filled in as far as the names of a file's columns tell, each with its type.
pub fn template(table: Table, file: &str, theirs: &[(String, String)]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# Columns of {table} from those of {file}, for `zomma store ingest … --table {table} --schema THIS`."
    );
    let _ = writeln!(text, "# OURS = \"THEIRS\"                                a column of the file");
    let _ = writeln!(
        text,
        "# OURS = {{ column = \"THEIRS\", unit = \"ms\" }}     times as whole numbers of s, ms, us or ns"
    );
    let _ = writeln!(text, "# OURS = {{ column = \"THEIRS\", scale = 0.0001 }}  numbers in another unit, times this");
    let _ = writeln!(text, "# OURS = {{ value = … }}                         the same in every row");
    let _ = writeln!(
        text,
        "# The file has: {}",
        theirs.iter().map(|(name, kind)| format!("{} ({kind})", shown(name))).collect::<Vec<_>>().join(", ")
    );
    let known: BTreeSet<&str> = theirs.iter().map(|(name, _)| name.as_str()).collect();
    for column in table.columns() {
        let about = kind_text(column.kind);
        let _ = match (known.contains(column.name), column.nullable) {
            (true, _) => writeln!(text, "{0} = \"{0}\"  # {about}", column.name),
            (false, true) => writeln!(text, "# {} = \"\"  # {about}; may be left out", column.name),
            (false, false) => writeln!(text, "{} = \"\"  # {about}; needed", column.name),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_units_and_values_are_read() {
        let text = "time = { column = \"ts\", unit = \"ms\" }\ninstrument = { value = \"SPY\" }\nbid = { column = \"px\", scale = 0.0001 }\nask = \"a\"";
        let RowSchema(sources) = RowSchema::parse(text, Table::Quotes).unwrap();
        let of = |name: &str| &sources.iter().find(|source| source.column.name == name).unwrap().from;
        assert_eq!(*of("time"), Origin::Column { name: "ts".into(), unit_ns: 1_000_000, scale: 1.0 });
        assert_eq!(*of("instrument"), Origin::Text("SPY".into()));
        assert_eq!(*of("bid"), Origin::Column { name: "px".into(), unit_ns: 1, scale: 0.0001 });
        assert_eq!(sources.len(), 4);
        let told = RowSchema(sources.clone()).told();
        let remarked = format!("# the same\nask = \"a\"\n{}", text.replace("\nask = \"a\"", ""));
        assert_eq!(RowSchema::parse(&remarked, Table::Quotes).unwrap().told(), told);
        let other = text.replace("0.0001", "0.001");
        assert_ne!(RowSchema::parse(&other, Table::Quotes).unwrap().told(), told);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (text, words) in [
            ("instrument = \"s\"", "time is missing"),
            ("time = \"t\"\ninstrument = \"s\"\ncolour = \"c\"", "no column \"colour\""),
            ("time = \"\"\ninstrument = \"s\"", "time = \"\""),
            ("time = 5\ninstrument = \"s\"", "time is integer"),
            ("time = { column = \"t\", unit = \"min\" }\ninstrument = \"s\"", "allowed: s, ms, us, ns"),
            ("time = \"t\"\ninstrument = { column = \"s\", unit = \"s\" }", "\"unit\" is not known there"),
            ("time = \"t\"\ninstrument = \"s\"\nbid = { column = \"b\", scale = 0 }", "other than 0"),
            ("time = \"t\"\ninstrument = { value = 5 }", "value = 5; allowed: text"),
            ("time = \"t\"\ninstrument = { column = \"s\", value = \"x\" }", "either column"),
            ("time = ", "time"),
        ] {
            let error = RowSchema::parse(text, Table::Quotes).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_template_names_what_is_needed_and_reads_back_once_it_is_filled_in() {
        let theirs = [("time".to_owned(), "Int64".to_owned()), ("symbol".to_owned(), "Utf8".to_owned())];
        let text = template(Table::Quotes, "day.arrow", &theirs);
        assert!(text.contains("time (Int64), symbol (Utf8)") && text.contains("time = \"time\""), "{text}");
        assert!(RowSchema::parse(&text, Table::Quotes).unwrap_err().contains("instrument = \"\""));
        let filled = text.replace("instrument = \"\"", "instrument = \"symbol\"");
        assert_eq!(RowSchema::parse(&filled, Table::Quotes).unwrap().0.len(), 2);
    }
}
