//! How tables lie in the database: their statements, and the partitions of days.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, query_scalar, raw_sql};

use super::{connect::Database, timescale};
use crate::{
    error::Result,
    table::{Column, Kind, Table},
};

/// The schema that everything is in.
pub(super) const SCHEMA: &str = "zomma";
/// Nanoseconds of a day, the length of a partition.
pub(super) const DAY_NS: i64 = 86_400_000_000_000;
/// Partitions made in one transaction: each holds locks of the server until its end, whose number is limited.
const DAYS_AT_ONCE: usize = 64;

/// Locks of the database that this program takes for what must not be done twice at once: "zomma" in ASCII, then a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lock {
    Migrate = 1,
    Partitions = 2,
    Aggregate = 3,
}

impl Lock {
    /// Waits for it; it is held to the end of the transaction.
    pub(super) async fn take(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let key = 0x7a_6f_6d_6d_61_00_00 + self as i64;
        query("SELECT pg_advisory_xact_lock($1)").bind(key).execute(connection).await.map(drop)
    }
}

/// What cuts tables into days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// PostgreSQL's own partitions, made by whoever writes first.
    Partitions,
    /// TimescaleDB's chunks.
    Hypertables,
}

impl Layout {
    /// As the database's settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Hypertables => "hypertables",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Partitions, Self::Hypertables].into_iter().find(|layout| layout.name() == name)
    }

    /// As the database says; `None` where it has not been migrated.
    pub(super) async fn read(connection: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        let is_there: bool =
            query_scalar("SELECT to_regclass('zomma.settings') IS NOT NULL").fetch_one(&mut *connection).await?;
        if !is_there {
            return Ok(None);
        }
        let name: Option<String> =
            query_scalar("SELECT value FROM zomma.settings WHERE key = 'layout'").fetch_optional(connection).await?;
        Ok(name.and_then(|name| Self::of(&name)))
    }
}

/// An identifier of ours in a statement. Ours have no quotation marks in them.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The same names, quoted, with commas.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A text in a statement that takes no parameters.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The table with its schema.
pub(super) fn full_name(table: Table) -> String {
    format!("{SCHEMA}.{}", quoted(table.name()))
}

/// A column's type there.
pub(super) fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Time | Kind::Integer => "bigint",
        Kind::Float => "double precision",
        Kind::Text => "text COLLATE \"C\"",
    }
}

/// A column's line in `CREATE TABLE`, and in `ADD COLUMN`.
pub(super) fn column_sql(column: &Column) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {}{null}", quoted(column.name), sql_type(column.kind))
}

/// The statements that make a table.
pub(super) fn create_sql(table: Table, layout: Layout) -> String {
    let columns: Vec<_> = table.columns().iter().map(column_sql).collect();
    let (name, columns) = (full_name(table), columns.join(",\n  "));
    let partitioned = match layout {
        Layout::Partitions => " PARTITION BY RANGE (\"time\")",
        Layout::Hypertables => "",
    };
    // Rows without a side or an order number are told apart by the rest of the key.
    let is_nullable = |key: &&str| table.columns().iter().any(|column| column.name == *key && column.nullable);
    let nulls = if table.key().iter().any(is_nullable) { " NULLS NOT DISTINCT" } else { "" };
    let index = quoted(&format!("{table}_key"));
    let key = listed(table.key().iter().copied());
    format!(
        "CREATE TABLE {name} (\n  {columns}\n){partitioned};\nCREATE UNIQUE INDEX {index} ON {name} ({key}){nulls};\n"
    )
}

/// The view that shows times as `timestamptz`, to the microsecond, for people.
pub(super) fn view_sql(table: Table) -> String {
    let columns: Vec<_> = table
        .columns()
        .iter()
        .map(|column| match column.kind {
            Kind::Time => {
                let name = quoted(column.name);
                format!("timestamptz 'epoch' + {name} / 1000 * interval '1 microsecond' AS {name}")
            }
            _ => quoted(column.name),
        })
        .collect();
    format!(
        "CREATE VIEW {SCHEMA}.{} AS SELECT {} FROM {};\n",
        quoted(&format!("{table}_utc")),
        columns.join(", "),
        full_name(table)
    )
}

