//! The network in Burn's tensors, generic over the back end: every layer that a config can name, on any device.
//!
//! Method  as [`zomma_learn::network::Native`], rows by units: the derivatives by the features come from a backward pass written in tensor operations, and
//!         Burn's automatic differentiation goes through both passes for the gradient. Batch normalisation's statistics do not move with a
//!         row's inputs in it, in training as outside.

use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use burn::tensor::{FloatDType, Tensor, TensorData};

use zomma_learn::config::Normalisation;
use zomma_learn::data::uniform;
use zomma_learn::network::{
    Activation, Architecture, Batch, HELD, Layout, LossScales, MOST_INPUTS, NORM_EPSILON, OutputTransform, Place,
    Precision,
};

/// Keeps a row at the money whose option is worth nothing from dividing by 0.
const LEAST_SQUARE: f64 = 1e-24;

/// Rows as tensors: what the features are, and how prices hang on them.
pub(super) struct Shown<B: Backend> {
    /// Rows × features.
    features: Tensor<B, 2>,
    /// Rows × features × inputs.
    jacobian: Tensor<B, 3>,
    /// Rows × 1: forward over strike less 1, and the deviation s.
    moneyness: Tensor<B, 2>,
    less_one: Tensor<B, 2>,
    deviation: Tensor<B, 2>,
    /// Rows × inputs: ∂s/∂input.
    deviation_by: Tensor<B, 2>,
    /// 1 × inputs: 1 for the moneyness, 0 for the rest.
    is_moneyness: Tensor<B, 2>,
}

/// Normalised sums, and what their derivatives are scaled by and what they carry.
type Normalised<B> = (Tensor<B, 2>, Option<(Tensor<B, 2>, Tensor<B, 2>)>);

impl<B: Backend> Shown<B> {
    /// Rows of inputs on a device.
    pub(super) fn new(architecture: &Architecture, inputs: &[f64], device: &B::Device) -> Self {
        let count = architecture.features.inputs();
        let rows = inputs.len() / count;
        if architecture.features.table.is_some() {
            return Self::of_table(architecture, inputs, rows, device);
        }
        let features = architecture.features.kinds.len();
        let [mut values, mut jacobian, mut moneyness, mut less_one, mut deviation, mut deviation_by] =
            [features, features * count, 1, 1, 1, count].map(|width| Vec::with_capacity(rows * width));
        for row in inputs.chunks_exact(count) {
            let shown = architecture.features.shown(row);
            values.extend(shown.values[..features].iter().map(|x| *x as f32));
            for by in &shown.jacobian[..features] {
                jacobian.extend(by[..count].iter().map(|x| *x as f32));
            }
            moneyness.push(row[0] as f32);
            less_one.push((row[0] - 1.0) as f32);
            deviation.push(shown.total_volatility as f32);
            deviation_by.extend(shown.total_volatility_by[..count].iter().map(|x| *x as f32));
        }
        let matrix = |numbers: Vec<f32>, width: usize| tensor(numbers, [rows, width], device);
        let mut is_moneyness = vec![0.0; count];
        is_moneyness[0] = 1.0;
        Self {
            features: matrix(values, features),
            jacobian: Tensor::from_data(TensorData::new(jacobian, [rows, features, count]), device),
            moneyness: matrix(moneyness, 1),
            less_one: matrix(less_one, 1),
            deviation: matrix(deviation, 1),
            deviation_by: matrix(deviation_by, count),
            is_moneyness: tensor(is_moneyness, [1, count], device),
        }
    }

