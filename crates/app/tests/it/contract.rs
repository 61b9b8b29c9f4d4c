//! What the command line promises whatever the command: words without arguments, help, exit codes, pipes.

use std::{fs, io::Read, process::Stdio};

use crate::program::{arg, run, run_with_input, zomma};

/// A table with one good row.
const GOOD: &str = "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,100,105,0.25,0.03,0.2\n";

#[test]
fn without_arguments_it_says_what_it_can_do_and_what_to_try_first() {
    let run = run(&[]).ok();
    assert!(run.out.contains("zomma analyze") && run.out.contains("Try first"), "{}", run.out);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "analyze",
        "price",
        "iv",
        "greeks",
        "demo",
        "demo chain",
        "gpu config",
        "gpu run",
        "train",
        "tune",
        "export",
        "onnx run",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let run = run(&words).ok();
        assert!(run.out.contains("Example:") && run.out.contains("$ zomma"), "{command:?}: {}", run.out);
    }
}

#[test]
fn wrong_arguments_are_told_with_exit_code_2() {
    run(&["frobnicate"]).refused(2, &["frobnicate"]);
    run(&["price", "x.csv", "--threads", "0"]).refused(2, &["--threads"]);
    run(&["price", "x.csv", "--device", "abacus"]).refused(2, &["abacus", "cuda", "vulkan"]);
    run(&["price", "x.csv", "-o", "x.docx"]).refused(2, &[".docx", ".parquet"]);
    run(&["greeks", "x.csv", "--units", "imperial"]).refused(2, &["imperial", "trader"]);
    run(&["analyze", "x.csv", "--delta", "0.5..0.1"]).refused(2, &["--delta"]);
    run(&["analyze", "x.csv", "--rate", "inf"]).refused(2, &["--rate", "finite"]);
    run(&["analyze", "x.csv", "--rate", "5"]).refused(2, &["--rate", "0.05"]);
    run(&["analyze", "x.csv", "--dividend-yield", "-1.5"]).refused(2, &["--dividend-yield", "0.05"]);
}

#[test]
fn a_device_that_is_not_there_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, GOOD).unwrap();
    run(&["price", arg(&path), "--device", "hip:7"]).refused(2, &["--device hip:7"]);
}

#[test]
fn standard_input_and_output_are_a_dash() {
    let run = run_with_input(&["price", "-"], GOOD.as_bytes()).ok();
    assert!(run.out.starts_with("option_type,spot,strike,expiry_years,risk_free_rate,volatility,price,status\n"));
    assert!(run.out.trim_end().ends_with(",ok"), "{}", run.out);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let rows = "call,100,105,0.25,0.03,0.2\n".repeat(200_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, format!("{}{rows}", GOOD)).unwrap();
    let mut child = zomma().args(["greeks", arg(&path)]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut head = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    // The pipe is closed now, megabytes before the table ends.
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn counts_come_as_json_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("rows.csv"), folder.path().join("out.csv"));
    fs::write(&input, format!("{GOOD}call,100,-1,0.25,0.03,0.2\n")).unwrap();
    let run = run(&["price", arg(&input), "-o", arg(&output), "--json"]).ok();
    let counts: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(counts["rows"], 2);
    assert_eq!(counts["rows_ok"], 1);
    assert_eq!(counts["status"]["bad_strike"], 1);
}

#[test]
fn the_demo_is_the_same_every_time() {
    let first = run(&["demo", "chain", "-o", "-", "--seed", "7"]).ok();
    assert_eq!(first.out, run(&["demo", "chain", "-o", "-", "--seed", "7"]).ok().out);
    assert_ne!(first.out, run(&["demo", "chain", "-o", "-", "--seed", "8"]).ok().out);
}

#[test]
fn a_wrong_log_level_names_the_variable_and_what_is_allowed() {
    let output = zomma().arg("price").arg("x.csv").env("ZOMMA_LOG", "loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "zomma: ZOMMA_LOG=\"loud\": allowed are off, error, warn, info, debug, trace\n");
}
