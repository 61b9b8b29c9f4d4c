//! `zomma train`: a tiny network from its config to its figures, stopped, killed and resumed, and what is refused.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::{Run, arg, run, table, zomma};

/// A network of seconds.
const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 2000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 600
batch = 256
learning_rate = 0.01
warm_up = 20
ema = 0.99
evaluate_every = 100
checkpoint_every = 50
keep_best = 2
"#;

fn config(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("tiny.toml");
    fs::write(&path, text).unwrap();
    path
}

fn train(config: &Path, output: &Path, more: &[&str]) -> Run {
    run(&[&["train", arg(config), "-o", arg(output), "--json"], more].concat())
}

fn figures(run: Run) -> Value {
    serde_json::from_str(&run.ok().out).unwrap()
}

/// A training run that goes on until it is ended.
fn start(config: &Path, output: &Path, more: &[&str]) -> Child {
    let mut command = zomma();
    command.args(["train", arg(config), "-o", arg(output), "--json"]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until there is something to wait for.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {what} after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_tiny_network_learns_and_says_how_well() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    let found = figures(train(&path, &output, &[]));
    let number = |key: &str| found[key].as_f64().unwrap();
    assert_eq!((found["steps"].as_u64(), found["samples"].as_u64()), (Some(600), Some(600 * 256)));
    // A network of 8 × 2 units and 600 steps is within half a percent of the strike, and its delta within five; untrained it is not.
    assert!(number("price_rmse") < 5e-3 && number("delta_rmse") < 5e-2, "{found}");
    assert!(number("price_rmse") > 0.0 && number("network_ns") > 0.0 && number("teacher_ns") > 0.0, "{found}");
    let metrics = table(&fs::read_to_string(output.join("metrics.csv")).unwrap());
    let steps: Vec<&str> = metrics.iter().map(|row| row["step"].as_str()).collect();
    assert_eq!(steps, ["100", "200", "300", "400", "500", "600"]);
    let first: f64 = metrics[0]["held_out_price_rmse"].parse().unwrap();
    assert!(number("price_rmse") < first, "{first} {found}");
    let kept =
        fs::read_dir(&output).unwrap().flatten().filter(|file| file.file_name().to_string_lossy().starts_with("best-"));
    assert_eq!(kept.count(), 2);
    for file in ["network.bin", "checkpoint.bin", "config.json", "report.json"] {
        assert!(output.join(file).is_file(), "{file}");
    }
    // The same again is refused; its figures can be had again.
    train(&path, &output, &[]).refused(1, &["checkpoint.bin", "--resume"]);
    let again = figures(train(&path, &output, &["--resume"]));
    assert_eq!(again["parameters_checksum"], found["parameters_checksum"]);
    // It trained nothing more, and has not become slower by that.
    let rate = |run: &Value| run["samples_per_second"].as_f64().unwrap();
    assert!(rate(&again) > 0.0 && rate(&found) > 0.0, "{again}");
    let fewer = config(folder.path(), &TINY.replace("steps = 600", "steps = 500"));
    train(&fewer, &output, &["--resume"])
        .refused(2, &["tiny.toml", "training.steps: 500", "600 or more", "checkpoint.bin"]);
    config(folder.path(), TINY);
    let shown = run(&["train", arg(&path), "-o", arg(&output), "--resume"]).ok();
    for words in ["price, of the strike", "delta", "gamma", "an option costs", "closed form"] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
}

#[test]
fn a_run_that_was_killed_and_one_that_was_stopped_end_bit_for_bit_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    for samples in ["", "samples = 700\n"] {
        let text = TINY.replace("held_out", &format!("{samples}held_out")).replace("steps = 600", "steps = 2000");
        let path = config(folder.path(), &text);
        let name = |part: &str| folder.path().join(format!("{part}{}", samples.len()));
        let whole = figures(train(&path, &name("whole"), &[]));
        for signal in ["-KILL", "-INT", "-TERM"] {
            let output = name(signal);
            let mut child = start(&path, &output, &[]);
            wait_for("checkpoint", || output.join("checkpoint.bin").exists());
            let id = child.id().to_string();
            assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
            let ended = child.wait().unwrap();
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            if signal != "-KILL" && ended.code() != Some(0) {
                assert_eq!(ended.code(), Some(130), "{said}");
                assert!(said.contains("--resume"), "{said}");
            }
            let resumed = figures(train(&path, &output, &["--resume", "--threads", "1"]));
            for key in ["parameters_checksum", "price_rmse", "delta_max", "steps", "samples", "best_step"] {
                assert_eq!(resumed[key], whole[key], "{signal} {key}");
            }
            let rows = |output: &Path| {
                let rows = table(&fs::read_to_string(output.join("metrics.csv")).unwrap());
                rows.into_iter().map(|row| (row["step"].clone(), row["loss"].clone())).collect::<Vec<_>>()
            };
            assert_eq!(rows(&output), rows(&name("whole")), "{signal}");
        }
    }
}

