//! Runs of training: kept in their folders, listed, compared, told to an MLflow server that fails, and profiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use zomma_testkit::mlflow::{MlflowServer, mlflow_server};

use crate::pinn::TINY as TINY_EQUATION;
use crate::program::{Run, arg, run, zomma};

/// A network of less than a second.
const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 1000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 300
batch = 256
learning_rate = 0.01
warm_up = 20
ema = 0.99
evaluate_every = 100
checkpoint_every = 50
[tracking]
every = 10
experiment = "tests"
"#;

fn config(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(240), "no {what} after four minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn events(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("tracking/events.log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line.split_once(' ')?.1).ok()).collect()
}

/// The values that a run told, by name and step.
fn told(run: &Path) -> BTreeMap<String, BTreeMap<u64, f64>> {
    let mut told: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for event in events(run).iter().filter(|event| event["event"] == "metrics") {
        for (name, value) in event["values"].as_object().unwrap() {
            // Of a step that was done again, what was told first is on the server.
            let steps = told.entry(name.clone()).or_default();
            steps.entry(event["step"].as_u64().unwrap()).or_insert(value.as_f64().unwrap());
        }
    }
    told
}

#[test]
fn runs_are_kept_listed_compared_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    for (name, width) in [("narrow", "width = 2"), ("wide", "width = 16")] {
        let path = config(folder.path(), &format!("{name}.toml"), &TINY.replace("width = 8", width));
        run(&["train", arg(&path), "-o", arg(&runs.join(name))]).ok();
    }
    let wide = runs.join("wide");
    for file in ["metrics.parquet", "report.html", "tracking/events.log", "plots/loss.svg", "plots/held_out.svg"] {
        assert!(wide.join(file).is_file(), "{file}");
    }
    let found = run(&[
        "sql",
        &format!("SELECT count(*) AS n, max(step) AS last FROM '{}'", arg(&wide.join("metrics.parquet"))),
    ]);
    assert!(found.ok().out.contains("30,300"), "a row each tenth step");
    let list: Value = serde_json::from_str(&run(&["runs", "list", arg(&runs), "--json"]).ok().out).unwrap();
    let listed = list["runs"].as_array().unwrap();
    // Sixteen units are better than two.
    assert_eq!(
        (listed.len(), listed[0]["name"].as_str(), listed[0]["state"].as_str()),
        (2, Some("wide"), Some("finished"))
    );
    assert_eq!(listed[0]["differs"], serde_json::json!({ "network.width": "16" }));
    let page = folder.path().join("compare.html");
    let compared = run(&["runs", "compare", arg(&wide), arg(&runs.join("narrow")), "--html", arg(&page)]).ok().out;
    let rows: Vec<Vec<&str>> = compared.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((&rows[0][..], &rows[1][..]), (&["wide", "narrow"][..], &["network.width", "16", "2"][..]));
    assert!(fs::read_to_string(&page).unwrap().contains("Held-out price error"), "the page's title");
    let report = fs::read_to_string(wide.join("report.html")).unwrap();
    for words in ["<h1>wide</h1>", "finished", "Errors on held-out rows", "<svg", "training.learning_rate", "host.cpu"]
    {
        assert!(report.contains(words), "{words}");
    }
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http") && !report.contains("<script"));
    run(&["runs", "list", arg(folder.path().join("none").as_path())]).refused(1, &["none"]);
    run(&["runs", "compare", arg(&wide)]).refused(2, &["two runs"]);
    let bad = config(folder.path(), "bad.toml", &TINY.replace("every = 10\n", "every = 0\n"));
    run(&["train", arg(&bad), "-o", arg(&runs.join("bad"))]).refused(2, &["tracking.every", "1 or more"]);
    let bad = config(folder.path(), "bad.toml", TINY);
    run(&["train", arg(&bad), "-o", arg(&runs.join("bad")), "--mlflow", "localhost:5000"])
        .refused(2, &["--mlflow", "http://"]);
}

#[test]
fn a_run_that_was_killed_is_known_as_such_and_its_numbers_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "long.toml", &TINY.replace("steps = 300", "steps = 100000000\n"));
    let output = folder.path().join("run");
    let mut child = start(&path, &output, &[]);
    wait_for("numbers", || events(&output).len() > 50);
    child.kill().unwrap();
    child.wait().unwrap();
    run(&["runs", "sync", arg(&output)]).ok();
    let count = told(&output)["loss"].len();
    let found = run(&["sql", &format!("SELECT count(*) AS n FROM '{}'", arg(&output.join("metrics.parquet")))]).ok();
    assert_eq!(found.out.lines().nth(1), Some(count.to_string().as_str()));
    let list: Value = serde_json::from_str(&run(&["runs", "list", arg(&output), "--json"]).ok().out).unwrap();
    assert_eq!(list["runs"][0]["state"], "killed");
}

