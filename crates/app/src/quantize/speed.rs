//! What an option costs by a network in f32 and by its quantised twin, on the same rows in turns.

use std::time::Instant;

use zomma_base::Status;
use zomma_learn::{inference::Pricer, quantisation::QuantisedNetwork, training::TrainedNetwork};

/// Rows of a batch.
const ROWS: usize = 65_536;
/// The least of so many runs counts.
const RUNS: usize = 9;

/// Nanoseconds an option, all threads, batches of [`ROWS`].
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// In f32.
    pub float_ns: f64,
    /// Quantised.
    pub quantised_ns: f64,
}

/// Measures both.
///
/// # Errors
///
/// Of a network that cannot be packed.
pub fn measure(network: &TrainedNetwork, quantised: &QuantisedNetwork) -> anyhow::Result<Speed> {
    let (float, integer) = (Pricer::of_any(network)?, Pricer::quantised_of_any(quantised)?);
    // What a row costs does not depend on where in the domain it is.
    let middle: Vec<f64> = match network.architecture.features.model.is_implied_volatility() {
        // Their rows have a price, whose range no config says: one of a volatility of a quarter.
        true => vec![1.0, 1.0, 0.1],
        false => float.domain().bounds().iter().map(|[least, most]| 0.5 * (least + most)).collect(),
    };
    let rows = middle.repeat(ROWS);
    let (mut prices, mut status) = (vec![0.0; ROWS], vec![Status::Ok; ROWS]);
    let mut time = |pricer: &Pricer| {
        let begun = Instant::now();
        pricer.prices(&rows, &mut prices, &mut status);
        begun.elapsed().as_nanos() as f64 / ROWS as f64
    };
    let mut least = Speed { float_ns: f64::INFINITY, quantised_ns: f64::INFINITY };
    for _ in 0..RUNS {
        least.float_ns = least.float_ns.min(time(&float));
        least.quantised_ns = least.quantised_ns.min(time(&integer));
    }
    Ok(least)
}
