//! Readings of one input: which stand, and one that is taken away alone.

use super::{
    super::{Request, Writer, batches::HOME_SQL},
    writing::rows,
    *,
};

/// Two readings of one input, and what an earlier version wrote of it.
const FIRST: &str = "day.0123456789abcdef.1111111111111111";
const SECOND: &str = "day.0123456789abcdef.2222222222222222";
const UNTOLD: &str = "day.0123456789abcdef";
const INPUT: &str = "0123456789abcdef";

async fn put(writer: &mut Writer, rows: &RecordBatch, name: &str, number: usize) {
    assert!(!writer.append(Table::Ticks, rows, &format!("{name}/ticks/{number}")).await.unwrap().was_there);
}

async fn names(writer: &mut Writer, table: Table) -> Vec<(String, u64)> {
    let found = writer.readings(table, INPUT).await.unwrap();
    found.into_iter().map(|reading| (reading.name, reading.put_rows)).collect()
}

#[tokio::test]
async fn a_reading_goes_without_a_row_of_another() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    put(&mut writer, &ticks(0, 10), FIRST, 0).await;
    put(&mut writer, &ticks(10, 10), FIRST, 1).await;
    // Five rows of each batch are put in anew by the second reading, five new ones and a stranger's come beside them.
    put(&mut writer, &ticks(5, 10), SECOND, 0).await;
    put(&mut writer, &ticks(100, 7), "night.fedcba9876543210.1111111111111111", 0).await;
    assert_eq!(names(&mut writer, Table::Ticks).await, [(FIRST.to_owned(), 20), (SECOND.to_owned(), 10)]);
    assert_eq!(names(&mut writer, Table::Quotes).await, []);
    assert_eq!(writer.standing(Table::Ticks, FIRST).await.unwrap(), Some(10));
    assert_eq!(writer.standing(Table::Ticks, SECOND).await.unwrap(), Some(10));
    number(&database, "WITH gone AS (DELETE FROM zomma.changes RETURNING *) SELECT count(*) FROM gone").await;
    let gone = writer.remove(Table::Ticks, FIRST).await.unwrap();
    assert_eq!((gone.rows, gone.again), (10, vec![]), "what came after it is whole");
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.changes").await, 1, "bars are made anew");
    let left = rows(&database, &Request::of(Table::Ticks)).await;
    let wanted = arrow_select::concat::concat_batches(&left.schema(), [&ticks(5, 10), &ticks(100, 7)]).unwrap();
    let sequences = |batch: &RecordBatch| {
        let mut numbers = batch.column(2).to_data().buffers()[0].typed_data::<i64>().to_vec();
        numbers.truncate(batch.num_rows());
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(sequences(&left), sequences(&wanted));
    assert_eq!(names(&mut writer, Table::Ticks).await, [(SECOND.to_owned(), 10)]);
    // Its name is free again; forgetting one leaves the rows.
    put(&mut writer, &ticks(0, 10), FIRST, 0).await;
    writer.forget(Table::Ticks, FIRST).await.unwrap();
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 22);
    assert_eq!(names(&mut writer, Table::Ticks).await, [(SECOND.to_owned(), 10)]);
}

