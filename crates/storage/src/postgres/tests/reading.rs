use futures::StreamExt;

use super::{
    super::{Request, Writer, explain, scan},
    writing::rows,
    *,
};

#[tokio::test]
async fn a_question_reads_the_days_that_it_needs() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    let week: Vec<_> = (0..7).map(|day| (DAY + day * DAY_NS, day as f64)).collect();
    writer.append(Table::Quotes, &quotes(&week), "a").await.unwrap();
    let request =
        Request { from_ns: Some(DAY + 2 * DAY_NS), to_ns: Some(DAY + 4 * DAY_NS), ..Request::of(Table::Quotes) };
    let plan = explain(&database, &request).await.unwrap();
    let read: Vec<_> = plan.days_read.iter().map(ToString::to_string).collect();
    assert_eq!(
        (read.as_slice(), plan.days, plan.days_pruned()),
        (["2026-01-04".to_owned(), "2026-01-05".into()].as_slice(), 7, 5),
        "{}",
        plan.text
    );
    assert_eq!(explain(&database, &Request::of(Table::Quotes)).await.unwrap().days_pruned(), 0);
    let found = rows(&database, &request).await;
    assert_eq!(found, quotes(&week[2..4]));
}

#[tokio::test]
async fn columns_instruments_and_limits_are_the_servers_work() {
    let Some((_server, database, _)) = migrated().await else { return };
    Writer::new(database.clone()).append(Table::Ticks, &ticks(0, 300), "a").await.unwrap();
    let of = |instruments: &[&str]| Request {
        instruments: instruments.iter().map(|name| (*name).to_owned()).collect(),
        columns: Some(vec![2, 1]),
        ..Request::of(Table::Ticks)
    };
    let found = rows(&database, &of(&["O'Neil é", "nobody"])).await;
    assert_eq!(found.num_rows(), 100);
    let names: Vec<_> = found.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["sequence", "instrument"]);
    assert_eq!(rows(&database, &of(&["'; DROP TABLE zomma.ticks; --", "x\0"])).await.num_rows(), 0);
    assert_eq!(rows(&database, &Request { limit: Some(7), ..of(&["AAPL", "MSFT"]) }).await.num_rows(), 7);
    // Rows without columns, to be counted.
    let count = rows(&database, &Request { columns: Some(vec![]), ..Request::of(Table::Ticks) }).await;
    assert_eq!((count.num_rows(), count.num_columns()), (300, 0));
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_does_not_block_the_next() {
    let Some((_server, database, _)) = migrated().await else { return };
    Writer::new(database.clone()).append(Table::Ticks, &ticks(0, 50_000), "a").await.unwrap();
    for _ in 0..Settings::default().connections * 2 {
        let mut scan = scan(&database, &Request::of(Table::Ticks)).await.unwrap();
        assert_eq!(scan.next().await.unwrap().unwrap().num_rows(), 8192);
    }
    assert_eq!(rows(&database, &Request::of(Table::Ticks)).await.num_rows(), 50_000);
    let nowhere = Request::of(Table::Bars);
    sqlx::raw_sql("DROP TABLE zomma.bars CASCADE").execute(database.pool()).await.unwrap();
    for _ in 0..Settings::default().connections * 2 {
        let error = scan(&database, &nowhere).await.unwrap().collect().await.unwrap_err().to_string();
        assert!(error.contains("bars"), "{error}");
    }
}
