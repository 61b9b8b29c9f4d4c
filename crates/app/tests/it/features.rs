//! `zomma features`: rows by book and at a pace, as CSV and Parquet, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use zomma_testkit::real_data;

use crate::program::{arg, run, run_env, table};

/// Two minutes of a LOBSTER day: an ask, then bids that come and go.
const MESSAGES: &str = "\
34200.0,1,1,200,1001000,-1
34200.5,1,2,300,999000,1
34201.2,1,3,100,1000000,1
34203.1,4,3,40,1000000,1
34203.1,3,3,60,1000000,1
";

/// The book after each of them.
const ROWS: &str = "\
1001000,200,-9999999999,0
1001000,200,999000,300
1001000,200,1000000,100
1001000,200,1000000,60
1001000,200,999000,300
";

/// The two files of the day; the path of the messages.
fn lobster_day(folder: &Path) -> PathBuf {
    let name = |part: &str| folder.join(format!("ACME_2012-06-21_34200000_57600000_{part}_1.csv"));
    fs::write(name("message"), MESSAGES).unwrap();
    fs::write(name("orderbook"), ROWS).unwrap();
    name("message")
}

#[test]
fn every_book_gives_a_row_and_a_pace_gives_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let feed = lobster_day(folder.path());
    let rows = folder.path().join("rows.csv");
    let with = |more: &[&str]| {
        let base = ["features", arg(&feed), "--features", "spread,imbalance:1", "-o", arg(&rows)];
        run(&[&base[..], more].concat()).ok();
        table(&fs::read_to_string(&rows).unwrap())
    };
    let midnight_ns = 1_340_251_200_000_000_000_u64;
    let books = with(&[]);
    let column = |rows: &[std::collections::HashMap<String, String>], name: &str| -> Vec<String> {
        rows.iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column(&books, "spread"), ["", "2000", "1000", "1000", "2000"]);
    assert_eq!(books[1]["imbalance:1"], "0.2");
    assert_eq!(books[0]["time_ns"], (midnight_ns + 34_200_000_000_000).to_string());
    // At 09:30:01 the bid of 99.90 was known, at :02 and :03 the better one.
    let paced = with(&["--every", "1s"]);
    let seconds = paced.iter().map(|row| (row["time_ns"].parse::<u64>().unwrap() - midnight_ns) / 1_000_000_000);
    assert_eq!(seconds.collect::<Vec<_>>(), [34_200, 34_201, 34_202, 34_203]);
    assert_eq!(column(&paced, "spread"), ["", "2000", "1000", "1000"]);

    let parquet = folder.path().join("rows.parquet");
    let report = run(&["features", arg(&feed), "--features", "spread", "-o", arg(&parquet), "--json"]).ok();
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!((report["rows"].as_u64(), report["instrument"].as_str()), (Some(5), Some("ACME")));
    let reader = SerializedFileReader::new(fs::File::open(&parquet).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 5);
    let printed = run(&["features", arg(&feed), "--features", "mid", "-o", "-"]).ok();
    assert_eq!(table(&printed.out).len(), 5);
    assert!(printed.err.contains("ACME, 5 events"), "{}", printed.err);
}

