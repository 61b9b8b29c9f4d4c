//! Measures training steps of our own engine beside JAX's, in one run on one machine.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{metadata, peers};

/// JAX's release with a build for CPUs.
const JAX: &str = "jax==0.4.38";

/// Builds the example `training_rate`, and runs `benches/peers/training.py` on it in an environment that holds JAX.
pub fn run() -> Result<()> {
    let root = metadata::load()?.root;
    let folder = peers::cache()?.join("zomma/python/jax");
    let held = folder.join("holds");
    if !std::fs::read_to_string(&held).is_ok_and(|held| held == JAX) {
        let python = peers::find_python()?;
        if !Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder).status()?.success() {
            bail!("{}: no virtual environment could be made", folder.display());
        }
        println!("installing {JAX}");
        if !peers::pip(&folder, &[JAX])? {
            bail!("{JAX} could not be installed");
        }
        std::fs::write(&held, JAX)?;
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let build = ["build", "--release", "--locked", "--package", "zomma-learn", "--example", "training_rate"];
    let built = Command::new(cargo).args(build).args(["--message-format", "json-render-diagnostics"]).output();
    let built = built.context("cargo build")?;
    if !built.status.success() {
        bail!("{}", String::from_utf8_lossy(&built.stderr));
    }
    let text = String::from_utf8(built.stdout)?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = messages.filter_map(|message| message["executable"].as_str().map(str::to_owned)).next_back();
    let program = program.context("cargo named no program")?;
    let script = root.join("benches/peers/training.py");
    let status = Command::new(folder.join("bin/python")).arg(script).arg(program).status().context("python")?;
    if status.success() { Ok(()) } else { bail!("training.py failed") }
}
