//! Where each tensor lies in the flat vector of parameters, and what it begins as.

use super::Architecture;
use crate::config::Normalisation;
use crate::data::uniform;

/// One tensor's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, such as `hidden.0.weight`.
    pub name: String,
    /// Rows and columns; weights are inputs × outputs, the rest 1 × units. Row-major.
    pub shape: [usize; 2],
    /// Its first number in the flat vector.
    pub offset: usize,
}

impl Place {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its part of a flat vector.
    pub fn of<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        &parameters[self.offset..self.offset + self.len()]
    }

    /// Its part of a flat vector, to be changed.
    pub fn of_mut<'a>(&self, parameters: &'a mut [f32]) -> &'a mut [f32] {
        &mut parameters[self.offset..self.offset + self.len()]
    }
}

/// A hidden layer's tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenPlaces {
    /// Inputs × units.
    pub weight: Place,
    /// Units.
    pub bias: Place,
    /// Scale and shift of its norm, where it has one.
    pub norm: Option<[Place; 2]>,
}

/// All tensors of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By hidden layer.
    pub hidden: Vec<HiddenPlaces>,
    /// Units × 1.
    pub out_weight: Place,
    /// One number.
    pub out_bias: Place,
    statistics: usize,
}

impl Layout {
    pub(super) fn of(architecture: &Architecture) -> Self {
        let mut next = 0;
        let mut place = |name: String, shape: [usize; 2]| {
            let offset = next;
            next += shape[0] * shape[1];
            Place { name, shape, offset }
        };
        let Architecture { width, depth, norm, .. } = *architecture;
        let hidden = (0..depth)
            .map(|layer| HiddenPlaces {
                weight: place(format!("hidden.{layer}.weight"), [architecture.layer_inputs(layer), width]),
                bias: place(format!("hidden.{layer}.bias"), [1, width]),
                norm: (norm != Normalisation::None)
                    .then(|| ["scale", "shift"].map(|part| place(format!("hidden.{layer}.norm.{part}"), [1, width]))),
            })
            .collect();
        let out_weight = place("out.weight".into(), [width, 1]);
        let out_bias = place("out.bias".into(), [1, 1]);
        let statistics = if norm == Normalisation::Batch { 2 * width * depth } else { 0 };
        Self { hidden, out_weight, out_bias, statistics }
    }

    /// How many parameters.
    pub fn parameters(&self) -> usize {
        self.out_bias.offset + self.out_bias.len()
    }

    /// How many running statistics batch normalisation keeps: mean and variance of each unit, layer after layer.
    pub fn statistics(&self) -> usize {
        self.statistics
    }

    /// Every tensor in the order of the flat vector.
    pub fn places(&self) -> Vec<&Place> {
        let hidden = self
            .hidden
            .iter()
            .flat_map(|layer| [&layer.weight, &layer.bias].into_iter().chain(layer.norm.iter().flatten()));
        hidden.chain([&self.out_weight, &self.out_bias]).collect()
    }

    /// First parameters: weights even around 0 with the variance of `gain` over their inputs, biases even within 1/√inputs, norms the
    /// identity, the last layer's bias 0.
    pub fn first_parameters(&self, gain: f64, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameters()];
        let fill = |place: &Place, reach: f64, parameters: &mut [f32]| {
            for (i, x) in place.of_mut(parameters).iter_mut().enumerate() {
                *x = (reach * (2.0 * uniform(seed, (place.offset + i) as u64) - 1.0)) as f32;
            }
        };
        for layer in &self.hidden {
            let inputs = layer.weight.shape[0] as f64;
            fill(&layer.weight, (3.0 * gain / inputs).sqrt(), &mut parameters);
            fill(&layer.bias, inputs.recip().sqrt(), &mut parameters);
            if let Some([scale, _]) = &layer.norm {
                scale.of_mut(&mut parameters).fill(1.0);
            }
        }
        let inputs = self.out_weight.shape[0] as f64;
        fill(&self.out_weight, (3.0 / inputs).sqrt(), &mut parameters);
        parameters
    }

    /// First running statistics: mean 0, variance 1.
    pub fn first_statistics(&self) -> Vec<f32> {
        let width = self.out_weight.shape[0];
        (0..self.statistics).map(|i| ((i / width) % 2) as f32).collect()
    }
}
