//! `zomma risk scenarios`: full revaluation, by group and currency, worst cases, stresses, where the Greeks fail.

use std::fs;

use serde_json::Value;

use crate::program::{arg, run, run_with_input, table};

const BOOK: &str = "\
strategy,currency,exercise_style,option_type,spot,strike,expiry_years,risk_free_rate,volatility,quantity,multiplier
wheel,USD,,put,500,480,0.1,0.04,0.18,-10,100
hedge,USD,american,put,500,430,0.25,0.04,0.24,20,100
wheel,EUR,,put,5000,4800,0.1,0.02,0.2,-2,10
wheel,USD,,put,500,480,0.1,0.04,,1,100
wheel,USD,,call,500,520,0.1,0.04,0.15,many,100
";

/// The value of the rows of one strategy and currency of the book, its good rows moved by `zomma price` itself.
fn by_hand(spot: f64, shift: f64, days: f64, rows: &[usize]) -> f64 {
    let lines: Vec<Vec<&str>> = BOOK.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let mut text = "exercise_style,option_type,spot,strike,expiry_years,risk_free_rate,volatility\n".to_owned();
    for &row in rows {
        let cell = |i: usize| lines[row][i].parse::<f64>().unwrap();
        let moved = [cell(4) * (1.0 + spot), cell(5), cell(6) - days / 365.0, cell(7), cell(8) + shift];
        let moved = moved.map(|x| x.to_string()).join(",");
        text += &format!("{},{},{moved}\n", lines[row][2], lines[row][3]);
    }
    let priced = table(&run_with_input(&["price", "-"], text.as_bytes()).ok().out);
    let value = |(price, &row): (&std::collections::HashMap<String, String>, &usize)| {
        price["price"].parse::<f64>().unwrap() * [-1000.0, 2000.0, -20.0][row]
    };
    priced.iter().zip(rows).map(value).sum()
}

#[test]
fn every_cell_is_the_book_valued_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("grid.csv");
    let arguments = [
        "risk",
        "scenarios",
        "-",
        "--by",
        "strategy",
        "--spot",
        "-10%,0,5%",
        "--volatility",
        "0,0.1",
        "--days",
        "0,7",
        "-o",
        arg(&out),
    ];
    let run = run_with_input(&arguments, BOOK.as_bytes()).ok();
    assert!(run.err.contains("2 of 5 rows are in no figure"), "{}", run.err);
    assert!(run.err.contains("bad_volatility 1 (first: row 4") && run.err.contains("bad_quantity 1"), "{}", run.err);
    assert!(run.out.contains("Value now: USD") && run.out.contains("Value now: EUR"), "{}", run.out);
    assert!(run.out.contains("Worst cases") && run.out.contains("black_monday_1987"), "{}", run.out);
    let rows = table(&fs::read_to_string(&out).unwrap());
    // Three groups: USD wheel, USD hedge, EUR wheel; 12 crossings and 14 stresses.
    assert_eq!(rows.len(), 3 * (12 + 14));
    for row in rows.iter().filter(|row| row["stress"].is_empty()) {
        let group = match (row["strategy"].as_str(), row["currency"].as_str()) {
            ("wheel", "USD") => 0,
            ("hedge", "USD") => 1,
            _ => 2,
        };
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        let wanted = by_hand(number("spot_change"), number("volatility_shift"), number("days"), &[group]);
        assert!((number("value") - wanted).abs() < 1e-5 * wanted.abs(), "{row:?}: {wanted}");
        let now = by_hand(0.0, 0.0, 0.0, &[group]);
        assert!((number("profit") - (wanted - now)).abs() < 1e-5 * wanted.abs().max(now.abs()), "{row:?}");
    }
}

#[test]
fn json_says_what_the_text_says() {
    let run =
        run_with_input(&["risk", "scenarios", "-", "--worst", "2", "--json", "--stress", "crash"], BOOK.as_bytes())
            .ok();
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((found["rows"].as_u64(), found["rows_ok"].as_u64()), (Some(5), Some(3)));
    let usd = &found["books"][0];
    assert_eq!(usd["currency"], "USD");
    let cases = usd["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 11 * 6 + 1);
    let worst = usd["worst"].as_array().unwrap();
    let least = cases.iter().map(|case| case["profit"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!((worst.len(), worst[0]["profit"].as_f64()), (2, Some(least)));
    let nothing = cases.iter().find(|case| case["spot_change"] == 0.0 && case["volatility_shift"] == 0.0).unwrap();
    assert_eq!((nothing["profit"].as_f64(), nothing["greeks_fail"].as_bool()), (Some(0.0), Some(false)));
    // A short put's fall by a fifth is no matter of second order.
    let fall = cases.iter().find(|case| case["spot_change"] == -0.2 && case["volatility_shift"] == 0.25).unwrap();
    assert_eq!(fall["greeks_fail"].as_bool(), Some(true));
}

#[test]
fn a_device_values_the_book_alike() {
    let on = |device: &str| {
        let run = run_with_input(
            &["risk", "scenarios", "-", "--json", "--days", "0,40", "--device", device],
            BOOK.as_bytes(),
        );
        (run.code == 0).then(|| serde_json::from_str::<Value>(&run.out).unwrap())
    };
    let Some(device) = on("vulkan") else { return zomma_testkit::skip("no device") };
    let cpu = on("cpu").unwrap();
    let profits = |found: &Value| -> Vec<f64> {
        let cases = |book: &Value| {
            book["cases"].as_array().unwrap().iter().map(|case| case["profit"].as_f64().unwrap()).collect::<Vec<_>>()
        };
        found["books"].as_array().unwrap().iter().flat_map(cases).collect()
    };
    let (device, cpu) = (profits(&device), profits(&cpu));
    assert_eq!(device.len(), cpu.len());
    for (a, b) in device.iter().zip(&cpu) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn rubbish_is_refused_in_words() {
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        run_with_input(&[&["risk", "scenarios", "-"], arguments].concat(), BOOK.as_bytes()).refused(code, words);
    };
    refused(&["--spot", "-100%"], 2, &["above -100%"]);
    refused(&["--volatility", "a lot"], 2, &["a lot"]);
    refused(&["--days", "-1"], 2, &["days are at or above zero"]);
    refused(&["--stress", "doom"], 2, &["doom", "crash"]);
    refused(&["--by", "nothing"], 1, &["nothing", "strategy"]);
    refused(&["-o", "grid.parquet"], 2, &["CSV"]);
    run_with_input(&["risk", "scenarios", "-"], b"option_type,spot\n").refused(1, &["missing column"]);
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.csv");
    std::fs::write(&book, BOOK).unwrap();
    run(&["risk", "scenarios", arg(&book), "-o", arg(&book)]).refused(2, &["is the input"]);
    assert_eq!(std::fs::read_to_string(&book).unwrap(), BOOK);
    let nothing = BOOK.lines().next().unwrap().to_owned() + "\nx,USD,,put,-1,1,1,0,0.2,1,1\n";
    run_with_input(&["risk", "scenarios", "-"], nothing.as_bytes()).refused(1, &["no usable row of 1", "bad_spot"]);
}