#[test]
fn a_damaged_spool_is_said_by_every_verb_and_a_network_of_volatilities_is_none_of_prices() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let prices = config(folder.path(), "prices.toml", TINY);
    run(&["train", arg(&prices), "-o", arg(&runs.join("prices"))]).ok();
    let text = TINY
        .replace("depth = 2", "depth = 2\noutput = \"scaled\"")
        .replace("\"black_scholes\"", "\"black_scholes_implied_volatility\"");
    let path = config(folder.path(), "volatilities.toml", &text);
    let volatilities = runs.join("volatilities");
    run(&["train", arg(&path), "-o", arg(&volatilities)]).ok();
    let report = fs::read_to_string(volatilities.join("report.html")).unwrap();
    assert!(report.contains("volatility error") && !report.contains("price error"), "{report}");
    let metrics = fs::read_to_string(volatilities.join("metrics.csv")).unwrap();
    assert!(metrics.lines().next().unwrap().contains("held_out_volatility_rmse"), "{metrics}");
    assert!(told(&volatilities).contains_key("held_out_volatility_rmse"));
    let list: Value = serde_json::from_str(&run(&["runs", "list", arg(&runs), "--json"]).ok().out).unwrap();
    let listed = list["runs"].as_array().unwrap();
    let of = |name: &str| listed.iter().find(|run| run["name"] == name).unwrap();
    assert_eq!(
        (of("prices")["error"].as_str(), of("volatilities")["error"].as_str()),
        (Some("price_rmse"), Some("volatility_rmse"))
    );
    for name in ["prices", "volatilities"] {
        let (test, held_out) =
            (of(name)["test_error"].as_f64().unwrap(), of(name)["best_held_out_error"].as_f64().unwrap());
        assert!(test > 0.0 && held_out > 0.0 && test != held_out, "{list}");
    }
    assert!(list["best"].is_null(), "errors of different things have no best: {list}");

    // A line whose letters no longer fit its checksum.
    let log = volatilities.join("tracking/events.log");
    let whole = fs::read_to_string(&log).unwrap();
    fs::write(&log, whole.replacen("\"step\":20", "\"step\":21", 1)).unwrap();
    let both = [arg(&runs.join("prices")).to_owned(), arg(&volatilities).to_owned()];
    for arguments in [
        &["runs", "list", arg(&runs)][..],
        &["runs", "compare", &both[0], &both[1]],
        &["runs", "sync", &both[1]],
        &["runs", "report", &both[1]],
    ] {
        let said = run(arguments).ok();
        assert!(
            said.err.contains("volatilities/tracking/events.log: 1 line is damaged"),
            "{arguments:?}: {}",
            said.err
        );
    }
}