    /// Of a table, whose columns have no derivatives and whose number is no price: what only these want is left as one number.
    fn of_table(architecture: &Architecture, inputs: &[f64], rows: usize, device: &B::Device) -> Self {
        let features = architecture.features.count();
        let mut values = vec![0.0; rows * features];
        for (row, shown) in inputs.chunks_exact(features).zip(values.chunks_exact_mut(features)) {
            architecture.features.show(row, shown);
        }
        let one = || tensor(vec![1.0], [1, 1], device);
        Self {
            features: tensor(values, [rows, features], device),
            jacobian: Tensor::from_data(TensorData::new(vec![0.0f32], [1, 1, 1]), device),
            moneyness: one(),
            less_one: one(),
            deviation: one(),
            deviation_by: one(),
            is_moneyness: one(),
        }
    }
}

fn tensor<B: Backend>(numbers: Vec<f32>, shape: [usize; 2], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// A hidden layer's tensors.
struct Hidden<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    norm: Option<[Tensor<B, 2>; 2]>,
    /// Running mean and variance of batch normalisation.
    statistics: Option<[Tensor<B, 2>; 2]>,
}

/// How the layers behave.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Running statistics, nothing left out.
    Pricing,
    /// Statistics of the batch, and units left out by this seed.
    Training(u64),
}

/// What a layer leaves for the way back.
struct Trace<B: Backend> {
    /// f′, with what dropout leaves of it.
    slope: Tensor<B, 2>,
    /// The normalised sums, and one over their deviation.
    normalised: Option<(Tensor<B, 2>, Tensor<B, 2>)>,
}

/// Prices and their derivatives by the inputs.
pub(super) struct Prices<B: Backend> {
    /// Rows × 1: the network's last numbers.
    pub last: Tensor<B, 2>,
    /// Rows × 1.
    pub prices: Tensor<B, 2>,
    /// Rows × inputs.
    pub differentials: Option<Tensor<B, 2>>,
    /// Mean and variance of each hidden layer's sums over the batch, in training with batch normalisation.
    pub statistics: Vec<[Tensor<B, 2>; 2]>,
}

/// The network's tensors on a device, in the order of the layout.
pub(super) struct BurnNetwork<B: Backend> {
    architecture: Architecture,
    hidden: Vec<Hidden<B>>,
    out_weight: Tensor<B, 2>,
    out_bias: Tensor<B, 2>,
    /// What matrix products are given, and what they make.
    precision: Precision,
    device: B::Device,
}

impl<B: Backend> BurnNetwork<B> {
    /// Of parameters and statistics. `prepare` is applied to every parameter: the place to ask for gradients.
    pub(super) fn new(
        architecture: &Architecture,
        layout: &Layout,
        (parameters, statistics): (&[f32], &[f32]),
        device: &B::Device,
        prepare: impl Fn(Tensor<B, 2>) -> Tensor<B, 2>,
    ) -> Self {
        let of = |place: &Place| prepare(tensor(place.of(parameters).to_vec(), place.shape, device));
        let width = architecture.width;
        let hidden = layout.hidden.iter().enumerate().map(|(layer, places)| Hidden {
            weight: of(&places.weight),
            bias: of(&places.bias),
            norm: places.norm.as_ref().map(|norm| norm.each_ref().map(&of)),
            statistics: (architecture.norm == Normalisation::Batch).then(|| {
                let at = 2 * layer * width;
                [at, at + width].map(|at| tensor(statistics[at..at + width].to_vec(), [1, width], device))
            }),
        });
        Self {
            hidden: hidden.collect(),
            out_weight: of(&layout.out_weight),
            out_bias: of(&layout.out_bias),
            architecture: architecture.clone(),
            precision: Precision::F32,
            device: device.clone(),
        }
    }

    /// With matrix products, forward and back, of another precision.
    pub(super) fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    fn product(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
        match self.half() {
            None => a.matmul(b),
            Some(half) => a.cast(half).matmul(b.cast(half)).cast(FloatDType::F32),
        }
    }

