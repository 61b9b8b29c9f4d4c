//! A network in f64 with any of its layers' weights or activations rounded: where errors come from.

use rayon::prelude::*;

use super::calibration::rounded;
use super::{ActivationScale, QuantisedLayer};
use crate::network::Architecture;
use crate::training::TrainedNetwork;

/// A hidden layer as it is computed.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// inputs × units.
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
    /// How what it is given is rounded.
    pub activation: Option<ActivationScale>,
}

impl Layer {
    /// Of a quantised one.
    pub(super) fn of(layer: &QuantisedLayer) -> Self {
        let wide = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).collect();
        Self {
            weights: wide(&layer.dequantised_weights()),
            bias: wide(&layer.bias),
            activation: Some(layer.activation),
        }
    }

    /// Sums of rows of what it is given.
    pub(super) fn sums(&self, given: &[f64]) -> Vec<f64> {
        let units = self.bias.len();
        let inputs = self.weights.len() / units;
        let mut sums = vec![0.0; given.len() / inputs * units];
        sums.par_chunks_exact_mut(units).zip(given.par_chunks_exact(inputs)).with_min_len(64).for_each(
            |(sums, given)| {
                sums.copy_from_slice(&self.bias);
                for (x, weights) in given.iter().zip(self.weights.chunks_exact(units)) {
                    let x = self.activation.map_or(*x, |scale| rounded(&scale, *x));
                    sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
                }
            },
        );
        sums
    }
}

/// A network as it is computed, and rows to compute it on.
#[derive(Clone, Debug)]
pub(super) struct Emulation<'a> {
    architecture: &'a Architecture,
    pub layers: Vec<Layer>,
    last: Layer,
    rows: &'a [f64],
}

impl<'a> Emulation<'a> {
    /// In f64 throughout.
    pub(super) fn new(network: &'a TrainedNetwork, rows: &'a [f64]) -> Self {
        let TrainedNetwork { architecture, parameters, .. } = network;
        let layout = architecture.layout();
        let layer = |weight: &crate::network::Place, bias: &crate::network::Place| {
            let wide = |place: &crate::network::Place| place.of(parameters).iter().map(|x| f64::from(*x)).collect();
            Layer { weights: wide(weight), bias: wide(bias), activation: None }
        };
        Self {
            architecture,
            layers: layout.hidden.iter().map(|places| layer(&places.weight, &places.bias)).collect(),
            last: layer(&layout.out_weight, &layout.out_bias),
            rows,
        }
    }

    fn inputs(&self) -> usize {
        self.architecture.features.model.input_names().len()
    }

    /// The features of every row.
    pub(super) fn features(&self) -> Vec<f64> {
        let features = &self.architecture.features;
        self.rows
            .chunks_exact(self.inputs())
            .flat_map(|row| features.shown(row).values.into_iter().take(features.kinds.len()))
            .collect()
    }

    /// What a layer makes of what it is given.
    pub(super) fn through(&self, layer: usize, given: &[f64]) -> Vec<f64> {
        let mut out = self.layers[layer].sums(given);
        let (activation, residual) = (self.architecture.activation, self.architecture.is_residual(layer));
        for (i, out) in out.iter_mut().enumerate() {
            *out = activation.twin(*out)[0] + if residual { given[i] } else { 0.0 };
        }
        out
    }

    /// What `layer` is given.
    pub(super) fn given(&self, layer: usize) -> Vec<f64> {
        (0..layer).fold(self.features(), |given, before| self.through(before, &given))
    }

    /// Prices of every row.
    pub(super) fn prices(&self) -> Vec<f64> {
        let last = self.last.sums(&self.given(self.layers.len()));
        let Architecture { features, output, .. } = self.architecture;
        let rows = self.rows.chunks_exact(self.inputs());
        rows.zip(last).map(|(row, r)| output.price(r, row[0], features.total_volatility(row).0)).collect()
    }
}
