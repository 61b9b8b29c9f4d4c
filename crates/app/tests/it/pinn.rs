//! `zomma train pinn`: a tiny network from its config to its figures, stopped and resumed, and what is refused.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::{Run, arg, run, table, zomma};

/// A network of seconds.
pub const TINY: &str = r#"
[problem]
equation = "black_scholes"
[network]
width = 10
depth = 2
[sampling]
points = 512
held_out = 512
[training]
adam_rounds = 1
adam_steps = 60
rounds = 3
steps = 80
memory = 30
[validation]
options = 512
compared = 3
paths = 4096
"#;

fn config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("tiny.toml");
    fs::write(&path, text).unwrap();
    path
}

/// The steps after which rounds ended.
fn ends(metrics: &[HashMap<String, String>]) -> Vec<u64> {
    let mut sum = 0;
    let ends = metrics.iter().map(|row| {
        sum += row["steps"].parse::<u64>().unwrap();
        sum
    });
    ends.collect()
}

fn pinn(config: &Path, output: &Path, more: &[&str]) -> Run {
    run(&[&["train", "pinn", arg(config), "-o", arg(output)], more].concat())
}

#[test]
fn a_tiny_network_solves_the_equation_and_says_how_well() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    let found: Value = serde_json::from_str(&pinn(&path, &output, &["--json"]).ok().out).unwrap();
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    // A network of 10 × 2 units and seconds: what was not learned is off by more than a tenth.
    assert!(number("/validation/untrained/price") > 0.1 && number("/validation/trained/price") < 2e-2, "{found:#}");
    assert!(number("/validation/trained/delta") < 3e-2 && number("/validation/coverage/bound") > 0.9, "{found:#}");
    assert!(number("/speed/pinn/option_ns") > 0.0 && number("/speed/series/price") < 1e-6, "{found:#}");
    assert_eq!(found["rounds"].as_array().map(Vec::len), Some(4));
    assert_eq!(found["validation"]["compared"].as_array().map(Vec::len), Some(3));
    let metrics = table(&fs::read_to_string(output.join("metrics.csv")).unwrap());
    assert_eq!(
        metrics.iter().map(|row| row["phase"].as_str()).collect::<Vec<_>>(),
        ["adam", "l_bfgs", "l_bfgs", "l_bfgs"]
    );
    for file in [
        "network.bin",
        "checkpoint.bin",
        "config.json",
        "report.json",
        "report.html",
        "metrics.parquet",
        "tracking/events.log",
        "plots/residual.svg",
        "plots/loss.svg",
    ] {
        assert!(output.join(file).is_file(), "{file}");
    }
    // A row at the end of each round, and one each hundredth step that ends none.
    let last: u64 = metrics.iter().map(|row| row["steps"].parse::<u64>().unwrap()).sum();
    let query = "SELECT count(*) AS n, count(held_out_residual_rms) AS rounds, max(step) AS last FROM";
    let counted = run(&["sql", &format!("{query} '{}'", arg(&output.join("metrics.parquet")))]).ok().out;
    let hundreds = (1..=last / 100).filter(|hundred| !ends(&metrics).contains(&(100 * hundred))).count();
    assert!(counted.contains(&format!("{},4,{last}", 4 + hundreds)), "{counted}");
    let drawn = fs::read_to_string(output.join("report.svg")).unwrap();
    for words in ["Held-out residual", "Price of a call", "Gamma", "closed form"] {
        assert!(drawn.contains(words), "{words}");
    }
    // It prices a table, near the closed form, and a checkpoint does not.
    let options = folder.path().join("options.csv");
    let text = "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,100,105,1,0.06,0.2\nput,100,90,0.5,0.06,0.4\n";
    fs::write(&options, text).unwrap();
    let priced = table(&run(&["price", arg(&options), "--network", arg(&output.join("network.bin"))]).ok().out);
    for (row, wanted) in priced.iter().zip(table(&run(&["price", arg(&options)]).ok().out)) {
        let [found, wanted] = [row, &wanted].map(|row| row["price"].parse::<f64>().unwrap());
        assert!((found - wanted).abs() < 1.0, "{found} {wanted}");
    }
    run(&["price", arg(&options), "--network", arg(&output.join("checkpoint.bin"))])
        .refused(1, &["checkpoint.bin", "has vectors"]);
    // The same again is refused; its figures can be had again, as a table and with the study.
    pinn(&path, &output, &[]).refused(1, &["checkpoint.bin", "--resume"]);
    let fewer = config(folder.path(), &TINY.replace("rounds = 3\n", "rounds = 2\n"));
    pinn(&fewer, &output, &["--resume"]).refused(2, &["training.rounds: 2", "4 or more"]);
    config(folder.path(), TINY);
    // It is listed with its errors, which are none of the others' kind.
    let listed: Value = serde_json::from_str(&run(&["runs", "list", arg(&output), "--json"]).ok().out).unwrap();
    let listed = &listed["runs"][0];
    assert_eq!(listed["error"], "price_relative_l2");
    assert_eq!(listed["test_error"], found["validation"]["trained"]["price"]);
    assert_eq!(listed["delta_test_error"], found["validation"]["trained"]["delta"]);
    let shown = pinn(&path, &output, &["--resume", "--study"]).ok();
    let header: Vec<&str> =
        shown.out.lines().find(|line| line.contains("Monte Carlo")).unwrap().split_whitespace().collect();
    assert_eq!(header[..7], ["type", "spot", "strike", "years", "rate", "yield", "vol"]);
    let of_kind = |kind: &str| shown.out.lines().filter(|line| line.trim_start().starts_with(kind)).count();
    assert_eq!(of_kind("call ") + of_kind("put "), 3, "{}", shown.out);
    for words in [
        "untrained",
        "time value",
        "expiry: the first 1 %",
        "covers",
        "Monte Carlo",
        "study of",
        "width",
        "Crank–Nicolson",
    ] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    assert_eq!(shown.err.matches("study: width").count(), 9, "{}", shown.err);
}

