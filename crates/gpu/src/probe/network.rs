//! The forward pass of a small dense network in f32: on the processor by `gemm`, on a device by `cubek-matmul` and one kernel for bias
//! and activation, and in f64 by plain loops, which the other two are checked against.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::element::uniform;
use super::host::{Shape, Threads, multiply};
use super::matmul::enqueue;
use super::{BLOCK_THREADS, Fetch, ProbeError, blocks, finish};
use crate::{Compute, GpuError, Job, Session};

/// sqrt(2/π), of GELU's tanh form.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
/// The cubic's coefficient in GELU's tanh form (Hendrycks and Gimpel 2016, section 2).
const GELU_CUBIC: f64 = 0.044_715;

/// What follows each layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x·Φ(x) in its tanh form: x/2·(1 + tanh(√(2/π)(x + 0.044715 x³))).
    Gelu,
    /// x.
    Identity,
}

impl Activation {
    /// As tables print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::Identity => "identity",
        }
    }

    fn of_f32(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Gelu => {
                let inner = SQRT_2_OVER_PI as f32 * (x + GELU_CUBIC as f32 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Identity => x,
        }
    }

    fn of_f64(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Gelu => 0.5 * x * (1.0 + (SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x)).tanh()),
            Self::Identity => x,
        }
    }
}

/// One layer: weights [inputs][outputs] row by row, then a bias for each output.
#[derive(Clone, Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

/// A dense network with weights in [-1, 1) over the root of the inputs, so that values keep their size from layer to layer.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

impl Network {
    /// A network with layers of these widths, the first being its inputs; the same for a seed on every machine.
    ///
    /// # Panics
    ///
    /// With fewer than two widths.
    pub fn new(widths: &[usize], activation: Activation, seed: u64) -> Self {
        assert!(widths.len() >= 2, "inputs and outputs");
        let last = widths.len() - 2;
        let layer = |(place, pair): (usize, &[usize])| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let scale = (3.0 / inputs as f64).sqrt() as f32;
            let mut weights: Vec<f32> = uniform(inputs * outputs, seed + 2 * place as u64);
            weights.iter_mut().for_each(|weight| *weight *= scale);
            let bias = uniform(outputs, seed + 2 * place as u64 + 1);
            Layer {
                inputs,
                outputs,
                weights,
                bias,
                activation: if place == last { Activation::Identity } else { activation },
            }
        };
        Self { layers: widths.windows(2).enumerate().map(layer).collect() }
    }

    /// Values of one input row.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Values of one output row.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Multiplications and additions of one row's matrix products.
    pub fn operations(&self) -> f64 {
        self.layers.iter().map(|layer| 2.0 * (layer.inputs * layer.outputs) as f64).sum()
    }

    /// One row in f64 by plain loops, and for each output the sum of the magnitudes that its last sum adds.
    pub fn twin(&self, row: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let mut values: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let mut magnitudes = vec![];
        for layer in &self.layers {
            let term = |i: usize, j: usize| values[i] * f64::from(layer.weights[i * layer.outputs + j]);
            let sums: Vec<(f64, f64)> = (0..layer.outputs)
                .map(|j| {
                    let bias = f64::from(layer.bias[j]);
                    let sum: f64 = (0..layer.inputs).map(|i| term(i, j)).sum();
                    let magnitude: f64 = (0..layer.inputs).map(|i| term(i, j).abs()).sum();
                    (sum + bias, magnitude + bias.abs())
                })
                .collect();
            magnitudes = sums.iter().map(|(_, magnitude)| *magnitude).collect();
            values = sums.iter().map(|(sum, _)| layer.activation.of_f64(*sum)).collect();
        }
        (values, magnitudes)
    }

    /// How far outputs are off, at most, over the sampled rows: multiples of f32's ε times the magnitude of the last sum.
    pub fn worst_error(&self, rows: &[f32], outputs: &[f32], samples: usize) -> f64 {
        let count = rows.len() / self.inputs();
        let step = (count / samples.max(1)).max(1);
        (0..count).step_by(step).fold(0.0, |worst, at| {
            let (expected, magnitudes) = self.twin(&rows[at * self.inputs()..][..self.inputs()]);
            let found = &outputs[at * self.outputs()..][..self.outputs()];
            expected.iter().zip(&magnitudes).zip(found).fold(worst, |worst: f64, ((expected, magnitude), found)| {
                let error = (f64::from(*found) - expected).abs() / (f64::from(f32::EPSILON) * magnitude);
                if error.is_nan() { f64::INFINITY } else { worst.max(error) }
            })
        })
    }
}

