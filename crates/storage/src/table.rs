//! The tables that are kept, the same in every back end: names, columns with their units, and what a row is told from another by.
//!
//! Every table has `time` (nanoseconds since the Unix epoch, UTC, when it happened) and `instrument`. A partition is the UTC day of `time`.

use std::{fmt, str::FromStr, sync::Arc};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Column of the time that partitions, retention and buckets go by.
pub const TIME: &str = "time";
/// Column of what the row is about: a symbol as its source names it.
pub const INSTRUMENT: &str = "instrument";

/// A table that storage knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Every event of a feed: orders, executions, levels, trades, quotes, status.
    Ticks,
    /// Best bid and best ask of an instrument, stock or option.
    Quotes,
    /// Open, high, low, close, volume of an interval.
    Bars,
    /// Implied volatility and Greeks of an option.
    Greeks,
    /// A fitted surface, whole, as JSON of `zomma surface fit`.
    Surfaces,
}

/// A column's type, as far as tables need types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nanoseconds since the Unix epoch, UTC.
    Time,
    /// Signed whole number of 64 bits.
    Integer,
    /// Float of 64 bits.
    Float,
    /// UTF-8 text.
    Text,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Column {
    /// Name, unit last.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Whether a row may go without it.
    pub nullable: bool,
}

const fn needed(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: false }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: true }
}

/// `kind` is a body of `market::event` in snake case; prices are in the instrument's currency, sizes in its units, not in ticks and lots.
/// `new_order_id` (of `modify`) and `trading_status` (of `status`) are there so that a book can be built from the table again.
/// `ordinal` counts the events of one sequence number from 0: a packet may tell one trade twice over.
const TICKS: &[Column] = &[
    needed(TIME, Kind::Time),
    needed(INSTRUMENT, Kind::Text),
    needed("sequence", Kind::Integer),
    needed("receive_time", Kind::Time),
    needed("kind", Kind::Text),
    optional("side", Kind::Text),
    optional("price", Kind::Float),
    optional("size", Kind::Float),
    optional("order_id", Kind::Integer),
    needed("flags", Kind::Integer),
    optional("new_order_id", Kind::Integer),
    optional("trading_status", Kind::Text),
    optional("ordinal", Kind::Integer),
];

const QUOTES: &[Column] = &[
    needed(TIME, Kind::Time),
    needed(INSTRUMENT, Kind::Text),
    optional("underlying", Kind::Text),
    optional("expiry", Kind::Time),
    optional("strike", Kind::Float),
    optional("option_type", Kind::Text),
    optional("bid", Kind::Float),
    optional("bid_size", Kind::Float),
    optional("ask", Kind::Float),
    optional("ask_size", Kind::Float),
    optional("open_interest", Kind::Float),
    optional("volume", Kind::Float),
];

/// `time` is the interval's begin. `interval_ns` belongs to the key, so that bars of several lengths live together.
const BARS: &[Column] = &[
    needed(TIME, Kind::Time),
    needed(INSTRUMENT, Kind::Text),
    needed("interval_ns", Kind::Integer),
    needed("open", Kind::Float),
    needed("high", Kind::Float),
    needed("low", Kind::Float),
    needed("close", Kind::Float),
    optional("volume", Kind::Float),
    optional("vwap", Kind::Float),
    needed("trades", Kind::Integer),
];

/// Greeks in raw units; the names of the batch commands.
const GREEKS: &[Column] = &[
    needed(TIME, Kind::Time),
    needed(INSTRUMENT, Kind::Text),
    optional("underlying", Kind::Text),
    optional("expiry", Kind::Time),
    needed("strike", Kind::Float),
    needed("option_type", Kind::Text),
    optional("expiry_years", Kind::Float),
    optional("forward", Kind::Float),
    optional("implied_volatility", Kind::Float),
    optional("delta", Kind::Float),
    optional("gamma", Kind::Float),
    optional("vega", Kind::Float),
    optional("theta", Kind::Float),
    optional("rho", Kind::Float),
    needed("status", Kind::Text),
];

const SURFACES: &[Column] = &[
    needed(TIME, Kind::Time),
    needed(INSTRUMENT, Kind::Text),
    needed("model", Kind::Text),
    needed("surface", Kind::Text),
];

impl Table {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ticks, Self::Quotes, Self::Bars, Self::Greeks, Self::Surfaces];

    /// Name in SQL, in paths and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ticks => "ticks",
            Self::Quotes => "quotes",
            Self::Bars => "bars",
            Self::Greeks => "greeks",
            Self::Surfaces => "surfaces",
        }
    }

    /// Its columns in order.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Ticks => TICKS,
            Self::Quotes => QUOTES,
            Self::Bars => BARS,
            Self::Greeks => GREEKS,
            Self::Surfaces => SURFACES,
        }
    }

    /// The columns that tell one row from another: a second row of the same key replaces the first when files are compacted and where
    /// PostgreSQL holds the table. Two absent values are the same one. One message of a feed of levels tells several prices: theirs differ by `price`.
    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Ticks => &[INSTRUMENT, TIME, "sequence", "ordinal", "kind", "side", "order_id", "price"],
            Self::Quotes => &[INSTRUMENT, TIME],
            Self::Bars => &[INSTRUMENT, "interval_ns", TIME],
            Self::Greeks => &[INSTRUMENT, TIME],
            Self::Surfaces => &[INSTRUMENT, "model", TIME],
        }
    }

    /// The columns as Arrow has them.
    pub fn schema(self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns()
            .iter()
            .map(|column| Field::new(column.name, column.kind.data_type(), column.nullable))
            .collect();
        Arc::new(Schema::new(fields))
    }
}

impl Kind {
    /// The type in Arrow.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl serde::Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Table {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|table| table.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|table| table.name()).collect();
            format!("{name:?} is no table: allowed are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_a_key_is_of_the_table() {
        for table in Table::ALL {
            assert_eq!(table.name().parse(), Ok(table));
            for key in table.key() {
                assert!(table.columns().iter().any(|column| column.name == *key), "{table} has no column {key}");
            }
            assert_eq!(table.columns()[0].name, TIME);
        }
        assert!("trades".parse::<Table>().unwrap_err().contains("ticks, quotes, bars, greeks, surfaces"));
    }
}
