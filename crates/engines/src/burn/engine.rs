//! Burn as the loop's engine: any network of a config, on any back end.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use zomma_learn::LearnError;
use zomma_learn::network::{Architecture, Batch, Layout, Loss, LossScales, Precision};
use zomma_learn::profiling::{Profiler, Span, Stage};
use zomma_learn::training::Engine;

use super::network::{BurnNetwork, Mode, Shown, losses};

/// Rows that are priced at a time.
const ROWS: usize = 8192;
/// Share of the running statistics that a step replaces.
const MOMENTUM: f32 = 0.1;

/// The engine on one device of a back end.
pub(crate) struct BurnEngine<B: Backend> {
    name: String,
    architecture: Architecture,
    layout: Layout,
    seed: u64,
    /// Of a gradient's products.
    precision: Precision,
    device: B::Device,
    profiler: Option<Arc<Profiler>>,
}

/// A stage on a device. What was handed out before it is finished first, and it ends with its own work: only then is its time its own.
struct Stretch<'a, B: Backend> {
    device: &'a B::Device,
    _span: Span<'a>,
}

impl<B: Backend> Drop for Stretch<'_, B> {
    fn drop(&mut self) {
        // A device that is lost is told by the next call that has an answer.
        let _ = B::sync(self.device);
    }
}

/// A stage, where anyone takes its time.
fn stretch<'a, B: Backend>(
    profiler: Option<&'a Profiler>,
    device: &'a B::Device,
    stage: Stage,
) -> Option<Stretch<'a, B>> {
    profiler.map(|profiler| {
        let _ = B::sync(device);
        Stretch { device, _span: profiler.span(stage) }
    })
}

impl<B: Backend> BurnEngine<B> {
    /// `seed` is dropout's.
    pub(crate) fn new(name: &str, architecture: &Architecture, seed: u64, device: B::Device) -> Self {
        let layout = architecture.layout();
        let precision = Precision::F32;
        Self { name: name.into(), architecture: architecture.clone(), layout, seed, precision, device, profiler: None }
    }

    /// With gradients in another precision, which the device must have. Prices and derivatives are f32's in each of them.
    pub(crate) fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }
}

fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

impl<B: Backend> Engine for BurnEngine<B> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn profile(&mut self, profiler: Option<Arc<Profiler>>) {
        self.profiler = profiler;
    }

    fn gradient(
        &mut self,
        (parameters, statistics): (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        step: u64,
        gradient: &mut [f32],
    ) -> Result<Loss, LearnError> {
        let weights = (parameters, &*statistics);
        let Self { architecture, layout, precision, device, profiler, .. } = self;
        let profiler = profiler.as_deref();
        let upload = stretch::<B>(profiler, device, Stage::Upload);
        let network = BurnNetwork::<Autodiff<B>>::new(architecture, layout, weights, device, Tensor::require_grad)
            .in_precision(*precision);
        let shown = Shown::new(architecture, batch.inputs, device);
        drop(upload);
        let mode = Mode::Training(self.seed.wrapping_add(step));
        let forward = stretch::<B>(profiler, device, Stage::Forward);
        let mut prices = network.prices(&shown, mode, !batch.differentials.is_empty());
        let moved = std::mem::take(&mut prices.statistics);
        let (price, differential) = losses(architecture, prices, &shown, batch, scales);
        let total = differential.clone().map_or(price.clone(), |differential| differential + price.clone());
        drop(forward);
        let backward = stretch::<B>(profiler, device, Stage::Backward);
        let gradients = (total * scales.gradient).backward();
        for (place, parameter) in layout.places().into_iter().zip(network.parameters()) {
            match parameter.grad(&gradients) {
                Some(found) => place.of_mut(gradient).copy_from_slice(&numbers(found)),
                None => place.of_mut(gradient).fill(0.0),
            }
        }
        drop(backward);
        let rows = batch.prices.len() as f32;
        let width = architecture.width;
        for (kept, [mean, variance]) in statistics.chunks_exact_mut(2 * width).zip(moved) {
            let (kept_mean, kept_variance) = kept.split_at_mut(width);
            let blend = |kept: &mut f32, found: f32| *kept += MOMENTUM * (found - *kept);
            kept_mean.iter_mut().zip(numbers(mean)).for_each(|(kept, found)| blend(kept, found));
            let unbiased = rows / (rows - 1.0).max(1.0);
            kept_variance.iter_mut().zip(numbers(variance)).for_each(|(kept, found)| blend(kept, found * unbiased));
        }
        let scalar = |tensor| f64::from(numbers::<_, 1>(tensor)[0]);
        Ok(Loss { price: scalar(price), differential: differential.map_or(0.0, scalar) })
    }

    fn prices(&mut self, weights: (&[f32], &[f32]), inputs: &[f64], prices: &mut [f64]) -> Result<(), LearnError> {
        let Self { architecture, layout, device, .. } = self;
        let network = BurnNetwork::<B>::new(architecture, layout, weights, device, |tensor| tensor);
        let count = architecture.features.inputs();
        for (inputs, prices) in inputs.chunks(ROWS * count).zip(prices.chunks_mut(ROWS)) {
            let found = network.prices(&Shown::new(architecture, inputs, device), Mode::Pricing, false);
            prices.iter_mut().zip(numbers(found.prices)).for_each(|(out, x)| *out = f64::from(x));
        }
        Ok(())
    }

    fn differentials(
        &mut self,
        weights: (&[f32], &[f32]),
        inputs: &[f64],
        (prices, differentials): (&mut [f64], &mut [f64]),
    ) -> Result<(), LearnError> {
        let Self { architecture, layout, device, .. } = self;
        let network = BurnNetwork::<B>::new(architecture, layout, weights, device, |tensor| tensor);
        let count = architecture.features.model.input_names().len();
        let outputs = prices.chunks_mut(ROWS).zip(differentials.chunks_mut(ROWS * count));
        for (inputs, (prices, differentials)) in inputs.chunks(ROWS * count).zip(outputs) {
            let shown = Shown::new(architecture, inputs, device);
            let found = network.prices(&shown, Mode::Pricing, true);
            prices.iter_mut().zip(numbers(found.prices)).for_each(|(out, x)| *out = f64::from(x));
            let by_input = found.differentials.map(numbers).unwrap_or_default();
            differentials.iter_mut().zip(by_input).for_each(|(out, x)| *out = f64::from(x));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
