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
    /// Bytes of whole rows.
    length: u64,
    /// Rows that are not written yet.
    waiting: String,
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
        Ok(Self { path: path.into(), file, length: text.len() as u64, waiting: String::new() })
    }

    /// Writes the rows that wait, all or none.
    ///
    /// Errors: [`LearnError::File`]; they go on waiting.
    pub(super) fn flush(&mut self) -> Result<(), LearnError> {
        if let Err(error) = self.file.write_all(self.waiting.as_bytes()) {
            // A full disk takes the beginning of a row. Where even this fails, the cells of a reader are short for one row.
            let _ = self.file.set_len(self.length);
            return Err(LearnError::file(&self.path, format!("cannot be written: {error}")));
        }
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Adds a row to those that wait.
    pub(super) fn add(&mut self, progress: &Progress) {
        let Progress { step, seconds, samples, learning_rate, loss, gradient_norm, skipped, evaluation, .. } = progress;
        let held_out = evaluation.as_ref().map_or_else(
            || ",,".to_owned(),
            |found| {
                let delta = found.delta_rmse.map_or(String::new(), |rmse| rmse.to_string());
                format!("{},{},{delta}", found.price_rmse, found.price_max)
            },
        );
        self.waiting.push_str(&format!(
            "{step},{seconds},{samples},{learning_rate},{},{},{},{gradient_norm},{skipped},{held_out}\n",
            loss.total(),
            loss.price,
            loss.differential
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn rows_that_a_full_disk_does_not_take_wait_and_are_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = Metrics::open(&path, 0, PricingModel::BlackScholes).unwrap();
        let row = |step| Progress { step, ..Progress::default() };
        metrics.add(&row(1));
        metrics.flush().unwrap();
        let good = std::mem::replace(&mut metrics.file, File::options().write(true).open("/dev/full").unwrap());
        for step in [2, 3] {
            metrics.add(&row(step));
            let error = metrics.flush().unwrap_err().to_string();
            assert!(error.contains("metrics.csv: cannot be written: No space left"), "{error}");
        }
        metrics.file = good;
        metrics.flush().unwrap();
        metrics.flush().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let steps: Vec<_> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(steps, ["1", "2", "3"]);
    }
}
