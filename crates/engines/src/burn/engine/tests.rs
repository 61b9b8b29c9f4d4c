use burn::backend::Flex;

use zomma_learn::config::{NetworkConfig, Normalisation, PricingModel, TableConfig};
use zomma_learn::data::uniform;
use zomma_learn::network::{
    Activation, Features, MOST_INPUTS, Native, OutputTransform, Precision, TableColumns, value, value_alone,
};

use super::*;

/// A small network, its parameters, and rows to learn from.
fn network(config: &NetworkConfig) -> (Architecture, Vec<f32>, Vec<f64>) {
    let ranges = [[0.6, 1.6], [0.1, 2.0], [0.1, 0.8]];
    let inputs: Vec<f64> =
        (0..300).map(|i| ranges[i % 3][0] + (ranges[i % 3][1] - ranges[i % 3][0]) * uniform(5, i as u64)).collect();
    let model = PricingModel::BlackScholes;
    let features = Features::unscaled(model, model.default_features().to_vec()).fit(&inputs);
    let architecture = Architecture::new(config, features);
    let parameters = architecture.layout().first_parameters(1.0, 3);
    (architecture, parameters, inputs)
}

fn scales() -> LossScales {
    LossScales {
        by_total_volatility: true,
        differentials: std::array::from_fn(|j| if j < MOST_INPUTS { 0.4 } else { 0.0 }),
        gradient: 1.0,
    }
}