    /// The last layer's product, of one column: its operands rounded as those of every product, its sums in f32, forward and back. Burn's CPU back end sums
    /// a column in f16 itself, number after number, where the matrix is transposed, as it is for the weights' gradient over a batch: from 2048 on a
    /// sum of ones does not rise any more.
    fn column(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(half) = self.half() else { return a.matmul(b) };
        let rounded = |x: Tensor<B, 2>| x.cast(half).cast(FloatDType::F32);
        (rounded(a) * rounded(b).transpose()).sum_dim(1)
    }

    /// What products are given, where it is not f32.
    fn half(&self) -> Option<FloatDType> {
        match self.precision {
            Precision::F32 => None,
            Precision::Bf16 => Some(FloatDType::BF16),
            Precision::F16 => Some(FloatDType::F16),
        }
    }

    /// The parameters' tensors in the order of the layout.
    pub(super) fn parameters(&self) -> Vec<&Tensor<B, 2>> {
        let hidden = self
            .hidden
            .iter()
            .flat_map(|layer| [&layer.weight, &layer.bias].into_iter().chain(layer.norm.iter().flatten()));
        hidden.chain([&self.out_weight, &self.out_bias]).collect()
    }

    /// Prices of rows, with their derivatives where asked for.
    pub(super) fn prices(&self, shown: &Shown<B>, mode: Mode, differentials: bool) -> Prices<B> {
        let mut activations = shown.features.clone();
        let mut traces = Vec::new();
        let mut statistics = Vec::new();
        for (layer, hidden) in self.hidden.iter().enumerate() {
            let sums = self.product(activations.clone(), hidden.weight.clone()) + hidden.bias.clone();
            let (sums, normalised) = self.normalise(hidden, sums, mode, &mut statistics);
            let (mut values, mut slope) = activate(self.architecture.activation, sums);
            if let Some(kept) = self.kept(mode, layer, values.dims()) {
                values = values * kept.clone();
                slope = slope * kept;
            }
            if self.architecture.is_residual(layer) {
                values = values + activations;
            }
            activations = values;
            traces.push(Trace { slope, normalised });
        }
        let last = self.column(activations, self.out_weight.clone()) + self.out_bias.clone();
        let by_features = differentials.then(|| self.backward(traces));
        let (prices, differentials) = transform(self.architecture.output, last.clone(), by_features, shown);
        Prices { last, prices, differentials, statistics }
    }

    /// Normalised, scaled and shifted sums, and what the way back wants of them.
    fn normalise(
        &self,
        hidden: &Hidden<B>,
        sums: Tensor<B, 2>,
        mode: Mode,
        statistics: &mut Vec<[Tensor<B, 2>; 2]>,
    ) -> Normalised<B> {
        let Some([scale, shift]) = &hidden.norm else { return (sums, None) };
        let over = usize::from(self.architecture.norm == Normalisation::Layer);
        let [mean, variance] = match (&hidden.statistics, mode) {
            (Some(running), Mode::Pricing) => running.clone(),
            (kept, _) => {
                let mean = sums.clone().mean_dim(over);
                let variance = (sums.clone() - mean.clone()).square().mean_dim(over);
                if kept.is_some() {
                    statistics.push([mean.clone(), variance.clone()]);
                }
                [mean, variance]
            }
        };
        let inverse = (variance + NORM_EPSILON).sqrt().recip();
        let normalised = (sums - mean) * inverse.clone();
        (normalised.clone() * scale.clone() + shift.clone(), Some((normalised, inverse)))
    }

    /// What dropout keeps, scaled so that the sum stays.
    fn kept(&self, mode: Mode, layer: usize, [rows, width]: [usize; 2]) -> Option<Tensor<B, 2>> {
        let Mode::Training(seed) = mode else { return None };
        let dropout = self.architecture.dropout;
        if dropout == 0.0 {
            return None;
        }
        let scale = (1.0 / (1.0 - dropout)) as f32;
        let first = (layer * rows * width) as u64;
        let kept = (0..rows * width).map(|i| if uniform(seed, first + i as u64) < dropout { 0.0 } else { scale });
        Some(tensor(kept.collect(), [rows, width], &self.device))
    }

