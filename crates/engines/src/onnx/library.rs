//! Finds and loads the library. Everything is asked before `ort` is, which panics where it finds none.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::environment::Environment;

use super::OnnxError;

/// What the system's loader is asked for where nobody names a file.
const NAME: &str = "libonnxruntime.so";

/// ONNX Runtime, loaded. A process has one.
#[derive(Clone, Debug)]
pub struct OnnxRuntime {
    environment: Environment,
    path: PathBuf,
}

impl OnnxRuntime {
    /// Loads a library by its file, or the one in a folder; none is the system loader's choice. Loaded once: later calls give the same,
    /// and another file is refused.
    ///
    /// Errors: [`OnnxError::Library`].
    pub fn load(named: Option<&Path>) -> Result<Self, OnnxError> {
        static LOADED: Mutex<Option<OnnxRuntime>> = Mutex::new(None);
        let path = named.map_or_else(|| Ok(PathBuf::from(NAME)), find)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            if runtime.path == path {
                return Ok(runtime.clone());
            }
            let reason = format!("{} is loaded already, and a process holds one", runtime.path.display());
            return Err(OnnxError::Library { path, reason });
        }
        let refused = |reason: String| OnnxError::Library { path: path.clone(), reason };
        // A library of this name that is none, or that is of a version which `ort` cannot speak with, may still make it panic.
        let begun =
            std::panic::catch_unwind(|| ort::init_from(&path).map(|builder| builder.with_telemetry(false).build()));
        let environment = match begun {
            Ok(Ok(Ok(environment))) => environment,
            Ok(Ok(Err(error))) => return Err(refused(error.message().trim().to_owned())),
            Ok(Err(error)) => return Err(refused(words(&error))),
            Err(_) => return Err(refused("is no ONNX Runtime that this program can speak with".into())),
        };
        Ok(loaded.insert(Self { environment, path }).clone())
    }

    /// The file it was loaded from, or the name that the system's loader was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of its own build.
    pub fn build(&self) -> &'static str {
        ort::info()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Why it was not loaded, without the path, which the error has.
fn words(error: &ort::LoadDynamicError) -> String {
    use ort::LoadDynamicError as Error;
    match error {
        // The loader's own words are the cause.
        Error::Dlopen { error, .. } => match std::error::Error::source(error) {
            Some(cause) => format!("cannot be loaded: {cause}"),
            None => format!("cannot be loaded: {error}"),
        },
        Error::MissingApi { .. } => "is no ONNX Runtime: it does not export OrtGetApiBase".into(),
        Error::InvalidVersionString => "is no ONNX Runtime: its version is not text".into(),
        Error::BadVersion { version_str, .. } => {
            format!("is ONNX Runtime {version_str}; 1.{} or later is needed", ort::MINOR_VERSION)
        }
    }
}

/// The file itself, or the one in a folder: a Python package has it under its full version alone.
fn find(named: &Path) -> Result<PathBuf, OnnxError> {
    let refused = |reason: String| OnnxError::Library { path: named.into(), reason };
    let found = fs::canonicalize(named).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if !found.is_dir() {
        return Ok(found);
    }
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let entries = fs::read_dir(&found).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let mut libraries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_library).collect();
    libraries.sort();
    libraries.into_iter().next().ok_or_else(|| refused(format!("holds no {NAME}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_no_library_is_told_and_nothing_panics() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| OnnxRuntime::load(Some(path)).unwrap_err().to_string();
        let absent = folder.path().join("libonnxruntime.so.1");
        assert!(said(&absent).contains("libonnxruntime.so.1: cannot be read: No such file"), "{}", said(&absent));
        assert!(said(folder.path()).ends_with("holds no libonnxruntime.so"), "{}", said(folder.path()));
        fs::write(&absent, "text").unwrap();
        let said = said(folder.path());
        assert!(said.contains("libonnxruntime.so.1: cannot be loaded: ") && said.contains("file too short"), "{said}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_is_not_it_is_told() {
        // The C library is on every Linux that runs this.
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let Some(libc) = maps.split_whitespace().find(|word| word.contains("libc.so")) else { return };
        let said = OnnxRuntime::load(Some(Path::new(libc))).unwrap_err().to_string();
        assert!(said.contains("does not export OrtGetApiBase"), "{said}");
    }
}
