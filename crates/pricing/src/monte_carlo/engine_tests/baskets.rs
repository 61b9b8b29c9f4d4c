//! Several assets against closed forms.

use super::*;
use crate::math::{Plain, Target, normal_cdf};
use crate::monte_carlo::closed_form::Lognormal;
use crate::tolerance::ENGINE_TARGETS;

const SAMPLINGS: [Sampling; 3] = [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 16 }];

/// Correlations 0.8 to the power of the distance.
fn chain(n: usize) -> Vec<f64> {
    (0..n * n).map(|i| 0.8f64.powi((i / n).abs_diff(i % n) as i32)).collect()
}

fn assets(n: usize) -> Assets {
    let spots: Vec<f64> = (0..n).map(|a| 80.0 + 40.0 * a as f64 / n as f64).collect();
    let volatilities: Vec<f64> = (0..n).map(|a| 0.15 + 0.3 * ((a * 7) % n) as f64 / n as f64).collect();
    let yields: Vec<f64> = (0..n).map(|a| 0.001 * a as f64).collect();
    Assets::new(&spots, &yields, &volatilities, &chain(n), 0.75, 0.03).unwrap()
}

#[test]
fn geometric_baskets_meet_their_closed_form() {
    for n in [1, 2, 7, 50] {
        let assets = assets(n);
        let weights = vec![1.0 / n as f64; n];
        // The logarithm of the index is normal.
        let volatility = |a: usize| 0.15 + 0.3 * ((a * 7) % n) as f64 / n as f64;
        let mean: f64 = (0..n)
            .map(|a| {
                let drift = 0.03 - 0.001 * a as f64 - 0.5 * volatility(a) * volatility(a);
                weights[a] * (assets.spots()[a].ln() + 0.75 * drift)
            })
            .sum();
        let chain = chain(n);
        let variance: f64 = (0..n * n)
            .map(|i| 0.75 * chain[i] * weights[i / n] * weights[i % n] * volatility(i / n) * volatility(i % n))
            .sum();
        let end = Lognormal { mean: (mean + 0.5 * variance).exp(), variance };
        for option_type in [OptionType::Call, OptionType::Put] {
            let payoff = AssetsPayoff { option_type, strike: 98.0, index: Index::Geometric(weights.clone()) };
            let wanted = (-0.03f64 * 0.75).exp() * end.option(option_type, 98.0);
            for sampling in SAMPLINGS {
                let estimate = assets_price(&assets, &payoff, &Plan::new(3, 1 << 15, 1).sampled(sampling)).unwrap();
                let off = (estimate.price - wanted) / estimate.standard_error;
                assert!(off.abs() <= 3.5, "{n} {option_type:?} {sampling:?}: {estimate:?} for {wanted}, {off}");
            }
        }
    }
}

#[test]
fn exchange_options_are_the_best_less_one() {
    // W. Margrabe (1978): max(S₁, S₂) − S₂ = (S₁ − S₂)⁺; a call of strike all but 0 on the best is the discounted best itself.
    let (spots, yields, volatilities, rho) = ([100.0, 95.0], [0.02, 0.05], [0.3, 0.2], 0.4);
    let assets = Assets::new(&spots, &yields, &volatilities, &[1.0, rho, rho, 1.0], 2.0, 0.03).unwrap();
    let [first, second]: [f64; 2] = std::array::from_fn(|a| spots[a] * (-yields[a] * 2.0f64).exp());
    let deviation = ((0.09 + 0.04 - 2.0 * rho * 0.06) * 2.0f64).sqrt();
    let d1 = (first / second).ln() / deviation + 0.5 * deviation;
    let exchange = first * normal_cdf::<Plain>(d1) - second * normal_cdf::<Plain>(d1 - deviation);
    for sampling in SAMPLINGS {
        let plan = Plan::new(5, 1 << 16, 1).sampled(sampling);
        let ask = |index| {
            let payoff = AssetsPayoff { option_type: OptionType::Call, strike: 1e-9, index };
            assets_price(&assets, &payoff, &plan).unwrap()
        };
        for (index, wanted) in [(Index::BestOf, second + exchange), (Index::WorstOf, first - exchange)] {
            let estimate = ask(index.clone());
            let off = (estimate.price - wanted) / estimate.standard_error;
            assert!(off.abs() <= 3.5, "{index:?} {sampling:?}: {estimate:?} for {wanted}, {off}");
        }
    }
}

