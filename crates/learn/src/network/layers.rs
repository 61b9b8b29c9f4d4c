//! One part of a batch through the layers, forward and back, in buffers that stay in the cache. Columns are rows of the batch.

use super::features::Shown;
use super::gemm::{Matrix, product};
use super::native::{Batch, Loss, LossScales, ROWS, last, weights};
use super::{Architecture, Layout, MOST_INPUTS, Partials, Precision};
use crate::profiling::{Laps, Profiler, Stage};

/// A network at some parameters.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub architecture: &'a Architecture,
    pub layout: &'a Layout,
    pub parameters: &'a [f32],
    /// What the products are given; the weights among the parameters are of it already.
    pub precision: Precision,
    /// Who takes the time, where anyone does.
    pub profiler: Option<&'a Profiler>,
}

impl Network<'_> {
    fn features(&self) -> usize {
        self.architecture.features.count()
    }

    fn inputs(&self) -> usize {
        self.architecture.features.inputs()
    }
}

/// What a hidden layer leaves behind for the way back: units × rows each.
#[derive(Debug)]
struct Layer {
    /// a_l
    activations: Vec<f32>,
    /// f′(z_l)
    first: Vec<f32>,
    /// f″(z_l)
    second: Vec<f32>,
    /// ā_l
    by_activations: Vec<f32>,
    /// z̄_l
    by_sums: Vec<f32>,
    /// What the derivatives' loss adds to ∂/∂z_l.
    extra: Vec<f32>,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    layers: Vec<Layer>,
    /// Features × rows.
    features: Vec<f32>,
    /// ∂r/∂feature, features × rows; then its adjoint.
    by_features: Vec<f32>,
    /// r, and then ∂loss/∂r.
    last: Vec<f32>,
    /// Two of units × rows.
    spare: [Vec<f32>; 2],
    /// s by row.
    deviations: Vec<f64>,
    /// What derivatives want besides; empty without them.
    shown: Vec<Shown>,
}

/// How many derivatives of the nonlinearity a forward pass leaves behind.
#[derive(Clone, Copy)]
enum Orders {
    Values,
    First,
    Second,
}

impl Workspace {
    /// For parts of [`ROWS`] rows at most.
    pub(super) fn new(architecture: &Architecture) -> Self {
        let units = architecture.width * ROWS;
        let layer = |_| Layer {
            activations: vec![0.0; units],
            first: vec![0.0; units],
            second: vec![0.0; units],
            by_activations: vec![0.0; units],
            by_sums: vec![0.0; units],
            extra: vec![0.0; units],
        };
        let features = architecture.features.count() * ROWS;
        Self {
            layers: (0..architecture.depth).map(layer).collect(),
            features: vec![0.0; features],
            by_features: vec![0.0; features],
            last: vec![0.0; ROWS],
            spare: [vec![0.0; units], vec![0.0; units]],
            deviations: vec![0.0; ROWS],
            shown: Vec::with_capacity(ROWS),
        }
    }

    /// Bytes kept for a hidden layer.
    pub(super) fn layer_bytes(&self, layer: usize) -> usize {
        let Layer { activations, first, second, by_activations, by_sums, extra } = &self.layers[layer];
        4 * [activations, first, second, by_activations, by_sums, extra].map(Vec::len).iter().sum::<usize>()
    }

    /// Prices of at most [`ROWS`] rows.
    pub(super) fn prices(&mut self, network: Network<'_>, inputs: &[f64], prices: &mut [f64]) {
        self.show_values(network, inputs);
        self.forward(network, prices.len(), Orders::Values);
        let output = network.architecture.output;
        for (i, row) in inputs.chunks_exact(network.inputs()).enumerate() {
            prices[i] = output.price(f64::from(self.last[i]), row[0], self.deviations[i]);
        }
    }

    /// Prices and derivatives by the inputs of at most [`ROWS`] rows.
    pub(super) fn differentials(
        &mut self,
        network: Network<'_>,
        inputs: &[f64],
        (prices, differentials): (&mut [f64], &mut [f64]),
    ) {
        let count = network.inputs();
        self.show(network, inputs);
        self.forward(network, prices.len(), Orders::First);
        self.backward_of_last(network, prices.len());
        for (i, row) in inputs.chunks_exact(count).enumerate() {
            let (partials, by_input, _) = self.row(network, i, row);
            prices[i] = partials.price;
            differentials[i * count..(i + 1) * count].copy_from_slice(&by_input[..count]);
        }
    }

