//! How far a network is from its labels on rows that it never learned.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::LearnError;
use crate::data::Rows;
use crate::network::{Architecture, value};

/// Errors on held-out rows. Prices are over the strike; delta by the forward. Of implied volatilities the price's are the volatility's, and
/// delta's those of its derivative by the moneyness; of a table they are the target's, in its deviations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Rows that were priced.
    pub rows: usize,
    /// Root mean square error of the price.
    pub price_rmse: f64,
    /// Mean absolute error of the price.
    #[serde(default)]
    pub price_mae: f64,
    /// Rows left out because their price determines no volatility.
    #[serde(default)]
    pub excluded_rows: usize,
    /// Greatest error of the price.
    pub price_max: f64,
    /// Root mean square and greatest error of delta; none where the rows' derivatives are not known.
    pub delta_rmse: Option<f64>,
    /// As said.
    pub delta_max: Option<f64>,
    /// Root mean square error of the derivative by each input, in the model's order; empty where they are not known.
    pub by_input_rmse: Vec<f64>,
    /// Gamma's errors, where they were asked for; of American options where they are held.
    pub gamma: Option<GammaErrors>,
    /// Of American options: what was made of exercise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<ExerciseErrors>,
}

/// Rows of American options by what is best.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExerciseErrors {
    /// Rows where exercise now is best: the label is the exercise value.
    pub exercised_rows: usize,
    /// Root mean square error of the price where the option is held.
    pub held_price_rmse: f64,
    /// Of delta there; none where the rows' derivatives are not known.
    pub held_delta_rmse: Option<f64>,
    /// Rows where the network's price says the other: exercise (its price is the exercise value) or holding.
    pub misjudged_rows: usize,
}

/// Errors of gamma over the at-the-money gamma of the row's own deviation, φ(s/2)/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GammaErrors {
    /// Rows that were looked at.
    pub rows: usize,
    /// Root mean square.
    pub rmse: f64,
    /// What 99 of 100 rows are within.
    pub percentile_99: f64,
    /// Greatest.
    pub max: f64,
}

/// Compares a network with the labels of `rows`; gamma on the first `gamma_rows` of them, by the f64 twin.
///
/// Errors: of the engine's device.
pub fn evaluate(
    engine: &mut dyn Engine,
    architecture: &Architecture,
    (parameters, statistics): (&[f32], &[f32]),
    rows: &Rows,
    gamma_rows: usize,
) -> Result<Evaluation, LearnError> {
    let count = rows.len();
    let inputs = architecture.features.inputs();
    let (mut prices, mut differentials) = (vec![0.0; count], vec![0.0; rows.differentials.len()]);
    let weights = (parameters, statistics);
    match rows.differentials.is_empty() {
        true => engine.prices(weights, &rows.inputs, &mut prices)?,
        false => engine.differentials(weights, &rows.inputs, (&mut prices, &mut differentials))?,
    }
    let errors = |found: &[f64], labels: &[f64], first: usize, step: usize| {
        let pairs = || found.iter().skip(first).step_by(step).zip(labels.iter().skip(first).step_by(step));
        let squares: f64 = pairs().map(|(found, label)| (found - label).powi(2)).sum();
        // Not f64::max, which would hide NaN.
        let most =
            pairs().map(|(found, label)| (found - label).abs()).fold(0.0, |most, e| if e <= most { most } else { e });
        ((squares / count.max(1) as f64).sqrt(), most)
    };
    let (price_rmse, price_max) = errors(&prices, &rows.prices, 0, 1);
    let absolute: f64 = prices.iter().zip(&rows.prices).map(|(found, label)| (found - label).abs()).sum();
    let by = |j| errors(&differentials, &rows.differentials, j, inputs);
    let by_input: Vec<(f64, f64)> =
        if rows.differentials.is_empty() { Vec::new() } else { (0..inputs).map(by).collect() };
    let gamma_rows = gamma_rows.min(rows.gammas.len());
    let is_american = architecture.features.model.is_american();
    Ok(Evaluation {
        rows: count,
        price_rmse,
        price_mae: absolute / count.max(1) as f64,
        excluded_rows: 0,
        price_max,
        delta_rmse: by_input.first().map(|(rmse, _)| *rmse),
        delta_max: by_input.first().map(|(_, most)| *most),
        by_input_rmse: by_input.iter().map(|(rmse, _)| *rmse).collect(),
        gamma: (gamma_rows > 0).then(|| gamma_errors(architecture, parameters, statistics, rows, gamma_rows)),
        exercise: is_american.then(|| exercise_errors(&prices, &differentials, rows)),
    })
}

/// Whether a call of strike 1 is worth what exercise pays, but for rounding.
pub(super) fn is_exercised(moneyness: f64, price: f64) -> bool {
    price - (moneyness - 1.0) <= 1e-12
}

fn exercise_errors(prices: &[f64], differentials: &[f64], rows: &Rows) -> ExerciseErrors {
    let inputs = differentials.len() / prices.len().max(1);
    let mut errors = ExerciseErrors::default();
    let mut squares = [0.0; 2];
    for (i, (found, label)) in prices.iter().zip(&rows.prices).enumerate() {
        let moneyness = rows.inputs[i * inputs];
        let is_best = is_exercised(moneyness, *label);
        errors.misjudged_rows += usize::from(is_best != is_exercised(moneyness, *found));
        if is_best {
            errors.exercised_rows += 1;
            continue;
        }
        squares[0] += (found - label).powi(2);
        let delta = rows.differentials.get(i * inputs).map_or(0.0, |label| differentials[i * inputs] - label);
        squares[1] += delta * delta;
    }
    let held = (prices.len() - errors.exercised_rows).max(1) as f64;
    let [price, delta] = squares.map(|sum| (sum / held).sqrt());
    errors.held_price_rmse = price;
    errors.held_delta_rmse = (!rows.differentials.is_empty()).then_some(delta);
    errors
}

fn gamma_errors(
    architecture: &Architecture,
    parameters: &[f32],
    statistics: &[f32],
    rows: &Rows,
    count: usize,
) -> GammaErrors {
    let features = &architecture.features;
    let inputs = features.model.input_names().len();
    let mut errors: Vec<f64> = rows.inputs[..count * inputs]
        .par_chunks_exact(inputs)
        .zip(rows.gammas.par_iter().zip(&rows.prices))
        .filter(|(row, (_, price))| !features.model.is_american() || !is_exercised(row[0], **price))
        .map(|(row, (label, _))| {
            let s = features.total_volatility(row).0;
            let unit = (-0.125 * s * s).exp() / (s * (2.0 * std::f64::consts::PI).sqrt());
            (value(architecture, parameters, statistics, row).gamma - label).abs() / unit
        })
        .collect();
    errors.sort_unstable_by(f64::total_cmp);
    let count = errors.len();
    if count == 0 {
        return GammaErrors::default();
    }
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    GammaErrors {
        rows: count,
        rmse: (squares / count as f64).sqrt(),
        percentile_99: errors[(count * 99).div_ceil(100) - 1],
        max: errors[count - 1],
    }
}
