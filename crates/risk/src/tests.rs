use proptest::prelude::*;
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_gpu::{Device, DeviceKind, list};
use zomma_pricing::{
    american,
    black::{self, Greek, Row},
    valuation::{ModelName, Parameter, Table},
};

use crate::{
    Axes, Outcome, Portfolio, Scenario, Sensitivities, VOLATILITY_FLOOR, device::Black, revalue, revalue_rest,
    row_values, stress,
};

/// One position of a test.
#[derive(Clone, Copy)]
struct Position {
    model: ModelName,
    exercise: ExerciseStyle,
    row: Row,
    quantity: f64,
    group: u32,
}

const CALL: Row = Row {
    option_type: OptionType::Call,
    spot: 100.0,
    strike: 105.0,
    expiry_years: 0.25,
    risk_free_rate: 0.03,
    dividend_yield: 0.01,
    volatility: 0.2,
};
const PUT: Row = Row { option_type: OptionType::Put, strike: 95.0, volatility: 0.24, ..CALL };

fn position(row: Row, quantity: f64) -> Position {
    Position { model: ModelName::Bsm, exercise: ExerciseStyle::European, row, quantity, group: 0 }
}

fn portfolio(positions: &[Position]) -> Portfolio {
    let of = |get: fn(&Row) -> f64| positions.iter().map(|position| get(&position.row)).collect::<Vec<_>>();
    let n = positions.len();
    let mut table = Table {
        model: positions.iter().map(|position| position.model).collect(),
        exercise: positions.iter().map(|position| position.exercise).collect(),
        option_type: positions.iter().map(|position| position.row.option_type).collect(),
        on_forward: positions.iter().map(|position| position.model == ModelName::Black76).collect(),
        spot: of(|row| row.spot),
        strike: of(|row| row.strike),
        expiry_years: of(|row| row.expiry_years),
        risk_free_rate: of(|row| row.risk_free_rate),
        dividend_yield: of(|row| row.dividend_yield),
        volatility: of(|row| row.volatility),
        status: vec![Status::Ok; n],
        ..Table::default()
    };
    table.parameters[Parameter::Displacement as usize] = vec![25.0; n];
    let quantity: Vec<f64> = positions.iter().map(|position| position.quantity).collect();
    let group: Vec<u32> = positions.iter().map(|position| position.group).collect();
    let groups = group.iter().max().map_or(1, |&group| group as usize + 1);
    Portfolio::new(table, &quantity, &vec![100.0; n], &group, groups)
}

fn value(portfolio: &Portfolio, scenario: Scenario) -> f64 {
    let outcome = &revalue(portfolio, &[scenario], || {})[0];
    assert_eq!(outcome.all_failed(), 0, "{scenario:?}: {}", outcome.fault);
    outcome.value.iter().sum()
}

fn bsm(row: Row) -> f64 {
    black::scalar::price(&row, black::Model::Bsm).unwrap()
}

#[test]
fn each_position_is_valued_in_the_moved_market() {
    let book = portfolio(&[position(CALL, -3.0), position(PUT, 2.0)]);
    let scenario = Scenario { spot_change: -0.1, volatility_shift: 0.07, rate_shift: 0.01, days: 10.0 };
    let moved = |row: Row| Row {
        spot: row.spot * (1.0 - 0.1),
        volatility: row.volatility + 0.07,
        risk_free_rate: row.risk_free_rate + 0.01,
        expiry_years: row.expiry_years - 10.0 / 365.0,
        ..row
    };
    let wanted = -300.0 * bsm(moved(CALL)) + 200.0 * bsm(moved(PUT));
    let got = value(&book, scenario);
    assert!((got - wanted).abs() < 1e-10, "{got}, not {wanted}");
    let rows = row_values(&book, &scenario);
    assert!((rows[0] + 300.0 * bsm(moved(CALL))).abs() < 1e-10);
    assert!((rows[1] - 200.0 * bsm(moved(PUT))).abs() < 1e-10);
}

