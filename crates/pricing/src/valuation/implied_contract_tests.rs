//! Volatilities of contracts: round trips, digitals whose two answers are known in closed form, a dense scan, and bad rows.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{
    BarrierTerms, BarrierType, ModelName, Order, PayoffName, Results, Settings, Table, Terms, evaluate,
    implied_volatility,
};

/// Options on 100 at 5 % with a yield of 2 %, half a year long.
fn table(rows: &[(OptionType, f64, Terms)], volatility: &[f64]) -> Table {
    let n = rows.len();
    Table {
        model: vec![ModelName::Bsm; n],
        exercise: vec![ExerciseStyle::European; n],
        on_forward: vec![false; n],
        option_type: rows.iter().map(|(kind, ..)| *kind).collect(),
        spot: vec![100.0; n],
        strike: rows.iter().map(|(_, strike, _)| *strike).collect(),
        expiry_years: vec![0.5; n],
        risk_free_rate: vec![0.05; n],
        dividend_yield: vec![0.02; n],
        volatility: volatility.to_vec(),
        status: vec![Status::Ok; n],
        terms: rows.iter().map(|(.., terms)| Some(Arc::new(terms.clone()))).collect(),
        ..Table::default()
    }
}

fn barrier(kind: BarrierType, level: f64) -> Terms {
    Terms { barrier: Some(BarrierTerms { kind, level, upper: f64::NAN, rebate: 0.0 }), ..Terms::default() }
}

fn digital(payoff: PayoffName) -> Terms {
    Terms { payoff, ..Terms::default() }
}

fn priced(table: &Table) -> Table {
    let Results { columns, status, .. } = evaluate(table, Order::None, &Settings::default());
    assert!(status.iter().all(|status| status.is_ok()), "{status:?}");
    Table { volatility: columns[0].clone(), ..table.clone() }
}

#[test]
fn prices_that_one_volatility_gives_give_it_back() {
    use {BarrierType::*, OptionType::*};
    let bermudan = Terms { exercise_times: Some(vec![0.125, 0.25, 0.375]), ..Terms::default() };
    let watched = Terms { observation_dates: Some(26), ..barrier(DownAndOut, 90.0) };
    // (type, strike, terms, volatility, allowed error)
    let rows = [
        (Call, 100.0, barrier(DownAndOut, 90.0), 0.25, 1e-11),
        (Put, 100.0, barrier(UpAndOut, 115.0), 0.3, 1e-11),
        (Call, 100.0, barrier(UpAndIn, 120.0), 0.2, 1e-11),
        (Put, 95.0, barrier(DownAndIn, 80.0), 0.4, 1e-11),
        // The forward is above the strike: more volatility leaves less of the call, and makes more of the put.
        (Call, 90.0, digital(PayoffName::CashOrNothing), 0.3, 1e-11),
        (Put, 90.0, digital(PayoffName::CashOrNothing), 0.2, 1e-11),
        (Put, 100.0, bermudan.clone(), 0.25, 1e-5),
        (Call, 130.0, bermudan, 0.6, 1e-5),
        (Call, 100.0, watched, 0.25, 1e-5),
    ];
    let contracts: Vec<_> = rows.iter().map(|(kind, strike, terms, ..)| (*kind, *strike, terms.clone())).collect();
    let volatility: Vec<f64> = rows.iter().map(|row| row.3).collect();
    let found = implied_volatility(&priced(&table(&contracts, &volatility)));
    for (i, (kind, strike, _, wanted, allowed)) in rows.iter().enumerate() {
        let got = found.columns[0][i];
        assert_eq!(found.status[i], Status::Ok, "{i}: {kind:?} {strike}");
        assert!((got - wanted).abs() <= allowed * wanted, "{i}: {kind:?} {strike}: {got} for {wanted}");
    }
}

/// D N(d2) with d2 = m/v − v/2 and m the logarithm of forward over strike is greatest at v = √(−2m), where m is below zero.
#[test]
fn digitals_out_of_the_money_have_two_volatilities_up_to_their_greatest_price() {
    let contract = (OptionType::Call, 110.0, digital(PayoffName::CashOrNothing));
    let log_moneyness = (100.0_f64 / 110.0).ln() + 0.03 * 0.5;
    let best = (-2.0 * log_moneyness / 0.5).sqrt();
    let rows = vec![contract; 6];
    let greatest = priced(&table(&rows, &[best; 6])).volatility[0];
    let second = {
        // m/v − v/2 is the same at v and −2m/v.
        let v = 0.2 * 0.5_f64.sqrt();
        -2.0 * log_moneyness / v / 0.5_f64.sqrt()
    };
    let [low, high] = [0.2, second].map(|volatility| priced(&table(&rows, &[volatility; 6])).volatility[0]);
    assert!((low - high).abs() < 1e-14, "the two volatilities {second} and 0.2 of one price");
    let given = Table {
        volatility: vec![low, greatest - 1e-7, greatest - 1e-3, greatest + 1e-7, 0.99, 1e-12],
        ..table(&rows, &[0.0; 6])
    };
    let found = implied_volatility(&given);
    use Status::{AboveMaximum, Ok, SeveralVolatilities};
    let wanted = [SeveralVolatilities, SeveralVolatilities, SeveralVolatilities, AboveMaximum, AboveMaximum, Ok];
    // So small a price is that of 0.1 % to 1,000 % once: the other is beyond.
    assert_eq!(found.status, wanted);
    assert!(found.columns[0][..5].iter().all(|volatility| volatility.is_nan()));
}

