use std::fs;

use zomma_storage::place::S3Settings;

use super::*;
use crate::data::Source;

fn config(more: &str) -> DataConfig {
    toml::from_str(&format!(
        "model = \"black_scholes\"\nheld_out = 200\n{more}\n[ranges]\nmoneyness = {{ min = 0.5, max = 2.0 }}\n\
         expiry_years = {{ min = 0.02, max = 3.0 }}\nvolatility = {{ min = 0.05, max = 1.0 }}"
    ))
    .unwrap()
}

fn place(folder: &std::path::Path) -> Place {
    Place::open(folder.to_str().unwrap(), &S3Settings::default()).unwrap()
}

/// Shards of 300 rows each in a folder.
fn written(rows: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = config("");
    let job = LabelJob { config: &config, rows, shard_rows: 300, resume: false };
    let written = write_labels(&job, &place(folder.path()), &mut |_| true).unwrap();
    assert_eq!(written.progress, Progress { done: rows, found: 0 });
    assert_eq!(written.manifest.map(|manifest| manifest.rows), Some(rows));
    folder
}

fn open(folder: &std::path::Path, more: &str) -> Result<Shards, LearnError> {
    Shards::open(&config(more), 7, place(folder))
}

/// A row by the bits of its inputs.
fn rows_of(rows: &Rows) -> Vec<[u64; 3]> {
    let bits = |row: &[f64]| [row[0].to_bits(), row[1].to_bits(), row[2].to_bits()];
    rows.inputs.chunks_exact(3).map(bits).collect()
}

fn drawn(shards: &Shards, position: u64, count: usize) -> Rows {
    let mut rows = Rows::zeros(count, 3);
    shards.draw(position, &mut rows).unwrap();
    rows
}

#[test]
fn every_row_is_learned_or_held_out_and_none_is_both() {
    let folder = written(2000);
    for shuffle_rows in [16, 500, 100_000] {
        let shards = open(folder.path(), &format!("shuffle_rows = {shuffle_rows}")).unwrap();
        let counts = shards.counts();
        assert_eq!((counts.shards, counts.rows, counts.bad), (7, 2000, 0));
        // Binomial: deviations of 13 rows.
        assert!(counts.held_out.abs_diff(200) < 60 && counts.tested.abs_diff(200) < 60, "{counts:?}");
        assert_eq!(counts.learned + counts.held_out + counts.tested, 2000);
        let learned = counts.learned as usize;
        let mut all = rows_of(&drawn(&shards, 0, learned));
        assert_ne!(all, rows_of(&drawn(&shards, counts.learned, learned)), "the second epoch has an order of its own");
        all.extend(rows_of(shards.held_out()));
        all.extend(rows_of(shards.tested()));
        all.sort_unstable();
        let config = config("");
        let mut wanted = rows_of(&Source::new(&config, 1).unwrap().first(2000).unwrap());
        wanted.sort_unstable();
        assert!(all == wanted, "not every row once");
        assert!(rows_of(shards.fitted()).iter().all(|row| !rows_of(shards.held_out()).contains(row)));
    }
}

#[test]
fn labels_come_with_their_rows() {
    let folder = written(1000);
    let shards = open(folder.path(), "").unwrap();
    let rows = drawn(&shards, 0, 500);
    let mut again = Rows { inputs: rows.inputs.clone(), ..Rows::zeros(500, 3) };
    crate::data::labels::label(crate::config::PricingModel::BlackScholes, &mut again).unwrap();
    assert_eq!(rows, again);
}

#[test]
fn what_is_drawn_depends_on_the_position_alone() {
    let folder = written(2000);
    let shards = open(folder.path(), "shuffle_rows = 128").unwrap();
    let whole = drawn(&shards, 0, 4000);
    for (position, count) in [(0, 1), (1, 127), (128, 500), (628, 3372), (1999, 1), (127, 2)] {
        let part = drawn(&shards, position, count);
        let at = position as usize..position as usize + count;
        assert_eq!(part.prices, whole.prices[at.clone()], "{position}");
        assert_eq!(part.differentials, whole.differentials[3 * at.start..3 * at.end], "{position}");
    }
    // Two ranks that draw half of every batch each, of rows that go on and on.
    for rank in 0..2 {
        let other = open(folder.path(), "shuffle_rows = 128").unwrap();
        for batch in 0..20 {
            let first = batch * 100 + rank * 50;
            let part = drawn(&other, first as u64, 50);
            assert_eq!(part.prices, whole.prices[first..first + 50], "rank {rank} batch {batch}");
        }
    }
    // Where the shards lie does not matter, nor does whoever reads them.
    let other = open(folder.path(), "shuffle_rows = 128").unwrap();
    assert_eq!(drawn(&other, 777, 200).prices, whole.prices[777..977]);
    assert_eq!(other.identity(), shards.identity());
}