#[test]
fn features_are_listed_and_faults_named() {
    let listed = run(&["features", "--list"]).ok();
    let json: Value = serde_json::from_str(&run(&["features", "--list", "--json"]).ok().out).unwrap();
    let vpin = json.as_array().unwrap().iter().find(|feature| feature["name"] == "vpin").unwrap();
    assert!(vpin["parameters"].as_str().unwrap().starts_with("bucket="), "{vpin}");
    // However long a cell is, two spaces stand before the next.
    let about = listed.out.lines().next().unwrap().find("about").unwrap();
    for line in listed.out.lines() {
        let around: String = line.chars().skip(about - 2).take(3).collect();
        assert!(around.starts_with("  ") && !around.ends_with(' '), "{line}");
    }
    for name in ["spread", "microprice", "ofi", "vpin", "kyle", "hawkes"] {
        assert!(listed.out.lines().any(|line| line.starts_with(name)), "{name}: {}", listed.out);
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = lobster_day(folder.path());
    let rows = folder.path().join("rows.csv");
    let refused = |more: &[&str], code, words: &[&str]| {
        run(&[&["features", arg(&feed)][..], more].concat()).refused(code, words);
        assert!(!rows.exists(), "{more:?} left a file");
    };
    let out = ["-o", arg(&rows)];
    let refused_with = |more: &[&str], code, words: &[&str]| refused(&[more, &out].concat(), code, words);
    refused_with(&["--features", "spread,ouch"], 2, &["ouch", "spread"]);
    refused_with(&["--features", "imbalance:0"], 2, &["imbalance:0"]);
    refused_with(&["--features", "spread,spread"], 2, &["twice"]);
    refused_with(&["--every", "0s"], 2, &["100ms"]);
    refused_with(&["--every", "soon"], 2, &["100ms"]);
    refused(&["-o", "rows.txt"], 2, &[".parquet or .csv"]);
    refused(&[], 2, &["--output"]);
    refused_with(&["--features", "imbalance:5", "--levels", "4"], 2, &["look at 5"]);
    // The default set looks at five levels, the day has one.
    refused_with(&[], 1, &["levels 1; the features look at 5"]);
    refused_with(&["--date", "9999-12-31"], 2, &["1970 to 2261"]);
    refused(&["-o", arg(&feed)], 2, &["is the file"]);
    assert_eq!(fs::read_to_string(&feed).unwrap(), MESSAGES);
    let orderbook = PathBuf::from(arg(&feed).replace("_message_", "_orderbook_"));
    fs::write(&orderbook, ROWS.lines().next().unwrap()).unwrap();
    let cut = run(&["features", arg(&feed), "--features", "mid", "-o", arg(&rows)]);
    let cut = cut.refused(1, &["orderbook: ends before line 2", "the rows before it are written"]);
    assert!(cut.out.contains("1 rows"), "{}", cut.out);
    fs::remove_file(&rows).unwrap();
    fs::remove_file(&orderbook).unwrap();
    refused_with(&["--features", "mid"], 1, &["do not make the market's book"]);
}

#[test]
fn real_features_of_one_of_several_instruments() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let feed = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let rows = folder.path().join("rows.csv");
    let args = ["--date", "2012-06-21", "--every", "1m", "-o", arg(&rows)];
    run(&[&["features", arg(&feed)][..], &args].concat()).refused(2, &["AAPL, AMZN, GOOG"]);
    run(&[&["features", arg(&feed), "--instrument", "IBM"][..], &args].concat()).refused(2, &["IBM", "AAPL"]);
    run(&[&["features", arg(&feed), "--instrument", "AMZN"][..], &args].concat()).ok();
    let rows = table(&fs::read_to_string(&rows).unwrap());
    assert!((388..=391).contains(&rows.len()), "{} minutes", rows.len());
    for row in &rows[1..] {
        let spread: f64 = row["spread"].parse().unwrap();
        let imbalance: f64 = row["imbalance:5"].parse().unwrap();
        assert!((100.0..10_000.0).contains(&spread) && imbalance.abs() <= 1.0, "{row:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_run_that_is_ended_by_a_signal_leaves_no_file() {
    use std::{io::Write as _, os::unix::process::ExitStatusExt as _, process::Stdio};

    use rustix::process::{Pid, Signal, kill_process};
    // A job behind a shell's prompt is started with SIGINT ignored, and hands that on: then there is nothing to see.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    let is_ignored = |signal: &Signal| (ignored >> (signal.as_raw() - 1)) & 1 == 1;
    for signal in [Signal::INT, Signal::TERM].into_iter().filter(|signal| !is_ignored(signal)) {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows.csv");
        let arguments = ["features", "-", "--format", "tardis", "--features", "mid", "-o", arg(&rows)];
        let mut child =
            crate::program::zomma().args(arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // More is waited for while the standard input is open.
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n").unwrap();
        input.write_all(&[b'\n'; 4_096]).unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let begun = std::time::Instant::now();
        while files() == 0 && begun.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(files(), 1, "the temporary file");
        kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
        while child.try_wait().unwrap().is_none() && begun.elapsed().as_secs() < 120 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // One that did not listen is told apart by the other signal.
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert_eq!((status.signal(), files()), (Some(signal.as_raw()), 0), "{signal:?}");
        drop(input);
    }
}

/// Features that have a form for a device.
const ON_DEVICE: &str = "mid,spread,relative_spread,imbalance:1,imbalance:5,weighted_mid,bid_depth:5,ask_depth_within:2000:5,bid_wall:5,\
                         ask_wall_size:5,ofi:10s,ofi_level:1m:3,microprice:4:3,ofi_integrated:10s:3,effective_spread,traded";

/// Whether there is a Vulkan device.
fn has_vulkan() -> bool {
    let found = "vulkan".parse().is_ok_and(|request| zomma_gpu::choose(&request).is_ok_and(|device| device.has_f64()));
    if !found {
        zomma_testkit::skip("no device");
    }
    found
}

/// A capture of levels of two coins, as Tardis gives it: half a minute, in which levels come and go.
fn tardis_day(folder: &Path) -> PathBuf {
    let mut text = String::from("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n");
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for step in 0..3_000_u64 {
        let time_us = 1_700_000_000_000_000 + step * 10_000;
        // Another time than the exchange's, or the row is taken to have none of the exchange.
        let received_us = time_us + 150;
        let symbol = if below(2) == 0 { "BTCUSD" } else { "ETHUSD" };
        let away = below(12) as i64;
        let (side, price) = if below(2) == 0 { ("bid", 999 - away) } else { ("ask", 1_001 + away) };
        let amount = if below(3) == 0 { 0 } else { 1 + below(50) };
        text += &format!("x,{symbol},{time_us},{received_us},false,{side},{price},{amount}\n");
    }
    let path = folder.join("levels.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_device_gives_the_file_that_the_cpu_gives_and_all_instruments_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let feed = tardis_day(folder.path());
    let rows = |name: &str, more: &[&str], environment: &[(&str, &str)]| {
        let path = folder.path().join(name);
        let base = ["features", arg(&feed), "--features", ON_DEVICE, "--every", "1s", "-o", arg(&path)];
        let ran = run_env(&[&base[..], more].concat(), b"", environment).ok();
        (fs::read_to_string(&path).unwrap(), ran.err)
    };
    let mut devices = vec!["cpu"];
    if has_vulkan() {
        devices.push("vulkan");
    }
    for symbol in ["BTCUSD", "ETHUSD"] {
        let (wanted, _) = rows("stream.csv", &["--instrument", symbol], &[]);
        assert!(wanted.lines().count() > 25, "{wanted}");
        for device in &devices {
            let (found, _) = rows("device.csv", &["--instrument", symbol, "--device", device], &[]);
            assert!(found == wanted, "{symbol} on {device}:\n{found}\nfor\n{wanted}");
            // Without --instrument the same rows have the symbol behind the time.
            let (all, _) = rows("all.csv", &["--device", device], &[]);
            assert!(all.starts_with("time_ns,symbol,mid,"), "{all}");
            let cut = |line: &str| line.replacen(&format!(",{symbol},"), ",", 1);
            let of_it: Vec<String> = all.lines().filter(|line| line.contains(symbol)).map(cut).collect();
            let wanted: Vec<&str> = wanted.lines().skip(1).collect();
            assert_eq!(of_it[..wanted.len()], wanted, "{symbol} on {device}");
            assert!(of_it.len() <= wanted.len() + 1);
        }
    }
    if devices.len() > 1 {
        let args = ["--instrument", "BTCUSD", "--device", "vulkan"];
        let (wanted, _) = rows("stream.csv", &args[..2], &[]);
        for fault in ["lost@9", "oom@12", "oom>2000"] {
            let (found, said) = rows("device.csv", &args, &[("ZOMMA_FAULT", fault)]);
            assert!(found == wanted, "{fault}");
            assert!(said.contains("done again"), "{fault}: {said}");
        }
    }
    let parquet = folder.path().join("all.parquet");
    run(&["features", arg(&feed), "--device", "cpu", "--every", "1s", "-o", arg(&parquet)]).ok();
    let reader = SerializedFileReader::new(fs::File::open(&parquet).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().schema().get_fields()[1].name(), "symbol");
}

#[test]
fn one_time_far_ahead_takes_no_rows_away() {
    let folder = tempfile::tempdir().unwrap();
    let feed = tardis_day(folder.path());
    // The feed's 900th line tells a time three days ahead, and the next is right again.
    let text = fs::read_to_string(&feed).unwrap();
    let leap = |(number, line): (usize, &str)| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if number == 900 {
            for cell in &mut cells[2..4] {
                *cell = (cell.parse::<u64>().unwrap() + 3 * 86_400_000_000).to_string();
            }
        }
        cells.join(",") + "\n"
    };
    let leapt = folder.path().join("leapt.csv");
    fs::write(&leapt, text.lines().enumerate().map(leap).collect::<String>()).unwrap();
    let symbol = if text.lines().nth(900).unwrap().contains("BTCUSD") { "BTCUSD" } else { "ETHUSD" };
    let times = |feed: &Path, more: &[&str]| {
        let path = folder.path().join("rows.csv");
        let base = ["features", arg(feed), "--features", "mid", "--every", "1s", "--instrument", symbol];
        let said = run(&[&base[..], more, &["-o", arg(&path)]].concat()).ok().out;
        assert_eq!(said.contains("1 times far ahead"), feed == leapt, "{said}");
        let column = |line: &str| line.split(',').next().unwrap().to_owned();
        fs::read_to_string(&path).unwrap().lines().map(column).collect::<Vec<_>>()
    };
    for more in [&[][..], &["--device", "cpu"]] {
        let wanted = times(&feed, more);
        assert!(wanted.len() > 25);
        assert_eq!(times(&leapt, more), wanted, "{more:?}");
    }
}

#[test]
fn what_a_device_does_not_find_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let feed = tardis_day(folder.path());
    let rows = folder.path().join("rows.csv");
    let base = ["features", arg(&feed), "--device", "cpu", "-o", arg(&rows)];
    let refused = |more: &[&str], code, words: &[&str]| {
        run(&[&base[..], more].concat()).refused(code, words);
        assert!(!rows.exists(), "{more:?} left a file");
    };
    refused(&[], 2, &["--device: needs --every"]);
    refused(
        &["--every", "1s", "--features", "mid,vpin:5000:50"],
        2,
        &["vpin:5000:50: has no form for a device", "mid, spread", "microprice"],
    );
    refused(
        &["--every", "1s", "--features", "microprice:10:5:0.01price"],
        2,
        &["microprice:10:5:0.01price: a step of price; allowed on a device: auto"],
    );
    refused(&["--every", "3s", "--features", "ofi:10s"], 2, &["ofi:10s", "whole multiples of the rows' pace"]);
    refused(&["--every", "1s", "--features", "mid", "--levels", "9"], 2, &["--levels 9"]);
    refused(&["--every", "1s", "--features", "mid", "--instrument", "XRPUSD"], 2, &["XRPUSD", "BTCUSD"]);
    let day = lobster_day(folder.path());
    run(&["features", arg(&day), "--device", "cpu", "--every", "1s", "--features", "mid", "-o", arg(&rows)])
        .refused(2, &["LOBSTER"]);
}

#[test]
fn real_features_of_a_device_are_the_streams() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let feed = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let rows = |more: &[&str]| {
        let path = folder.path().join("rows.csv");
        let base = [
            "features",
            arg(&feed),
            "--date",
            "2012-06-21",
            "--instrument",
            "AMZN",
            "--every",
            "10s",
            "-o",
            arg(&path),
        ];
        run(&[&base[..], &["--features", ON_DEVICE], more].concat()).ok();
        fs::read_to_string(&path).unwrap()
    };
    let wanted = rows(&[]);
    assert!(wanted.lines().count() > 2_000);
    assert!(rows(&["--device", "cpu"]) == wanted);
    if has_vulkan() {
        assert!(rows(&["--device", "vulkan"]) == wanted);
    }
}