#[test]
fn reverse_knock_outs_have_two_volatilities_where_they_are_worth_more_than_without_any() {
    // Struck above the forward it is worth nothing without volatility, and next to nothing with much.
    let rows = vec![(OptionType::Call, 105.0, barrier(BarrierType::UpAndOut, 125.0)); 3];
    let mut given = priced(&table(&rows, &[0.08, 0.4, 0.2]));
    given.volatility[2] = 20.0;
    let found = implied_volatility(&given);
    assert_eq!(found.status, [Status::SeveralVolatilities, Status::SeveralVolatilities, Status::AboveMaximum]);
    // Struck at 100 it is worth 1.5 without volatility, and less than that at 40 % and nowhere else.
    let rows = vec![(OptionType::Call, 100.0, barrier(BarrierType::UpAndOut, 125.0)); 2];
    let found = implied_volatility(&priced(&table(&rows, &[0.15, 0.4])));
    assert_eq!(found.status, [Status::SeveralVolatilities, Status::Ok]);
    assert!((found.columns[0][1] - 0.4).abs() < 1e-11);
}

#[test]
fn bad_rows_say_what_is_wrong_with_them() {
    use {BarrierType::*, OptionType::Call};
    let rows = [
        (barrier(DownAndOut, 105.0), 3.0, Status::BarrierHit),
        (barrier(DownAndOut, -5.0), 3.0, Status::BadBarrier),
        (barrier(DownAndOut, 90.0), f64::NAN, Status::BadPrice),
        (barrier(DownAndOut, 90.0), -1.0, Status::BadPrice),
        (barrier(DownAndOut, 90.0), 101.0, Status::AboveMaximum),
        // Worth the discounted forward less strike without volatility.
        (barrier(DownAndOut, 90.0), 0.5, Status::BelowIntrinsic),
        (Terms { observation_dates: Some(12), ..digital(PayoffName::ArithmeticAsian) }, 3.0, Status::BadPayoff),
        (Terms { exercise_times: Some(vec![0.25]), ..Terms::default() }, 101.0, Status::AboveMaximum),
        (Terms { exercise_times: Some(vec![0.25]), ..Terms::default() }, 1.0, Status::BelowIntrinsic),
    ];
    let contracts: Vec<_> = rows.iter().map(|(terms, ..)| (Call, 100.0, terms.clone())).collect();
    let prices: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let mut given = table(&contracts, &prices);
    let found = implied_volatility(&given);
    let wanted: Vec<Status> = rows.iter().map(|row| row.2).collect();
    assert_eq!(found.status, wanted);
    for (column, wanted) in [(0, Status::BadSpot), (1, Status::BadStrike), (2, Status::Expired), (3, Status::BadRate)] {
        let mut broken = given.clone();
        match column {
            0 => broken.spot[2] = -1.0,
            1 => broken.strike[2] = f64::NAN,
            2 => broken.expiry_years[2] = 0.0,
            _ => broken.risk_free_rate[2] = f64::INFINITY,
        }
        assert_eq!(implied_volatility(&broken).status[2], wanted, "before the price");
    }
    given.model.fill(ModelName::Heston);
    assert_eq!(implied_volatility(&given).status[4], Status::BadModel);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Against how often a scan of two thousand volatilities passes the price.
    #[test]
    fn an_answer_is_the_only_one_of_a_dense_scan(
        which in 0..8_usize,
        call in proptest::bool::ANY,
        strike in 70.0..130.0_f64,
        away in 0.02..0.4_f64,
        volatility in 0.05..1.0_f64,
    ) {
        use BarrierType::*;
        let kind = if call { OptionType::Call } else { OptionType::Put };
        let terms = match which {
            0 => barrier(DownAndOut, 100.0 * (1.0 - away)),
            1 => barrier(DownAndIn, 100.0 * (1.0 - away)),
            2 => barrier(UpAndOut, 100.0 * (1.0 + away)),
            3 => barrier(UpAndIn, 100.0 * (1.0 + away)),
            4 | 5 => digital(PayoffName::CashOrNothing),
            6 => digital(PayoffName::AssetOrNothing),
            _ => digital(PayoffName::GeometricAsian),
        };
        let contract = (kind, strike, terms);
        let given = priced(&table(std::slice::from_ref(&contract), &[volatility]));
        let price = given.volatility[0];
        let dense: Vec<f64> = (0..2000).map(|i| 1e-3 * (6.0 / 0.5_f64.sqrt() / 1e-3_f64).powf(f64::from(i) / 1999.0)).collect();
        let values = evaluate(&table(&vec![contract.clone(); 2000], &dense), Order::None, &Settings::default());
        let excess: Vec<f64> = values.columns[0].iter().map(|value| value - price).filter(|excess| excess.abs() > 1e-10).collect();
        let passes = excess.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count();
        let found = implied_volatility(&given);
        match found.status[0] {
            Status::Ok => {
                proptest::prop_assert!(passes <= 1, "{passes} volatilities");
                let back = priced(&table(&[contract], &[found.columns[0][0]])).volatility[0];
                proptest::prop_assert!((back - price).abs() <= 1e-11 * price.max(1.0), "{back} for {price}");
            }
            Status::SeveralVolatilities => proptest::prop_assert!(passes != 1, "one volatility alone"),
            // Prices next to nothing, or to the certain value.
            Status::Undetermined => {}
            other => proptest::prop_assert!(false, "{other}"),
        }
    }
}
