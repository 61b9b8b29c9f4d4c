//! What is old goes, or gets thinner.

use jiff::civil::Date;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar, raw_sql};

use super::{
    connect::Database,
    layout::{DAY_NS, Layout, Lock, SCHEMA, date_of, day_relations, day_start_ns, full_name, quoted},
    timescale,
};
use crate::{
    error::Result,
    rules::{Rules, Thin},
    table::Table,
};

/// For how long the names of batches are remembered: so long may a batch be sent again and not be put in twice.
const NAMES_KEPT_DAYS: i32 = 30;

/// What retention did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Retained {
    /// Days that went.
    pub dropped: Vec<(Table, Date)>,
    /// Days that are old enough but stay, since bars are yet to be made of rows that came for them: aggregate first.
    pub held: Vec<(Table, Date)>,
}

/// Drops the partitions, or TimescaleDB's chunks, whose whole day is older than its table's retention, and forgets names of batches after 30 days. A policy
/// by which TimescaleDB would drop chunks of our tables itself is taken away: it knows nothing of bars that are yet to be made.
///
/// `dry_run` tells what would go.
///
/// # Errors
///
/// Where the database fails or has not been migrated.
pub async fn retain(database: &Database, rules: &Rules, now_ns: i64, dry_run: bool) -> Result<Retained> {
    let failed = |error| database.failed("dropping what is old", error);
    let layout = database.layout().await?.unwrap_or(Layout::Partitions);
    let mut connection = database.connection().await?;
    let mut done = Retained::default();
    for table in Table::ALL {
        if layout == Layout::Hypertables && !dry_run {
            raw_sql(AssertSqlSafe(timescale::no_policy_sql(table))).execute(&mut connection).await.map_err(failed)?;
        }
        if let Some(keep_ns) = rules.retention_ns.get(&table).copied() {
            let is_read = rules.aggregates.iter().any(|aggregate| aggregate.from == table);
            let old = OldDays { table, layout, keep_ns, now_ns, is_read, dry_run };
            old.drop(&mut connection, &mut done).await.map_err(failed)?;
        }
    }
    if !dry_run {
        query("DELETE FROM zomma.batches WHERE applied_at < now() - make_interval(days => $1)")
            .bind(NAMES_KEPT_DAYS)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
    }
    Ok(done)
}

/// The days of a table that are to go.
struct OldDays {
    table: Table,
    layout: Layout,
    keep_ns: i64,
    now_ns: i64,
    is_read: bool,
    dry_run: bool,
}

