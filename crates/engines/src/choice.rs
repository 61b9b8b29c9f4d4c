//! Which engine computes a config's network.

use ::burn::backend::{Cuda, Flex, Vulkan};
use ::burn::tensor::DType;
use ::burn::tensor::backend::Backend;
use zomma_gpu::{DeviceRequest, choose};
use zomma_learn::LearnError;
use zomma_learn::config::{EngineKind, TrainConfig};
use zomma_learn::network::{Architecture, Native, Precision};
use zomma_learn::training::Engine;

use crate::burn::BurnEngine;

/// The engine that a config asks for.
///
/// Errors: [`LearnError::BadValue`] with the reason where there is no such device.
pub fn engine(config: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    let (seed, precision) = (config.training.seed, config.training.precision);
    match config.training.engine {
        EngineKind::Auto | EngineKind::Native if architecture.is_plain() => {
            Ok(Box::new(Native::new(architecture.clone()).in_precision(precision)))
        }
        EngineKind::Auto | EngineKind::Native | EngineKind::BurnCpu => {
            let burn = BurnEngine::<Flex>::new("Burn on the CPU", architecture, seed, Default::default());
            Ok(Box::new(burn.in_precision(precision)))
        }
        EngineKind::BurnVulkan => {
            reachable("burn_vulkan", "vulkan")?;
            let device = ::burn::backend::wgpu::WgpuDevice::default();
            has::<Vulkan>("burn_vulkan", precision, &device)?;
            Ok(Box::new(
                BurnEngine::<Vulkan>::new("Burn on Vulkan", architecture, seed, device).in_precision(precision),
            ))
        }
        EngineKind::BurnCuda => {
            reachable("burn_cuda", "cuda")?;
            let device = ::burn::backend::cuda::CudaDevice::default();
            has::<Cuda>("burn_cuda", precision, &device)?;
            Ok(Box::new(BurnEngine::<Cuda>::new("Burn on CUDA", architecture, seed, device).in_precision(precision)))
        }
    }
}

/// Whether a device computes in a precision.
fn has<B: Backend>(engine: &str, precision: Precision, device: &B::Device) -> Result<(), LearnError> {
    let (numbers, extension) = match precision {
        Precision::F32 => return Ok(()),
        Precision::Bf16 => (DType::BF16, "bfloat16 arithmetic"),
        Precision::F16 => (DType::F16, "16-bit floats in shaders and their storage (shader-f16)"),
    };
    if B::supports_dtype(device, numbers) {
        return Ok(());
    }
    let allowed = format!("f32 with {engine}: its device has no {extension}; or engine = \"native\"");
    Err(LearnError::bad("training.precision", precision.as_str(), allowed))
}

/// Whether a device of the kind can be opened. Asked first, since a client without a driver panics.
fn reachable(engine: &str, device: &str) -> Result<(), LearnError> {
    let opened = device.parse::<DeviceRequest>().and_then(|request| choose(&request)).and_then(|device| device.open());
    opened
        .map(|_| ())
        .map_err(|error| LearnError::bad("training.engine", engine, format!("a device that is there ({error})")))
}
