//! Who computes losses and gradients: one trait, so that the loop does not know.

use burn::backend::{Cuda, Flex, Vulkan};
use zomma_gpu::{DeviceRequest, choose};

use super::burn_engine::BurnEngine;
use crate::LearnError;
use crate::config::{EngineKind, TrainConfig};
use crate::network::{Architecture, Batch, Loss, LossScales, Native};

/// Computes with a network whose parameters are the loop's.
pub trait Engine {
    /// What it is, for people.
    fn name(&self) -> String;

    /// The loss of a batch and its gradient, which is overwritten. `weights` are the parameters and batch normalisation's running
    /// statistics, which a training step moves; `step` seeds dropout.
    ///
    /// Errors: of a device.
    fn gradient(
        &mut self,
        weights: (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        step: u64,
        gradient: &mut [f32],
    ) -> Result<Loss, LearnError>;

    /// Prices, and derivatives by the inputs row by row.
    ///
    /// Errors: of a device.
    fn differentials(
        &mut self,
        weights: (&[f32], &[f32]),
        inputs: &[f64],
        out: (&mut [f64], &mut [f64]),
    ) -> Result<(), LearnError>;
}

impl Engine for Native {
    fn name(&self) -> String {
        format!("native, {} threads", rayon::current_num_threads())
    }

    fn gradient(
        &mut self,
        (parameters, _): (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        _step: u64,
        gradient: &mut [f32],
    ) -> Result<Loss, LearnError> {
        Ok(Native::gradient(self, parameters, batch, scales, gradient))
    }

    fn differentials(
        &mut self,
        (parameters, _): (&[f32], &[f32]),
        inputs: &[f64],
        (prices, differentials): (&mut [f64], &mut [f64]),
    ) -> Result<(), LearnError> {
        Native::differentials(self, parameters, inputs, prices, differentials);
        Ok(())
    }
}

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
            let device = burn::backend::wgpu::WgpuDevice::default();
            Ok(Box::new(BurnEngine::<Vulkan>::new("Burn on Vulkan", architecture, seed, device)))
        }
        EngineKind::BurnCuda => {
            reachable("burn_cuda", "cuda")?;
            let device = burn::backend::cuda::CudaDevice::default();
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