#[test]
fn american_and_normal_positions_move_as_their_models_say() {
    let american_put = Position { exercise: ExerciseStyle::American, ..position(PUT, 1.0) };
    let normal = Row { volatility: 20.0, ..PUT };
    let bachelier = Position { model: ModelName::Bachelier, ..position(normal, 1.0) };
    let displaced = Position { model: ModelName::Displaced, ..position(PUT, 1.0) };
    let scenario = Scenario { spot_change: -0.05, volatility_shift: 0.1, ..Scenario::NONE };
    let wanted = american::price(&Row { spot: 95.0, volatility: 0.34, ..PUT }).unwrap();
    assert!((value(&portfolio(&[american_put]), scenario) / 100.0 - wanted).abs() < 1e-9);
    // Ten points of Black's volatility are ten of a normal one on a spot of 100, and eight of one that stands on 125.
    use zomma_pricing::displaced::{self, Distribution, Model, Underlying};
    let by = |distribution| Model { distribution, underlying: Underlying::Spot };
    let greeks = |row: Row, model| displaced::scalar::greeks(&row, 25.0, model).unwrap()[0];
    let wanted = greeks(Row { spot: 95.0, volatility: 30.0, ..normal }, by(Distribution::Normal));
    assert!((value(&portfolio(&[bachelier]), scenario) / 100.0 - wanted).abs() < 1e-12);
    let wanted = greeks(Row { spot: 95.0, volatility: 0.24 + 0.08, ..PUT }, by(Distribution::Displaced));
    assert!((value(&portfolio(&[displaced]), scenario) / 100.0 - wanted).abs() < 1e-12);
}

#[test]
fn what_expires_on_the_way_is_worth_its_exercise() {
    let book = portfolio(&[position(Row { expiry_years: 5.0 / 365.0, ..PUT }, 1.0), position(CALL, 1.0)]);
    let scenario = Scenario { spot_change: -0.2, days: 5.0, ..Scenario::NONE };
    let call = bsm(Row { spot: 80.0, expiry_years: CALL.expiry_years - 5.0 / 365.0, ..CALL });
    assert!((value(&book, scenario) - 100.0 * (15.0 + call)).abs() < 1e-10);
    let above = Scenario { spot_change: 0.1, days: 6.0, ..Scenario::NONE };
    assert_eq!(row_values(&book, &above)[0], 0.0);
}

#[test]
fn no_volatility_is_shifted_below_the_floor() {
    let low = Row { volatility: 0.004, ..CALL };
    let crush = Scenario { volatility_shift: -0.5, ..Scenario::NONE };
    let wanted = 100.0 * (bsm(Row { volatility: VOLATILITY_FLOOR, ..CALL }) + bsm(low));
    assert!((value(&portfolio(&[position(CALL, 1.0), position(low, 1.0)]), crush) - wanted).abs() < 1e-12);
}

/// At and below the floor the step down is as long as the step up.
#[test]
fn a_low_volatility_has_its_whole_vega() {
    let low = Row { strike: 100.0, risk_free_rate: 0.0, dividend_yield: 0.0, volatility: 0.008, ..CALL };
    let vega = 100.0 * black::scalar::greeks(&low, black::Model::Bsm).unwrap()[Greek::Vega as usize];
    let got = Sensitivities::of(&portfolio(&[position(low, 1.0)]))[0];
    assert!((got.vega / vega - 1.0).abs() < 1e-6, "{} not {vega}", got.vega);
    assert!(got.vomma.abs() < 1e-3 * vega, "{}", got.vomma);
}

#[test]
fn what_cannot_be_valued_is_counted_and_left_out() {
    let bad = Row { strike: -1.0, ..CALL };
    let book = portfolio(&[position(bad, 1.0), position(CALL, f64::NAN), position(CALL, 1.0)]);
    assert_eq!((book.rows(), book.rows_ok()), (3, 1));
    assert_eq!(book.failed()[&Status::BadStrike], [0]);
    assert_eq!(book.failed()[&Status::BadQuantity], [1]);
    // A displaced forward that the fall takes below zero has no value there, and says so.
    let displaced = Position { model: ModelName::Displaced, ..position(Row { spot: -10.0, strike: 1.0, ..CALL }, 1.0) };
    let rise = Scenario { spot_change: 2.0, ..Scenario::NONE };
    let outcome = &revalue(&portfolio(&[displaced, position(CALL, 1.0)]), &[rise], || {})[0];
    assert_eq!((outcome.rows_failed.as_slice(), outcome.fault), (&[1][..], Status::BadDisplacement));
    assert!((outcome.value[0] - 100.0 * bsm(Row { spot: 300.0, ..CALL })).abs() < 1e-9);
}

