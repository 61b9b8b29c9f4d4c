//! What TimescaleDB does where its extension is in the database: chunks instead of partitions.

use sqlx::{PgConnection, Row, query, query_scalar};

use super::layout::{DAY_NS, SCHEMA, day_of, day_start_ns, full_name};
use crate::table::Table;

/// Whether the extension is in this database.
pub(super) async fn is_there(connection: &mut PgConnection) -> sqlx::Result<bool> {
    query_scalar("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')").fetch_one(connection).await
}

/// The server's time in our unit: policies of tables whose time is a number need it.
pub(super) fn now_sql() -> String {
    format!(
        "CREATE FUNCTION {SCHEMA}.now_ns() RETURNS bigint LANGUAGE sql STABLE AS \
         $$ SELECT (extract(epoch FROM now()) * 1000000)::bigint * 1000 $$;\n"
    )
}

/// Makes a table that was just created a hypertable with chunks of a day.
pub(super) fn hypertable_sql(table: Table) -> String {
    let name = full_name(table);
    format!(
        "SELECT create_hypertable('{name}', 'time', chunk_time_interval => {DAY_NS}::bigint, create_default_indexes => false);\n\
         SELECT set_integer_now_func('{name}', '{SCHEMA}.now_ns');\n"
    )
}

/// The chunks of a hypertable, a day each: the day, and the name of the relation.
pub(super) async fn chunks(connection: &mut PgConnection, table: Table) -> sqlx::Result<Vec<(i64, String)>> {
    let rows = query(
        "SELECT range_start_integer, chunk_name::text FROM timescaledb_information.chunks \
         WHERE hypertable_schema = $1 AND hypertable_name = $2 ORDER BY 1",
    )
    .bind(SCHEMA)
    .bind(table.name())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((day_of(row.try_get(0)?), row.try_get(1)?))).collect()
}

/// The chunks with their rows, as the server last counted them, and their bytes.
pub(super) fn chunk_sizes_sql() -> String {
    format!(
        "SELECT c.range_start_integer, k.reltuples::bigint, pg_total_relation_size(k.oid) \
         FROM timescaledb_information.chunks c \
         JOIN pg_class k ON k.oid = format('%I.%I', c.chunk_schema, c.chunk_name)::regclass \
         WHERE c.hypertable_schema = '{SCHEMA}' AND c.hypertable_name = $1 ORDER BY 1"
    )
}

/// Drops a day's chunk.
pub(super) fn drop_sql(table: Table, day: i64) -> String {
    let (name, from, to) = (full_name(table), day_start_ns(day), day_start_ns(day + 1));
    format!("SELECT drop_chunks('{name}', older_than => {to}::bigint, newer_than => {from}::bigint)")
}

/// Takes away the policy by which an earlier version had old chunks dropped: it knew nothing of bars that were yet to be made of them.
pub(super) fn no_policy_sql(table: Table) -> String {
    format!("SELECT remove_retention_policy('{}', if_exists => true);\n", full_name(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The tests that run them need a server with the extension (`tests/timescale.rs`).
    #[test]
    fn statements_have_the_forms_of_the_manual() {
        let hypertable = hypertable_sql(Table::Ticks);
        assert!(
            hypertable
                .contains("create_hypertable('zomma.\"ticks\"', 'time', chunk_time_interval => 86400000000000::bigint")
        );
        assert!(hypertable.contains("set_integer_now_func('zomma.\"ticks\"', 'zomma.now_ns')"));
        assert_eq!(
            drop_sql(Table::Ticks, 1),
            "SELECT drop_chunks('zomma.\"ticks\"', older_than => 172800000000000::bigint, newer_than => 86400000000000::bigint)"
        );
        assert!(no_policy_sql(Table::Bars).contains("remove_retention_policy('zomma.\"bars\"', if_exists => true)"));
    }
}
