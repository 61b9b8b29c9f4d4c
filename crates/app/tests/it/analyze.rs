//! `zomma analyze`: what it writes, for one date and for many.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use arrow_array::{Array, cast::AsArray, types::Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::program::{arg, run, run_with_input, table};

const FILES: [&str; 5] = ["candidates.csv", "quotes.parquet", "report.html", "summary.json", "surface.json"];

/// A generated chain of two dates, and its history.
fn demo(folder: &Path) -> (PathBuf, PathBuf) {
    let (chain, history) = (folder.join("chain.csv"), folder.join("history.csv"));
    run(&["demo", "chain", "-o", arg(&chain), "--history", arg(&history)]).ok();
    (chain, history)
}

/// The rows of a chain's last date alone.
fn last_date(chain: &Path, to: &Path) -> usize {
    let text = fs::read_to_string(chain).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let date = body.lines().last().unwrap().split(',').next().unwrap().to_string();
    let rows: Vec<&str> = body.lines().filter(|line| line.starts_with(&date)).collect();
    fs::write(to, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    rows.len()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn one_date_writes_five_files_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, history) = demo(folder.path());
    let day = folder.path().join("day.csv");
    let rows = last_date(&chain, &day);
    let out = folder.path().join("out");
    let rejects = folder.path().join("rejects.csv");
    let run = run(&[
        "analyze",
        arg(&day),
        "--out",
        arg(&out),
        "--history",
        arg(&history),
        "--rejects",
        arg(&rejects),
        "--underlying",
        "ZMX",
    ])
    .ok();
    assert_eq!(names(&out), FILES.map(String::from).into());

    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["underlying"], "ZMX");
    assert_eq!(summary["rows_read"], rows);
    assert_eq!(summary["arbitrage_violations"], 0);
    assert!(summary["inside_bid_ask_share"].as_f64().unwrap() > 0.5, "{}", summary["inside_bid_ask_share"]);
    assert!(summary["rmse_vol_points"].as_f64().unwrap() > 0.0);
    assert!(summary["timings_ms"]["surface"].as_f64().unwrap() > 0.0);
    let rejected: u64 = summary["rejected"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(summary["rows_kept"].as_u64().unwrap() + rejected, rows as u64);
    for key in ["crossed_quote", "duplicate", "expired"] {
        assert!(summary["rejected"][key].as_u64().unwrap() > 0, "{key}: {}", summary["rejected"]);
    }
    let expiries = summary["expiries"].as_array().unwrap();
    let roots: BTreeSet<&str> = expiries.iter().map(|expiry| expiry["root"].as_str().unwrap()).collect();
    assert_eq!(roots, ["ZMX", "ZMXA", "ZMXW"].into());
    for expiry in expiries {
        assert_eq!(expiry["expiry"].as_str().unwrap().len(), "2025-06-20T09:30:00-04:00".len());
        let (forward, discount) = (expiry["forward"].as_f64().unwrap(), expiry["discount_factor"].as_f64().unwrap());
        assert!(forward > 0.0 && discount > 0.5 && discount < 1.1, "{expiry}");
        assert!(["am", "pm"].contains(&expiry["settlement"].as_str().unwrap()));
        assert!(expiry["expiry_years"].as_f64().unwrap() > 0.0 && expiry["atm_volatility"].is_number());
    }

    // Every rejected row is listed, and every row of the file is in quotes.parquet, with the same statuses.
    let listed = fs::read_to_string(&rejects).unwrap();
    assert_eq!(listed.lines().count() as u64, rejected + 1);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(out.join("quotes.parquet")).unwrap()).unwrap();
    let (mut quotes, mut kept) = (0, 0);
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let status = arrow_cast::cast(batch.column_by_name("status").unwrap(), &arrow_schema::DataType::Utf8).unwrap();
        let status = status.as_string::<i32>().clone();
        let gamma = batch.column_by_name("gamma").unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            quotes += 1;
            kept += u64::from(status.value(row) == "ok");
            assert!(!gamma.is_valid(row) || gamma.value(row).is_finite());
        }
        assert!(gamma.null_count() < batch.num_rows() / 2);
    }
    assert_eq!(quotes, rows);
    assert_eq!(summary["rows_kept"], kept);

    let candidates = table(&fs::read_to_string(out.join("candidates.csv")).unwrap());
    assert_eq!(summary["candidates"], candidates.len());
    assert!(
        !candidates.is_empty()
            && candidates.iter().all(|row| row["status"] == "ok" && !row["kelly_fraction"].is_empty())
    );
    let surface = json(&out.join("surface.json"));
    assert!(!surface["slices"].as_array().unwrap().is_empty() && surface["arbitrage"]["butterfly_violations"] == 0);
    assert!(run.out.contains("inside bid-ask") && run.out.contains("report.html"), "{}", run.out);
}

