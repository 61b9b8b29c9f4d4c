//! What a network of a table is worth: its errors on rows that nobody looked at before, beside those of the targets' mean and of a ridge regression on
//! the same scaled inputs, and what each input is worth to it.
//!
//! Formulae  R² = 1 − Σ(ŷ − y)²/Σ(ȳ − y)² with ȳ the mean of the targets to learn from: below 0 is worse than that mean.
//!           Importance: what the root mean square error grows by when the input's numbers change places among the rows (Breiman 2001, section 10)

use serde::{Deserialize, Serialize};

use super::ridge::{Moments, Ridge};
use crate::LearnError;
use crate::data::{Rows, uniform};
use crate::network::{InputColumn, TableColumns, TargetColumn};

/// Rows on which importance is found, at most.
const IMPORTANCE_ROWS: usize = 16_384;
/// Penalties that are tried, of the columns' variance of 1.
const PENALTIES: [f64; 8] = [1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
/// Seed of the places that numbers change to.
const SEED: u64 = 0x7065_726d_7574_6564;

/// Errors in units of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Root mean square.
    pub rmse: f64,
    /// Mean absolute.
    pub mae: f64,
    /// Share of the squares about the mean to learn from that is explained.
    pub r2: f64,
}

/// Errors of the ridge regression.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RidgeErrors {
    /// Its errors.
    pub errors: Errors,
    /// The penalty that was best on the held-out rows.
    pub penalty: f64,
}

/// What an input is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The input.
    pub input: String,
    /// What the network's root mean square error grows by without its order, in units of the target. Around or below 0: nothing.
    pub rmse_increase: f64,
}

/// What came of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The target.
    pub target: TargetColumn,
    /// The inputs with their scales.
    pub inputs: Vec<InputColumn>,
    /// Rows that were measured on.
    pub rows: usize,
    /// The network's.
    pub network: Errors,
    /// Of the mean of the targets to learn from.
    pub mean: Errors,
    /// Of a ridge regression fitted to rows to learn from; none where it cannot be.
    pub ridge: Option<RidgeErrors>,
    /// By input, the greatest first.
    pub importance: Vec<Importance>,
}

/// Rows with their targets in the network's units.
pub(crate) struct Parts<'a> {
    /// To learn from.
    pub fitted: &'a Rows,
    /// To choose by.
    pub held_out: &'a Rows,
    /// For the last word.
    pub tested: &'a Rows,
}

/// Says a network's numbers of rows of inputs.
type Predict<'a> = dyn FnMut(&[f64], &mut [f64]) -> Result<(), LearnError> + 'a;

/// Measures a network that `predict` says the numbers of.
///
/// Errors: those of `predict`.
pub(crate) fn assess(
    columns: &TableColumns,
    parts: &Parts<'_>,
    predict: &mut Predict<'_>,
) -> Result<Assessment, LearnError> {
    let Parts { fitted, held_out, tested } = parts;
    let count = columns.inputs.len();
    let unit = columns.target.deviation;
    let mean = fitted.prices.iter().sum::<f64>() / fitted.len().max(1) as f64;
    let of = |found: &[f64]| errors(found, &tested.prices, mean, unit);
    let mut found = vec![0.0; tested.len()];
    predict(&tested.inputs, &mut found)?;
    let network = of(&found);
    let shown = |rows: &Rows| -> Vec<f64> {
        let inputs = rows.inputs.iter().zip(columns.inputs.iter().cycle());
        inputs.map(|(x, column)| column.show(*x)).collect()
    };
    let moments = Moments::of(&shown(fitted), &fitted.prices, count);
    let values = |line: &Ridge, rows: &[f64]| rows.chunks_exact(count).map(|row| line.value(row)).collect::<Vec<f64>>();
    let chosen = shown(held_out);
    let lines = PENALTIES.into_iter().filter_map(|penalty| {
        let line = moments.fit(penalty)?;
        let rmse = errors(&values(&line, &chosen), &held_out.prices, mean, unit).rmse;
        Some((rmse, penalty, line))
    });
    let best = lines.min_by(|one, other| one.0.total_cmp(&other.0));
    let last = shown(tested);
    let ridge = best.map(|(_, penalty, line)| RidgeErrors { errors: of(&values(&line, &last)), penalty });
    Ok(Assessment {
        target: columns.target.clone(),
        inputs: columns.inputs.clone(),
        rows: tested.len(),
        network,
        mean: of(&vec![mean; tested.len()]),
        ridge,
        importance: importance(columns, tested, predict)?,
    })
}

/// Errors of numbers in the network's units, in those of the target.
fn errors(found: &[f64], targets: &[f64], mean: f64, unit: f64) -> Errors {
    let count = targets.len().max(1) as f64;
    let pairs = || found.iter().zip(targets);
    let squares: f64 = pairs().map(|(found, target)| (found - target).powi(2)).sum();
    let absolute: f64 = pairs().map(|(found, target)| (found - target).abs()).sum();
    let about_mean: f64 = targets.iter().map(|target| (mean - target).powi(2)).sum();
    Errors {
        rmse: unit * (squares / count).sqrt(),
        mae: unit * absolute / count,
        r2: if about_mean > 0.0 { 1.0 - squares / about_mean } else { 0.0 },
    }
}

