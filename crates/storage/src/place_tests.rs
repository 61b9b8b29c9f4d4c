use std::time::Duration;

use jiff::civil::{Date, date};
use zomma_testkit::s3_server::{S3Server, s3_server};

use super::*;
use crate::{
    block_on,
    compact::{CompactSettings, compact},
    parquet::{Attempt, Earlier, Filter, Writer, WriterSettings, read, samples},
    replicate::{ReplicateSettings, replicate},
    table::Table,
    verify::verify,
};

const DAY: Date = date(2026, 1, 2);

fn settings(server: &S3Server) -> S3Settings {
    let mut settings = S3Settings::from_variables(server.variables()).unwrap();
    settings.retry_for = Some(Duration::from_secs(3));
    settings
}

async fn ingest(place: &Place, writer: &str, count: usize) -> Result<u64> {
    let few = WriterSettings { file_rows: 500, ..WriterSettings::new(writer, Earlier::Keep, samples::clock()) };
    let mut writer = Writer::new(place, few)?;
    writer.append(Table::Quotes, &samples::quotes(DAY, count)).await?;
    Ok(writer.finish().await?.rows)
}

async fn rows(place: &Place) -> u64 {
    read(place, Table::Quotes, &Filter::default()).await.unwrap().1.rows
}

#[test]
fn a_bucket_keeps_what_a_folder_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = s3_server(&folder.path().join("s3")) else { return };
    block_on(async {
        let place = Place::open("s3://zomma/desk/tables", &settings(&server)).unwrap();
        assert_eq!(rows(&place).await, 0);
        assert_eq!(ingest(&place, "a", 1_200).await.unwrap(), 1_200);
        assert_eq!(ingest(&place, "b", 300).await.unwrap(), 300);
        let (_, scanned) = read(&place, Table::Quotes, &Filter::default()).await.unwrap();
        assert_eq!((scanned.files, scanned.rows), (4, 1_500));
        let other = Place::open("s3://zomma/desk", &settings(&server)).unwrap();
        assert_eq!((other.list(&Path::from("tables")).await.unwrap().len(), rows(&other).await), (4, 0));
        let settings_of = |now_ns| CompactSettings {
            tables: vec![Table::Quotes],
            attempt: Attempt { now_ns, take_over: false },
            closed_after_ns: 0,
            dry_run: false,
        };
        let report = compact(&place, &settings_of(i64::MAX - 1)).await.unwrap();
        assert_eq!((report.compacted[0].files, report.compacted[0].rows), (1, 1_500));
        assert_eq!(rows(&place).await, 1_500);
        assert!(verify(&place, &[Table::Quotes]).await.unwrap().faults.is_empty());
        // To a folder, and back under another prefix.
        let local = Place::create(folder.path().join("copy").to_str().unwrap(), &S3Settings::default()).unwrap();
        let all = ReplicateSettings { tables: Table::ALL.to_vec(), delete: false, full: false, dry_run: false };
        assert_eq!(replicate(&place, &local, &all).await.unwrap().copied.len(), 1);
        let back = Place::open("s3://zomma/back", &settings(&server)).unwrap();
        assert_eq!(replicate(&local, &back, &all).await.unwrap().copied.len(), 1);
        assert_eq!((rows(&local).await, rows(&back).await), (1_500, 1_500));
    });
}

#[test]
fn a_large_object_goes_up_in_parts_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = s3_server(&folder.path().join("s3")) else { return };
    block_on(async {
        let place = Place::open("s3://zomma", &settings(&server)).unwrap();
        let bytes: Bytes = (0..PART_BYTES + 12_345).map(|index| (index * 31 % 251) as u8).collect::<Vec<u8>>().into();
        let path = Path::from("large");
        assert!(place.put(&path, bytes.clone(), Put::New).await.unwrap());
        assert!(place.get(&path).await.unwrap() == bytes);
        assert!(!place.put(&path, bytes, Put::New).await.unwrap());
    });
}

#[test]
fn a_bucket_that_is_away_is_tried_again_and_then_told_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("s3");
    let Some(mut server) = s3_server(&kept) else { return };
    let place = Place::open("s3://zomma/t", &settings(&server)).unwrap();
    block_on(async {
        let few = WriterSettings { file_rows: 500, ..WriterSettings::new("w", Earlier::Keep, samples::clock()) };
        let mut writer = Writer::new(&place, few).unwrap();
        writer.append(Table::Quotes, &samples::quotes(DAY, 700)).await.unwrap();
        server.kill();
        let error = writer.flush_all().await.unwrap_err().to_string();
        assert!(error.contains("s3://zomma/t/quotes/date=2026-01-02/w-000001.parquet"), "{error}");
        assert!(read(&place, Table::Quotes, &Filter::default()).await.is_err());
        // It comes back where it was, and the rows that waited are written.
        assert!(server.restart());
        assert_eq!(writer.finish().await.unwrap().rows, 700);
        assert_eq!(rows(&place).await, 700);
    });
}

#[test]
fn what_is_no_place_is_told() {
    let said = |place: &str| Place::open(place, &S3Settings::default()).unwrap_err().to_string();
    assert!(said("").contains("s3://bucket/prefix"));
    assert!(said("gs://x/y").contains("not a kind of place"));
    assert!(said("s3://").contains("names no bucket"));
    assert!(said("/no/such/folder").contains("/no/such/folder"));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(said(file.path().to_str().unwrap()).contains("is no folder"));
    let variables = |name: &str, value: &str| S3Settings::from_variables([(name.to_owned(), value.to_owned())]);
    let refused = |name, value| variables(name, value).unwrap_err().to_string();
    assert!(refused("ZOMMA_S3_ENDPIONT", "x").contains("ENDPOINT, REGION"));
    assert!(refused("ZOMMA_S3_ALLOW_HTTP", "yes").contains("true, false"));
    let secret = variables("AWS_SECRET_ACCESS_KEY", "hush").unwrap();
    assert!(!format!("{secret:?}").contains("hush"));
}
