//! `--dividends` of the commands that read chains.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{arg, run};

/// The last date of the generated chain.
fn demo(folder: &Path) -> PathBuf {
    let chain = folder.join("chain.csv");
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let text = fs::read_to_string(&chain).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let date = body.lines().last().unwrap().split(',').next().unwrap().to_owned();
    let rows: Vec<&str> = body.lines().filter(|line| line.starts_with(&date)).collect();
    fs::write(&chain, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    chain
}

fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("dividends.csv");
    fs::write(&path, text).unwrap();
    path
}

fn analysed(chain: &Path, more: &[&str]) -> (Value, String) {
    let mut arguments = vec!["analyze", arg(chain), "--json", "--underlying", "ZMX"];
    arguments.extend(more);
    let run = run(&arguments).ok();
    (serde_json::from_str(&run.out).unwrap(), run.err)
}

#[test]
fn an_analysis_says_which_dividends_take_part() {
    let folder = tempfile::tempdir().unwrap();
    let chain = demo(folder.path());
    let file = written(
        folder.path(),
        "underlying,ex_date,amount\nZMX,2025-03-20,20\nZMX,2025-06-20,20\nZMX,2025-09-22,20\nZMX,2040-06-20,20\nOTHER,2025-06-20,1\n",
    );
    let (with, warning) = analysed(&chain, &["--dividends", arg(&file)]);
    let text = with["notes"].to_string();
    for words in [
        "inverted on a grid with the cash dividends",
        "1 of the cash dividends went ex before the quotes",
        "1 of the cash dividends go ex at or after the last expiry",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert!(warning.contains("1 underlying is in no chain: OTHER"), "{warning}");
    let (without, silence) = analysed(&chain, &[]);
    let text = without["notes"].to_string();
    assert!(text.contains("cash dividends are approximated") && !text.contains("take no part"), "{text}");
    assert!(!silence.contains("--dividends"), "{silence}");
}

#[test]
fn a_surface_is_fitted_with_them_and_unknown_underlyings_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let chain = demo(folder.path());
    let plain = run(&["surface", "fit", arg(&chain), "--json"]).ok();
    let known = written(folder.path(), "ex_date,amount\n2025-06-20,20\n2025-09-22,20\n");
    let with = run(&["surface", "fit", arg(&chain), "--json", "--dividends", arg(&known)]).ok();
    assert_ne!(plain.out, with.out, "American volatilities are others");
    let unknown = written(folder.path(), "underlying,ex_date,amount\nAAPL,2025-06-20,20\n");
    let other = run(&["surface", "fit", arg(&chain), "--json", "--dividends", arg(&unknown)]).ok();
    assert_eq!(plain.out, other.out, "as without the file");
    assert!(other.err.contains("1 underlying is in no chain: AAPL"), "{}", other.err);
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let chain = demo(folder.path());
    for (text, words) in [
        ("ex_date,amount\n2025-06-20,1\n2025-09-22,-1\n", ["row 2", "amount = \"-1\"", "at or above zero"]),
        ("ex_date,amount\n2025-13-20,1\n", ["row 1", "ex_date = \"2025-13-20\"", "2019-05-10"]),
        ("ex_date,cash\n2025-06-20,1\n", ["missing column amount", "ex_date", "cash"]),
        ("ex_date,amount\n", ["dividends.csv", "a header and no rows", ""]),
        // It may name an underlying.
        (
            "ticker,ex_date,amount\nSPY,2019-05-10,1\n",
            ["column ticker is not read", "allowed without a column underlying", ""],
        ),
    ] {
        let file = written(folder.path(), text);
        for command in [&["analyze"][..], &["surface", "fit"]] {
            let mut arguments = command.to_vec();
            arguments.extend([arg(&chain), "--dividends", arg(&file)]);
            run(&arguments).refused(1, &words);
        }
    }
    let table = folder.path().join("table.csv");
    fs::write(&table, "strike,expiry_years,forward,implied_volatility\n100,0.5,100,0.2\n").unwrap();
    let file = written(folder.path(), "ex_date,amount\n2025-06-20,1\n");
    run(&["surface", "fit", arg(&table), "--dividends", arg(&file)])
        .refused(2, &["--dividends", "table of volatilities"]);
}