#[test]
fn the_report_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = demo(folder.path());
    // A name that would be markup, were it taken for that.
    let day = folder.path().join("<img src=x onerror=alert(1)>.csv");
    last_date(&chain, &day);
    let out = folder.path().join("out");
    run(&["analyze", arg(&day), "--out", arg(&out)]).ok();
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.len() < 7_000_000, "{} bytes", page.len());
    assert!(!page.contains("<img src=x"), "text of a file is markup");
    assert!(page.contains("\\u003cimg src=x"));
    for part in ["<script src", "<link rel=\"stylesheet\"", "@import", "{{"] {
        let own = page.split("plotly.js v").next().unwrap();
        assert!(!own.contains(part), "{part}");
    }
    for id in [
        "smile-plot",
        "surface-plot",
        "variance-plot",
        "density-plot",
        "atm-plot",
        "greek-plot",
        "wheel-table",
        "stages",
    ] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn many_dates_have_a_folder_each_and_a_summary_over_all() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = demo(folder.path());
    let out = folder.path().join("out");
    let printed = run(&["analyze", arg(&chain), "--out", arg(&out), "--json"]).ok().out;
    let overall = json(&out.join("summary.json"));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), overall);
    let days = overall["days"].as_array().unwrap();
    assert_eq!((days.len(), overall["days_analyzed"].as_u64()), (2, Some(2)));
    for day in days {
        let directory = day["directory"].as_str().unwrap();
        assert_eq!(directory, day["quote_date"].as_str().unwrap());
        assert_eq!(names(&out.join(directory)), FILES.map(String::from).into());
        assert_eq!(json(&out.join(directory).join("summary.json"))["rows_read"], day["rows_read"]);
    }
}

#[test]
fn a_folder_skips_what_is_no_chain_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = demo(folder.path());
    let chains = folder.path().join("chains");
    fs::create_dir(&chains).unwrap();
    last_date(&chain, &chains.join("day.csv"));
    fs::write(chains.join("readme.csv"), "a,b\n1,2\n").unwrap();
    let out = folder.path().join("out");
    let run = run(&["analyze", arg(&chains), "--out", arg(&out)]).ok();
    assert!(run.out.contains(&format!("{0}/<date>/report.html, {0}/summary.json", arg(&out))), "{}", run.out);
    assert!(run.out.contains("skipped") && run.out.contains("readme.csv"), "{}", run.out);
    assert!(run.out.contains("1 of 1 dates analysed, 1 other files skipped"), "{}", run.out);
}

/// A European chain of one expiry without underlying price and open interest: forward 100 by parity, no rate.
fn bare_chain() -> String {
    let rows: String = (0..41)
        .map(|i| {
            let strike = 80 + i;
            // Near the money, 2 of time value each side; parity holds exactly.
            let value = 2.0 * (-(f64::from(strike - 100) / 9.0).powi(2)).exp() + 0.2;
            let (call, put) = (f64::from((100 - strike).max(0)) + value, f64::from((strike - 100).max(0)) + value);
            let line = |kind: &str, mid: f64| {
                format!("2019-04-25,2019-05-24,{strike},{kind},{:.3},{:.3}\n", mid - 0.05, mid + 0.05)
            };
            line("call", call) + &line("put", put)
        })
        .collect();
    format!("quote_date,expiry,strike,option_type,bid,ask\n{rows}")
}

#[test]
fn without_an_underlying_price_the_forward_is_that_of_parity() {
    let folder = tempfile::tempdir().unwrap();
    let curve = folder.path().join("curve.csv");
    fs::write(&curve, "expiry_years,risk_free_rate\n0.01,0.0\n1.0,0.0\n").unwrap();
    let arguments =
        ["analyze", "-", "--underlying", "SPX", "--exercise", "european", "--rate-curve", arg(&curve), "--json"];
    let run = run_with_input(&arguments, bare_chain().as_bytes()).ok();
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert!(summary["underlying_last"].is_null());
    let expiry = &summary["expiries"][0];
    assert_eq!(expiry["forward_source"], "parity");
    assert!((expiry["forward"].as_f64().unwrap() - 100.0).abs() < 0.01, "{expiry}");
    assert!((summary["spot"].as_f64().unwrap() - 100.0).abs() < 0.01);
}

#[test]
fn a_rate_curve_names_its_wrong_cell() {
    let folder = tempfile::tempdir().unwrap();
    let curve = folder.path().join("curve.csv");
    let refused = |text: &str, code: i32, words: &[&str]| {
        fs::write(&curve, text).unwrap();
        run(&["analyze", "x.csv", "--rate-curve", arg(&curve)]).refused(code, words);
    };
    refused(
        "expiry_years,rate\n1,0.05\n",
        1,
        &["curve.csv", "missing column risk_free_rate", "found [expiry_years, rate]"],
    );
    refused("expiry_years,risk_free_rate\n1,five\n", 1, &["row 1", "risk_free_rate = \"five\"", "finite"]);
    refused("expiry_years,risk_free_rate\n1,0.05\n0.5,0.04\n", 2, &["ascend"]);
    refused("expiry_years,risk_free_rate\n", 1, &["no rows"]);
}