/// The day of a time, counted from 1970-01-01.
pub(super) fn day_of(time_ns: i64) -> i64 {
    time_ns.div_euclid(DAY_NS)
}

/// The date of such a day; every time in nanoseconds of 64 bits has one, from 1677 to 2262.
pub(super) fn date_of(day: i64) -> Date {
    let days = jiff::Span::new().try_days(day);
    let found = days.and_then(|days| date(1970, 1, 1).checked_add(days));
    found.unwrap_or(if day < 0 { Date::MIN } else { Date::MAX })
}

/// A day's first nanosecond; the first day of all begins within itself.
pub(super) fn day_start_ns(day: i64) -> i64 {
    day.saturating_mul(DAY_NS)
}

/// The name of a day's partition.
pub(super) fn partition_name(table: Table, day: i64) -> String {
    let date = date_of(day);
    format!("{table}_{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// The day of a partition, by its name.
fn day_of_partition(table: Table, name: &str) -> Option<i64> {
    let digits = name.strip_prefix(table.name())?.strip_prefix('_')?;
    if digits.len() != 8 {
        return None;
    }
    let date = Date::new(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?).ok()?;
    Some(i64::from((date - jiff::civil::date(1970, 1, 1)).get_days()))
}

/// The statements that make a day's partition. It is made beside the table and attached: that lets others write to the table meanwhile, where
/// `CREATE TABLE … PARTITION OF` would stop them.
fn partition_sql(table: Table, day: i64) -> String {
    let (table_name, name) = (full_name(table), format!("{SCHEMA}.{}", quoted(&partition_name(table, day))));
    let bound = |day: i64, beyond: &str| day.checked_mul(DAY_NS).map_or(beyond.to_owned(), |ns| format!("({ns})"));
    let (from, to) = (bound(day, "(MINVALUE)"), bound(day + 1, "(MAXVALUE)"));
    format!(
        "CREATE TABLE {name} (LIKE {table_name} INCLUDING DEFAULTS);\n\
         ALTER TABLE {table_name} ATTACH PARTITION {name} FOR VALUES FROM {from} TO {to};\n"
    )
}

/// Makes the partitions of these days that are not there.
pub(super) async fn make_partitions(
    connection: &mut PgConnection,
    table: Table,
    days: &BTreeSet<i64>,
) -> sqlx::Result<()> {
    let days: Vec<_> = days.iter().copied().collect();
    for some in days.chunks(DAYS_AT_ONCE) {
        let mut transaction = connection.begin().await?;
        Lock::Partitions.take(&mut transaction).await?;
        let there: BTreeSet<_> = partition_days(&mut transaction, table).await?.into_iter().collect();
        let missing = some.iter().filter(|day| !there.contains(day));
        let statements: String = missing.map(|day| partition_sql(table, *day)).collect();
        if !statements.is_empty() {
            raw_sql(AssertSqlSafe(statements)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// The days that have a partition, in order.
pub(super) async fn partition_days(connection: &mut PgConnection, table: Table) -> sqlx::Result<Vec<i64>> {
    let names: Vec<String> = query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = to_regclass($1) ORDER BY 1",
    )
    .bind(full_name(table))
    .fetch_all(connection)
    .await?;
    Ok(names.iter().filter_map(|name| day_of_partition(table, name)).collect())
}

/// The days that a table has, in order, each with the name of its partition or chunk.
pub(super) async fn day_relations(
    connection: &mut PgConnection,
    layout: Layout,
    table: Table,
) -> sqlx::Result<Vec<(i64, String)>> {
    match layout {
        Layout::Hypertables => timescale::chunks(connection, table).await,
        Layout::Partitions => {
            let days = partition_days(connection, table).await?;
            Ok(days.into_iter().map(|day| (day, partition_name(table, day))).collect())
        }
    }
}

/// A partition, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The table.
    pub table: Table,
    /// The UTC day; `None` for a partition that is none of ours.
    pub date: Option<Date>,
    /// Rows, as the server last counted them; `None` where it has not yet.
    pub rows_about: Option<u64>,
    /// Bytes on its disk, indices included.
    pub bytes: u64,
}

/// The partitions of a table with their rows, as the server last counted them, and their bytes.
const PARTITION_SIZES: &str = "SELECT c.relname::text, c.reltuples::bigint, pg_total_relation_size(c.oid) FROM pg_inherits i \
     JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass ORDER BY 1";

/// Every partition of every table, in order; of hypertables every chunk.
///
/// # Errors
///
/// Where the database fails or has not been migrated.
pub async fn partitions(database: &Database) -> Result<Vec<Partition>> {
    let failed = |error| database.failed("listing partitions", error);
    let layout = database.layout().await?.unwrap_or(Layout::Partitions);
    let mut found = Vec::new();
    for table in Table::ALL {
        let (statement, name) = match layout {
            Layout::Hypertables => (timescale::chunk_sizes_sql(), table.name().to_owned()),
            Layout::Partitions => (PARTITION_SIZES.to_owned(), full_name(table)),
        };
        let rows = query(AssertSqlSafe(statement)).bind(name).fetch_all(database.pool()).await.map_err(failed)?;
        for row in rows {
            let day = match layout {
                Layout::Hypertables => Some(day_of(row.try_get(0).map_err(failed)?)),
                Layout::Partitions => day_of_partition(table, row.try_get(0).map_err(failed)?),
            };
            let (rows, bytes): (i64, i64) = (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
            let (date, rows_about) = (day.map(date_of), rows.try_into().ok());
            found.push(Partition { table, date, rows_about, bytes: bytes.unsigned_abs() });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_from_a_time_and_from_a_name() {
        assert_eq!(day_of(-1), -1);
        assert_eq!(day_of(DAY_NS), 1);
        for time in [i64::MIN, -1, 0, 1_767_312_000_123_456_789, i64::MAX] {
            let day = day_of(time);
            let name = partition_name(Table::Ticks, day);
            assert_eq!(day_of_partition(Table::Ticks, &name), Some(day), "{name}");
            assert!(day_start_ns(day) <= time);
        }
        assert_eq!(partition_name(Table::Bars, day_of(1_767_312_000_000_000_000)), "bars_20260102");
        assert_eq!(day_of_partition(Table::Bars, "bars_2026"), None);
        assert_eq!(day_of_partition(Table::Bars, "ticks_20260102"), None);
    }

    #[test]
    fn statements_say_what_a_table_is() {
        let ticks = create_sql(Table::Ticks, Layout::Partitions);
        assert!(ticks.starts_with("CREATE TABLE zomma.\"ticks\" (\n  \"time\" bigint NOT NULL,\n  \"instrument\" text COLLATE \"C\" NOT NULL,"), "{ticks}");
        assert!(ticks.contains(") PARTITION BY RANGE (\"time\");"));
        assert!(ticks.contains(
            "(\"instrument\", \"time\", \"sequence\", \"ordinal\", \"kind\", \"side\", \"order_id\", \"price\") NULLS NOT DISTINCT;"
        ));
        let bars = create_sql(Table::Bars, Layout::Hypertables);
        assert!(!bars.contains("PARTITION BY") && !bars.contains("NULLS"), "{bars}");
        let first = partition_sql(Table::Bars, day_of(i64::MIN));
        assert!(first.contains("FROM (MINVALUE) TO (-9223286400000000000)"), "{first}");
        assert!(partition_sql(Table::Bars, day_of(i64::MAX)).contains("TO (MAXVALUE)"));
        assert_eq!(literal("O'Neil"), "'O''Neil'");
    }
}
