//! The CUDA source of a kernel, made without a CUDA device and put through NVIDIA's compiler where that is installed: what the tests of
//! kernels ask, since one that Vulkan takes may be refused there.
//!
//! CubeCL makes the source from the kernel alone; only the handle that asks for it must belong to some device, such as a software one.

use std::ffi::{CStr, CString, c_char};
use std::fs;
use std::path::Path;

use cubecl::cuda::{CudaCompiler, install};
use cubecl::prelude::*;
use cubecl::{Compiler, ExecutionMode};
use cudarc::nvrtc::{result as nvrtc, sys};

/// Compute capabilities that sources are compiled for, as CubeCL names them to NVRTC: A100, H100 and H200.
pub const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

/// A kernel's name and its source.
pub type Source = (String, String);

/// What a kernel is launched with: so many threads a block.
pub fn settings(threads: u32) -> KernelSettings {
    KernelSettings::default().cube_dim(CubeDim::new_1d(threads))
}

/// An array, as a kernel is told of it.
pub fn array() -> ArrayCompilationArg {
    ArrayCompilationArg { inplace: None }
}

/// The source of one kernel, as the CUDA back end makes it for a device of compute capability 8.0 or above.
///
/// # Errors
///
/// The back end's words, where it has no such source.
pub fn source<K: CubeKernel>(kernel: K) -> Result<String, String> {
    let mut options = <CudaCompiler as Compiler>::CompilationOptions::default();
    options.supports_features.fast_math = true;
    options.supports_features.grid_constants = true;
    let address_type = kernel.address_type();
    let compiled = CudaCompiler::default().compile(kernel.define(), &options, ExecutionMode::Unchecked, address_type);
    compiled.map(|compiled| compiled.to_string()).map_err(|error| format!("{error:?}"))
}

/// Compiles each source for each of [`ARCHITECTURES`] with CubeCL's own options. A folder keeps sources, PTX and what the assembler says of
/// registers and spills.
///
/// # Errors
///
/// [`NotCompiled`].
pub fn compile_all(sources: &[Source], folder: Option<&Path>) -> Result<(), NotCompiled> {
    let keep = |name: &str, ending: &str, text: &str| match folder {
        Some(folder) => fs::write(folder.join(format!("{name}.{ending}")), text)
            .map_err(|error| NotCompiled::Refused(format!("{}: {error}", folder.display()))),
        None => Ok(()),
    };
    for (name, source) in sources {
        keep(name, "cu", source)?;
    }
    // SAFETY: loads the vendor's library by its well-known name and drops it: no symbol of it is used.
    if !unsafe { sys::is_culib_present() } {
        return Err(NotCompiled::NoCompiler("no NVRTC"));
    }
    let include = install::cuda_path().map(|path| path.join("include")).filter(|path| path.is_dir());
    let include = include.ok_or(NotCompiled::NoCompiler("no CUDA headers"))?;
    for (name, source) in sources {
        for architecture in ARCHITECTURES {
            let refused = |log: &str| NotCompiled::Refused(format!("{name} for {architecture}:\n{log}\n{source}"));
            let (log, ptx) = compile(source, architecture, &include).map_err(|error| refused(&error))?;
            keep(name, &format!("{architecture}.log"), &log)?;
            let ptx = ptx.filter(|ptx| ptx.contains(".entry")).ok_or_else(|| refused(&log))?;
            keep(name, &format!("{architecture}.ptx"), &ptx)?;
        }
    }
    Ok(())
}

/// Why sources were not compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCompiled {
    /// This machine has not got it.
    #[error("{0}")]
    NoCompiler(&'static str),
    /// The compiler's words, with the source; or those of the folder that cannot be written.
    #[error("{0}")]
    Refused(String),
}

/// Compiles a source; the log, and the PTX where it compiled.
fn compile(source: &str, architecture: &str, include: &Path) -> Result<(String, Option<String>), String> {
    let source = CString::new(source).map_err(|error| error.to_string())?;
    let options = [
        format!("--gpu-architecture={architecture}"),
        format!("--include-path={}", include.display()),
        "-lineinfo".into(),
        "--ptxas-options=-v".into(),
    ];
    let program = nvrtc::create_program(&source, None).map_err(|error| format!("{error:?}"))?;
    // SAFETY: the program was made above and is destroyed last; its options are strings, and its answers end with a zero byte.
    unsafe {
        let compiled = nvrtc::compile_program(program, &options).is_ok();
        let text = |bytes: Vec<c_char>| CStr::from_ptr(bytes.as_ptr()).to_string_lossy().into_owned();
        let log = nvrtc::get_program_log(program).map(text).unwrap_or_default();
        let ptx = if compiled { nvrtc::get_ptx(program).map(text).ok() } else { None };
        nvrtc::destroy_program(program).map_err(|error| format!("{error:?}"))?;
        Ok((log, ptx))
    }
}
