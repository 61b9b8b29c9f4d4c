//! Rubbish gets an error in words and a code of 1 or 2: never a panic, never a silent success.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::program::{arg, run, table};

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
fn rows_of_a_chain_that_fails_are_listed_and_counted() {
    let day = ["04/26/2019", "04/25/2019"];
    let crossed = cboe("SPXW190426C00800000", "2900", "call", day, "800", ["3", "2"]);
    let negative = cboe("SPXW190426C00900000", "2900", "call", day, "-5", ["1", "2"]);
    let folder = tempfile::tempdir().unwrap();
    let [chains, out, rejects] = ["chains", "out", "rejects.csv"].map(|name| folder.path().join(name));
    fs::create_dir(&chains).unwrap();
    fs::write(chains.join("bad.csv"), format!("{CBOE}{crossed}{negative}")).unwrap();
    let run = run(&["analyze", arg(&chains), "--out", arg(&out), "--rejects", arg(&rejects)]);
    let run = run.refused(1, &["bad.csv", "no usable row of 2"]);
    assert_eq!(run.out, "", "the error says it all");
    let listed = table(&fs::read_to_string(&rejects).unwrap());
    let status: Vec<&str> = listed.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["crossed_quote", "bad_strike"]);
    let overall: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!((overall["rows_read"].as_u64(), overall["rows_kept"].as_u64()), (Some(2), Some(0)));
    assert_eq!(overall["rejected"]["crossed_quote"], 1);
    assert_eq!(overall["days"][0]["rejected"]["bad_strike"], 1);
    assert_eq!(overall["timings_ms"]["total"].as_f64().map(f64::to_bits), Some(0), "no negative zero");
}

#[test]
fn a_reason_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere.csv");
    for arguments in [vec!["analyze", arg(&missing)], vec!["analyze", "x.csv", "--history", arg(&missing)]] {
        let err = run(&arguments).refused(1, &["nowhere.csv"]).err;
        assert_eq!(err.matches("os error").count(), 1, "{err}");
    }
    for name in ["one.csv", "two.csv"] {
        fs::write(folder.path().join(name), "a,b\n1,2\n").unwrap();
    }
    let run = run(&["analyze", arg(folder.path())]).refused(1, &["none of 2"]);
    assert_eq!(run.out, "");
    assert_eq!((run.err.matches("one.csv").count(), run.err.matches("two.csv").count()), (1, 1), "{}", run.err);
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
        &["rows.csv: missing column", "risk_free_rate", "volatility", "spot or forward", "found [option_type, strike]"],
    );
    refused("option_type;strike;spot\ncall;1;1\n", &["rows.csv", "semicolons"]);
    refused("\u{1b}[2J,\u{7}strike\n1,1\n", &["rows.csv", "found [\\u{1b}[2J, \\u{7}strike]"]);
    refused("opt\0ion,strike\n1,1\n", &["rows.csv", "not text"]);
    let many: String = (0..5000).map(|i| format!("{i}{},", "x".repeat(500))).collect();
    refused(&format!("{many}\n1\n"), &["rows.csv", "and 4971 more"]);
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

#[test]
fn a_terminal_gets_no_lines_of_libraries() {
    let Ok(output) = Command::new("script")
        .args(["-qec", concat!("'", env!("CARGO_BIN_EXE_zomma"), "' price absent.csv"), "/dev/null"])
        .stdin(Stdio::null())
        .output()
    else {
        return zomma_testkit::skip("no script(1), which makes a terminal");
    };
    let (code, text) = (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
    assert_eq!(code, Some(1), "{text}");
    // All of what the terminal showed: one line, which is ours.
    assert!(
        text.starts_with("zomma: ") && text.contains("absent.csv") && text.trim_end().lines().count() == 1,
        "{text}"
    );
}
