//! What the machine and a device can do at best: copies, bandwidth, matrix products, a network's forward pass.
//!
//! Each probe readies its data once and then does one piece of work as often as it is called, waiting for the end of it; whoever calls
//! holds the watch. What it computed can be fetched and checked. A probe keeps its [`Compute`](crate::Compute), since its buffers
//! belong to it.

pub mod element;
pub mod host;
pub mod matmul;
pub mod network;
pub mod rolling;
pub mod stream;

use std::marker::PhantomData;

use bytemuck::Pod;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::{GpuError, Job, Session};

/// Threads of a block of the kernels here: a multiple of every vendor's warp.
const BLOCK_THREADS: u32 = 256;
/// Blocks along one axis: below what every back end allows.
const BLOCKS_MAX: u32 = 1 << 15;

/// Blocks for `count` threads, folded into a second axis where one is too short.
fn blocks(count: usize) -> CubeCount {
    let blocks = u32::try_from(count.div_ceil(BLOCK_THREADS as usize)).unwrap_or(u32::MAX).max(1);
    CubeCount::Static(blocks.min(BLOCKS_MAX), blocks.div_ceil(BLOCKS_MAX), 1)
}

/// Waits for everything that was launched.
fn finish<R: Runtime>(session: &Session<'_, R>) -> Result<(), String> {
    cubecl::future::block_on(session.client().sync()).map_err(|error| error.to_string())
}

/// Copies a buffer of `T` back.
struct Fetch<'a, T>(&'a Handle, PhantomData<T>);

impl<'a, T> Fetch<'a, T> {
    fn new(buffer: &'a Handle) -> Self {
        Self(buffer, PhantomData)
    }
}

impl<T: Pod> Job for Fetch<'_, T> {
    type Output = Vec<T>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<T>, GpuError> {
        session.download(self.0.clone())
    }
}

/// A probe cannot do its work on this device, or failed at it.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The library has no kernel for this work on this device, in its words.
    #[error("{0}")]
    Unavailable(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda_source::{NotCompiled, Source, compile_all};
    use crate::{Device, DeviceKind};

    struct Emit;

    impl Job for Emit {
        type Output = Vec<Source>;

        fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
            let mut sources = Vec::new();
            network::sources(session, &mut sources);
            rolling::sources(session, &mut sources);
            stream::sources(session, &mut sources);
            Ok(sources)
        }
    }

    #[test]
    fn nvidias_compiler_takes_every_kernel() {
        let device = crate::list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = device.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let sources = compute.run(Emit).unwrap();
        match compile_all(&sources, None) {
            Ok(()) => {}
            Err(NotCompiled::NoCompiler(why)) => return zomma_testkit::skip(why),
            Err(NotCompiled::Refused(words)) => panic!("{words}"),
        }
        let broken = [("broken".to_owned(), "extern \"C\" __global__ void f( {".to_owned())];
        assert!(
            matches!(compile_all(&broken, None), Err(NotCompiled::Refused(words)) if words.starts_with("broken for sm_80"))
        );
    }
}
