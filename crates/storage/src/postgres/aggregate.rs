//! Bars made as rows come: only of what changed since the last time, and all of it.
//!
//! Every batch leaves the range of its times in `zomma.changes`, in its own transaction. [`aggregate`] moves these ranges to every rule that reads
//! the table, and makes the bars of the intervals that they touch anew. So rows that come late, or replace others, count as if they had come in
//! time, and no row is read that nothing happened near. What a rule has yet to do stands in `zomma.aggregates` as a set of ranges; a rule that is
//! new has everything to do, and one that is no longer in the rules is forgotten.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, query_scalar};
use zomma_market::event::Flags;

use super::{
    connect::Database,
    layout::{DAY_NS, Layout, Lock, day_of, day_start_ns, full_name, listed, make_partitions, partition_days, quoted},
    retain::dropped_before_ns,
};
use crate::{
    error::{Result, StorageError},
    rules::{Aggregate, Rules},
    table::Table,
};

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aggregated {
    /// [`Aggregate::name`].
    pub name: String,
    /// Bars that were made, new ones and those that were there.
    pub bars: u64,
    /// Days that had rows which were read.
    pub days: usize,
}

/// Half-open ranges of time, each with at least a nanosecond.
type Ranges = Vec<(i64, i64)>;

/// Runs every rule over what has changed, as far as intervals are over (their end and the rule's lag are not after `now_ns`). Twice gives the same.
/// Rows of days that retention has dropped before are left out: bars of them would be made of what came late alone.
///
/// # Errors
///
/// Where the database fails or has not been migrated. What a rule had done before is kept.
pub async fn aggregate(database: &Database, rules: &Rules, now_ns: i64) -> Result<Vec<Aggregated>> {
    aggregate_or_tell(database, rules, now_ns, false).await
}

/// What [`aggregate`] would do, rule after rule as it would: it is done in one transaction, which is taken back. Others that make bars wait for it.
///
/// # Errors
///
/// As [`aggregate`].
pub async fn aggregate_dry_run(database: &Database, rules: &Rules, now_ns: i64) -> Result<Vec<Aggregated>> {
    aggregate_or_tell(database, rules, now_ns, true).await
}

async fn aggregate_or_tell(database: &Database, rules: &Rules, now_ns: i64, dry_run: bool) -> Result<Vec<Aggregated>> {
    let failed = |error| database.failed("making bars", error);
    let Some(layout) = database.layout().await? else {
        return Err(StorageError::Place {
            place: database.shown().to_owned(),
            problem: "there are no tables here: run `zomma store migrate` first".into(),
        });
    };
    let mut connection = database.connection().await?;
    if !dry_run {
        return run_all(&mut connection, rules, layout, now_ns).await.map_err(failed);
    }
    // Transactions within this one are savepoints of it.
    let mut outer = connection.begin().await.map_err(failed)?;
    let done = run_all(&mut outer, rules, layout, now_ns).await.map_err(failed)?;
    outer.rollback().await.map_err(failed)?;
    Ok(done)
}

async fn run_all(
    connection: &mut PgConnection,
    rules: &Rules,
    layout: Layout,
    now_ns: i64,
) -> sqlx::Result<Vec<Aggregated>> {
    take_changes(connection, rules, layout).await?;
    let mut done = Vec::new();
    for rule in &rules.aggregates {
        done.push(run(connection, rule, rules, layout, now_ns).await?);
    }
    Ok(done)
}

/// Gives every rule the changes of the table that it reads.
async fn take_changes(connection: &mut PgConnection, rules: &Rules, layout: Layout) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    Lock::Aggregate.take(&mut transaction).await?;
    let names: Vec<_> = rules.aggregates.iter().map(Aggregate::name).collect();
    query("DELETE FROM zomma.aggregates WHERE name <> ALL ($1)").bind(&names).execute(&mut *transaction).await?;
    // A batch that commits from here on leaves its range behind for the next time.
    let rows = query(
        "WITH gone AS (DELETE FROM zomma.changes RETURNING *) \
         SELECT \"table\", range_agg(int8range(from_ns, least(to_ns, 9223372036854775806), '[]'))::text FROM gone GROUP BY 1",
    )
    .fetch_all(&mut *transaction)
    .await?;
    let mut changes = Vec::new();
    for row in rows {
        changes.push((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?));
    }
    for (rule, name) in rules.aggregates.iter().zip(&names) {
        let is_known: bool = query_scalar("SELECT EXISTS (SELECT FROM zomma.aggregates WHERE name = $1)")
            .bind(name)
            .fetch_one(&mut *transaction)
            .await?;
        if !is_known {
            let (from, to) = whole(&mut transaction, rule.from, layout).await?.unwrap_or((0, 0));
            query("INSERT INTO zomma.aggregates (name, pending) VALUES ($1, int8multirange(int8range($2, $3)))")
                .bind(name)
                .bind(from)
                .bind(to)
                .execute(&mut *transaction)
                .await?;
        } else if let Some((_, ranges)) = changes.iter().find(|(table, _)| table == rule.from.name()) {
            add(&mut transaction, name, ranges).await?;
        }
    }
    transaction.commit().await
}

