//! `zomma bench` through the binary: every section on the CPU and on a software device, its JSON, comparison, rubbish, Ctrl-C.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Run, arg, run, zomma};

const SECTIONS: [&str; 5] = ["matmul", "network", "data", "memory", "kernels"];

fn quick(more: &[&str]) -> Run {
    run(&[&["bench", "--quick"], more].concat())
}

fn json_of(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
}

/// Every line's agreement, and the rates of a column that must be there.
fn check_lines(report: &Value, column: &str) {
    for line in report["lines"].as_array().unwrap() {
        assert_eq!(line["agrees"], true, "{line}");
        let Some(speed) = line[column].as_object() else { continue };
        let number = |key: &str| speed[key].as_f64().unwrap();
        assert!(number("rate") > 0.0 && number("first_seconds") > 0.0 && number("runs") >= 3.0, "{line}");
        let times =
            ["min_seconds", "lower_quartile_seconds", "median_seconds", "upper_quartile_seconds", "max_seconds"];
        assert!(times.windows(2).all(|pair| number(pair[0]) <= number(pair[1])), "{line}");
    }
}

#[test]
fn every_section_runs_on_the_processor_and_agrees_with_the_independent_result() {
    let report = json_of(&quick(&["--device", "cpu", "--json"]).ok());
    assert_eq!(report["schema"], "zomma-bench/1");
    assert_eq!((&report["device"], &report["quick"]), (&Value::Null, &json!(true)));
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    let lines = report["lines"].as_array().unwrap();
    let mut seen: Vec<&str> = lines.iter().map(|line| line["section"].as_str().unwrap()).collect();
    seen.dedup();
    assert_eq!(seen, SECTIONS);
    assert!(lines.iter().all(|line| line["device"].is_null()));
    assert!(lines.iter().all(|line| line["one_core"].is_object() && line["all_cores"].is_object()), "{lines:?}");
    check_lines(&report, "one_core");
    check_lines(&report, "all_cores");
    let tasks: Vec<&str> = lines.iter().map(|line| line["task"].as_str().unwrap()).collect();
    for kernel in [
        "Black-Scholes price",
        "price and 18 Greeks",
        "implied volatility",
        "sums of a book, data there",
        "sums from quotes, data there",
        "small books, data there",
        "price by paths",
        "paths, to the host",
    ] {
        assert!(tasks.contains(&kernel), "{kernel} is not in {tasks:?}");
    }
}

#[test]
fn a_device_is_measured_beside_the_processor_and_its_results_agree() {
    if zomma_gpu::choose(&"vulkan".parse().unwrap()).is_err() {
        return zomma_testkit::skip("no device");
    }
    let report = json_of(&quick(&["--device", "vulkan", "--json"]).ok());
    assert_eq!(report["device"]["id"], "vulkan:0");
    check_lines(&report, "device");
    for line in report["lines"].as_array().unwrap() {
        let has_kernel = line["section"] != "data" || line["task"].as_str().unwrap().starts_with("rolling");
        let explained = !line["notes"].as_array().unwrap().is_empty();
        assert!(line["device"].is_object() || !has_kernel || explained, "{line}");
    }
}

