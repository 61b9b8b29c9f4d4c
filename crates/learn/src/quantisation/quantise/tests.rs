use zomma_pricing::math::Target;

use super::*;
use crate::config::{NetworkConfig, Normalisation, PricingModel};
use crate::network::{Activation, Architecture, Features, OutputTransform};

/// A network with random parameters that says what it learned.
fn network(config: &NetworkConfig, model: PricingModel) -> TrainedNetwork {
    let ranges = match model {
        PricingModel::BlackScholes => "volatility = { min = 0.05, max = 1.0 }",
        PricingModel::Heston => {
            "v0 = { min = 0.01, max = 0.3 }\nkappa = { min = 0.5, max = 5.0 }\ntheta_v = { min = 0.01, max = 0.3 }\n\
             sigma_v = { min = 0.1, max = 1.0 }\nrho_v = { min = -0.9, max = 0.1 }"
        }
        PricingModel::BlackScholesImpliedVolatility => "volatility = { min = 0.05, max = 1.0 }",
        PricingModel::Table => unreachable!("a table has no ranges"),
        PricingModel::American => {
            "volatility = { min = 0.1, max = 0.8 }\nrisk_free_rate = { min = 0.0, max = 0.1 }\n\
             dividend_yield = { min = 0.0, max = 0.1 }"
        }
    };
    let text = format!(
        "model = \"{}\"\nheld_out = 400\n[ranges]\nmoneyness = {{ min = 0.5, max = 2.0, scale = \"log\" }}\n\
         expiry_years = {{ min = 0.1, max = 3.0 }}\n{ranges}",
        model.as_str()
    );
    let data: DataConfig = toml::from_str(&text).unwrap();
    let kinds = model.default_features().to_vec();
    let features = Features::unscaled(model, kinds).fit(&calibration_rows(&data).unwrap());
    let architecture = Architecture::new(config, features);
    let parameters = architecture.layout().first_parameters(architecture.activation.gain(), 3);
    TrainedNetwork { architecture, parameters, statistics: Vec::new(), step: 1, evaluation: None, data: Some(data) }
}

fn config(activation: Activation, residual: bool) -> NetworkConfig {
    NetworkConfig { width: 21, depth: 3, activation, residual, ..NetworkConfig::default() }
}

/// Prices by the kernel of a target.
fn priced(quantised: &QuantisedNetwork, rows: &[f64], inputs: usize, target: Target) -> Vec<f64> {
    let pricer = Pricer::quantised_of_any(quantised).unwrap().on(target);
    let count = rows.len() / inputs;
    let (mut prices, mut status) = (vec![0.0; count], vec![Status::Overflow; count]);
    pricer.prices(rows, &mut prices, &mut status);
    assert!(status.iter().all(|status| status.is_ok()));
    prices
}

#[test]
fn the_kernel_of_every_target_prices_as_the_formulae_in_f64_say() {
    let volatility = PricingModel::BlackScholesImpliedVolatility;
    for (activation, residual, bits, model) in [
        (Activation::Silu, false, 16, PricingModel::BlackScholes),
        (Activation::Silu, true, 8, PricingModel::BlackScholes),
        (Activation::Tanh, true, 16, PricingModel::BlackScholes),
        (Activation::Relu, false, 8, PricingModel::BlackScholes),
        (Activation::Softplus, false, 16, PricingModel::BlackScholes),
        (Activation::Sine, true, 16, PricingModel::BlackScholes),
        (Activation::Gelu, false, 16, PricingModel::BlackScholes),
        (Activation::Silu, false, 16, volatility),
        (Activation::Tanh, true, 8, volatility),
    ] {
        let output = if model == volatility { OutputTransform::Scaled } else { OutputTransform::Bounds };
        let network = network(&NetworkConfig { output, ..config(activation, residual) }, model);
        let options = QuantisationOptions { activation_bits: bits, ..QuantisationOptions::default() };
        let quantised = quantise(&network, &options).unwrap();
        let rows = &calibration_rows(network.data.as_ref().unwrap()).unwrap()[..3 * 500];
        let mut emulation = Emulation::new(&network, rows);
        for layer in &quantised.layers {
            emulation.layers[layer.layer] = Layer::of(layer);
        }
        let wanted = emulation.prices();
        for target in Target::ALL {
            // An activation on the edge between two integers may fall on either side in f32: a step of 8 bits shows in the price of that
            // row, and of 16 bits, where f32 is a hundredth of a step off, some steps of 10⁻⁴ do.
            let (mean, most) = if bits == 16 { (1e-6, 5e-5) } else { (2e-5, 1e-2) };
            let found = priced(&quantised, rows, 3, target);
            let errors: Vec<f64> = found.iter().zip(&wanted).map(|(found, wanted)| (found - wanted).abs()).collect();
            let worst = errors.iter().copied().fold(0.0, f64::max);
            let average = errors.iter().sum::<f64>() / errors.len() as f64;
            assert!(
                average < mean && worst < most,
                "{model:?} {activation:?} {bits} {target:?}: {average:e} {worst:e}"
            );
        }
    }
}