#[test]
fn rows_that_were_waited_for_are_the_same_rows_and_whoever_is_asked_to_stop_waits_no_more() {
    let folder = written(2000);
    let [shards, waiting] = [(); 2].map(|()| open(folder.path(), "shuffle_rows = 128").unwrap());
    let whole = drawn(&shards, 0, 4000);
    for (position, count) in [(0, 1), (1, 127), (200, 700), (900, 100), (1000, 3000), (628, 10)] {
        assert!(waiting.wait(position, count, &|| false).unwrap());
        let rows = drawn(&waiting, position, count);
        let at = position as usize..position as usize + count;
        assert_eq!(rows.prices, whole.prices[at], "{position}");
        // More than any block, and so not here: nothing is lost of what came meanwhile.
        let asked = std::cell::Cell::new(0);
        let stops = || asked.replace(asked.get() + 1) > 3;
        assert!(!waiting.wait(position + count as u64, 1 << 40, &stops).unwrap());
    }
}

#[test]
fn a_shard_that_changes_under_the_reader_is_refused() {
    let folder = written(2000);
    let manifest = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    fs::remove_file(folder.path().join("manifest.json")).unwrap();
    // Without the manifest and without its mark, as shards of another program.
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        let bytes = fs::read(entry.path()).unwrap();
        let at = bytes.windows(12).position(|word| word == b"zomma.shards").unwrap();
        let mut other = bytes.clone();
        other[at] = b'Z';
        fs::write(entry.path(), other).unwrap();
    }
    assert!(manifest.contains("rows-000003.parquet"));
    let shards = open(folder.path(), "shuffle_rows = 16").unwrap();
    drawn(&shards, 0, 16);
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        let mut bytes = fs::read(entry.path()).unwrap();
        bytes[100] ^= 1;
        fs::write(entry.path(), bytes).unwrap();
    }
    let error = shards.draw(16, &mut Rows::zeros(1500, 3)).unwrap_err().to_string();
    assert!(error.contains(".parquet") && error.contains("other bytes"), "{error}");
}

#[test]
fn whole_shards_are_held_out_by_name_and_names_are_checked() {
    let folder = written(2000);
    let held = "held_out_shards = [\"rows-000002.parquet\", \"rows-000004.parquet\"]";
    let shards = open(folder.path(), held).unwrap();
    let counts = shards.counts();
    assert_eq!(counts.learned, 1400);
    let third = Source::new(&config(""), 1).unwrap().first(900).unwrap();
    let of_third = rows_of(&third)[600..].to_vec();
    let held_out = rows_of(shards.held_out());
    assert!(held_out.iter().any(|row| of_third.contains(row)));
    assert!(rows_of(&drawn(&shards, 0, 1400)).iter().all(|row| !of_third.contains(row)));
    let refused = |more: &str, words: &[&str]| {
        let error = open(folder.path(), more).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refused("held_out_shards = [\"other.parquet\"]", &["held_out_shards", "other.parquet", "rows-000006.parquet"]);
    let all: Vec<String> = (0..7).map(|index| format!("\"rows-{index:06}.parquet\"")).collect();
    refused(&format!("held_out_shards = [{}]", all.join(", ")), &["held_out_shards", "all of them"]);
    let big = config("").held_out.max(501);
    let mut config = config("");
    config.held_out = big;
    let error = Shards::open(&config, 7, place(folder.path())).unwrap_err().to_string();
    assert!(error.contains("data.held_out: 501") && error.contains("at most 500"), "{error}");
}

#[test]
fn labels_that_were_stopped_go_on_and_end_with_the_same_bytes() {
    let config = config("");
    let whole = written(2000);
    let folder = tempfile::tempdir().unwrap();
    let job = |resume| LabelJob { config: &config, rows: 2000, shard_rows: 300, resume };
    let mut shards = 0;
    let stopped = write_labels(&job(false), &place(folder.path()), &mut |_| {
        shards += 1;
        shards < 3
    });
    assert!(stopped.unwrap().manifest.is_none());
    assert!(open(folder.path(), "").unwrap_err().to_string().contains("manifest.json is missing"));
    let error = write_labels(&job(false), &place(folder.path()), &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("--resume"), "{error}");
    let resumed = write_labels(&job(true), &place(folder.path()), &mut |_| true).unwrap();
    assert!(resumed.progress.found >= 900, "{:?}", resumed.progress);
    let read = |folder: &tempfile::TempDir, name: &str| fs::read(folder.path().join(name)).unwrap();
    for index in 0..7 {
        let name = format!("rows-{index:06}.parquet");
        assert!(read(&folder, &name) == read(&whole, &name), "{name}");
    }
    assert_eq!(read(&folder, "manifest.json"), read(&whole, "manifest.json"));
    // A finished set that is damaged is mended, and one of another config is refused.
    fs::write(folder.path().join("rows-000005.parquet"), b"rubbish").unwrap();
    let mended = write_labels(&job(true), &place(folder.path()), &mut |_| true).unwrap();
    assert_eq!(mended.progress, Progress { done: 2000, found: 1700 });
    assert!(read(&folder, "rows-000005.parquet") == read(&whole, "rows-000005.parquet"));
    let other = DataConfig { seed: 2, ..config.clone() };
    let job = LabelJob { config: &other, ..job(true) };
    let error = write_labels(&job, &place(folder.path()), &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("another config"), "{error}");
}
