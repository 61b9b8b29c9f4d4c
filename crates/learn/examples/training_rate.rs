//! Training steps a second of our own engine: the Black–Scholes network of `zomma train --example`, its loss, its gradient, Adam.
//!
//! `training_rate FOLDER [BATCH]` writes what a peer needs to do the same (parameters, rows, scaling, weights of the loss) into the folder,
//! and prints its rates and first losses as JSON. `cargo xtask bench training` runs it beside JAX.

use std::{error::Error, fs, path::Path, time::Instant};

use serde_json::json;
use zomma_learn::{
    config::{EXAMPLE, TrainConfig},
    data::{Rows, Source},
    network::{Architecture, Features, LossScales, MOST_INPUTS, Native},
    training::Adam,
};

/// Steps of a run, and runs of which the fastest counts.
const STEPS: usize = 20;
const RUNS: usize = 15;
const LEARNING_RATE: f64 = 1e-3;

fn write(folder: &Path, name: &str, numbers: impl Iterator<Item = f64>) -> std::io::Result<()> {
    fs::write(folder.join(name), numbers.flat_map(f64::to_le_bytes).collect::<Vec<u8>>())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("training_rate FOLDER [BATCH]")?;
    let folder = Path::new(&folder);
    let config = TrainConfig::parse(EXAMPLE)?;
    let batch = arguments.next().map_or(Ok(config.training.batch), |batch| batch.parse())?;
    let inputs = config.data.model.input_names().len();
    let mut rows = Rows::zeros(batch, inputs);
    Source::new(&config.data, 1)?.draw(0, &mut rows)?;
    let features = Features::unscaled(config.data.model, config.network.features(&config.data)).fit(&rows.inputs);
    let architecture = Architecture::new(&config.network, features);
    let first = architecture.layout().first_parameters(1.0, 1);
    let mut weights = [0.0; MOST_INPUTS];
    for (j, weight) in weights.iter_mut().enumerate().take(inputs) {
        let squares = rows.differentials.iter().skip(j).step_by(inputs).map(|x| x * x).sum::<f64>();
        *weight = batch as f64 / (inputs as f64 * squares);
    }
    let scales = LossScales { by_total_volatility: true, differentials: weights, gradient: 1.0 };
    write(folder, "parameters", first.iter().map(|x| f64::from(*x)))?;
    write(folder, "inputs", rows.inputs.iter().copied())?;
    write(folder, "prices", rows.prices.iter().copied())?;
    write(folder, "differentials", rows.differentials.iter().copied())?;
    let mut told = json!({
        "batch": batch, "inputs": inputs, "width": architecture.width, "depth": architecture.depth,
        "mean": architecture.features.mean, "deviation": architecture.features.deviation,
        "weights": &weights[..inputs], "learning_rate": LEARNING_RATE, "steps": STEPS, "runs": RUNS,
        "threads": rayon_threads(),
    });
    let mut native = Native::new(architecture);
    for (name, differentials) in [("values", false), ("differentials", true)] {
        let labelled = rows.batch(differentials);
        let (mut parameters, mut gradient) = (first.clone(), vec![0.0; first.len()]);
        let mut adam = Adam::new(first.len());
        let loss = native.gradient(&parameters, &labelled, &scales, &mut gradient).total();
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            let begun = Instant::now();
            for _ in 0..STEPS {
                native.gradient(&parameters, &labelled, &scales, &mut gradient);
                adam.step(&mut parameters, &gradient, LEARNING_RATE, 0.0);
            }
            least = least.min(begun.elapsed().as_secs_f64());
        }
        let last = native.gradient(&parameters, &labelled, &scales, &mut gradient).total();
        told[name] =
            json!({ "rows_per_second": (STEPS * batch) as f64 / least, "first_loss": loss, "last_loss": last });
    }
    println!("{told}");
    Ok(())
}

fn rayon_threads() -> usize {
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}