/// A displaced forward a step above −δ: a fall leaves it without a value. Its book's Greeks are those of the others, and its group says so.
#[test]
fn a_row_that_a_step_ends_is_left_out_of_its_books_greeks() {
    let edge = Row { spot: -25.0 + 1e-3, strike: 1.0, risk_free_rate: 0.0, dividend_yield: 0.0, ..CALL };
    let edge = Position { model: ModelName::Displaced, ..position(edge, 1e6) };
    let sound = Position { model: ModelName::Displaced, ..position(CALL, 2.0) };
    let book = portfolio(&[edge, sound, Position { group: 1, ..edge }, Position { group: 2, ..sound }]);
    assert_eq!(book.rows_ok(), 4);
    let found = Sensitivities::of(&book);
    assert_eq!(found.iter().map(|found| found.rows_failed).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(Sensitivities { rows_failed: 0, ..found[0] }, found[2]);
    assert_eq!(Sensitivities { rows_failed: 0, ..found[1] }, Sensitivities::default());
    let fall = Scenario { spot_change: 0.01, ..Scenario::NONE };
    assert_eq!(revalue(&book, &[fall], || {})[0].rows_failed, [1, 1, 0]);
}

/// One position of every engine that is not Black's formula: the differences are its model's own Greeks.
#[test]
fn the_differences_are_the_greeks_of_other_models_too() {
    use zomma_pricing::valuation::{Order, Settings, evaluate};
    let mut table = Table {
        model: vec![ModelName::Bsm, ModelName::Bachelier, ModelName::Displaced, ModelName::Heston, ModelName::Merton],
        exercise: vec![ExerciseStyle::European; 5],
        option_type: vec![OptionType::Put; 5],
        on_forward: vec![false; 5],
        spot: vec![100.0; 5],
        strike: vec![95.0; 5],
        expiry_years: vec![0.5; 5],
        risk_free_rate: vec![0.04; 5],
        dividend_yield: vec![0.01; 5],
        volatility: vec![0.25, 25.0, 0.2, f64::NAN, 0.2],
        status: vec![Status::Ok; 5],
        ..Table::default()
    };
    table.exercise[0] = ExerciseStyle::American;
    for (parameter, value) in [
        (Parameter::Displacement, 25.0),
        (Parameter::V0, 0.0625),
        (Parameter::Kappa, 2.0),
        (Parameter::ThetaV, 0.0625),
        (Parameter::SigmaV, 0.4),
        (Parameter::RhoV, -0.6),
        (Parameter::JumpIntensity, 0.5),
        (Parameter::JumpMean, -0.1),
        (Parameter::JumpStd, 0.15),
    ] {
        table.parameters[parameter as usize] = vec![value; 5];
    }
    let group = [0, 1, 2, 3, 4];
    let greeks = evaluate(&table, Order::All, &Settings::default());
    assert_eq!(greeks.status, [Status::Ok; 5]);
    let book = Portfolio::new(table, &[1.0; 5], &[1.0; 5], &group, 5);
    for (row, found) in Sensitivities::of(&book).into_iter().enumerate() {
        let by = |greek: Greek| greeks.columns[greek as usize][row];
        for (name, got, wanted) in [
            ("delta", found.cash_delta, 100.0 * by(Greek::Delta)),
            ("gamma", found.cash_gamma, 1e4 * by(Greek::Gamma)),
            ("theta", found.theta, by(Greek::Theta)),
            ("rho", found.rho, by(Greek::Rho)),
        ] {
            assert!((got - wanted).abs() < 5e-3 * wanted.abs(), "row {row}: {name} {got}, not {wanted}");
        }
        // A point of Black's volatility is 100 of a normal one, 0.8 of the displaced one, and under Heston one of √θ too.
        let per_point = [1.0, 100.0, 0.8, f64::NAN, 1.0][row];
        if per_point.is_finite() {
            let wanted = per_point * by(Greek::Vega);
            assert!((found.vega - wanted).abs() < 5e-3 * wanted.abs(), "row {row}: vega {}, not {wanted}", found.vega);
        }
    }
}

/// A dividend that the days pass over is paid; a barrier that the spot is moved to ends the option or starts it.
#[test]
fn contracts_of_terms_move_with_the_market() {
    use std::sync::Arc;
    use zomma_pricing::{
        finite_difference::{self, CashDividend, european_with_dividends},
        valuation::{BarrierTerms, BarrierType, PayoffName, Terms},
    };
    let barrier = |kind| Terms {
        barrier: Some(BarrierTerms { kind, level: 90.0, upper: f64::NAN, rebate: 2.0 }),
        ..Terms::default()
    };
    let dividends: Arc<[CashDividend]> =
        [(0.02, 1.0), (0.2, 1.5)].map(|(time_years, amount)| CashDividend { time_years, amount }).into();
    let terms = vec![
        barrier(BarrierType::DownAndOut),
        barrier(BarrierType::DownAndIn),
        Terms { dividends, ..Terms::default() },
        Terms { payoff: PayoffName::CashOrNothing, cash: 3.0, ..Terms::default() },
    ];
    let n = terms.len();
    let table = Table {
        model: vec![ModelName::Bsm; n],
        exercise: vec![ExerciseStyle::European; n],
        option_type: vec![OptionType::Call; n],
        on_forward: vec![false; n],
        spot: vec![CALL.spot; n],
        strike: vec![CALL.strike; n],
        expiry_years: vec![CALL.expiry_years; n],
        risk_free_rate: vec![CALL.risk_free_rate; n],
        dividend_yield: vec![CALL.dividend_yield; n],
        volatility: vec![CALL.volatility; n],
        terms: terms.into_iter().map(|terms| Some(Arc::new(terms))).collect(),
        status: vec![Status::Ok; n],
        ..Table::default()
    };
    let book = Portfolio::new(table, &vec![1.0; n], &vec![1.0; n], &[0, 1, 2, 3], n);
    assert_eq!(book.rows_ok(), n, "{:?}", book.failed());
    let fall = Scenario { spot_change: -0.12, ..Scenario::NONE };
    let week = Scenario { days: 14.0, ..Scenario::NONE };
    let over = Scenario { days: 92.0, spot_change: 0.2, ..Scenario::NONE };
    let outcomes = revalue(&book, &[fall, week, over], || {});
    assert!(outcomes.iter().all(|outcome| outcome.all_failed() == 0), "{outcomes:?}");
    assert_eq!(outcomes[0].value[0], 2.0);
    assert!((outcomes[0].value[1] - bsm(Row { spot: 88.0, ..CALL })).abs() < 1e-12);
    let later = [CashDividend { time_years: 0.2 - week.years(), amount: 1.5 }];
    let row = Row { expiry_years: CALL.expiry_years - week.years(), ..CALL };
    let wanted = european_with_dividends(&row, &later, &finite_difference::Settings::default()).unwrap();
    assert!((outcomes[1].value[2] - wanted.value).abs() < 1e-9, "{} {}", outcomes[1].value[2], wanted.value);
    assert_eq!(outcomes[2].value, [15.0, 2.0, 15.0, 3.0]);
}

#[test]
fn the_differences_are_the_greeks() {
    let book = portfolio(&[position(CALL, -3.0), Position { group: 1, ..position(PUT, 2.0) }]);
    for (sensitivities, (row, shares)) in Sensitivities::of(&book).iter().zip([(CALL, -300.0), (PUT, 200.0)]) {
        let greeks = black::scalar::greeks(&row, black::Model::Bsm).unwrap();
        let by = |greek: Greek| shares * greeks[greek as usize];
        let wanted = Sensitivities {
            cash_delta: row.spot * by(Greek::Delta),
            cash_gamma: row.spot * row.spot * by(Greek::Gamma),
            vega: by(Greek::Vega),
            vomma: by(Greek::Vomma),
            cash_vanna: row.spot * by(Greek::Vanna),
            theta: by(Greek::Theta),
            cash_charm: row.spot * by(Greek::Charm),
            rho: by(Greek::Rho),
            rows_failed: 0,
        };
        let pairs = [
            (sensitivities.cash_delta, wanted.cash_delta),
            (sensitivities.cash_gamma, wanted.cash_gamma),
            (sensitivities.vega, wanted.vega),
            (sensitivities.vomma, wanted.vomma),
            (sensitivities.cash_vanna, wanted.cash_vanna),
            (sensitivities.theta, wanted.theta),
            (sensitivities.cash_charm, wanted.cash_charm),
            (sensitivities.rho, wanted.rho),
        ];
        for (got, wanted) in pairs {
            assert!((got / wanted - 1.0).abs() < 2e-5, "{got}, not {wanted}");
        }
        // A small move is what they say it is, to the third order.
        let small = Scenario { spot_change: 0.004, volatility_shift: -0.002, rate_shift: 0.0005, days: 0.25 };
        let exact = shares
            * (bsm(Row {
                spot: 100.4,
                volatility: row.volatility - 0.002,
                risk_free_rate: row.risk_free_rate + 0.0005,
                expiry_years: row.expiry_years - small.years(),
                ..row
            }) - bsm(row));
        assert!(
            (sensitivities.profit(&small) - exact).abs() < 0.01 * exact.abs(),
            "{} {exact}",
            sensitivities.profit(&small)
        );
    }
}

#[test]
fn the_bits_do_not_depend_on_the_threads() {
    let positions: Vec<Position> = (0..700)
        .map(|i| {
            let strike = 70.0 + f64::from(i % 61);
            let row =
                Row { strike, expiry_years: 0.02 + f64::from(i % 17) * 0.1, ..if i % 2 == 0 { CALL } else { PUT } };
            Position { group: i % 3, ..position(row, f64::from(i % 11) - 5.5) }
        })
        .collect();
    let book = portfolio(&positions);
    let axes = Axes {
        spot_change: vec![-0.2, -0.1, 0.0, 0.1],
        volatility_shift: vec![-0.05, 0.0, 0.1],
        rate_shift: vec![0.0],
        days: vec![0.0, 30.0],
    };
    let scenarios = axes.scenarios();
    assert_eq!((scenarios.len(), scenarios[1].spot_change, scenarios[4].volatility_shift), (24, -0.1, 0.0));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| revalue(&book, &scenarios, || {}))
    };
    let one = with(1);
    assert!(one.iter().all(|outcome| outcome.value.len() == 3));
    for threads in [2, 3, 7] {
        assert_eq!(with(threads), one);
    }
}

