//! `zomma train` of a table of one's own, and `zomma predict` with what came of it.

use std::{fs, path::Path};

use serde_json::Value;
use zomma_testkit::real_data;

use crate::program::{arg, run, table};

const CONFIG: &str = r#"
[network]
width = 12
depth = 2
output = "none"
[data]
model = "table"
shards = "SHARDS"
held_out = 300
[data.table]
inputs = ["delta", "vega", "return:2", "time_of_day_sin", "size"]
target = "y"
scaling_of = { size = "log1p" }
[[data.table.derive]]
kind = "greeks"
risk_free_rate = 0.02
columns = ["delta", "vega"]
[[data.table.derive]]
kind = "series"
of = "spot"
time = "time"
columns = ["return:2"]
[[data.table.derive]]
kind = "time"
of = "time"
unit = "s"
columns = ["time_of_day_sin"]
[training]
steps = 300
batch = 128
learning_rate = 0.01
warm_up = 20
ema = 0.98
evaluate_every = 50
checkpoint_every = 100
"#;

/// A number between 0 and 1 that depends on its place.
fn share(place: u64) -> f64 {
    let word = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((word ^ (word >> 32)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Quotes of options a second apart, whose y is the vega over ten plus ln(1 + size).
fn quotes(path: &Path, rows: u64) {
    let mut text = String::from("time,option_type,spot,strike,expiry_years,volatility,size,y\n");
    for i in 0..rows {
        let at = |k: u64| share(7 * i + k);
        let (spot, strike, expiry, volatility) = (100.0 + at(0), 80.0 + 40.0 * at(1), 0.1 + at(2), 0.1 + 0.3 * at(3));
        let d1 =
            ((spot / strike).ln() + (0.02 + 0.5 * volatility * volatility) * expiry) / (volatility * f64::sqrt(expiry));
        let vega = spot * f64::sqrt(expiry) * (-0.5 * d1 * d1).exp() / f64::sqrt(2.0 * std::f64::consts::PI);
        let size = (1000.0 * at(4)).floor();
        let kind = if i % 2 == 0 { "call" } else { "put" };
        let y = vega / 10.0 + size.ln_1p();
        text.push_str(&format!("{},{kind},{spot},{strike},{expiry},{volatility},{size},{y}\n", 1_782_739_800 + i));
    }
    fs::write(path, text).unwrap();
}

#[test]
fn a_table_is_learned_with_columns_that_are_derived_and_predicted_with_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let [csv, shards, config, output] =
        ["quotes.csv", "shards", "config.toml", "run"].map(|name| folder.path().join(name));
    fs::create_dir(&shards).unwrap();
    quotes(&csv, 3000);
    let query = format!("SELECT * FROM '{}'", csv.display());
    run(&["sql", &query, "-o", arg(&shards.join("quotes.parquet"))]).ok();
    fs::write(&config, CONFIG.replace("SHARDS", arg(&shards))).unwrap();
    let trained = run(&["train", arg(&config), "-o", arg(&output), "--json"]).ok();
    assert!(trained.err.contains("; 2 are early in their file"), "{}", trained.err);
    let report: Value = serde_json::from_str(&trained.out).unwrap();
    assert_eq!(report["model"], "table");
    assert!(report["r2"].as_f64().unwrap() > 0.95, "{report}");
    // The target is a line of what the columns are scaled to, which is what a ridge regression finds.
    assert!(report["table"]["ridge"]["errors"]["r2"].as_f64().unwrap() > 0.999, "{report}");
    assert!(report["verdict"].as_str().unwrap().contains("ridge regression, which is the better model"), "{report}");
    assert!(report.get("price_rmse").is_none() && report.get("network_ns").is_none());
    let first: Vec<&str> = (0..2).map(|i| report["table"]["importance"][i]["input"].as_str().unwrap()).collect();
    assert!(first.contains(&"vega") && first.contains(&"size"), "{first:?}");

    // Another table, as CSV, with columns in its own order, cells that are missing, and one far away.
    let network = output.join("network.bin");
    let other = folder.path().join("other.csv");
    quotes(&other, 40);
    let text = fs::read_to_string(&other).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let change = |line: &str, at: usize, cell: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[at] = cell;
        cells.join(",")
    };
    lines[11] = change(&lines[11], 6, "");
    lines[12] = change(&lines[12], 5, "");
    lines[13] = change(&lines[13], 6, "1e9");
    lines[14] = change(&lines[14], 6, "-3");
    lines[15] = change(&lines[15], 1, "future");
    fs::write(&other, lines.join("\n") + "\n").unwrap();
    let done = run(&["predict", arg(&other), "--network", arg(&network)]).ok();
    let rows = table(&done.out);
    assert_eq!(rows.len(), 40);
    let statuses: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["status"].as_str(), row["status_input"].as_str())).collect();
    assert_eq!(statuses[..2], [("warming_up", ""); 2]);
    assert_eq!(statuses[10], ("missing_input", "size"));
    assert_eq!(statuses[11], ("missing_input", "delta"));
    assert_eq!(statuses[12], ("outside_training", "size"));
    assert_eq!(statuses[13], ("bad_input", "size"));
    assert_eq!(statuses[14], ("missing_input", "delta"));
    for (i, row) in rows.iter().enumerate() {
        let has_prediction = ["ok", "outside_training"].contains(&row["status"].as_str());
        assert_eq!(row["prediction"].is_empty(), !has_prediction, "row {i}: {row:?}");
        if row["status"] == "ok" {
            let [y, said]: [f64; 2] = ["y", "prediction"].map(|name| row[name].parse().unwrap());
            assert!((y - said).abs() < 1.5, "row {i}: {y} {said}");
        }
    }
    assert!(
        done.err.contains("1 outside of what was learned") && done.err.contains("3 without a prediction"),
        "{}",
        done.err
    );
    // The same rows as Parquet, and what was there before is replaced.
    let parquet = folder.path().join("other.parquet");
    run(&["sql", &format!("SELECT * FROM '{}'", other.display()), "-o", arg(&parquet)]).ok();
    let predicted = folder.path().join("predicted.parquet");
    run(&["predict", arg(&parquet), "--network", arg(&network), "-o", arg(&predicted)]).ok();
    let again = folder.path().join("again.csv");
    let replaced = run(&["predict", arg(&predicted), "--network", arg(&network), "-o", arg(&again), "--json"]).ok();
    assert!(replaced.err.contains("column prediction is replaced"), "{}", replaced.err);
    assert_eq!(table(&fs::read_to_string(&again).unwrap()), rows);

    let without = folder.path().join("without.csv");
    fs::write(&without, "time,spot\n1,2\n").unwrap();
    run(&["predict", arg(&without), "--network", arg(&network)])
        .refused(1, &["without.csv", "no column option_type", "time, spot"]);
    run(&["predict", arg(&other), "--network", arg(&other)]).refused(1, &["other.csv"]);
    run(&["predict", "absent.csv", "--network", arg(&network)]).refused(1, &["absent.csv"]);
    run(&["predict", arg(&other), "--network", arg(&network), "-o", arg(&other)])
        .refused(2, &["is the file that is read"]);
    run(&["predict", arg(&other), "--network", arg(&network), "-o", "x.doc"]).refused(2, &["x.doc", ".parquet"]);
    // Nothing but a table's network predicts, and a table's network prices nothing.
    let options = folder.path().join("options.csv");
    fs::write(&options, "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,100,100,1,0,0.2\n")
        .unwrap();
    run(&["price", arg(&options), "--network", arg(&network)]).refused(1, &["table", "a network of prices"]);
    let model = folder.path().join("x.onnx");
    let exported = run(&["export", arg(&network), "-o", arg(&model)]).ok();
    assert!(exported.out.contains("delta") && exported.out.contains("[batch, 1]: y"), "{}", exported.out);
}