/// The network on the processor, with the space for a batch of fixed size.
#[derive(Debug)]
pub struct HostNetwork<'a> {
    network: &'a Network,
    rows: usize,
    /// The values between layers, and at the end.
    values: Vec<Vec<f32>>,
}

impl<'a> HostNetwork<'a> {
    /// Space for batches of `rows` rows.
    pub fn new(network: &'a Network, rows: usize) -> Self {
        Self { network, rows, values: network.layers.iter().map(|layer| vec![0.0; rows * layer.outputs]).collect() }
    }

    /// Evaluates a batch and gives its outputs, row by row.
    pub fn run(&mut self, batch: &[f32], threads: Threads) -> &[f32] {
        for (place, layer) in self.network.layers.iter().enumerate() {
            let (before, from_here) = self.values.split_at_mut(place);
            let input = before.last().map_or(batch, Vec::as_slice);
            let out = &mut from_here[0];
            multiply(
                Shape { rows: self.rows, inner: layer.inputs, columns: layer.outputs },
                input,
                &layer.weights,
                out,
                threads,
            );
            for row in out.chunks_exact_mut(layer.outputs) {
                for (value, bias) in row.iter_mut().zip(&layer.bias) {
                    *value = layer.activation.of_f32(*value + bias);
                }
            }
        }
        self.values.last().map_or(&[], Vec::as_slice)
    }
}

/// The network and one batch on a device.
pub struct DeviceNetwork<'a> {
    compute: &'a Compute,
    network: &'a Network,
    rows: usize,
    batch: Handle,
    layers: Vec<LayerBuffers>,
}

/// Weights, bias and outputs of one layer on a device.
struct LayerBuffers {
    weights: Handle,
    bias: Handle,
    values: Handle,
}

impl<'a> DeviceNetwork<'a> {
    /// Brings weights and batch to the device.
    ///
    /// # Errors
    ///
    /// Where the device fails or lacks room.
    pub fn new(compute: &'a Compute, network: &'a Network, batch: &[f32]) -> Result<Self, GpuError> {
        let rows = batch.len() / network.inputs();
        let (batch, layers) = compute.run(Ready { network, batch, rows })?;
        Ok(Self { compute, network, rows, batch, layers })
    }

    /// Evaluates the batch once and waits for the end; everything stays on the device.
    ///
    /// # Errors
    ///
    /// Where the device fails, or the library has no product for this size there.
    pub fn run(&self) -> Result<(), ProbeError> {
        self.compute.run(Forward(self))?.map_err(ProbeError::Unavailable)
    }

    /// The outputs, row by row.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn result(&self) -> Result<Vec<f32>, GpuError> {
        match self.layers.last() {
            Some(layer) => self.compute.run(Fetch::new(&layer.values)),
            None => Ok(Vec::new()),
        }
    }
}

struct Ready<'a> {
    network: &'a Network,
    batch: &'a [f32],
    rows: usize,
}

impl Job for Ready<'_> {
    type Output = (Handle, Vec<LayerBuffers>);

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let layer = |layer: &Layer| {
            Ok(LayerBuffers {
                weights: session.upload(&layer.weights)?,
                bias: session.upload(&layer.bias)?,
                values: session.allocate::<f32>(self.rows * layer.outputs)?,
            })
        };
        let layers: Result<Vec<_>, GpuError> = self.network.layers.iter().map(layer).collect();
        Ok((session.upload(self.batch)?, layers?))
    }
}

struct Forward<'a>(&'a DeviceNetwork<'a>);

impl Job for Forward<'_> {
    type Output = Result<(), String>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let DeviceNetwork { network, rows, batch, layers, .. } = self.0;
        let mut input = batch;
        for (layer, buffers) in network.layers.iter().zip(layers) {
            let product = enqueue::<f32, R>(
                session,
                (input, *rows, layer.inputs),
                (&buffers.weights, layer.inputs, layer.outputs),
                (&buffers.values, *rows, layer.outputs),
            );
            if let Err(why) = product {
                return Ok(Err(why));
            }
            let count = rows * layer.outputs;
            // SAFETY: the buffers hold rows·outputs and `outputs` values of f32; threads past the end do nothing.
            unsafe {
                bias_and_activation::launch_unchecked::<R>(
                    session.client(),
                    blocks(count),
                    CubeDim::new_1d(BLOCK_THREADS),
                    ArrayArg::from_raw_parts(buffers.values.clone(), count),
                    ArrayArg::from_raw_parts(buffers.bias.clone(), layer.outputs),
                    count as u32,
                    layer.outputs as u32,
                    layer.activation == Activation::Relu,
                    layer.activation == Activation::Gelu,
                );
            }
            input = &buffers.values;
        }
        Ok(finish(session))
    }
}

