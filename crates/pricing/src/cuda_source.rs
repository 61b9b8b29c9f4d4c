//! Every kernel of this crate through NVIDIA's compiler, where that is installed.
//!
//! The test skips what is not there: a Vulkan device, NVRTC (`libnvrtc.so`), the toolkit's headers (`CUDA_PATH`). `ZOMMA_CUDA_SOURCES`
//! names a folder to keep the sources, the PTX and what the assembler says of registers and spills in.

use std::path::PathBuf;

use cubecl::prelude::*;
use zomma_gpu::cuda_source::{self, NotCompiled, Source};
use zomma_gpu::{Compute, Device, DeviceKind, GpuError, Job, Session, list};

pub(crate) use zomma_gpu::cuda_source::array;

use crate::math::grid::BLOCK_THREADS;
use crate::{american, black, implied_vol, monte_carlo, portfolio, surface};

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
    cuda_source::settings(BLOCK_THREADS)
}

/// The source of one kernel.
pub(crate) fn source<K: CubeKernel>(kernel: K) -> String {
    cuda_source::source(kernel).expect("a kernel that other back ends take")
}

#[test]
fn nvidias_compiler_takes_every_kernel() {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    let compute: Option<Compute> = device.and_then(|device| device.open().unwrap());
    let Some(compute) = compute else { return zomma_testkit::skip("no device") };
    let sources = compute.run(Emit).unwrap();
    for (name, source) in &sources {
        assert!(source.contains("extern \"C\" __global__"), "{name}:\n{source}");
    }
    let folder = std::env::var_os("ZOMMA_CUDA_SOURCES").map(PathBuf::from);
    match cuda_source::compile_all(&sources, folder.as_deref()) {
        Ok(()) => {}
        Err(NotCompiled::NoCompiler(why)) => zomma_testkit::skip(why),
        Err(NotCompiled::Refused(words)) => panic!("{words}"),
    }
}
