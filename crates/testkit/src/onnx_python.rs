//! A Python with ONNX's checker and ONNX Runtime, as `scripts/onnx-environment` makes one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that `ZOMMA_ONNX_PYTHON` names, else the one that an earlier run of the script left in the user's cache. Where there is
/// none, the test says that it was skipped.
pub fn python() -> Option<PathBuf> {
    let named = std::env::var_os("ZOMMA_ONNX_PYTHON").map(PathBuf::from);
    let found = named.or_else(|| Some(cache()?.join("zomma/python/onnx/bin/python"))).filter(|path| path.is_file());
    if found.is_none() {
        crate::skip("no Python with onnx and onnxruntime (scripts/onnx-environment makes one)");
    }
    found
}

/// The folder of ONNX Runtime's library within a Python's packages.
///
/// # Panics
///
/// Where the Python has no such package.
pub fn library_folder(python: &Path) -> PathBuf {
    let script = "import onnxruntime, pathlib; print(pathlib.Path(onnxruntime.__file__).parent / 'capi')";
    let output = Command::new(python).args(["-c", script]).output().expect("a Python that runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
}
