//! Rows whose contracts have terms of their own: against published values, against another engine, and what is refused.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{
    Accuracy, BarrierTerms, BarrierType, Kind, Method, ModelName, Order, Parameter, PayoffName, Results, Settings,
    Table, Terms, evaluate, implied_volatility, observation_dates, parse_dividends, parse_exercise_times,
};
use crate::{
    black::{self, Greek, Row},
    exotic,
    finite_difference::CashDividend,
};

const EUROPEAN: ExerciseStyle = ExerciseStyle::European;
const AMERICAN: ExerciseStyle = ExerciseStyle::American;

/// Calls of 100 on 100 for half a year at 8 % with a yield of 4 % and a volatility of 25 %: Haug (2007), table 4-13.
fn calls(terms: Vec<Terms>) -> Table {
    let n = terms.len();
    Table {
        model: vec![ModelName::Bsm; n],
        exercise: vec![EUROPEAN; n],
        on_forward: vec![false; n],
        option_type: vec![OptionType::Call; n],
        spot: vec![100.0; n],
        strike: vec![100.0; n],
        expiry_years: vec![0.5; n],
        risk_free_rate: vec![0.08; n],
        dividend_yield: vec![0.04; n],
        volatility: vec![0.25; n],
        status: vec![Status::Ok; n],
        terms: terms.into_iter().map(|terms| Some(Arc::new(terms))).collect(),
        ..Table::default()
    }
}

fn barrier(kind: BarrierType, level: f64, upper: f64, rebate: f64) -> Terms {
    Terms { barrier: Some(BarrierTerms { kind, level, upper, rebate }), ..Terms::default() }
}

fn payoff(payoff: PayoffName) -> Terms {
    Terms { payoff, ..Terms::default() }
}

fn dividends(of: &[(f64, f64)]) -> Terms {
    let dividend = |&(time_years, amount): &(f64, f64)| CashDividend { time_years, amount };
    Terms { dividends: of.iter().map(dividend).collect(), ..Terms::default() }
}

fn column(results: &Results, order: Order, greek: Greek) -> &[f64] {
    &results.columns[order.quantities().position(|quantity| quantity == greek).unwrap()]
}

#[test]
fn barriers_are_haugs_by_formula_grid_and_simulation() {
    use BarrierType::*;
    let rows =
        [(DownAndOut, 95.0, 6.7924), (UpAndOut, 105.0, 2.3580), (DownAndIn, 95.0, 4.0109), (UpAndIn, 105.0, 8.4482)];
    let table = calls(rows.iter().map(|&(kind, level, _)| barrier(kind, level, f64::NAN, 3.0)).collect());
    let by = |method| evaluate(&table, Order::None, &Settings { method, ..Settings::default() });
    let formula = by(Method::ClosedForm);
    let grid = by(Method::FiniteDifference);
    assert_eq!(by(Method::Auto).columns, formula.columns);
    assert_eq!((formula.status.as_slice(), grid.status.as_slice()), (&[Status::Ok; 4][..], &[Status::Ok; 4][..]));
    for (i, (kind, _, wanted)) in rows.into_iter().enumerate() {
        let [a, b] = [&formula, &grid].map(|found| found.columns[0][i]);
        assert!((a - wanted).abs() < 6e-5, "{kind:?}: {a} for {wanted}");
        assert!((a - b).abs() < 1e-4 && grid.error[i] > 0.0, "{kind:?}: {a}, and {b} on a grid");
        assert!(formula.error[i].is_nan());
    }
    // A simulation pays a rebate at expiry: it takes those that start the option, and knock-outs without one.
    assert_eq!(by(Method::MonteCarlo).status[..2], [Status::BadMethod; 2]);
    let without = calls(vec![barrier(DownAndOut, 95.0, f64::NAN, 0.0)]);
    let [a, b] = [Method::ClosedForm, Method::MonteCarlo]
        .map(|method| evaluate(&without, Order::None, &Settings { method, ..Settings::default() }));
    assert!((a.columns[0][0] - b.columns[0][0]).abs() < 4.0 * b.error[0] && b.error[0] > 0.0, "{a:?} {b:?}");
}