#[test]
fn a_run_whose_report_cannot_be_written_is_told_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    fs::create_dir_all(output.join("report.json")).unwrap();
    train(&path, &output, &[]).refused(1, &["report.json: cannot be written"]);
    let listed: Value = serde_json::from_str(&run(&["runs", "list", arg(&output), "--json"]).ok().out).unwrap();
    let listed = &listed["runs"][0];
    // What came of it is known all the same.
    assert_eq!((listed["state"].as_str(), listed["steps"].as_u64()), (Some("failed"), Some(600)), "{listed}");
    assert!(listed["test_error"].as_f64().is_some_and(|error| error < 5e-3), "{listed}");
}

#[test]
fn what_is_refused_leaves_no_folder_and_a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("runs/a/b");
    let path = config(folder.path(), &TINY.replace("held_out = 2000", "held_out = 2000\nshards = \"no-such-shards\""));
    train(&path, &output, &[]).refused(2, &["no-such-shards"]);
    let path = config(folder.path(), TINY);
    train(&path, &output, &["--resume"]).refused(1, &["checkpoint.bin", "no checkpoint to go on from"]);
    assert!(!folder.path().join("runs").exists());
    for verb in [&["train"][..], &["train", "pinn"], &["tune"]] {
        let text = run(&[verb, &["--example"]].concat()).ok().out;
        fs::write(&path, text).unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, b"x").unwrap();
        run(&[verb, &[arg(&path), "-o", arg(&taken)]].concat()).refused(2, &["taken", "is a file", "a folder"]);
        // What is no text is said by its byte, whatever reads it.
        fs::write(&path, b"\x7fELF\x02\x01\x01\0\0").unwrap();
        run(&[verb, &[arg(&path), "-o", arg(&output)]].concat())
            .refused(2, &["tiny.toml: is not text", "byte 0x00 at offset 7", "TOML or JSON"]);
    }
    run(&["labels", arg(&path), "-o", arg(&output), "--rows", "10"]).refused(2, &["tiny.toml: is not text"]);
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_second_process_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) =
        (config(folder.path(), &TINY.replace("steps = 600", "steps = 100000000")), folder.path().join("run"));
    let mut child = start(&path, &output, &[]);
    wait_for("checkpoint", || output.join("checkpoint.bin").exists());
    for more in [&[][..], &["--resume"]] {
        train(&path, &output, more).refused(1, &["another process", arg(&output)]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_end_of_a_terminal_is_said_twice_and_ends_a_run_once_with_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (
        config(
            folder.path(),
            &TINY.replace("steps = 600", "steps = 100000000").replace("every = 50", "every = 90000000"),
        ),
        folder.path().join("run"),
    );
    // Whoever runs the tests may have the end of a terminal passed over.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_zomma"), "train", arg(&path), "-o", arg(&output)]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("metrics", || output.join("metrics.csv").exists());
    assert!(!output.join("checkpoint.bin").exists());
    let twice = format!("kill -HUP {0}; kill -HUP {0}", child.id());
    assert!(Command::new("sh").args(["-c", &twice]).status().unwrap().success());
    Run::of(&child.wait_with_output().unwrap()).refused(130, &[]);
    assert!(output.join("checkpoint.bin").exists());
}

#[test]
fn bad_configs_are_refused_by_key_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |from: &str, to: &str, words: &[&str]| {
        assert!(TINY.contains(from), "{from}");
        let path = config(folder.path(), &TINY.replace(from, to));
        train(&path, &folder.path().join("run"), &[]).refused(2, &[&["tiny.toml"], words].concat());
    };
    refused("width = 8", "widht = 8", &["widht", "width", "depth"]);
    refused("width = 8", "width = 0", &["network.width: 0", "1 to 4096"]);
    refused("\"black_scholes\"", "\"bachelier\"", &["bachelier", "black_scholes", "heston"]);
    refused("volatility = {", "vol = {", &["data.ranges: vol", "volatility"]);
    refused("steps = 600", "steps = 0", &["training.steps", "1 or more"]);
    refused("warm_up = 20", "warm_up = 20\nengine = \"abacus\"", &["abacus", "native", "burn_cpu"]);
    assert!(!folder.path().join("run").exists());
    run(&["train"]).refused(2, &["CONFIG"]);
    run(&["train", "no_such.toml"]).refused(1, &["no_such.toml"]);
    let example = run(&["train", "--example"]).ok();
    assert!(example.out.contains("[network]") && example.out.contains("[data.ranges]"), "{}", example.out);
    for (name, words) in [
        ("black_scholes", "model = \"black_scholes\""),
        ("heston", "model = \"heston\""),
        ("implied_volatility", "model = \"black_scholes_implied_volatility\""),
    ] {
        let named = run(&["train", "--example", name]).ok();
        assert!(named.out.contains(words), "{name}: {}", named.out);
    }
    run(&["train", "--example", "bachelier"]).refused(2, &["bachelier", "heston", "implied_volatility"]);
}

