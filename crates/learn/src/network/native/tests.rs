use proptest::prelude::*;

use super::*;
use crate::config::{NetworkConfig, PricingModel};
use crate::data::uniform;
use crate::network::{Activation, Features, OutputTransform, value};

/// A small network with random parameters, and rows of its model.
fn network(
    model: PricingModel,
    activation: Activation,
    residual: bool,
    output: OutputTransform,
) -> (Architecture, Vec<f32>, Vec<f64>) {
    let output = match output {
        _ if model.is_implied_volatility() => OutputTransform::Scaled,
        OutputTransform::Bounds if model.is_american() => OutputTransform::Exercise,
        output => output,
    };
    let config = NetworkConfig { width: 9, depth: 3, activation, residual, output, ..NetworkConfig::default() };
    let ranges: &[[f64; 2]] = match model {
        PricingModel::BlackScholes => &[[0.6, 1.6], [0.1, 2.0], [0.1, 0.8]],
        PricingModel::Heston => {
            &[[0.6, 1.6], [0.1, 2.0], [0.02, 0.3], [0.5, 4.0], [0.02, 0.3], [0.2, 0.9], [-0.9, 0.1]]
        }
        PricingModel::BlackScholesImpliedVolatility => &[[0.6, 1.6], [0.1, 2.0], [0.02, 0.3]],
        PricingModel::Table => &[],
        PricingModel::American => &[[0.6, 1.6], [0.1, 2.0], [0.1, 0.8], [0.01, 0.1], [0.01, 0.1]],
    };
    let inputs: Vec<f64> = (0..150 * ranges.len())
        .map(|i| {
            let [low, high] = ranges[i % ranges.len()];
            low + (high - low) * uniform(5, i as u64)
        })
        .collect();
    let features = Features::unscaled(model, model.default_features().to_vec()).fit(&inputs);
    let architecture = Architecture::new(&config, features);
    let parameters = architecture.layout().first_parameters(1.0, 3);
    (architecture, parameters, inputs)
}

const MODELS: [PricingModel; 4] = [
    PricingModel::BlackScholes,
    PricingModel::Heston,
    PricingModel::BlackScholesImpliedVolatility,
    PricingModel::American,
];

#[test]
fn prices_and_differentials_are_those_of_the_twin() {
    for (model, activation, residual) in MODELS
        .into_iter()
        .flat_map(|model| Activation::ALL.map(|activation| [false, true].map(|residual| (model, activation, residual))))
        .flatten()
    {
        let (architecture, parameters, inputs) = network(model, activation, residual, OutputTransform::Bounds);
        let count = model.input_names().len();
        let native = Native::new(architecture.clone());
        let rows = inputs.len() / count;
        let (mut prices, mut alone, mut differentials) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; inputs.len()]);
        native.differentials(&parameters, &inputs, &mut prices, &mut differentials);
        native.prices(&parameters, &inputs, &mut alone);
        for (i, row) in inputs.chunks_exact(count).enumerate() {
            let wanted = value(&architecture, &parameters, &[], row);
            assert!((prices[i] - wanted.price).abs() < 2e-6, "{model:?} {activation:?} row {i}");
            assert!((alone[i] - wanted.price).abs() < 2e-6, "{model:?} {activation:?} row {i}");
            for j in 0..count {
                let (found, wanted) = (differentials[i * count + j], wanted.by_input[j]);
                assert!(
                    (found - wanted).abs() < 2e-5 * (1.0 + wanted.abs()),
                    "{model:?} {activation:?} row {i} input {j}: {found} {wanted}"
                );
            }
        }
    }
}

#[test]
fn a_differential_is_the_finite_difference_of_the_price_and_gamma_that_of_delta() {
    for model in MODELS {
        for activation in Activation::ALL.into_iter().filter(|activation| *activation != Activation::Relu) {
            for output in [OutputTransform::None, OutputTransform::Positive, OutputTransform::Bounds] {
                let (architecture, parameters, inputs) = network(model, activation, true, output);
                for row in inputs.chunks_exact(model.input_names().len()).take(10) {
                    let at = value(&architecture, &parameters, &[], row);
                    for j in 0..row.len() {
                        let step = 1e-5 * row[j].abs();
                        let [above, below] = [step, -step].map(|by| {
                            let mut row = row.to_vec();
                            row[j] += by;
                            value(&architecture, &parameters, &[], &row)
                        });
                        let slope = (above.price - below.price) / (2.0 * step);
                        assert!(
                            (slope - at.by_input[j]).abs() < 1e-7 * (1.0 + slope.abs()),
                            "{activation:?} input {j}"
                        );
                        if j == 0 {
                            let gamma = (above.by_input[0] - below.by_input[0]) / (2.0 * step);
                            assert!((gamma - at.gamma).abs() < 1e-6 * (1.0 + gamma.abs()), "{activation:?} {gamma}");
                        }
                    }
                }
            }
        }
    }
}

