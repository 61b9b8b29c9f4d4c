//! On a real TimescaleDB, which the test kit starts where it is installed: its chunks in place of partitions, and all else as without it.

use sqlx::{AssertSqlSafe, raw_sql};
use zomma_testkit::timescale::timescale;

use super::{
    super::{Layout, Request, Writer, explain, partitions, retain},
    keeping, writing, *,
};
use crate::rules::Rules;

/// What any statement of ours does there.
async fn done(database: &Database, statement: &str) {
    raw_sql(AssertSqlSafe(statement.to_owned())).execute(database.pool()).await.unwrap();
}

/// The tables, made anew.
async fn made_anew(database: &Database) {
    done(database, "DROP SCHEMA IF EXISTS zomma CASCADE").await;
    assert_eq!(migrate(database).await.unwrap().layout, Layout::Hypertables);
}

// One test, since starting the server takes seconds, and it serves one database.
#[tokio::test]
async fn hypertables_keep_what_partitions_keep() {
    let Some(server) = timescale() else { return };
    let database = Database::connect(&server.url(), Settings { connections: 2, ..Settings::default() }).await.unwrap();
    made_anew(&database).await;
    assert!(migrate(&database).await.unwrap().made.is_empty());

    days_are_chunks(&database).await;
    made_anew(&database).await;
    writing::the_last_row_of_a_key_counts(&database).await;
    made_anew(&database).await;
    keeping::same_bars(&database).await;
    made_anew(&database).await;
    keeping::old_days_go(&database).await;
    made_anew(&database).await;
    keeping::old_quotes_are_thinned(&database).await;
}

async fn days_are_chunks(database: &Database) {
    let sent = quotes(&[(DAY, 1.0), (DAY + 1, 2.0), (DAY + DAY_NS, 3.0), (DAY + 5 * DAY_NS, 4.0)]);
    Writer::new(database.clone()).append(Table::Quotes, &sent, "a").await.unwrap();
    let found = partitions(database).await.unwrap();
    let dates: Vec<_> = found.iter().map(|chunk| chunk.date.unwrap().to_string()).collect();
    assert_eq!(dates, ["2026-01-02", "2026-01-03", "2026-01-07"]);
    assert!(found.iter().all(|chunk| chunk.table == Table::Quotes && chunk.bytes > 0));
    // A question of one day reads its chunk alone.
    let of_a_day = Request { from_ns: Some(DAY), to_ns: Some(DAY + DAY_NS), ..Request::of(Table::Quotes) };
    let plan = explain(database, &of_a_day).await.unwrap();
    let read: Vec<_> = plan.days_read.iter().map(ToString::to_string).collect();
    assert_eq!((read, plan.days, plan.days_pruned()), (vec!["2026-01-02".to_owned()], 3, 2), "{}", plan.text);
    assert_eq!(explain(database, &Request::of(Table::Quotes)).await.unwrap().days_read.len(), 3);
    // A policy of an earlier version, which would drop chunks whose bars are not made, is taken away.
    done(database, "SELECT add_retention_policy('zomma.\"quotes\"', drop_after => 86400000000000::bigint)").await;
    let policies = "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'";
    assert_eq!(number(database, policies).await, 1);
    let rules = Rules::parse("rules.toml", "[retention]\nquotes = \"2d\"").unwrap();
    let now = DAY + 4 * DAY_NS;
    assert_eq!(retain(database, &rules, now, true).await.unwrap().dropped.len(), 2);
    assert_eq!((number(database, policies).await, partitions(database).await.unwrap().len()), (1, 3));
    assert_eq!(retain(database, &rules, now, false).await.unwrap().dropped.len(), 2);
    assert_eq!((number(database, policies).await, partitions(database).await.unwrap().len()), (0, 1));
    assert_eq!(number(database, "SELECT count(*) FROM zomma.quotes").await, 1);
}
