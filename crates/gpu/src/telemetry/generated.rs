//! What is made from the metric registry and checked in: the dashboard, the alert rules, the tables of the documentation.
//!
//! `cargo xtask dashboards` writes them anew, by running these tests with `ZOMMA_WRITE_GENERATED` set.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use zomma_testkit::{skip, workspace_root};

use super::{METRICS, dashboard_json, dcgm_markdown, metrics_markdown, rules, rules_yaml, xids_markdown};

const RULES: &str = "deploy/prometheus/zomma-gpu-alerts.yml";
const RULES_TEST: &str = "deploy/prometheus/zomma-gpu-alerts.test.yml";
const DASHBOARD: &str = "deploy/grafana/zomma-gpu.json";
const DOCS: &str = "docs/gpu-metrics.md";

fn path(name: &str) -> PathBuf {
    workspace_root().join(name)
}

/// Compares a checked-in file with what the registry makes, or writes it.
fn hold(name: &str, wanted: &str) {
    let path = path(name);
    if std::env::var_os("ZOMMA_WRITE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{name} is not what the registry makes: run `cargo xtask dashboards`");
}

/// The text with the part between two marks replaced.
fn with_part(text: &str, mark: &str, part: &str) -> String {
    let (begin, end) =
        (format!("<!-- {mark}: made by cargo xtask dashboards -->\n"), format!("<!-- end of {mark} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{DOCS} has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{DOCS} has no {end}"));
    format!("{before}{begin}\n{part}\n{end}{after}")
}

/// Names of our metrics in a text.
fn metric_names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("zomma_gpu_")).collect()
}

#[test]
fn the_dashboard_is_made_from_the_registry() {
    hold(DASHBOARD, &dashboard_json());
}

#[test]
fn the_alert_rules_are_made_from_the_registry() {
    hold(RULES, &rules_yaml());
}

#[test]
fn the_documentation_lists_every_metric_and_xid() {
    let text = fs::read_to_string(path(DOCS)).unwrap();
    let text = with_part(&text, "metrics", &metrics_markdown());
    let text = with_part(&text, "dcgm", &dcgm_markdown());
    let text = with_part(&text, "xids", &xids_markdown());
    hold(DOCS, &text);
}

#[test]
fn every_name_in_dashboard_and_rules_is_a_metric() {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let (dashboard, rules) = (dashboard_json(), rules_yaml());
    for text in [&dashboard, &rules] {
        let used = metric_names(text);
        assert!(!used.is_empty());
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn every_runbook_that_an_alert_names_is_there() {
    let runbooks = path("docs/runbooks");
    if !runbooks.is_dir() {
        skip("no runbooks");
        return;
    }
    for rule in rules() {
        assert!(runbooks.join(rule.runbook).is_file(), "{}: docs/runbooks/{}", rule.alert, rule.runbook);
    }
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    // The rules as the registry makes them, beside the conversation that is checked in.
    let folder = tempfile::tempdir().unwrap();
    let [rules, test] = [RULES, RULES_TEST].map(|name| folder.path().join(path(name).file_name().unwrap()));
    fs::write(&rules, rules_yaml()).unwrap();
    fs::copy(path(RULES_TEST), &test).unwrap();
    for (verb, file) in [("check", rules), ("test", test)] {
        let output = match Command::new("promtool").args([verb, "rules"]).arg(&file).output() {
            Ok(output) => output,
            Err(_) => return skip("no promtool"),
        };
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", file.display());
    }
}