#[test]
#[cfg(unix)]
fn a_run_that_was_stopped_goes_on_from_its_last_round() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("rounds = 3\n", "rounds = 3000\n")
        .replace("memory = 30", "memory = 30\ntolerance = 0.0\npatience = 3000");
    let (path, output) = (config(folder.path(), &text), folder.path().join("run"));
    let mut command = zomma();
    command.args(["train", "pinn", arg(&path), "-o", arg(&output)]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while !output.join("checkpoint.bin").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    pinn(&path, &output, &["--resume"]).refused(1, &["another process"]);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let before = table(&fs::read_to_string(output.join("metrics.csv")).unwrap()).len();
    assert!(before > 0 && !output.join("network.bin").exists());
    let state = || {
        let listed: Value = serde_json::from_str(&run(&["runs", "list", arg(&output), "--json"]).ok().out).unwrap();
        listed["runs"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "stopped");
    let few = config(folder.path(), &text.replace("rounds = 3000", &format!("rounds = {before}")));
    pinn(&few, &output, &["--resume"]).ok();
    let after = table(&fs::read_to_string(output.join("metrics.csv")).unwrap()).len();
    assert_eq!(after, before + 1);
    assert_eq!(state(), "finished");
    // The spool has the sitting that was stopped and the one that ended, and no step twice.
    let steps = run(&["sql", &format!("SELECT step FROM '{}' ORDER BY step", arg(&output.join("metrics.parquet")))]);
    let steps: Vec<u64> = steps.ok().out.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let rounds = table(&fs::read_to_string(output.join("metrics.csv")).unwrap());
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    assert!(ends(&rounds).iter().all(|end| steps.contains(end)), "{steps:?}");
    assert_eq!(steps.last(), ends(&rounds).last());
}

/// A rate at which the network's number goes to where every price is one that needs no equation: the residual is nearly 0 there.
#[test]
fn a_learning_rate_that_diverges_is_diagnosed_and_no_network_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), &TINY.replace("adam_steps = 60", "adam_steps = 60\nlearning_rate = 3.0"));
    let output = folder.path().join("run");
    pinn(&path, &output, &[]).refused(1, &["stopped at step", "diverged", "training.learning_rate"]);
    assert!(!output.join("network.bin").exists());
    let listed: Value = serde_json::from_str(&run(&["runs", "list", arg(&output), "--json"]).ok().out).unwrap();
    assert_eq!(listed["runs"][0]["state"], "failed");
}

/// As behind `| head`: whoever read the first line and left does not end the run.
#[test]
#[cfg(unix)]
fn a_reader_of_the_progress_that_goes_away_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("run"));
    let mut command = zomma();
    command.args(["train", "pinn", arg(&path), "-o", arg(&output)]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(output.join("network.bin").exists());
}

#[test]
fn bad_configs_are_refused_by_key_and_the_other_networks_are_still_trained() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |from: &str, to: &str, words: &[&str]| {
        assert!(TINY.contains(from), "{from}");
        let path = config(folder.path(), &TINY.replace(from, to));
        pinn(&path, &folder.path().join("run"), &[]).refused(2, &[&["tiny.toml"], words].concat());
    };
    refused("width = 10", "widht = 10", &["widht", "width", "depth"]);
    refused("width = 10", "width = 0", &["network.width: 0", "1 to 512"]);
    refused("\"black_scholes\"", "\"heston\"", &["problem.heston", "kappa"]);
    refused("depth = 2", "depth = 2\nactivation = \"relu\"", &["network.activation", "second derivatives"]);
    assert!(!folder.path().join("run").exists());
    run(&["train", "pinn"]).refused(2, &["CONFIG"]);
    run(&["train", "pinn", "no_such.toml"]).refused(1, &["no_such.toml"]);
    let example = run(&["train", "pinn", "--example"]).ok();
    assert!(example.out.contains("[problem.domain]") && example.out.contains("tolerance"), "{}", example.out);
    // Without the word the command is what it was.
    assert!(run(&["train", "--example"]).ok().out.contains("[data.ranges]"));
    run(&["train"]).refused(2, &["CONFIG"]);
}
