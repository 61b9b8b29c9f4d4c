//! Our own engine for CPUs: values, derivatives by the inputs, and the gradient of a loss of both, by hand over one matrix product.
//!
//! Method  z_l = W_l a_(l−1) + b_l, a_l = f(z_l) (+ a_(l−1) where residual), r = w·a_L + b. The derivatives by the features come from one
//!         backward pass (the twin network of B. Huge and A. Savine, "Differential Machine Learning", 2020): ā_L = w, z̄_l = ā_l f′(z_l),
//!         ā_(l−1) = W_lᵀ z̄_l (+ ā_l). Their adjoints t run forward: t_0 given, q_l = W_l t_(l−1), t_l = q_l f′(z_l) (+ t_(l−1)), with
//!         ∂/∂W_l = z̄_l t_(l−1)ᵀ and q_l ā_l f″(z_l) more for z_l; then the backward pass of the value takes up the rest. Six products
//!         of a layer against three without derivatives, whatever the number of inputs.
//! Parts   a batch is cut into parts of [`ROWS`] rows whose numbers stay in the cache; parts are computed in parallel and summed in their
//!         order, so that the result does not depend on the number of threads

use std::sync::Arc;

use rayon::prelude::*;

use super::gemm::{Matrix, product};
use super::layers::{Network, Workspace};
use super::workspaces::Workspaces;
use super::{Architecture, Layout, MOST_INPUTS, Precision};
use crate::profiling::Profiler;

/// Rows of a part.
pub(super) const ROWS: usize = 128;

/// Labelled rows, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Inputs of every row, in the model's order.
    pub inputs: &'a [f64],
    /// The undiscounted call over the strike.
    pub prices: &'a [f64],
    /// Derivatives of the price by the inputs, row by row; empty where they are not learned.
    pub differentials: &'a [f64],
    /// What each row's error counts, 1 in the mean; empty where every row counts as much as another.
    pub weights: &'a [f64],
}

impl<'a> Batch<'a> {
    /// Some of its rows, which have so many inputs.
    fn part(&self, inputs: usize, rows: std::ops::Range<usize>) -> Self {
        let by_input = rows.start * inputs..rows.end * inputs;
        let differentials = if self.differentials.is_empty() { &[][..] } else { &self.differentials[by_input.clone()] };
        let weights = self.weights.get(rows.clone()).unwrap_or(&[]);
        Self { inputs: &self.inputs[by_input], prices: &self.prices[rows], differentials, weights }
    }
}

/// Hears a gradient, and from which place on it is final.
pub type Ready<'a> = dyn FnMut(&[f32], usize) + Send + 'a;

/// What a step's error is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Mean square of the price's error in its scale.
    pub price: f64,
    /// Weighted mean square of the derivatives' errors.
    pub differential: f64,
}

impl Loss {
    /// Both together: what is minimised.
    pub fn total(&self) -> f64 {
        self.price + self.differential
    }
}

/// How errors are weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScales {
    /// Whether the price's error is counted in the row's deviation s (at least 0.01), else in strikes.
    pub by_total_volatility: bool,
    /// Weight of the square of each derivative's error, the share of the whole included; 0 where it is not learned.
    pub differentials: [f64; MOST_INPUTS],
    /// What the gradient is multiplied by, so that its parts stay above what [`Precision::F16`] tells from 0; the loss itself is not.
    pub gradient: f64,
}

impl LossScales {
    /// What the price's error is multiplied by.
    #[inline]
    pub fn price(&self, total_volatility: f64) -> f64 {
        if self.by_total_volatility { 1.0 / total_volatility.max(0.01) } else { 1.0 }
    }
}

/// The engine: the architecture and room for the parts' gradients.
#[derive(Debug)]
pub struct Native {
    architecture: Architecture,
    layout: Layout,
    /// What the products of a gradient are given.
    precision: Precision,
    /// The parameters with weights of that precision; empty for f32.
    rounded: Vec<f32>,
    gradients: Vec<f32>,
    workspaces: Workspaces,
    /// Who takes the time, where anyone does.
    pub(crate) profiler: Option<Arc<Profiler>>,
}

