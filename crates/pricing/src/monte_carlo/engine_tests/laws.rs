//! What holds whatever the numbers: threads, targets, seeds, martingales, and closed forms of Black and Scholes.

use super::*;
use crate::black;
use crate::math::Target;
use crate::monte_carlo::closed_form::Lognormal;
use crate::tolerance::{ENGINE_TARGETS, LOCAL_VOLATILITY_STEP_BIAS};

const SAMPLINGS: [Sampling; 3] = [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 4 }];

fn smile(spot: f64, years: f64) -> f64 {
    0.2 + 0.1 * (-spot / 100.0).exp() + 0.02 * years
}

/// Every model.
fn models<'a>(local: &'a LocalVolatility<'a>) -> [Model<'a>; 5] {
    [
        Model::BlackScholes { volatility: 0.25 },
        Model::Merton { volatility: 0.2, jumps: JUMPS },
        Model::Heston(HESTON),
        Model::Bates { heston: HESTON, jumps: JUMPS },
        Model::LocalVolatility(local),
    ]
}

#[test]
fn threads_change_no_bit() {
    let local = LocalVolatility::Function(&smile);
    for model in models(&local) {
        let payoffs = payoffs(matches!(model, Model::Merton { .. } | Model::Bates { .. }));
        for sampling in SAMPLINGS {
            let plan = Plan::new(3, 9000, 12).sampled(sampling).controlled(Control::Spot);
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| prices(&market(0.03, 0.01), &model, &payoffs, &plan)).unwrap()
            };
            let one = on(1);
            for threads in [2, 3, 7] {
                assert_eq!(one, on(threads), "{model:?} {sampling:?} {threads}");
            }
            // Nor do the other payoffs.
            for (payoff, estimate) in payoffs.iter().zip(&one) {
                assert_eq!(price(&market(0.03, 0.01), &model, payoff, &plan).unwrap(), *estimate);
            }
        }
    }
}

#[test]
fn targets_agree() {
    let local = LocalVolatility::Function(&smile);
    for model in models(&local) {
        let payoffs = payoffs(matches!(model, Model::Merton { .. } | Model::Bates { .. }));
        for sampling in SAMPLINGS {
            let plan = Plan::new(3, 5000, 12).sampled(sampling);
            let on = |target| prices_on(target, &market(0.03, 0.01), &model, &payoffs, &plan).unwrap();
            let baseline = on(Target::Baseline);
            for target in Target::ALL.into_iter().filter(|target| target.is_available()) {
                for ((a, b), payoff) in baseline.iter().zip(on(target)).zip(&payoffs) {
                    let off = (a.price - b.price).abs() / 100.0;
                    assert!(off <= ENGINE_TARGETS, "{model:?} {payoff:?} {}: {off:e}", target.as_str());
                }
            }
        }
    }
}

#[test]
fn another_seed_is_another_estimate() {
    let estimate = |seed, sampling| {
        let plan = Plan::new(seed, 4096, 4).sampled(sampling);
        price(&market(0.0, 0.0), &Model::Heston(HESTON), &call(100.0), &plan).unwrap().price
    };
    for sampling in SAMPLINGS {
        assert_ne!(estimate(1, sampling), estimate(2, sampling));
        assert_ne!(estimate(1, sampling), estimate(1 + (1 << 32), sampling));
    }
}

#[test]
fn the_discounted_spot_is_a_martingale_whatever_the_step() {
    // A call of strike all but 0 is the discounted spot at expiry.
    let local = LocalVolatility::Function(&smile);
    for model in models(&local) {
        for steps in [1, 5, 20] {
            let plan = Plan::new(11, 1 << 17, steps).sampled(Sampling::Antithetic);
            let estimate = price(&market(0.05, 0.02), &model, &call(1e-9), &plan).unwrap();
            let wanted = 100.0 * (-0.02f64).exp();
            let off = (estimate.price - wanted) / estimate.standard_error;
            assert!(off.abs() <= 3.5, "{model:?} {steps}: {estimate:?} for {wanted}, {off}");
        }
    }
}

#[test]
fn europeans_and_digitals_meet_black() {
    let market = market(0.04, 0.01);
    let model = Model::BlackScholes { volatility: 0.3 };
    for sampling in [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 16 }] {
        for steps in [1, 3] {
            let digital = |option_type| Payoff::Digital { option_type, strike: 105.0 };
            let payoffs = [call(90.0), put(110.0), digital(OptionType::Call), digital(OptionType::Put)];
            let plan = Plan::new(5, 1 << 17, steps).sampled(sampling);
            let estimates = prices(&market, &model, &payoffs, &plan).unwrap();
            for (payoff, estimate) in payoffs.iter().zip(estimates) {
                let strike = payoff.strike().unwrap();
                let wanted = if let Payoff::Digital { option_type, .. } = payoff {
                    market.discount_factor() * Lognormal::spot(&market, 0.3).digital(*option_type, strike)
                } else {
                    european(&market, payoff.option_type(), strike, 0.3)
                };
                let off = (estimate.price - wanted) / estimate.standard_error;
                assert!(off.abs() <= 3.5, "{sampling:?} {steps} {payoff:?}: {estimate:?} for {wanted}, {off}");
            }
        }
    }
}

