//! What a network was trained on: as its file says, or its config, named or beside it.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use zomma_learn::{
    config::{DataConfig, TrainConfig},
    network::Architecture,
};

use super::Network;
use crate::failure::BadArguments;

/// What the network's file says; of a file that does not say it the data of the config, none where there is no config beside it, nor for a
/// network that solves an equation, which was trained on no data.
pub fn domain_of(network: &Network, path: &Path, named: Option<&Path>) -> anyhow::Result<Option<DataConfig>> {
    let Some(network) = network.trained() else {
        if named.is_some() {
            let said = format!("--config: {} is of an equation, and says its domain itself", path.display());
            bail!(BadArguments(said));
        }
        return Ok(None);
    };
    if named.is_none() && network.data.is_some() {
        return Ok(network.data.clone());
    }
    let beside = path.with_file_name("config.json");
    let config = named.unwrap_or(&beside);
    let text = match fs::read_to_string(config) {
        Err(_) if named.is_none() && !config.exists() => return Ok(None),
        read => read.with_context(|| format!("{}: cannot be read", config.display()))?,
    };
    let parsed = TrainConfig::parse(&text).with_context(|| config.display().to_string())?;
    // A config says all of an architecture but the scaling.
    let of_config = Architecture::new(&parsed.network, network.architecture.features.clone());
    let features = parsed.network.features(&parsed.data);
    if of_config == network.architecture && features == network.architecture.features.kinds {
        return Ok(Some(parsed.data));
    }
    let said = format!("{} is not the config of {}", config.display(), path.display());
    match named {
        Some(_) => bail!(BadArguments(format!("--config: {said}"))),
        None => bail!("{said}: name the right one with --config"),
    }
}
