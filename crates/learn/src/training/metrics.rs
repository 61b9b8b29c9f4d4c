//! Metrics of a run as a table: a row at each look at the held-out rows.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use super::{Progress, container::write_whole};
use crate::{LearnError, config::PricingModel};

const HEADER: &str = "step,seconds,samples,learning_rate,loss,loss_price,loss_differential,gradient_norm,skipped_steps,\
                      held_out_price_rmse,held_out_price_max,held_out_delta_rmse\n";

/// The header: what a network of implied volatilities or of a table says is no price.
fn header(model: PricingModel) -> String {
    let (said, slope) = model.said();
    HEADER.replace("price", said).replace("delta", slope)
}

/// The table's file.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the table; rows after `step` (of steps that will be done again) are taken out.
    pub(super) fn open(path: &Path, step: u64, model: PricingModel) -> Result<Self, LearnError> {
        let before = fs::read_to_string(path).unwrap_or_default();
        let is_done =
            |line: &&str| line.split(',').next().and_then(|cell| cell.parse().ok()).is_some_and(|at: u64| at <= step);
        // A last line without its end was cut off.
        let whole = before.rfind('\n').map_or("", |end| &before[..=end]);
        let mut text = header(model);
        whole.lines().skip(1).filter(is_done).filter(|_| step > 0).for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
        write_whole(path, text.as_bytes())?;
        let file = File::options().append(true).open(path).map_err(|error| LearnError::file(path, error))?;
        Ok(Self { path: path.into(), file })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, progress: &Progress) -> Result<(), LearnError> {
        let Progress { step, seconds, samples, learning_rate, loss, gradient_norm, skipped, evaluation, .. } = progress;
        let held_out = evaluation.as_ref().map_or_else(
            || ",,".to_owned(),
            |found| {
                let delta = found.delta_rmse.map_or(String::new(), |rmse| rmse.to_string());
                format!("{},{},{delta}", found.price_rmse, found.price_max)
            },
        );
        let row = format!(
            "{step},{seconds},{samples},{learning_rate},{},{},{},{gradient_norm},{skipped},{held_out}\n",
            loss.total(),
            loss.price,
            loss.differential
        );
        self.file.write_all(row.as_bytes()).map_err(|error| LearnError::file(&self.path, error))
    }
}