/// A book with all that a scenario can do to European positions: some expire on the way.
fn wide() -> (Portfolio, Vec<Scenario>) {
    let positions: Vec<Position> = (0..900)
        .map(|i| {
            let row = Row { strike: 60.0 + f64::from(i % 83), expiry_years: 0.01 + f64::from(i % 23) * 0.07, ..PUT };
            let model = if i % 4 == 0 { ModelName::Black76 } else { ModelName::Bsm };
            Position { model, group: i % 5, ..position(row, f64::from(i % 9) - 4.0) }
        })
        .collect();
    let axes = Axes {
        spot_change: vec![-0.3, 0.0, 0.2],
        volatility_shift: vec![-0.3, 0.0, 0.1],
        rate_shift: vec![0.0, 0.01],
        days: vec![0.0, 20.0],
    };
    (portfolio(&positions), axes.scenarios())
}

fn assert_same(got: &[Outcome], wanted: &[Outcome]) {
    for (got, wanted) in got.iter().zip(wanted) {
        assert_eq!((&got.rows_failed, got.fault), (&wanted.rows_failed, wanted.fault));
        for (a, b) in got.value.iter().zip(&wanted.value) {
            // Sums of some 180 terms of up to 40,000.
            assert!((a - b).abs() < 1e-7, "{a}, not {b}");
        }
    }
}