#[test]
fn in_and_out_are_the_vanilla_with_its_greeks() {
    let table = calls(vec![
        barrier(BarrierType::UpAndOut, 115.0, f64::NAN, 0.0),
        barrier(BarrierType::UpAndIn, 115.0, f64::NAN, 0.0),
    ]);
    let results = evaluate(&table, Order::Second, &Settings::default());
    let wanted = black::scalar::greeks(&table.columns().row(0), black::Model::Bsm).unwrap();
    for (greek, column) in Order::Second.quantities().zip(&results.columns) {
        if greek != Greek::Lambda {
            let (sum, wanted) = (column[0] + column[1], wanted[greek as usize]);
            assert!((sum - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{greek:?}: {sum}, not {wanted}");
        }
    }
}

/// Close to a barrier the differences go to one side, and to the vanilla all the same.
#[test]
fn a_spot_next_to_the_barrier_has_greeks() {
    for spot in [95.0 + 1e-3, 95.1, 95.4] {
        let mut table = calls(vec![
            barrier(BarrierType::DownAndOut, 95.0, f64::NAN, 0.0),
            barrier(BarrierType::DownAndIn, 95.0, f64::NAN, 0.0),
        ]);
        table.spot = vec![spot; 2];
        let results = evaluate(&table, Order::Second, &Settings::default());
        let wanted = black::scalar::greeks(&table.columns().row(0), black::Model::Bsm).unwrap();
        for greek in [Greek::Delta, Greek::Gamma, Greek::Vega, Greek::Theta, Greek::Vanna] {
            let got = column(&results, Order::Second, greek);
            let (sum, wanted) = (got[0] + got[1], wanted[greek as usize]);
            assert!((sum - wanted).abs() < 2e-5 * wanted.abs().max(1.0), "{spot} {greek:?}: {sum}, not {wanted}");
        }
        assert!(column(&results, Order::Second, Greek::Delta)[0] > 0.3, "{results:?}");
    }
}

#[test]
fn american_digitals_are_paid_at_the_touch_by_a_formula_where_waiting_pays_nothing() {
    let cash = Terms { cash: 10.0, ..payoff(PayoffName::CashOrNothing) };
    let american = |terms: Terms, strike: f64, rates: [f64; 2]| {
        let mut table = calls(vec![terms]);
        table.exercise[0] = ExerciseStyle::American;
        table.strike[0] = strike;
        (table.risk_free_rate[0], table.dividend_yield[0]) = (rates[0], rates[1]);
        table
    };
    for terms in [cash.clone(), payoff(PayoffName::AssetOrNothing)] {
        let is_cash = terms.payoff == PayoffName::CashOrNothing;
        for (strike, rates) in [(100.5, [0.05, 0.02]), (120.0, [0.0, 0.0]), (150.0, [0.03, 0.08])] {
            let table = american(terms.clone(), strike, rates);
            let row = table.columns().row(0);
            let results = evaluate(&table, Order::Second, &Settings::default());
            assert!(results.status[0].is_ok() && results.error[0].is_nan(), "{:?}", results.status);
            let of = |greek| column(&results, Order::Second, greek)[0];
            let exact = if is_cash {
                exotic::american_cash_or_nothing(&row, 10.0).unwrap()
            } else {
                exotic::american_asset_or_nothing(&row).unwrap()
            };
            assert_eq!(of(Greek::Price), exact);
            // Black and Scholes' equation, of which no Greek here was made.
            let carry = (rates[0] - rates[1]) * row.spot * of(Greek::Delta);
            let spread = 0.5 * (row.volatility * row.spot).powi(2) * of(Greek::Gamma);
            let left = of(Greek::Theta) + carry + spread - rates[0] * exact;
            assert!(left.abs() < 2e-5 * (spread.abs() + 1.0), "{strike} {rates:?}: {left}");
            // A strike moved is a spot moved the other way.
            let moved = |by: f64| {
                let row = Row { strike: strike * (1.0 + by), ..row };
                if is_cash {
                    exotic::american_cash_or_nothing(&row, 10.0).unwrap()
                } else {
                    exotic::american_asset_or_nothing(&row).unwrap()
                }
            };
            let h = 1e-4;
            let [dual, bend] = [
                (moved(h) - moved(-h)) / (2.0 * h * strike),
                (moved(h) - 2.0 * exact + moved(-h)) / (h * strike).powi(2),
            ];
            let (dual_delta, dual_gamma) = (of(Greek::DualDelta), of(Greek::DualGamma));
            assert!((dual_delta - dual).abs() < 1e-5 * (1.0 + dual.abs()), "{strike}: {dual_delta} is not {dual}");
            assert!((dual_gamma - bend).abs() < 1e-3 * (1.0 + bend.abs()), "{strike}: {dual_gamma} is not {bend}");
        }
        // In the money it is paid now.
        let table = american(terms.clone(), 95.0, [0.05, 0.02]);
        let results = evaluate(&table, Order::Second, &Settings::default());
        let of = |greek| column(&results, Order::Second, greek)[0];
        let expected = if is_cash { [10.0, 0.0, 0.0] } else { [100.0, 1.0, 1.0] };
        assert_eq!([of(Greek::Price), of(Greek::Delta), of(Greek::Lambda)], expected);
        let none = [Greek::Gamma, Greek::Vega, Greek::Theta, Greek::Rho, Greek::Phi, Greek::DualDelta, Greek::Charm];
        assert_eq!(none.map(of), [0.0; 7]);
        // Where waiting may pay, or the spot falls by dividends, there is no formula: the grid, which agrees next to it.
        let with_dividend =
            Terms { dividends: vec![CashDividend { time_years: 0.3, amount: 1e-9 }].into(), ..terms.clone() };
        let at_rates = if is_cash { [-1e-9, 0.02] } else { [0.05, -1e-9] };
        let plain = american(terms.clone(), 120.0, if is_cash { [0.0, 0.02] } else { [0.05, 0.0] });
        let exact = evaluate(&plain, Order::None, &Settings::default()).columns[0][0];
        for table in [american(terms.clone(), 120.0, at_rates), american(with_dividend, 120.0, plain_rates(&plain))] {
            let results = evaluate(&table, Order::None, &Settings::default());
            let (price, error) = (results.columns[0][0], results.error[0]);
            assert!(results.status[0].is_ok() && error > 0.0, "{:?} {error}", results.status);
            assert!((price - exact).abs() <= error + 1e-6, "{price} with {error}, exact {exact}");
        }
    }
}

fn plain_rates(table: &Table) -> [f64; 2] {
    [table.risk_free_rate[0], table.dividend_yield[0]]
}

#[test]
fn digitals_asians_and_lookbacks_go_to_their_engines() {
    let at = |dates: usize, name| Terms { observation_dates: Some(dates), ..payoff(name) };
    let table = calls(vec![
        Terms { cash: 10.0, ..payoff(PayoffName::CashOrNothing) },
        payoff(PayoffName::AssetOrNothing),
        payoff(PayoffName::GeometricAsian),
        at(12, PayoffName::GeometricAsian),
        at(12, PayoffName::ArithmeticAsian),
        payoff(PayoffName::FloatingLookback),
        payoff(PayoffName::FixedLookback),
        at(6, PayoffName::FloatingLookback),
    ]);
    let results = evaluate(&table, Order::First, &Settings::default());
    assert_eq!(results.status, [Status::Ok; 8]);
    let (price, delta, dual) = (
        column(&results, Order::First, Greek::Price),
        column(&results, Order::First, Greek::Delta),
        column(&results, Order::First, Greek::DualDelta),
    );
    let vanilla = black::scalar::price(&table.columns().row(0), black::Model::Bsm).unwrap();
    assert!((price[1] - 10.0 * price[0] - vanilla).abs() < 1e-10, "an asset less strikes of cash");
    assert!(price[2] < price[3] && price[3] < price[4] && price[4] < vanilla, "{price:?}");
    // The arithmetic mean is above the geometric one by half its variance, about.
    assert!(results.error[4] < 1e-3 && (price[4] - price[3]) < 0.3, "{:?}", results.error);
    assert!(price[7] < price[5] && results.error[7] > 0.0 && results.error[5].is_nan());
    // Each is homogeneous of the first degree in spot and strike; the cash is not.
    for i in [1, 2, 3, 4] {
        assert!(
            (100.0 * delta[i] + 100.0 * dual[i] - price[i]).abs() < 2e-3 * price[i],
            "{i}: {} {}",
            delta[i],
            dual[i]
        );
    }
    // The least so far is the spot: it moves with it.
    assert!((delta[5] - price[5] / 100.0).abs() < 1e-5 && (delta[7] - price[7] / 100.0).abs() < 1e-3, "{delta:?}");
}

#[test]
fn two_barriers_dates_and_early_exercise_go_to_the_grid() {
    let watched = Terms { observation_dates: Some(26), ..barrier(BarrierType::DownAndOut, 90.0, f64::NAN, 0.0) };
    let bermudan = Terms { exercise_times: Some(vec![0.25]), ..Terms::default() };
    let mut table = calls(vec![
        barrier(BarrierType::DoubleOut, 80.0, 130.0, 0.0),
        barrier(BarrierType::DoubleIn, 80.0, 130.0, 0.0),
        watched,
        barrier(BarrierType::DownAndOut, 90.0, f64::NAN, 0.0),
        bermudan,
        barrier(BarrierType::DownAndOut, 90.0, f64::NAN, 0.0),
    ]);
    table.exercise[5] = AMERICAN;
    // A yield above the rate makes early exercise worth something.
    (table.risk_free_rate, table.dividend_yield) = (vec![0.03; 6], vec![0.08; 6]);
    let results = evaluate(&table, Order::First, &Settings::default());
    assert_eq!(results.status, [Status::Ok; 6]);
    let price = &results.columns[0];
    let vanilla = black::scalar::price(&table.columns().row(0), black::Model::Bsm).unwrap();
    let american = crate::american::price(&table.columns().row(0)).unwrap();
    assert!((price[0] + price[1] - vanilla).abs() < 1e-4, "{price:?} {vanilla}");
    assert!(price[3] < price[2] && price[2] < vanilla, "watched seldom, hit seldom: {price:?}");
    assert!(vanilla < price[4] && price[4] < american, "{vanilla} {} {american}", price[4]);
    assert!(price[3] < price[5] && price[5] < american, "{price:?}");
    assert!(column(&results, Order::First, Greek::Vega).iter().all(|vega| vega.is_finite()));
    // More cells, less error.
    let finer = evaluate(&table, Order::None, &Settings { accuracy: Accuracy::Accurate, ..Settings::default() });
    assert!(
        finer.error[0] < 0.5 * results.error[0] && finer.error[4] < 0.6 * results.error[4],
        "{finer:?} {results:?}"
    );
}

/// Haug, Haug and Lewis (2003): 11.1062 for a dividend of 7 in half a year.
#[test]
fn cash_dividends_are_those_of_the_literature_and_inverted() {
    let mut table = calls(vec![dividends(&[(0.5, 7.0)]), dividends(&[(0.5, 7.0)]), Terms::default()]);
    (table.expiry_years, table.risk_free_rate) = (vec![1.0; 3], vec![0.06; 3]);
    (table.dividend_yield, table.volatility) = (vec![0.0; 3], vec![0.3; 3]);
    table.exercise[1] = AMERICAN;
    assert_eq!(Kind::of(&table, 2, &Settings::default()), Ok(Kind::Black(black::Model::Bsm)));
    let results = evaluate(&table, Order::First, &Settings::default());
    assert_eq!(results.status, [Status::Ok; 3]);
    let price = results.columns[0].clone();
    assert!((price[0] - 11.1062).abs() < results.error[0].max(2e-4), "{price:?} {:?}", results.error);
    assert!(price[0] < price[1] && price[1] < price[2] && results.error[2].is_nan(), "{price:?}");
    let given = Table { volatility: price, ..table };
    let found = implied_volatility(&given);
    assert_eq!(found.status, [Status::Ok; 3]);
    assert!(found.columns[0].iter().all(|volatility| (volatility - 0.3).abs() < 1e-5), "{found:?}");
}

#[test]
fn heston_has_american_options_barriers_and_dividends_on_the_grid() {
    let mut table = calls(vec![
        Terms::default(),
        Terms::default(),
        barrier(BarrierType::DownAndOut, 85.0, f64::NAN, 0.0),
        dividends(&[(0.25, 3.0)]),
        Terms { observation_dates: Some(6), ..payoff(PayoffName::ArithmeticAsian) },
    ]);
    table.model = vec![ModelName::Heston; 5];
    table.exercise[1] = AMERICAN;
    (table.risk_free_rate, table.dividend_yield) = (vec![0.03; 5], vec![0.08; 5]);
    for (parameter, value) in [
        (Parameter::V0, 0.0625),
        (Parameter::Kappa, 2.0),
        (Parameter::ThetaV, 0.0625),
        (Parameter::SigmaV, 0.4),
        (Parameter::RhoV, -0.6),
    ] {
        table.parameters[parameter as usize] = vec![value; 5];
    }
    let results = evaluate(&table, Order::First, &Settings { paths: 1 << 13, ..Settings::default() });
    assert_eq!(results.status, [Status::Ok; 5]);
    let price = &results.columns[0];
    assert!(price[0] < price[1] && price[1] < 1.1 * price[0], "{price:?}");
    assert!(price[2] < price[0] && price[3] < price[0] && price[4] < price[0], "{price:?}");
    let vega = column(&results, Order::First, Greek::Vega);
    assert!((vega[1] - vega[0]).abs() < 0.1 * vega[0], "{vega:?}");
    // On the grid too it is Lewis's and everybody's European price.
    let grid = evaluate(&table, Order::None, &Settings { method: Method::FiniteDifference, ..Settings::default() });
    assert!((grid.columns[0][0] - price[0]).abs() < grid.error[0].max(1e-3), "{grid:?}");
    assert_eq!(grid.status[4], Status::BadMethod);
}

/// Without jumps, and without a volatility of variance that reverts to where it is, they are Black's own.
#[test]
fn the_series_has_its_greeks_by_volatility() {
    let mut table = calls(vec![Terms::default(); 4]);
    table.terms = Vec::new();
    table.strike = vec![90.0, 110.0, 95.0, 95.0];
    table.model = vec![ModelName::Merton, ModelName::Kou, ModelName::Heston, ModelName::Bsm];
    for (parameter, value) in [
        (Parameter::JumpIntensity, 0.0),
        (Parameter::JumpMean, -0.1),
        (Parameter::JumpStd, 0.1),
        (Parameter::JumpUpProbability, 0.4),
        (Parameter::JumpUpRate, 10.0),
        (Parameter::JumpDownRate, 5.0),
        (Parameter::V0, 0.0625),
        (Parameter::Kappa, 2.0),
        (Parameter::ThetaV, 0.04),
        (Parameter::SigmaV, 0.4),
        (Parameter::RhoV, -0.6),
    ] {
        table.parameters[parameter as usize] = vec![value; 4];
    }
    let results = evaluate(&table, Order::All, &Settings::default());
    assert_eq!(results.status, [Status::Ok; 4]);
    for row in [0, 1] {
        let wanted = black::scalar::greeks(&table.columns().row(row), black::Model::Bsm).unwrap();
        for (greek, tolerance) in [(Greek::Vomma, 1e-5), (Greek::Veta, 1e-5), (Greek::Ultima, 1e-4)] {
            let (got, wanted) = (results.columns[greek as usize][row], wanted[greek as usize]);
            assert!((got - wanted).abs() < tolerance * wanted.abs().max(100.0), "{row} {greek:?}: {got}, not {wanted}");
        }
    }
    // Heston's by second and third differences of its price alone, of another engine.
    let price = |root: f64, years: f64| {
        let model = crate::fourier::Model::Heston(crate::fourier::Heston {
            v0: root * root,
            ..super::models::heston(&table, 2)
        });
        let slice =
            crate::fourier::Slice { spot: 100.0, expiry_years: years, risk_free_rate: 0.08, dividend_yield: 0.04 };
        crate::fourier::twin::price(&model, &slice, OptionType::Call, 95.0).unwrap()
    };
    let h = 0.01;
    let at = |place: f64| price(0.25 + place * h, 0.5);
    let vomma = (at(1.0) - 2.0 * at(0.0) + at(-1.0)) / (h * h);
    let ultima = (at(2.0) - 2.0 * at(1.0) + 2.0 * at(-1.0) - at(-2.0)) / (2.0 * h * h * h);
    let corner = |a: f64, b: f64| price(0.25 + a * h, 0.5 + b * h);
    let veta = -(corner(1.0, 1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0) + corner(-1.0, -1.0)) / (4.0 * h * h);
    for (greek, wanted) in [(Greek::Vomma, vomma), (Greek::Veta, veta), (Greek::Ultima, ultima)] {
        let got = results.columns[greek as usize][2];
        assert!((got - wanted).abs() < 5e-3 * wanted.abs().max(10.0), "{greek:?}: {got}, not {wanted}");
    }
    let first = evaluate(&table, Order::First, &Settings::default());
    assert_eq!(first.columns[1], results.columns[1], "what is not asked for costs nothing and changes nothing");
}

#[test]
fn what_no_engine_values_is_named() {
    let hit = barrier(BarrierType::UpAndOut, 99.0, f64::NAN, 0.0);
    let asian = payoff(PayoffName::ArithmeticAsian);
    let geometric = payoff(PayoffName::GeometricAsian);
    let rows = vec![
        (hit, Status::BarrierHit),
        (barrier(BarrierType::UpAndOut, f64::NAN, f64::NAN, 0.0), Status::BadBarrier),
        (barrier(BarrierType::DoubleOut, 90.0, 80.0, 0.0), Status::BadBarrier),
        (barrier(BarrierType::DownAndOut, 90.0, f64::NAN, -1.0), Status::BadRebate),
        (asian, Status::BadObservationDates),
        (Terms { extreme: Some(90.0), ..Terms::default() }, Status::Ok),
        (Terms { extreme: Some(-1.0), ..payoff(PayoffName::FixedLookback) }, Status::BadExtreme),
        (Terms { cash: -1.0, ..payoff(PayoffName::CashOrNothing) }, Status::BadCash),
        (Terms { exercise_times: Some(vec![0.1]), ..geometric.clone() }, Status::BadExerciseStyle),
        (
            Terms { dividends: Arc::from([CashDividend { time_years: 0.1, amount: 1.0 }]), ..geometric },
            Status::BadDividend,
        ),
        (dividends(&[(0.1, -1.0)]), Status::BadDividend),
        (dividends(&[(0.1, 60.0), (0.2, 60.0)]), Status::DividendAboveSpot),
        (dividends(&[(0.1, 1.0), (0.7, 200.0)]), Status::Ok),
    ];
    let (terms, wanted): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let table = calls(terms);
    let results = evaluate(&table, Order::All, &Settings::default());
    assert_eq!(results.status, wanted);
    for (row, status) in wanted.iter().enumerate() {
        assert!(status.is_ok() || results.columns.iter().all(|column| column[row].is_nan()), "{row}");
    }
    let mut table = calls(vec![barrier(BarrierType::DownAndOut, 90.0, f64::NAN, 0.0); 4]);
    table.model = vec![ModelName::Bachelier, ModelName::Kou, ModelName::Bsm, ModelName::Bsm];
    table.exercise = vec![EUROPEAN, AMERICAN, EUROPEAN, AMERICAN];
    table.terms[2] = Some(Arc::new(payoff(PayoffName::CashOrNothing)));
    let status = evaluate(&table, Order::None, &Settings::default()).status;
    assert_eq!(status, [Status::BadBarrierType, Status::BadExerciseStyle, Status::Ok, Status::Ok]);
    table.terms[3] = Some(Arc::new(Terms { observation_dates: Some(9), ..payoff(PayoffName::FixedLookback) }));
    table.exercise[3] = EUROPEAN;
    assert_eq!(implied_volatility(&table).status[3], Status::BadPayoff);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 96, ..Default::default() })]

    /// Whatever bits stand in the fields: no panic, and no number without `Ok`, and no `Ok` without a number.
    #[test]
    fn any_bits_end_in_a_number_or_a_status(
        bits in proptest::array::uniform12(proptest::prelude::any::<u64>()),
        wild in proptest::array::uniform12(proptest::prelude::any::<bool>()),
        choice in proptest::array::uniform4(0_usize..64),
    ) {
        let sound = [100.0, 95.0, 0.5, 0.03, 0.01, 0.2, 90.0, 120.0, 1.0, 2.0, 0.1, 3.0];
        // Half of the fields are sound, so that some rows reach their engines.
        let at = |i: usize| if wild[i] && choice[3] % 4 != 0 { f64::from_bits(bits[i]) } else { sound[i] };
        let [kinds, payoffs] = [BarrierType::ALL.len(), PayoffName::ALL.len()];
        let terms = Terms {
            payoff: PayoffName::ALL[choice[0] % payoffs],
            cash: at(9),
            barrier: (choice[1] % 2 == 0).then(|| BarrierTerms {
                kind: BarrierType::ALL[choice[1] / 2 % kinds],
                level: at(6),
                upper: at(7),
                rebate: at(8),
            }),
            observation_dates: [None, Some(0), Some(5)][choice[2] % 3],
            extreme: (choice[2] % 5 == 0).then(|| at(7)),
            exercise_times: (choice[2] % 7 == 0).then(|| vec![at(10)]),
            dividends: if choice[2] % 2 == 0 { Arc::from([CashDividend { time_years: at(10), amount: at(11) }]) } else { Arc::from([]) },
        };
        let mut table = calls(vec![terms; 2]);
        table.exercise = vec![EUROPEAN, AMERICAN];
        table.model = vec![[ModelName::Bsm, ModelName::Black76, ModelName::Merton][choice[3] % 3]; 2];
        table.on_forward = vec![choice[3] % 3 == 1; 2];
        (table.spot, table.strike, table.expiry_years) = (vec![at(0); 2], vec![at(1); 2], vec![at(2); 2]);
        (table.risk_free_rate, table.dividend_yield, table.volatility) = (vec![at(3); 2], vec![at(4); 2], vec![at(5); 2]);
        for parameter in [Parameter::JumpIntensity, Parameter::JumpMean, Parameter::JumpStd] {
            table.parameters[parameter as usize] = vec![0.1; 2];
        }
        let settings = Settings { paths: 64, ..Settings::default() };
        for results in [evaluate(&table, Order::Second, &settings), implied_volatility(&table)] {
            for (status, price) in results.status.iter().zip(&results.columns[0]) {
                assert_eq!(status.has_numbers(), price.is_finite(), "{status} {price} {table:?}");
            }
        }
    }
}

