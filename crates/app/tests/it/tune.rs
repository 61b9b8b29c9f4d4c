//! `zomma tune`: a search to its end, by several at once, killed and gone on with, and what is refused.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::{Run, arg, run, zomma};

/// A search of seconds.
const TINY: &str = r#"
[search]
name = "tiny"
trials = 12
reduction = 2
seed = 3
[search.space]
"network.width" = { low = 4, high = 16, step = 4 }
"network.activation" = ["silu", "tanh"]
"training.learning_rate" = { low = 1e-3, high = 3e-2, log = true }
[network]
depth = 2
[data]
model = "black_scholes"
held_out = 1000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 120
batch = 128
learning_rate = 0.01
warm_up = 10
evaluate_every = 20
checkpoint_every = 1000
"#;

fn config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("search.toml");
    fs::write(&path, text).unwrap();
    path
}

fn tune(config: &Path, output: &Path) -> Run {
    run(&["tune", arg(config), "-o", arg(output), "--json"])
}

fn start(config: &Path, output: &Path) -> Child {
    let mut command = zomma();
    command.args(["tune", arg(config), "-o", arg(output), "--json"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn report(output: &Path) -> Value {
    serde_json::from_str(&run(&["tune", "report", arg(output), "--json"]).ok().out).unwrap()
}

fn count(found: &Value, state: &str) -> u64 {
    found["counts"][state].as_u64().unwrap()
}

#[test]
fn a_search_has_its_trials_and_says_which_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (config(folder.path(), TINY), folder.path().join("search"));
    let found: Value = serde_json::from_str(&tune(&path, &output).ok().out).unwrap();
    let trials = found["trials"].as_array().unwrap();
    assert_eq!((trials.len(), count(&found, "fail"), count(&found, "running")), (12, 0, 0));
    assert_eq!(count(&found, "complete") + count(&found, "pruned"), 12);
    assert!(count(&found, "pruned") > 0, "halving gave none up: {found}");
    let complete = || trials.iter().filter(|trial| trial["state"] == "complete");
    let least = complete().map(|trial| trial["value"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    let best = &trials[found["best"].as_u64().unwrap() as usize];
    assert_eq!(best["value"].as_f64(), Some(least));
    // Its own run says the same error, and was trained with its parameters.
    let run_folder = output.join(format!("trial-{}", found["best"]));
    let trained: Value = serde_json::from_str(&fs::read_to_string(run_folder.join("config.json")).unwrap()).unwrap();
    assert_eq!(trained["network"]["width"], best["parameters"]["network.width"]);
    assert_eq!(trained["training"]["learning_rate"], best["parameters"]["training.learning_rate"]);
    let metrics = fs::read_to_string(run_folder.join("metrics.csv")).unwrap();
    assert!(metrics.contains(&least.to_string()), "{least} is not in {metrics}");
    // The same command has nothing left to do.
    let again: Value = serde_json::from_str(&tune(&path, &output).ok().out).unwrap();
    assert_eq!(again["trials"], found["trials"]);
    let shown = run(&["tune", "report", arg(&output)]).ok().out;
    assert!(shown.contains("study tiny, minimize") && shown.contains("   1. trial"), "{shown}");
    // It says where the best network lies, whether the search is named by its folder or by its study.
    let network = run_folder.join("network.bin");
    assert!(shown.contains(&format!("The best network is {}", network.display())), "{shown}");
    assert_eq!(again["best_network"].as_str(), Some(arg(&network)));
    let address = format!("sqlite://{}", output.join("study.db").display());
    let by_address = run(&["tune", "report", &address]).ok().out;
    assert!(by_address.contains(arg(&network)), "{by_address}");
    fs::rename(&network, folder.path().join("moved.bin")).unwrap();
    let moved = run(&["tune", "report", arg(&output)]).ok().out;
    assert!(moved.contains("network.bin in the folder of the search that tried it"), "{moved}");
}

#[test]
fn a_study_goes_on_with_other_bounds_and_says_so_and_not_with_other_choices() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("search");
    let few = TINY.replace("trials = 12", "trials = 2");
    tune(&config(folder.path(), &few), &output).ok();
    let other = few.replace("[\"silu\", \"tanh\"]", "[\"silu\", \"gelu\"]").replace("trials = 2", "trials = 3");
    let path = config(folder.path(), &other);
    let words = ["search.space", "network.activation", "\"silu\", \"gelu\"", "\"silu\", \"tanh\"", "another study"];
    tune(&path, &output).refused(2, &words);
    assert_eq!(report(&output)["trials"].as_array().unwrap().len(), 2);
    let wider = few.replace("high = 16, step = 4", "high = 32, step = 4").replace("trials = 2", "trials = 3");
    let said = tune(&config(folder.path(), &wider), &output).ok();
    assert!(said.err.contains("network.width is 4 to 32 by 4 now and was 4 to 16 by 4"), "{}", said.err);
    assert_eq!(report(&output)["trials"].as_array().unwrap().len(), 3);
}

#[test]
fn several_processes_work_on_one_study() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("trials = 12", "trials = 16\nworkers = 2");
    let (path, output) = (config(folder.path(), &text), folder.path().join("search"));
    let all: Vec<Child> = (0..3).map(|_| start(&path, &output)).collect();
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
    let found = report(&output);
    let numbers: Vec<u64> =
        found["trials"].as_array().unwrap().iter().map(|trial| trial["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(numbers.len(), 16, "no process tries one more while another takes the last");
    let tried = |trial: &Value| serde_json::to_string(&trial["parameters"]).unwrap();
    let distinct: BTreeSet<String> = found["trials"].as_array().unwrap().iter().map(tried).collect();
    assert_eq!(distinct.len(), 16, "two processes tried the same: {distinct:?}");
    assert_eq!(count(&found, "complete") + count(&found, "pruned"), numbers.len() as u64);
}

/// A space in which nothing trains: the search gives up instead of trying for ever.
#[test]
fn a_search_whose_trials_all_diverge_ends_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("low = 1e-3, high = 3e-2, log = true", "low = 900.0, high = 1000.0")
        .replace("trials = 12", "trials = 3\nfailures = 4\nworkers = 2")
        // A trial that is given up early has not failed, and which of two is depends on who reports first.
        .replace("reduction = 2\n", "")
        .replace("width\" = { low = 4, high = 16, step = 4 }", "width\" = { low = 12, high = 16, step = 4 }");
    let (path, output) = (config(folder.path(), &text), folder.path().join("search"));
    tune(&path, &output).refused(1, &["4 trials in a row failed", "search.failures", "search.space", "learning_rate"]);
    let found = report(&output);
    assert!((4..=5).contains(&count(&found, "fail")) && count(&found, "complete") == 0, "{found}");
}

#[test]
fn what_a_killed_search_told_stands_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // By its folder, which nobody holds, the trial is known to be dead: no word from it is waited for.
    let text = TINY.replace("seed = 3", "seed = 3\nsilent_minutes = 600").replace("steps = 120", "steps = 600");
    let (path, output) = (config(folder.path(), &text), folder.path().join("search"));
    let mut child = start(&path, &output);
    let begun = Instant::now();
    while !output.join("trial-3/metrics.csv").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no fourth trial after two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = report(&output);
    let ended = |found: &Value| {
        let over = |trial: &&Value| trial["state"] == "complete" || trial["state"] == "pruned";
        found["trials"].as_array().unwrap().iter().filter(over).cloned().collect::<Vec<_>>()
    };
    assert!(ended(&before).len() >= 3);
    assert_eq!(count(&before, "running"), 1, "{before}");
    let gone_on = tune(&path, &output).ok();
    assert!(gone_on.err.contains("was left by a process that is gone"), "{}", gone_on.err);
    let after: Value = serde_json::from_str(&gone_on.out).unwrap();
    assert_eq!(ended(&after).len(), 12);
    assert_eq!(ended(&after)[..ended(&before).len()], ended(&before)[..]);
    assert_eq!((count(&after, "fail"), count(&after, "running")), (1, 0), "{after}");
}

#[test]
fn a_folder_of_another_study_is_refused_before_a_trial_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("trials = 12", "trials = 2").replace("steps = 120", "steps = 20");
    let output = folder.path().join("search");
    tune(&config(folder.path(), &text), &output).ok();
    let other = config(folder.path(), &text.replace("name = \"tiny\"", "name = \"other\""));
    for _ in 0..2 {
        tune(&other, &output).refused(1, &["trial-0", "no trial of this study", "name another folder"]);
    }
    let found = run(&["tune", "report", arg(&output), "--name", "other", "--json"]).ok().out;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["trials"].as_array().map(Vec::len), Some(0), "{found}");
}

