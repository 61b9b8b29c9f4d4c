//! Rubbish gets an error in words and a code of 1 or 2: never a panic, never a silent success.

use std::fs;

use crate::program::{arg, run};

/// The CBOE end-of-day header.
const CBOE: &str = "underlying,underlying_last,exchange,optionroot,type,expiration,quotedate,strike,last,net,bid,ask,volume,openinterest,impliedvol,delta,gamma\n";

fn cboe(root: &str, last: &str, kind: &str, dates: [&str; 2], strike: &str, quote: [&str; 2]) -> String {
    let [expiry, quoted] = dates;
    let [bid, ask] = quote;
    format!("SPX,{last},CBOE,{root},{kind},{expiry},{quoted},{strike},0,0,{bid},{ask},0,2,0,0,0\n")
}

/// Analyses one file in a folder of its own, and asserts that nothing was left in DIR.
fn analyze_refused(name: &str, bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join(name), folder.path().join("out"));
    fs::write(&path, bytes).unwrap();
    let run = run(&["analyze", arg(&path), "--out", arg(&out)]).refused(1, words);
    assert!(run.err.len() > 20, "{}", run.err);
    assert_eq!(fs::read_dir(&out).map_or(0, Iterator::count), 0, "nothing is written");
}

#[test]
fn empty_header_only_and_wrong_files_are_refused() {
    analyze_refused("empty.csv", b"", &["empty.csv"]);
    analyze_refused("header.csv", CBOE.as_bytes(), &["header.csv"]);
    analyze_refused("columns.csv", b"a,b,c\n1,2,3\n", &["a, b, c"]);
    analyze_refused("semicolons.csv", CBOE.replace(',', ";").as_bytes(), &["semicolons.csv"]);
    let noise: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    analyze_refused("binary.csv", &noise, &["binary.csv"]);
    analyze_refused("noise.parquet", &[b"PAR1".as_slice(), &noise].concat(), &["noise.parquet"]);
    analyze_refused("noise.json", b"{\"data\": [", &["noise.json"]);
}

#[test]
fn a_chain_without_a_usable_row_says_why() {
    let day = ["04/26/2019", "04/25/2019"];
    let negative = cboe("SPX190426C00800000", "2900", "call", day, "-5", ["1", "2"]);
    let nan = cboe("SPX190426C00800000", "nan", "call", day, "800", ["nan", "inf"]);
    let crossed = cboe("SPXW190426C00800000", "2900", "call", day, "800", ["3", "2"]);
    let expired = cboe("SPX190420C00800000", "2900", "call", ["04/20/2019", "04/25/2019"], "800", ["1", "2"]);
    analyze_refused("negative.csv", format!("{CBOE}{negative}").as_bytes(), &["bad_strike"]);
    analyze_refused("nan.csv", format!("{CBOE}{nan}").as_bytes(), &["bad_quote"]);
    analyze_refused("crossed.csv", format!("{CBOE}{crossed}").as_bytes(), &["crossed_quote"]);
    analyze_refused("expired.csv", format!("{CBOE}{expired}").as_bytes(), &["expired"]);
}

#[test]
fn a_path_that_is_not_there_and_a_folder_without_chains_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(&["analyze", arg(&folder.path().join("nowhere.csv"))]).refused(1, &["nowhere.csv"]);
    run(&["analyze", arg(folder.path())]).refused(1, &[arg(folder.path())]);
    fs::write(folder.path().join("notes.csv"), "a,b\n1,2\n").unwrap();
    run(&["analyze", arg(folder.path())]).refused(1, &["notes.csv"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    // The chain does not exist either: the folder is looked at first.
    let out = file.join("out");
    run(&["analyze", "nowhere.csv", "--out", arg(&out)]).refused(1, &["--out", "cannot write"]);
    run(&["analyze", "nowhere.csv", "--rejects", arg(&out)]).refused(1, &["--rejects", "cannot write"]);
    let rows = folder.path().join("rows.csv");
    fs::write(&rows, "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,1,1,1,0,1\n").unwrap();
    run(&["price", arg(&rows), "-o", arg(&out)]).refused(1, &["cannot write"]);
}

#[test]
fn batch_verbs_name_what_is_missing_and_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let refused = |text: &str, words: &[&str]| {
        fs::write(&path, text).unwrap();
        let out = folder.path().join("out.csv");
        run(&["price", arg(&path), "-o", arg(&out)]).refused(1, words);
        assert!(!out.exists());
    };
    refused("", &["rows.csv", "empty"]);
    refused(
        "option_type,strike\ncall,abc\n",
        &["risk_free_rate", "volatility", "spot or forward", "found [option_type, strike]"],
    );
    refused("option_type;strike;spot\ncall;1;1\n", &["semicolons"]);
    let header = "option_type,spot,strike,expiry_years,risk_free_rate,volatility\n";
    refused(header, &["no rows"]);
    refused(&format!("{header}call,100,-5,1,0,0.2\n"), &["no usable row of 1", "bad_strike 1", "strike = \"-5\""]);
    refused("spot,spot,strike\n1,1,1\n", &["spot stands twice"]);
    refused("PAR1 and then nothing of the kind", &["Parquet"]);
    run(&["price", arg(folder.path())]).refused(1, &["directory"]);
}

#[test]
fn a_truncated_parquet_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [rows, whole, half] = ["rows.csv", "whole.parquet", "half.parquet"].map(|name| folder.path().join(name));
    let text = "option_type,spot,strike,expiry_years,risk_free_rate,volatility\n".to_string()
        + &"call,100,105,0.25,0.03,0.2\n".repeat(1000);
    fs::write(&rows, text).unwrap();
    run(&["price", arg(&rows), "-o", arg(&whole)]).ok();
    let bytes = fs::read(&whole).unwrap();
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    run(&["price", arg(&half)]).refused(1, &["half.parquet"]);
    run(&["analyze", arg(&half)]).refused(1, &["half.parquet"]);
}
