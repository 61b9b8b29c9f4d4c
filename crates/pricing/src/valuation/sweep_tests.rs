//! Contracts that grids and simulations value, by chance over all volatilities: no blank with status `ok`, and Greeks that are no rounding.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{
    BarrierTerms, BarrierType, Method, Order, PayoffName, Settings, Table, Terms, evaluate,
    test_rows::{place, shares, table},
};
use crate::{black::Greek, finite_difference::CashDividend};

/// Quantities up to the second order, or why there are none.
fn valued(table: &Table, method: Method) -> Result<Vec<f64>, Status> {
    let settings = Settings { method, paths: 2048, ..Settings::default() };
    let results = evaluate(table, Order::Second, &settings);
    match results.status[0] {
        Status::Ok => Ok(results.columns.iter().map(|column| column[0]).collect()),
        status => Err(status),
    }
}

fn put_or_call(share: f64) -> OptionType {
    if share < 0.5 { OptionType::Call } else { OptionType::Put }
}

/// Strike, years, rates of either sign and a volatility from `least` to 2, about a spot of 100; strikes in deviations of the forward, or anywhere.
fn anything(share: &mut impl FnMut() -> f64, least: f64) -> [f64; 6] {
    let volatility = least * (2.0 / least).powf(share());
    let years = 0.01 * 500_f64.powf(share());
    let [rate, income] = [0.2 * share() - 0.05, 0.2 * share() - 0.05];
    let deviations = 4.0 * share() - 2.0;
    let strike = if share() < 0.5 {
        60.0 + 80.0 * share()
    } else {
        100.0 * ((rate - income) * years + deviations * volatility * years.sqrt()).exp()
    };
    [100.0, strike, years, rate, income, volatility]
}

/// A contract that the grid values.
fn on_the_grid(share: &mut impl FnMut() -> f64, row: &[f64; 6]) -> (Terms, ExerciseStyle) {
    let (spot, years) = (row[0], row[2]);
    let away = 0.002 * 200_f64.powf(share());
    let barrier = |kind: BarrierType| {
        let level = if kind.is_up() { spot * (1.0 + away) } else { spot * (1.0 - away) };
        Some(BarrierTerms { kind, level, upper: spot * (1.0 + away), rebate: 0.0 })
    };
    let dividends = Arc::from([CashDividend { time_years: 0.3 * years, amount: 0.01 * spot }]);
    let cash = Terms { payoff: PayoffName::CashOrNothing, cash: 10.0, ..Terms::default() };
    let american = ExerciseStyle::American;
    match (share() * 9.0) as usize {
        0 => (Terms { dividends, ..Terms::default() }, american),
        1 => (Terms { dividends, ..Terms::default() }, ExerciseStyle::European),
        2 => (Terms { exercise_times: Some(vec![0.2 * years, 0.7 * years]), ..Terms::default() }, american),
        3 => (cash, american),
        4 => (Terms { payoff: PayoffName::AssetOrNothing, ..Terms::default() }, american),
        5 => (Terms { barrier: barrier(BarrierType::DownAndOut), ..Terms::default() }, american),
        6 => (Terms { barrier: barrier(BarrierType::DoubleOut), ..Terms::default() }, ExerciseStyle::European),
        7 => (Terms { barrier: barrier(BarrierType::DoubleIn), ..cash }, ExerciseStyle::European),
        _ => {
            let barrier = barrier(BarrierType::UpAndOut);
            (Terms { barrier, observation_dates: Some(4), ..Terms::default() }, ExerciseStyle::European)
        }
    }
}

#[test]
fn what_a_grid_values_has_all_its_greeks() {
    use Greek::{Delta, Gamma, Phi, Price, Rho, Theta, Vega};
    let mut share = shares(0x2545_f491_4f6c_dd1d);
    let mut found = 0;
    for _ in 0..400 {
        let row = anything(&mut share, 1e-8);
        let (terms, exercise) = on_the_grid(&mut share, &row);
        let option_type = put_or_call(share());
        let Ok(got) = valued(&table(&terms, exercise, option_type, row), Method::Auto) else { continue };
        found += 1;
        for greek in [Price, Delta, Gamma, Vega, Theta, Rho, Phi] {
            let is_number = got[place(greek)].is_finite();
            assert!(is_number, "{greek:?} is blank: {terms:?} {exercise:?} {option_type:?} {row:?}");
        }
        assert!(got[0] >= 0.0, "{} for {terms:?} {exercise:?} {option_type:?} {row:?}", got[0]);
    }
    assert!(found > 250, "{found} of 400 have a value");
}

/// An average of the geometric kind has a closed form, whose derivatives the simulation's differences meet at any volatility.
#[test]
fn simulated_greeks_are_the_closed_forms_at_any_volatility() {
    let mut share = shares(0x2545_f491_4f6c_dd1d);
    let terms = Terms { payoff: PayoffName::GeometricAsian, observation_dates: Some(4), ..Terms::default() };
    for _ in 0..150 {
        let mut row = anything(&mut share, 1e-9);
        row[5] = row[5].min(0.6);
        let option_type = put_or_call(share());
        let table = table(&terms, ExerciseStyle::European, option_type, row);
        let exact = valued(&table, Method::ClosedForm).unwrap();
        let got = valued(&table, Method::MonteCarlo).unwrap();
        let (spot, years) = (row[0], row[2]);
        let discount = (-row[3].min(row[4]).min(0.0) * years).exp();
        for (greek, unit) in [
            (Greek::Price, spot * row[5] * years.sqrt()),
            (Greek::Delta, 1.0),
            (Greek::DualDelta, 1.0),
            (Greek::Vega, spot * years.sqrt()),
            (Greek::Rho, spot * years),
            (Greek::Phi, spot * years),
        ] {
            let [got, exact] = [got[place(greek)], exact[place(greek)]];
            let allowed = 0.02 * unit * discount + 1e-12 * spot;
            assert!((got - exact).abs() <= allowed, "{greek:?} {option_type:?} {row:?}: {got}, not {exact}");
        }
    }
}

/// Without volatility what is certain is paid: no blank, and no kink under a step that is too wide (the strike 0.1 % from what is paid).
#[test]
fn simulated_greeks_without_volatility_are_those_of_what_is_certain() {
    let terms = Terms { payoff: PayoffName::ArithmeticAsian, observation_dates: Some(4), ..Terms::default() };
    let (years, rate) = (1.0, 0.03);
    let mean = |power: f64| (1..=4).map(|k| (power * rate * f64::from(k) / 4.0).exp()).sum::<f64>() / 4.0;
    let discounted = (-rate * years).exp() * mean(1.0);
    for (share, delta) in [(0.999, discounted), (1.001, 0.0)] {
        let strike = 100.0 * share * mean(1.0);
        let table = table(&terms, ExerciseStyle::European, OptionType::Call, [100.0, strike, years, rate, 0.0, 0.0]);
        let got = valued(&table, Method::Auto).unwrap();
        assert!(
            (got[place(Greek::Delta)] - delta).abs() < 1e-6,
            "{share}: {} is not {delta}",
            got[place(Greek::Delta)]
        );
        // Of the mean of the paths' numbers, which is 0 but for chance.
        assert!(got[place(Greek::Vega)].abs() < 1e-5 * 100.0, "{share}: vega {}", got[place(Greek::Vega)]);
        let rho = got[place(Greek::Rho)];
        let dual = if delta > 0.0 { -(-rate * years).exp() } else { 0.0 };
        assert!((got[place(Greek::DualDelta)] - dual).abs() < 1e-6 && rho.is_finite(), "{share}: {got:?}");
    }
}
