//! Early exercise against published values.

use super::*;
use crate::tolerance::EXERCISE_RULE_SHARE;

/// Estimates from below: not above by more than chance, nor below by more than chance and what a rule may miss.
fn meets(estimate: &BermudanEstimate, wanted: f64, rounded: f64, what: &str) {
    let chance = 3.5 * estimate.held.standard_error + rounded;
    let off = estimate.price() - wanted;
    assert!(off <= chance && off >= -chance - EXERCISE_RULE_SHARE * wanted, "{what}: {estimate:?} for {wanted}");
}

#[test]
fn american_puts_meet_longstaff_and_schwartz() {
    // Longstaff and Schwartz (2001), table 1, finite differences: K = 40, r = 6%, 50 exercise dates a year; spot, volatility, years, price.
    for (spot, volatility, years, wanted) in [
        (36.0, 0.2, 1, 4.478),
        (36.0, 0.2, 2, 4.840),
        (36.0, 0.4, 1, 7.101),
        (36.0, 0.4, 2, 8.508),
        (38.0, 0.2, 1, 3.250),
        (40.0, 0.2, 1, 2.314),
        (40.0, 0.4, 2, 6.920),
        (42.0, 0.4, 1, 4.582),
        (44.0, 0.2, 1, 1.110),
        (44.0, 0.2, 2, 1.690),
        (44.0, 0.4, 2, 5.647),
    ] {
        let market = Market { spot, expiry_years: f64::from(years), risk_free_rate: 0.06, dividend_yield: 0.0 };
        let dates = 50 * years as usize;
        let exercise = Exercise { basis: Basis::Laguerre, degree: 3, ..Exercise::new(dates, 50_000) };
        let plan = Plan::new(1, 50_000, dates).sampled(Sampling::Antithetic);
        let model = Model::BlackScholes { volatility };
        let estimate = bermudan(&market, &model, (OptionType::Put, 40.0), &exercise, &plan).unwrap();
        meets(&estimate, wanted, 5e-4, &format!("{spot} {volatility} {years}"));
    }
}