#[test]
fn a_tiny_network_of_implied_volatilities_learns_and_counts_what_determines_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("depth = 2", "depth = 2\noutput = \"scaled\"")
        .replace("\"black_scholes\"", "\"black_scholes_implied_volatility\"")
        .replace("steps = 600", "steps = 3000");
    let (path, output) = (config(folder.path(), &text), folder.path().join("run"));
    let found = figures(train(&path, &output, &[]));
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key}: {found}"));
    // Half a volatility point; the scale alone, without a network, is off by several.
    assert!(number("volatility_mae") < 5e-3 && number("volatility_mae") <= number("volatility_rmse"), "{found}");
    assert!(number("network_ns") > 0.0 && number("teacher_ns") > 0.0, "{found}");
    let share = number("excluded_share");
    assert!(share > 0.0 && share < 0.5 && (number("test_rows") / 2000.0 + share - 1.0).abs() < 1e-9, "{found}");
    assert!(found.get("delta_rmse").is_none() && found.get("gamma").is_none(), "{found}");
    let shown = run(&["train", arg(&path), "-o", arg(&output), "--resume"]).ok();
    for words in ["volatility ", "mean absolute error", "left out: ", "by the solver"] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    let path = config(folder.path(), &text.replace("\"scaled\"", "\"bounds\""));
    train(&path, &output, &[]).refused(2, &["network.output: bounds", "scaled"]);
    // Its price is an input, and no label.
    let path = config(folder.path(), &text);
    let place = folder.path().join("shards");
    run(&["labels", arg(&path), "-o", arg(&place), "--rows", "100"]).refused(2, &["tiny.toml", "implied_volatility"]);
    let path = config(folder.path(), &text.replace("[data]", "[data]\nshards = \"shards\""));
    train(&path, &output, &[]).refused(2, &["data.shards", "made on the way"]);
    assert!(!place.exists());
    let (network, small) = (output.join("network.bin"), folder.path().join("small.bin"));
    let said = run(&["quantize", arg(&network), "-o", arg(&small)]).ok();
    assert!(said.out.contains("volatility errors on") && small.is_file(), "{}", said.out);
}

/// The example of simulated labels, shortened, and what may not be simulated.
#[test]
fn a_network_of_simulated_labels_is_measured_against_exact_prices() {
    let folder = tempfile::tempdir().unwrap();
    let text = run(&["train", "--example", "monte_carlo"]).ok().out;
    let shorter = [
        ("minutes = 10.0", "steps = 400"),
        ("width = 64", "width = 16"),
        ("held_out = 65536", "held_out = 2000"),
        ("batch = 1024", "batch = 256"),
        ("ema = 0.999", "ema = 0.98"),
        ("steps_per_path = 32", "steps_per_path = 8"),
    ];
    let text = shorter.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let (path, output) = (config(folder.path(), &text), folder.path().join("run"));
    let found = figures(train(&path, &output, &[]));
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key}: {found}"));
    // A label of one pair of paths is off by 0.1 and more, the untrained network by 0.4 and its delta by 0.2. 0.026 and 0.053 were seen.
    assert!(number("price_rmse") < 0.05 && number("delta_rmse") < 0.1, "{found}");
    // Rows for shards are exact, those held out among them.
    let place = folder.path().join("shards");
    run(&["labels", arg(&path), "-o", arg(&place), "--rows", "100"]).refused(2, &["data.labels: monte_carlo", "exact"]);
    assert!(!place.exists());
    let path = config(folder.path(), &text.replace("paths_per_label = 2", "paths_per_label = 5"));
    train(&path, &output, &[]).refused(2, &["data.paths_per_label: 5", "1, or an even number"]);
}

#[test]
fn a_learning_rate_that_diverges_is_diagnosed_and_the_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("learning_rate = 0.01", "learning_rate = 1000.0").replace("steps = 600", "steps = 5000");
    let text = text.replace("checkpoint_every = 50", "checkpoint_every = 1");
    let output = folder.path().join("run");
    let said = train(&config(folder.path(), &text), &output, &[]);
    said.refused(1, &["stopped at step", "training.learning_rate"]);
    assert!(output.join("checkpoint.bin").is_file() && !output.join("network.bin").exists());
}