/// values = activation(values + bias), one value a thread.
#[cube(launch_unchecked)]
fn bias_and_activation(
    values: &mut Array<f32>,
    bias: &Array<f32>,
    count: u32,
    columns: u32,
    #[comptime] relu: bool,
    #[comptime] gelu: bool,
) {
    let at = ABSOLUTE_POS;
    if at < count as usize {
        let x = values[at] + bias[at % columns as usize];
        if relu {
            values[at] = max(x, 0.0f32);
        } else if gelu {
            let inner = comptime!(SQRT_2_OVER_PI as f32) * (x + comptime!(GELU_CUBIC as f32) * x * x * x);
            values[at] = 0.5f32 * x * (1.0f32 + inner.tanh());
        } else {
            values[at] = x;
        }
    }
}

/// The CUDA sources of this file's kernel, by activation.
#[cfg(test)]
pub(super) fn sources<R: Runtime>(session: &Session<'_, R>, out: &mut Vec<crate::cuda_source::Source>) {
    use crate::cuda_source::{array, settings, source};
    for (name, relu, gelu) in [("bias", false, false), ("bias_relu", true, false), ("bias_gelu", false, true)] {
        let (settings, client) = (settings(BLOCK_THREADS), session.client().clone());
        let kernel =
            bias_and_activation::BiasAndActivation::<R>::new(settings, client, array(), array(), (), (), relu, gelu);
        out.push((name.into(), source(kernel).unwrap()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_have_their_published_values() {
        assert_eq!([Activation::Relu.of_f64(-1.0), Activation::Relu.of_f64(2.0)], [0.0, 2.0]);
        // The tanh form at 1, by PyTorch: torch.nn.functional.gelu(x, approximate="tanh").
        assert!((Activation::Gelu.of_f64(1.0) - 0.841_191_990_608_276_8).abs() < 1e-12);
        // Within 5e-4 of the exact x·Φ(x), whose value at 1 is Φ(1).
        assert!((Activation::Gelu.of_f64(1.0) - 0.841_344_746_068_542_9).abs() < 5e-4);
        for x in [-9.0, -1.5, 0.0, 0.3, 4.0] {
            for activation in [Activation::Relu, Activation::Gelu, Activation::Identity] {
                let (low, high) = (f64::from(activation.of_f32(x)), activation.of_f64(f64::from(x)));
                assert!((low - high).abs() <= 1e-6 * high.abs().max(1.0), "{activation:?} {x}: {low} {high}");
            }
        }
    }

    #[test]
    fn the_processor_agrees_with_the_twin_for_any_batch() {
        for activation in [Activation::Relu, Activation::Gelu] {
            let network = Network::new(&[7, 33, 16, 2], activation, 5);
            for rows in [1, 2, 65] {
                let batch = uniform::<f32>(rows * 7, 11);
                for threads in [Threads::One, Threads::All] {
                    let outputs = HostNetwork::new(&network, rows).run(&batch, threads).to_vec();
                    assert_eq!(outputs.len(), rows * 2);
                    let error = network.worst_error(&batch, &outputs, rows);
                    assert!(error < 32.0, "{activation:?} {rows} {threads:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn values_keep_their_size_through_the_layers() {
        let network = Network::new(&[64, 256, 256, 1], Activation::Relu, 1);
        let (values, _) = network.twin(&uniform::<f32>(64, 3));
        assert!((0.001..100.0).contains(&values[0].abs()), "{values:?}");
        assert_eq!(network.operations(), 2.0 * (64.0 * 256.0 + 256.0 * 256.0 + 256.0));
    }

    #[test]
    fn a_wrong_output_is_seen() {
        let network = Network::new(&[4, 8, 1], Activation::Gelu, 1);
        let batch = uniform::<f32>(40, 3);
        let mut outputs = HostNetwork::new(&network, 10).run(&batch, Threads::One).to_vec();
        outputs[7] *= 1.001;
        assert!(network.worst_error(&batch, &outputs, 10) > 100.0);
        outputs[7] = f32::NAN;
        assert_eq!(network.worst_error(&batch, &outputs, 10), f64::INFINITY);
    }
}