fn start(config: &Path, output: &Path, more: &[&str]) -> Child {
    let mut command: Command = zomma();
    command.args(["train", arg(config), "-o", arg(output)]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What the server has of a metric: its steps and values, as often as they are there.
fn history(server: &MlflowServer, run: &str, name: &str) -> Vec<(u64, f64)> {
    let path = format!("api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={name}&max_results=25000");
    let answer: Value = serde_json::from_str(&server.get(&path).unwrap_or_default()).unwrap_or_default();
    let metrics = answer["metrics"].as_array().cloned().unwrap_or_default();
    metrics.iter().map(|metric| (metric["step"].as_u64().unwrap_or(0), metric["value"].as_f64().unwrap())).collect()
}

fn server_run(output: &Path) -> Option<String> {
    let position: Value = serde_json::from_str(&fs::read_to_string(output.join("tracking/mlflow.json")).ok()?).ok()?;
    Some(position["run"].as_str()?.to_owned())
}

#[test]
fn an_mlflow_server_and_a_run_both_killed_have_every_number_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("server");
    fs::create_dir(&place).unwrap();
    let Some(mut server) = mlflow_server(&place) else { return };
    let long = config(
        folder.path(),
        "long.toml",
        &TINY.replace("steps = 300", "steps = 100000000").replace("every = 10\n", "every = 500\n"),
    );
    let output = folder.path().join("run");
    let address = server.url();
    let mut child = start(&long, &output, &["--mlflow", &address]);
    wait_for("numbers on the server", || {
        server_run(&output).is_some_and(|run| history(&server, &run, "loss").len() > 5)
    });
    server.kill();
    let before = events(&output).len();
    wait_for("numbers while the server is away", || events(&output).len() > before + 20);
    child.kill().unwrap();
    child.wait().unwrap();
    server.restart();
    let name = server_run(&output).unwrap();
    let known = history(&server, &name, "loss").len();
    let mut child = start(&long, &output, &["--mlflow", &address, "--resume"]);
    wait_for("numbers after the restart", || history(&server, &name, "loss").len() > known + 20);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    run(&["runs", "sync", arg(&output)]).ok();
    let told = told(&output);
    assert!(told.len() >= 11, "{:?}", told.keys());
    for (metric, values) in &told {
        let found = history(&server, &name, metric);
        let steps: BTreeSet<u64> = found.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps.len(), found.len(), "{metric}: a step is there twice");
        assert!(steps.iter().eq(values.keys()), "{metric}: {} steps told, {} there", values.len(), steps.len());
        assert!(found.iter().all(|(step, value)| values[step] == *value), "{metric}");
    }
    let found: Value =
        serde_json::from_str(&server.get(&format!("api/2.0/mlflow/runs/get?run_id={name}")).unwrap()).unwrap();
    let (info, data) = (&found["run"]["info"], &found["run"]["data"]);
    assert_eq!((info["status"].as_str(), info["run_name"].as_str()), (Some("KILLED"), Some("run")));
    let has = |list: &Value, key: &str, value: &str| {
        list.as_array().unwrap().iter().any(|item| item["key"] == key && item["value"] == value)
    };
    assert!(has(&data["params"], "network.width", "8") && has(&data["params"], "training.batch", "256"), "{found}");
    assert!(data["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "host.cpu"), "{found}");
    let files = server.get(&format!("api/2.0/mlflow/artifacts/list?run_id={name}")).unwrap();
    for file in ["report.html", "config.json", "plots"] {
        assert!(files.contains(&format!("\"path\": \"{file}\"")), "{files}");
    }
}

/// A network of an equation: killed in its middle and resumed, it is one run on the server, with every number once.
#[test]
fn an_mlflow_server_is_told_of_a_network_that_solves_an_equation() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("server");
    fs::create_dir(&place).unwrap();
    let Some(server) = mlflow_server(&place) else { return };
    let text = TINY_EQUATION
        .replace("memory = 30", "memory = 30\ntolerance = 0.0\npatience = 3000")
        .replace("rounds = 3\n", "rounds = 3000\n")
        + "[tracking]\nevery = 7\nexperiment = \"equations\"\n";
    let long = config(folder.path(), "long.toml", &text);
    let output = folder.path().join("run");
    let address = server.url();
    let pinn = |config: &Path, more: &[&str]| {
        let mut command: Command = zomma();
        command.args(["train", "pinn", arg(config), "-o", arg(&output), "--mlflow", &address]).args(more);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut child = pinn(&long, &[]).spawn().unwrap();
    wait_for("rounds on the server", || {
        server_run(&output).is_some_and(|run| history(&server, &run, "held_out_residual_rms").len() > 2)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let name = server_run(&output).unwrap();
    let done = fs::read_to_string(output.join("metrics.csv")).unwrap().lines().count();
    let few = config(folder.path(), "few.toml", &text.replace("rounds = 3000", &format!("rounds = {}", done + 1)));
    assert_eq!(pinn(&few, &["--resume"]).status().unwrap().code(), Some(0));
    run(&["runs", "sync", arg(&output)]).ok();
    assert_eq!(server_run(&output).as_deref(), Some(name.as_str()));
    let told = told(&output);
    for metric in ["loss", "round", "held_out_residual_rms", "held_out_residual_max", "weight_wings", "seconds"] {
        let found = history(&server, &name, metric);
        let steps: BTreeSet<u64> = found.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps.len(), found.len(), "{metric}: a step is there twice");
        assert!(steps.iter().eq(told[metric].keys()), "{metric}: {steps:?}, told {:?}", told[metric]);
    }
    let rounds = fs::read_to_string(output.join("metrics.csv")).unwrap().lines().count() - 1;
    assert_eq!(history(&server, &name, "held_out_residual_rms").len(), rounds);
    assert!(history(&server, &name, "loss").len() > rounds);
    let found: Value =
        serde_json::from_str(&server.get(&format!("api/2.0/mlflow/runs/get?run_id={name}")).unwrap()).unwrap();
    let (info, data) = (&found["run"]["info"], &found["run"]["data"]);
    assert_eq!((info["status"].as_str(), info["run_name"].as_str()), (Some("FINISHED"), Some("run")));
    let has = |list: &Value, key: &str, value: &str| {
        list.as_array().unwrap().iter().any(|item| item["key"] == key && item["value"] == value)
    };
    assert!(has(&data["params"], "problem.equation", "black_scholes"), "{found}");
    assert!(has(&data["params"], "network.width", "10"), "{found}");
    assert!(has(&data["tags"], "mlflow.source.name", "zomma train pinn"), "{found}");
    let metric = data["metrics"].as_array().unwrap().iter().find(|metric| metric["key"] == "final.price_relative_l2");
    assert!(metric.is_some_and(|metric| metric["value"].as_f64().unwrap() < 2e-2), "{found}");
    let files = server.get(&format!("api/2.0/mlflow/artifacts/list?run_id={name}")).unwrap();
    for file in ["report.html", "report.svg", "config.json", "network.bin", "plots"] {
        assert!(files.contains(&format!("\"path\": \"{file}\"")), "{files}");
    }
}

#[test]
fn a_folder_for_wandb_is_written_of_a_network_that_solves_an_equation() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{TINY_EQUATION}[tracking]\nevery = 5\nwandb = true\n");
    let path = config(folder.path(), "tiny.toml", &text);
    let output = folder.path().join("run");
    let mut command = zomma();
    command.args(["train", "pinn", arg(&path), "-o", arg(&output)]).env_remove("WANDB_API_KEY");
    Run::of(&command.output().unwrap()).ok();
    let offline = fs::read_dir(output.join("wandb")).unwrap().next().unwrap().unwrap().path();
    let mut files = fs::read_dir(offline).unwrap().map(|entry| entry.unwrap().path());
    let bytes = fs::read(files.find(|path| path.extension().is_some()).unwrap()).unwrap();
    let holds = |words: &str| bytes.windows(words.len()).any(|window| window == words.as_bytes());
    assert!(bytes.starts_with(b":W&B") && holds("held_out_residual_rms") && holds("weight_near_expiry"));
    let bad = config(folder.path(), "bad.toml", &text.replace("every = 5", "every = 0"));
    run(&["train", "pinn", arg(&bad), "-o", arg(&output)]).refused(2, &["tracking.every", "1 or more"]);
    run(&["train", "pinn", arg(&path), "-o", arg(&output), "--mlflow", "nowhere"]).refused(2, &["--mlflow", "http://"]);
}

#[test]
fn a_server_that_is_never_there_costs_nothing_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "tiny.toml", TINY);
    let output = folder.path().join("run");
    let said = run(&["train", arg(&path), "-o", arg(&output), "--mlflow", "http://127.0.0.1:9"]).ok();
    assert!(said.err.contains("mlflow") && said.err.contains("zomma runs sync"), "{}", said.err);
    run(&["runs", "sync", arg(&output)]).refused(1, &["127.0.0.1:9", "told"]);
    run(&["runs", "sync", arg(&output), "--mlflow", "notaurl"])
        .refused(2, &["--mlflow", "notaurl", "http://HOST:PORT"]);
}