    /// Adds the gradient of at most [`ROWS`] rows of a batch of which each row is `share`. `final_from` hears, layer after layer, from which
    /// place on nothing is added any more.
    pub(super) fn gradient(
        &mut self,
        network: Network<'_>,
        batch: &Batch<'_>,
        (scales, share): (&LossScales, f64),
        gradient: &mut [f32],
        final_from: &mut dyn FnMut(&[f32], usize),
    ) -> Loss {
        let rows = batch.prices.len();
        let with_differentials = !batch.differentials.is_empty();
        if with_differentials {
            self.show(network, batch.inputs);
            self.forward(network, rows, Orders::Second);
            self.backward_of_last(network, rows);
        } else {
            self.show_values(network, batch.inputs);
            self.forward(network, rows, Orders::First);
        }
        let loss = self.loss(network, batch, scales, share);
        if with_differentials {
            self.forward_of_adjoints(network, rows, gradient);
        }
        self.backward(network, rows, with_differentials, gradient, final_from);
        loss
    }

    /// Features and s alone.
    fn show_values(&mut self, network: Network<'_>, inputs: &[f64]) {
        let features = &network.architecture.features;
        let rows = inputs.chunks_exact(network.inputs()).zip(self.features.chunks_exact_mut(network.features()));
        for ((row, shown), deviation) in rows.zip(&mut self.deviations) {
            *deviation = features.show(row, shown);
        }
    }

    /// Features with their derivatives.
    fn show(&mut self, network: Network<'_>, inputs: &[f64]) {
        let features = &network.architecture.features;
        let count = network.features();
        self.shown.clear();
        self.shown.extend(inputs.chunks_exact(network.inputs()).map(|row| features.shown(row)));
        for (column, shown) in self.features.chunks_exact_mut(count).zip(&self.shown) {
            column.iter_mut().zip(shown.values).for_each(|(feature, value)| *feature = value as f32);
        }
    }

    /// Activations of every layer, with the derivatives of `f` that are asked for, and r.
    fn forward(&mut self, network: Network<'_>, rows: usize, orders: Orders) {
        let Network { architecture, layout, parameters, precision, profiler } = network;
        let (width, used) = (architecture.width, architecture.width * rows);
        let mut laps = Laps::begin(profiler, Stage::Forward);
        precision.round(&mut self.features[..architecture.layer_inputs(0) * rows]);
        for l in 0..architecture.depth {
            let (before, here) = self.layers.split_at_mut(l);
            let here = &mut here[0];
            let given = before.last().map_or(&self.features, |layer| &layer.activations);
            let given = Matrix::new(given, architecture.layer_inputs(l), rows);
            let sums = &mut here.activations[..used];
            for column in sums.chunks_exact_mut(width) {
                column.copy_from_slice(layout.hidden[l].bias.of(parameters));
            }
            product(sums, true, weights(layout, l, parameters), given);
            laps.product(l, (width, rows, architecture.layer_inputs(l)));
            match orders {
                Orders::Values => architecture.activation.values(sums),
                Orders::First => architecture.activation.slopes(sums, &mut here.first[..used]),
                Orders::Second => {
                    architecture.activation.derivatives(sums, &mut here.first[..used], &mut here.second[..used]);
                }
            }
            if architecture.is_residual(l) {
                add(sums, &before[l - 1].activations[..used]);
            }
            precision.round(sums);
            laps.rest(l);
        }
        let activations = &self.layers[architecture.depth - 1].activations;
        last(&mut self.last, layout.out_weight.of(parameters), activations, rows);
        let bias = layout.out_bias.of(parameters)[0];
        self.last[..rows].iter_mut().for_each(|r| *r += bias);
    }