fn importance(columns: &TableColumns, tested: &Rows, predict: &mut Predict<'_>) -> Result<Vec<Importance>, LearnError> {
    let count = columns.inputs.len();
    // Even over the rows, so that no stretch of time is all there is.
    let step = tested.len().div_ceil(IMPORTANCE_ROWS).max(1);
    let kept: Vec<usize> = (0..tested.len()).step_by(step).collect();
    let mut inputs: Vec<f64> =
        kept.iter().flat_map(|row| &tested.inputs[row * count..(row + 1) * count]).copied().collect();
    let targets: Vec<f64> = kept.iter().map(|row| tested.prices[*row]).collect();
    let mut found = vec![0.0; targets.len()];
    let mut rmse = |inputs: &[f64]| -> Result<f64, LearnError> {
        predict(inputs, &mut found)?;
        Ok(errors(&found, &targets, 0.0, columns.target.deviation).rmse)
    };
    let whole = rmse(&inputs)?;
    let mut all = Vec::with_capacity(count);
    for (j, column) in columns.inputs.iter().enumerate() {
        let own: Vec<f64> = inputs.iter().skip(j).step_by(count).copied().collect();
        let mut moved = own.clone();
        for i in (1..moved.len()).rev() {
            let other = (uniform(SEED.wrapping_add(j as u64), i as u64) * (i + 1) as f64) as usize;
            moved.swap(i, other.min(i));
        }
        let mut put = |numbers: &[f64]| {
            inputs.iter_mut().skip(j).step_by(count).zip(numbers).for_each(|(place, x)| *place = *x);
            rmse(&inputs)
        };
        let without = put(&moved)?;
        put(&own)?;
        all.push(Importance { input: column.name.clone(), rmse_increase: without - whole });
    }
    all.sort_by(|one, other| other.rmse_increase.total_cmp(&one.rmse_increase));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TableConfig;

    /// y = 2a + sin of nothing that is given; b is noise.
    fn rows(count: usize, seed: u64) -> Rows {
        let inputs: Vec<f64> = (0..2 * count).map(|i| 10.0 * uniform(seed, i as u64)).collect();
        let prices = inputs.chunks(2).map(|row| 2.0 * row[0] + 1.0).collect();
        Rows { inputs, prices, ..Rows::default() }
    }

    fn columns(rows: &Rows) -> TableColumns {
        let table: TableConfig = toml::from_str("inputs = [\"a\", \"b\"]\ntarget = \"y\"").unwrap();
        TableColumns::fit(&table, (&rows.inputs, &rows.prices), &[[0.0, 10.0]; 2], false).unwrap()
    }

    #[test]
    fn the_right_answer_the_mean_and_the_line_have_the_errors_that_they_must() {
        let [mut fitted, mut held_out, mut tested] = [1, 2, 3].map(|seed| rows(4000, seed));
        let columns = columns(&fitted);
        for part in [&mut fitted, &mut held_out, &mut tested] {
            part.prices.iter_mut().for_each(|y| *y = columns.target.scaled(*y));
        }
        let parts = Parts { fitted: &fitted, held_out: &held_out, tested: &tested };
        let target = columns.target.clone();
        // A network that is off by half a unit of the target.
        let mut predict = |inputs: &[f64], out: &mut [f64]| {
            out.iter_mut().zip(inputs.chunks(2)).for_each(|(y, row)| *y = target.scaled(2.0 * row[0] + 1.5));
            Ok(())
        };
        let found = assess(&columns, &parts, &mut predict).unwrap();
        assert!((found.network.rmse - 0.5).abs() < 1e-9 && (found.network.mae - 0.5).abs() < 1e-9, "{found:?}");
        // 2a is even over 20: a deviation of 20/√12, and a mean deviation of a quarter.
        assert!((found.mean.rmse - 20.0 / 12.0f64.sqrt()).abs() < 0.1 && (found.mean.mae - 5.0).abs() < 0.1);
        assert!(found.mean.r2.abs() < 1e-9);
        assert!((found.network.r2 - (1.0 - 0.25 * 12.0 / 400.0)).abs() < 1e-3);
        let ridge = found.ridge.unwrap();
        assert!(ridge.penalty == 1e-6 && ridge.errors.rmse < 1e-4 && ridge.errors.r2 > 0.999_999, "{ridge:?}");
        assert_eq!(found.importance[0].input, "a");
        // Two independent draws of 2a differ by √2 deviations; b moves nothing.
        assert!((found.importance[0].rmse_increase - (20.0 / 6.0f64.sqrt() - 0.5)).abs() < 0.3);
        assert!(found.importance[1].rmse_increase.abs() < 1e-12);
    }
}
