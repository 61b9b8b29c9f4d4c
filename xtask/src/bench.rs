//! Runs the criterion benchmarks and prints each figure as a rate and as a ratio to the peer of its group.
//!
//! A benchmark's group holds rivals that do the same work; the rival whose name starts with `peer` is what the others are divided by.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::metadata;

/// One rival's figures.
struct Figure {
    rival: String,
    median_ns: f64,
    /// Elements of one iteration, where the benchmark says it.
    elements: Option<f64>,
}

/// Runs `cargo bench` (arguments are passed on: a filter, say) and prints the table.
pub fn run(arguments: &[String]) -> Result<()> {
    let root = metadata::load()?.root;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let results = target.join("criterion");
    if results.is_dir() {
        std::fs::remove_dir_all(&results).context("old results")?;
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--locked", "--workspace", "--bench", "*", "--"])
        .args(arguments)
        .current_dir(&root)
        .status()
        .context("cargo bench")?;
    if !status.success() {
        bail!("cargo bench failed");
    }
    print(&read(&results)?);
    Ok(())
}

/// Every `new/estimates.json` with its `new/benchmark.json`, by group.
fn read(results: &Path) -> Result<BTreeMap<String, Vec<Figure>>> {
    let mut groups: BTreeMap<String, Vec<Figure>> = BTreeMap::new();
    let mut folders = vec![results.to_owned()];
    while let Some(folder) = folders.pop() {
        let benchmark = folder.join("new/benchmark.json");
        if benchmark.is_file() {
            let names = json(&benchmark)?;
            let estimates = json(&folder.join("new/estimates.json"))?;
            let median_ns = estimates["median"]["point_estimate"].as_f64().context("median")?;
            let text = |key: &str| names[key].as_str().unwrap_or_default().to_owned();
            let rival = [text("function_id"), text("value_str")].join(" ").trim().to_owned();
            let elements = names["throughput"]["Elements"].as_f64();
            groups.entry(text("group_id")).or_default().push(Figure { rival, median_ns, elements });
            continue;
        }
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(groups)
}

fn json(path: &Path) -> Result<Value> {
    serde_json::from_slice(&std::fs::read(path).with_context(|| path.display().to_string())?)
        .with_context(|| path.display().to_string())
}

fn print(groups: &BTreeMap<String, Vec<Figure>>) {
    for (group, figures) in groups {
        let peer_ns = figures.iter().find(|figure| figure.rival.starts_with("peer")).map(|figure| figure.median_ns);
        println!("\n{group}");
        let mut sorted: Vec<&Figure> = figures.iter().collect();
        sorted.sort_by(|a, b| a.rival.cmp(&b.rival));
        for figure in sorted {
            let rate = match figure.elements {
                Some(elements) => format!("{:>10.2} M/s", elements / figure.median_ns * 1e3),
                None => format!("{:>10.3} ms ", figure.median_ns / 1e6),
            };
            let ratio = peer_ns.map_or(String::new(), |peer| format!("{:>8.2} x peer", peer / figure.median_ns));
            println!("  {:<36}{rate}{ratio}", figure.rival);
        }
    }
}