#[test]
fn the_number_of_threads_changes_nothing_but_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, history) = demo(folder.path());
    let analysed = |threads: &str| {
        let out = folder.path().join(threads);
        run(&["analyze", arg(&chain), "--history", arg(&history), "--out", arg(&out), "--threads", threads]).ok();
        let day = out.join("2025-06-13");
        ["quotes.parquet", "surface.json", "candidates.csv"].map(|name| fs::read(day.join(name)).unwrap())
    };
    assert!(analysed("1") == analysed("3"));
}

#[test]
fn a_filter_without_its_column_is_refused() {
    let arguments = ["analyze", "-", "--underlying", "XYZ", "--min-open-interest", "10"];
    run_with_input(&arguments, bare_chain().as_bytes()).refused(2, &["open_interest"]);
    // Of a folder likewise, and nothing is printed or left.
    let folder = tempfile::tempdir().unwrap();
    let [chains, out] = ["chains", "out"].map(|name| folder.path().join(name));
    fs::create_dir(&chains).unwrap();
    fs::write(chains.join("SPX.csv"), bare_chain()).unwrap();
    let arguments = ["analyze", arg(&chains), "--out", arg(&out), "--underlying", "XYZ", "--min-open-interest", "10"];
    let run = run(&arguments).refused(2, &["open_interest"]);
    assert_eq!((run.out.as_str(), names(&out).len()), ("", 0));
}

#[test]
fn a_map_of_a_column_that_is_not_there_is_refused() {
    for map in ["foo=bid", "bid=foo"] {
        let arguments = ["analyze", "-", "--underlying", "XYZ", "--map", map];
        run_with_input(&arguments, bare_chain().as_bytes()).refused(2, &["--map", "foo"]);
    }
}

#[test]
fn the_quotes_are_a_table_that_greeks_values_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = demo(folder.path());
    let day = folder.path().join("day.csv");
    last_date(&chain, &day);
    let out = folder.path().join("out");
    run(&["analyze", arg(&day), "--out", arg(&out)]).ok();
    let quotes = out.join("quotes.parquet");
    // `price` keeps the columns of the Greeks, and `greeks` makes them anew.
    let before = table(&run(&["price", arg(&quotes)]).ok().out);
    let after = table(&run(&["greeks", arg(&quotes)]).ok().out);
    let mut compared = 0;
    // The analysis gives European Greeks throughout; `greeks` values American rows as such.
    let european = |after: &std::collections::HashMap<String, String>| {
        after["status"] == "ok" && after["exercise_style"] == "european"
    };
    for (before, after) in before.iter().zip(&after).filter(|(_, after)| european(after)) {
        for greek in ["delta", "gamma", "vega", "theta", "rho", "phi"] {
            let [given, made] = [before, after].map(|row| row[greek].parse::<f64>().unwrap());
            assert!((given - made).abs() <= 1e-9 * given.abs().max(1.0), "{greek}: {given} {made} {after:?}");
        }
        compared += 1;
    }
    assert!(compared > 100, "{compared} of {}", after.len());
    assert!(after.iter().all(|row| row["quote_time"].len() == 5 && !row["underlying_last"].is_empty()));
    // And it is still a chain.
    run(&["analyze", arg(&quotes)]).ok();
}

#[test]
fn without_out_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = demo(folder.path());
    let day = folder.path().join("day.csv");
    last_date(&chain, &day);
    let before = names(folder.path());
    let run = run(&["analyze", arg(&day)]).ok();
    assert!(run.out.contains("--out DIR"), "{}", run.out);
    assert_eq!(names(folder.path()), before);
}

#[test]
fn real_spx_days_fit_inside_bid_and_ask_without_arbitrage() {
    let Some(data) = zomma_testkit::real_data() else { return };
    for (name, least) in [("spx_cboe_eod_20190425.csv", 0.50), ("spx_cboe_eod_20190603.csv", 0.42)] {
        let folder = tempfile::tempdir().unwrap();
        run(&["analyze", arg(&data.join("options").join(name)), "--out", arg(folder.path())]).ok();
        let summary = json(&folder.path().join("summary.json"));
        assert_eq!(summary["arbitrage_violations"], 0, "{name}");
        assert!(
            summary["inside_bid_ask_share"].as_f64().unwrap() >= least,
            "{name}: {}",
            summary["inside_bid_ask_share"]
        );
        assert!(names(folder.path()).is_superset(&FILES.map(String::from).into()));
    }
}

#[test]
fn real_files_are_analysed_or_named_as_no_chain() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let mut seen = 0;
    for entry in fs::read_dir(data.join("options")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_chain = name.contains("_eod_") || name.contains("chain");
        if name.ends_with(".tar.xz") {
            continue;
        }
        seen += 1;
        let run = run(&["analyze", arg(&path)]);
        if is_chain {
            run.ok();
        } else {
            run.refused(1, &["not a chain that I know"]);
        }
    }
    assert!(seen > 5, "{seen} files");
}
