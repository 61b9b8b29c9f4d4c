//! Prices and derivatives of rows of inputs, by `pricing`: call of strike 1 on a forward, undiscounted.

use rayon::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_pricing::black::{self, RowColumns};
use zomma_pricing::fourier::{self, Columns, Heston, Model, Sensitivities};

use super::Rows;
use crate::LearnError;
use crate::config::PricingModel;

/// Rows that one thread labels at a time.
const PART: usize = 512;

/// Fills the labels of rows whose inputs are there.
///
/// Errors: [`LearnError::BadLabels`] with their number where any is no number.
pub(super) fn label(model: PricingModel, rows: &mut Rows) -> Result<(), LearnError> {
    let inputs = model.input_names().len();
    let statuses: Vec<Status> = rows
        .inputs
        .par_chunks(PART * inputs)
        .zip(rows.prices.par_chunks_mut(PART))
        .zip(rows.differentials.par_chunks_mut(PART * inputs))
        .zip(rows.gammas.par_chunks_mut(PART))
        .flat_map_iter(|(((inputs, prices), differentials), gammas)| match model {
            PricingModel::BlackScholes => black_scholes(inputs, prices, differentials, gammas),
            PricingModel::Heston => heston(inputs, prices, differentials, gammas),
        })
        .collect();
    refuse_bad(model, rows, &statuses)
}

fn refuse_bad(model: PricingModel, rows: &Rows, statuses: &[Status]) -> Result<(), LearnError> {
    let names = model.input_names();
    let is_bad = |i: usize| {
        let by_input = &rows.differentials[i * names.len()..(i + 1) * names.len()];
        let numbers = [rows.prices[i], rows.gammas[i]];
        statuses[i] != Status::Ok || !numbers.iter().chain(by_input).all(|x| x.is_finite())
    };
    let bad: Vec<usize> = (0..rows.len()).filter(|i| is_bad(*i)).collect();
    let Some(first) = bad.first() else { return Ok(()) };
    let row = &rows.inputs[first * names.len()..(first + 1) * names.len()];
    let inputs: Vec<String> = names.iter().zip(row).map(|(name, value)| format!("{name} {value}")).collect();
    let first = format!("{} ({})", inputs.join(", "), statuses[*first].as_str());
    Err(LearnError::BadLabels { bad: bad.len(), rows: rows.len(), first })
}

fn black_scholes(inputs: &[f64], prices: &mut [f64], differentials: &mut [f64], gammas: &mut [f64]) -> Vec<Status> {
    let count = prices.len();
    let column = |j: usize| inputs.chunks_exact(3).map(|row| row[j]).collect::<Vec<f64>>();
    let [spot, expiry_years, volatility] = [0, 1, 2].map(column);
    let (ones, zeros, calls) = (vec![1.0; count], vec![0.0; count], vec![OptionType::Call; count]);
    let rows = RowColumns {
        option_type: &calls,
        spot: &spot,
        strike: &ones,
        expiry_years: &expiry_years,
        risk_free_rate: &zeros,
        dividend_yield: &zeros,
        volatility: &volatility,
    };
    let mut status = vec![Status::Ok; count];
    let [mut delta, mut vega, mut theta, mut rho] = [(); 4].map(|()| vec![0.0; count]);
    let out = [prices, &mut delta, gammas, &mut vega, &mut theta, &mut rho];
    black::price_and_five_into(&rows, black::Model::Black76, out, &mut status);
    for (i, row) in differentials.chunks_exact_mut(3).enumerate() {
        row.copy_from_slice(&[delta[i], -theta[i], vega[i]]);
    }
    status
}

fn heston(inputs: &[f64], prices: &mut [f64], differentials: &mut [f64], gammas: &mut [f64]) -> Vec<Status> {
    let count = prices.len();
    let model: Vec<Model> = inputs
        .chunks_exact(7)
        .map(|row| Model::Heston(Heston { v0: row[2], kappa: row[3], theta_v: row[4], sigma_v: row[5], rho_v: row[6] }))
        .collect();
    let column = |j: usize| inputs.chunks_exact(7).map(|row| row[j]).collect::<Vec<f64>>();
    let (ones, zeros, calls) = (vec![1.0; count], vec![0.0; count], vec![OptionType::Call; count]);
    let columns = Columns {
        model: &model,
        option_type: &calls,
        spot: &column(0),
        strike: &ones,
        expiry_years: &column(1),
        risk_free_rate: &zeros,
        dividend_yield: &zeros,
    };
    let mut status = vec![Status::Ok; count];
    let mut found = vec![Sensitivities::default(); count];
    fourier::gradient_batch(&columns, &mut found, &mut status);
    for (i, row) in differentials.chunks_exact_mut(7).enumerate() {
        (prices[i], gammas[i]) = (found[i].price, found[i].gamma);
        (row[0], row[1]) = (found[i].delta, -found[i].theta);
        row[2..].copy_from_slice(&found[i].parameters[..5]);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels of the rows.
    fn labelled(model: PricingModel, inputs: Vec<f64>) -> Result<Rows, LearnError> {
        let count = inputs.len() / model.input_names().len();
        let mut rows = Rows::zeros(count, model.input_names().len());
        rows.inputs = inputs;
        label(model, &mut rows).map(|()| rows)
    }

    #[test]
    fn differentials_are_the_finite_differences_of_the_prices() {
        let cases = [
            (PricingModel::BlackScholes, vec![1.1, 0.7, 0.3]),
            (PricingModel::BlackScholes, vec![0.8, 0.1, 0.6]),
            (PricingModel::Heston, vec![0.9, 1.3, 0.04, 1.5, 0.06, 0.5, -0.6]),
            (PricingModel::Heston, vec![1.2, 0.4, 0.2, 3.0, 0.1, 0.8, 0.3]),
        ];
        for (model, row) in cases {
            let at = labelled(model, row.clone()).unwrap();
            for j in 0..row.len() {
                let step = 1e-4 * row[j].abs();
                let [above, below] = [step, -step].map(|by| {
                    let mut row = row.clone();
                    row[j] += by;
                    labelled(model, row).unwrap()
                });
                let slope = (above.prices[0] - below.prices[0]) / (2.0 * step);
                assert!((slope - at.differentials[j]).abs() < 1e-6 * (1.0 + slope.abs()), "{model:?} input {j}");
                if j == 0 {
                    let gamma = (above.differentials[0] - below.differentials[0]) / (2.0 * step);
                    assert!((gamma - at.gammas[0]).abs() < 1e-5 * (1.0 + gamma.abs()), "{model:?}");
                }
            }
        }
    }

    #[test]
    fn labels_that_are_no_numbers_are_counted_and_refused_by_their_inputs() {
        let rows = vec![1.0, 0.5, 0.2, 1.0, 0.5, f64::NAN, 1.0, -1.0, 0.2];
        let error = labelled(PricingModel::BlackScholes, rows).unwrap_err().to_string();
        assert!(error.starts_with("2 of 3 labels are no numbers"), "{error}");
        assert!(error.contains("volatility NaN (bad_volatility)"), "{error}");
    }
}