#[test]
fn cells_of_terms_are_read() {
    let read = parse_dividends(" 0.25:1.2; 0.5:1.3 ;", 1.0).unwrap();
    assert_eq!(
        read.as_ref(),
        [(0.25, 1.2), (0.5, 1.3)].map(|(time_years, amount)| CashDividend { time_years, amount })
    );
    assert_eq!(parse_dividends("", 1.0).unwrap().len(), 0);
    for bad in ["0.25", "0.25:", "a:1", "-0.1:1", "0.1:-1", "0.1:nan", "inf:1", "0.25:1:2"] {
        assert_eq!(parse_dividends(bad, 1.0), Err(Status::BadDividend), "{bad}");
    }
    assert_eq!(parse_dividends("0.25:1;1:1", 1.0), Err(Status::DividendAfterExpiry));
    assert_eq!(parse_exercise_times("0;0.25;1", 1.0), Ok(vec![0.0, 0.25, 1.0]));
    for bad in ["", ";", "a", "1.5", "-0.1", "nan"] {
        assert_eq!(parse_exercise_times(bad, 1.0), Err(Status::BadExerciseTimes), "{bad}");
    }
    assert_eq!(observation_dates(12.0), Ok(12));
    for bad in [0.0, -1.0, 1.5, f64::NAN, 1e9] {
        assert_eq!(observation_dates(bad), Err(Status::BadObservationDates), "{bad}");
    }
    for (name, again) in PayoffName::ALL.map(|name| (name.as_str(), PayoffName::parse(name.as_str()))) {
        assert_eq!(again.map(PayoffName::as_str), Some(name));
    }
    for kind in BarrierType::ALL {
        assert_eq!(BarrierType::parse(&kind.as_str().to_uppercase()), Some(kind));
    }
}
