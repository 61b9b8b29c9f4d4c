//! What is refused, by name; and that no bits of input panic or give a number that is none.

use proptest::prelude::*;

use super::*;

const PLAN: Plan = Plan { seed: 1, paths: 64, steps: 4, sampling: Sampling::Independent, control: Control::None };

fn refusal(market: &Market, model: &Model<'_>, payoff: &Payoff, plan: &Plan) -> String {
    price(market, model, payoff, plan).unwrap_err().to_string()
}

#[test]
fn plans_are_refused_by_name() {
    let ask = |plan: Plan| refusal(&market(0.0, 0.0), &Model::Heston(HESTON), &call(100.0), &plan);
    let sobol = |replications| Sampling::Sobol { replications };
    assert_eq!(ask(Plan { paths: 0, ..PLAN }), "0 paths: at least 2 are needed");
    assert_eq!(ask(Plan { paths: 1, ..PLAN }), "1 paths: at least 2 are needed");
    assert_eq!(ask(Plan { paths: 3, ..PLAN }.sampled(Sampling::Antithetic)), "3 paths: at least 4 are needed");
    assert_eq!(ask(PLAN.sampled(sobol(1))), "1 replications: 2 to 65536 are allowed");
    assert_eq!(ask(PLAN.sampled(sobol(65))), "64 paths: at least 65 are needed");
    assert_eq!(ask(PLAN.sampled(sobol(usize::MAX))), format!("{} replications: 2 to 65536 are allowed", usize::MAX));
    assert!(ask(Plan { paths: usize::MAX, ..PLAN }).ends_with("paths: at most 4294967296 are counted"));
    assert_eq!(ask(Plan { steps: 0, ..PLAN }), "0 steps: 1 to 16384 are allowed");
    assert_eq!(ask(Plan { steps: usize::MAX, ..PLAN }), format!("{} steps: 1 to 16384 are allowed", usize::MAX));
    // One step and the fewest paths are simulated.
    for (paths, sampling) in [(2, Sampling::Independent), (4, Sampling::Antithetic), (2, sobol(2))] {
        let estimate =
            price(&market(0.0, 0.0), &Model::Heston(HESTON), &call(100.0), &Plan { paths, steps: 1, sampling, ..PLAN });
        assert_eq!(estimate.unwrap().samples, 2);
    }
    // What does not divide is not simulated, and said.
    let odd = Plan { paths: 77, ..PLAN }.sampled(sobol(8));
    assert_eq!(price(&market(0.0, 0.0), &Model::Heston(HESTON), &call(100.0), &odd).unwrap().paths, 72);
}

#[test]
fn fields_are_refused_by_their_status() {
    let on = |market: Market| refusal(&market, &Model::BlackScholes { volatility: 0.2 }, &call(100.0), &PLAN);
    let good = market(0.01, 0.02);
    let nan = f64::NAN;
    assert_eq!(on(Market { spot: nan, ..good }), "bad_spot");
    assert_eq!(on(Market { spot: -1.0, ..good }), "bad_spot");
    assert_eq!(on(Market { expiry_years: 0.0, ..good }), "expired");
    assert_eq!(on(Market { expiry_years: nan, ..good }), "bad_expiry");
    assert_eq!(on(Market { risk_free_rate: nan, ..good }), "bad_rate");
    assert_eq!(on(Market { dividend_yield: f64::INFINITY, ..good }), "bad_yield");
    assert_eq!(on(Market { risk_free_rate: 1e3, ..good }), "overflow");
    let of = |model: Model<'_>| refusal(&good, &model, &call(100.0), &PLAN);
    assert_eq!(of(Model::BlackScholes { volatility: nan }), "bad_volatility");
    assert_eq!(of(Model::Heston(Heston { v0: -0.1, ..HESTON })), "bad_v0");
    assert_eq!(of(Model::Heston(Heston { kappa: 0.0, ..HESTON })), "bad_kappa");
    assert_eq!(of(Model::Heston(Heston { theta_v: nan, ..HESTON })), "bad_theta_v");
    assert_eq!(of(Model::Heston(Heston { sigma_v: -1.0, ..HESTON })), "bad_sigma_v");
    assert_eq!(of(Model::Heston(Heston { rho_v: 1.0001, ..HESTON })), "bad_rho_v");
    assert_eq!(of(Model::Heston(Heston { v0: 1e5, ..HESTON })), "overflow");
    let jumps = |jumps| Model::Bates { heston: HESTON, jumps };
    assert_eq!(of(jumps(Jumps { jump_intensity: -1.0, ..JUMPS })), "bad_jump_intensity");
    assert_eq!(of(jumps(Jumps { jump_mean: nan, ..JUMPS })), "bad_jump_mean");
    assert_eq!(of(jumps(Jumps { jump_std: -1.0, ..JUMPS })), "bad_jump_std");
    let many = of(jumps(Jumps { jump_intensity: 2000.0, ..JUMPS }));
    assert_eq!(many, "500 jumps a step are to be expected: at most 300; take more steps");
    for bad in [nan, -0.1, f64::INFINITY, 11.0] {
        let function = move |_: f64, _: f64| bad;
        assert_eq!(of(Model::LocalVolatility(&LocalVolatility::Function(&function))), "bad_volatility");
    }
}

