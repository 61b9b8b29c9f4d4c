//! Labels by simulation: what a path or a few pay, and the derivatives of that along them. Each label is off by chance, but right in the mean,
//! and so are its derivatives: a network of least squares learns the mean (B. Huge and A. Savine, "Differential Machine Learning", 2020,
//! section 2).

use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::monte_carlo::Heston;
use zomma_pricing::monte_carlo::pathwise::{PathwiseEstimate, PathwisePlan, black_scholes_call, heston_call};

use super::Rows;
use super::labels::refuse_bad;
use crate::LearnError;
use crate::config::{LabelPaths, PricingModel};

/// What sets the paths' seed apart from those of points and noise.
const PATH_SEED: u64 = 0x7061_7468_735f_5f5f;
/// Rows that a thread labels at least.
const LEAST_ROWS: usize = 16;

/// Fills the labels of rows from so many paths each. `first` is the first row's index: a row's paths are its own whenever it is drawn.
///
/// Errors: [`LearnError::BadLabels`] with the first row at fault.
pub(super) fn label(
    model: PricingModel,
    paths: LabelPaths,
    (seed, first): (u64, u64),
    rows: &mut Rows,
) -> Result<(), LearnError> {
    let inputs = model.input_names().len();
    let statuses: Vec<Status> = rows
        .inputs
        .par_chunks_exact(inputs)
        .zip(&mut rows.prices)
        .zip(rows.differentials.par_chunks_exact_mut(inputs))
        .zip(&mut rows.gammas)
        .with_min_len(LEAST_ROWS)
        .enumerate()
        .map(|(i, (((row, price), differentials), gamma))| {
            let LabelPaths { paths, steps } = paths;
            let plan = PathwisePlan { seed: seed ^ PATH_SEED, first: 0, paths, steps };
            let plan = PathwisePlan { first: first.wrapping_add(i as u64).wrapping_mul(plan.stride()), ..plan };
            let into = (price, differentials, gamma);
            match *row {
                [m, expiry_years, v0, kappa, theta_v, sigma_v, rho_v] => {
                    put(heston_call(m, expiry_years, &Heston { v0, kappa, theta_v, sigma_v, rho_v }, &plan), into)
                }
                [m, expiry_years, volatility] => put(black_scholes_call(m, expiry_years, volatility, &plan), into),
                _ => Status::BadModel,
            }
        })
        .collect();
    refuse_bad(model, rows, &statuses)
}

fn put<const N: usize>(
    found: Result<PathwiseEstimate<N>, Status>,
    (price, differentials, gamma): (&mut f64, &mut [f64], &mut f64),
) -> Status {
    match found {
        Ok(found) => {
            (*price, *gamma) = (found.price, found.gamma);
            differentials.copy_from_slice(&found.by);
            Status::Ok
        }
        Err(status) => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, EXAMPLE, HESTON_EXAMPLE, Labels, TrainConfig};
    use crate::data::Source;

    fn config(example: &str, more: &str) -> DataConfig {
        let text = example.replacen("[data]", &format!("[data]\nlabels = \"monte_carlo\"\n{more}"), 1);
        TrainConfig::parse(&text).unwrap().data
    }

    fn exact(config: &DataConfig) -> DataConfig {
        DataConfig { labels: Labels::Exact, paths_per_label: None, steps_per_path: None, ..config.clone() }
    }

    fn drawn(config: &DataConfig, from: u64, count: usize) -> Rows {
        let mut rows = Rows::zeros(count, config.inputs());
        Source::new(config, 1).unwrap().draw(from, &mut rows).unwrap();
        rows
    }

    /// Over all rows of a domain the errors are 0 in the mean; of one row, by many labels, `pricing` tests it.
    #[test]
    fn sampled_labels_are_right_in_the_mean_and_so_are_their_derivatives() {
        for config in [config(EXAMPLE, ""), config(EXAMPLE, "paths_per_label = 1"), config(HESTON_EXAMPLE, "")] {
            let (sampled, exact) = (drawn(&config, 0, 40_000), drawn(&exact(&config), 0, 40_000));
            assert_eq!(sampled.inputs, exact.inputs);
            let off = |found: &[f64], wanted: &[f64]| {
                let errors: Vec<f64> = found.iter().zip(wanted).map(|(a, b)| a - b).collect();
                let (n, sum) = (errors.len() as f64, errors.iter().sum::<f64>());
                let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
                assert!(deviation > 0.01, "{deviation}");
                sum / n.sqrt() / deviation
            };
            assert!(off(&sampled.prices, &exact.prices).abs() < 4.0);
            for j in 0..config.inputs() {
                let by = |rows: &Rows| -> Vec<f64> {
                    rows.differentials.iter().skip(j).step_by(config.inputs()).copied().collect()
                };
                let off = off(&by(&sampled), &by(&exact));
                assert!(off.abs() < 4.0, "{:?} input {j}: {off} standard errors", config.model);
            }
        }
    }

    #[test]
    fn a_rows_paths_are_its_own_and_held_out_rows_are_exact() {
        for config in [config(EXAMPLE, "paths_per_label = 4"), config(HESTON_EXAMPLE, "steps_per_path = 3")] {
            let config = DataConfig { held_out: 512, ..config };
            assert_eq!(drawn(&config, 0, 300).prices[100..], drawn(&config, 100, 200).prices[..]);
            let mut paid = drawn(&config, 0, 300).prices;
            paid.retain(|price| *price > 0.0);
            let count = paid.len();
            paid.sort_by(f64::total_cmp);
            paid.dedup();
            assert_eq!(paid.len(), count, "two rows have one path");
            assert_eq!(Source::held_out(&config).unwrap(), Source::held_out(&exact(&config)).unwrap());
            assert_eq!(Source::tested(&config).unwrap(), Source::tested(&exact(&config)).unwrap());
            let stored = DataConfig { samples: Some(400), ..config.clone() };
            assert!(drawn(&stored, 0, 300).prices.contains(&0.0));
        }
    }
}
