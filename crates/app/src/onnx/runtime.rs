//! Which ONNX Runtime: named on the command line, by the environment, or the system's own.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use zomma_engines::onnx::OnnxRuntime;

/// The variable that names the library where the command line does not: the one that others who load ONNX Runtime read too.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Where ONNX Runtime is.
#[derive(Debug, Args)]
pub struct RuntimeArgs {
    /// ONNX Runtime's library, or the folder that holds it (Python's package has it in onnxruntime/capi); ORT_DYLIB_PATH, or the
    /// system's own, where absent.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl RuntimeArgs {
    /// Loads it.
    pub fn load(&self) -> anyhow::Result<OnnxRuntime> {
        if let Some(path) = &self.onnxruntime {
            return OnnxRuntime::load(Some(path)).context("--onnxruntime");
        }
        if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return OnnxRuntime::load(Some(&PathBuf::from(path))).context(VARIABLE);
        }
        OnnxRuntime::load(None).with_context(|| {
            format!("ONNX Runtime is not among the system's libraries: name libonnxruntime.so with --onnxruntime or {VARIABLE}")
        })
    }
}
