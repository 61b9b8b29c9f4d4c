//! `[data] labels`: how the labels of rows to learn from are computed.

use serde::{Deserialize, Serialize};

use super::{DataConfig, PricingModel, whole};
use crate::LearnError;

/// How the labels of rows to learn from are computed. Held-out rows have the model's own prices whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// By the model's formula.
    #[default]
    Exact,
    /// What a simulated path or a few pay, and the derivatives of that along them: off by chance, right in the mean (Huge and Savine 2020).
    MonteCarlo,
}

impl Labels {
    /// Whether they are those of the model's formula.
    pub fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}

/// Paths of a simulated label where the config does not say: one pair of opposite numbers.
const PATHS_PER_LABEL: usize = 2;
/// Steps of a path under Heston where the config does not say.
const STEPS_PER_PATH: usize = 32;

/// The paths of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelPaths {
    /// 1, or an even number in pairs of opposite numbers.
    pub paths: usize,
    /// Steps of each; 1 under Black–Scholes, where the end of a path is exact.
    pub steps: usize,
}

impl DataConfig {
    /// The paths of a label, where labels are simulated.
    pub fn label_paths(&self) -> Option<LabelPaths> {
        let is_heston = self.model == PricingModel::Heston;
        (!self.labels.is_exact()).then(|| LabelPaths {
            paths: self.paths_per_label.unwrap_or(PATHS_PER_LABEL),
            steps: if is_heston { self.steps_per_path.unwrap_or(STEPS_PER_PATH) } else { 1 },
        })
    }

    pub(super) fn check_labels(&self) -> Result<(), LearnError> {
        let simulated = "only with data.labels = \"monte_carlo\"";
        if self.labels.is_exact() {
            return match (self.paths_per_label, self.steps_per_path) {
                (Some(paths), _) => Err(LearnError::bad("data.paths_per_label", paths, simulated)),
                (None, Some(steps)) => Err(LearnError::bad("data.steps_per_path", steps, simulated)),
                (None, None) => Ok(()),
            };
        }
        let is_heston = self.model == PricingModel::Heston;
        if !(is_heston || self.model == PricingModel::BlackScholes) {
            let why = match self.model {
                PricingModel::American => {
                    "an American option is exercised along the path where that is best, which no path says by itself"
                }
                PricingModel::BlackScholesImpliedVolatility => {
                    "the mean of the volatilities of payoffs is not that of their mean"
                }
                _ => "a table has targets of its own",
            };
            let allowed = format!("exact with data.model = \"{}\": {why}", self.model.as_str());
            return Err(LearnError::bad("data.labels", "monte_carlo", allowed));
        }
        if self.shards.is_some() {
            let allowed = "exact with data.shards, whose rows have their labels";
            return Err(LearnError::bad("data.labels", "monte_carlo", allowed));
        }
        if self.noise_half_spread > 0.0 {
            let allowed = "0 with data.labels = \"monte_carlo\", whose noise is cut off at no bound";
            return Err(LearnError::bad("data.noise_half_spread", self.noise_half_spread, allowed));
        }
        if let Some(paths) = self.paths_per_label.filter(|paths| *paths != 1) {
            whole("data.paths_per_label", paths, 1, 1 << 20)?;
            if paths % 2 == 1 {
                return Err(LearnError::bad(
                    "data.paths_per_label",
                    paths,
                    "1, or an even number: pairs of opposite paths",
                ));
            }
        }
        match self.steps_per_path {
            Some(steps) if !is_heston => {
                Err(LearnError::bad("data.steps_per_path", steps, "only with data.model = \"heston\""))
            }
            Some(steps) => whole("data.steps_per_path", steps, 1, 4096),
            None => Ok(()),
        }
    }
}