/// The loss of the twin's prices and differentials, in f64.
fn loss_of_twin(architecture: &Architecture, parameters: &[f32], batch: &Batch<'_>, scales: &LossScales) -> f64 {
    let count = architecture.features.model.input_names().len();
    let rows = batch.prices.len() as f64;
    let mut loss = 0.0;
    for (i, row) in batch.inputs.chunks_exact(count).enumerate() {
        let found = value(architecture, parameters, &[], row);
        let s = architecture.features.total_volatility(row).0;
        loss += (scales.price(s) * (found.price - batch.prices[i])).powi(2) / rows;
        for (j, label) in batch.differentials.iter().skip(i * count).take(count).enumerate() {
            loss += scales.differentials[j] * (found.by_input[j] - label).powi(2) / rows;
        }
    }
    loss
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Every parameter, by central differences of the f64 twin.
    #[test]
    fn the_gradient_is_the_finite_difference_of_the_loss(
        activation in prop::sample::select(&[Activation::Gelu, Activation::Silu, Activation::Tanh, Activation::Softplus, Activation::Sine][..]),
        model in prop::sample::select(&MODELS[..]),
        residual: bool,
        differentials: bool,
        by_total_volatility: bool,
    ) {
        let (architecture, mut parameters, inputs) = network(model, activation, residual, OutputTransform::Bounds);
        let count = model.input_names().len();
        let rows = inputs.len() / count;
        // Labels that a network of other parameters would give, moved.
        let prices: Vec<f64> = (0..rows).map(|i| 0.2 + 0.3 * uniform(8, i as u64)).collect();
        let labels: Vec<f64> = (0..inputs.len()).map(|i| uniform(9, i as u64) - 0.5).collect();
        let batch = Batch { inputs: &inputs, prices: &prices, differentials: if differentials { &labels } else { &[] }, weights: &[] };
        let scales = LossScales { by_total_volatility, differentials: std::array::from_fn(|j| 0.5 + 0.1 * j as f64), gradient: 1.0 };
        let mut native = Native::new(architecture.clone());
        let mut gradient = vec![0.0; parameters.len()];
        let loss = native.gradient(&parameters, &batch, &scales, &mut gradient);
        let wanted = loss_of_twin(&architecture, &parameters, &batch, &scales);
        prop_assert!((loss.total() - wanted).abs() < 1e-5 * wanted, "{} {wanted}", loss.total());
        let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        for i in (0..parameters.len()).step_by(7) {
            let at = parameters[i];
            // Steps that f32 holds exactly.
            let (above, below) = (at + 1.0 / 1024.0, at - 1.0 / 1024.0);
            parameters[i] = above;
            let loss_above = loss_of_twin(&architecture, &parameters, &batch, &scales);
            parameters[i] = below;
            let loss_below = loss_of_twin(&architecture, &parameters, &batch, &scales);
            parameters[i] = at;
            let slope = (loss_above - loss_below) / f64::from(above - below);
            let error = (slope - f64::from(gradient[i])).abs();
            prop_assert!(error < 2e-4 * f64::from(size), "parameter {i}: {} {slope} of {size}", gradient[i]);
        }
    }
}

