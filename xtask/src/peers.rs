//! Measures the Python package beside its peers, in one process of an environment that holds them all.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::metadata;

/// What py_vollib_vectorized's compiler runs on.
const PYTHONS: &str = "(3, 10) <= sys.version_info[:2] <= (3, 11)";

/// Builds the wheel, installs it and the peers, and runs `benches/peers/peers.py`, which takes the arguments.
pub fn run(arguments: &[String]) -> Result<()> {
    let root = metadata::load()?.root;
    let python = find_python()?;
    let folder = cache()?.join("zomma/python/peers");
    prepare(&root, &python, &folder)?;
    let wheels = std::env::temp_dir().join(format!("zomma-wheels-{}", std::process::id()));
    let built = build(&root, &folder, &wheels);
    let installed = built.and_then(|wheel| pip(&folder, &["--force-reinstall", "--no-deps", &wheel]));
    if wheels.is_dir() {
        std::fs::remove_dir_all(&wheels)?;
    }
    if !installed? {
        bail!("the wheel could not be installed");
    }
    let status = Command::new(folder.join("bin/python"))
        .arg(root.join("benches/peers/peers.py"))
        .args(arguments)
        .status()
        .context("python")?;
    if status.success() { Ok(()) } else { bail!("peers.py failed") }
}

/// The user's cache folder.
pub fn cache() -> Result<PathBuf> {
    match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) => Ok(cache.into()),
        (None, Some(home)) => Ok(PathBuf::from(home).join(".cache")),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set"),
    }
}

/// The interpreter named by PYTHON, or the first of the usual names that will do.
pub fn find_python() -> Result<String> {
    let named = std::env::var("PYTHON").ok();
    let usual = ["python3.11", "python3.10", "python3", "/usr/bin/python3"].map(str::to_owned);
    let ask = format!("import ensurepip, sys, venv; sys.exit(not {PYTHONS})");
    let will_do = |name: &String| Command::new(name).args(["-c", &ask]).output().is_ok_and(|it| it.status.success());
    let found = named.into_iter().chain(usual).find(will_do);
    found.context("no Python 3.10 or 3.11 with venv, which the peers need: name one by PYTHON=…")
}

/// A virtual environment with the peers, made anew where the requirements or the interpreter differ from those that it holds.
fn prepare(root: &Path, python: &str, folder: &Path) -> Result<()> {
    let requirements = std::fs::read_to_string(root.join("benches/peers/requirements.txt"))?;
    let for_tests = std::fs::read_to_string(root.join("crates/py/requirements-test.txt"))?;
    let maturin = for_tests.lines().find(|line| line.starts_with("maturin==")).context("no maturin")?;
    let version = Command::new(python).arg("-VV").output().context("python")?.stdout;
    let wanted = format!("{}{maturin}\n{requirements}", String::from_utf8_lossy(&version));
    if std::fs::read_to_string(folder.join("holds")).is_ok_and(|held| held == wanted) {
        return Ok(());
    }
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)?;
    }
    if !Command::new(python).args(["-m", "venv"]).arg(folder).status()?.success() {
        bail!("{}: no virtual environment could be made", folder.display());
    }
    let mut is_whole = true;
    let lines = requirements.lines().filter(|line| !line.starts_with('#'));
    for line in std::iter::once(maturin).chain(lines) {
        println!("installing {line}");
        if !pip(folder, &line.split_whitespace().collect::<Vec<_>>())? {
            // The comparison names what is missing, too.
            eprintln!("could not be installed: {line}");
            is_whole = false;
        }
    }
    if is_whole {
        std::fs::write(folder.join("holds"), wanted)?;
    }
    Ok(())
}

/// Installs packages into an environment; whether that went well.
pub fn pip(folder: &Path, packages: &[&str]) -> Result<bool> {
    let install = ["install", "--quiet", "--disable-pip-version-check"];
    Ok(Command::new(folder.join("bin/pip")).args(install).args(packages).status().context("pip")?.success())
}

/// The wheel of the release profile.
fn build(root: &Path, folder: &Path, wheels: &Path) -> Result<String> {
    let status = Command::new(folder.join("bin/maturin"))
        .args(["build", "--release", "--locked", "--compatibility", "linux", "--manifest-path"])
        .arg(root.join("crates/py/Cargo.toml"))
        .arg("--interpreter")
        .arg(folder.join("bin/python"))
        .arg("--out")
        .arg(wheels)
        .status()
        .context("maturin")?;
    if !status.success() {
        bail!("the wheel was not built");
    }
    let wheel = std::fs::read_dir(wheels)?.next().context("no wheel")??;
    Ok(wheel.path().display().to_string())
}
