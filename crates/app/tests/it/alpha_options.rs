//! `zomma alpha arbitrage` and `zomma alpha options`: what is planted is found and named, features of a chain by day, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{arg, run, table};

const HEADER: &str = "underlying,quote_date,quote_time,option_type,expiry,strike,bid,ask,bid_size,ask_size,volume,open_interest,spot,exercise_style";

/// Calls and puts at five strikes around 100 with no rate and no dividends: time value 3 at the money, less away from it, 0.2 wide.
fn quiet_chain(exercise_style: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for (expiry, factor) in [("2024-06-21", 1.0), ("2024-09-20", 1.6)] {
        for (strike, time_value) in [(90.0, 1.0), (95.0, 1.9), (100.0, 3.0), (105.0, 1.8), (110.0, 0.9)] {
            for option_type in ["call", "put"] {
                let sign = if option_type == "call" { 1.0_f64 } else { -1.0 };
                let price = (sign * (100.0 - strike)).max(0.0) + factor * time_value;
                rows.push(format!(
                    "ACME,2024-05-01,15:45,{option_type},{expiry},{strike},{:.2},{:.2},20,30,10,100,100,{exercise_style}",
                    price - 0.1,
                    price + 0.1
                ));
            }
        }
    }
    rows
}

fn write_chain(folder: &Path, rows: &[String]) -> PathBuf {
    let path = folder.join("chain.csv");
    fs::write(&path, format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap();
    path
}

fn replace(rows: &mut [String], start: &str, bid: &str, ask: &str, sizes: &str) {
    let row = rows.iter_mut().find(|row| row.contains(start)).unwrap();
    let cells: Vec<&str> = row.split(',').collect();
    let [bid_size, ask_size] = sizes.split('/').collect::<Vec<_>>()[..] else { panic!("{sizes}") };
    let mut cells = cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    for (at, cell) in [(6, bid), (7, ask), (8, bid_size), (9, ask_size)] {
        cells[at] = cell.to_owned();
    }
    *row = cells.join(",");
}

fn findings(path: &Path, more: &[&str]) -> Vec<Value> {
    let base = ["alpha", "arbitrage", arg(path), "--rate", "0", "--json"];
    let found: Value = serde_json::from_str(&run(&[&base[..], more].concat()).ok().out).unwrap();
    found["days"][0]["findings"].as_array().unwrap().clone()
}

#[test]
fn a_quiet_chain_has_nothing_and_a_planted_vertical_is_named_with_its_edge() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = quiet_chain("european");
    let path = write_chain(folder.path(), &rows);
    let stock = ["--stock-bid", "99.95", "--stock-ask", "100.05", "--dividend-yield", "0"];
    assert_eq!(findings(&path, &stock), Vec::<Value>::new());
    assert_eq!(findings(&path, &[]), Vec::<Value>::new());

    // The 95 call asks 7.00; the 100 call now bids 7.50 for twelve contracts.
    replace(&mut rows, "call,2024-06-21,100,", "7.50", "7.60", "12/5");
    let path = write_chain(folder.path(), &rows);
    let out = folder.path().join("findings.csv");
    let found = findings(&path, &["--fee", "0.65", "-o", arg(&out)]);
    let vertical = found.iter().find(|row| row["kind"] == "vertical").unwrap();
    assert!((vertical["edge"].as_f64().unwrap() - 0.5).abs() < 1e-9);
    assert!((vertical["profit_per_unit"].as_f64().unwrap() - 48.7).abs() < 1e-9, "{vertical}");
    assert_eq!((vertical["standing"].as_str(), vertical["units"].as_f64()), (Some("executable"), Some(12.0)));
    assert_eq!(vertical["legs"][0]["side"], "sell");
    assert_eq!(
        (vertical["legs"][0]["strike"].as_f64(), vertical["legs"][1]["strike"].as_f64()),
        (Some(100.0), Some(95.0))
    );
    let kinds: Vec<&str> = found.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert!(kinds.contains(&"butterfly") && kinds.contains(&"box") && kinds.contains(&"calendar"), "{kinds:?}");
    for row in &found {
        assert!(row["worst_payoff"].as_f64().unwrap() > -1e-6, "{row}");
    }
    let written = table(&fs::read_to_string(&out).unwrap());
    assert_eq!(written.len(), found.len());
    assert!(written.iter().any(|row| row["legs"] == "sell 1 call 100 at 7.5; buy 1 call 95 at 7"), "{written:?}");
    let text = run(&["alpha", "arbitrage", arg(&path), "--rate", "0", "--limit", "1"]).ok().out;
    assert!(
        text.contains("ACME 2024-05-01") && text.contains("executable") && text.contains("more (--limit"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_traded_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let standing_of = |bid: &str, ask: &str, sizes: &str, fee: &str| {
        let mut rows = quiet_chain("european");
        replace(&mut rows, "call,2024-06-21,100,", bid, ask, sizes);
        let path = write_chain(folder.path(), &rows);
        let found = findings(&path, &["--fee", fee]);
        let vertical = found.iter().find(|row| row["kind"] == "vertical").unwrap();
        vertical["standing"].as_str().unwrap().to_owned()
    };
    assert_eq!(standing_of("7.50", "7.60", "12/5", "0"), "executable");
    assert_eq!(standing_of("7.50", "7.60", "12/5", "30"), "below_fees");
    assert_eq!(standing_of("7.50", "7.60", "0/5", "0"), "zero_size");
    assert_eq!(standing_of("7.50", "7.60", "/", "0"), "size_unknown");
    assert_eq!(standing_of("7.50", "7.40", "12/5", "0"), "crossed");
}

#[test]
fn american_rows_get_american_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = quiet_chain("american");
    // A put at 110 that costs less than its exercise brings: 110 − 100.05 − 9.70 = 0.25.
    replace(&mut rows, "put,2024-06-21,110,", "9.50", "9.70", "5/5");
    let path = write_chain(folder.path(), &rows);
    let found = findings(&path, &["--stock-bid", "99.95", "--stock-ask", "100.05", "--dividend-yield", "0"]);
    let bound = found.iter().find(|row| row["kind"] == "lower_bound").unwrap();
    assert!((bound["edge"].as_f64().unwrap() - 0.25).abs() < 1e-9, "{bound}");
    let boxes = found.iter().filter(|row| row["kind"] == "box");
    for row in boxes {
        let strike = |leg: usize| row["legs"][leg]["strike"].as_f64().unwrap();
        assert!(strike(0) < strike(2), "a short box of American options is not riskless: {row}");
    }
}

#[test]
fn features_of_a_chain_stand_in_three_tables() {
    let folder = tempfile::tempdir().unwrap();
    let chain = folder.path().join("chain.csv");
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let [days, strikes, expiries] = ["days.csv", "strikes.csv", "expiries.csv"].map(|name| folder.path().join(name));
    let files = ["-o", arg(&days), "--strikes", arg(&strikes), "--expiries", arg(&expiries)];
    let text = run(&[&["alpha", "options", arg(&chain)][..], &files].concat()).ok().out;
    assert!(text.contains("dealers assumed long-calls-short-puts") && text.contains("max pain"), "{text}");
    let rows = table(&fs::read_to_string(&days).unwrap());
    let number = |row: &std::collections::HashMap<String, String>, name: &str| -> f64 {
        row[name].parse().unwrap_or_else(|_| panic!("{name}: {:?}", row[name]))
    };
    let day = rows.last().unwrap();
    for name in ["atm_30d", "rr25_30d", "bf25_30d", "put_call_open_interest", "gamma_exposure"] {
        assert!(number(day, name).is_finite());
    }
    assert!(
        (number(day, "call_gamma_exposure") + number(day, "put_gamma_exposure") - number(day, "gamma_exposure")).abs()
            < 1.0
    );
    // The strikes' exposures add up to the day's.
    let of_day: Vec<_> = table(&fs::read_to_string(&strikes).unwrap())
        .into_iter()
        .filter(|row| row["quote_date"] == day["quote_date"])
        .collect();
    let sum: f64 = of_day.iter().map(|row| number(row, "gamma_exposure")).sum();
    assert!((sum / number(day, "gamma_exposure") - 1.0).abs() < 1e-9);
    assert!(table(&fs::read_to_string(&expiries).unwrap()).iter().any(|row| !row["atm"].is_empty()));

    let short = run(&["alpha", "options", arg(&chain), "--dealers", "short-all", "--json"]).ok();
    let short: Value = serde_json::from_str(&short.out).unwrap();
    let gamma = short["days"].as_array().unwrap().last().unwrap()["gamma_exposure"].as_f64().unwrap();
    assert!(gamma < 0.0);
}

#[test]
fn faults_are_named_and_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_chain(folder.path(), &quiet_chain("european"));
    let out = folder.path().join("out.csv");
    for (command, more, code, words) in [
        ("arbitrage", &["--fee=-1"][..], 2, &["at or above zero"][..]),
        ("arbitrage", &["--stock-bid", "100"], 2, &["--stock-ask"]),
        ("arbitrage", &["--stock-bid", "101", "--stock-ask", "100"], 2, &["above --stock-ask"]),
        ("arbitrage", &["--rate-spread", "2"], 2, &["half a percent"]),
        ("arbitrage", &["--multiplier", "0"], 2, &["above zero"]),
        ("options", &["--dealers", "nobody"], 2, &["long-calls-short-puts"]),
        ("options", &["--tenors", "90,30"], 2, &["30,90"]),
    ] {
        let base = ["alpha", command, arg(&path), "-o", arg(&out)];
        run(&[&base[..], more].concat()).refused(code, words);
        assert!(!out.exists(), "{command} {more:?} left a file");
    }
    for command in ["arbitrage", "options"] {
        run(&["alpha", command, arg(&path), "-o", arg(&path)]).refused(2, &["is the file"]);
        run(&["alpha", command, "absent.csv", "-o", arg(&out)]).refused(1, &["absent.csv"]);
        let empty = folder.path().join("empty.csv");
        fs::write(&empty, format!("{HEADER}\n")).unwrap();
        run(&["alpha", command, arg(&empty), "-o", arg(&out)]).refused(1, &["empty.csv"]);
        assert!(!out.exists());
    }
}