#[test]
fn one_asset_is_black_and_scholes_and_threads_and_targets_change_nothing() {
    let one = Assets::new(&[100.0], &[0.01], &[0.3], &[1.0], 1.0, 0.03).unwrap();
    let wanted = european(&market(0.03, 0.01), OptionType::Put, 105.0, 0.3);
    let payoff = |index| AssetsPayoff { option_type: OptionType::Put, strike: 105.0, index };
    for index in [Index::Basket(vec![1.0]), Index::BestOf, Index::WorstOf] {
        let estimate = assets_price(&one, &payoff(index), &Plan::new(9, 1 << 16, 1)).unwrap();
        assert!((estimate.price - wanted).abs() <= 3.5 * estimate.standard_error);
    }
    let many = assets(10);
    let put = payoff(Index::Basket(vec![0.1; 10]));
    for sampling in SAMPLINGS {
        let plan = Plan::new(4, 9000, 1).sampled(sampling);
        let on = |threads: usize, target| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| assets_price_on(target, &many, &put, &plan)).unwrap()
        };
        let first = on(1, Target::best());
        for threads in [2, 3, 7] {
            assert_eq!(first, on(threads, Target::best()));
        }
        assert!((first.price - on(2, Target::Baseline).price).abs() <= 100.0 * ENGINE_TARGETS);
    }
}

#[test]
fn bad_assets_are_refused_by_name() {
    let new = |spots: &[f64], yields: &[f64], volatilities: &[f64], correlation: &[f64]| {
        Assets::new(spots, yields, volatilities, correlation, 1.0, 0.03).unwrap_err().to_string()
    };
    assert_eq!(new(&[], &[], &[], &[]), "0 assets: 1 to 50 are allowed");
    assert_eq!(new(&[1.0; 51], &[], &[], &[]), "51 assets: 1 to 50 are allowed");
    assert_eq!(new(&[1.0], &[], &[0.2], &[1.0]), "dividend_yields holds 0 numbers where 1 are expected");
    assert_eq!(new(&[1.0], &[0.0], &[0.2], &[1.0, 2.0]), "correlation holds 2 numbers where 1 are expected");
    assert_eq!(new(&[f64::NAN], &[0.0], &[0.2], &[1.0]), "bad_spot");
    assert_eq!(new(&[1.0], &[0.0], &[-0.2], &[1.0]), "bad_volatility");
    assert!(new(&[1.0; 2], &[0.0; 2], &[0.2; 2], &[1.0, 1.01, 1.01, 1.0]).starts_with("correlation 1.01 in row 0"));
    assert!(new(&[1.0; 2], &[0.0; 2], &[0.2; 2], &[1.0, 1.0, 1.0, 1.0]).contains("smallest eigenvalue"));
    let pair = Assets::new(&[1.0; 2], &[0.0; 2], &[0.2; 2], &[1.0, 0.1, 0.1, 1.0], 1.0, 0.03).unwrap();
    let ask = |strike, index, plan: Plan| {
        let payoff = AssetsPayoff { option_type: OptionType::Call, strike, index };
        assets_price(&pair, &payoff, &plan).unwrap_err().to_string()
    };
    let plan = Plan::new(1, 100, 1);
    assert_eq!(ask(f64::NAN, Index::BestOf, plan), "bad_strike");
    assert_eq!(ask(1.0, Index::Basket(vec![1.0]), plan), "weights holds 1 numbers where 2 are expected");
    assert_eq!(ask(1.0, Index::Basket(vec![1.0, f64::NAN]), plan), "bad_quantity");
    assert_eq!(ask(1.0, Index::BestOf, Plan::new(1, 1, 1)), "1 paths: at least 2 are needed");
    assert_eq!(ask(1.0, Index::BestOf, plan.controlled(Control::Spot)), "not supported: several assets with a control");
}
