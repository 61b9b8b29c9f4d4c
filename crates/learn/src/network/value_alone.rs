//! The scalar f64 twin of a network of a table: one row's number in plain arithmetic, without derivatives, whatever the layers. The specification of the
//! engines there, and what predicts where a network has norms.

use super::twin::NORM_EPSILON;
use super::{Architecture, Place};
use crate::config::Normalisation;

/// What a network says of one row. `statistics` are the running ones of batch normalisation, empty otherwise.
///
/// # Panics
/// Where `parameters` are not those of the architecture, or the row has too few inputs.
pub fn value_alone(architecture: &Architecture, parameters: &[f32], statistics: &[f32], row: &[f64]) -> f64 {
    let layout = architecture.layout();
    let mut shown = vec![0.0; architecture.features.count()];
    let s = architecture.features.show(row, &mut shown);
    let mut activations: Vec<f64> = shown.into_iter().map(f64::from).collect();
    for (layer, places) in layout.hidden.iter().enumerate() {
        let mut sums = linear(&places.weight, &places.bias, parameters, &activations);
        if let Some([scale, shift]) = &places.norm {
            let width = sums.len();
            if architecture.norm == Normalisation::Batch {
                let (mean, variance) = statistics[2 * layer * width..2 * (layer + 1) * width].split_at(width);
                for ((sum, mean), variance) in sums.iter_mut().zip(mean).zip(variance) {
                    *sum = (*sum - f64::from(*mean)) / (f64::from(*variance) + NORM_EPSILON).sqrt();
                }
            } else {
                let mean = sums.iter().sum::<f64>() / width as f64;
                let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / width as f64;
                sums.iter_mut().for_each(|sum| *sum = (*sum - mean) / (variance + NORM_EPSILON).sqrt());
            }
            for ((sum, scale), shift) in sums.iter_mut().zip(scale.of(parameters)).zip(shift.of(parameters)) {
                *sum = f64::from(*scale) * *sum + f64::from(*shift);
            }
        }
        for (unit, sum) in sums.iter_mut().enumerate() {
            *sum = architecture.activation.twin(*sum)[0];
            if architecture.is_residual(layer) {
                *sum += activations[unit];
            }
        }
        activations = sums;
    }
    let last = linear(&layout.out_weight, &layout.out_bias, parameters, &activations)[0];
    architecture.output.price(last, row[0], s)
}

fn linear(weight: &Place, bias: &Place, parameters: &[f32], inputs: &[f64]) -> Vec<f64> {
    let mut sums: Vec<f64> = bias.of(parameters).iter().map(|bias| f64::from(*bias)).collect();
    for (input, weights) in inputs.iter().zip(weight.of(parameters).chunks_exact(weight.shape[1])) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += f64::from(*weight) * input);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NetworkConfig, TableConfig};
    use crate::data::uniform;
    use crate::network::{Activation, Batch, Features, LossScales, MOST_INPUTS, Native, OutputTransform, TableColumns};

    const INPUTS: usize = 23;

    fn network(output: OutputTransform, residual: bool) -> (Architecture, Vec<f32>, Vec<f64>, Vec<f64>) {
        let rows: Vec<f64> = (0..200 * INPUTS).map(|i| 50.0 * uniform(1, i as u64)).collect();
        let targets: Vec<f64> = rows.chunks(INPUTS).map(|row| row.iter().sum::<f64>().sin()).collect();
        let names: Vec<String> = (0..INPUTS).map(|j| format!("\"column {j}\"")).collect();
        let table: TableConfig =
            toml::from_str(&format!("inputs = [{}]\ntarget = \"y\"\nscaling = \"asinh\"", names.join(","))).unwrap();
        let bounds = vec![[0.0, 50.0]; INPUTS];
        let columns = TableColumns::fit(&table, (&rows, &targets), &bounds, false).unwrap();
        let config = NetworkConfig {
            width: 19,
            depth: 2,
            residual,
            output,
            activation: Activation::Gelu,
            ..NetworkConfig::default()
        };
        let architecture = Architecture::new(&config, Features::of_table(columns));
        assert_eq!(architecture.check(), Ok(()));
        let parameters = architecture.layout().first_parameters(1.0, 3);
        (architecture, parameters, rows, targets)
    }

    #[test]
    fn the_engine_says_what_the_twin_says() {
        for (output, residual) in [(OutputTransform::None, true), (OutputTransform::Positive, false)] {
            let (architecture, parameters, rows, targets) = network(output, residual);
            let mut found = vec![0.0; targets.len()];
            Native::new(architecture.clone()).prices(&parameters, &rows, &mut found);
            for (row, found) in rows.chunks(INPUTS).zip(found) {
                let wanted = value_alone(&architecture, &parameters, &[], row);
                assert!((found - wanted).abs() < 2e-6 * (1.0 + wanted.abs()), "{found} {wanted}");
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_twins_loss() {
        let (architecture, parameters, rows, targets) = network(OutputTransform::None, true);
        let batch = Batch { inputs: &rows, prices: &targets, differentials: &[], weights: &[] };
        let scales = LossScales { by_total_volatility: false, differentials: [0.0; MOST_INPUTS], gradient: 1.0 };
        let mut gradient = vec![0.0; parameters.len()];
        let loss = Native::new(architecture.clone()).gradient(&parameters, &batch, &scales, &mut gradient);
        let twin = |parameters: &[f32]| {
            let error =
                |(row, target): (&[f64], &f64)| (value_alone(&architecture, parameters, &[], row) - target).powi(2);
            rows.chunks(INPUTS).zip(&targets).map(error).sum::<f64>() / targets.len() as f64
        };
        assert!((loss.total() - twin(&parameters)).abs() < 1e-5 * loss.total());
        for at in (0..parameters.len()).step_by(37) {
            let moved = |by: f32| {
                let mut moved = parameters.clone();
                moved[at] += by;
                (twin(&moved), f64::from(moved[at]))
            };
            let ((above, right), (below, left)) = (moved(1e-3), moved(-1e-3));
            let slope = (above - below) / (right - left);
            assert!(
                (slope - f64::from(gradient[at])).abs() < 1e-4 * (1.0 + slope.abs()),
                "{at}: {slope} {}",
                gradient[at]
            );
        }
    }
}
