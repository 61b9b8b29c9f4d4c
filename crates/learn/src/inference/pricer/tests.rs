use proptest::prelude::*;

use super::*;
use crate::config::{DataConfig, NetworkConfig, Normalisation, PricingModel};
use crate::data::uniform;
use crate::network::{Activation, FeatureKind, Features, OutputTransform, value};

const MODELS: [PricingModel; 4] = [
    PricingModel::BlackScholes,
    PricingModel::Heston,
    PricingModel::American,
    PricingModel::BlackScholesImpliedVolatility,
];
const OUTPUTS: [OutputTransform; 4] =
    [OutputTransform::None, OutputTransform::Positive, OutputTransform::Bounds, OutputTransform::Exercise];

fn ranges(model: PricingModel) -> &'static [[f64; 2]] {
    match model {
        PricingModel::BlackScholes => &[[0.5, 2.0], [0.02, 3.0], [0.05, 1.0]],
        PricingModel::Heston => {
            &[[0.5, 2.0], [0.02, 3.0], [0.01, 0.5], [0.3, 5.0], [0.01, 0.5], [0.1, 1.0], [-0.9, 0.5]]
        }
        PricingModel::BlackScholesImpliedVolatility => &[[0.5, 2.0], [0.02, 3.0], [0.001, 0.3]],
        PricingModel::Table => &[],
        PricingModel::American => &[[0.5, 2.0], [0.02, 3.0], [0.1, 0.8], [0.0, 0.1], [0.0, 0.1]],
    }
}

/// Rows over the ranges, ends included.
fn rows(model: PricingModel, count: usize, seed: u64) -> Vec<f64> {
    let ranges = ranges(model);
    let share = |i: usize| match i % 17 {
        0 => 0.0,
        1 => 1.0,
        _ => uniform(seed, i as u64),
    };
    (0..count * ranges.len())
        .map(|i| {
            let [low, high] = ranges[i % ranges.len()];
            low + (high - low) * share(i)
        })
        .collect()
}

fn network(config: &NetworkConfig, model: PricingModel, kinds: Vec<FeatureKind>, seed: u64) -> TrainedNetwork {
    let features = Features::unscaled(model, kinds).fit(&rows(model, 500, 5));
    let architecture = Architecture::new(config, features);
    let parameters = architecture.layout().first_parameters(architecture.activation.gain(), seed);
    TrainedNetwork { architecture, parameters, statistics: Vec::new(), step: 1, evaluation: None, data: None }
}

fn heston() -> TrainedNetwork {
    let model = PricingModel::Heston;
    network(&NetworkConfig::default(), model, model.default_features().to_vec(), 1)
}

/// How far the twin's value moves where each parameter moves by its last place in f32, some up and some down: no kernel in f32 is nearer than
/// about that, which deep in the wings and through steep activations is more than the last places of the value itself.
fn rounding(network: &TrainedNetwork, row: &[f64]) -> f64 {
    let value_by = |parameters: &[f32]| value(&network.architecture, parameters, &[], row).price;
    let here = value_by(&network.parameters);
    let moved = |draw: u64| {
        let sign = |i: usize| if uniform(draw, i as u64) < 0.5 { -1.0 } else { 1.0 };
        let numbers = network.parameters.iter().enumerate();
        let parameters: Vec<f32> = numbers.map(|(i, number)| number * (1.0 + sign(i) * f32::EPSILON)).collect();
        (value_by(&parameters) - here).abs()
    };
    (0..16).map(moved).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Every architecture, on every instruction set, block ends included.
    #[test]
    fn prices_are_those_of_the_twin(
        activation in prop::sample::select(&Activation::ALL[..]),
        output in prop::sample::select(&OUTPUTS[..]),
        model in prop::sample::select(&MODELS[..]),
        residual: bool,
        own_features: bool,
        width in 1..40usize,
        depth in 1..4usize,
        count in 1..150usize,
        seed in 0..1000u64,
    ) {
        let is_implied = model.is_implied_volatility();
        let is_bounded = matches!(output, OutputTransform::Bounds | OutputTransform::Exercise);
        let output = if is_implied && is_bounded { OutputTransform::Scaled } else { output };
        let config = NetworkConfig { width, depth, residual, activation, output, ..NetworkConfig::default() };
        let mut kinds = model.default_features().to_vec();
        if own_features {
            kinds.extend([FeatureKind::LogMoneyness, FeatureKind::ExpiryYears]);
            kinds.swap(0, 2);
        }
        let network = network(&config, model, kinds, seed);
        let inputs = rows(model, count, seed);
        let names = model.input_names().len();
        for target in Target::ALL {
            let packed = if is_implied { Pricer::of_volatilities(&network) } else { Pricer::new(&network) };
            let pricer = packed.unwrap().on(target);
            let (mut prices, mut status) = (vec![0.0; count], vec![Status::Overflow; count]);
            pricer.prices(&inputs, &mut prices, &mut status);
            for (i, row) in inputs.chunks_exact(names).enumerate() {
                let wanted = value(&network.architecture, &network.parameters, &[], row).price;
                let error = (prices[i] - wanted).abs();
                prop_assert!(status[i].is_ok());
                let is_near = error < 2e-6 * (1.0 + wanted.abs()) || error < 4.0 * rounding(&network, row);
                prop_assert!(is_near, "{target:?} {row:?}: {} {wanted}, {error:e}", prices[i]);
                if matches!(output, OutputTransform::Bounds | OutputTransform::Exercise) {
                    prop_assert!(prices[i] >= (row[0] - 1.0).max(0.0) && prices[i] <= row[0], "{row:?}: {}", prices[i]);
                }
            }
        }
    }
}

