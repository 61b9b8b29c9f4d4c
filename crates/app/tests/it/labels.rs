//! `zomma labels`, and training from shards: the same network from a folder, from a bucket, after a kill and over a bucket that was away; and what
//! is refused.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use zomma_testkit::{s3_server::s3_server, skip};

use crate::program::{Run, arg, run, run_env, table, zomma};

/// A network of seconds that learns from shards.
const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 300
shards = "SHARDS"
shuffle_rows = 512
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 600
batch = 128
learning_rate = 0.01
warm_up = 20
evaluate_every = 100
checkpoint_every = 50
"#;

fn config(folder: &Path, shards: &str, more: &[(&str, &str)]) -> std::path::PathBuf {
    let path = folder.join("tiny.toml");
    let text = more.iter().fold(TINY.replace("SHARDS", shards), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    fs::write(&path, text).unwrap();
    path
}

/// 4,000 rows in shards of 500.
fn labels(config: &Path, place: &str, variables: &[(&str, &str)]) -> Value {
    let arguments = ["labels", arg(config), "-o", place, "--rows", "4000", "--shard-rows", "500", "--json"];
    serde_json::from_str(&run_env(&arguments, b"", variables).ok().out).unwrap()
}

fn train(config: &Path, output: &Path, more: &[&str]) -> Run {
    run(&[&["train", arg(config), "-o", arg(output), "--json"], more].concat())
}

fn figures(run: Run) -> Value {
    serde_json::from_str(&run.ok().out).unwrap()
}

fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Child {
    let mut command = zomma();
    command.args(arguments).envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {what} after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The step of the last row of a run's metrics.
fn step(output: &Path) -> u64 {
    let rows = table(&fs::read_to_string(output.join("metrics.csv")).unwrap_or_default());
    rows.last().and_then(|row| row["step"].parse().ok()).unwrap_or(0)
}

#[test]
fn a_network_learns_from_shards_and_a_killed_run_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    let path = config(folder.path(), arg(&shards), &[]);
    let made = labels(&path, arg(&shards), &[]);
    assert_eq!((made["rows"].as_u64(), made["shards"].as_u64()), (Some(4000), Some(8)));
    let whole = figures(train(&path, &folder.path().join("whole"), &[]));
    // As from labels that are made on the way; untrained it is not.
    assert!(whole["price_rmse"].as_f64().unwrap() < 5e-3, "{whole}");
    assert!(whole["delta_rmse"].as_f64().unwrap() < 5e-2 && whole["network_ns"].as_f64().unwrap() > 0.0, "{whole}");
    let tested = whole["test_rows"].as_u64().unwrap();
    assert!((200..400).contains(&tested), "{tested}");
    let output = folder.path().join("parts");
    let mut child = start(&["train", arg(&path), "-o", arg(&output)], &[]);
    wait_for("checkpoint", || output.join("checkpoint.bin").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = figures(train(&path, &output, &["--resume", "--threads", "1"]));
    for key in ["parameters_checksum", "price_rmse", "delta_max", "steps", "samples", "best_step"] {
        assert_eq!(resumed[key], whole[key], "{key}");
    }
    // Other rows in the same place are not gone on with.
    fs::remove_dir_all(&shards).unwrap();
    let other = config(folder.path(), arg(&shards), &[("held_out", "seed = 5\nheld_out")]);
    labels(&other, arg(&shards), &[]);
    let longer = config(folder.path(), arg(&shards), &[("steps = 600", "steps = 700")]);
    train(&longer, &output, &["--resume"]).refused(1, &["other rows", arg(&shards)]);
}

#[test]
fn a_bucket_gives_the_same_network_also_when_it_was_away_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = s3_server(&folder.path().join("s3")) else { return };
    let variables = server.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let shards = folder.path().join("shards");
    let long = [("steps = 600", "steps = 2000")];
    let local = config(folder.path(), arg(&shards), &long);
    let in_folder = labels(&local, arg(&shards), &[]);
    let whole = figures(train(&local, &folder.path().join("local"), &[]));
    let path = config(folder.path(), "s3://zomma/sets/tiny", &long);
    let in_bucket = labels(&path, "s3://zomma/sets/tiny", &variables);
    assert_eq!(in_bucket["content"], in_folder["content"]);
    let output = folder.path().join("bucket");
    let child = start(&["train", arg(&path), "-o", arg(&output), "--json"], &variables);
    wait_for("step", || step(&output) >= 100);
    server.kill();
    // Longer than what was read ahead lasts: 2 blocks of 4 batches.
    std::thread::sleep(Duration::from_secs(2));
    assert!(step(&output) < 2000, "the run was over before the bucket went away");
    let before = step(&output);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(step(&output), before, "the run went on without rows");
    assert!(server.restart());
    let ended = Run::of(&child.wait_with_output().unwrap());
    let found = figures(ended);
    for key in ["parameters_checksum", "price_rmse", "steps", "samples"] {
        assert_eq!(found[key], whole[key], "{key}");
    }
    // A run that went from the one place to the other is the same run.
    let again =
        run_env(&["train", arg(&path), "-o", arg(&folder.path().join("local")), "--resume", "--json"], b"", &variables);
    assert_eq!(figures(again)["parameters_checksum"], whole["parameters_checksum"]);
    let refused = |place: &str, variables: &[(&str, &str)], code: i32, words: &[&str]| {
        let path = config(folder.path(), place, &[]);
        let output = folder.path().join("refused");
        run_env(&["train", arg(&path), "-o", arg(&output)], b"", variables).refused(code, words);
    };
    refused("s3://zomma/nothing", &variables, 1, &["s3://zomma/nothing", "no Parquet files"]);
    refused("s3://no-such-bucket/x", &variables, 1, &["s3://no-such-bucket/x", "no such bucket"]);
    let mut stranger = variables.clone();
    stranger.push(("ZOMMA_S3_ACCESS_KEY_ID", "STRANGER"));
    refused("s3://zomma/sets/tiny", &stranger, 1, &["s3://zomma/sets/tiny", "403"]);
    refused("s3:///x", &variables, 2, &["names no bucket"]);
}

#[test]
fn labels_that_were_killed_are_no_set_until_they_are_finished() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    let path = config(folder.path(), arg(&shards), &[]);
    let arguments = ["labels", arg(&path), "-o", arg(&shards), "--rows", "3000000", "--shard-rows", "50000"];
    for signal in ["-KILL", "-INT"] {
        let _ = fs::remove_dir_all(&shards);
        let mut child = start(&arguments, &[]);
        wait_for("shard", || shards.join("rows-000000.parquet").exists());
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        child.wait().unwrap();
        if shards.join("manifest.json").exists() {
            continue;
        }
        train(&path, &folder.path().join("run"), &[]).refused(1, &["manifest.json is missing", "stopped"]);
        run(&arguments).refused(1, &[arg(&shards), "--resume"]);
        let resumed = run(&[&arguments[..], &["--resume", "--json"]].concat()).ok();
        let resumed: Value = serde_json::from_str(&resumed.out).unwrap();
        assert_eq!((resumed["rows"].as_u64(), resumed["shards"].as_u64()), (Some(3_000_000), Some(60)));
        assert!(resumed["rows_found"].as_u64().unwrap() >= 50_000, "{resumed}");
        let names = fs::read_dir(&shards).unwrap().flatten().map(|file| file.file_name().into_string().unwrap());
        let left: Vec<String> = names.filter(|name| name.ends_with(".tmp")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    run(&arguments).refused(1, &["holds 3000000 rows", "another place"]);
    let other = config(folder.path(), arg(&shards), &[("max = 0.5", "max = 0.6")]);
    let mut arguments = arguments.to_vec();
    arguments[1] = arg(&other);
    arguments.push("--resume");
    run(&arguments).refused(1, &["another config"]);
    run(&["labels", arg(&path), "-o", arg(&shards), "--rows", "0"]).refused(2, &["--rows"]);
    run(&["labels", "no_such.toml", "-o", arg(&shards), "--rows", "1"]).refused(1, &["no_such.toml"]);
    let help = run(&["labels", "--help"]).ok().out;
    assert!(help.contains("Example:") && help.contains("--resume"), "{help}");
}

#[test]
fn a_search_learns_from_shards() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    let path = config(folder.path(), arg(&shards), &[("steps = 600", "steps = 100")]);
    labels(&path, arg(&shards), &[]);
    let search =
        "[search]\nname = \"tiny\"\ntrials = 2\n[search.space]\n\"network.width\" = { low = 4, high = 8, step = 4 }\n";
    let searched = fs::read_to_string(&path).unwrap().replace("width = 8\n", "");
    fs::write(&path, format!("{search}{searched}")).unwrap();
    let output = folder.path().join("search");
    run(&["tune", arg(&path), "-o", arg(&output)]).ok();
    let found: Value = serde_json::from_str(&run(&["tune", "report", arg(&output), "--json"]).ok().out).unwrap();
    let trials = found["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 2);
    assert!(trials.iter().all(|trial| trial["value"].as_f64().is_some_and(|error| error > 0.0)), "{found}");
}

/// A file of columns as another program writes it.
fn write(path: &Path, columns: &[(&str, Vec<Option<f64>>)]) {
    let arrays = columns.iter().map(|(name, cells)| (*name, Arc::new(Float64Array::from(cells.clone())) as ArrayRef));
    let batch = RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, cells)| (name, cells, true))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Prices without derivatives, of no model: five hundred rows.
fn prices() -> Vec<(&'static str, Vec<Option<f64>>)> {
    let of = |from: f64, to: f64, step: usize| -> Vec<Option<f64>> {
        (0..500).map(|i| Some(from + (to - from) * ((i * step) % 499) as f64 / 499.0)).collect()
    };
    vec![
        ("moneyness", of(0.7, 1.4, 1)),
        ("expiry_years", of(0.1, 1.0, 7)),
        ("volatility", of(0.1, 0.5, 31)),
        ("price", of(0.05, 0.4, 1)),
    ]
}

#[test]
fn shards_of_other_programs_are_learned_from_and_bad_ones_refused_by_file_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    fs::create_dir(&shards).unwrap();
    let settings = [("held_out = 300", "held_out = 100\ndifferentials = false"), ("steps = 600", "steps = 30")];
    let path = config(folder.path(), arg(&shards), &settings);
    let refused = |code: i32, words: &[&str]| {
        train(&path, &folder.path().join("refused"), &[]).refused(code, words);
    };
    refused(1, &["no Parquet files", arg(&shards)]);
    let (a, b) = (shards.join("a.parquet"), shards.join("b.parquet"));
    write(&a, &prices());
    write(&b, &prices());
    let output = folder.path().join("run");
    let found = figures(train(&path, &output, &[]));
    assert!(found["price_rmse"].as_f64().is_some() && found["delta_rmse"].is_null(), "{found}");
    assert!(found["gamma"].is_null() && found["by_input_rmse"].as_object().unwrap().is_empty(), "{found}");
    let shown = run(&["train", arg(&path), "-o", arg(&output), "--resume"]).ok().out;
    assert!(shown.contains("price, of the strike") && !shown.contains("delta"), "{shown}");

    // Cells that are no numbers, in the second file, from row 42 on.
    for (cell, what) in [
        (None, "empty or NaN"),
        (Some(f64::NAN), "empty or NaN"),
        (Some(f64::INFINITY), "inf"),
        (Some(f64::NEG_INFINITY), "-inf"),
    ] {
        let mut columns = prices();
        columns[3].1[41] = cell;
        columns[3].1[77] = cell;
        write(&b, &columns);
        refused(1, &["2 of 1000 rows", "b.parquet row 42", "column price", what, "data.bad_rows"]);
    }
    // Numbers that are no prices: below intrinsic value, above the forward, nobody's.
    for cell in [-5.0, 3.0, 1e300] {
        let mut columns = prices();
        columns[3].1[41] = Some(cell);
        write(&b, &columns);
        refused(1, &["1 of 1000 rows", "b.parquet row 42", "column price is", "at moneyness", "data.bad_rows"]);
    }
    let mut columns = prices();
    columns[3].1[41] = None;
    columns[3].1[77] = Some(-5.0);
    write(&b, &columns);
    let lenient = [settings[0], settings[1], ("shuffle_rows = 512", "shuffle_rows = 512\nbad_rows = 0.01")];
    let path_lenient = config(folder.path(), arg(&shards), &lenient);
    let said = train(&path_lenient, &folder.path().join("lenient"), &[]).ok();
    assert!(said.err.contains("2 of 1000 rows"), "{}", said.err);
    config(folder.path(), arg(&shards), &settings);
    let mut columns = prices();
    columns[0].1[0] = Some(1.5);
    write(&b, &columns);
    refused(1, &["1 of 1000 rows", "b.parquet row 1", "moneyness is 1.5", "0.7 to 1.4"]);

    // Columns.
    write(&b, &prices()[1..]);
    refused(1, &["b.parquet", "no column moneyness", "expiry_years, volatility, price"]);
    fs::copy(&a, &b).unwrap();
    let many = ("held_out = 300", "held_out = 300\ndifferentials = false");
    config(folder.path(), arg(&shards), &[many, settings[1]]);
    refused(2, &["data.held_out: 300", "at most 250", arg(&shards)]);
    config(folder.path(), arg(&shards), &[("held_out = 300", "held_out = 100"), settings[1]]);
    refused(1, &["a.parquet", "no column price_by_moneyness", "data.differentials"]);
    config(folder.path(), arg(&shards), &settings);

    // Bytes.
    let whole = fs::read(&b).unwrap();
    fs::write(&b, &whole[..whole.len() / 2]).unwrap();
    refused(1, &["b.parquet", "is it whole?"]);
    fs::write(&b, b"").unwrap();
    refused(1, &["b.parquet"]);
}

