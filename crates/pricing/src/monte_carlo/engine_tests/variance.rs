//! What controls, antithetic paths and quasi-random points are worth, and that they are right.

use super::*;
use crate::monte_carlo::closed_form::Lognormal;

fn asian(average: Average) -> Payoff {
    Payoff::Asian { option_type: OptionType::Call, strike: 100.0, average, dates: 12 }
}

#[test]
fn controls_change_the_error_and_not_the_price() {
    let market = market(0.03, 0.01);
    let smile = |spot: f64, _: f64| 0.2 + 0.1 * (-spot / 100.0f64).exp();
    let local = LocalVolatility::Function(&smile);
    let black = Control::BlackScholes { volatility: 0.237 };
    let digital = Payoff::Digital { option_type: OptionType::Put, strike: 100.0 };
    // The least factor by which the standard error falls.
    for (model, payoff, control, factor) in [
        (Model::BlackScholes { volatility: 0.3 }, asian(Average::Arithmetic), Control::GeometricAsian, 20.0),
        (Model::BlackScholes { volatility: 0.3 }, call(90.0), Control::Spot, 2.5),
        (Model::LocalVolatility(&local), call(100.0), black, 15.0),
        (Model::LocalVolatility(&local), digital, black, 3.0),
        (Model::Heston(HESTON), call(100.0), black, 1.4),
        (Model::Heston(HESTON), put(90.0), Control::Spot, 1.1),
        (Model::Bates { heston: HESTON, jumps: JUMPS }, call(90.0), Control::Spot, 2.0),
    ] {
        for sampling in [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 16 }] {
            let plan = Plan::new(21, 1 << 16, 12).sampled(sampling);
            let plain = price(&market, &model, &payoff, &plan).unwrap();
            let with = price(&market, &model, &payoff, &plan.controlled(control)).unwrap();
            let error = plain.standard_error.hypot(with.standard_error);
            assert!(
                (plain.price - with.price).abs() <= 3.5 * error,
                "{model:?} {payoff:?} {sampling:?}: {plain:?} {with:?}"
            );
            if sampling == Sampling::Independent {
                let got = plain.standard_error / with.standard_error;
                assert!(got >= factor, "{model:?} {payoff:?} {control:?}: {got}");
            }
        }
    }
}

#[test]
fn a_perfect_control_leaves_no_error() {
    let market = market(0.03, 0.01);
    let plan = Plan::new(3, 10_000, 5).controlled(Control::BlackScholes { volatility: 0.3 });
    let model = Model::BlackScholes { volatility: 0.3 };
    let estimate = price(&market, &model, &call(110.0), &plan).unwrap();
    let wanted = european(&market, OptionType::Call, 110.0, 0.3);
    assert!((estimate.price - wanted).abs() <= 1e-11 && estimate.standard_error <= 1e-12, "{estimate:?} for {wanted}");
}

#[test]
fn estimates_are_unbiased_and_their_errors_honest_over_seeds() {
    // 60 seeds: the distance in standard errors has mean 0 and deviation 1 (1.07 with sixteen replications), within four of its own errors.
    let market = market(0.03, 0.01);
    let model = Model::BlackScholes { volatility: 0.3 };
    let wanted = european(&market, OptionType::Call, 105.0, 0.3);
    for (sampling, control) in [
        (Sampling::Independent, Control::None),
        (Sampling::Antithetic, Control::None),
        (Sampling::Sobol { replications: 16 }, Control::None),
        (Sampling::Independent, Control::Spot),
        (Sampling::Antithetic, Control::BlackScholes { volatility: 0.2 }),
    ] {
        let seeds = 60;
        let off: Vec<f64> = (0..seeds)
            .map(|seed| {
                let plan = Plan::new(seed, 4096, 6).sampled(sampling).controlled(control);
                let estimate = price(&market, &model, &call(105.0), &plan).unwrap();
                (estimate.price - wanted) / estimate.standard_error
            })
            .collect();
        let n = off.len() as f64;
        let mean = off.iter().sum::<f64>() / n;
        let deviation = (off.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0)).sqrt();
        assert!(mean.abs() <= 4.0 / n.sqrt(), "{sampling:?} {control:?}: mean {mean}");
        assert!((deviation - 1.0).abs() <= 4.0 / (2.0 * n).sqrt(), "{sampling:?} {control:?}: deviation {deviation}");
    }
}

