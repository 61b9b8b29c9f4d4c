//! Prices and derivatives of rows of inputs, by `pricing`: call of strike 1 on a forward, undiscounted. Of implied volatilities the price
//! becomes the input, and the volatility it was made with the label: no solver is asked. Of American options today's call of strike 1 on
//! a spot, exercised where that is best.
//!
//! Formula  with β = price, O = β√m the out-of-the-money option, at fixed β: ∂σ/∂β = √m/vega, ∂σ/∂T = −σ/(2T), and
//!          ∂σ/∂m = −(delta − O/(2m))/vega

use rayon::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_pricing::american::{self, Accuracy, Gradient};
use zomma_pricing::black::{self, RowColumns};
use zomma_pricing::fourier::{self, Columns, Heston, Model, Sensitivities};

use super::Rows;
use crate::LearnError;
use crate::config::PricingModel;

/// Rows that one thread labels at a time.
const PART: usize = 512;

/// Fills the labels of rows whose inputs are there. Where the model is one of implied volatilities the third input is the volatility when
/// this is called, and the price afterwards.
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
            PricingModel::BlackScholesImpliedVolatility => implied_volatility(inputs, prices, differentials, gammas),
            // A table's targets are its own: a checked config has shards then.
            PricingModel::Table => Vec::new(),
            PricingModel::American => american(inputs, prices, differentials, gammas),
        })
        .collect();
    refuse_bad(model, rows, &statuses)?;
    if model.is_implied_volatility() {
        // The differentials' last column held the prices.
        for i in 0..rows.len() {
            let (at, by) = (3 * i + 2, rows.differentials[3 * i + 2]);
            rows.inputs[at] = by;
            rows.differentials[at] = rows.inputs[3 * i].sqrt() / rows.gammas[i];
        }
    }
    Ok(())
}