#[test]
fn compensation_and_bits_pay_and_layers_say_where_errors_come_from() {
    let network = network(&config(Activation::Silu, false), PricingModel::Heston);
    let with = |activation_bits: u32, compensation: bool| {
        let options = QuantisationOptions { activation_bits, compensation, ..QuantisationOptions::default() };
        quantise(&network, &options).unwrap().errors
    };
    let (best, nearest, coarse) = (with(16, true), with(16, false), with(8, true));
    assert!(best.difference_rmse < 0.8 * nearest.difference_rmse, "{best:?} {nearest:?}");
    assert!(coarse.difference_rmse > 2.0 * best.difference_rmse, "{best:?} {coarse:?}");
    // Not the 400 that training looks at.
    assert_eq!((best.rows, best.layers.len()), (TEST_ROWS, 2));
    for (layer, (fine, coarse)) in best.layers.iter().zip(&coarse.layers).enumerate() {
        assert_eq!((fine.layer, coarse.layer), (layer + 1, layer + 1));
        // 256 times finer steps.
        assert!(fine.by_activations < 0.01 * coarse.by_activations, "{fine:?} {coarse:?}");
        assert!(fine.by_weights > 10.0 * fine.by_activations && fine.sums_rms > 20.0 * fine.by_weights, "{fine:?}");
        assert!(fine.price_rmse > 0.0 && fine.clipped < 0.01, "{fine:?}");
    }
    // What is measured is what the pricing model says.
    assert!(best.float_rmse > 0.0 && (best.ratio() - 1.0).abs() < 0.1, "{best:?}");
}

#[test]
fn a_network_of_volatilities_is_measured_against_volatilities_and_says_them_in_integers() {
    let model = PricingModel::BlackScholesImpliedVolatility;
    let config = NetworkConfig { output: OutputTransform::Scaled, ..config(Activation::Silu, false) };
    let network = network(&config, model);
    let quantised = quantise(&network, &QuantisationOptions::default()).unwrap();
    let errors = &quantised.errors;
    // Of volatilities between 0.05 and 1 a network of chance is wrong by a good part; its integers say the same.
    assert!(
        errors.rows > TEST_ROWS / 2 && errors.float_rmse > 0.01 && (errors.ratio() - 1.0).abs() < 0.1,
        "{errors:?}"
    );
    assert!(errors.difference_rmse > 0.0 && errors.difference_rmse < 0.1 * errors.float_rmse, "{errors:?}");
    assert!(errors.layers.iter().all(|layer| layer.price_rmse > 0.0 && layer.clipped < 0.01), "{errors:?}");
    // At the money, in the middle of what it learned.
    let taught = network.data.as_ref().unwrap();
    let quotes = crate::training::Quotes {
        option_type: &[zomma_base::OptionType::Call, zomma_base::OptionType::Put],
        forward: &[100.0, 100.0],
        strike: &[100.0, 100.0],
        expiry_years: &[1.0, 1.0],
        price: &[12.0, 12.0],
    };
    let (mut float, mut integer) = ([0.0; 2], [0.0; 2]);
    let mut status = [[Status::Overflow; 2]; 2];
    network.implied_volatilities(&quotes, taught, &mut float, &mut status[0]).unwrap();
    quantised.implied_volatilities(&quotes, taught, &mut integer, &mut status[1]).unwrap();
    assert_eq!(status, [[Status::Ok; 2]; 2]);
    assert!(
        integer[0] == integer[1] && integer != float && (integer[0] - float[0]).abs() < 0.02,
        "{integer:?} {float:?}"
    );
    // Nothing takes it for a network of prices.
    let refused = Pricer::quantised(&quantised).unwrap_err().to_string();
    assert!(refused.contains("a network of prices"), "{refused}");
}

#[test]
fn percentiles_clip_and_are_told() {
    let network = network(&config(Activation::Silu, false), PricingModel::BlackScholes);
    let options = QuantisationOptions { calibration: Calibration::Percentile(95.0), ..QuantisationOptions::default() };
    let errors = quantise(&network, &options).unwrap().errors;
    assert!(errors.layers.iter().all(|layer| layer.clipped > 0.005), "{errors:?}");
    let options = QuantisationOptions { calibration: Calibration::Mse, ..QuantisationOptions::default() };
    assert!(quantise(&network, &options).unwrap().errors.difference_rmse < errors.difference_rmse);
}

#[test]
fn networks_without_a_layer_to_quantise_are_refused() {
    let refused = |config: NetworkConfig, words: &str| {
        let network = network(&config, PricingModel::BlackScholes);
        let error = quantise(&network, &QuantisationOptions::default()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(NetworkConfig { depth: 1, ..NetworkConfig::default() }, "network.depth: 1 is not allowed: 2 or more");
    refused(NetworkConfig { width: 257, ..NetworkConfig::default() }, "network.width: 257");
    refused(NetworkConfig { norm: Normalisation::Batch, ..NetworkConfig::default() }, "without norm");
    let mut unknown = network(&NetworkConfig::default(), PricingModel::BlackScholes);
    unknown.data = None;
    let error = quantise(&unknown, &QuantisationOptions::default()).unwrap_err().to_string();
    assert!(error.contains("training domain") && error.contains("train it again"), "{error}");
}
