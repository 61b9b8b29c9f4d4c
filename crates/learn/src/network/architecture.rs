//! What a network is, without its parameters: enough to compute with them, and to refuse another network's.

use serde::{Deserialize, Serialize};

use super::{Activation, FeatureKind, Features, Layout, MOST_FEATURES, OutputTransform};
use crate::config::{NetworkConfig, Normalisation};

/// Units of a hidden layer at most.
pub const MOST_WIDTH: usize = 4096;
/// Hidden layers at most.
pub const MOST_DEPTH: usize = 64;

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

    /// Whether a network can be so, for one that comes from a file; what is wrong with it otherwise.
    pub fn check(&self) -> Result<(), String> {
        let Self { features: Features { model, kinds, mean, deviation, table }, width, depth, .. } = self;
        let names = model.input_names();
        let is_of_model = |kind: &FeatureKind| kind.input().is_none_or(|input| names.contains(&input));
        if !(1..=MOST_WIDTH).contains(width) || !(1..=MOST_DEPTH).contains(depth) {
            return Err(format!(
                "is of {depth} layers of {width} units; allowed: 1 to {MOST_DEPTH} of 1 to {MOST_WIDTH}"
            ));
        }
        if model.is_table() != table.is_some() {
            return Err(format!("is of the model {} without its columns", model.as_str()));
        }
        if let Some(table) = table {
            if !matches!(self.output, OutputTransform::None | OutputTransform::Positive) {
                return Err(format!("is of a table, with the output {}", self.output.as_str()));
            }
            return table.check();
        }
        if !(1..=MOST_FEATURES).contains(&kinds.len()) || !kinds.iter().all(is_of_model) {
            return Err(format!(
                "is shown {} features; allowed: 1 to {MOST_FEATURES} that {} has",
                kinds.len(),
                model.as_str()
            ));
        }
        let is_scaled = mean.len() == kinds.len() && deviation.len() == kinds.len();
        if !is_scaled || !mean.iter().all(|x| x.is_finite()) || !deviation.iter().all(|x| *x > 0.0 && x.is_finite()) {
            return Err("has features without a mean and a deviation above 0 each".into());
        }
        Ok(())
    }

    /// Where its parameters lie.
    pub fn layout(&self) -> Layout {
        Layout::of(self)
    }

    /// Numbers that a hidden layer is given.
    pub fn layer_inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.features.count() } else { self.width }
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
        let features = self.features.count();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PricingModel;

    #[test]
    fn what_no_network_can_be_is_refused_by_what_is_wrong() {
        let kinds = PricingModel::BlackScholes.default_features().to_vec();
        let good = Architecture::new(&NetworkConfig::default(), Features::unscaled(PricingModel::BlackScholes, kinds));
        assert_eq!(good.check(), Ok(()));
        let refused = |change: &dyn Fn(&mut Architecture), words: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let error = bad.check().unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused(&|it| it.width = 0, "3 layers of 0 units");
        refused(&|it| it.depth = usize::MAX, "1 to 64");
        refused(&|it| it.features.kinds = vec![FeatureKind::Kappa, FeatureKind::TotalVolatility], "black_scholes has");
        refused(&|it| it.features.kinds = vec![FeatureKind::TotalVolatility; 13], "13 features");
        refused(&|it| it.features.mean.clear(), "without a mean");
        refused(&|it| it.features.deviation[1] = 0.0, "a deviation above 0");
        refused(&|it| it.features.mean[0] = f64::NAN, "without a mean");
    }
}
