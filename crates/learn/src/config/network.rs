//! `[network]`: features, shape, activation, what keeps the price within its bounds.

use serde::{Deserialize, Serialize};

use super::{DataConfig, number, whole};
use crate::LearnError;
use crate::network::{Activation, FeatureKind, MOST_DEPTH, MOST_WIDTH, OutputTransform};

/// What is normalised between a layer's sums and its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Nothing.
    #[default]
    None,
    /// Each row over its units (Ba, Kiros and Hinton 2016).
    Layer,
    /// Each unit over the rows of the batch (Ioffe and Szegedy 2015); running statistics outside of training.
    Batch,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// What the network is shown, made of the inputs inside the model; the pricing model's own choice where absent.
    pub features: Option<Vec<FeatureKind>>,
    /// Units of a hidden layer.
    pub width: usize,
    /// Hidden layers.
    pub depth: usize,
    /// Whether each hidden layer but the first adds to what it was given.
    pub residual: bool,
    /// The nonlinearity.
    pub activation: Activation,
    /// Share of units that a training step leaves out.
    pub dropout: f64,
    /// Normalisation of hidden layers.
    pub norm: Normalisation,
    /// How the network's last number becomes a price.
    pub output: OutputTransform,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            features: None,
            width: 64,
            depth: 3,
            residual: false,
            activation: Activation::Silu,
            dropout: 0.0,
            norm: Normalisation::None,
            output: OutputTransform::Bounds,
        }
    }
}

impl NetworkConfig {
    /// The features, chosen or the model's own.
    pub fn features(&self, data: &DataConfig) -> Vec<FeatureKind> {
        self.features.clone().unwrap_or_else(|| data.model.default_features().to_vec())
    }

    pub(super) fn check(&self, data: &DataConfig) -> Result<(), LearnError> {
        whole("network.width", self.width, 1, MOST_WIDTH)?;
        whole("network.depth", self.depth, 1, MOST_DEPTH)?;
        number("network.dropout", self.dropout, 0.0, 0.9)?;
        let scaled = self.output == OutputTransform::Scaled;
        if scaled && !data.model.is_implied_volatility() {
            let allowed = "bounds, positive or none for prices";
            return Err(LearnError::bad("network.output", self.output.as_str(), allowed));
        }
        if self.output == OutputTransform::Bounds && data.model.is_implied_volatility() {
            let allowed = "scaled, positive or none for implied volatilities";
            return Err(LearnError::bad("network.output", self.output.as_str(), allowed));
        }
        if self.output == OutputTransform::Exercise && !data.model.is_american() {
            let allowed = "bounds, positive or none where nothing is exercised early";
            return Err(LearnError::bad("network.output", self.output.as_str(), allowed));
        }
        if data.model.is_table() {
            return self.check_of_table();
        }
        let features = self.features(data);
        if features.is_empty() {
            return Err(LearnError::bad("network.features", "an empty list", "one feature or more"));
        }
        let inputs = data.model.input_names();
        for (i, feature) in features.iter().enumerate() {
            if feature.input().is_some_and(|input| !inputs.contains(&input)) {
                let allowed = format!("{} has the inputs {}", data.model.as_str(), inputs.join(", "));
                return Err(LearnError::bad("network.features", feature.as_str(), allowed));
            }
            if feature.wants_volatility() && data.model.is_implied_volatility() {
                let allowed = "moneyness_over_price, log_price_scale, log_moneyness, expiry_years, sqrt_expiry_years";
                return Err(LearnError::bad("network.features", feature.as_str(), allowed));
            }
            if features[..i].contains(feature) {
                return Err(LearnError::bad("network.features", feature.as_str(), "each feature once"));
            }
        }
        Ok(())
    }

    /// What only networks of prices have is refused of a network of a table.
    fn check_of_table(&self) -> Result<(), LearnError> {
        if !matches!(self.output, OutputTransform::None | OutputTransform::Positive) {
            let allowed = "none, or positive where no target is below 0, for tables";
            return Err(LearnError::bad("network.output", self.output.as_str(), allowed));
        }
        match self.features.as_ref().and_then(|features| features.first()) {
            Some(first) => {
                let allowed = "none for tables: data.table.inputs are what the network is shown";
                Err(LearnError::bad("network.features", first.as_str(), allowed))
            }
            None => Ok(()),
        }
    }
}
