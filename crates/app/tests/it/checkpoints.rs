//! `training.checkpoints`: a run whose machine is lost goes on from a bucket, with the same bits.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use zomma_testkit::s3_server::s3_server;

use crate::program::{Run, arg, run, run_env, zomma};

const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 300
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 3000
batch = 128
evaluate_every = 100
checkpoint_every = 50
"#;

fn config(folder: &Path, name: &str, checkpoints: Option<&str>) -> std::path::PathBuf {
    let path = folder.join(name);
    let line = checkpoints.map_or(String::new(), |place| format!("checkpoints = \"{place}\"\n"));
    fs::write(&path, format!("{TINY}{line}")).unwrap();
    path
}

fn figures(run: Run) -> Value {
    serde_json::from_str(&run.ok().out).unwrap()
}

#[test]
fn a_run_whose_machine_is_lost_goes_on_from_the_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = s3_server(&folder.path().join("server")) else { return };
    let variables = server.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let place = "s3://zomma/runs/tiny";
    let alone = config(folder.path(), "alone.toml", None);
    let whole = figures(run(&["train", arg(&alone), "-o", arg(&folder.path().join("alone")), "--json"]));
    let path = config(folder.path(), "tiny.toml", Some(place));
    let lost = folder.path().join("lost");
    let mut command = zomma();
    command.args(["train", arg(&path), "-o", arg(&lost)]).envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stored = folder.path().join("server/zomma");
    let begun = Instant::now();
    let has_checkpoint = || walk(&stored).iter().any(|name| name.contains("checkpoint.bin"));
    while !has_checkpoint() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint in the bucket: {:?}", walk(&stored));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(&lost).unwrap();
    let train = |output: &Path, more: &[&str]| {
        let arguments = [&["train", arg(&path), "-o", arg(output), "--json"], more].concat();
        run_env(&arguments, b"", &variables)
    };
    let other = folder.path().join("other");
    train(&other, &[]).refused(1, &[place, "a run is here already", "--resume"]);
    let resumed = train(&other, &["--resume"]).ok();
    assert!(resumed.err.contains("stands farther than"), "{}", resumed.err);
    let resumed: Value = serde_json::from_str(&resumed.out).unwrap();
    for key in ["parameters_checksum", "price_rmse", "steps", "samples", "best_step"] {
        assert_eq!(resumed[key], whole[key], "{key}");
    }
    // A finished run comes back whole as well.
    let again = figures(train(&folder.path().join("again"), &["--resume"]));
    assert_eq!(again["parameters_checksum"], whole["parameters_checksum"]);
    server.kill();
}

#[test]
fn a_search_has_no_second_place_and_an_impossible_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "bad.toml", Some("ftp://somewhere/else"));
    run(&["train", arg(&path), "-o", arg(&folder.path().join("run"))]).refused(2, &["ftp://somewhere/else", "s3://"]);
    let empty = config(folder.path(), "empty.toml", Some(""));
    run(&["train", arg(&empty), "-o", arg(&folder.path().join("run"))]).refused(2, &["training.checkpoints"]);
    let text = fs::read_to_string(config(folder.path(), "search.toml", Some("copies"))).unwrap();
    let search = "[search]\nname = \"tiny\"\ntrials = 2\n[search.space]\n\"network.width\" = [4, 8]\n";
    let path = folder.path().join("search.toml");
    fs::write(&path, format!("{search}{}", text.replace("width = 8\n", ""))).unwrap();
    let output = folder.path().join("search");
    run(&["tune", arg(&path), "-o", arg(&output)]).refused(2, &["training.checkpoints", "copies", "search"]);
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            true => walk(&entry.path()),
            false => vec![entry.path().display().to_string()],
        })
        .collect()
}

/// A bucket that takes connections and answers nothing: whoever waits for it tries for two minutes.
#[test]
#[cfg(unix)]
fn a_run_that_waits_for_a_bucket_before_its_first_step_hears_the_wish_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("shards.toml");
    fs::write(&shards, TINY.replace("held_out = 300", "held_out = 300\nshards = \"s3://zomma/rows\"")).unwrap();
    let checkpoints = config(folder.path(), "checkpoints.toml", Some("s3://zomma/runs/tiny"));
    for (path, more) in [(&shards, &[][..]), (&checkpoints, &[]), (&checkpoints, &["--resume"])] {
        for signal in ["-TERM", "-INT"] {
            let bucket = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", bucket.local_addr().unwrap());
            let variables = [
                ("ZOMMA_S3_ENDPOINT", endpoint.as_str()),
                ("ZOMMA_S3_ALLOW_HTTP", "true"),
                ("ZOMMA_S3_ACCESS_KEY_ID", "key"),
                ("ZOMMA_S3_SECRET_ACCESS_KEY", "secret"),
                ("ZOMMA_S3_REGION", "us-east-1"),
            ];
            let output = folder.path().join("run");
            let mut command = zomma();
            command.args(["train", arg(path), "-o", arg(&output)]).args(more).envs(variables);
            let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            // It asks the bucket, and is not answered.
            let (asked, _) = bucket.accept().unwrap();
            let id = child.id().to_string();
            assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
            let ended = child.wait_with_output().unwrap();
            drop(asked);
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(130), "{path:?} {more:?} {signal}: {said}");
            assert!(said.contains("zomma: stopped before the first step"), "{said}");
            assert!(!output.join("checkpoint.bin").exists() && !output.join("metrics.csv").exists());
        }
    }
}