#[test]
fn shards_of_a_set_that_are_missing_cut_off_or_damaged_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards");
    let path = config(folder.path(), arg(&shards), &[("steps = 600", "steps = 30")]);
    let output = folder.path().join("run");
    train(&path, &output, &[]).refused(2, &[arg(&shards), "No such file"]);
    labels(&path, arg(&shards), &[]);
    let third = shards.join("rows-000002.parquet");
    let whole = fs::read(&third).unwrap();
    fs::remove_file(&third).unwrap();
    train(&path, &output, &[]).refused(1, &["rows-000002.parquet", "is missing", "manifest.json"]);
    fs::write(&third, &whole[..whole.len() - 100]).unwrap();
    train(&path, &output, &[]).refused(1, &["rows-000002.parquet", "cut off"]);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&third, &damaged).unwrap();
    train(&path, &output, &[]).refused(1, &["rows-000002.parquet", "checksum"]);
    // What is damaged can be made again.
    let arguments = ["labels", arg(&path), "-o", arg(&shards), "--rows", "4000", "--shard-rows", "500", "--resume"];
    assert!(run(&arguments).ok().out.contains("3500 of them were there"));
    assert_eq!(fs::read(&third).unwrap(), whole);
    // So can a manifest that a copy broke off from.
    let manifest = shards.join("manifest.json");
    let text = fs::read(&manifest).unwrap();
    for length in [0, 10, text.len() / 2] {
        fs::write(&manifest, &text[..length]).unwrap();
        train(&path, &output, &[]).refused(1, &["manifest.json", "is no manifest", "--resume"]);
        assert!(run(&arguments).ok().out.contains("4000 of them were there"));
        assert_eq!(fs::read(&manifest).unwrap(), text, "{length}");
    }
    // One of somebody else's is not written over.
    fs::write(&manifest, b"{ \"format\": \"another\"").unwrap();
    run(&arguments).refused(1, &["manifest.json", "is no manifest"]);
    fs::write(&manifest, &text).unwrap();
    let taken = folder.path().join("taken");
    fs::write(&taken, b"x").unwrap();
    run(&["labels", arg(&path), "-o", arg(&taken), "--rows", "10"]).refused(2, &["taken"]);
    train(&path, &output, &[]).ok();
    let named = config(folder.path(), arg(&shards), &[("held_out = 300", "held_out_shards = [\"x.parquet\"]")]);
    train(&named, &folder.path().join("named"), &[])
        .refused(2, &["data.held_out_shards: x.parquet", "rows-000000.parquet"]);
    let both = config(folder.path(), arg(&shards), &[("held_out = 300", "samples = 1000")]);
    train(&both, &folder.path().join("both"), &[]).refused(2, &["data.samples", "data.shards"]);
    let alone = config(folder.path(), arg(&shards), &[(&format!("shards = \"{}\"", arg(&shards)), "")]);
    train(&alone, &folder.path().join("alone"), &[]).refused(2, &["data.shuffle_rows", "data.shards"]);
}

#[test]
#[cfg(unix)]
fn a_folder_that_may_not_be_read_is_told() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let folder = tempfile::tempdir().unwrap();
    let (shards, output) = (folder.path().join("shards"), folder.path().join("run"));
    let path = config(folder.path(), arg(&shards), &[]);
    labels(&path, arg(&shards), &[]);
    fs::create_dir(&output).unwrap();
    for (of, mode) in
        [(folder.path(), 0o755), (&path, 0o644), (&output, 0o777), (&shards.join("rows-000001.parquet"), 0)]
    {
        fs::set_permissions(of, fs::Permissions::from_mode(mode)).unwrap();
    }
    // Root may read everything; nobody may not.
    let binary = folder.path().join("zomma");
    let mut command = if File::open(shards.join("rows-000001.parquet")).is_ok() {
        fs::copy(env!("CARGO_BIN_EXE_zomma"), &binary).unwrap();
        let mut command = Command::new(&binary);
        command.uid(65_534).gid(65_534);
        command
    } else {
        zomma()
    };
    let Ok(found) = command.args(["train", arg(&path), "-o", arg(&output)]).output() else {
        return skip("no other user to run as");
    };
    Run::of(&found).refused(1, &["rows-000001.parquet", "ermission denied"]);
}
