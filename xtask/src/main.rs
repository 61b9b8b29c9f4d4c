//! One door for the project's chores: `cargo xtask tidy|floors|licences|bench|golden|dashboards`.

mod bench;
mod dashboards;
mod floors;
mod golden;
mod licences;
mod map;
mod metadata;
mod peers;
mod sources;
mod training;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask tidy       everything below but bench, golden and dashboards: what CI runs
cargo xtask floors     the manifests against the floors of ARCHITECTURE.md
cargo xtask licences   the SPDX expression of every dependency, and no second major of a crate that must be one
cargo xtask bench      criterion benchmarks, then a table of ratios against the peer in the same run
cargo xtask bench peers [TASK…] [--quick]
                       the Python package beside QuantLib, py_vollib_vectorized and FinancePy: rates and errors
cargo xtask bench training
                       training steps of our own engine beside JAX: rows a second, and the ratio
cargo xtask golden     makes the golden values again with mpmath and compares them with the committed ones
cargo xtask dashboards makes the Grafana dashboard, the alert rules and the metric tables of the docs again";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("tidy") => tidy(),
        Some("floors") => report("floors", floors::check(&metadata::load()?)?),
        Some("licences") => report("licences", licences::check(&metadata::load()?)?),
        Some("bench") if arguments.get(1).is_some_and(|word| word == "peers") => peers::run(&arguments[2..]),
        Some("bench") if arguments.get(1).is_some_and(|word| word == "training") => training::run(),
        Some("bench") => bench::run(&arguments[1..]),
        Some("golden") => golden::run(),
        Some("dashboards") => dashboards::run(),
        Some("help" | "--help" | "-h") | None => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("no task {other:?}\n{USAGE}"),
    }
}

/// Runs every check, so that one run shows all that is wrong.
fn tidy() -> Result<()> {
    let metadata = metadata::load()?;
    let mut faults = Vec::new();
    faults.extend(floors::check(&metadata)?);
    faults.extend(map::check(&metadata)?);
    faults.extend(licences::check(&metadata)?);
    faults.extend(sources::check(&metadata)?);
    report("tidy", faults)
}

fn report(task: &str, faults: Vec<String>) -> Result<()> {
    for fault in &faults {
        eprintln!("{task}: {fault}");
    }
    if faults.is_empty() {
        println!("{task}: clean");
        Ok(())
    } else {
        bail!("{} faults", faults.len())
    }
}