#[test]
fn the_table_says_that_there_is_no_device_and_has_a_line_for_each_task() {
    let ran = quick(&["--device", "cpu", "memory", "kernels", "memory"]).ok();
    assert!(ran.out.contains("no device: the CPU alone"), "{}", ran.out);
    for word in ["one core", "all cores", "triad", "GB/s", "price and 18 Greeks", "Mrow/s", "yes"] {
        assert!(ran.out.contains(word), "{word} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("matmul"), "{}", ran.out);
    assert_eq!(ran.out.matches("triad").count(), 1, "a section named twice is measured once");
    assert_eq!(ran.err, "");
}

/// Multiplies every rate of a report, and divides its times.
fn scaled(report: &Value, by: f64) -> Value {
    let mut report = report.clone();
    for line in report["lines"].as_array_mut().unwrap() {
        for column in ["one_core", "all_cores"] {
            for (key, value) in line[column].as_object_mut().unwrap() {
                let number = value.as_f64().unwrap();
                match key.as_str() {
                    "runs" => {}
                    "rate" => *value = json!(number * by),
                    _ => *value = json!(number / by),
                }
            }
        }
    }
    report
}

#[test]
fn a_run_is_compared_with_an_earlier_one_of_the_same_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("before.json");
    quick(&["--device", "cpu", "memory", "-o", arg(&path)]).ok();
    let before: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let compare = |report: &Value, more: &[&str]| {
        fs::write(&path, report.to_string()).unwrap();
        quick(&[&["--device", "cpu", "memory", "--compare", arg(&path)], more].concat())
    };

    let faster = compare(&scaled(&before, 1e-3), &[]).ok();
    assert!(faster.out.contains("6 faster, 0 slower"), "{}", faster.out);
    let slower = json_of(&compare(&scaled(&before, 1e3), &["--json"]).ok());
    for line in slower["comparison"]["lines"].as_array().unwrap() {
        assert_eq!((&line["one_core"]["verdict"], &line["device"]), (&json!("slower"), &Value::Null), "{line}");
    }

    let mut elsewhere = before.clone();
    elsewhere["machine"]["cpu"] = json!("Another CPU");
    compare(&elsewhere, &[]).refused(1, &["before.json", "Another CPU", "--across-machines"]);
    assert!(compare(&elsewhere, &["--across-machines"]).ok().out.contains("Another machine"));

    let mut other_lines = before.clone();
    other_lines["lines"][0]["task"] = json!("another task");
    assert!(compare(&other_lines, &[]).ok().out.contains("2 lines are in one of the two only"));

    let mut full = before;
    full["quick"] = json!(false);
    compare(&full, &[]).refused(1, &["before.json", "--quick"]);
}

#[test]
fn what_is_no_report_is_refused_by_name_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rubbish.json");
    let zero = json!({"schema": "zomma-bench/1", "version": "0", "commit": null, "build": "dev", "quick": true,
        "date": "2026-01-01T00:00:00Z", "machine": {"cpu": "x", "cores": 1, "threads": 1, "memory_bytes": null, "os": "x"}, "device": null,
        "lines": [{"section": "memory", "task": "t", "size": "s", "unit": "u", "all_cores": null, "device": null,
            "agrees": null, "notes": [], "one_core": {"rate": 0.0, "first_seconds": 1.0, "median_seconds": 0.0, "runs": 1,
            "lower_quartile_seconds": 1.0, "upper_quartile_seconds": 1.0, "min_seconds": 1.0, "max_seconds": 1.0}}]});
    for (text, said) in [
        ("", "not the JSON of zomma bench"),
        ("date,rate\n1,2\n", "not the JSON of zomma bench"),
        ("[]", "no schema"),
        ("{\"schema\": \"zomma-bench/99\"}", "zomma-bench/1"),
        ("{\"schema\": \"zomma-bench/1\", \"lines\": 3}", "not the JSON of zomma bench"),
        (&zero.to_string(), "not above 0"),
    ] {
        fs::write(&path, text).unwrap();
        quick(&["--device", "cpu", "--compare", arg(&path)]).refused(1, &["rubbish.json", said]);
    }
    fs::remove_file(&path).unwrap();
    quick(&["--device", "cpu", "--compare", arg(&path)]).refused(1, &["rubbish.json", "cannot be read"]);
}

#[test]
fn wrong_arguments_are_told_from_failed_work() {
    quick(&["gpus"]).refused(2, &["gpus", "matmul", "kernels"]);
    quick(&["--across-machines"]).refused(2, &["--compare"]);
    quick(&["--device", "tpu"]).refused(2, &["tpu", "cuda[:n]"]);
    quick(&["--device", "hip", "memory"]).refused(2, &["--device hip", "hip back end"]);
    quick(&["--device", "cpu", "memory", "-o", "/no/such/folder/out.json"]).refused(1, &["/no/such/folder/out.json"]);
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_the_run_with_what_there_is_and_leaves_no_file() {
    use rustix::process::{Pid, Signal, kill_process};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    let mut command = zomma();
    // Full sizes take many seconds, on any machine, so the signal comes in their middle.
    command.args(["bench", "--device", "cpu", "-o", arg(&path)]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no file, and no half of one");
}
