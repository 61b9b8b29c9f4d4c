pub(super) mod interpreter;

use std::collections::BTreeSet;

use proptest::prelude::*;
use zomma_base::Status;

use super::proto::data_type;
use super::*;
use crate::config::{NetworkConfig, Normalisation, PricingModel, TrainConfig};
use crate::data::{PointSet, uniform};
use crate::inference::Pricer;
use crate::network::{Activation, Architecture, FeatureKind, Features, OutputTransform, value};
use crate::quantisation::{ActivationScale, QuantisationErrors, QuantisedLayer, quantised_value};
use interpreter::run;

/// Features of a model that are not its defaults, to its own and all others.
const BLACK_SCHOLES: &[FeatureKind] = &[
    FeatureKind::LogMoneyness,
    FeatureKind::Volatility,
    FeatureKind::ExpiryYears,
    FeatureKind::SqrtExpiryYears,
    FeatureKind::StandardisedMoneyness,
    FeatureKind::TotalVolatility,
];
const HESTON: &[FeatureKind] = &[
    FeatureKind::RhoV,
    FeatureKind::LogMoneyness,
    FeatureKind::ExpiryYears,
    FeatureKind::V0,
    FeatureKind::SigmaV,
    FeatureKind::ThetaV,
    FeatureKind::Kappa,
    FeatureKind::VarianceDeviation,
    FeatureKind::VarianceSkewness,
    FeatureKind::TotalVolatility,
];

const AMERICAN: &[FeatureKind] = &[
    FeatureKind::YieldShare,
    FeatureKind::StandardisedForward,
    FeatureKind::RiskFreeRate,
    FeatureKind::DividendYield,
    FeatureKind::Volatility,
    FeatureKind::LogMoneyness,
    FeatureKind::TotalYield,
];

const IMPLIED_VOLATILITY: &[FeatureKind] = &[
    FeatureKind::LogMoneyness,
    FeatureKind::LogPriceScale,
    FeatureKind::SqrtExpiryYears,
    FeatureKind::MoneynessOverPrice,
    FeatureKind::ExpiryYears,
];

fn data(model: PricingModel) -> DataConfig {
    let parameters = match model {
        PricingModel::BlackScholes | PricingModel::BlackScholesImpliedVolatility => {
            "volatility = { min = 0.05, max = 1.0 }"
        }
        PricingModel::Heston => {
            "v0 = { min = 0.01, max = 0.5 }\nkappa = { min = 0.1, max = 5.0 }\ntheta_v = { min = 0.01, max = 0.5 }\n\
             sigma_v = { min = 0.1, max = 1.0 }\nrho_v = { min = -0.9, max = 0.3 }"
        }
        PricingModel::Table => unreachable!("a table has no ranges"),
        PricingModel::American => {
            "volatility = { min = 0.1, max = 0.8 }\nrisk_free_rate = { min = 0.0, max = 0.1 }\n\
             dividend_yield = { min = 0.0, max = 0.1 }"
        }
    };
    // Only volatilities are scaled, and bounds are of prices.
    let network = if model.is_implied_volatility() { "\n[network]\noutput = \"scaled\"" } else { "" };
    let text = format!(
        "[data]\nmodel = \"{}\"\n[data.ranges]\nmoneyness = {{ min = 0.5, max = 2.0 }}\n\
         expiry_years = {{ min = 0.02, max = 3.0 }}\n{parameters}\n[training]\nsteps = 1{network}",
        model.as_str()
    );
    TrainConfig::parse(&text).unwrap().data
}

/// A network of random parameters, and rows of its domain.
fn network(config: &NetworkConfig, model: PricingModel, rows: usize, seed: u64) -> (TrainedNetwork, Vec<f64>) {
    let data = data(model);
    let count = model.input_names().len();
    let mut inputs = vec![0.0; rows * count];
    let points = PointSet::held_out(&DataConfig { seed, ..data.clone() });
    inputs.chunks_exact_mut(count).enumerate().for_each(|(i, row)| points.point(i as u64, row));
    if model.is_implied_volatility() {
        // From 6e-6 to 1, as prices over √(FK) are.
        inputs.chunks_exact_mut(count).for_each(|row| row[2] = row[2].powi(4));
    }
    // Rows that f32 holds exactly, so that what is given is the same in every precision.
    inputs.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    let features = Features::unscaled(model, config.features(&data)).fit(&inputs);
    let architecture = Architecture::new(config, features);
    let layout = architecture.layout();
    let mut parameters = layout.first_parameters(1.0, seed);
    for place in layout.hidden.iter().filter_map(|layer| layer.norm.as_ref()).flatten() {
        for (i, x) in place.of_mut(&mut parameters).iter_mut().enumerate() {
            *x += 0.4 * (uniform(seed, (place.offset + i) as u64) - 0.5) as f32;
        }
    }
    let moved = |(i, x): (usize, &f32)| x + 0.5 * uniform(seed ^ 9, i as u64) as f32;
    let statistics = layout.first_statistics().iter().enumerate().map(moved).collect();
    (TrainedNetwork { architecture, parameters, statistics, step: 7, evaluation: None, data: None }, inputs)
}