#[test]
fn two_inputs_that_are_standard_input_are_refused_by_name() {
    let twice: [(&[&str], [&str; 2]); 8] = [
        (&["analyze", "-", "--dividends", "-"], ["--dividends -", "the chain"]),
        (&["analyze", "-", "--history", "-"], ["--history -", "the chain"]),
        (&["analyze", "x.csv", "--history", "-", "--dividends", "-"], ["--dividends -", "--history"]),
        (&["surface", "fit", "-", "--prior", "-"], ["--prior -", "the chain"]),
        (&["surface", "fit", "x.csv", "--dividends", "-", "--prior", "-"], ["--prior -", "--dividends"]),
        (&["surface", "plot", "-", "--quotes", "-", "-o", "x.svg"], ["--quotes -", "the surface"]),
        (
            &["surface", "plot", "x.json", "--quotes", "-", "--dividends", "-", "-o", "x.svg"],
            ["--dividends -", "--quotes"],
        ),
        (&["surface", "query", "-", "-"], ["POINTS -", "the surface"]),
    ];
    for (arguments, [second, first]) in twice {
        let first = format!("{first} comes from standard input already");
        run(arguments).refused(2, &[second, &first, "allowed: a file for one of the two"]);
    }
}

/// Apple after its split, by the command line: the dividends that it paid leave calls and puts with one volatility.
#[test]
fn real_apple_is_fitted_with_the_dividends_that_it_paid() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let text = fs::read_to_string(data.join("options/aapl_american_chain_201406_daily.csv")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let day: Vec<&str> =
        text.lines().filter(|line| line.starts_with("date") || line.starts_with("2014-06-09")).collect();
    let chain = folder.path().join("aapl_20140609.csv");
    fs::write(&chain, day.join("\n") + "\n").unwrap();
    let file = written(
        folder.path(),
        "underlying,ex_date,amount\nAAPL,2014-08-07,0.47\nAAPL,2014-11-06,0.47\nAAPL,2015-02-05,0.47\nAAPL,2015-05-07,0.52\n\
         AAPL,2015-08-06,0.52\nAAPL,2015-11-05,0.52\n",
    );
    let fitted = |more: &[&str]| -> Value {
        let model = ["--model", "price_spline"];
        let fitted =
            run(&[&["surface", "fit", arg(&chain), "--underlying", "AAPL", "--json"], &model[..], more].concat()).ok();
        assert!(fitted.err.is_empty(), "{}", fitted.err);
        serde_json::from_str(&fitted.out).unwrap()
    };
    let surface = fitted(&["--dividends", arg(&file)]);
    let by_yield = fitted(&[]);
    // Before the first ex-date the two are one, but for what the rates differ by; behind it they are apart, and the forward has fallen by
    // the dividend less three weeks' interest: a fit that had not read the dividends would be that by a yield, and fail here.
    let (mut behind, mut fallen, mut before) = (0, [f64::NAN; 2], [f64::NAN; 2]);
    for (with, without) in surface["slices"].as_array().unwrap().iter().zip(by_yield["slices"].as_array().unwrap()) {
        let expiry = with["expiry"].as_str().unwrap();
        let both = |field: &str| [with, without].map(|slice| slice[field].as_f64().unwrap());
        let [cash, yielded] = both("atm_volatility");
        let apart = (cash / yielded - 1.0).abs();
        if expiry < "2014-08-07" {
            assert!(apart < 1e-3, "{expiry}: {cash} {yielded}");
            before = both("forward");
        } else {
            assert!((1.5e-3..0.02).contains(&apart), "{expiry}: {cash} {yielded}");
            if behind == 0 {
                let forward = both("forward");
                fallen = [before[0] - forward[0], before[1] - forward[1]];
            }
            behind += 1;
        }
    }
    assert_eq!(behind, 5);
    assert!((fallen[0] - 0.47).abs() < 0.08 && (fallen[1] - 0.47).abs() > 0.12, "{fallen:?}");
    let report = &surface["arbitrage"];
    let count = |kind: &str| report[kind].as_u64().unwrap();
    assert_eq!(count("butterfly_violations") + count("calendar_violations"), 0, "{report}");
    let spot = surface["forwards"]["spot"].as_f64().unwrap();
    assert!((spot / 93.70 - 1.0).abs() < 2e-3, "{spot}");
}
