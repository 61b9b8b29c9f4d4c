//! Who is told of a run, as its config and the environment say.

use std::path::Path;

use anyhow::Context;
use zomma_learn::{
    config::TrackingConfig,
    tracking::{
        self, LocalSink, MlflowConfig, MlflowSink, RunRecord, Secret, Sink, Told, WandbConfig, WandbServer, WandbSink,
    },
    training::RunFolder,
};

use crate::failure::BadArguments;

/// The sinks of a run's folder.
pub fn sinks(folder: &Path, config: &TrackingConfig) -> anyhow::Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(LocalSink::new(folder))];
    if let Some(address) = &config.mlflow {
        let mlflow = MlflowConfig { address: address.clone(), secret: secret(&|name| std::env::var(name).ok()) };
        sinks.push(Box::new(MlflowSink::new(folder, mlflow).context("tracking.mlflow")?));
    }
    if config.wandb {
        sinks.push(match wandb(&|name| std::env::var(name).ok()) {
            Some(server) => Box::new(WandbServer::new(server).context("WANDB_BASE_URL")?),
            None => Box::new(WandbSink::new(folder)),
        });
    }
    Ok(sinks)
}

/// As MLflow's own client has it: a token goes before user and password.
fn secret(variable: &dyn Fn(&str) -> Option<String>) -> Secret {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    match (variable("MLFLOW_TRACKING_TOKEN"), variable("MLFLOW_TRACKING_USERNAME")) {
        (Some(token), _) => Secret::Bearer(token),
        (None, Some(user)) => Secret::Basic(user, variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default()),
        (None, None) => Secret::None,
    }
}

/// As wandb's own client has it; none without a key.
fn wandb(variable: &dyn Fn(&str) -> Option<String>) -> Option<WandbConfig> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let address = variable("WANDB_BASE_URL").unwrap_or_else(|| "https://api.wandb.ai".into());
    Some(WandbConfig { address, key: variable("WANDB_API_KEY")?, entity: variable("WANDB_ENTITY") })
}

/// Tells the sinks of a run's folder what they do not know yet; the address of an MLflow server may be another than the run's.
///
/// # Errors
///
/// Where the folder is a running process's, or has no run; [`BadArguments`] for an address that is none.
pub fn sync(folder: &Path, mlflow: Option<&str>) -> anyhow::Result<Vec<Told>> {
    let shown = folder.display();
    let record = RunRecord::read(folder)?.with_context(|| format!("{shown}: no run here"))?;
    let _held = RunFolder::open(folder)?;
    let tracking = record.started.config.get("tracking").cloned().unwrap_or_default();
    let mut config: TrackingConfig = serde_json::from_value(tracking).unwrap_or_default();
    if let Some(address) = mlflow {
        config.mlflow = Some(address.to_owned());
        config.check().map_err(|error| BadArguments(format!("--mlflow: {error}")))?;
    }
    config.check()?;
    Ok(tracking::sync(folder, sinks(folder, &config)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_before_a_password_and_what_is_empty_is_not_there() {
        let of = |pairs: &'static [(&str, &str)]| {
            secret(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        let (user, password) = (("MLFLOW_TRACKING_USERNAME", "me"), ("MLFLOW_TRACKING_PASSWORD", "p"));
        assert_eq!(of(&[]), Secret::None);
        assert_eq!(of(&[("MLFLOW_TRACKING_TOKEN", "")]), Secret::None);
        const BASIC: &[(&str, &str)] = &[("MLFLOW_TRACKING_USERNAME", "me"), ("MLFLOW_TRACKING_PASSWORD", "p")];
        assert_eq!(of(BASIC), Secret::Basic(user.1.into(), password.1.into()));
        const BOTH: &[(&str, &str)] = &[("MLFLOW_TRACKING_USERNAME", "me"), ("MLFLOW_TRACKING_TOKEN", "t")];
        assert_eq!(of(BOTH), Secret::Bearer("t".into()));
    }
}