/// A network of one feature whose last number is so great that the price overflows.
fn overflowing() -> TrainedNetwork {
    let config = NetworkConfig {
        width: 1,
        depth: 1,
        activation: Activation::Relu,
        output: OutputTransform::None,
        ..NetworkConfig::default()
    };
    let mut network = network(&config, PricingModel::BlackScholes, vec![FeatureKind::ExpiryYears], 1);
    network.parameters = vec![0.0, f32::MAX, f32::MAX, 0.0];
    network
}

#[test]
fn a_row_that_is_no_number_or_outside_has_a_status_and_the_others_their_prices() {
    let mut network = heston();
    let good = [1.1, 0.5, 0.04, 1.5, 0.06, 0.5, -0.6];
    let cases = |bad: [f64; 7]| {
        good.iter().zip(bad).enumerate().map(|(j, (_, bad))| {
            let mut row = good;
            row[j] = bad;
            row
        })
    };
    let faults = [
        Status::BadStrike,
        Status::Expired,
        Status::BadV0,
        Status::BadKappa,
        Status::BadThetaV,
        Status::BadSigmaV,
        Status::BadRhoV,
    ];
    let check = |network: &TrainedNetwork, bad: [f64; 7], faults: [Status; 7]| {
        for target in Target::ALL {
            let pricer = Pricer::new(network).unwrap().on(target);
            let alone = |row: &[f64]| {
                let (mut price, mut status) = ([0.0], [Status::Ok]);
                pricer.prices(row, &mut price, &mut status);
                (price[0], status[0])
            };
            let inputs: Vec<f64> = cases(bad).flat_map(|bad| [good, bad]).flatten().collect();
            let (mut prices, mut status) = (vec![0.0; 14], vec![Status::Ok; 14]);
            pricer.prices(&inputs, &mut prices, &mut status);
            for (j, fault) in faults.into_iter().enumerate() {
                assert_eq!((prices[2 * j], status[2 * j]), (alone(&good).0, Status::Ok));
                assert!(prices[2 * j + 1].is_nan() && status[2 * j + 1] == fault, "input {j}: {}", status[2 * j + 1]);
            }
        }
    };
    check(&network, [-1.0, 0.0, -0.1, 0.0, -1e-9, -2.0, 1.5], faults);
    let mut of_no_number = faults;
    of_no_number[1] = Status::BadExpiry;
    check(&network, [f64::NAN; 7], of_no_number);
    check(&network, [f64::INFINITY; 7], of_no_number);
    // Within what the pricing model allows, but not within what was learned.
    let text: String = PricingModel::Heston
        .input_names()
        .iter()
        .zip(ranges(PricingModel::Heston))
        .map(|(name, [min, max])| format!("{name} = {{ min = {min:?}, max = {max:?} }}\n"))
        .collect();
    let data: DataConfig = toml::from_str(&format!("model = \"heston\"\n[ranges]\n{text}")).unwrap();
    let outside = [2.01, 3.5, 0.6, 6.0, 0.005, 1.5, 0.9];
    for row in cases(outside) {
        assert!(Pricer::new(&network).unwrap().domain().status(&row).is_ok());
    }
    network.data = Some(data);
    check(&network, outside, of_no_number);
}

