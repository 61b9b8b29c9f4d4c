//! Whether a run has room in the machine's memory, asked before it begins: an allocator that fails ends the program without a word.

use zomma_learn::{
    config::TrainConfig,
    network::{Architecture, Features},
};

use crate::failure::BadArguments;

/// Numbers of f32 for each parameter: itself, its average, the optimiser's two, gradient, a part of it, a network that is kept, a checkpoint on
/// its way.
const NUMBERS_PER_PARAMETER: u64 = 8;
/// Batches of rows in memory: the one that is learned and the one that is labelled meanwhile.
const BATCHES: u64 = 2;

/// Refuses a run whose parameters and rows alone need more than there is. `available` is what can be had, in bytes; nothing is refused where
/// nobody knows it. A table's columns are counted without those that are made of it.
pub fn check(config: &TrainConfig, available: Option<u64>) -> Result<(), BadArguments> {
    let Some(available) = available else { return Ok(()) };
    let parameters = parameters(config);
    let inputs = config.data.inputs() as u64;
    let of_parameters = 4 * NUMBERS_PER_PARAMETER * parameters;
    let of_rows = 8 * BATCHES * config.training.batch as u64 * (2 * inputs + 2);
    if of_parameters + of_rows <= available {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(BadArguments(format!(
        "network.width {} and network.depth {} make {parameters} parameters, which take {:.1} GB in training, and training.batch {} takes {:.1} GB; \
         {:.1} GB of memory can be had",
        config.network.width,
        config.network.depth,
        gigabytes(of_parameters),
        config.training.batch,
        gigabytes(of_rows),
        gigabytes(available)
    )))
}

fn parameters(config: &TrainConfig) -> u64 {
    if config.data.model.is_table() {
        let (width, depth) = (config.network.width as u64, config.network.depth as u64);
        return width * (config.data.inputs() as u64 + 1) + (depth - 1) * width * (width + 1) + width + 1;
    }
    let features = Features::unscaled(config.data.model, config.network.features(&config.data));
    Architecture::new(&config.network, features).layout().parameters() as u64
}

#[cfg(test)]
mod tests {
    use zomma_learn::config::{EXAMPLE, TABLE_EXAMPLE};

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_by_its_keys_and_what_fits_is_not() {
        let config = TrainConfig::parse(EXAMPLE).unwrap();
        assert!(check(&config, Some(100 << 20)).is_ok() && check(&config, None).is_ok());
        let mut wide = config.clone();
        (wide.network.width, wide.network.depth) = (4096, 64);
        let said = check(&wide, Some(16 << 30)).unwrap_err().to_string();
        assert!(said.contains("network.width 4096") && said.contains("network.depth 64"), "{said}");
        let mut many = config;
        many.training.batch = 1 << 22;
        let said = check(&many, Some(100 << 20)).unwrap_err().to_string();
        assert!(said.contains("training.batch 4194304"), "{said}");
        let mut table = TrainConfig::parse(TABLE_EXAMPLE).unwrap();
        assert!(check(&table, Some(100 << 20)).is_ok());
        (table.network.width, table.network.depth) = (4096, 64);
        assert!(check(&table, Some(16 << 30)).is_err());
    }
}
