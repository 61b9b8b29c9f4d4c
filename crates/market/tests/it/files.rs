//! Whole files, made here: Parquet, compression, tars, directories, damage.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, types::Int32Type,
};
use flate2::{Compression, write::GzEncoder};
use jiff::civil::{date, datetime, time};
use liblzma::write::XzEncoder;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use zomma_base::{OptionType, Settlement, Status};
use zomma_market::chain::{
    Chain, ChainError, Layout, MAX_CHAIN_ROWS, MAX_CHAINS, MAX_ROWS, Member, ReadOptions, members, parse,
};

const CSV: &str = "underlying,quote_date,option_type,expiry,strike,bid,ask\n\
    SPX,2019-04-25,call,2019-06-21,2900,50,51\nSPX,2019-04-25,put,2019-06-21,2900,40,41\n";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn read_all(path: &Path) -> Result<Vec<Chain>, ChainError> {
    let mut chains = Vec::new();
    for member in members(path)? {
        chains.extend(parse(&member?, &ReadOptions::default())?);
    }
    Ok(chains)
}

fn parquet_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn member(bytes: Vec<u8>) -> Member {
    Member { name: "day.parquet".into(), bytes, one_of_many: false }
}

fn days(date: jiff::civil::Date) -> i32 {
    (date - jiff::civil::date(1970, 1, 1)).get_days()
}

