//! What a network is, without its parameters: enough to compute with them, and to refuse another network's.

use serde::{Deserialize, Serialize};

use super::{Activation, Features, Layout, OutputTransform};
use crate::config::{NetworkConfig, Normalisation};

/// Shape, features and transform of a network. Kept beside the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// What it is shown.
    pub features: Features,
    /// Units of a hidden layer.
    pub width: usize,
    /// Hidden layers; 1 or more.
    pub depth: usize,
    /// Whether each hidden layer but the first adds to what it was given.
    pub residual: bool,
    /// The nonlinearity.
    pub activation: Activation,
    /// Share of units left out in training.
    pub dropout: f64,
    /// Normalisation before the activation.
    pub norm: Normalisation,
    /// What makes a price of the last number.
    pub output: OutputTransform,
}

impl Architecture {
    /// From a checked config and features with their scaling.
    pub fn new(config: &NetworkConfig, features: Features) -> Self {
        let NetworkConfig { features: _, width, depth, residual, activation, dropout, norm, output } = *config;
        Self { features, width, depth, residual, activation, dropout, norm, output }
    }

    /// Where its parameters lie.
    pub fn layout(&self) -> Layout {
        Layout::of(self)
    }

    /// Numbers that a hidden layer is given.
    pub fn layer_inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.features.kinds.len() } else { self.width }
    }

    /// Whether a hidden layer adds to what it was given.
    pub fn is_residual(&self, layer: usize) -> bool {
        self.residual && layer > 0
    }

    /// Whether our own engine knows it: no norm and no dropout.
    pub fn is_plain(&self) -> bool {
        self.norm == Normalisation::None && self.dropout == 0.0
    }

    /// In one line, for people.
    pub fn describe(&self) -> String {
        let Self { width, depth, activation, output, .. } = self;
        let features = self.features.kinds.len();
        let residual = if self.residual { ", residual" } else { "" };
        let norm = match self.norm {
            Normalisation::None => "",
            Normalisation::Layer => ", layer norm",
            Normalisation::Batch => ", batch norm",
        };
        let dropout = if self.dropout > 0.0 { format!(", dropout {}", self.dropout) } else { String::new() };
        let parameters = self.layout().parameters();
        let (activation, output) = (activation.as_str(), output.as_str());
        format!(
            "{features} features, {depth} × {width} {activation}{residual}{norm}{dropout}, output {output}: {parameters} parameters"
        )
    }
}