impl Native {
    /// Of a plain network: no norm and no dropout (see [`Architecture::is_plain`]).
    pub fn new(architecture: Architecture) -> Self {
        let layout = architecture.layout();
        Self {
            architecture,
            layout,
            precision: Precision::F32,
            rounded: Vec::new(),
            gradients: Vec::new(),
            workspaces: Workspaces::default(),
            profiler: None,
        }
    }

    /// With gradients in another precision. Prices and derivatives without a gradient are f32's in each of them.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What the products of a gradient are given.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The parameters for a gradient's products: the weights rounded, the biases as they are.
    fn round_weights(&mut self, parameters: &[f32]) {
        self.rounded.clear();
        if self.precision == Precision::F32 {
            return;
        }
        self.rounded.extend_from_slice(parameters);
        let weights = self.layout.hidden.iter().map(|hidden| &hidden.weight).chain([&self.layout.out_weight]);
        weights.for_each(|weight| self.precision.round(weight.of_mut(&mut self.rounded)));
    }

    #[cfg(test)]
    pub(super) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    #[cfg(test)]
    pub(super) fn workspaces(&self) -> &Workspaces {
        &self.workspaces
    }

    /// The loss of a batch, and its gradient into `gradient` (the layout's length), which is overwritten.
    pub fn gradient(
        &mut self,
        parameters: &[f32],
        batch: &Batch<'_>,
        scales: &LossScales,
        gradient: &mut [f32],
    ) -> Loss {
        let parts = batch.prices.len().div_ceil(ROWS);
        self.round_weights(parameters);
        self.parts(parameters, batch, scales, gradient, parts)
    }

