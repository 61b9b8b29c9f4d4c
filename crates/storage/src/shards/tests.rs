use std::{fs, path::Path, sync::Arc};

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::{
    Place, block_on,
    error::StorageError,
    place::{S3Settings, UNFINISHED},
};

const COLUMNS: [&str; 2] = ["x", "y"];

fn place(folder: &Path) -> Place {
    Place::open(folder.to_str().unwrap(), &S3Settings::default()).unwrap()
}

fn writer(folder: &Path) -> ShardWriter {
    ShardWriter::new(&place(folder), "content", COLUMNS.map(str::to_owned).to_vec(), 100)
}

/// The columns of a shard of so many rows.
fn columns(index: usize, rows: usize) -> Vec<Vec<f64>> {
    let x: Vec<f64> = (0..rows).map(|row| (index * 100 + row) as f64).collect();
    vec![x.clone(), x.iter().map(|x| -0.5 * x).collect()]
}

/// 250 rows in three shards.
fn write(folder: &Path) -> Manifest {
    let writer = writer(folder);
    let rows = [100, 100, 50].into_iter().enumerate();
    let entries = rows.map(|(index, rows)| block_on(writer.write(index, columns(index, rows))).unwrap()).collect();
    block_on(writer.finish(entries)).unwrap()
}

fn opened(folder: &Path) -> Result<ShardSet, StorageError> {
    block_on(ShardSet::open(place(folder)))
}

fn refusal(folder: &Path, words: &[&str]) {
    let error = opened(folder).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
}

/// A file of another program.
fn foreign(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn what_is_written_is_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write(folder.path());
    assert_eq!((manifest.rows, manifest.shards.len()), (250, 3));
    let set = opened(folder.path()).unwrap();
    assert_eq!(set.manifest(), Some(&manifest));
    let shards = block_on(set.fetch_all(set.files())).unwrap();
    for (index, shard) in shards.iter().enumerate() {
        assert_eq!(shard.columns(), COLUMNS);
        assert_eq!(shard.content(), Some("content"));
        let rows = set.files()[index].rows as usize;
        let found: Vec<Vec<f64>> = COLUMNS.iter().map(|name| shard.numbers(0, name).unwrap()).collect();
        assert_eq!(found, columns(index, rows));
    }
    let error = shards[0].numbers(0, "z").unwrap_err().to_string();
    assert!(error.contains("rows-000000.parquet") && error.contains("no column z; it has x, y"), "{error}");
}

#[test]
fn what_was_written_before_is_found_and_other_rows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let entry = block_on(writer(folder.path()).write(0, columns(0, 100))).unwrap();
    let found = |rows| block_on(writer(folder.path()).written(0, rows));
    assert_eq!(found(100).unwrap(), Some(entry));
    assert_eq!(found(99).unwrap(), None);
    assert_eq!(block_on(writer(folder.path()).written(1, 100)).unwrap(), None);
    let path = folder.path().join(shard_name(0));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(found(100).unwrap(), None);
    fs::write(&path, whole).unwrap();
    let other = ShardWriter::new(&place(folder.path()), "other", COLUMNS.map(str::to_owned).to_vec(), 100);
    let error = block_on(other.written(0, 100)).unwrap_err().to_string();
    assert!(error.contains("rows-000000.parquet") && error.contains("another config"), "{error}");
    let left = folder.path().join(format!(".rows-000001.parquet.1-1{UNFINISHED}"));
    fs::write(&left, b"half").unwrap();
    block_on(writer(folder.path()).sweep()).unwrap();
    assert!(!left.exists() && path.exists());
}

#[test]
fn shards_that_are_missing_cut_off_damaged_or_unknown_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let path = folder.path().join(shard_name(1));
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    refusal(folder.path(), &["rows-000001.parquet", "is missing"]);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refusal(folder.path(), &["rows-000001.parquet", "cut off"]);
    for at in [10, whole.len() / 2, whole.len() - 10] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let set = opened(folder.path()).unwrap();
        let error = block_on(set.fetch_all(set.files())).unwrap_err().to_string();
        assert!(error.contains("rows-000001.parquet") && error.contains("checksum"), "{error}");
    }
    fs::write(&path, &whole).unwrap();
    fs::write(folder.path().join("more.parquet"), &whole).unwrap();
    refusal(folder.path(), &["more.parquet", "not in manifest.json"]);
    fs::remove_file(folder.path().join("more.parquet")).unwrap();
    fs::write(folder.path().join(MANIFEST), "{}").unwrap();
    refusal(folder.path(), &["manifest.json", "no manifest of shards"]);
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    refusal(folder.path(), &["manifest.json is missing", "stopped"]);
}

#[test]
fn an_empty_folder_and_files_that_are_no_data_are_told() {
    let folder = tempfile::tempdir().unwrap();
    refusal(folder.path(), &["no Parquet files"]);
    fs::create_dir(folder.path().join("below")).unwrap();
    for name in [".hidden.parquet", "_temporary.parquet", "notes.txt", "below/x.parquet"] {
        fs::write(folder.path().join(name), b"x").unwrap();
    }
    refusal(folder.path(), &["no Parquet files"]);
    fs::write(folder.path().join("x.parquet"), b"rubbish").unwrap();
    refusal(folder.path(), &["x.parquet", "is it whole?"]);
}

#[test]
fn files_of_other_programs_are_read_with_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    foreign(
        &folder.path().join("b.parquet"),
        vec![
            ("x", Arc::new(Float32Array::from(vec![0.5f32, 1.5]))),
            ("n", Arc::new(Int64Array::from(vec![-3, 4]))),
            ("gap", numbers(vec![None, Some(2.0)])),
            ("word", Arc::new(StringArray::from(vec!["a", "b"]))),
        ],
    );
    foreign(&folder.path().join("a.parquet"), vec![("x", numbers(vec![Some(7.0)]))]);
    let set = opened(folder.path()).unwrap();
    let names: Vec<(&str, u64)> = set.files().iter().map(|file| (file.name.as_str(), file.rows)).collect();
    assert_eq!(names, [("a.parquet", 1), ("b.parquet", 2)]);
    let shard = block_on(set.fetch(&set.files()[1])).unwrap();
    assert_eq!(shard.numbers(0, "x").unwrap(), [0.5, 1.5]);
    assert_eq!(shard.numbers(0, "n").unwrap(), [-3.0, 4.0]);
    let gap = shard.numbers(0, "gap").unwrap();
    assert!(gap[0].is_nan() && gap[1] == 2.0);
    let error = shard.numbers(0, "word").unwrap_err().to_string();
    assert!(error.contains("b.parquet") && error.contains("word") && error.contains("allowed: numbers"), "{error}");
}
