//! What TimescaleDB does where its extension is in the database: chunks instead of partitions, and its own jobs.

use sqlx::{PgConnection, query_scalar};

use super::layout::{DAY_NS, SCHEMA, full_name};
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

/// The policy that drops chunks older than this, in place of the one that was; `None` takes it away.
pub(super) fn retention_sql(table: Table, keep_ns: Option<i64>) -> String {
    let name = full_name(table);
    let remove = format!("SELECT remove_retention_policy('{name}', if_exists => true);\n");
    let add =
        keep_ns.map(|keep_ns| format!("SELECT add_retention_policy('{name}', drop_after => {keep_ns}::bigint);\n"));
    remove + &add.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // No server with the extension is at hand: its statements are compared with the manual's forms.
    #[test]
    fn statements_have_the_forms_of_the_manual() {
        let hypertable = hypertable_sql(Table::Ticks);
        assert!(
            hypertable
                .contains("create_hypertable('zomma.\"ticks\"', 'time', chunk_time_interval => 86400000000000::bigint")
        );
        assert!(hypertable.contains("set_integer_now_func('zomma.\"ticks\"', 'zomma.now_ns')"));
        let policy = retention_sql(Table::Ticks, Some(30 * DAY_NS));
        assert!(policy.contains("remove_retention_policy('zomma.\"ticks\"', if_exists => true)"));
        assert!(policy.contains("add_retention_policy('zomma.\"ticks\"', drop_after => 2592000000000000::bigint)"));
        assert!(!retention_sql(Table::Ticks, None).contains("add_retention_policy"));
    }
}
