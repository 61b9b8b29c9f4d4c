//! ARCHITECTURE.md is the map: it names every crate, and no crate that is gone.

use anyhow::{Context, Result};

use crate::metadata::Metadata;

/// Crates that are missing from the map, and crates on the map that do not exist.
pub fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(metadata.root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let folders: Vec<String> = std::fs::read_dir(metadata.root.join("crates"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let mut faults: Vec<String> = folders
        .iter()
        .filter(|folder| !text.contains(&format!("`crates/{folder}`")))
        .map(|folder| format!("ARCHITECTURE.md does not name `crates/{folder}`"))
        .collect();
    for named in text.split("`crates/").skip(1).filter_map(|rest| rest.split(['`', '/']).next()) {
        if !folders.iter().any(|folder| folder == named) {
            faults.push(format!("ARCHITECTURE.md names `crates/{named}`, which does not exist"));
        }
    }
    for package in metadata.packages.iter().filter(|package| package.ours) {
        if package.rust_version.is_none() {
            faults.push(format!("{} has no rust-version", package.name));
        }
    }
    Ok(faults)
}