    /// ∂(last number)/∂features, rows × features.
    fn backward(&self, traces: Vec<Trace<B>>) -> Tensor<B, 2> {
        let mut by_activations = self.out_weight.clone().transpose();
        for (layer, (hidden, trace)) in self.hidden.iter().zip(traces).enumerate().rev() {
            let mut by_sums = by_activations.clone() * trace.slope;
            if let (Some([scale, _]), Some((normalised, inverse))) = (&hidden.norm, trace.normalised) {
                by_sums = by_sums * scale.clone();
                if self.architecture.norm == Normalisation::Layer {
                    let along = (by_sums.clone() * normalised.clone()).mean_dim(1);
                    by_sums = by_sums.clone() - by_sums.mean_dim(1) - normalised * along;
                }
                by_sums = by_sums * inverse;
            }
            let below = self.product(by_sums, hidden.weight.clone().transpose());
            by_activations = if self.architecture.is_residual(layer) { below + by_activations } else { below };
        }
        by_activations
    }
}

/// Prices and derivatives from the last number and its derivatives by the features: [`OutputTransform`] in tensors.
fn transform<B: Backend>(
    output: OutputTransform,
    last: Tensor<B, 2>,
    by_features: Option<Tensor<B, 2>>,
    shown: &Shown<B>,
) -> (Tensor<B, 2>, Option<Tensor<B, 2>>) {
    let (price, by_last, by_deviation, by_moneyness) = match output {
        OutputTransform::None => (last.clone(), last.ones_like(), None, None),
        OutputTransform::Positive => (softplus(last.clone()), sigmoid(last), None, None),
        OutputTransform::Bounds => {
            let s = shown.deviation.clone();
            let y = sigmoid(last + s.clone().log() * 2.0);
            let root = (shown.less_one.clone().square() + shown.moneyness.clone() * y.clone() * 4.0).sqrt();
            let out_of_the_money =
                shown.moneyness.clone() * y.clone() * 2.0 / (shown.less_one.clone().abs() + root.clone());
            let price = out_of_the_money + shown.less_one.clone().clamp_min(0.0);
            let by_last = shown.moneyness.clone() / root.clone() * y.clone() * (y.clone().neg() + 1.0);
            let by_moneyness = ((shown.less_one.clone() + y * 2.0) / root + 1.0) * 0.5;
            (price, by_last.clone(), Some(by_last * 2.0 / s), Some(by_moneyness))
        }
        OutputTransform::Exercise => {
            let s = shown.deviation.clone();
            let held = (last + HELD).clamp_min(0.0);
            let u = held.clone() * s.clone();
            let below = u.clone().square() + 1.0;
            let y = u.clone().square() / below.clone();
            let slope = u * 2.0 / below.square();
            let four = shown.moneyness.clone() * y.clone() * 4.0;
            let root = (shown.less_one.clone().square() + four).clamp_min(LEAST_SQUARE).sqrt();
            let product = shown.moneyness.clone() * y.clone() * 2.0;
            let price = product / (shown.less_one.clone().abs() + root.clone()) + shown.less_one.clone().clamp_min(0.0);
            let by_product = shown.moneyness.clone() / root.clone() * slope;
            let by_moneyness = ((shown.less_one.clone() + y * 2.0) / root + 1.0) * 0.5;
            (price, by_product.clone() * s, Some(by_product * held), Some(by_moneyness))
        }
        OutputTransform::Scaled => {
            let (s, share) = (shown.deviation.clone(), sigmoid(last) * 2.0);
            let volatility = s * share.clone();
            let by_last = volatility.clone() * (share.clone() * -0.5 + 1.0);
            (volatility, by_last, Some(share), None)
        }
    };
    let differentials = by_features.map(|by_features| {
        let by_inputs: Tensor<B, 2> =
            (by_features.unsqueeze_dim::<3>(2) * shown.jacobian.clone()).sum_dim(1).squeeze_dim(1);
        let mut differentials = by_inputs * by_last;
        if let Some(by_deviation) = by_deviation {
            differentials = differentials + shown.deviation_by.clone() * by_deviation;
        }
        if let Some(by_moneyness) = by_moneyness {
            differentials = differentials + shown.is_moneyness.clone() * by_moneyness;
        }
        differentials
    });
    (price, differentials)
}

