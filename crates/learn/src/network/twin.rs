//! The scalar f64 twin: one row's price, its derivatives by every input, and its gamma, in plain arithmetic. The specification of every
//! engine, and what the held-out gamma is measured with.
//!
//! Method  forward jets through every layer: first derivatives by all features, and the second along the moneyness

use super::features::Shown;
use super::{Architecture, Layout, MOST_FEATURES, MOST_INPUTS, Place};
use crate::config::Normalisation;

/// Added to variances by norms.
pub const NORM_EPSILON: f64 = 1e-5;

/// What a network says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Valued {
    /// The undiscounted call over the strike.
    pub price: f64,
    /// Its derivatives by the inputs, in their order; the first is delta.
    pub by_input: [f64; MOST_INPUTS],
    /// Its second derivative by the moneyness.
    pub gamma: f64,
}

/// A number with its derivatives.
#[derive(Clone, Copy)]
struct Jet {
    value: f64,
    /// By the features.
    by: [f64; MOST_FEATURES],
    /// First and second derivative along the moneyness.
    along: f64,
    second: f64,
}

impl Jet {
    const ZERO: Self = Self::constant(0.0);

    const fn constant(value: f64) -> Self {
        Self { value, by: [0.0; MOST_FEATURES], along: 0.0, second: 0.0 }
    }

    fn add(self, other: Self) -> Self {
        self.plus(1.0, other)
    }

    /// self + factor·other
    fn plus(mut self, factor: f64, other: Self) -> Self {
        self.value += factor * other.value;
        self.by.iter_mut().zip(other.by).for_each(|(a, b)| *a += factor * b);
        self.along += factor * other.along;
        self.second += factor * other.second;
        self
    }

    fn times(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            by: std::array::from_fn(|i| self.by[i] * other.value + self.value * other.by[i]),
            along: self.along * other.value + self.value * other.along,
            second: self.second * other.value + 2.0 * self.along * other.along + self.value * other.second,
        }
    }

    /// A function of it, by value, first and second derivative.
    fn through(self, [value, first, second]: [f64; 3]) -> Self {
        Self {
            value,
            by: self.by.map(|by| first * by),
            along: first * self.along,
            second: second * self.along * self.along + first * self.second,
        }
    }
}

/// Prices one row. `statistics` are the running ones of batch normalisation, empty otherwise; dropout leaves nothing out here.
///
/// # Panics
/// Where `parameters` are not those of the architecture, or the row has too few inputs.
pub fn value(architecture: &Architecture, parameters: &[f32], statistics: &[f32], row: &[f64]) -> Valued {
    let layout = architecture.layout();
    let shown = architecture.features.shown(row);
    let r = last_number(architecture, &layout, parameters, statistics, &shown);
    let partials = architecture.output.partials(r.value, row[0], shown.total_volatility);
    let mut by_input = [0.0; MOST_INPUTS];
    for (j, by_input) in by_input.iter_mut().enumerate().take(row.len()) {
        let r_by: f64 = r.by.iter().zip(&shown.jacobian).map(|(by, jacobian)| by * jacobian[j]).sum();
        *by_input = partials.r * r_by + partials.s * shown.total_volatility_by[j];
    }
    by_input[0] += partials.m;
    // No transform bends in s where s moves with the moneyness.
    let s_along = shown.total_volatility_by[0];
    let gamma = partials.rr * r.along * r.along
        + 2.0 * (partials.rm + partials.rs * s_along) * r.along
        + partials.mm
        + partials.r * r.second
        + partials.s * shown.total_volatility_curvature;
    Valued { price: partials.price, by_input, gamma }
}

fn last_number(
    architecture: &Architecture,
    layout: &Layout,
    parameters: &[f32],
    statistics: &[f32],
    shown: &Shown,
) -> Jet {
    let features = architecture.features.kinds.len();
    let mut activations: Vec<Jet> = (0..features)
        .map(|i| {
            let mut jet = Jet::constant(shown.values[i]);
            jet.by[i] = 1.0;
            jet.along = shown.jacobian[i][0];
            jet.second = shown.curvature[i];
            jet
        })
        .collect();
    for (layer, places) in layout.hidden.iter().enumerate() {
        let mut sums = linear(&places.weight, &places.bias, parameters, &activations);
        if let Some([scale, shift]) = &places.norm {
            normalise(architecture, layer, statistics, &mut sums);
            for ((sum, scale), shift) in sums.iter_mut().zip(scale.of(parameters)).zip(shift.of(parameters)) {
                *sum = Jet::constant(f64::from(*shift)).plus(f64::from(*scale), *sum);
            }
        }
        for (unit, sum) in sums.iter_mut().enumerate() {
            *sum = sum.through(architecture.activation.twin(sum.value));
            if architecture.is_residual(layer) {
                *sum = sum.add(activations[unit]);
            }
        }
        activations = sums;
    }
    linear(&layout.out_weight, &layout.out_bias, parameters, &activations)[0]
}

fn linear(weight: &Place, bias: &Place, parameters: &[f32], inputs: &[Jet]) -> Vec<Jet> {
    let outputs = weight.shape[1];
    let mut sums: Vec<Jet> = bias.of(parameters).iter().map(|bias| Jet::constant(f64::from(*bias))).collect();
    for (input, weights) in inputs.iter().zip(weight.of(parameters).chunks_exact(outputs)) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = sum.plus(f64::from(*weight), *input);
        }
    }
    sums
}

/// Mean 0 and variance 1: of the row over its units, or of each unit by its running statistics.
fn normalise(architecture: &Architecture, layer: usize, statistics: &[f32], sums: &mut [Jet]) {
    let width = sums.len();
    if architecture.norm == Normalisation::Batch {
        let (mean, variance) = statistics[2 * layer * width..2 * (layer + 1) * width].split_at(width);
        for ((sum, mean), variance) in sums.iter_mut().zip(mean).zip(variance) {
            let scale = (f64::from(*variance) + NORM_EPSILON).sqrt().recip();
            *sum = Jet::ZERO.plus(scale, sum.add(Jet::constant(-f64::from(*mean))));
        }
        return;
    }
    let share = 1.0 / width as f64;
    let mean = sums.iter().fold(Jet::ZERO, |mean, sum| mean.plus(share, *sum));
    sums.iter_mut().for_each(|sum| *sum = sum.plus(-1.0, mean));
    let variance = sums.iter().fold(Jet::constant(NORM_EPSILON), |variance, sum| variance.plus(share, sum.times(*sum)));
    let v = variance.value;
    let root = v.sqrt();
    let scale = variance.through([1.0 / root, -0.5 / (v * root), 0.75 / (v * v * root)]);
    sums.iter_mut().for_each(|sum| *sum = sum.times(scale));
}
