//! Writes anew what is made from the metric registry: the Grafana dashboard, the alert rules, the tables of docs/gpu-metrics.md.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::metadata;

/// Runs the tests that otherwise compare the files, told to write them instead.
pub fn run() -> Result<()> {
    let root = metadata::load()?.root;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo)
        .args(["test", "--locked", "--package", "zomma-gpu", "--lib", "telemetry::generated"])
        .env("ZOMMA_WRITE_GENERATED", "1")
        .current_dir(&root)
        .status()
        .context("cargo test")?;
    if !status.success() {
        bail!("the files could not be written");
    }
    println!("dashboards: written to deploy/grafana, deploy/prometheus and docs/gpu-metrics.md");
    Ok(())
}
