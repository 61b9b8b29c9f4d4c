//! Which engine computes a config's network.

use ::burn::backend::{Cuda, Flex, Vulkan};
use zomma_gpu::{DeviceRequest, choose};
use zomma_learn::LearnError;
use zomma_learn::config::{EngineKind, TrainConfig};
use zomma_learn::network::{Architecture, Native};
use zomma_learn::training::Engine;

use crate::burn::BurnEngine;

/// The engine that a config asks for.
///
/// Errors: [`LearnError::BadValue`] with the reason where there is no such device.
pub fn engine(config: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    let seed = config.training.seed;
    match config.training.engine {
        EngineKind::Auto | EngineKind::Native if architecture.is_plain() => {
            Ok(Box::new(Native::new(architecture.clone())))
        }
        EngineKind::Auto | EngineKind::Native | EngineKind::BurnCpu => {
            Ok(Box::new(BurnEngine::<Flex>::new("Burn on the CPU", architecture, seed, Default::default())))
        }
        EngineKind::BurnVulkan => {
            reachable("burn_vulkan", "vulkan")?;
            let device = ::burn::backend::wgpu::WgpuDevice::default();
            Ok(Box::new(BurnEngine::<Vulkan>::new("Burn on Vulkan", architecture, seed, device)))
        }
        EngineKind::BurnCuda => {
            reachable("burn_cuda", "cuda")?;
            let device = ::burn::backend::cuda::CudaDevice::default();
            Ok(Box::new(BurnEngine::<Cuda>::new("Burn on CUDA", architecture, seed, device)))
        }
    }
}

/// Whether a device of the kind can be opened. Asked first, since a client without a driver panics.
fn reachable(engine: &str, device: &str) -> Result<(), LearnError> {
    let opened = device.parse::<DeviceRequest>().and_then(|request| choose(&request)).and_then(|device| device.open());
    opened
        .map(|_| ())
        .map_err(|error| LearnError::bad("training.engine", engine, format!("a device that is there ({error})")))
}
