use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{Method, ModelName, Order, Parameter, Settings, Table, evaluate};
use crate::black::{self, Greek, Row};
use crate::{american, displaced};

/// A table of puts at 95 on 100, one for each model and style.
fn table(rows: &[(ModelName, ExerciseStyle, bool)]) -> Table {
    let n = rows.len();
    let mut table = Table {
        model: rows.iter().map(|row| row.0).collect(),
        exercise: rows.iter().map(|row| row.1).collect(),
        on_forward: rows.iter().map(|row| row.2).collect(),
        option_type: vec![OptionType::Put; n],
        spot: vec![100.0; n],
        strike: vec![95.0; n],
        expiry_years: vec![0.5; n],
        risk_free_rate: vec![0.04; n],
        dividend_yield: vec![0.01; n],
        volatility: vec![0.25; n],
        status: vec![Status::Ok; n],
        ..Table::default()
    };
    table.parameters[Parameter::Displacement as usize] = vec![10.0; n];
    table
}

const EUROPEAN: ExerciseStyle = ExerciseStyle::European;
const AMERICAN: ExerciseStyle = ExerciseStyle::American;

#[test]
fn each_row_goes_to_its_engine_and_keeps_its_place() {
    let table = table(&[
        (ModelName::Displaced, EUROPEAN, false),
        (ModelName::Bsm, EUROPEAN, false),
        (ModelName::Bsm, AMERICAN, false),
        (ModelName::Black76, EUROPEAN, true),
        (ModelName::Bsm, EUROPEAN, false),
        (ModelName::Bachelier, EUROPEAN, true),
        (ModelName::Black76, AMERICAN, true),
        (ModelName::Bachelier, AMERICAN, false),
    ]);
    let row = table.columns().row(0);
    let on_forward = Row { dividend_yield: 0.04, ..row };
    let by = |distribution, underlying| displaced::Model { distribution, underlying };
    use displaced::{Distribution::*, Underlying::*};
    let wanted = [
        displaced::scalar::greeks(&row, 10.0, by(Displaced, Spot)).unwrap()[0],
        black::scalar::price(&row, black::Model::Bsm).unwrap(),
        american::price(&row).unwrap(),
        black::scalar::price(&row, black::Model::Black76).unwrap(),
        black::scalar::price(&row, black::Model::Bsm).unwrap(),
        displaced::scalar::greeks(&row, 0.0, by(Normal, Forward)).unwrap()[0],
        american::price(&on_forward).unwrap(),
    ];
    let results = evaluate(&table, Order::None, &Settings::default());
    for (i, wanted) in wanted.into_iter().enumerate() {
        assert_eq!(results.status[i], Status::Ok, "row {i}");
        assert!((results.columns[0][i] - wanted).abs() < 1e-7, "row {i}: {} for {wanted}", results.columns[0][i]);
    }
    assert_eq!(results.status[7], Status::BadExerciseStyle);
    assert!(results.columns[0][7].is_nan());
}

#[test]
fn orders_of_greeks_are_the_same_numbers() {
    let table = table(&[(ModelName::Bsm, EUROPEAN, false), (ModelName::Displaced, EUROPEAN, true)]);
    let all = evaluate(&table, Order::All, &Settings::default());
    assert_eq!(all.columns.len(), 19);
    for order in [Order::None, Order::First, Order::Second] {
        let some = evaluate(&table, order, &Settings::default());
        assert_eq!(some.columns.len(), order.quantities().count());
        for (greek, column) in order.quantities().zip(&some.columns) {
            for (a, b) in column.iter().zip(&all.columns[greek as usize]) {
                assert!(
                    (a - b).abs() <= 1e-13 * b.abs() || a.is_nan() && b.is_nan(),
                    "{order:?} {greek:?}: {a}, not {b}"
                );
            }
        }
    }
    assert_eq!(Order::First.quantities().nth(1), Some(Greek::Delta));
}

#[test]
fn a_method_that_does_not_value_a_row_says_so() {
    let table = table(&[(ModelName::Bsm, EUROPEAN, false), (ModelName::Bsm, AMERICAN, false)]);
    let status = |method| evaluate(&table, Order::None, &Settings { method, ..Settings::default() }).status;
    assert_eq!(status(Method::ClosedForm), [Status::Ok, Status::BadMethod]);
    assert_eq!(status(Method::Tree), [Status::BadMethod, Status::Ok]);
}

#[test]
fn a_row_that_could_not_be_read_keeps_its_fault() {
    let mut table = table(&[(ModelName::Bsm, EUROPEAN, false), (ModelName::Bsm, EUROPEAN, false)]);
    table.status[0] = Status::BadOptionType;
    let results = evaluate(&table, Order::None, &Settings::default());
    assert_eq!(results.status, [Status::BadOptionType, Status::Ok]);
    assert!(results.columns[0][0].is_nan());
}

