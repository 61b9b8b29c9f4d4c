//! How fast rows come from shards: the look at every row, and then drawing batches as fast as they can be had.
//!
//! `cargo run --release -p zomma-learn --example shard_rate -- CONFIG FOLDER [SECONDS]`, with what `zomma labels CONFIG -o FOLDER` wrote.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use zomma_learn::{
    config::TrainConfig,
    data::{Rows, shards::Shards},
};
use zomma_storage::{Place, place::S3Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, folder, rest @ ..] = &arguments[..] else { return Err("CONFIG FOLDER [SECONDS]".into()) };
    let seconds = rest.first().map_or(Ok(10), |text| text.parse())?;
    let config = TrainConfig::parse(&std::fs::read_to_string(config)?)?;
    let begun = Instant::now();
    let shards = Shards::open(&config.data, 1, Place::open(folder, &S3Settings::default())?)?;
    let counts = shards.counts();
    let looked = begun.elapsed().as_secs_f64();
    println!("{counts:?}\nlooked at {:.2} million rows/s ({looked:.2} s)", counts.rows as f64 / looked / 1e6);
    let mut rows = Rows::zeros(config.training.batch, config.data.model.input_names().len());
    let (begun, mut drawn) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        shards.draw(drawn, &mut rows)?;
        drawn += rows.len() as u64;
    }
    let million = drawn as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!("drew {million:.2} million rows/s in batches of {}", rows.len());
    Ok(())
}