    /// As [`Self::gradient`], to the same bits. `ready` hears from which place on the gradient is final, while the rest of it is computed:
    /// layer after layer of the last part, where one thread computes. Several share out whole parts, and finish all layers together.
    pub fn gradient_from_the_end(
        &mut self,
        parameters: &[f32],
        batch: &Batch<'_>,
        scales: &LossScales,
        (gradient, ready): (&mut [f32], &mut Ready<'_>),
    ) -> Loss {
        let rows = batch.prices.len();
        let parts = rows.div_ceil(ROWS);
        if parts < 2 || rayon::current_num_threads() > 1 {
            return self.gradient(parameters, batch, scales, gradient);
        }
        self.round_weights(parameters);
        let first = self.parts(parameters, batch, scales, gradient, parts - 1);
        let Self { architecture, layout, precision, rounded, gradients, workspaces, profiler } = self;
        let inputs = architecture.features.inputs();
        let parameters = if rounded.is_empty() { parameters } else { rounded };
        let network =
            Network { architecture, layout, parameters, precision: *precision, profiler: profiler.as_deref() };
        let part = &mut gradients[..layout.parameters()];
        part.fill(0.0);
        let mut unsummed = part.len();
        let mut add = |part: &[f32], from: usize| {
            gradient[from..unsummed].iter_mut().zip(&part[from..unsummed]).for_each(|(sum, part)| *sum += part);
            unsummed = from;
            ready(gradient, from);
        };
        let batch = batch.part(inputs, (parts - 1) * ROWS..rows);
        let last =
            workspaces.borrow(architecture).gradient(network, &batch, (scales, 1.0 / rows as f64), part, &mut add);
        Loss { price: first.price + last.price, differential: first.differential + last.differential }
    }

    /// The loss and the gradient of the first so many parts of a batch, with the weights that [`Self::round_weights`] left.
    fn parts(
        &mut self,
        parameters: &[f32],
        batch: &Batch<'_>,
        scales: &LossScales,
        gradient: &mut [f32],
        parts: usize,
    ) -> Loss {
        let Self { architecture, layout, precision, rounded, gradients, workspaces, profiler } = self;
        let parameters = if rounded.is_empty() { parameters } else { rounded };
        let (count, inputs) = (layout.parameters(), architecture.features.inputs());
        let rows = batch.prices.len();
        gradients.resize(rows.div_ceil(ROWS) * count, 0.0);
        let share = 1.0 / rows as f64;
        let network =
            Network { architecture, layout, parameters, precision: *precision, profiler: profiler.as_deref() };
        let losses: Vec<Loss> = gradients[..parts * count]
            .par_chunks_mut(count)
            .enumerate()
            .map_init(
                || workspaces.borrow(architecture),
                |workspace, (part, gradient)| {
                    let part = batch.part(inputs, part * ROWS..rows.min((part + 1) * ROWS));
                    gradient.fill(0.0);
                    workspace.gradient(network, &part, (scales, share), gradient, &mut |_, _| ())
                },
            )
            .collect();
        let (first, rest) = gradients[..parts * count].split_at(count);
        gradient.copy_from_slice(first);
        for part in rest.chunks_exact(count) {
            gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        losses.iter().fold(Loss::default(), |sum, part| Loss {
            price: sum.price + part.price,
            differential: sum.differential + part.differential,
        })
    }

    /// Prices of rows of inputs.
    pub fn prices(&self, parameters: &[f32], inputs: &[f64], prices: &mut [f64]) {
        let Self { architecture, layout, workspaces, .. } = self;
        let network = Network { architecture, layout, parameters, precision: Precision::F32, profiler: None };
        let count = architecture.features.inputs();
        prices.par_chunks_mut(ROWS).zip(inputs.par_chunks(ROWS * count)).for_each_init(
            || workspaces.borrow(architecture),
            |workspace, (prices, inputs)| workspace.prices(network, inputs, prices),
        );
    }

    /// Prices, and derivatives by the inputs row by row.
    pub fn differentials(&self, parameters: &[f32], inputs: &[f64], prices: &mut [f64], differentials: &mut [f64]) {
        let Self { architecture, layout, workspaces, .. } = self;
        let network = Network { architecture, layout, parameters, precision: Precision::F32, profiler: None };
        let count = architecture.features.inputs();
        let outputs = prices.par_chunks_mut(ROWS).zip(differentials.par_chunks_mut(ROWS * count));
        outputs.zip(inputs.par_chunks(ROWS * count)).for_each_init(
            || workspaces.borrow(architecture),
            |workspace, ((prices, differentials), inputs)| {
                workspace.differentials(network, inputs, (prices, differentials));
            },
        );
    }
}

/// Operations a nanosecond of the forward product of a layer of `width` units and `inputs` numbers, over the rows of a part, on one thread
/// with everything in the cache: the best of some repeats.
pub(crate) fn measured_product(width: usize, inputs: usize, profiler: &Profiler) -> f64 {
    /// Products of a repeat, and repeats.
    const PRODUCTS: usize = 20;
    const REPEATS: usize = 15;
    let (weight, given) = (vec![0.5; width * inputs], vec![0.25; inputs * ROWS]);
    let mut out = vec![0.0; width * ROWS];
    let nanoseconds = (0..REPEATS).map(|_| {
        let from = profiler.nanoseconds();
        for _ in 0..PRODUCTS {
            product(&mut out, false, Matrix::new(&weight, width, inputs), Matrix::new(&given, inputs, ROWS));
            std::hint::black_box(&mut out);
        }
        profiler.nanoseconds().saturating_sub(from)
    });
    let least = nanoseconds.min().unwrap_or(1).max(1);
    (2 * PRODUCTS * width * inputs * ROWS) as f64 / least as f64
}

/// Bytes that a thread keeps for each hidden layer.
pub(crate) fn workspace_bytes(architecture: &Architecture) -> Vec<usize> {
    let workspace = Workspace::new(architecture);
    (0..architecture.depth).map(|layer| workspace.layer_bytes(layer)).collect()
}

/// A layer's weights, units × inputs, as the products want them.
pub(super) fn weights<'a>(layout: &Layout, layer: usize, parameters: &'a [f32]) -> Matrix<'a> {
    let weight = &layout.hidden[layer].weight;
    Matrix::new(weight.of(parameters), weight.shape[1], weight.shape[0])
}

/// The last layer: w·a + b of every row, without b.
pub(super) fn last(out: &mut [f32], weight: &[f32], activations: &[f32], rows: usize) {
    let width = weight.len();
    product(out, false, Matrix::new(weight, 1, width), Matrix::new(activations, width, rows));
}

#[cfg(test)]
mod tests;