#[test]
fn checkpoints_that_are_damaged_or_of_another_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    train(&path, &output, &["--resume"]).refused(1, &["checkpoint.bin", "no checkpoint to go on from"]);
    // A network whose checkpoint is gone is not trained over.
    let finished = folder.path().join("finished");
    figures(train(&path, &finished, &[]));
    let network = fs::read(finished.join("network.bin")).unwrap();
    fs::rename(finished.join("checkpoint.bin"), folder.path().join("moved.bin")).unwrap();
    train(&path, &finished, &[]).refused(1, &["network.bin", "a network is here already"]);
    assert_eq!(fs::read(finished.join("network.bin")).unwrap(), network);
    let over = finished.join("network.bin");
    for verb in ["quantize", "export"] {
        run(&[verb, arg(&over), "-o", arg(&over)]).refused(2, &["network.bin", "is the file that is read"]);
    }
    let moved = folder.path().join("moved.bin");
    run(&["export", arg(&moved), "-o", arg(&output)]).refused(1, &["moved.bin", "is a checkpoint, no network"]);
    train(&path, &output, &[]).ok();
    let other = config(folder.path(), &TINY.replace("width = 8", "width = 9"));
    train(&other, &output, &["--resume"]).refused(1, &["another network", "2 × 8", "2 × 9"]);
    let other = config(folder.path(), &TINY.replace("max = 0.5", "max = 0.6"));
    train(&other, &output, &["--resume"]).refused(1, &["other data"]);
    let other = config(folder.path(), &TINY.replace("[training]\n", "[training]\nseed = 77\n"));
    train(&other, &output, &["--resume"]).refused(1, &["checkpoint.bin", "training.seed", "the config says 77"]);
    // What may be another from here on is told.
    let more = TINY.replace("steps = 600", "steps = 610").replace("[training]\n", "[training]\nfinal_share = 0.5\n");
    let told = train(&config(folder.path(), &more), &output, &["--resume"]).ok();
    assert!(told.err.contains("goes on otherwise than it began: training.final_share is 0.5 and was"), "{}", told.err);
    assert!(!told.err.contains("training.steps"), "{}", told.err);
    let path = config(folder.path(), TINY);
    let whole = fs::read(output.join("checkpoint.bin")).unwrap();
    fs::write(output.join("checkpoint.bin"), &whole[..whole.len() / 2]).unwrap();
    train(&path, &output, &["--resume"]).refused(1, &["checkpoint.bin", "cut off or damaged"]);
    fs::write(output.join("checkpoint.bin"), b"rubbish").unwrap();
    train(&path, &output, &["--resume"]).refused(1, &["checkpoint.bin", "not a checkpoint"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_at_a_checkpoint_is_told_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    train(&path, &output, &[]).ok();
    let old = fs::read(output.join("checkpoint.bin")).unwrap();
    std::os::unix::fs::symlink("/dev/full", output.join("checkpoint.bin.tmp")).unwrap();
    let longer = config(folder.path(), &TINY.replace("steps = 600", "steps = 610"));
    let said = train(&longer, &output, &["--resume"]);
    said.refused(1, &["checkpoint.bin", "No space left"]);
    assert_eq!(fs::read(output.join("checkpoint.bin")).unwrap(), old);
    // With room again it goes on.
    let found = figures(train(&longer, &output, &["--resume"]));
    assert_eq!(found["steps"].as_u64(), Some(610));
}

#[test]
fn norms_dropout_and_stored_rows_train_through_burn_and_resume_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("depth = 2", "depth = 2\nnorm = \"batch\"\ndropout = 0.1\nresidual = true\nactivation = \"gelu\"")
        .replace("held_out = 2000", "held_out = 500\nsamples = 1000")
        .replace("steps = 600", "steps = 60")
        .replace("checkpoint_every = 50", "checkpoint_every = 20");
    let path = config(folder.path(), &text);
    let whole = figures(train(&path, &folder.path().join("whole"), &[]));
    assert!(whole["price_rmse"].as_f64().unwrap() < 0.1, "{whole}");
    let output = folder.path().join("parts");
    let short = config(folder.path(), &text);
    let mut child = start(&short, &output, &[]);
    wait_for("checkpoint", || output.join("checkpoint.bin").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = figures(train(&path, &output, &["--resume"]));
    assert_eq!(resumed["parameters_checksum"], whole["parameters_checksum"]);
}
