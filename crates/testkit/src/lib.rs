//! What tests share: how a skipped test is counted, where the real data is, an S3 server, and mocks of the libraries of GPU makers and of sysfs.
//! Development only.
//!
//! A test that cannot run says so instead of passing silently: [`skip`] prints one line `skipped: <reason>` and, where the
//! environment names a file in `ZOMMA_SKIP_LOG`, appends that line to it, so that a run can count what it did not test.

pub mod mlflow;
pub mod mock_library;
pub mod mock_nccl;
pub mod mock_nvml;
pub mod mock_sysfs;
pub mod onnx_python;
pub mod postgres;
pub mod s3_server;
pub mod timescale;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The reason of a test that needs the folder of real market data.
const NO_REAL_DATA: &str = "no real data";

/// Says that a test was skipped, and why: one line `skipped: <reason>` on the process's standard output, and the same line
/// with the test's name appended to the file that `ZOMMA_SKIP_LOG` names, where it is set.
///
/// The line goes past the test harness's capture (it is written to the handle, not with `println!`), so it is seen without
/// `--nocapture` too. A log that cannot be written is itself reported, never a failure of the test.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed");
    let line = format!("skipped: {reason}\n");
    // A closed standard output leaves nowhere to say it; the log below still counts the skip.
    let _ = std::io::stdout().write_all(line.as_bytes());
    let Some(log) = std::env::var_os("ZOMMA_SKIP_LOG").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = append(Path::new(&log), &format!("skipped: {reason} ({test})\n")) {
        eprintln!("ZOMMA_SKIP_LOG: {}: {error}", log.to_string_lossy());
    }
}

/// Appends one line in a single write, so that lines of tests that run at once do not mix.
fn append(log: &Path, line: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(log)?.write_all(line.as_bytes())
}

/// The folder of real market data: the one that the environment names in `ZOMMA_DATA`, else `../shared/data` beside the
/// workspace where that exists. Where there is none, says `skipped: no real data` and gives `None`: the test returns then.
///
/// A `ZOMMA_DATA` that names no folder is a mistake of whoever set it: it skips, and says so on standard error.
pub fn real_data() -> Option<PathBuf> {
    let found = match std::env::var_os("ZOMMA_DATA").filter(|name| !name.is_empty()) {
        Some(named) => {
            let named = PathBuf::from(named);
            if !named.is_dir() {
                eprintln!("ZOMMA_DATA: {}: no such folder", named.display());
            }
            named
        }
        None => workspace_root().join("../shared/data"),
    };
    if found.is_dir() {
        return Some(found);
    }
    skip(NO_REAL_DATA);
    None
}

/// The root of the workspace: the nearest folder with a `Cargo.lock` above the package that is being tested.
///
/// Cargo tells a test's package when it runs, which the compiler's own answer is no match for: a target directory that several checkouts
/// share, or a checkout that moved, keeps a program with the path of another. That answer serves a program that runs without cargo.
///
/// # Panics
///
/// Where neither is below a workspace.
pub fn workspace_root() -> PathBuf {
    let compiled_in = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = std::env::current_dir().ok();
    root_above([told, here, Some(compiled_in)])
        .expect("a folder with a Cargo.lock above the package that is being tested")
}

/// The first root of a workspace with this crate that is above any of these folders.
fn root_above(folders: impl IntoIterator<Item = Option<PathBuf>>) -> Option<PathBuf> {
    let is_root = |folder: &&Path| folder.join("Cargo.lock").is_file() && folder.join(FOLDER).is_dir();
    folders.into_iter().flatten().find_map(|from| from.ancestors().find(is_root).map(Path::to_path_buf))
}

/// Where this crate is in its workspace.
const FOLDER: &str = "crates/testkit";

/// The folder of this crate.
fn own_folder() -> PathBuf {
    workspace_root().join(FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_checkout_that_moved_is_found_by_what_cargo_says() {
        let moved = tempfile::tempdir().unwrap();
        let package = moved.path().join("crates/gpu");
        for folder in [&package, &moved.path().join(FOLDER)] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let gone = Some(PathBuf::from("/no/such/checkout/crates/testkit"));
        assert_eq!(root_above([Some(package.clone()), gone.clone()]), None);
        std::fs::write(moved.path().join("Cargo.lock"), "").unwrap();
        assert_eq!(root_above([Some(package.clone()), gone.clone()]).as_deref(), Some(moved.path()));
        assert_eq!(root_above([None, gone, Some(package)]).as_deref(), Some(moved.path()));
        assert!(own_folder().join("mock/nvml.c").is_file());
    }

    #[test]
    fn a_skip_appends_whole_lines_to_its_log() {
        let log = std::env::temp_dir().join(format!("zomma_skip_log_{}", std::process::id()));
        append(&log, "skipped: a (x)\n").unwrap();
        append(&log, "skipped: b (y)\n").unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        assert_eq!(text, "skipped: a (x)\nskipped: b (y)\n");
    }

    #[test]
    fn a_log_in_a_missing_folder_is_an_error_not_a_panic() {
        assert!(append(Path::new("no/such/folder/log"), "x\n").is_err());
    }
}
