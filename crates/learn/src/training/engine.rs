//! Who computes losses and gradients: one trait, so that the loop does not know.

use std::sync::Arc;

use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::{Architecture, Batch, Loss, LossScales, Native, Ready};
use crate::profiling::Profiler;

/// Computes with a network whose parameters are the loop's.
pub trait Engine {
    /// What it is, for people.
    fn name(&self) -> String;

    /// Takes the time of its stages from here on, or no longer. An engine that cannot is seen from outside alone.
    fn profile(&mut self, _profiler: Option<Arc<Profiler>>) {}

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

    /// As [`Self::gradient`], for who sends the gradient on: `ready` hears, while the rest is computed, from which place on the gradient is
    /// final. An engine that knows it only at the end need not say so.
    ///
    /// Errors: of a device.
    fn gradient_from_the_end(
        &mut self,
        weights: (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        step: u64,
        (gradient, _ready): (&mut [f32], &mut Ready<'_>),
    ) -> Result<Loss, LearnError> {
        self.gradient(weights, batch, scales, step, gradient)
    }

    /// Prices alone, where nobody asks for derivatives: all that a network of a table has.
    ///
    /// Errors: of a device.
    fn prices(&mut self, weights: (&[f32], &[f32]), inputs: &[f64], prices: &mut [f64]) -> Result<(), LearnError>;

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

/// Makes the engine that a config asks for: what the loop is handed, since this crate has but its own engine.
///
/// Errors: [`LearnError::BadValue`] with the reason where the config's engine cannot be had.
pub type MakeEngine = dyn Fn(&TrainConfig, &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> + Sync;

impl Engine for Native {
    fn name(&self) -> String {
        format!("native, {} threads", rayon::current_num_threads())
    }

    fn profile(&mut self, profiler: Option<Arc<Profiler>>) {
        self.profiler = profiler;
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

    fn gradient_from_the_end(
        &mut self,
        (parameters, _): (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        _step: u64,
        into: (&mut [f32], &mut Ready<'_>),
    ) -> Result<Loss, LearnError> {
        Ok(Native::gradient_from_the_end(self, parameters, batch, scales, into))
    }

    fn prices(
        &mut self,
        (parameters, _): (&[f32], &[f32]),
        inputs: &[f64],
        prices: &mut [f64],
    ) -> Result<(), LearnError> {
        Native::prices(self, parameters, inputs, prices);
        Ok(())
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