pub(super) fn refuse_bad(model: PricingModel, rows: &Rows, statuses: &[Status]) -> Result<(), LearnError> {
    let names = model.range_names();
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

/// The price is left in the place of the derivative by it, since the inputs are only read here.
fn implied_volatility(
    inputs: &[f64],
    volatilities: &mut [f64],
    differentials: &mut [f64],
    vegas: &mut [f64],
) -> Vec<Status> {
    let count = volatilities.len();
    let column = |j: usize| inputs.chunks_exact(3).map(|row| row[j]).collect::<Vec<f64>>();
    let [forward, expiry_years, volatility] = [0, 1, 2].map(column);
    let option_type: Vec<OptionType> =
        forward.iter().map(|m| if *m < 1.0 { OptionType::Call } else { OptionType::Put }).collect();
    let (ones, zeros) = (vec![1.0; count], vec![0.0; count]);
    let rows = RowColumns {
        option_type: &option_type,
        spot: &forward,
        strike: &ones,
        expiry_years: &expiry_years,
        risk_free_rate: &zeros,
        dividend_yield: &zeros,
        volatility: &volatility,
    };
    let mut status = vec![Status::Ok; count];
    let [mut price, mut delta, mut gamma, mut theta, mut rho] = [(); 5].map(|()| vec![0.0; count]);
    let out = [&mut price[..], &mut delta, &mut gamma, vegas, &mut theta, &mut rho];
    black::price_and_five_into(&rows, black::Model::Black76, out, &mut status);
    for (i, row) in differentials.chunks_exact_mut(3).enumerate() {
        let (m, sigma) = (forward[i], volatility[i]);
        volatilities[i] = sigma;
        row.copy_from_slice(&[
            -(delta[i] - 0.5 * price[i] / m) / vegas[i],
            -0.5 * sigma / expiry_years[i],
            price[i] / m.sqrt(),
        ]);
    }
    status
}

fn heston(inputs: &[f64], prices: &mut [f64], differentials: &mut [f64], gammas: &mut [f64]) -> Vec<Status> {
    let count = prices.len();
    let model: Vec<Model> = inputs
        .chunks_exact(7)
        .map(|row| Model::Heston(Heston { v0: row[2], kappa: row[3], theta_v: row[4], sigma_v: row[5], rho_v: row[6] }))
        .collect();
    // The forward is 1, so that strikes of one expiry and model are one slice; the price is homogeneous in forward and strike.
    let column = |of: fn(&[f64]) -> f64| inputs.chunks_exact(7).map(of).collect::<Vec<f64>>();
    let (ones, zeros, calls) = (vec![1.0; count], vec![0.0; count], vec![OptionType::Call; count]);
    let columns = Columns {
        model: &model,
        option_type: &calls,
        spot: &ones,
        strike: &column(|row| 1.0 / row[0]),
        expiry_years: &column(|row| row[1]),
        risk_free_rate: &zeros,
        dividend_yield: &zeros,
    };
    let mut status = vec![Status::Ok; count];
    let mut found = vec![Sensitivities::default(); count];
    fourier::gradient_batch(&columns, &mut found, &mut status);
    for (i, row) in differentials.chunks_exact_mut(7).enumerate() {
        let m = inputs[7 * i];
        (prices[i], gammas[i]) = (m * found[i].price, found[i].gamma / m);
        (row[0], row[1]) = (found[i].delta, -m * found[i].theta);
        row[2..].iter_mut().zip(found[i].parameters).for_each(|(by, found)| *by = m * found);
    }
    status
}

/// By the fast scheme; where it does not settle by the finest.
fn american(inputs: &[f64], prices: &mut [f64], differentials: &mut [f64], gammas: &mut [f64]) -> Vec<Status> {
    let count = prices.len();
    let column = |j: usize| inputs.chunks_exact(5).map(|row| row[j]).collect::<Vec<f64>>();
    let columns = [0, 1, 2, 3, 4].map(column);
    let (ones, calls) = (vec![1.0; count], vec![OptionType::Call; count]);
    let of = |from: usize, to: usize| {
        let [spot, expiry_years, volatility, risk_free_rate, dividend_yield] = columns.each_ref().map(|x| &x[from..to]);
        let (option_type, strike) = (&calls[from..to], &ones[from..to]);
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    };
    let (mut found, mut status) = (vec![Gradient::default(); count], vec![Status::Ok; count]);
    american::gradient_batch(&of(0, count), Accuracy::fast(), &mut found, &mut status);
    for i in (0..count).filter(|i| status[*i] == Status::NotConverged).collect::<Vec<usize>>() {
        let one = (&mut found[i..=i], &mut status[i..=i]);
        american::gradient_batch(&of(i, i + 1), Accuracy::high_precision(), one.0, one.1);
    }
    for (i, (row, found)) in differentials.chunks_exact_mut(5).zip(&found).enumerate() {
        (prices[i], gammas[i]) = (found.price, found.gamma);
        row.copy_from_slice(&[found.delta, -found.theta, found.vega, found.rho, found.phi]);
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
            // Of a boundary above the strike, of one near it, and beyond it.
            (PricingModel::American, vec![1.1, 1.5, 0.3, 0.06, 0.04]),
            (PricingModel::American, vec![0.9, 0.5, 0.2, 0.02, 0.07]),
            (PricingModel::American, vec![1.9, 0.5, 0.2, 0.02, 0.07]),
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
    fn a_volatility_is_the_label_of_the_price_that_it_makes_and_its_differentials_are_those_of_the_solver() {
        let implied = PricingModel::BlackScholesImpliedVolatility;
        let by_solver = |m: f64, t: f64, beta: f64| {
            let option = if m < 1.0 { OptionType::Call } else { OptionType::Put };
            zomma_pricing::implied_vol::implied_volatility_row(option, m, 1.0, t, 1.0, beta * m.sqrt()).unwrap()
        };
        for row in [[1.0, 0.5, 0.2], [0.8, 1.5, 0.3], [1.5, 2.0, 0.9], [1.02, 0.02, 0.05], [0.999, 3.0, 1.0]] {
            let rows = labelled(implied, row.to_vec()).unwrap();
            let [m, t, beta] = [rows.inputs[0], rows.inputs[1], rows.inputs[2]];
            assert_eq!((m, t, rows.prices[0]), (row[0], row[1], row[2]));
            assert!((by_solver(m, t, beta) / row[2] - 1.0).abs() < 1e-12, "{row:?}");
            // Within one side of the forward, and within the option's price.
            let steps = [1e-5 * if m < 1.0 { -1.0 } else { 1.0 }, 1e-5 * t, 1e-4 * beta];
            for (j, step) in steps.into_iter().enumerate() {
                let at = |times: f64| {
                    let mut row = [m, t, beta];
                    row[j] += times * step;
                    by_solver(row[0], row[1], row[2])
                };
                // From one side, to the second order: at m = 1 the option changes from call to put.
                let slope = (4.0 * at(1.0) - at(2.0) - 3.0 * at(0.0)) / (2.0 * step);
                let found = rows.differentials[j];
                assert!((slope - found).abs() < 1e-5 * (1.0 + slope.abs()), "{row:?} input {j}: {found} {slope}");
            }
            let scale = crate::network::Features::unscaled(implied, Vec::new()).total_volatility(&rows.inputs).0;
            assert!(row[2] < 2.0 * scale, "{row:?} {scale}");
        }
    }

    #[test]
    fn an_american_label_is_the_put_that_it_is_too_and_never_below_exercise() {
        // A put of spot 100, strike 110, rate 7 % and yield 2 % is the call of spot 110, strike 100, rate 2 % and yield 7 %.
        let at = labelled(PricingModel::American, vec![1.1, 0.5, 0.25, 0.02, 0.07]).unwrap();
        let put = zomma_pricing::black::Row {
            option_type: OptionType::Put,
            spot: 100.0,
            strike: 110.0,
            expiry_years: 0.5,
            risk_free_rate: 0.07,
            dividend_yield: 0.02,
            volatility: 0.25,
        };
        let wanted = american::price_with(&put, Accuracy::high_precision()).unwrap();
        assert!((100.0 * at.prices[0] - wanted).abs() < 1e-5, "{} {wanted}", at.prices[0]);
        let points = crate::data::PointSet::held_out(
            &crate::config::TrainConfig::parse(crate::config::AMERICAN_EXAMPLE).unwrap().data,
        );
        let mut inputs = vec![0.0; 5 * 2000];
        inputs.chunks_exact_mut(5).enumerate().for_each(|(i, row)| points.point(i as u64, row));
        let rows = labelled(PricingModel::American, inputs).unwrap();
        let mut exercised = 0;
        for (i, row) in rows.inputs.chunks_exact(5).enumerate() {
            assert!(rows.prices[i] >= (row[0] - 1.0).max(0.0) && rows.prices[i] <= row[0], "{row:?}");
            let is_exercised = rows.prices[i] == row[0] - 1.0;
            exercised += usize::from(is_exercised);
            let by = &rows.differentials[5 * i..5 * i + 5];
            assert!(!is_exercised || (by == [1.0, 0.0, 0.0, 0.0, 0.0] && rows.gammas[i] == 0.0), "{row:?}");
        }
        // Some are exercised, most are held.
        assert!((50..1000).contains(&exercised), "{exercised}");
    }

    #[test]
    fn strikes_of_a_slice_are_labelled_as_each_alone() {
        let rows: Vec<[f64; 7]> = [0.6, 0.9, 1.0, 1.3, 1.9].map(|m| [m, 0.7, 0.04, 1.5, 0.09, 0.6, -0.7]).to_vec();
        let together = labelled(PricingModel::Heston, rows.concat()).unwrap();
        for (i, row) in rows.iter().enumerate() {
            let alone = labelled(PricingModel::Heston, row.to_vec()).unwrap();
            assert!((together.prices[i] - alone.prices[0]).abs() < 1e-9);
            assert!((together.gammas[i] - alone.gammas[0]).abs() < 1e-6);
            for j in 0..7 {
                let (found, wanted) = (together.differentials[7 * i + j], alone.differentials[j]);
                assert!((found - wanted).abs() < 1e-8, "row {i} input {j}: {found} {wanted}");
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