#[test]
fn names_are_read_back() {
    for model in ModelName::ALL {
        assert_eq!(ModelName::parse(&model.as_str().to_uppercase()), Some(model));
        assert_eq!(model.has_volatility(), !matches!(model, ModelName::Heston | ModelName::Bates));
    }
    for (number, parameter) in Parameter::ALL.into_iter().enumerate() {
        assert_eq!(parameter as usize, number, "{}", parameter.as_str());
    }
}

/// Lewis's puts and calls under Heston, by every method that knows the model, on spot and on forward.
#[test]
fn heston_is_lewis_by_every_method() {
    let mut table = table(&[(ModelName::Heston, EUROPEAN, false), (ModelName::Heston, EUROPEAN, true)]);
    table.strike = vec![80.0; 2];
    table.expiry_years = vec![1.0; 2];
    (table.risk_free_rate, table.dividend_yield) = (vec![0.01; 2], vec![0.02, f64::NAN]);
    table.spot[1] = 100.0 * (-0.01f64).exp();
    for (parameter, value) in [
        (Parameter::V0, 0.04),
        (Parameter::Kappa, 4.0),
        (Parameter::ThetaV, 0.25),
        (Parameter::SigmaV, 1.0),
        (Parameter::RhoV, -0.5),
    ] {
        table.parameters[parameter as usize] = vec![value; 2];
    }
    let wanted = 7.958_878_113_256_768;
    for (method, tolerance) in [(Method::Auto, 1e-9), (Method::Series, 1e-9), (Method::Integral, 1e-11)] {
        let results = evaluate(&table, Order::First, &Settings { method, ..Settings::default() });
        assert_eq!(results.status, [Status::Ok; 2], "{method:?}");
        for row in 0..2 {
            let got = results.columns[0][row];
            assert!((got - wanted).abs() < tolerance, "{method:?} {row}: {got}");
        }
        let quantity = |greek: Greek, row: usize| {
            let place = Order::First.quantities().position(|quantity| quantity == greek).unwrap();
            results.columns[place][row]
        };
        // ∂V/∂F = ∂V/∂S e^((q−r)T), and of a forward only the discounting knows the rate.
        let ratio = quantity(Greek::Delta, 0) / quantity(Greek::Delta, 1);
        assert!((ratio - (-0.01f64).exp()).abs() < 1e-8, "{ratio}");
        assert!((quantity(Greek::Rho, 1) + wanted).abs() < 1e-8 && quantity(Greek::Phi, 1).is_nan());
    }
    let settings = Settings { method: Method::MonteCarlo, paths: 1 << 15, ..Settings::default() };
    let results = evaluate(&table, Order::None, &settings);
    for row in 0..2 {
        let (got, error) = (results.columns[0][row], results.error[row]);
        assert!(error > 0.0 && error < 0.05 && (got - wanted).abs() < 4.0 * error + 0.01, "{row}: {got} ± {error}");
    }
}

/// The ways to one American price, and what each states of its error.
#[test]
fn american_methods_agree() {
    let table = table(&[(ModelName::Bsm, AMERICAN, false), (ModelName::Black76, AMERICAN, true)]);
    let by = |method, accuracy| evaluate(&table, Order::None, &Settings { method, accuracy, ..Settings::default() });
    let wanted = by(Method::Collocation, super::Accuracy::HighPrecision);
    assert_eq!(wanted.status, [Status::Ok; 2]);
    for (method, accuracy, tolerance) in [
        (Method::Auto, super::Accuracy::Quick, 1e-4),
        (Method::Auto, super::Accuracy::Fast, 1e-6),
        (Method::Collocation, super::Accuracy::Accurate, 1e-8),
        (Method::Tree, super::Accuracy::HighPrecision, 5e-4),
        (Method::FiniteDifference, super::Accuracy::Fast, 2e-3),
    ] {
        let results = by(method, accuracy);
        for row in 0..2 {
            let (got, wanted) = (results.columns[0][row], wanted.columns[0][row]);
            assert!((got - wanted).abs() < tolerance, "{method:?} {row}: {got}, not {wanted}");
            if method == Method::FiniteDifference {
                assert!(
                    results.error[row].abs() >= (got - wanted).abs(),
                    "{} states {}",
                    got - wanted,
                    results.error[row]
                );
            }
        }
    }
}

#[test]
fn a_missing_parameter_is_named() {
    let table = table(&[(ModelName::Heston, EUROPEAN, false), (ModelName::Kou, EUROPEAN, false)]);
    let results = evaluate(&table, Order::All, &Settings::default());
    assert_eq!(results.status, [Status::BadV0, Status::BadJumpIntensity]);
    assert!(results.columns.iter().flatten().all(|x| x.is_nan()));
}