/// The mean squares of a batch's errors: the price's, and the derivatives'.
pub(super) fn losses<B: Backend>(
    architecture: &Architecture,
    prices: Prices<B>,
    shown: &Shown<B>,
    batch: &Batch<'_>,
    scales: &LossScales,
) -> (Tensor<B, 1>, Option<Tensor<B, 1>>) {
    let device = prices.prices.device();
    let rows = batch.prices.len();
    let inputs = architecture.features.inputs();
    let floats = |numbers: &[f64]| numbers.iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let mut error = prices.prices - tensor(floats(batch.prices), [rows, 1], &device);
    if scales.by_total_volatility {
        error = error / shown.deviation.clone().clamp_min(0.01);
    }
    let differential = prices.differentials.map(|differentials| {
        let error = differentials - tensor(floats(batch.differentials), [rows, inputs], &device);
        let weights = tensor(floats(&scales.differentials[..inputs.min(MOST_INPUTS)]), [1, inputs], &device);
        (error.square() * weights).sum() / rows as f64
    });
    let mut square = error.square();
    if !batch.weights.is_empty() {
        square = square * tensor(floats(batch.weights), [rows, 1], &device);
    }
    let mut price = square.mean();
    if architecture.output == OutputTransform::Exercise {
        price = price + pulled(architecture, prices.last, batch, scales);
    }
    (price, differential)
}

/// Nothing, whose gradient is what pulls rows that have no slope back: [`OutputTransform::pull`].
fn pulled<B: Backend>(
    architecture: &Architecture,
    last: Tensor<B, 2>,
    batch: &Batch<'_>,
    scales: &LossScales,
) -> Tensor<B, 1> {
    let rows = batch.inputs.chunks_exact(architecture.features.inputs()).zip(batch.prices);
    let pulls = rows.map(|(row, label)| {
        let s = architecture.features.total_volatility(row).0;
        architecture.output.pull_of_label(row[0], s, (*label, scales.price(s))) as f32
    });
    let pulls = tensor(pulls.collect(), [batch.prices.len(), 1], &last.device());
    let kept = last.clone().detach();
    let is_exercised = kept.clone().lower_equal_elem(-HELD).float();
    ((last - kept) * is_exercised * pulls).mean()
}

fn softplus<B: Backend>(z: Tensor<B, 2>) -> Tensor<B, 2> {
    z.clone().clamp_min(0.0) + z.abs().neg().exp().log1p()
}

/// Value and derivative of an activation.
fn activate<B: Backend>(activation: Activation, z: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
    match activation {
        Activation::Relu => {
            let slope = z.clone().greater_elem(0.0).float();
            (z * slope.clone(), slope)
        }
        Activation::Gelu => {
            let cdf = ((z.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
            let density = (z.clone().square() * -0.5).exp() * (2.0 * std::f64::consts::PI).sqrt().recip();
            (z.clone() * cdf.clone(), cdf + z * density)
        }
        Activation::Silu => {
            let s = sigmoid(z.clone());
            let value = z * s.clone();
            let slope = s.clone() + value.clone() * (s.neg() + 1.0);
            (value, slope)
        }
        Activation::Tanh => {
            let t = z.tanh();
            (t.clone(), t.square().neg() + 1.0)
        }
        Activation::Softplus => (softplus(z.clone()), sigmoid(z)),
        Activation::Sine => (z.clone().sin(), z.cos()),
    }
}