#[test]
fn a_folder_for_wandb_is_written_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "tiny.toml", &TINY.replace("every = 10\n", "every = 10\nwandb = true\n"));
    let output = folder.path().join("run");
    let mut command = zomma();
    command.args(["train", arg(&path), "-o", arg(&output)]).env_remove("WANDB_API_KEY");
    Run::of(&command.output().unwrap()).ok();
    let offline: Vec<PathBuf> =
        fs::read_dir(output.join("wandb")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let file =
        fs::read_dir(&offline[0]).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some());
    let bytes = fs::read(file.unwrap()).unwrap();
    assert!(bytes.starts_with(b":W&B") && bytes.len() > 10_000, "{}", bytes.len());
}

#[test]
fn a_profile_names_the_bottleneck_and_leaves_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    // Layers so wide that arithmetic is what a step is made of.
    let text =
        TINY.replace("width = 8", "width = 256").replace("depth = 2", "depth = 3").replace("steps = 300", "steps = 30");
    let text = text.replace("held_out = 1000", "held_out = 100");
    let path = config(folder.path(), "wide.toml", &text);
    let output = folder.path().join("run");
    let said = run(&["train", arg(&path), "-o", arg(&output), "--profile"]).ok();
    let report = fs::read_to_string(output.join("profile.txt")).unwrap();
    assert!(said.err.contains("Bottleneck: ") && report.contains("Bottleneck: "), "{}{report}", said.err);
    for words in ["labels alone", "matrix products", "allocates", "backward", "layer 3", "GFLOP/s"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let trace: Value = serde_json::from_str(&fs::read_to_string(output.join("trace.json")).unwrap()).unwrap();
    let names: BTreeSet<&str> =
        trace["traceEvents"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
    for name in ["step", "labels", "gradient", "forward", "backward 2", "optimiser", "checkpoint"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
}
