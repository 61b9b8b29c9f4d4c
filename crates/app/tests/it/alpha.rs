//! `zomma alpha report|signals|sentiment`: signals in, what they told out, and what is refused.

use std::{fmt::Write, fs, path::Path};

use serde_json::Value;
use zomma_testkit::real_data;

use crate::program::{arg, run, run_with_input, table};

/// Numbers between −1 and 1 that no one can guess, the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }
}

/// A table a row a second: a mid whose next step follows `knows`, one that tells nothing, and a constant.
fn world(rows: i64) -> String {
    let mut chance = Chance(7);
    let (mut text, mut mid) = ("time_ns,mid,knows,noise,still,venue\n".to_owned(), 1_000_000.0);
    for row in 0..rows {
        let (knows, noise) = (chance.next(), chance.next());
        let knows_cell = if row % 50 == 3 { String::new() } else { knows.to_string() };
        let mid_cell = if row % 400 == 5 { String::new() } else { mid.to_string() };
        writeln!(text, "{},{mid_cell},{knows_cell},{noise},1,XNAS", 1_340_285_400_000_000_000 + row * 1_000_000_000)
            .unwrap();
        mid += 100.0 * (knows + 2.0 * chance.next());
    }
    text
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    arg(&path).to_owned()
}

fn report(args: &[&str]) -> Value {
    let report = run(&[&["alpha", "report", "--json"], args].concat()).ok();
    serde_json::from_str(&report.out).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_signal_that_tells_is_told_from_noise_and_what_is_left_out_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "world.csv", &world(4_000));
    let found = report(&[&file, "--horizons", "1s,10s", "--cost", "0.1bp"]);
    assert_eq!((found["rows"].as_u64(), found["rows_without_price"].as_u64()), (Some(4_000), Some(10)));
    let signals = found["signals"].as_array().unwrap();
    let names: Vec<&str> = signals.iter().filter_map(|signal| signal["name"].as_str()).collect();
    assert_eq!(names, ["knows", "noise"]);
    let notes = found["notes"].to_string();
    assert!(notes.contains("still: left out: the signal is constant"), "{notes}");
    assert!(notes.contains("venue"), "{notes}");
    assert_eq!(signals[0]["rows_without"].as_u64(), Some(80));
    let at = |signal: usize, horizon: usize| &signals[signal]["horizons"][horizon];
    // The step is knows + 2·chance, both of one variance: 1/√5; over ten steps 1/√50. Ranks of such sums correlate a little less.
    for (horizon, truth) in [(0, 1.0 / 5f64.sqrt()), (1, 1.0 / 50f64.sqrt())] {
        let ic = &at(0, horizon)["ic"];
        assert!(number(&ic["low"]) < truth && truth < number(&ic["high"]), "{ic} {truth}");
        for kind in ["ic", "rank_ic"] {
            assert!(number(&at(0, horizon)[kind]["low"]) > 0.0, "{}", at(0, horizon));
            let noise = &at(1, horizon)[kind];
            assert!(number(&noise["low"]) < 0.0 && number(&noise["high"]) > 0.0, "{noise}");
        }
    }
    assert!(number(&at(0, 0)["hit_rate"]) > 0.6);
    let (gross, net) = (number(&at(0, 0)["gross_bp"]), number(&at(0, 0)["net_bp"]));
    assert!((gross - net - 0.1 * number(&at(0, 0)["turnover"])).abs() < 1e-12 && net > 0.0);
    assert_eq!(signals[0]["decay"]["half_life"], "after");
    assert_eq!(signals[1]["decay"]["half_life"], "nothing_to_halve");
    let words = run(&["alpha", "report", &file, "--signals", "knows", "--horizons", "1s"]).ok();
    assert!(
        words.out.contains("knows: 3920 values, 80 rows without") && words.out.contains("10 rows without a price"),
        "{}",
        words.out
    );
}