    /// ∂r/∂a_l, ∂r/∂z_l of every layer, and ∂r/∂features.
    fn backward_of_last(&mut self, network: Network<'_>, rows: usize) {
        let Network { architecture, layout, parameters, precision, profiler } = network;
        let (width, used) = (architecture.width, architecture.width * rows);
        let top = architecture.depth - 1;
        let mut laps = Laps::begin(profiler, Stage::Derivatives);
        for column in self.layers[top].by_activations[..used].chunks_exact_mut(width) {
            column.copy_from_slice(layout.out_weight.of(parameters));
        }
        for l in (0..architecture.depth).rev() {
            let (before, here) = self.layers.split_at_mut(l);
            let here = &mut here[0];
            multiply(&mut here.by_sums[..used], &here.by_activations[..used], &here.first[..used]);
            precision.round(&mut here.by_sums[..used]);
            let below = before.last_mut().map_or(&mut self.by_features, |layer| &mut layer.by_activations);
            if architecture.is_residual(l) {
                below[..used].copy_from_slice(&here.by_activations[..used]);
            }
            let by_sums = Matrix::new(&here.by_sums, width, rows);
            laps.rest(l);
            product(below, architecture.is_residual(l), weights(layout, l, parameters).transposed(), by_sums);
            laps.product(l, (architecture.layer_inputs(l), rows, width));
        }
    }

    /// A row's price with its partials, its derivatives by the inputs, and ∂r/∂inputs.
    #[inline]
    fn row(&self, network: Network<'_>, i: usize, row: &[f64]) -> (Partials, [f64; MOST_INPUTS], [f64; MOST_INPUTS]) {
        let (shown, count) = (&self.shown[i], network.features());
        let partials = network.architecture.output.partials(f64::from(self.last[i]), row[0], shown.total_volatility);
        let mut r_by = [0.0; MOST_INPUTS];
        for (by, jacobian) in self.by_features[i * count..(i + 1) * count].iter().zip(&shown.jacobian) {
            r_by.iter_mut().zip(jacobian).for_each(|(sum, jacobian)| *sum += f64::from(*by) * jacobian);
        }
        let by_input = std::array::from_fn(|j| {
            let direct = if j == 0 { partials.m } else { 0.0 };
            partials.r * r_by[j] + partials.s * shown.total_volatility_by[j] + direct
        });
        (partials, by_input, r_by)
    }

    /// The loss; ∂loss/∂r comes in the place of r, ∂loss/∂(∂r/∂features) in that of ∂r/∂features.
    fn loss(&mut self, network: Network<'_>, batch: &Batch<'_>, scales: &LossScales, share: f64) -> Loss {
        let (inputs, features) = (network.inputs(), network.features());
        let mut loss = Loss::default();
        let _laps = Laps::begin(network.profiler, Stage::Loss);
        for (i, row) in batch.inputs.chunks_exact(inputs).enumerate() {
            let share = share * batch.weights.get(i).copied().unwrap_or(1.0);
            if batch.differentials.is_empty() {
                let s = self.deviations[i];
                let partials = network.architecture.output.partials(f64::from(self.last[i]), row[0], s);
                let weight = scales.price(s);
                let error = weight * (partials.price - batch.prices[i]);
                loss.price += share * error * error;
                self.last[i] = (scales.gradient * 2.0 * share * weight * error * partials.r) as f32;
                continue;
            }
            let (partials, by_input, r_by) = self.row(network, i, row);
            let weight = scales.price(self.shown[i].total_volatility);
            let error = weight * (partials.price - batch.prices[i]);
            loss.price += share * error * error;
            let mut by_r = scales.gradient * 2.0 * share * weight * error * partials.r;
            let mut adjoints = [0.0; MOST_INPUTS];
            let shown = &self.shown[i];
            for (j, label) in batch.differentials[i * inputs..(i + 1) * inputs].iter().enumerate() {
                let error = by_input[j] - label;
                let weight = scales.differentials[j];
                loss.differential += share * weight * error * error;
                let adjoint = scales.gradient * 2.0 * share * weight * error;
                let direct = if j == 0 { partials.rm } else { 0.0 };
                by_r += adjoint * (partials.rr * r_by[j] + partials.rs * shown.total_volatility_by[j] + direct);
                adjoints[j] = adjoint * partials.r;
            }
            let column = &mut self.by_features[i * features..(i + 1) * features];
            for (by, jacobian) in column.iter_mut().zip(&shown.jacobian) {
                *by = adjoints.iter().zip(jacobian).map(|(adjoint, jacobian)| adjoint * jacobian).sum::<f64>() as f32;
            }
            self.last[i] = by_r as f32;
        }
        loss
    }

