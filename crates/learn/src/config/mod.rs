//! One config, TOML or JSON: what is learned, on which domain, for how long. Unknown keys are refused by name.

mod data;
mod example;
mod labels;
mod network;
mod table;
mod tracking;
mod training;

use serde::{Deserialize, Serialize};

pub use data::{DataConfig, PricingModel, Range, RangeScale};
pub use example::{
    AMERICAN_EXAMPLE, EXAMPLE, HESTON_EXAMPLE, IMPLIED_VOLATILITY_EXAMPLE, MONTE_CARLO_EXAMPLE, TABLE_EXAMPLE,
};
pub use labels::{LabelPaths, Labels};
pub use network::{NetworkConfig, Normalisation};
pub use table::TableConfig;
pub use tracking::TrackingConfig;
pub use training::{EngineKind, OptimiserKind, PriceScale, TrainingConfig};

use crate::LearnError;

/// The whole config of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The network.
    #[serde(default)]
    pub network: NetworkConfig,
    /// What it learns, and where.
    pub data: DataConfig,
    /// How it learns.
    pub training: TrainingConfig,
    /// Who is told of it.
    #[serde(default)]
    pub tracking: TrackingConfig,
}

impl TrainConfig {
    /// Reads TOML, or JSON where the text begins with a brace, and checks it.
    ///
    /// Errors: [`LearnError::Unreadable`] with the place and, for an unknown key, the allowed ones; then those of [`Self::check`].
    pub fn parse(text: &str) -> Result<Self, LearnError> {
        let config: Self = read(text)?;
        config.check()?;
        Ok(config)
    }

    /// Whether every value is possible, by itself and with the others.
    ///
    /// Errors: [`LearnError::BadValue`] and [`LearnError::Missing`], by key.
    pub fn check(&self) -> Result<(), LearnError> {
        self.data.check()?;
        self.network.check(&self.data)?;
        self.tracking.check()?;
        self.training.check(self)
    }
}

/// Reads TOML, or JSON where the text begins with a brace.
pub(crate) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LearnError> {
    let unreadable = |error: String| LearnError::Unreadable(error.trim_end().to_owned());
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))
    } else {
        toml::from_str(text).map_err(|error| unreadable(error.to_string()))
    }
}

/// A whole number within bounds.
pub(crate) fn whole(key: &str, value: usize, from: usize, to: usize) -> Result<(), LearnError> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(LearnError::bad(key, value, format!("a whole number from {from} to {to}")))
}

/// A number within bounds, both included.
pub(crate) fn number(key: &str, value: f64, from: f64, to: f64) -> Result<(), LearnError> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    let shown = |x: f64| if x == 0.0 || (1e-4..1e7).contains(&x.abs()) { x.to_string() } else { format!("{x:e}") };
    let allowed = match from {
        f64::MIN_POSITIVE => format!("a number above 0, at most {}", shown(to)),
        from => format!("a number from {} to {}", shown(from), shown(to)),
    };
    Err(LearnError::bad(key, shown(value), allowed))
}

#[cfg(test)]
mod tests;