fn norm_of(numbers: &[f32]) -> f32 {
    numbers.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// Two derivations of one gradient: ours by hand, Burn's by automatic differentiation.
#[test]
fn loss_and_gradient_are_those_of_the_native_engine() {
    const OUTPUTS: [OutputTransform; 5] = [
        OutputTransform::None,
        OutputTransform::Positive,
        OutputTransform::Bounds,
        OutputTransform::Scaled,
        OutputTransform::Exercise,
    ];
    for activation in Activation::ALL {
        for output in OUTPUTS {
            for differentials in [false, true] {
                let config = NetworkConfig {
                    width: 9,
                    depth: 3,
                    residual: true,
                    activation,
                    output,
                    ..NetworkConfig::default()
                };
                let (architecture, mut parameters, inputs) = network(&config);
                if output == OutputTransform::Exercise {
                    // Of some rows exercise is what the network says, and not what the label says.
                    let bias = architecture.layout().out_bias.offset;
                    parameters[bias] = -0.5;
                }
                let prices: Vec<f64> = inputs.chunks_exact(3).map(|row| (row[0] - 1.0).max(0.0) + 0.1).collect();
                let labels = if differentials { &inputs[..] } else { &[] };
                let batch = Batch { inputs: &inputs, prices: &prices, differentials: labels, weights: &[] };
                let (mut ours, mut theirs) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
                let loss = Native::new(architecture.clone()).gradient(&parameters, &batch, &scales(), &mut ours);
                let mut burn = BurnEngine::<Flex>::new("burn", &architecture, 1, Default::default());
                let found = burn.gradient((&parameters, &mut []), &batch, &scales(), 0, &mut theirs).unwrap();
                assert!((found.total() - loss.total()).abs() < 2e-5 * loss.total(), "{activation:?} {output:?}");
                let difference: Vec<f32> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
                let error = norm_of(&difference) / norm_of(&ours);
                assert!(error < 1e-4, "{activation:?} {output:?} {differentials}: {error}");
            }
        }
    }
}

/// More inputs than any pricing model has, scaled as columns of a table are.
#[test]
fn a_network_of_a_table_is_its_twin_with_the_gradient_of_the_native_engine() {
    const INPUTS: usize = 17;
    let inputs: Vec<f64> = (0..100 * INPUTS).map(|i| 30.0 * uniform(5, i as u64)).collect();
    let targets: Vec<f64> = inputs.chunks_exact(INPUTS).map(|row| (row[0] * row[3]).sin()).collect();
    let table = TableConfig {
        inputs: (0..INPUTS).map(|j| format!("column {j}")).collect(),
        target: "y".into(),
        ..TableConfig::default()
    };
    let columns = TableColumns::fit(&table, (&inputs, &targets), &[[0.0, 30.0]; INPUTS], false).unwrap();
    for (norm, output) in [
        (Normalisation::None, OutputTransform::None),
        (Normalisation::None, OutputTransform::Positive),
        (Normalisation::Layer, OutputTransform::None),
        (Normalisation::Batch, OutputTransform::None),
    ] {
        let config = NetworkConfig { width: 11, depth: 2, norm, output, ..NetworkConfig::default() };
        let architecture = Architecture::new(&config, Features::of_table(columns.clone()));
        let parameters = architecture.layout().first_parameters(1.0, 3);
        let mut statistics = architecture.layout().first_statistics();
        let mut burn = BurnEngine::<Flex>::new("burn", &architecture, 1, Default::default());
        let mut found = vec![0.0; targets.len()];
        burn.prices((&parameters, &statistics), &inputs, &mut found).unwrap();
        for (row, found) in inputs.chunks_exact(INPUTS).zip(found) {
            let wanted = value_alone(&architecture, &parameters, &statistics, row);
            assert!((found - wanted).abs() < 5e-6, "{norm:?}: {found} {wanted}");
        }
        let weights: Vec<f64> = (0..100).map(|i| 2.0 * uniform(6, i)).collect();
        let batch = Batch { inputs: &inputs, prices: &targets, differentials: &[], weights: &weights };
        let scales = LossScales { by_total_volatility: false, ..scales() };
        let (mut ours, mut theirs) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
        let loss = burn.gradient((&parameters, &mut statistics), &batch, &scales, 0, &mut theirs).unwrap();
        assert!(loss.total().is_finite() && norm_of(&theirs) > 0.0);
        if norm == Normalisation::None {
            let wanted = Native::new(architecture.clone()).gradient(&parameters, &batch, &scales, &mut ours);
            assert!((loss.total() - wanted.total()).abs() < 2e-5 * wanted.total());
            let difference: Vec<f32> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
            assert!(norm_of(&difference) < 1e-4 * norm_of(&ours), "{output:?}");
        }
    }
}

#[test]
fn normalised_networks_price_as_their_twin_with_its_derivatives() {
    for norm in [Normalisation::Layer, Normalisation::Batch] {
        for residual in [false, true] {
            let config = NetworkConfig { width: 7, depth: 3, norm, residual, dropout: 0.2, ..NetworkConfig::default() };
            let (architecture, parameters, inputs) = network(&config);
            let mut statistics = architecture.layout().first_statistics();
            statistics.iter_mut().enumerate().for_each(|(i, x)| *x += 0.3 * uniform(4, i as u64) as f32);
            let mut burn = BurnEngine::<Flex>::new("burn", &architecture, 1, Default::default());
            let (mut prices, mut differentials) = (vec![0.0; 100], vec![0.0; 300]);
            burn.differentials((&parameters, &statistics), &inputs, (&mut prices, &mut differentials)).unwrap();
            for (i, row) in inputs.chunks_exact(3).enumerate() {
                let wanted = value(&architecture, &parameters, &statistics, row);
                assert!((prices[i] - wanted.price).abs() < 5e-6, "{norm:?} row {i}");
                for j in 0..3 {
                    let error = (differentials[3 * i + j] - wanted.by_input[j]).abs();
                    assert!(error < 1e-4 * (1.0 + wanted.by_input[j].abs()), "{norm:?} row {i} input {j}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn running_statistics_go_to_those_of_the_batch_and_dropout_depends_on_the_step_alone() {
    let config =
        NetworkConfig { width: 6, depth: 1, norm: Normalisation::Batch, dropout: 0.5, ..NetworkConfig::default() };
    let (architecture, parameters, inputs) = network(&config);
    let prices = vec![0.3; 100];
    let batch = Batch { inputs: &inputs, prices: &prices, differentials: &inputs, weights: &[] };
    let mut burn = BurnEngine::<Flex>::new("burn", &architecture, 1, Default::default());
    let mut statistics = architecture.layout().first_statistics();
    let mut at = |step: u64, statistics: &mut [f32]| {
        let mut gradient = vec![0.0; parameters.len()];
        burn.gradient((&parameters, statistics), &batch, &scales(), step, &mut gradient).unwrap();
        gradient
    };
    let first = at(7, &mut statistics);
    assert_ne!(first, at(8, &mut statistics));
    assert_eq!(first, at(7, &mut statistics));
    for step in 0..200 {
        at(step, &mut statistics);
    }
    // The sums of the one layer, by hand.
    let layout = architecture.layout();
    let sums: Vec<f64> = inputs
        .chunks_exact(3)
        .map(|row| {
            let shown = architecture.features.shown(row);
            let weight = layout.hidden[0].weight.of(&parameters);
            f64::from(layout.hidden[0].bias.of(&parameters)[0])
                + (0..2).map(|i| shown.values[i] * f64::from(weight[i * 6])).sum::<f64>()
        })
        .collect();
    let mean = sums.iter().sum::<f64>() / 100.0;
    let variance = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / 99.0;
    assert!((f64::from(statistics[0]) - mean).abs() < 1e-4 && (f64::from(statistics[6]) - variance).abs() < 1e-4);
}

/// One rule, two implementations: products of numbers rounded to 16 bits. Burn rounds what a product makes as well.
///
/// How far they may be apart: to first order a norm moves with each of `products` products on the way from a number to its gradient by one
/// rounding of the result, and by two operands that are rounded to other neighbours in either engine, since they differ already: five roundings
/// of random sign, each of 0.39 u in norm (evenly within half a unit of the last place, mantissas even in their logarithm: u/√3 over √(1.5/ln 2)).
/// That is 0.39·√(5·products) u where nothing cancels; the limit is three times as much.
#[test]
fn gradients_in_16_bits_are_those_of_the_native_engine_within_a_few_roundoffs() {
    for precision in [Precision::Bf16, Precision::F16] {
        for differentials in [false, true] {
            let config = NetworkConfig { width: 24, depth: 3, residual: true, ..NetworkConfig::default() };
            let (architecture, parameters, inputs) = network(&config);
            let prices = vec![0.3; 100];
            let labels = if differentials { &inputs[..] } else { &[] };
            let batch = Batch { inputs: &inputs, prices: &prices, differentials: labels, weights: &[] };
            let scales = LossScales { gradient: 256.0, ..scales() };
            let [mut ours, mut theirs, mut in_f32] = [(); 3].map(|()| vec![0.0; parameters.len()]);
            let mut native = Native::new(architecture.clone()).in_precision(precision);
            let loss = native.gradient(&parameters, &batch, &scales, &mut ours);
            let mut burn =
                BurnEngine::<Flex>::new("burn", &architecture, 1, Default::default()).in_precision(precision);
            let found = burn.gradient((&parameters, &mut []), &batch, &scales, 0, &mut theirs).unwrap();
            Native::new(architecture).gradient(&parameters, &batch, &scales, &mut in_f32);
            let off = |a: &[f32], b: &[f32]| {
                f64::from(norm_of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f32>>()) / norm_of(b))
            };
            // The hidden layers and the last one, the hidden ones again for the derivatives, and the way back through each.
            let products = 2 * (config.depth + 1 + if differentials { config.depth } else { 0 });
            let u = precision.unit_roundoff();
            let most = 3.0 * 0.39 * (5.0 * products as f64).sqrt() * u;
            let error = off(&theirs, &ours);
            let named = format!("{precision:?} {differentials}: {:.2} of {:.2} u", error / u, most / u);
            // 16 bits are at work in both: either is off f32 by more than half of one rounding.
            assert!(off(&theirs, &in_f32) > 0.2 * u && off(&ours, &in_f32) > 0.2 * u, "{named}");
            assert!(error < most, "{named}");
            assert!((found.total() - loss.total()).abs() < most * loss.total(), "{named}: {found:?} {loss:?}");
        }
    }
}

/// Why the last layer is no matrix product in 16 bits: what Burn's CPU back end does with one. Should this fail, its sums are f32 and a product will do.
#[test]
fn a_column_by_a_transposed_matrix_is_summed_in_f16_on_the_cpu_and_nothing_else_is() {
    use burn::tensor::{FloatDType, Tensor};
    type Matrix = Tensor<Flex, 2>;
    let device = Default::default();
    let sum = |half: FloatDType, columns: usize, transposed: bool| {
        let ones = if transposed {
            Matrix::ones([4096, 3], &device).cast(half).transpose()
        } else {
            Matrix::ones([3, 4096], &device).cast(half)
        };
        let found = ones.matmul(Matrix::ones([4096, columns], &device).cast(half)).cast(FloatDType::F32);
        found.into_data().iter::<f32>().next().unwrap_or(f32::NAN)
    };
    // One more than 2048 is 2048 in f16.
    assert_eq!(sum(FloatDType::F16, 1, true), 2048.0);
    for (half, columns, transposed) in [
        (FloatDType::F16, 1, false),
        (FloatDType::F16, 2, true),
        (FloatDType::BF16, 1, true),
        (FloatDType::BF16, 2, true),
    ] {
        assert_eq!(sum(half, columns, transposed), 4096.0, "{half:?} {columns} {transposed}");
    }
}