/// n assets of volatility 20% and yield 10% without correlation, r = 5%, three years: Andersen and Broadie's.
fn independent(n: usize, spot: f64) -> Assets {
    let unit: Vec<f64> = (0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect();
    Assets::new(&vec![spot; n], &vec![0.1; n], &vec![0.2; n], &unit, 3.0, 0.05).unwrap()
}

#[test]
fn calls_on_the_best_meet_andersen_and_broadie() {
    // L. Andersen and M. Broadie, "Primal-dual simulation algorithm for pricing multidimensional American options", Management Science 50
    // (2004), table 2: K = 100, exercise on nine dates; two and three assets by a binomial lattice, five by
    // their lower bound, to two digits.
    let payoff = AssetsPayoff { option_type: OptionType::Call, strike: 100.0, index: Index::BestOf };
    for (n, spot, wanted, rounded) in [
        (2, 90.0, 8.075, 5e-4),
        (2, 100.0, 13.902, 5e-4),
        (2, 110.0, 21.345, 5e-4),
        (3, 90.0, 11.29, 5e-3),
        (3, 100.0, 18.69, 5e-3),
        (3, 110.0, 27.58, 5e-3),
        (5, 90.0, 16.62, 5e-3),
        (5, 100.0, 26.13, 5e-3),
        (5, 110.0, 36.76, 5e-3),
    ] {
        let exercise = Exercise::new(9, 100_000);
        let plan = Plan::new(3, 100_000, 9);
        let estimate = assets_bermudan(&independent(n, spot), &payoff, &exercise, &plan).unwrap();
        meets(&estimate, wanted, rounded, &format!("{n} assets at {spot}"));
    }
}

#[test]
fn calls_without_yield_are_european_and_one_asset_is_one_asset() {
    // Exercise before expiry never pays.
    let market = market(0.05, 0.0);
    let plan = Plan::new(2, 1 << 16, 10).sampled(Sampling::Sobol { replications: 16 });
    let exercise = Exercise::new(10, 20_000);
    let model = Model::BlackScholes { volatility: 0.25 };
    let wanted = european(&market, OptionType::Call, 100.0, 0.25);
    meets(&bermudan(&market, &model, (OptionType::Call, 100.0), &exercise, &plan).unwrap(), wanted, 0.0, "call");
    let single = Assets::new(&[100.0], &[0.0], &[0.25], &[1.0], 1.0, 0.05).unwrap();
    for index in [Index::Basket(vec![1.0]), Index::WorstOf] {
        let put = AssetsPayoff { option_type: OptionType::Put, strike: 105.0, index };
        let several = assets_bermudan(&single, &put, &exercise, &plan).unwrap();
        let one = bermudan(&market, &model, (OptionType::Put, 105.0), &exercise, &plan).unwrap();
        let error = one.held.standard_error.hypot(several.held.standard_error);
        assert!((one.price() - several.price()).abs() <= 3.5 * error + 1e-3, "{one:?} {several:?}");
    }
}

#[test]
fn every_model_is_worth_at_least_its_european() {
    let market = market(0.06, 0.02);
    let smile = |spot: f64, _: f64| 0.2 + 0.1 * (-spot / 100.0f64).exp();
    let local = LocalVolatility::Function(&smile);
    for model in [
        Model::Merton { volatility: 0.2, jumps: JUMPS },
        Model::Heston(HESTON),
        Model::Bates { heston: HESTON, jumps: JUMPS },
        Model::LocalVolatility(&local),
    ] {
        let plan = Plan::new(2, 1 << 15, 24).sampled(Sampling::Antithetic);
        let american = bermudan(&market, &model, (OptionType::Put, 110.0), &Exercise::new(12, 30_000), &plan).unwrap();
        let european = price(&market, &model, &put(110.0), &plan).unwrap();
        let premium = american.price() - european.price;
        assert!(premium > 0.05 && premium < 5.0, "{model:?}: {american:?} {european:?}");
    }
}

#[test]
fn exercise_now_is_told_and_certain_paths_are_no_trouble() {
    // Without volatility the put is worth exercising at once; the call on a forward that rises is not.
    let market = market(0.05, 0.0);
    let model = Model::BlackScholes { volatility: 0.0 };
    let (exercise, plan) = (Exercise::new(4, 4096), Plan::new(1, 4096, 4));
    let put = bermudan(&market, &model, (OptionType::Put, 120.0), &exercise, &plan).unwrap();
    assert_eq!(put.exercise_value, 20.0);
    let first = 120.0 * (-0.0125f64).exp() - 100.0;
    assert!((put.held.price - first).abs() <= 1e-9 && put.held.standard_error <= 1e-9, "{put:?}");
    assert_eq!(put.price(), 20.0);
    let call = bermudan(&market, &model, (OptionType::Call, 90.0), &exercise, &plan).unwrap();
    assert!((call.price() - (100.0 - 90.0 * (-0.05f64).exp())).abs() <= 1e-9, "{call:?}");
}

#[test]
fn threads_leave_early_exercise_alone() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let plan = Plan::new(4, 9000, 12).sampled(Sampling::Antithetic);
            let heston = Model::Heston(HESTON);
            let one = bermudan(&market(0.05, 0.0), &heston, (OptionType::Put, 100.0), &Exercise::new(6, 9000), &plan);
            let payoff = AssetsPayoff { option_type: OptionType::Call, strike: 100.0, index: Index::BestOf };
            let many = assets_bermudan(&independent(3, 100.0), &payoff, &Exercise::new(6, 9000), &plan);
            (one.unwrap(), many.unwrap())
        })
    };
    let one = on(1);
    for threads in [2, 3, 7] {
        assert_eq!(one, on(threads));
    }
}

#[test]
fn bad_exercise_is_refused_by_name() {
    let ask = |strike, exercise: Exercise, plan: Plan| {
        let model = Model::BlackScholes { volatility: 0.2 };
        bermudan(&market(0.05, 0.0), &model, (OptionType::Put, strike), &exercise, &plan).unwrap_err().to_string()
    };
    let (exercise, plan) = (Exercise::new(4, 1000), Plan::new(1, 1000, 4));
    assert_eq!(ask(f64::NAN, exercise, plan), "bad_strike");
    assert_eq!(ask(1.0, Exercise { dates: 0, ..exercise }, plan), "0 dates: they must divide the 4 steps");
    assert_eq!(ask(1.0, Exercise { dates: 3, ..exercise }, plan), "3 dates: they must divide the 4 steps");
    assert_eq!(ask(1.0, Exercise { regression_paths: 0, ..exercise }, plan), "0 paths: at least 4 are needed");
    assert_eq!(
        ask(1.0, Exercise { degree: 9, ..exercise }, plan),
        "not supported: a basis of another degree than 1 to 8"
    );
    let many = Exercise { regression_paths: 1 << 32, ..exercise };
    assert_eq!(ask(1.0, many, plan), "4294967296 paths: at most 33554432 are counted");
    assert_eq!(ask(1.0, exercise, Plan { paths: 0, ..plan }), "0 paths: at least 2 are needed");
    assert_eq!(ask(1.0, exercise, plan.controlled(Control::Spot)), "not supported: early exercise with a control");
}