#[test]
fn rows_of_several_instruments_are_not_one_price() {
    let folder = tempfile::tempdir().unwrap();
    // Another instrument's rows in between, at a hundredth of the price.
    let mixed: String = world(600)
        .lines()
        .enumerate()
        .map(|(row, line)| match (row, line.split(',').next()) {
            (1.., Some(time)) => format!("{line},AMZN\n{time},10000,0.5,0.5,1,XNAS,\"B,C\"\n"),
            _ => format!("{line},symbol\n"),
        })
        .collect();
    let (alone, mixed) = (written(folder.path(), "one.csv", &world(600)), written(folder.path(), "all.csv", &mixed));
    let refused = |args: &[&str], words: &[&str]| run(&[&["alpha", "report"], args].concat()).refused(2, words);
    refused(&[&mixed], &["--instrument is needed", "AMZN, B,C", "column symbol"]);
    refused(&[&mixed, "--instrument", "GOOG"], &["--instrument GOOG: not in", "AMZN"]);
    refused(&[&alone, "--instrument", "AMZN"], &["no column symbol or instrument"]);
    let out = folder.path().join("signals.csv");
    run(&["alpha", "signals", &mixed, "-o", arg(&out)]).refused(2, &["--instrument is needed"]);
    let (mut of_one, of_all) = (report(&[&alone]), report(&[&mixed, "--instrument", "AMZN"]));
    // Name and notes apart, which name the columns of text, it is the same report.
    for key in ["name", "file", "notes"] {
        if let Some(value) = of_all.get(key) {
            of_one[key] = value.clone();
        }
    }
    assert_eq!(of_one, of_all);
    // A share of training rows is of use to joined signals alone.
    refused(&[&alone, "--train-fraction", "0.2"], &["--combine"]);
}

#[test]
fn joined_signals_are_judged_behind_their_training_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "world.csv", &world(4_000));
    for how in ["ridge", "inverse_variance", "online"] {
        let args = [
            &file,
            "--signals",
            "knows,noise,knows-noise",
            "--horizons",
            "1s",
            "--combine",
            how,
            "--train-fraction",
            "0.4",
        ];
        let found = report(&args);
        let combined = &found["combined"][0];
        assert!(combined["joined"]["rows"].as_u64().unwrap() < 2_400, "{combined}");
        let alone = combined["alone"].as_array().unwrap();
        assert_eq!(alone.len(), 3);
        let best = alone.iter().map(|signal| number(&signal["ic"]["value"])).fold(0.0, f64::max);
        let joined = number(&combined["joined"]["ic"]["value"]);
        assert!(joined > 0.8 * best, "{how}: {joined} against {best}");
        // The weights say what the last of them were fitted to, which is all rows but those whose return was not known.
        assert!(combined["training_rows"].as_u64().unwrap() > 1_500, "{combined}");
    }
}

#[test]
fn faults_of_a_table_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| written(folder.path(), name, text);
    let refused = |args: &[&str], code, words: &[&str]| {
        run(&[&["alpha", "report"], args].concat()).refused(code, words);
    };
    let good = file("good.csv", &world(500));
    refused(&[&good, "--price", "bid"], 2, &["--price bid", "mid, knows"]);
    refused(&[&good, "--signals", "ouch"], 2, &["--signals ouch", "noise"]);
    refused(&[&good, "--signals", "noise,noise"], 2, &["twice"]);
    refused(&[&good, "--signals", "still"], 1, &["no signal can be judged", "constant"]);
    refused(&[&good, "--cost", "5"], 2, &["0.5bp"]);
    refused(&[&good, "--horizons", "0s"], 2, &["100ms"]);
    refused(&[&good, "--combine", "ridge", "--train-fraction", "1"], 2, &["between 0 and 1"]);
    refused(&[&good, "--combine", "magic"], 2, &["inverse_variance"]);
    refused(&["nowhere.csv"], 1, &["nowhere.csv"]);
    refused(
        &[&file("back.csv", "time_ns,mid,s\n5,1,1\n4,1,2\n")],
        1,
        &["back.csv", "row 2, time_ns = 4", "do not step back"],
    );
    refused(&[&file("text.csv", "time_ns,mid,s\n1,1,1\n2,1,ouch\n")], 1, &["row 2, s = \"ouch\"", "empty cell"]);
    refused(&[&file("nan.csv", "time_ns,mid,s\n1,1,1\n2,1,NaN\n")], 1, &["row 2, s = \"NaN\""]);
    refused(
        &[&file("time.csv", "time_ns,mid,s\n1,1,1\nnoon,1,2\n")],
        1,
        &["row 2, time_ns = \"noon\"", "whole number"],
    );
    refused(&[&file("none.csv", "when,mid,s\n1,1,1\n")], 1, &["no column time_ns"]);
    refused(&[&file("twice.csv", "time_ns,mid,mid\n1,1,1\n")], 1, &["stands twice"]);
    refused(&[&file("zero.csv", "time_ns,mid,s\n1,1,1\n2,0,2\n")], 1, &["price, row 2: 0", "above 0"]);
    refused(&[&file("short.csv", "time_ns,mid,s\n1,1,1\n2,1,2\n")], 1, &["no signal can be judged"]);
    refused(&[&file("header.csv", "time_ns,mid,s\n")], 1, &["no rows"]);
    refused(&[&file("alone.csv", "time_ns,mid\n1,1\n")], 1, &["no signal to report on"]);
}

