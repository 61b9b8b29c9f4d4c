//! Differential training against training by prices alone, at equal numbers of samples: the same network, rows, order of rows and steps.
//!
//! `cargo run --release -p zomma-learn --example differential_comparison [CONFIG [SAMPLES…]]` prints a table; the config is
//! `zomma train --example heston`'s where none is named, the samples 4096 and 16384. The steps are the config's, or 20,000.

use std::{error::Error, path::Path};

use zomma_learn::{
    LearnError,
    config::{HESTON_EXAMPLE, TrainConfig},
    network::{Architecture, Native},
    training::{Engine, Evaluation, Progress, RunFolder, Start, Trainer, Watch},
};

/// Steps where the config says minutes, which are not the same on every machine.
const STEPS: u64 = 20_000;
/// Rows of a batch where the config has more: small numbers of samples are seen often enough.
const BATCH: usize = 256;

/// Neither clock nor user.
struct Alone;

impl Watch for Alone {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        false
    }

    fn stepped(&mut self, _: &Progress) {}

    fn warn(&mut self, message: &str) {
        eprintln!("{message}");
    }
}

fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone())))
}

/// The errors of the network that a config trains, best by its held-out rows.
fn errors(config: TrainConfig, folder: &Path) -> Result<Evaluation, Box<dyn Error>> {
    let outcome = Trainer::new(config, Start::alone(RunFolder::open(folder)?), &native)?.train(&mut Alone)?;
    let network = outcome.network.ok_or("no network")?;
    Ok(network.evaluation.ok_or("no errors")?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().map(std::fs::read_to_string).transpose()?;
    let config = TrainConfig::parse(text.as_deref().unwrap_or(HESTON_EXAMPLE))?;
    let named: Vec<usize> = arguments.map(|samples| samples.parse()).collect::<Result<_, _>>()?;
    let samples = if named.is_empty() { vec![4096, 16_384] } else { named };
    let folder = std::env::temp_dir().join(format!("zomma-comparison-{}", std::process::id()));
    println!(
        "samples    rmse by prices alone    with differentials    ratio    worst alone    worst with    delta alone    with"
    );
    for samples in samples {
        let run = |differentials: bool| {
            let mut config = config.clone();
            config.data.samples = Some(samples);
            config.data.differentials = differentials;
            let training = &mut config.training;
            training.steps = Some(training.steps.unwrap_or(STEPS));
            training.minutes = None;
            training.batch = training.batch.min(BATCH).min(samples);
            training.evaluate_every = training.steps.unwrap_or(STEPS).div_ceil(20);
            errors(config, &folder.join(format!("{samples}-{differentials}")))
        };
        let (alone, with) = (run(false)?, run(true)?);
        println!(
            "{samples:>7}    {:>20.2e}    {:>18.2e}    {:>5.1}    {:>11.2e}    {:>10.2e}    {:>11.2e}    {:.2e}",
            alone.price_rmse,
            with.price_rmse,
            alone.price_rmse / with.price_rmse,
            alone.price_max,
            with.price_max,
            alone.delta_rmse.unwrap_or(f64::NAN),
            with.delta_rmse.unwrap_or(f64::NAN)
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