/// About the money at small prices, where f32 of the moneyness would lose what the price says.
#[test]
fn volatilities_keep_their_digits_where_price_and_moneyness_are_small() {
    let model = PricingModel::BlackScholesImpliedVolatility;
    let config = NetworkConfig { output: OutputTransform::Scaled, ..NetworkConfig::default() };
    let network = network(&config, model, model.default_features().to_vec(), 1);
    let mut inputs = Vec::new();
    for price in [1e-9, 1e-6, 3e-4, 0.2] {
        for excess in [0.0, 1e-9, -1e-9, 2e-7, -3e-5, 1e-3] {
            inputs.extend([1.0 + excess, 0.05, price]);
        }
    }
    let count = inputs.len() / 3;
    for target in Target::ALL {
        let (mut found, mut status) = (vec![0.0; count], vec![Status::Overflow; count]);
        Pricer::of_volatilities(&network).unwrap().on(target).prices(&inputs, &mut found, &mut status);
        for (row, found) in inputs.chunks_exact(3).zip(&found) {
            let wanted = value(&network.architecture, &network.parameters, &[], row).price;
            assert!((found - wanted).abs() < 3e-6 * wanted, "{target:?} {row:?}: {found} {wanted}");
        }
        assert!(status.iter().all(|status| status.is_ok()));
    }
}

#[test]
fn what_is_not_representable_is_told() {
    let pricer = Pricer::new(&overflowing()).unwrap();
    let (mut prices, mut status) = ([0.0; 2], [Status::Ok; 2]);
    pricer.prices(&[1.0, 0.5, 0.2, 1.0, 1.0, 0.3], &mut prices, &mut status);
    assert!(status.iter().all(|status| *status == Status::Overflow) && prices.iter().all(|price| price.is_nan()));
}

#[test]
fn a_price_does_not_depend_on_its_neighbours_or_the_number_of_threads() {
    let pricer = Pricer::new(&heston()).unwrap();
    let count = 3 * PART + 77;
    let inputs = rows(PricingModel::Heston, count, 3);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut prices, mut status) = (vec![0.0; count], vec![Status::Ok; count]);
        pool.install(|| pricer.prices(&inputs, &mut prices, &mut status));
        prices
    };
    let prices = with(1);
    assert_eq!(prices, with(3));
    for i in (0..count).step_by(501) {
        let (mut price, mut status) = ([0.0], [Status::Ok]);
        pricer.prices(&inputs[7 * i..7 * (i + 1)], &mut price, &mut status);
        assert_eq!(price[0], prices[i]);
    }
    pricer.prices(&[], &mut [], &mut []);
}

#[test]
fn networks_that_it_cannot_price_with_are_refused() {
    let config = NetworkConfig { norm: Normalisation::Layer, ..NetworkConfig::default() };
    let model = PricingModel::BlackScholes;
    let normed = network(&config, model, model.default_features().to_vec(), 1);
    let error = Pricer::new(&normed).unwrap_err().to_string();
    assert!(error.contains("layer norm") && error.contains("without norm and dropout"), "{error}");
    let of_volatilities = PricingModel::BlackScholesImpliedVolatility;
    let config = NetworkConfig { output: OutputTransform::Scaled, ..NetworkConfig::default() };
    let implied = network(&config, of_volatilities, of_volatilities.default_features().to_vec(), 1);
    assert!(Pricer::new(&implied).unwrap_err().to_string().contains("a network of prices"));
    assert!(Pricer::of_volatilities(&heston()).unwrap_err().to_string().contains("heston"));
    let mut network = heston();
    network.parameters[7] = f32::NAN;
    let error = Pricer::new(&network).unwrap_err().to_string();
    assert!(error.contains("parameters: NaN"), "{error}");
}