#[test]
fn signals_are_written_without_looking_ahead_and_can_be_reported_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = world(3_000).replace("noise", "other");
    let whole = written(folder.path(), "whole.csv", &text);
    let lines: Vec<&str> = text.lines().collect();
    let part = written(folder.path(), "part.csv", &(lines[..2_001].join("\n") + "\n"));
    let signals = |file: &str, share: &str, name: &str| {
        let out = folder.path().join(name);
        let said = run(&["alpha", "signals", file, "--train-fraction", share, "--pair", "other", "-o", arg(&out)]).ok();
        (said.out, fs::read_to_string(&out).unwrap())
    };
    let (said, all) = signals(&whole, "0.5", "all.csv");
    assert!(said.contains("regimes of returns") && said.contains("Johansen rank"), "{said}");
    let header = all.lines().next().unwrap();
    assert_eq!(header, "time_ns,mid,momentum,crossover,ou_z_score,regime_2,spread_z_score");
    // The same training rows, fewer rows behind them: the same bytes as far as they go.
    let (_, fewer) = signals(&part, "0.75", "fewer.csv");
    let same = all.lines().zip(fewer.lines()).filter(|(a, b)| a == b).count();
    assert_eq!(same, 2_001);
    let rows = table(&all);
    assert!(rows[..1_500].iter().all(|row| row["regime_2"].is_empty()) && !rows[2_900]["regime_2"].is_empty());
    let found = report(&[arg(&folder.path().join("all.csv")), "--horizons", "10s"]);
    assert!(found["signals"].as_array().unwrap().len() >= 4, "{found}");

    // The same rows before 1970 have the same signals at the times that they tell.
    let before: String = text
        .lines()
        .map(|line| match line.split_once(',') {
            Some((time, rest)) if time != "time_ns" => {
                format!("{},{rest}\n", time.parse::<i64>().unwrap() - 2_000_000_000_000_000_000)
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let (_, early) = signals(&written(folder.path(), "early.csv", &before), "0.5", "early_signals.csv");
    for (line, late) in early.lines().zip(all.lines()).skip(1) {
        let ((time, values), (late, of_late)) = (line.split_once(',').unwrap(), late.split_once(',').unwrap());
        let shift = late.parse::<i64>().unwrap() - time.parse::<i64>().unwrap();
        assert_eq!((shift, values), (2_000_000_000_000_000_000, of_late));
    }
    assert_eq!(early.lines().count(), all.lines().count());

    let uneven = written(folder.path(), "uneven.csv", "time_ns,mid\n0,1\n10,1\n15,1\n27,1\n");
    let out = folder.path().join("no.csv");
    run(&["alpha", "signals", &uneven, "-o", arg(&out)]).refused(1, &["uneven.csv", "row 4", "one pace"]);
    run(&["alpha", "signals", &whole, "--fast", "200", "-o", arg(&out)]).refused(2, &["--fast"]);
    run(&["alpha", "signals", &whole, "--states", "5", "-o", arg(&out)]).refused(2, &["--states"]);
    run(&["alpha", "signals", &whole, "-o", &whole]).refused(2, &["is the file"]);
    assert!(!out.exists());
}

#[test]
fn news_are_scored_and_joined_to_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let news = "time,instrument,headline\n\
                2012-06-21T13:30:10Z,ACME,Acme profit surges\n\
                soon,ACME,Acme profit surges\n\
                2012-06-21T13:30:20Z,OTHR,\"Other, sued, warns of losses\"\n\
                2012-06-21T13:31:00Z,ACME,Acme holds a meeting\n";
    let file = written(folder.path(), "news.csv", news);
    let out = folder.path().join("scores.csv");
    let said = run(&["alpha", "sentiment", &file, "--half-life", "10s", "-o", arg(&out)]).ok();
    assert!(
        said.out.contains("3 headlines of 2 instruments, 2 with a score")
            && said.out.contains("row 2: time = \"soon\""),
        "{}",
        said.out
    );
    let rows = table(&fs::read_to_string(&out).unwrap());
    assert_eq!((rows[0]["score"].as_str(), rows[1]["score"].as_str(), rows[2]["score"].as_str()), ("1", "-1", ""));
    assert_eq!((rows[1]["litigious"].as_str(), rows[0]["sentiment"].as_str()), ("1", "0.5"));
    // Fifty seconds are five half-lives: 1/32 over 1 + 1/32.
    assert!((rows[2]["sentiment"].parse::<f64>().unwrap() - 1.0 / 33.0).abs() < 1e-12);

    let features = written(folder.path(), "features.csv", &world(100));
    let joined = folder.path().join("joined.csv");
    let args = ["--join", &features, "--instrument", "ACME", "-o", arg(&joined)];
    run(&[&["alpha", "sentiment", &file][..], &args].concat()).ok();
    let rows = table(&fs::read_to_string(&joined).unwrap());
    assert_eq!((rows[9]["sentiment"].as_str(), rows[10]["sentiment"].as_str()), ("", "0.5"));
    assert_eq!(rows[40]["noise"], table(&fs::read_to_string(&features).unwrap())[40]["noise"]);

    let lines = "{\"time\":1340285410000000000,\"instrument\":\"A\",\"headline\":\"weak\"}\n{\"time\":1340285411000000000,\"instrument\":\"A\"}\n";
    let piped = run_with_input(&["alpha", "sentiment", "-", "-o", "-"], lines.as_bytes()).ok();
    assert!(
        piped.out.contains("\n1340285410000000000,A,-1,0,1,0,0,") && piped.err.contains("row 2: has no headline"),
        "{} {}",
        piped.out,
        piped.err
    );
    let args = ["--join", &features, "--instrument", "NONE", "-o", arg(&joined)];
    run(&[&["alpha", "sentiment", &file][..], &args].concat()).refused(2, &["no headline of it", "ACME, OTHR"]);
    let list = written(folder.path(), "list.txt", "good: up\n");
    run(&["alpha", "sentiment", &file, "--lexicon", &list, "-o", arg(&out)]).refused(1, &["list.txt", "line 1"]);
    run(&["alpha", "sentiment", &file, "-o", "scores.parquet"]).refused(2, &[".csv"]);
    let back = written(
        folder.path(),
        "back.csv",
        "time,instrument,headline\n1700000000000000002,A,x\n1700000000000000001,A,y\n",
    );
    run(&["alpha", "sentiment", &back, "-o", arg(&out)])
        .refused(1, &["row 2, time 1700000000000000001 ns: before row 1"]);
}

#[test]
fn real_imbalance_and_order_flow_tell_of_the_next_seconds() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (symbol, levels) in [("AMZN", 5), ("AAPL", 1)] {
        let day = data.join(format!("books/LOBSTER_SampleFile_{symbol}_2012-06-21_{levels}.zip"));
        let rows = folder.path().join(format!("{symbol}.parquet"));
        let features = "mid,spread,imbalance:1,ofi:10s,ofi:1s,weighted_mid,microprice:10:5:100";
        run(&["features", arg(&day), "--features", features, "--every", "1s", "-o", arg(&rows)]).ok();
        let signals = "imbalance:1,ofi:1s,ofi:10s,weighted_mid-mid,microprice:10:5:100-mid";
        let found = report(&[
            arg(&rows),
            "--signals",
            signals,
            "--horizons",
            "1s,10s,1m",
            "--cost",
            "1bp",
            "--combine",
            "ridge",
        ]);
        let told = |name: &str, horizon: usize| {
            let signals = found["signals"].as_array().unwrap();
            let signal = signals.iter().find(|signal| signal["name"] == name).unwrap();
            signal["horizons"][horizon].clone()
        };
        // The side with more waiting holds, and a price moves away from it: known of every liquid book, strongest at once.
        let next = told("imbalance:1", 0);
        assert!(number(&next["ic"]["low"]) > 0.0 && number(&next["rank_ic"]["low"]) > 0.0, "{symbol}: {next}");
        assert!(number(&next["ic"]["value"]) < 0.5, "{symbol}: {next}");
        assert!(number(&told("weighted_mid-mid", 0)["ic"]["low"]) > 0.0, "{symbol}");
        // Nothing is earned of it against a spread of several basis points.
        assert!(number(&next["net_bp"]) < 0.0, "{symbol}: {next}");
        assert!(next["rows"].as_u64().unwrap() > 23_000, "{symbol}: {next}");
    }
}