/// A wrong reading that took the place of others' rows: when it goes, they are named and may come again, and nobody else.
#[tokio::test]
async fn what_a_reading_had_replaced_comes_again() {
    const NIGHT: &str = "night.fedcba9876543210.1111111111111111";
    const WRONG_NIGHT: &str = "night.fedcba9876543210.0000000000000000";
    const WHOLE: &str = "whole.00000000000000ff.1111111111111111";
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    let all = "SELECT count(*) FROM zomma.ticks";
    // Rows that its own later reading replaced are not missed.
    put(&mut writer, &ticks(100, 10), WRONG_NIGHT, 0).await;
    put(&mut writer, &ticks(100, 10), NIGHT, 0).await;
    put(&mut writer, &ticks(110, 10), NIGHT, 1).await;
    put(&mut writer, &ticks(95, 5), WHOLE, 0).await;
    put(&mut writer, &ticks(104, 3), FIRST, 0).await;
    put(&mut writer, &ticks(300, 3), SECOND, 0).await;
    assert_eq!(number(&database, all).await, 28);
    let gone = writer.remove(Table::Ticks, FIRST).await.unwrap();
    assert_eq!((gone.rows, gone.again), (3, vec![NIGHT.to_owned()]));
    assert_eq!(number(&database, all).await, 25);
    // The whole batch stands, and so do those that came after.
    for (name, number) in [(NIGHT, 1), (WHOLE, 0), (SECOND, 0)] {
        let first = match name {
            NIGHT => ticks(110, 10),
            WHOLE => ticks(95, 5),
            _ => ticks(300, 3),
        };
        assert!(
            writer.append(Table::Ticks, &first, &format!("{name}/ticks/{number}")).await.unwrap().was_there,
            "{name}"
        );
    }
    put(&mut writer, &ticks(100, 10), NIGHT, 0).await;
    assert_eq!(number(&database, all).await, 28);
    assert_eq!(writer.standing(Table::Ticks, NIGHT).await.unwrap(), Some(20));
    // Marked twice, it comes twice; and it can be taken away itself.
    put(&mut writer, &ticks(104, 3), FIRST, 0).await;
    assert_eq!(writer.remove(Table::Ticks, FIRST).await.unwrap().again, [NIGHT]);
    put(&mut writer, &ticks(100, 10), NIGHT, 0).await;
    assert_eq!(writer.remove(Table::Ticks, NIGHT).await.unwrap().rows, 20);
    assert_eq!(number(&database, all).await, 8);
}

#[tokio::test]
async fn what_a_batch_put_in_is_not_guessed() {
    let Some((server, database, name)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    put(&mut writer, &ticks(0, 10), FIRST, 0).await;
    for statement in [
        // Restored from a dump into another server.
        "UPDATE zomma.batches SET home = '1/2'",
        // Of an earlier version.
        "UPDATE zomma.batches SET home = NULL, xact = NULL",
        // So old that its number may have come again.
        "UPDATE zomma.batches SET home = HOME, xact = pg_current_xact_id()::text::bigint - 3000000000",
    ] {
        server.sql(&name, &statement.replace("HOME", HOME_SQL));
        assert_eq!(writer.standing(Table::Ticks, FIRST).await.unwrap(), None, "{statement}");
        let error = writer.remove(Table::Ticks, FIRST).await.unwrap_err().to_string();
        assert!(error.contains(FIRST) && error.contains("cannot be told"), "{error}");
        assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 10);
    }
    // A role that is no superuser may ask for what names the database.
    let may = "SELECT has_function_privilege('public', 'pg_control_system()', 'EXECUTE')::int::bigint";
    assert_eq!(number(&database, may).await, 1);
}

#[tokio::test]
async fn a_database_of_the_version_before_says_what_to_do_and_keeps_its_names() {
    let Some((server, database, name)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    put(&mut writer, &ticks(0, 10), UNTOLD, 0).await;
    server.sql(
        &name,
        "DROP INDEX zomma.batches_input; DELETE FROM zomma.migrations WHERE version = 2; \
         ALTER TABLE zomma.batches DROP COLUMN xact, DROP COLUMN home, DROP COLUMN from_ns, DROP COLUMN to_ns",
    );
    let mut writer = Writer::new(database.clone());
    assert_eq!(names(&mut writer, Table::Ticks).await, [(UNTOLD.to_owned(), 10)]);
    assert_eq!(writer.standing(Table::Ticks, UNTOLD).await.unwrap(), None);
    let error = writer.append(Table::Ticks, &ticks(10, 10), "a").await.unwrap_err().to_string();
    assert!(error.contains("version 1") && error.contains("zomma store migrate"), "{error}");
    let done = migrate(&database).await.unwrap();
    assert_eq!((done.from_version, done.to_version), (1, 2));
    let again = writer.append(Table::Ticks, &ticks(0, 10), &format!("{UNTOLD}/ticks/0")).await.unwrap();
    assert!(again.was_there);
    put(&mut writer, &ticks(0, 10), FIRST, 0).await;
    assert_eq!(writer.standing(Table::Ticks, FIRST).await.unwrap(), Some(10));
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 10);
}
