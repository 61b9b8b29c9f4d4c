//! `[tracking]`: who is told of the run, besides its folder.

use serde::{Deserialize, Serialize};

use crate::{
    LearnError,
    tracking::{is_address, shown_address},
};

/// Who is told, under which names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackingConfig {
    /// What the run belongs to; W&B's project.
    pub experiment: String,
    /// The run's name; that of its folder where absent.
    pub run_name: Option<String>,
    /// Steps between two points; looks at the held-out rows are always told.
    pub every: u64,
    /// Address of an MLflow server. None where absent.
    pub mlflow: Option<String>,
    /// Whether Weights & Biases is told where its key is set, and a folder for `wandb sync` is written where it is not.
    pub wandb: bool,
}

impl Default for TrackingConfig {
    fn default() -> Self {
        Self { experiment: "zomma".into(), run_name: None, every: 100, mlflow: None, wandb: false }
    }
}

impl TrackingConfig {
    /// Whether every value is possible.
    ///
    /// Errors: [`LearnError::BadValue`] by key.
    pub fn check(&self) -> Result<(), LearnError> {
        if self.experiment.trim().is_empty() {
            return Err(LearnError::bad("tracking.experiment", "\"\"", "a name"));
        }
        if self.every == 0 {
            return Err(LearnError::bad("tracking.every", 0, "1 or more"));
        }
        let Some(address) = &self.mlflow else { return Ok(()) };
        let allowed = "http://HOST:PORT or https://HOST";
        if address.contains('@') {
            // It would stand in files and on servers; no part of it is said.
            let allowed =
                "an address without a user; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD say who asks";
            return Err(LearnError::bad("tracking.mlflow", "a user in the address", allowed));
        }
        if !is_address(address) {
            return Err(LearnError::bad("tracking.mlflow", shown_address(address), allowed));
        }
        Ok(())
    }
}