#[test]
fn what_cannot_be_searched_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("search");
    for (from, to, named) in [
        ("\"network.width\"", "\"network.wdth\"", "wdth"),
        ("low = 1e-3", "low = -1.0", "training.learning_rate"),
        ("[search.space]", "[search.spaces]", "spaces"),
    ] {
        let path = config(folder.path(), &TINY.replace(from, to));
        tune(&path, &output).refused(2, &["search.toml", named]);
    }
    let path = config(folder.path(), TINY);
    run(&["tune", arg(&path), "-o", arg(&output), "--study", "mysql://root:secret@host/x"])
        .refused(2, &["--study", "allowed are sqlite://"]);
    let refused = run(&["tune", arg(&path), "-o", arg(&output), "--study", "bogus://"]);
    refused.refused(2, &["--study", "bogus://", "allowed are sqlite://"]);
    run(&["tune", "report", "bogus://x"]).refused(2, &["bogus://x", "allowed are sqlite://"]);
    let lost = format!("sqlite://{}", folder.path().join("none/study.db").display());
    run(&["tune", arg(&path), "-o", arg(&output), "--study", &lost]).refused(1, &["study.db"]);
    assert!(!output.exists(), "a folder is left of a search that was refused");
    run(&["tune", "report", arg(folder.path())]).refused(1, &["no study here"]);
    fs::write(
        folder.path().join("study.db"),
        "rubbish that is longer than a header, and none of a database's\n".repeat(99),
    )
    .unwrap();
    run(&["tune", "report", arg(folder.path())]).refused(1, &["study.db", "not a database"]);
    let example = run(&["tune", "--example"]).ok().out;
    fs::write(
        &path,
        example
            .replace("steps = 4000", "steps = 20")
            .replace("trials = 40", "trials = 1")
            .replace("held_out = 16384", "held_out = 500"),
    )
    .unwrap();
    tune(&path, &output).ok();
}