impl OldDays {
    async fn drop(&self, connection: &mut PgConnection, done: &mut Retained) -> sqlx::Result<()> {
        for (day, name) in day_relations(connection, self.layout, self.table).await? {
            if !is_older(day, self.keep_ns, self.now_ns) {
                continue;
            }
            let found = (self.table, date_of(day));
            let mut transaction = connection.begin().await?;
            // Nobody makes the partition anew meanwhile.
            Lock::Partitions.take(&mut transaction).await?;
            if !self.dry_run {
                // Nobody writes meanwhile, so that no row comes between the look and the end. Dropping needs this lock anyway. Where a long question
                // holds the table it is better to tell than to stop everybody who waits behind us.
                let table = full_name(self.table);
                let statement =
                    format!("SET LOCAL lock_timeout = '10s'; LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE;");
                raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
            }
            if self.is_read && has_changes(&mut transaction, self.table, day).await? {
                done.held.push(found);
                continue;
            }
            if !self.dry_run {
                let statement = match self.layout {
                    Layout::Hypertables => timescale::drop_sql(self.table, day),
                    Layout::Partitions => format!("DROP TABLE {SCHEMA}.{}", quoted(&name)),
                };
                raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
                query(
                    "INSERT INTO zomma.settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value \
                     WHERE settings.value::bigint < excluded.value::bigint",
                )
                .bind(dropped_key(self.table))
                .bind(day_start_ns(day + 1).to_string())
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await?;
            done.dropped.push(found);
        }
        Ok(())
    }
}

fn dropped_key(table: Table) -> String {
    format!("dropped_before_ns.{table}")
}

/// Days before this time were dropped once, and may have got rows since.
pub(super) async fn dropped_before_ns(connection: &mut PgConnection, table: Table) -> sqlx::Result<i64> {
    let value: Option<String> = query_scalar("SELECT value FROM zomma.settings WHERE key = $1")
        .bind(dropped_key(table))
        .fetch_optional(connection)
        .await?;
    Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// Whether the whole day is older than this.
pub(super) fn is_older(day: i64, keep_ns: i64, now_ns: i64) -> bool {
    day_start_ns(day).saturating_add(DAY_NS).saturating_add(keep_ns) <= now_ns
}

/// Whether rows came for that day of which no bars have been made.
async fn has_changes(connection: &mut PgConnection, table: Table, day: i64) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (SELECT FROM zomma.changes WHERE \"table\" = $1 AND from_ns < $3 AND to_ns >= $2) \
         OR EXISTS (SELECT FROM zomma.aggregates WHERE starts_with(name, $1 || '-') AND pending && int8multirange(int8range($2, $3)))",
    )
    .bind(table.name())
    .bind(day_start_ns(day))
    .bind(day_start_ns(day + 1))
    .fetch_one(connection)
    .await
}

/// Thins what is old, by each rule: of each instrument and interval the last row stays. Gives the rows that went, or with `dry_run` would go. Twice
/// gives the same.
///
/// # Errors
///
/// Where the database fails or has not been migrated.
pub async fn thin(database: &Database, rules: &Rules, now_ns: i64, dry_run: bool) -> Result<Vec<(Table, u64)>> {
    let failed = |error| database.failed("thinning", error);
    let layout = database.layout().await?.unwrap_or(Layout::Partitions);
    let mut connection = database.connection().await?;
    let mut done = Vec::new();
    for rule in &rules.thin {
        let mut gone = 0;
        for (day, _) in day_relations(&mut connection, layout, rule.table).await.map_err(failed)? {
            if is_older(day, rule.after_ns, now_ns) {
                let statement = AssertSqlSafe(thin_sql(rule, day, dry_run));
                gone += match dry_run {
                    true => {
                        let count: i64 = query_scalar(statement).fetch_one(&mut connection).await.map_err(failed)?;
                        count.unsigned_abs()
                    }
                    false => query(statement).execute(&mut connection).await.map_err(failed)?.rows_affected(),
                };
            }
        }
        done.push((rule.table, gone));
    }
    Ok(done)
}

/// A day is a whole number of intervals, so that none crosses into the next.
fn thin_sql(rule: &Thin, day: i64, dry_run: bool) -> String {
    let (name, interval) = (full_name(rule.table), rule.interval_ns);
    let (from, to) = (day_start_ns(day), day_start_ns(day + 1));
    let key = rule.table.key().iter().map(|name| format!("{} DESC", quoted(name))).collect::<Vec<_>>().join(", ");
    let placed = format!(
        "(SELECT ctid, tableoid, row_number() OVER (PARTITION BY \"instrument\", (\"time\" - {from}) / {interval} \
         ORDER BY \"time\" DESC, {key}) AS place FROM {name} WHERE \"time\" >= {from} AND \"time\" < {to}) d"
    );
    match dry_run {
        true => format!("SELECT count(*) FROM {placed} WHERE place > 1"),
        false => format!(
            "DELETE FROM {name} t USING {placed} WHERE t.ctid = d.ctid AND t.tableoid = d.tableoid AND d.place > 1 \
             AND t.\"time\" >= {from} AND t.\"time\" < {to}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_old_when_all_of_it_is() {
        let now = 40 * DAY_NS;
        assert!(is_older(9, 30 * DAY_NS, now));
        assert!(!is_older(10, 30 * DAY_NS, now));
        assert!(!is_older(9, 30 * DAY_NS, now - 1));
    }
}