fn twin(network: &TrainedNetwork, row: &[f64]) -> f64 {
    value(&network.architecture, &network.parameters, &network.statistics, row).price
}

fn configs() -> impl Strategy<Value = (NetworkConfig, PricingModel)> {
    let models = [
        PricingModel::BlackScholes,
        PricingModel::Heston,
        PricingModel::American,
        PricingModel::BlackScholesImpliedVolatility,
    ];
    let model = prop::sample::select(models.to_vec());
    let norm = prop::sample::select(&[Normalisation::None, Normalisation::Layer, Normalisation::Batch][..]);
    let outputs =
        [OutputTransform::None, OutputTransform::Positive, OutputTransform::Bounds, OutputTransform::Exercise];
    let output = prop::sample::select(outputs.to_vec());
    let shape = (1usize..40, 1usize..5, prop::bool::ANY, prop::bool::ANY, 0.0..0.5f64);
    let activation = prop::sample::select(&Activation::ALL[..]);
    (model, norm, output, shape, activation).prop_map(|(model, norm, output, shape, activation)| {
        let (width, depth, residual, own_features, dropout) = shape;
        let all = match model {
            PricingModel::BlackScholes => BLACK_SCHOLES,
            PricingModel::American => AMERICAN,
            PricingModel::BlackScholesImpliedVolatility => IMPLIED_VOLATILITY,
            _ => HESTON,
        };
        let is_bounded = matches!(output, OutputTransform::Bounds | OutputTransform::Exercise);
        let output = if model.is_implied_volatility() && is_bounded { OutputTransform::Scaled } else { output };
        let features = own_features.then(|| all[..1 + (width + depth) % all.len()].to_vec());
        (NetworkConfig { features, width, depth, residual, activation, dropout, norm, output }, model)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn every_network_of_a_config_is_its_twin_in_every_precision((config, model) in configs(), seed in 0u64..1000) {
        let (network, inputs) = network(&config, model, 12, seed);
        for precision in [Precision::Mixed, Precision::Float, Precision::Double] {
            let model = decode(&encode(&export(&network, None, precision).unwrap())).unwrap();
            let prices = run(&model, &inputs);
            for (row, price) in inputs.chunks_exact(inputs.len() / 12).zip(&prices) {
                let wanted = twin(&network, row);
                // f64 shows that the graph is the network; f32 (gelu's error function is always in it) adds its rounding over the
                // layers, which a norm of units that are nearly equal multiplies by up to 1/√ε = 316.
                let allowed = match precision {
                    Precision::Double if config.activation != Activation::Gelu => 1e-7,
                    _ if config.norm == Normalisation::Layer => 1e-3,
                    Precision::Double => 1e-6,
                    _ => 4e-6,
                };
                let allowed = allowed * wanted.abs().max(1.0);
                prop_assert!((price - wanted).abs() <= allowed, "{precision:?} {row:?}: {price} {wanted}");
            }
        }
    }

    #[test]
    fn every_name_is_given_once_before_it_is_taken((config, model) in configs()) {
        let (network, _) = network(&config, model, 4, 1);
        let is_implied_volatility = model.is_implied_volatility();
        let model = export(&network, Some(&data(model)), Precision::Mixed).unwrap();
        prop_assert_eq!(&decode(&encode(&model)).unwrap(), &model);
        let graph = model.graph.unwrap();
        let mut known = BTreeSet::new();
        for tensor in &graph.initializer {
            prop_assert!(known.insert(tensor.name.clone().unwrap()), "{:?}", tensor.name);
            let numbers: i64 = tensor.dims.iter().product();
            let size = match tensor.data_type.unwrap() {
                data_type::DOUBLE | data_type::INT64 => 8,
                data_type::FLOAT => 4,
                other => panic!("a constant of type {other}"),
            };
            prop_assert_eq!(tensor.raw_data.as_ref().unwrap().len() as i64, numbers * size);
        }
        known.insert(graph.input[0].name.clone().unwrap());
        let mut nodes = BTreeSet::new();
        for node in &graph.node {
            prop_assert!(nodes.insert(node.name.clone().unwrap()), "{:?}", node.name);
            prop_assert!(node.input.iter().all(|input| known.contains(input)), "{:?}", node);
            for output in &node.output {
                prop_assert!(known.insert(output.clone()), "{output}");
            }
        }
        let output = if is_implied_volatility { VOLATILITY_OUTPUT } else { OUTPUT };
        prop_assert!(known.contains(output));
        prop_assert_eq!(graph.output[0].name.as_deref(), Some(output));
        // Nothing is computed or kept for nobody, but columns that no feature shows and moments that none is made of.
        let taken: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
        for name in known.iter().filter(|name| *name != output && !taken.contains(name)) {
            let is_column = graph.node.iter().any(|node| node.op_type.as_deref() == Some("Split") && node.output.contains(name));
            prop_assert!(is_column, "{name}");
        }
    }
}

#[test]
fn bounds_hold_where_the_last_number_is_beyond_all_measure() {
    let config = NetworkConfig { width: 2, depth: 1, ..NetworkConfig::default() };
    let (mut network, _) = network(&config, PricingModel::BlackScholes, 4, 1);
    let bias = network.architecture.layout().out_bias;
    for precision in [Precision::Mixed, Precision::Float, Precision::Double] {
        for last in [-1e30, -1e3, 1e3, 1e30] {
            bias.of_mut(&mut network.parameters)[0] = last;
            let model = export(&network, None, precision).unwrap();
            // The moneyness of 1 is where call and put of 0 make 0/0.
            for m in [0.5, 1.0, 1.5] {
                let price = run(&model, &[m, 0.5, 0.2])[0];
                let wanted = if last < 0.0 { f64::max(m - 1.0, 0.0) } else { m };
                assert!((price - wanted).abs() < 1e-6, "{precision:?} {last} at {m}: {price}");
            }
        }
    }
}

#[test]
fn the_metadata_say_what_it_is() {
    let (mut network, _) = network(&NetworkConfig::default(), PricingModel::Heston, 4, 1);
    let plain = export(&network, None, Precision::Float).unwrap();
    assert_eq!(metadata(&plain, INPUTS_KEY), Some("moneyness,expiry_years,v0,kappa,theta_v,sigma_v,rho_v"));
    assert_eq!(metadata(&plain, MODEL_KEY), Some("heston"));
    assert_eq!((metadata(&plain, DOMAIN_KEY), metadata(&plain, "zomma.errors")), (None, None));
    network.evaluation = Some(crate::training::Evaluation { price_rmse: 1.25e-4, ..Default::default() });
    let whole = export(&network, Some(&data(PricingModel::Heston)), Precision::Mixed).unwrap();
    assert!(metadata(&whole, DOMAIN_KEY).unwrap().contains("\"rho_v\":{\"min\":-0.9,\"max\":0.3"));
    assert!(metadata(&whole, "zomma.errors").unwrap().contains("\"price_rmse\":0.000125"));
    let sum = format!("{:016x}", crate::training::checksum(&network.parameters));
    assert_eq!(metadata(&whole, "zomma.parameters_checksum"), Some(sum.as_str()));
    assert_eq!((whole.ir_version, whole.opset_import[0].version), (Some(8), Some(18)));
}

#[test]
fn a_network_of_volatilities_says_what_its_prices_are_and_which_of_them_it_learned() {
    let model = PricingModel::BlackScholesImpliedVolatility;
    let config = NetworkConfig { output: OutputTransform::Scaled, ..NetworkConfig::default() };
    let (of_volatilities, _) = network(&config, model, 4, 1);
    let found = export(&of_volatilities, Some(&data(model)), Precision::Double).unwrap();
    assert_eq!(metadata(&found, INPUTS_KEY), Some("moneyness,expiry_years,price"));
    assert!(metadata(&found, DOMAIN_KEY).unwrap().contains("\"volatility\":{\"min\":0.05,\"max\":1.0"));
    assert_eq!(metadata(&found, LEAST_VEGA_KEY), Some("0.01"));
    assert!(metadata(&found, "zomma.output").unwrap().contains("out-of-the-money"));
    let (other, _) = network(&NetworkConfig::default(), PricingModel::BlackScholes, 4, 1);
    let other = export(&other, Some(&data(PricingModel::BlackScholes)), Precision::Double).unwrap();
    assert_eq!(metadata(&other, LEAST_VEGA_KEY), None);
}

#[test]
fn what_is_no_model_is_refused() {
    assert!(decode(b"rubbish").is_err());
    assert!(decode(b"").unwrap_err().to_string().contains("no graph"));
    let (network, _) = network(&NetworkConfig::default(), PricingModel::BlackScholes, 4, 1);
    let bytes = encode(&export(&network, None, Precision::Mixed).unwrap());
    assert!(decode(&bytes[..bytes.len() / 2]).is_err());
}

/// A network whose hidden layers but the first are in integers that reach over what the layer is given.
fn quantised(
    activation: Activation,
    residual: bool,
    bits: u32,
    (model, seed): (PricingModel, u64),
) -> (QuantisedNetwork, Vec<f64>) {
    let output = if model.is_implied_volatility() { OutputTransform::Scaled } else { OutputTransform::Bounds };
    let config = NetworkConfig { width: 11, depth: 3, activation, residual, output, ..NetworkConfig::default() };
    let (mut network, inputs) = network(&config, model, 40, seed);
    let layout = network.architecture.layout();
    let mut layers = Vec::new();
    for (layer, places) in layout.hidden.iter().enumerate().skip(1) {
        let weights = places.weight.of(&network.parameters);
        let most = |j: usize| weights.iter().skip(j).step_by(11).fold(0.0, |most: f32, w| most.max(w.abs()));
        let weight_scales: Vec<f32> = (0..11).map(|j| most(j) / 127.0).collect();
        let integers = weights.iter().enumerate().map(|(i, w)| (w / weight_scales[i % 11]).round() as i8);
        let quantised = QuantisedLayer {
            layer,
            inputs: 11,
            units: 11,
            activation: ActivationScale::over(bits, -1.5, 4.0),
            weights: integers.collect(),
            weight_scales,
            bias: places.bias.of(&network.parameters).to_vec(),
        };
        let weights = quantised.dequantised_weights();
        layers.push(quantised);
        places.weight.of_mut(&mut network.parameters).copy_from_slice(&weights);
    }
    (QuantisedNetwork { network, layers, errors: QuantisationErrors::default() }, inputs)
}

#[test]
fn a_quantised_network_is_its_integers() {
    let models = [PricingModel::BlackScholes, PricingModel::BlackScholesImpliedVolatility];
    for (seed, activation) in Activation::ALL.into_iter().enumerate() {
        for (bits, residual, model) in [(8, false), (8, true), (16, false), (16, true)]
            .into_iter()
            .flat_map(|(bits, residual)| models.map(|model| (bits, residual, model)))
        {
            let (quantised, inputs) = quantised(activation, residual, bits, (model, seed as u64));
            for precision in [Precision::Mixed, Precision::Float] {
                let model = decode(&encode(&export_quantised(&quantised, None, precision).unwrap())).unwrap();
                assert_eq!(opset(&model), Some(if bits == 8 { 18 } else { 21 }));
                let prices = run(&model, &inputs);
                let errors = inputs
                    .chunks_exact(3)
                    .zip(&prices)
                    .map(|(row, price)| (price - quantised_value(&quantised, row)).abs());
                let mut errors: Vec<f64> = errors.collect();
                errors.sort_by(f64::total_cmp);
                // A sum that f32 and f64 put on two sides of a half becomes another integer, which a step of 5.5/255 makes felt.
                let step = if bits == 8 { 5e-3 } else { 2e-5 };
                let (most, middle) = (errors[errors.len() - 1], errors[errors.len() / 2]);
                assert!(
                    middle < 1e-6 && most < step,
                    "{model:?} {activation:?} {bits} {precision:?}: {middle:e} {most:e}"
                );
            }
            // So is our own kernel, in which f32 falls elsewhere on a half.
            let (mut kernel, mut status) = (vec![0.0; inputs.len() / 3], vec![Status::Ok; inputs.len() / 3]);
            Pricer::quantised_of_any(&quantised).unwrap().prices(&inputs, &mut kernel, &mut status);
            let graph = run(&export_quantised(&quantised, None, Precision::Mixed).unwrap(), &inputs);
            let mut apart: Vec<f64> = kernel.iter().zip(&graph).map(|(kernel, graph)| (kernel - graph).abs()).collect();
            apart.sort_by(f64::total_cmp);
            let (most, middle) = (apart[apart.len() - 1], apart[apart.len() / 2]);
            // A volatility moves with the network's number by up to half its row's scale, a price by an eighth of the strike or so.
            let share = if model.is_implied_volatility() { 4.0 } else { 1.0 };
            let step = share * if bits == 8 { 5e-3 } else { 2e-5 };
            assert!(middle < 2e-6 && most < step, "kernel of {model:?} {activation:?} {bits}: {middle:e} {most:e}");
            // The rounding is in it: with the integers gone the prices are others.
            let plain = export(&quantised.network, None, Precision::Mixed).unwrap();
            let rounded = export_quantised(&quantised, None, Precision::Mixed).unwrap();
            let differs = run(&plain, &inputs).iter().zip(run(&rounded, &inputs)).any(|(a, b)| (a - b).abs() > 1e-7);
            assert!(differs, "{activation:?} {bits}");
            assert_eq!(metadata(&rounded, "zomma.activation_bits"), Some(if bits == 8 { "8,8" } else { "16,16" }));
            let refused = export_quantised(&quantised, None, Precision::Double).unwrap_err().to_string();
            assert!(refused.contains("mixed or float"), "{refused}");
        }
    }
}