#[test]
fn payoffs_are_refused_by_name() {
    let good = market(0.01, 0.02);
    let ask = |payoff: Payoff| refusal(&good, &Model::BlackScholes { volatility: 0.2 }, &payoff, &PLAN);
    let option_type = OptionType::Call;
    assert_eq!(ask(call(0.0)), "bad_strike");
    assert_eq!(ask(Payoff::Digital { option_type, strike: f64::NAN }), "bad_strike");
    let asian = |dates| Payoff::Asian { option_type, strike: 100.0, average: Average::Arithmetic, dates };
    assert_eq!(ask(asian(0)), "0 dates: they must divide the 4 steps");
    assert_eq!(ask(asian(3)), "3 dates: they must divide the 4 steps");
    let barrier = |barrier, kind, rebate| Payoff::Barrier {
        option_type,
        strike: 100.0,
        barrier,
        kind,
        rebate,
        monitoring: Monitoring::Continuous,
    };
    assert_eq!(ask(barrier(f64::NAN, BarrierKind::UpAndOut, 0.0)), "bad_barrier");
    assert_eq!(ask(barrier(120.0, BarrierKind::UpAndOut, -1.0)), "bad_rebate");
    assert_eq!(ask(barrier(100.0, BarrierKind::UpAndOut, 0.0)), "barrier_hit");
    assert_eq!(ask(barrier(100.0, BarrierKind::DownAndIn, 0.0)), "barrier_hit");
    let jumping = Model::Merton { volatility: 0.2, jumps: JUMPS };
    let refused = refusal(&good, &jumping, &barrier(120.0, BarrierKind::UpAndOut, 0.0), &PLAN);
    assert_eq!(refused, "not supported: a barrier looked at all the time where the spot jumps");
    let controlled =
        |payoff, control| refusal(&good, &Model::BlackScholes { volatility: 0.2 }, &payoff, &PLAN.controlled(control));
    let floating = Payoff::Lookback { option_type, strike: None, dates: 2 };
    let black = Control::BlackScholes { volatility: 0.2 };
    assert_eq!(controlled(floating, black), "not supported: a Black-Scholes control for a payoff without strike");
    assert!(controlled(call(100.0), Control::GeometricAsian).starts_with("not supported: a geometric Asian control"));
    assert_eq!(controlled(call(100.0), Control::BlackScholes { volatility: -1.0 }), "bad_volatility");
}

#[test]
fn grids_are_refused_by_name() {
    let new = |years: &[f64], spots: &[f64], volatilities: &[f64]| {
        VolatilityGrid::new(years, spots, volatilities).unwrap_err().to_string()
    };
    assert_eq!(new(&[], &[1.0], &[]), "bad_expiry");
    assert_eq!(new(&[1.0, 0.5], &[1.0], &[0.2; 2]), "bad_expiry");
    assert_eq!(new(&[0.5], &[0.0, 1.0], &[0.2; 2]), "bad_spot");
    assert_eq!(new(&[0.5], &[1.0, 1.0], &[0.2; 2]), "bad_spot");
    assert_eq!(new(&[0.5], &[1.0], &[0.2; 2]), "volatilities holds 2 numbers where 1 are expected");
    assert_eq!(new(&[0.5], &[1.0], &[f64::NAN]), "bad_volatility");
    let grid = VolatilityGrid::new(&[0.5, 1.0], &[50.0, 100.0], &[0.1, 0.2, 0.3, 0.4]).unwrap();
    assert_eq!(grid.volatility(10.0, 0.0), 0.1);
    assert_eq!(grid.volatility(1e4, 5.0), 0.4);
    assert!((grid.volatility(50.0 * 2f64.sqrt(), 0.75) - 0.25).abs() <= 1e-15);
}