fn typed_parquet() -> Vec<u8> {
    let types: DictionaryArray<Int32Type> = vec!["call", "put", "call"].into_iter().collect();
    let quoted =
        datetime(2024, 6, 7, 15, 45, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond();
    parquet_of(vec![
        ("ignored", Arc::new(StringArray::from(vec!["x"; 3]))),
        (
            "ask",
            Arc::new(Decimal128Array::from(vec![Some(250), None, Some(300)]).with_precision_and_scale(9, 2).unwrap()),
        ),
        ("underlying", Arc::new(LargeStringArray::from(vec!["NDX"; 3]))),
        ("quote_date", Arc::new(TimestampMicrosecondArray::from(vec![quoted; 3]))),
        (
            "expiry",
            Arc::new(Date32Array::from(vec![Some(days(date(2024, 6, 21))), Some(days(date(2024, 6, 12))), None])),
        ),
        ("option_type", Arc::new(types)),
        ("strike", Arc::new(Int64Array::from(vec![19_000, 18_000, 17_000]))),
        ("bid", Arc::new(Float32Array::from(vec![1.5, 0.25, f32::NAN]))),
        ("volume", Arc::new(StringArray::from(vec![Some("12"), None, Some("x")]))),
    ])
}

#[test]
fn parquet_of_any_types() {
    let chains = parse(&member(typed_parquet()), &ReadOptions::default()).unwrap();
    let chain = &chains[0];
    let quotes = &chain.quotes;
    assert_eq!((chain.layout, chain.underlying.as_str()), (Layout::Zomma, "NDX"));
    assert_eq!((chain.quote_date, chain.quote_time), (date(2024, 6, 7), Some(time(15, 45, 0, 0))));
    assert_eq!(quotes.option_type, [OptionType::Call, OptionType::Put, OptionType::Call]);
    assert_eq!(quotes.strike, [19_000.0, 18_000.0, 17_000.0]);
    assert_eq!((quotes.ask[0], quotes.bid[0], quotes.volume[0]), (2.5, 1.5, 12.0));
    assert!(quotes.ask[1].is_nan() && quotes.bid[2].is_nan() && quotes.volume[2].is_nan());
    assert_eq!(quotes.expiry[1], datetime(2024, 6, 12, 0, 0, 0, 0));
    // The monthly of an index without roots is AM, another expiry PM.
    assert_eq!(quotes.settlement[..2], [Settlement::Am, Settlement::Pm]);
    assert_eq!(quotes.status, [Status::Ok, Status::Ok, Status::BadExpiry]);
}

#[test]
fn a_parquet_file_cut_short_is_named() {
    let whole = typed_parquet();
    for length in [4, 5, whole.len() / 2, whole.len() - 1] {
        let words = parse(&member(whole[..length].to_vec()), &ReadOptions::default()).unwrap_err().to_string();
        assert!(words.starts_with("day.parquet: truncated or damaged Parquet"), "{words}");
    }
}

#[test]
fn a_parquet_file_of_something_else_lists_its_columns() {
    let bytes = parquet_of(vec![("price", Arc::new(Float32Array::from(vec![1.0])))]);
    let words = parse(&member(bytes), &ReadOptions::default()).unwrap_err().to_string();
    assert!(words.contains("found columns [price]") && words.contains("needed"), "{words}");
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn compression_is_told_by_content() {
    let folder = folder();
    let plain = CSV.as_bytes();
    for (name, bytes) in [
        ("a.csv", plain.to_vec()),
        ("b.csv", gz(plain)),
        ("c", xz(plain)),
        ("d.gz", zst(plain)),
        ("e.xz", gz(&xz(plain))),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let chains = read_all(&path).unwrap();
        assert_eq!((chains.len(), chains[0].quotes.len()), (1, 2), "{name}");
        assert_eq!(chains[0].source, path.display().to_string());
    }
}

#[test]
fn a_tar_gives_its_files_whatever_it_is_packed_in() {
    let folder = folder();
    let second = CSV.replace("04-25", "04-26");
    let packed = gz(second.as_bytes());
    let tar = tar_of(&[
        ("days/1.csv", CSV.as_bytes()),
        ("._1.csv", b"mac"),
        ("days/2.csv.gz", &packed),
        ("notes.txt", b"hello\n"),
    ]);
    for (name, bytes) in [("a.tar", tar.clone()), ("b.tar.gz", gz(&tar)), ("c.tar.xz", xz(&tar)), ("d.tgz", zst(&tar))]
    {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let all: Vec<Member> = members(&path).unwrap().map(Result::unwrap).collect();
        let names: Vec<&str> = all.iter().map(|member| member.name.rsplit('!').next().unwrap()).collect();
        assert_eq!(names, ["days/1.csv", "days/2.csv.gz", "notes.txt"], "{name}");
        assert!(all.iter().all(|member| member.one_of_many));
        let dates: Vec<_> = all[..2].iter().map(|m| parse(m, &ReadOptions::default()).unwrap()[0].quote_date).collect();
        assert_eq!(dates, [date(2019, 4, 25), date(2019, 4, 26)]);
        assert!(parse(&all[2], &ReadOptions::default()).unwrap_err().is_no_chain());
    }
}

#[test]
fn a_tar_cut_short_is_an_error_and_not_an_end() {
    let folder = folder();
    let body = CSV.repeat(200);
    let tar = tar_of(&[("1.csv", CSV.as_bytes()), ("2.csv", body.as_bytes())]);
    for (name, bytes) in [
        ("cut.tar", tar[..2500].to_vec()),
        ("cut.tar.xz", {
            let xz = xz(&tar);
            xz[..xz.len() / 2].to_vec()
        }),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let outcome: Result<Vec<Member>, ChainError> = members(&path).and_then(Iterator::collect);
        let words = outcome.unwrap_err().to_string();
        assert!(words.contains(name) && words.contains("truncated or damaged"), "{words}");
    }
    let path = folder.path().join("empty.tar");
    fs::write(&path, tar_of(&[("._x", b"")])).unwrap();
    let outcome: Result<Vec<Member>, ChainError> = members(&path).and_then(Iterator::collect);
    assert!(matches!(outcome, Err(ChainError::NoMembers { .. })));
}

#[test]
fn a_reader_may_leave_a_tar_early() {
    let folder = folder();
    let path = folder.path().join("many.tar");
    let files: Vec<(String, Vec<u8>)> = (0..50).map(|at| (format!("{at}.csv"), CSV.as_bytes().to_vec())).collect();
    let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    fs::write(&path, tar_of(&listed)).unwrap();
    assert_eq!(members(&path).unwrap().take(2).map(Result::unwrap).count(), 2);
}

#[test]
fn a_directory_gives_its_files_in_order() {
    let folder = folder();
    fs::write(folder.path().join("b.csv"), CSV).unwrap();
    fs::write(folder.path().join("a.csv"), CSV.replace("04-25", "04-24")).unwrap();
    fs::write(folder.path().join("c.txt"), "hello\n").unwrap();
    fs::write(folder.path().join(".hidden"), "x").unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    let all: Vec<Member> = members(folder.path()).unwrap().map(Result::unwrap).collect();
    let names: Vec<&str> = all.iter().map(|member| member.name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a.csv", "b.csv", "c.txt"]);
    assert!(all.iter().all(|member| member.one_of_many));
}

#[test]
fn too_many_rows_are_refused_with_the_limit() {
    let (header, row) = ("underlying,quote_date,symbol,bid,ask\n", "SPX,2019-04-25,,1,2\n");
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(row.repeat(MAX_CHAIN_ROWS + 1).as_bytes());
    let words = parse(&Member { name: "day.csv".into(), bytes, one_of_many: false }, &ReadOptions::default());
    let words = words.unwrap_err().to_string();
    assert!(words.contains("row 2000001") && words.contains("2000000 rows of SPX on 2019-04-25"), "{words}");
    let mut bytes = b"underlying,quote_date,symbol,bid,ask\n".to_vec();
    for ticker in 0..=MAX_CHAINS {
        writeln!(bytes, "T{ticker},2019-04-25,,1,2").unwrap();
    }
    let words = parse(&Member { name: "day.csv".into(), bytes, one_of_many: false }, &ReadOptions::default());
    assert!(words.unwrap_err().to_string().contains("row 200001: more than 200000"));
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(bytes.len() + MAX_ROWS + 2, b'\n');
    let words = parse(&Member { name: "day.csv".into(), bytes, one_of_many: false }, &ReadOptions::default());
    assert!(words.unwrap_err().to_string().contains("12000000"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_round_say_so() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("round"), at("round")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("lost")).unwrap();
    for name in ["round", "lost", "absent"] {
        let words = members(&at(name)).map(|_| ()).unwrap_err().to_string();
        assert!(words.contains(name) && words.contains("cannot be read"), "{words}");
    }
    // In a directory they are errors among its files, not the end of the reading.
    let outcomes: Vec<bool> = members(folder.path()).unwrap().map(|outcome| outcome.is_err()).collect();
    assert_eq!(outcomes, [true, true]);
    let empty = folder.path().join("inner");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(members(&empty).map(|_| ()), Err(ChainError::NoMembers { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_parquet_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), is_cut in any::<bool>()) {
        let mut bytes = typed_parquet();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = parse(&member(bytes), &ReadOptions::default()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_damage_to_archives_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0usize..4) {
        let tar = tar_of(&[("1.csv", CSV.as_bytes()), ("2.csv", CSV.as_bytes())]);
        let mut bytes = match kind { 0 => tar, 1 => gz(&tar), 2 => xz(&tar), _ => zst(&tar) };
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let folder = folder();
        let path = folder.path().join("x");
        fs::write(&path, bytes).unwrap();
        let _ = read_all(&path).map_err(|error| error.to_string());
    }
}