#[test]
fn the_example_is_a_config_and_bad_tables_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let example = run(&["train", "--example", "table"]).ok().out;
    assert!(example.contains("model = \"table\""));
    let config = folder.path().join("table.toml");
    let output = folder.path().join("run");
    let train = |text: &str| {
        fs::write(&config, text).unwrap();
        run(&["train", arg(&config), "-o", arg(&output)])
    };
    train(&example.replace("scaling = \"standard\"", "scaling = \"rank\"")).refused(2, &["rank", "robust"]);
    train(&example.replace("target = \"move\"", "target = \"ofi:10s\"")).refused(2, &["data.table.target"]);
    let absent = folder.path().join("nowhere");
    train(&example.replace("shards = \"table\"", &format!("shards = \"{}\"", absent.display())))
        .refused(2, &["nowhere"]);
}

/// From a recorded day to a report, whatever it says: the inputs are of the past, the target is of the future, and neither is made by hand.
#[test]
fn real_a_day_of_a_book_is_learned_and_the_report_says_what_it_is_worth() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [day, shards, config, output] =
        ["day.parquet", "table", "table.toml", "run"].map(|name| folder.path().join(name));
    fs::create_dir(&shards).unwrap();
    let feed = data.join("books/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip");
    let features = "mid,relative_spread,imbalance:1,imbalance:5,ofi:10s";
    run(&["features", arg(&feed), "--every", "1s", "--features", features, "-o", arg(&day)]).ok();
    let query = format!(
        "SELECT * FROM (SELECT *, lead(mid, 10) OVER (ORDER BY time_ns) - mid AS move FROM '{}') WHERE move IS NOT NULL",
        day.display()
    );
    run(&["sql", &query, "-o", arg(&shards.join("day.parquet"))]).ok();
    let example = run(&["train", "--example", "table"]).ok().out;
    let text = example.replace("shards = \"table\"", &format!("shards = \"{}\"", shards.display()));
    fs::write(&config, text.replace("steps = 3000", "steps = 200")).unwrap();
    let report: Value =
        serde_json::from_str(&run(&["train", arg(&config), "-o", arg(&output), "--json"]).ok().out).unwrap();
    assert_eq!(report["table"]["rows"], 2000);
    // Ten seconds ahead of a stock's mid nobody knows much: neither all of it nor worse than nothing by far.
    let r2 = report["r2"].as_f64().unwrap();
    assert!((-0.2..0.5).contains(&r2), "{report}");
}