    /// The adjoints of ∂r/∂a_l from below: their part of the gradient, and what they add to ∂/∂z_l.
    fn forward_of_adjoints(&mut self, network: Network<'_>, rows: usize, gradient: &mut [f32]) {
        let Network { architecture, layout, parameters, precision, profiler } = network;
        let (width, used) = (architecture.width, architecture.width * rows);
        let [lower, upper] = &mut self.spare;
        let mut laps = Laps::begin(profiler, Stage::Adjoints);
        precision.round(&mut self.by_features[..architecture.layer_inputs(0) * rows]);
        for l in 0..architecture.depth {
            let here = &mut self.layers[l];
            let given = if l == 0 { &self.by_features } else { &*lower };
            let given = Matrix::new(given, architecture.layer_inputs(l), rows);
            product(upper, false, weights(layout, l, parameters), given);
            let by_sums = Matrix::new(&here.by_sums, width, rows);
            product(layout.hidden[l].weight.of_mut(gradient), true, by_sums, given.transposed());
            laps.product(l, (2 * width, rows, architecture.layer_inputs(l)));
            let (by_activations, first) = (&here.by_activations[..used], &here.first[..used]);
            adjoints(&mut upper[..used], &mut here.extra[..used], by_activations, first, &here.second[..used]);
            if architecture.is_residual(l) {
                add(&mut upper[..used], &lower[..used]);
            }
            precision.round(&mut upper[..used]);
            laps.rest(l);
            std::mem::swap(lower, upper);
        }
        let out = layout.out_weight.of_mut(gradient);
        for column in lower[..used].chunks_exact(width) {
            add(out, column);
        }
    }

    /// From ∂loss/∂r down: the rest of the gradient.
    fn backward(
        &mut self,
        network: Network<'_>,
        rows: usize,
        with_extra: bool,
        gradient: &mut [f32],
        final_from: &mut dyn FnMut(&[f32], usize),
    ) {
        let Network { architecture, layout, parameters, precision, profiler } = network;
        let (width, used) = (architecture.width, architecture.width * rows);
        let mut laps = Laps::begin(profiler, Stage::Backward);
        precision.round(&mut self.last[..rows]);
        let by_last = &self.last[..rows];
        layout.out_bias.of_mut(gradient)[0] += by_last.iter().sum::<f32>();
        let top = Matrix::new(&self.layers[architecture.depth - 1].activations, width, rows);
        product(layout.out_weight.of_mut(gradient), true, top, Matrix::new(by_last, rows, 1));
        let [upper, lower] = &mut self.spare;
        let weight = layout.out_weight.of(parameters);
        for (column, by_r) in upper[..used].chunks_exact_mut(width).zip(by_last) {
            column.iter_mut().zip(weight).for_each(|(by, weight)| *by = by_r * weight);
        }
        for l in (0..architecture.depth).rev() {
            let (before, here) = self.layers.split_at_mut(l);
            let here = &mut here[0];
            // ∂/∂z_l in the place of f″, which is not or no longer wanted.
            let by_sums = &mut here.second[..used];
            multiply(by_sums, &upper[..used], &here.first[..used]);
            if with_extra {
                add(by_sums, &here.extra[..used]);
            }
            precision.round(by_sums);
            let bias = layout.hidden[l].bias.of_mut(gradient);
            for column in by_sums.chunks_exact(width) {
                add(bias, column);
            }
            let given = before.last().map_or(&self.features, |layer| &layer.activations);
            let given = Matrix::new(given, architecture.layer_inputs(l), rows);
            let by_sums = Matrix::new(by_sums, width, rows);
            laps.rest(l);
            product(layout.hidden[l].weight.of_mut(gradient), true, by_sums, given.transposed());
            laps.product(l, (width, architecture.layer_inputs(l), rows));
            final_from(gradient, layout.hidden[l].weight.offset);
            if l > 0 {
                if architecture.is_residual(l) {
                    lower[..used].copy_from_slice(&upper[..used]);
                }
                product(lower, architecture.is_residual(l), weights(layout, l, parameters).transposed(), by_sums);
                laps.product(l, (architecture.layer_inputs(l), rows, width));
                std::mem::swap(upper, lower);
            }
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn add(sum: &mut [f32], more: &[f32]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn multiply(out: &mut [f32], a: &[f32], b: &[f32]) {
    out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = a * b);
}

/// q becomes q f′, `extra` q ā f″.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn adjoints(q: &mut [f32], extra: &mut [f32], by_activations: &[f32], first: &[f32], second: &[f32]) {
    let given = by_activations.iter().zip(first).zip(second);
    for ((q, extra), ((by, first), second)) in q.iter_mut().zip(extra).zip(given) {
        *extra = *q * by * second;
        *q *= first;
    }
}