#[test]
fn sums_give_what_rows_give() {
    let (book, scenarios) = wide();
    let black = Black::of(&book);
    let mut outcomes = revalue_rest(&book, &scenarios, || {});
    assert!(outcomes.iter().all(|outcome| outcome.value == [0.0; 5]), "every position is Black's");
    black.add_on_cpu(0..400, &scenarios, &mut outcomes);
    black.add_on_cpu(400..900, &scenarios, &mut outcomes);
    assert_same(&outcomes, &revalue(&book, &scenarios, || {}));
}

#[test]
fn a_device_gives_what_the_processor_gives() {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    let Some(compute) = device.and_then(|device| device.open().unwrap()) else {
        return zomma_testkit::skip("no device");
    };
    let (book, scenarios) = wide();
    let black = Black::of(&book);
    let mut outcomes = revalue_rest(&book, &scenarios, || {});
    black.add(&compute, 0..black.len(), &scenarios, &mut outcomes).unwrap();
    assert_same(&outcomes, &revalue(&book, &scenarios, || {}));
}

#[test]
fn stresses_have_names_of_their_own() {
    for (i, one) in stress::ALL.iter().enumerate() {
        assert_eq!(stress::named(one.name), Some(one));
        assert!(one.scenario.spot_change > -1.0 && one.scenario.days >= 0.0);
        assert!(stress::ALL[i + 1..].iter().all(|other| other.scenario != one.scenario), "{}", one.name);
    }
    assert_eq!(stress::named("nothing"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Quantity enters once, linearly.
    #[test]
    fn twice_the_position_is_twice_the_value(
        factor in -50.0..50.0f64, spot_change in -0.5..0.5f64, shift in -0.1..0.5f64, days in 0.0..120.0f64, american in any::<bool>(),
    ) {
        let exercise = if american { ExerciseStyle::American } else { ExerciseStyle::European };
        let scenario = Scenario { spot_change, volatility_shift: shift, rate_shift: 0.0, days };
        let of = |quantity: f64| value(&portfolio(&[Position { exercise, ..position(PUT, quantity) }]), scenario);
        prop_assert!((of(factor) - factor * of(1.0)).abs() <= 1e-12 * of(1.0).abs() * factor.abs().max(1.0));
    }
}
