//! The CUDA source of every kernel, made without a CUDA device and put through NVIDIA's compiler where that is installed.
//!
//! CubeCL makes the source from the kernel alone; only the handle that asks for it must belong to some device, here the first Vulkan one.
//! The test skips what is not there: a Vulkan device, NVRTC (`libnvrtc.so`), the toolkit's headers (`CUDA_PATH`). `ZOMMA_CUDA_SOURCES`
//! names a folder to keep the sources, the PTX and what the assembler says of registers and spills in.

use std::ffi::{CStr, CString};
use std::path::PathBuf;

use cubecl::cuda::{CudaCompiler, install};
use cubecl::prelude::*;
use cubecl::{Compiler, ExecutionMode};
use cudarc::nvrtc::{result as nvrtc, sys};
use zomma_gpu::{Compute, Device, DeviceKind, GpuError, Job, Session, list};

use crate::math::grid::BLOCK_THREADS;
use crate::{american, black, implied_vol, monte_carlo, portfolio, surface};

/// Compute capabilities that the sources are compiled for, as CubeCL names them to NVRTC: A100, H100 and H200.
const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

/// A kernel's name and its source.
type Source = (String, String);

/// Makes the source of every kernel.
struct Emit;

impl Job for Emit {
    type Output = Vec<Source>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let mut sources = Vec::new();
        american::device::sources(session, &mut sources);
        black::kernel::sources(session, &mut sources);
        implied_vol::kernel::sources(session, &mut sources);
        portfolio::kernel::sources(session, &mut sources);
        monte_carlo::kernel::sources(session, &mut sources);
        monte_carlo::heston_device::sources(session, &mut sources);
        surface::batch::kernel::sources(session, &mut sources);
        Ok(sources)
    }
}

/// What every kernel is launched with.
pub(crate) fn settings() -> KernelSettings {
    KernelSettings::default().cube_dim(CubeDim::new_1d(BLOCK_THREADS))
}

/// An array, as a kernel is told of it.
pub(crate) fn array() -> ArrayCompilationArg {
    ArrayCompilationArg { inplace: None }
}

/// The source of one kernel, as the CUDA back end makes it for a device of compute capability 8.0 or above.
pub(crate) fn source<K: CubeKernel>(kernel: K) -> String {
    let mut options = <CudaCompiler as Compiler>::CompilationOptions::default();
    options.supports_features.fast_math = true;
    options.supports_features.grid_constants = true;
    let address_type = kernel.address_type();
    let compiled = CudaCompiler::default().compile(kernel.define(), &options, ExecutionMode::Unchecked, address_type);
    compiled.expect("a kernel that other back ends take").to_string()
}

/// Compiles a source; the log, and the PTX where it compiled.
fn compile(source: &str, architecture: &str, include: &str) -> (String, Option<String>) {
    let source = CString::new(source).unwrap();
    let options = [
        format!("--gpu-architecture={architecture}"),
        format!("--include-path={include}"),
        "-lineinfo".into(),
        "--ptxas-options=-v".into(),
    ];
    let program = nvrtc::create_program(&source, None).unwrap();
    // SAFETY: the program was made above and is destroyed last; its options are strings, and its answers end with a zero byte.
    unsafe {
        let compiled = nvrtc::compile_program(program, &options).is_ok();
        let text = |bytes: Vec<std::ffi::c_char>| CStr::from_ptr(bytes.as_ptr()).to_string_lossy().into_owned();
        let log = nvrtc::get_program_log(program).map(text).unwrap_or_default();
        let ptx = if compiled { nvrtc::get_ptx(program).map(text).ok() } else { None };
        nvrtc::destroy_program(program).unwrap();
        (log, ptx)
    }
}

#[test]
fn nvidias_compiler_takes_every_kernel() {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    let compute: Option<Compute> = device.and_then(|device| device.open().unwrap());
    let Some(compute) = compute else { return zomma_testkit::skip("no device") };
    let sources = compute.run(Emit).unwrap();
    let kept = std::env::var_os("ZOMMA_CUDA_SOURCES").map(PathBuf::from);
    for (name, source) in &sources {
        assert!(source.contains("extern \"C\" __global__"), "{name}:\n{source}");
        if let Some(folder) = &kept {
            std::fs::write(folder.join(format!("{name}.cu")), source).unwrap();
        }
    }
    // SAFETY: looks whether the library can be loaded.
    if !unsafe { sys::is_culib_present() } {
        return zomma_testkit::skip("no NVRTC");
    }
    let Some(include) = install::cuda_path().map(|path| path.join("include")) else {
        return zomma_testkit::skip("no CUDA headers");
    };
    for (name, source) in &sources {
        for architecture in ARCHITECTURES {
            let (log, ptx) = compile(source, architecture, &include.to_string_lossy());
            let Some(ptx) = ptx else { panic!("{name} for {architecture}:\n{log}\n{source}") };
            assert!(ptx.contains(".entry"), "{name} for {architecture}");
            if let Some(folder) = &kept {
                std::fs::write(folder.join(format!("{name}.{architecture}.ptx")), ptx).unwrap();
                std::fs::write(folder.join(format!("{name}.{architecture}.log")), log).unwrap();
            }
        }
    }
}