/// From the first to the last row of a table, or somewhat more.
async fn whole(connection: &mut PgConnection, table: Table, layout: Layout) -> sqlx::Result<Option<(i64, i64)>> {
    if layout == Layout::Partitions {
        let days = partition_days(connection, table).await?;
        return Ok(days.first().zip(days.last()).map(|(first, last)| (day_start_ns(*first), day_start_ns(last + 1))));
    }
    let statement = format!("SELECT min(\"time\"), max(\"time\") FROM {}", full_name(table));
    let row = query(AssertSqlSafe(statement)).fetch_one(connection).await?;
    let (first, last): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(first.zip(last).map(|(first, last)| (first, last.saturating_add(1))))
}

/// Gives a rule more to do; ranges as PostgreSQL writes them.
async fn add(connection: &mut PgConnection, name: &str, ranges: &str) -> sqlx::Result<()> {
    query("UPDATE zomma.aggregates SET pending = pending + $2::text::int8multirange WHERE name = $1")
        .bind(name)
        .bind(ranges)
        .execute(connection)
        .await
        .map(drop)
}

/// One rule, in one transaction.
async fn run(
    connection: &mut PgConnection,
    rule: &Aggregate,
    rules: &Rules,
    layout: Layout,
    now_ns: i64,
) -> sqlx::Result<Aggregated> {
    let name = rule.name();
    let horizon = now_ns.saturating_sub(rule.lag_ns).div_euclid(rule.interval_ns).saturating_mul(rule.interval_ns);
    // Partitions of bars are made before: nobody who makes one should wait for the whole of this.
    let due = due(connection, rule, layout, horizon).await?;
    if layout == Layout::Partitions {
        make_partitions(connection, Table::Bars, &due.iter().map(|(from, _)| day_of(*from)).collect()).await?;
    }
    let mut transaction = connection.begin().await?;
    Lock::Aggregate.take(&mut transaction).await?;
    let due = self::due(&mut transaction, rule, layout, horizon).await?;
    let mut done = Aggregated { name: name.clone(), bars: 0, days: due.len() };
    for (from, to) in &due {
        let made = query(AssertSqlSafe(bars_sql(rule, *from, *to))).execute(&mut *transaction).await?;
        done.bars += made.rows_affected();
    }
    let made: Vec<_> = due.iter().map(|(from, to)| format!("[{from},{to})")).collect();
    let made = format!("{{{}}}", made.join(","));
    let is_reader = |other: &&Aggregate| other.from == Table::Bars && other.from_interval_ns == Some(rule.interval_ns);
    for reader in rules.aggregates.iter().filter(is_reader) {
        add(&mut transaction, &reader.name(), &made).await?;
    }
    query("UPDATE zomma.aggregates SET pending = pending * int8multirange(int8range($2, NULL)) WHERE name = $1")
        .bind(&name)
        .bind(horizon)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done)
}

/// What a rule has to do: whole intervals before the horizon, by day, of days that have rows.
async fn due(connection: &mut PgConnection, rule: &Aggregate, layout: Layout, horizon: i64) -> sqlx::Result<Ranges> {
    let rows = query("SELECT lower(r), upper(r) FROM zomma.aggregates, unnest(pending) r WHERE name = $1 ORDER BY 1")
        .bind(rule.name())
        .fetch_all(&mut *connection)
        .await?;
    let mut pending = Ranges::new();
    for row in rows {
        pending.push((row.try_get(0)?, row.try_get(1)?));
    }
    let floor = dropped_before_ns(connection, rule.from).await?;
    let mut due: Ranges = by_day(&aligned(&pending, rule.interval_ns, floor, horizon)).collect();
    if layout == Layout::Partitions {
        let there: BTreeSet<_> = partition_days(connection, rule.from).await?.into_iter().collect();
        due.retain(|(from, _)| there.contains(&day_of(*from)));
    }
    Ok(due)
}

/// The whole intervals that ranges touch, as far as they are neither before `floor` nor after `horizon` (which are whole intervals); merged.
fn aligned(ranges: &[(i64, i64)], interval: i64, floor: i64, horizon: i64) -> Ranges {
    let mut merged = Ranges::new();
    for (from, to) in ranges {
        let from = (from.div_euclid(interval) * interval).max(floor);
        let to = ((to - 1).div_euclid(interval).saturating_add(1)).saturating_mul(interval).min(horizon);
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ if from < to => merged.push((from, to)),
            _ => {}
        }
    }
    merged
}

