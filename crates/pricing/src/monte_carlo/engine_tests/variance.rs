//! What controls, antithetic paths and quasi-random points are worth, and that they are right.

use super::*;

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