/// Distances in standard errors: their root mean square and how many are beyond 3. A value that is exact and states 0 is at distance 0.
fn distances(off: &[f64]) -> (f64, usize) {
    let square = off.iter().map(|x| x * x).sum::<f64>() / off.len() as f64;
    (square.sqrt(), off.iter().filter(|x| x.abs() > 3.0).count())
}

fn distance(estimate: &Estimate, wanted: f64) -> f64 {
    let off = estimate.price - wanted;
    if off.abs() <= 1e-12 * wanted.abs() { 0.0 } else { off / estimate.standard_error }
}

#[test]
fn a_jump_over_one_step_has_an_honest_error() {
    // Strikes 60 to 150 in halves, as many places of the jump in its cell. With sixteen replications a distance is Student's with 15 degrees
    // of freedom: root of its mean square 1.07, beyond 3 once in 111.
    let (volatility, rate) = (0.2, 0.05);
    let market = market(rate, 0.0);
    let model = Model::BlackScholes { volatility };
    let strikes: Vec<f64> = (0..=180).map(|k| 60.0 + 0.5 * f64::from(k)).collect();
    for (seed, paths, steps) in [(0, 1 << 16, 1), (1, 1 << 16, 4), (2, 1 << 14, 1), (3, 48_000, 1)] {
        let plan = Plan::new(seed, paths, steps).sampled(Sampling::Sobol { replications: 16 });
        let digitals: Vec<Payoff> =
            strikes.iter().map(|&strike| Payoff::Digital { option_type: OptionType::Call, strike }).collect();
        let estimates = prices(&market, &model, &digitals, &plan).unwrap();
        let mut off = vec![vec![]; 5];
        for (strike, estimate) in strikes.iter().zip(&estimates) {
            let end = Lognormal::spot(&market, volatility);
            let in_money = market.discount_factor() * end.digital(OptionType::Call, *strike);
            let asset = european(&market, OptionType::Call, *strike, volatility) + strike * in_money;
            off[0].push(distance(estimate, in_money));
            let greeks = greeks(&market, volatility, &call(*strike), GreekMethod::Pathwise, &plan).unwrap();
            off[1].push(distance(&greeks.rho, strike * in_money));
            off[2].push(distance(&greeks.dual_delta, -in_money));
            off[3].push(distance(&greeks.delta, asset / market.spot));
            off[4].push(distance(&greeks.price, asset - strike * in_money));
        }
        for (what, off) in ["digital", "rho", "dual_delta", "delta", "price"].iter().zip(&off) {
            let (root, beyond) = distances(off);
            // What does not jump has one error at all strikes, or nearly, of one run.
            let least = if ["delta", "price"].contains(what) { 0.0 } else { 0.75 };
            assert!((least..1.5).contains(&root) && beyond <= 6, "{what} {paths} {steps}: {root}, {beyond} beyond 3");
        }
    }
}

#[test]
fn quasi_random_errors_fall_faster() {
    // From 2¹⁰ to 2¹⁶ paths: the slope of the logarithm of the true error, root of the mean square over eight seeds.
    let market = market(0.03, 0.01);
    let model = Model::BlackScholes { volatility: 0.3 };
    let wanted = european(&market, OptionType::Call, 105.0, 0.3);
    let error = |sampling, paths: usize| {
        let squares = (0..8).map(|seed| {
            let plan = Plan::new(seed, paths, 16).sampled(sampling);
            (price(&market, &model, &call(105.0), &plan).unwrap().price - wanted).powi(2)
        });
        (squares.sum::<f64>() / 8.0).sqrt()
    };
    let slope = |sampling| (error(sampling, 1 << 16) / error(sampling, 1 << 10)).log2() / 6.0;
    let (pseudo, quasi) = (slope(Sampling::Independent), slope(Sampling::Sobol { replications: 4 }));
    assert!((-0.75..-0.25).contains(&pseudo), "{pseudo}");
    assert!(quasi < -0.75, "{quasi}");
    assert!(error(Sampling::Sobol { replications: 4 }, 1 << 16) < 0.05 * error(Sampling::Independent, 1 << 16));
}