/// The same, none longer than a day nor across midnight.
fn by_day(ranges: &[(i64, i64)]) -> impl Iterator<Item = (i64, i64)> {
    ranges.iter().flat_map(|(from, to)| {
        (day_of(*from)..=day_of(to - 1)).map(|day| {
            let start = day_start_ns(day);
            (start.max(*from), start.saturating_add(DAY_NS).min(*to))
        })
    })
}

/// Makes the bars of a range that begins and ends with an interval, by the same rules as for files of Parquet. Rows count in the order of
/// (time, sequence), in sums too: so bars come out the same every time.
fn bars_sql(rule: &Aggregate, from: i64, to: i64) -> String {
    let interval = rule.interval_ns;
    let (source, key) = (full_name(rule.from), Table::Bars.key());
    let others = Table::Bars.columns().iter().map(|column| column.name).filter(|name| !key.contains(name));
    let set: Vec<_> = others.map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    let Source { condition, order, open, high, low, close, volume, average, trades } = Source::of(rule);
    let forward = order.join(", ");
    let backward = order.iter().map(|name| format!("{name} DESC")).collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO {bars} ({columns}) SELECT \"time\", \"instrument\", interval_ns, open, high, low, close, volume, \
         notional / CASE WHEN volume > 0 THEN volume END, trades FROM (SELECT \
         {from} + (\"time\" - {from}) / {interval} * {interval} AS \"time\", \"instrument\", {interval} AS interval_ns, \
         (array_agg({open} ORDER BY {forward}))[1] AS open, max({high}) AS high, min({low}) AS low, \
         (array_agg({close} ORDER BY {backward}))[1] AS close, \
         sum({volume} ORDER BY {forward}) AS volume, sum({average} * {volume} ORDER BY {forward}) AS notional, {trades} AS trades \
         FROM {source} WHERE \"time\" >= {from} AND \"time\" < {to} AND {condition} GROUP BY 1, 2) made \
         ON CONFLICT ({key}) DO UPDATE SET {set}",
        bars = full_name(Table::Bars),
        columns = listed(Table::Bars.columns().iter().map(|column| column.name)),
        key = listed(key.iter().copied()),
        set = set.join(", "),
    )
}

/// What bars are made of, in SQL.
struct Source {
    condition: String,
    order: &'static [&'static str],
    open: &'static str,
    high: &'static str,
    low: &'static str,
    close: &'static str,
    volume: &'static str,
    average: &'static str,
    trades: &'static str,
}

impl Source {
    fn of(rule: &Aggregate) -> Self {
        match rule.from_interval_ns {
            None => Self {
                // An execution that is not printed is told again as a trade of its cross.
                condition: format!(
                    "(\"kind\" = 'trade' OR \"kind\" = 'execute' AND \"flags\" & {} = 0) AND \"price\" IS NOT NULL",
                    Flags::NON_PRINTABLE.0
                ),
                order: &[
                    "\"time\"",
                    "\"sequence\"",
                    "\"ordinal\"",
                    "\"kind\"",
                    "\"side\"",
                    "\"order_id\"",
                    "\"price\"",
                ],
                open: "\"price\"",
                high: "\"price\"",
                low: "\"price\"",
                close: "\"price\"",
                volume: "\"size\"",
                average: "\"price\"",
                trades: "count(*)",
            },
            Some(interval_ns) => Self {
                condition: format!("\"interval_ns\" = {interval_ns}"),
                order: &["\"time\""],
                open: "\"open\"",
                high: "\"high\"",
                low: "\"low\"",
                close: "\"close\"",
                volume: "\"volume\"",
                // A bar without its average price counts at its close.
                average: "coalesce(\"vwap\", \"close\")",
                trades: "sum(\"trades\")::bigint",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_whole_intervals_and_days() {
        assert_eq!(aligned(&[(5, 6), (12, 13), (35, 41)], 10, i64::MIN, 1000), [(0, 20), (30, 50)]);
        assert_eq!(aligned(&[(0, 100)], 10, 20, 60), [(20, 60)]);
        assert_eq!(aligned(&[(0, 10), (70, 80)], 10, 0, 60), [(0, 10)]);
        assert_eq!(aligned(&[(61, 62)], 10, 0, 60), []);
        let days: Vec<_> = by_day(&[(DAY_NS - 10, DAY_NS + 10), (3 * DAY_NS, 4 * DAY_NS)]).collect();
        assert_eq!(days, [(DAY_NS - 10, DAY_NS), (DAY_NS, DAY_NS + 10), (3 * DAY_NS, 4 * DAY_NS)]);
    }
}
