//! What `cargo metadata` says of the workspace.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The workspace and everything it depends on.
pub struct Metadata {
    /// Folder of the root manifest.
    pub root: PathBuf,
    /// Every package, our own and others'.
    pub packages: Vec<Package>,
}

/// One package.
pub struct Package {
    pub name: String,
    pub version: String,
    /// SPDX expression of the manifest.
    pub licence: Option<String>,
    /// Whether it belongs to this workspace.
    pub ours: bool,
    pub rust_version: Option<String>,
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
pub struct Dependency {
    pub name: String,
    /// Whether it is for tests and benchmarks alone.
    pub development: bool,
}

/// Asks cargo, offline where the lock file is complete.
pub fn load() -> Result<Metadata> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let json: Value = serde_json::from_slice(&output.stdout).context("what cargo metadata printed")?;
    let root = PathBuf::from(json["workspace_root"].as_str().context("workspace_root")?);
    let members: Vec<&str> = strings(&json["workspace_members"]);
    let packages = json["packages"].as_array().context("packages")?.iter().map(|package| read(package, &members));
    Ok(Metadata { root, packages: packages.collect::<Result<_>>()? })
}

fn read(package: &Value, members: &[&str]) -> Result<Package> {
    let text = |key: &str| package[key].as_str().map(str::to_owned);
    let dependencies =
        package["dependencies"].as_array().context("dependencies")?.iter().map(|dependency| Dependency {
            name: dependency["name"].as_str().unwrap_or_default().to_owned(),
            development: dependency["kind"].as_str() == Some("dev"),
        });
    Ok(Package {
        name: text("name").context("a package without a name")?,
        version: text("version").context("a package without a version")?,
        licence: text("license"),
        ours: members.contains(&package["id"].as_str().unwrap_or_default()),
        rust_version: text("rust_version"),
        dependencies: dependencies.collect(),
    })
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