/// A number of any bits now and then; most often one of the domain, its edges among them.
fn field(edges: &'static [f64], inside: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => any::<u64>().prop_map(f64::from_bits),
        4 => proptest::sample::select(edges),
        20 => inside,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bits_panic_or_give_a_number_that_is_none(
        market in [
            field(&[1e-200, 1e-30, 1.0, 1e200], 50.0..150.0),
            field(&[1e-300, 1e-12, 1000.0], 0.01..3.0),
            field(&[-600.0, 0.0, 600.0], -0.1..0.2),
            field(&[-600.0, 0.0, 600.0], -0.1..0.2),
        ],
        heston in [
            field(&[0.0, 1e-300, 1e-20, 100.0], 0.0..1.0),
            field(&[1e-300, 1e-9, 1e4], 0.1..10.0),
            field(&[0.0, 1e-300, 100.0], 0.0..1.0),
            field(&[0.0, 1e-300, 1e-8, 2e-8, 100.0], 0.0..3.0),
            field(&[-1.0, 0.0, 1.0], -1.0..1.0),
        ],
        jumps in [
            field(&[0.0, 1e-300, 100.0], 0.0..5.0),
            field(&[-10.0, 0.0, 10.0], -0.5..0.5),
            field(&[0.0, 10.0], 0.0..0.5),
        ],
        payoff in [
            field(&[1e-300, 1e-30, 1e200], 50.0..150.0),
            field(&[1e-250, 1e250], 50.0..150.0),
            field(&[0.0, 1e300], 0.0..10.0),
            field(&[0.0, 1e-300, 1e-160, 10.0], 0.01..1.0),
        ],
        choice in (0..5usize, 0..7usize, 0..4usize, 0..3usize, 0..3usize, 1..200usize, 1..7usize, any::<u64>()),
    ) {
        let (model, kind, dates, sampling, control, paths, per_date, seed) = choice;
        let steps = per_date * dates;
        let [spot, expiry_years, risk_free_rate, dividend_yield] = market;
        let market = Market { spot, expiry_years, risk_free_rate, dividend_yield };
        let [v0, kappa, theta_v, sigma_v, rho_v] = heston;
        let heston = Heston { v0, kappa, theta_v, sigma_v, rho_v };
        let [jump_intensity, jump_mean, jump_std] = jumps;
        let jumps = Jumps { jump_intensity, jump_mean, jump_std };
        let [strike, barrier, rebate, volatility] = payoff;
        let function = move |spot: f64, _: f64| volatility * (1.0 + (spot / 100.0).sin());
        let local = LocalVolatility::Function(&function);
        let model = [
            Model::BlackScholes { volatility },
            Model::Merton { volatility, jumps },
            Model::Heston(heston),
            Model::Bates { heston, jumps },
            Model::LocalVolatility(&local),
        ][model];
        let option_type = if seed % 2 == 0 { OptionType::Call } else { OptionType::Put };
        let barred = |kind, monitoring| Payoff::Barrier { option_type, strike, barrier, kind, rebate, monitoring };
        let payoff = [
            Payoff::European { option_type, strike },
            Payoff::Digital { option_type, strike },
            Payoff::Asian { option_type, strike, average: Average::Arithmetic, dates },
            Payoff::Asian { option_type, strike, average: Average::Geometric, dates },
            barred(BarrierKind::UpAndOut, Monitoring::Continuous),
            barred(BarrierKind::DownAndIn, Monitoring::Dates(dates)),
            Payoff::Lookback { option_type, strike: (seed % 3 == 0).then_some(strike), dates },
        ][kind];
        let sampling = [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: dates }][sampling];
        let control = [Control::None, Control::Spot, Control::BlackScholes { volatility }][control];
        let plan = Plan { seed, paths, steps, sampling, control };
        let sound = |estimate: Estimate| estimate.price.is_finite() && estimate.standard_error.is_finite();
        if let Ok(estimate) = price(&market, &model, &payoff, &plan) {
            prop_assert!(sound(estimate), "{estimate:?}");
        }
        for method in [GreekMethod::Pathwise, GreekMethod::LikelihoodRatio] {
            if let Ok(greeks) = greeks(&market, volatility, &payoff, method, &plan) {
                for estimate in [greeks.price, greeks.delta, greeks.gamma, greeks.vega, greeks.rho] {
                    prop_assert!(sound(estimate), "{estimate:?}");
                }
            }
        }
        let exercise = Exercise { dates, regression_paths: paths, basis: Basis::Laguerre, degree: 2 };
        if let Ok(estimate) = bermudan(&market, &model, (option_type, strike), &exercise, &plan) {
            prop_assert!(sound(estimate.held) && estimate.exercise_value.is_finite(), "{estimate:?}");
        }
        let correlation = [1.0, rho_v, rho_v, 1.0];
        if let Ok(assets) = Assets::new(&[spot, strike], &[dividend_yield; 2], &[volatility; 2], &correlation, expiry_years, risk_free_rate) {
            let payoff = AssetsPayoff { option_type, strike, index: Index::Geometric(vec![rebate, barrier]) };
            if let Ok(estimate) = assets_price(&assets, &payoff, &plan) {
                prop_assert!(sound(estimate), "{estimate:?}");
            }
            if let Ok(estimate) = assets_bermudan(&assets, &payoff, &exercise, &plan) {
                prop_assert!(sound(estimate.held) && estimate.exercise_value.is_finite(), "{estimate:?}");
            }
        }
    }
}