#[test]
fn merton_is_a_sum_of_blacks() {
    // R. C. Merton (1976): Σ e^(−λ'T)(λ'T)ⁿ/n! · Black–Scholes with σ² + n s²/T and r − λk + n ln(1 + k)/T.
    let market = market(0.04, 0.01);
    let (volatility, strike) = (0.2, 95.0);
    let k = (JUMPS.jump_mean + 0.5 * JUMPS.jump_std * JUMPS.jump_std).exp_m1();
    let expected = JUMPS.jump_intensity * (1.0 + k);
    let mut wanted = 0.0;
    let mut weight = (-expected).exp();
    for n in 0..60 {
        let row = black::Row {
            option_type: OptionType::Call,
            spot: 100.0,
            strike,
            expiry_years: 1.0,
            risk_free_rate: 0.04 - JUMPS.jump_intensity * k + f64::from(n) * (1.0 + k).ln(),
            dividend_yield: 0.01,
            volatility: (volatility * volatility + f64::from(n) * JUMPS.jump_std * JUMPS.jump_std).sqrt(),
        };
        wanted += weight * black::scalar::price(&row, black::Model::Bsm).unwrap();
        weight *= expected / f64::from(n + 1);
    }
    for (steps, sampling) in
        [(1, Sampling::Independent), (6, Sampling::Antithetic), (6, Sampling::Sobol { replications: 16 })]
    {
        let plan = Plan::new(2, 1 << 17, steps).sampled(sampling);
        let estimate = price(&market, &Model::Merton { volatility, jumps: JUMPS }, &call(strike), &plan).unwrap();
        let off = (estimate.price - wanted) / estimate.standard_error;
        assert!(off.abs() <= 3.5, "{sampling:?} {steps}: {estimate:?} for {wanted}, {off}");
    }
}

#[test]
fn local_volatility_meets_a_displaced_diffusion() {
    // M. Rubinstein, "Displaced diffusion option pricing" (1983): dS = σ(S + d)dW is a lognormal S + d.
    let (volatility, shift) = (0.15, 60.0);
    let function = |spot: f64, _: f64| volatility * (spot + shift) / spot;
    let local = LocalVolatility::Function(&function);
    let shifted = Market { spot: 100.0 + shift, ..market(0.0, 0.0) };
    let steps = 64;
    for strike in [70.0, 100.0, 130.0] {
        let wanted = european(&shifted, OptionType::Put, strike + shift, volatility);
        let plan = Plan::new(19, 1 << 16, steps).sampled(Sampling::Sobol { replications: 16 });
        let estimate = price(&market(0.0, 0.0), &Model::LocalVolatility(&local), &put(strike), &plan).unwrap();
        let allowed = 3.5 * estimate.standard_error + LOCAL_VOLATILITY_STEP_BIAS * 100.0 / steps as f64;
        assert!((estimate.price - wanted).abs() <= allowed, "{strike}: {estimate:?} for {wanted}");
    }
}

#[test]
fn certain_variance_is_black_and_scholes() {
    // σ_v = 0: the mean variance over the year is θ + (v₀ − θ)(1 − e^(−κ))/κ.
    let heston = Heston { sigma_v: 0.0, ..HESTON };
    let mean = heston.theta_v + (heston.v0 - heston.theta_v) * (1.0 - (-heston.kappa).exp()) / heston.kappa;
    let market = market(0.03, 0.0);
    let wanted = european(&market, OptionType::Call, 100.0, mean.sqrt());
    let estimate = price(&market, &Model::Heston(heston), &call(100.0), &Plan::new(1, 1 << 17, 4)).unwrap();
    assert!((estimate.price - wanted).abs() <= 3.5 * estimate.standard_error, "{estimate:?} for {wanted}");
    // And next to it the scheme agrees with itself.
    let near = Heston { sigma_v: 1e-6, ..heston };
    let other = price(&market, &Model::Heston(near), &call(100.0), &Plan::new(1, 1 << 17, 4)).unwrap();
    assert!((other.price - wanted).abs() <= 3.5 * other.standard_error, "{other:?} for {wanted}");
}