#[test]
fn the_gradient_does_not_depend_on_the_number_of_threads() {
    let (architecture, parameters, inputs) =
        network(PricingModel::BlackScholes, Activation::Silu, false, OutputTransform::Bounds);
    let prices = vec![0.3; inputs.len() / 3];
    let batch = Batch { inputs: &inputs, prices: &prices, differentials: &inputs, weights: &[] };
    let scales = LossScales { by_total_volatility: true, differentials: [1.0; MOST_INPUTS], gradient: 1.0 };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut gradient = vec![0.0; parameters.len()];
        let mut native = Native::new(architecture.clone());
        let loss = pool.install(|| native.gradient(&parameters, &batch, &scales, &mut gradient));
        (loss, gradient)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_gradient_told_from_its_end_has_the_same_bits_and_is_final_where_it_says() {
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for model in MODELS {
        let (architecture, parameters, inputs) = network(model, Activation::Silu, true, OutputTransform::Bounds);
        let count = model.input_names().len();
        // Three parts, the last of them short.
        let inputs: Vec<f64> = inputs.iter().cycle().take(300 * count).copied().collect();
        let labels: Vec<f64> = (0..300).map(|i| 0.1 + 1e-3 * uniform(7, i)).collect();
        let batch = Batch { inputs: &inputs, prices: &labels, differentials: &inputs, weights: &[] };
        let scales = LossScales { by_total_volatility: true, differentials: [0.1; MOST_INPUTS], gradient: 1.0 };
        let (mut whole, mut told) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
        let loss = Native::new(architecture.clone()).gradient(&parameters, &batch, &scales, &mut whole);
        let mut heard = Vec::new();
        let found = one_thread.install(|| {
            let mut ready = |gradient: &[f32], from: usize| {
                assert_eq!(gradient[from..], whole[from..], "{model:?} from {from}");
                heard.push(from);
            };
            let into = (&mut told[..], &mut ready as &mut Ready<'_>);
            Native::new(architecture.clone()).gradient_from_the_end(&parameters, &batch, &scales, into)
        });
        let layers: Vec<usize> = architecture.layout().hidden.iter().rev().map(|layer| layer.weight.offset).collect();
        assert_eq!((found, told, heard), (loss, whole, layers), "{model:?}");
    }
}

/// Rounding is at work, moves the gradient by a few roundoffs a layer and no more, and the loss scale moves it by itself alone.
#[test]
fn gradients_in_16_bits_are_those_of_f32_within_the_rounding_of_their_operands() {
    for model in MODELS {
        for differentials in [false, true] {
            let (architecture, parameters, inputs) = network(model, Activation::Silu, true, OutputTransform::Bounds);
            let count = model.input_names().len();
            let rows = inputs.len() / count;
            let prices: Vec<f64> = (0..rows).map(|i| 0.2 + 0.3 * uniform(8, i as u64)).collect();
            let labels = if differentials { &inputs[..] } else { &[] };
            let batch = Batch { inputs: &inputs, prices: &prices, differentials: labels, weights: &[] };
            let gradient = |precision: Precision, scale: f64| {
                let scales =
                    LossScales { by_total_volatility: true, differentials: [0.1; MOST_INPUTS], gradient: scale };
                let mut gradient = vec![0.0; parameters.len()];
                let mut native = Native::new(architecture.clone()).in_precision(precision);
                let loss = native.gradient(&parameters, &batch, &scales, &mut gradient).total();
                (loss, gradient.iter().map(|g| f64::from(*g) / scale).collect::<Vec<f64>>())
            };
            let norm = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
            let off = |a: &[f64], b: &[f64]| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>()) / norm(b);
            let (wanted_loss, wanted) = gradient(Precision::F32, 1.0);
            // A power of two changes no bit in f32.
            assert_eq!(gradient(Precision::F32, 1024.0), (wanted_loss, wanted.clone()));
            for precision in [Precision::Bf16, Precision::F16] {
                let u = precision.unit_roundoff();
                let (loss, found) = gradient(precision, 1024.0);
                let error = off(&found, &wanted);
                // Two operands a product, four products on the way of a layer and back, one more for the last layer.
                let most = 2.0 * u * (4 * architecture.depth + 1) as f64;
                assert!(
                    0.05 * u < error && error < most,
                    "{model:?} {precision:?} {differentials}: {error:e} of {most:e}"
                );
                assert!(
                    (loss - wanted_loss).abs() < most * wanted_loss,
                    "{model:?} {precision:?}: {loss} {wanted_loss}"
                );
            }
            // Without a scale f16 loses what is small: a thousandth of a thousandth of the gradient is not to be told from 0.
            let tiny = off(&gradient(Precision::F16, 2f64.powi(-20)).1, &wanted);
            assert!(tiny > 0.01, "{model:?}: {tiny:e}");
            let overflowed = gradient(Precision::F16, 2f64.powi(40));
            assert!(overflowed.0.is_finite() && overflowed.1.iter().any(|g| !g.is_finite()), "{model:?}");
        }
    }
}

#[test]
fn a_rows_weight_is_how_often_it_would_be_there() {
    let (architecture, parameters, inputs) =
        network(PricingModel::BlackScholes, Activation::Silu, false, OutputTransform::Bounds);
    let prices: Vec<f64> = (0..140).map(|i| 0.2 + 0.3 * uniform(8, i)).collect();
    let inputs = &inputs[..3 * 140];
    // The odd rows are not there, the even ones twice.
    let weights: Vec<f64> = (0..140).map(|i| f64::from(2 * u8::from(i % 2 == 0))).collect();
    let twice = |numbers: &[f64], width: usize| -> Vec<f64> {
        numbers.chunks(2 * width).flat_map(|pair| [&pair[..width]; 2].concat()).collect()
    };
    let (twice_inputs, twice_prices) = (twice(inputs, 3), twice(&prices, 1));
    for differentials in [false, true] {
        let of = |differentials: &[f64], inputs: &[f64], prices: &[f64], weights: &[f64]| {
            let batch = Batch { inputs, prices, differentials, weights };
            let scales = LossScales { by_total_volatility: true, differentials: [0.1; MOST_INPUTS], gradient: 1.0 };
            let mut gradient = vec![0.0; parameters.len()];
            let loss = Native::new(architecture.clone()).gradient(&parameters, &batch, &scales, &mut gradient);
            (loss.total(), gradient)
        };
        let labels = if differentials { inputs } else { &[] };
        let found = of(labels, inputs, &prices, &weights);
        let wanted = of(&twice(labels, 3), &twice_inputs, &twice_prices, &[]);
        assert!((found.0 - wanted.0).abs() < 1e-9 * wanted.0, "{found:?}");
        let size = wanted.1.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        assert!(found.1.iter().zip(&wanted.1).all(|(a, b)| (a - b).abs() < 1e-5 * size));
    }
}
