//! Makes the golden values again with mpmath, and compares them with the committed ones.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::metadata;

/// Runs every `golden/*.py` into a scratch folder; each script takes the folder to write into.
pub fn run() -> Result<()> {
    let root = metadata::load()?.root;
    let scratch = std::env::temp_dir().join(format!("zomma-golden-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let mut scripts: Vec<_> = std::fs::read_dir(root.join("golden"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
        .collect();
    scripts.sort();
    let mut differing = Vec::new();
    for script in scripts {
        println!("golden: {}", script.display());
        let status = Command::new("python3").arg(&script).arg(&scratch).status().context("python3")?;
        if !status.success() {
            bail!("{} failed (it needs mpmath: pip install mpmath)", script.display());
        }
    }
    for entry in std::fs::read_dir(&scratch)? {
        let made = entry?.path();
        let name = made.file_name().context("a file without a name")?.to_owned();
        let committed = root.join("golden").join(&name);
        if std::fs::read(&made)? != std::fs::read(&committed).with_context(|| committed.display().to_string())? {
            differing.push(name);
        }
    }
    std::fs::remove_dir_all(&scratch)?;
    if differing.is_empty() {
        println!("golden: the committed values are what the scripts make");
        Ok(())
    } else {
        bail!("golden values differ from what the scripts make: {differing:?}")
    }
}
