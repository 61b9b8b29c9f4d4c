mod agreement;
mod beyond;
mod bits;
mod certain;
mod gradient;
mod greeks;
mod implied;
mod perpetual;

use zomma_base::{OptionType, Status};

use super::{
    Accuracy, check, european_price, exercise_value, greeks_with, implied_volatility, price, price_with, tree,
};
use crate::black::{Row, RowColumns};
use crate::tolerance;

pub(super) fn row(
    option_type: OptionType,
    spot: f64,
    strike: f64,
    expiry_years: f64,
    rates: [f64; 2],
    volatility: f64,
) -> Row {
    let [risk_free_rate, dividend_yield] = rates;
    Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
}

/// Columns of some rows.
pub(super) struct Columns {
    option_type: Vec<OptionType>,
    numbers: [Vec<f64>; 6],
}

impl Columns {
    pub fn of(rows: &[Row]) -> Self {
        let column = |field: fn(&Row) -> f64| rows.iter().map(field).collect();
        let numbers = [
            column(|row| row.spot),
            column(|row| row.strike),
            column(|row| row.expiry_years),
            column(|row| row.risk_free_rate),
            column(|row| row.dividend_yield),
            column(|row| row.volatility),
        ];
        Self { option_type: rows.iter().map(|row| row.option_type).collect(), numbers }
    }

    pub fn rows(&self) -> RowColumns<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.numbers;
        let option_type = &self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}

/// A number in [0, 1), the next of a sequence.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// Options over the ranges of Andersen, Lake and Offengenden (2016), section 6, strike 100.
pub(super) fn published_ranges(count: usize) -> Vec<Row> {
    let mut state = 11;
    let mut pick = |low: f64, high: f64| low + (high - low) * next(&mut state);
    (0..count)
        .map(|i| {
            let option_type = if i % 4 == 3 { OptionType::Call } else { OptionType::Put };
            let spot = 25.0 * 20_f64.powf(pick(0.0, 1.0));
            let years = 3.0 * (1095_f64).powf(-pick(0.0, 1.0));
            let dividend_yield = if i % 5 == 0 { 0.0 } else { pick(0.0, 0.12) };
            row(option_type, spot, 100.0, years, [pick(0.02, 0.1), dividend_yield], pick(0.1, 0.6))
        })
        .collect()
}

/// Options of a week to three years, spots of a half to twice the strike, volatilities of 5 to 100 %, rates and yields of either sign.
pub(super) fn wide_ranges(count: usize) -> Vec<Row> {
    let mut state = 5;
    let mut pick = |low: f64, high: f64| low + (high - low) * next(&mut state);
    (0..count)
        .map(|i| {
            let option_type = if i % 3 == 2 { OptionType::Call } else { OptionType::Put };
            let years = 3.0 * (3.0 * 365.0 / 7.0_f64).powf(-pick(0.0, 1.0));
            let volatility = 0.05 * 20_f64.powf(pick(0.0, 1.0));
            row(option_type, pick(50.0, 200.0), 100.0, years, [pick(-0.02, 0.12), pick(-0.02, 0.12)], volatility)
        })
        .collect()
}

/// An independent Cox–Ross–Rubinstein tree, averaged over two neighbouring step counts.
fn many_steps(row: &Row) -> f64 {
    let one = |n: usize| {
        let dt = row.expiry_years / n as f64;
        let up = (row.volatility * dt.sqrt()).exp();
        let growth = ((row.risk_free_rate - row.dividend_yield) * dt).exp();
        let p = (growth - 1.0 / up) / (up - 1.0 / up);
        let discount = (-row.risk_free_rate * dt).exp();
        let exercise =
            |ups: i32, downs: i32| (row.option_type.sign() * (row.spot * up.powi(ups - downs) - row.strike)).max(0.0);
        let mut v: Vec<f64> = (0..=n).map(|i| exercise(i as i32, (n - i) as i32)).collect();
        for level in (0..n).rev() {
            for i in 0..=level {
                let held = discount * (p * v[i + 1] + (1.0 - p) * v[i]);
                v[i] = held.max(exercise(i as i32, (level - i) as i32));
            }
        }
        v[0]
    };
    0.5 * (one(2000) + one(2001))
}

/// Geske and Johnson (1984), Table I: puts at spot 40, rate 4.88 %, no yield; months 1, 4, 7.
#[test]
fn published_puts() {
    let table = [
        (0.2, 35.0, [0.0062, 0.2000, 0.4328]),
        (0.2, 40.0, [0.8522, 1.5798, 1.9905]),
        (0.2, 45.0, [5.0000, 5.0883, 5.2670]),
        (0.3, 35.0, [0.0774, 0.6975, 1.2198]),
        (0.3, 40.0, [1.3099, 2.4825, 3.1696]),
        (0.3, 45.0, [5.0597, 5.7056, 6.2436]),
        (0.4, 35.0, [0.2466, 1.3460, 2.1549]),
        (0.4, 40.0, [1.7681, 3.3874, 4.3526]),
        (0.4, 45.0, [5.2868, 6.5099, 7.3830]),
    ];
    for (volatility, strike, values) in table {
        for (years, value) in [0.0833, 0.3333, 0.5833].into_iter().zip(values) {
            let got = price(&row(OptionType::Put, 40.0, strike, years, [0.0488, 0.0], volatility)).unwrap();
            assert!((got - value).abs() < 8e-4, "{volatility} {strike} {years}: {got} is not {value}");
        }
    }
}

/// Andersen, Lake and Offengenden (2016), section 6: the premium of a one-year put at the money, rate and yield 5 %, volatility 25 %, by
/// their finest scheme.
#[test]
fn published_premium() {
    let put = row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.05], 0.25);
    let call = Row { option_type: OptionType::Call, ..put };
    for (accuracy, allowed) in [
        (Accuracy::quick(), tolerance::AMERICAN_QUICK),
        (Accuracy::fast(), tolerance::AMERICAN_FAST),
        (Accuracy::accurate(), tolerance::AMERICAN_ACCURATE),
        (Accuracy::high_precision(), tolerance::AMERICAN_HIGH_PRECISION),
    ] {
        for option in [put, call] {
            let premium = price_with(&option, accuracy).unwrap() - european_price(&option).unwrap();
            assert!((premium - 0.106_952_702_747).abs() <= 100.0 * allowed, "{premium}");
        }
    }
    let premium = tree::price(&put, 2001).unwrap() - european_price(&put).unwrap();
    assert!((premium - 0.106_952_702_747).abs() < 4e-6, "{premium}");
}

/// Andersen, Lake and Offengenden (2016), the three-year benchmarks: puts at rate and yield 4 %, volatility 20 %.
#[test]
fn published_long_puts() {
    for (spot, value, last_place) in [(80.0, 23.22834, 1e-5), (100.0, 12.60521, 1e-5), (120.0, 6.482_425, 1e-6)] {
        let got = price(&row(OptionType::Put, spot, 100.0, 3.0, [0.04, 0.04], 0.2)).unwrap();
        assert!((got - value).abs() <= 0.6 * last_place, "{spot}: {got} is not {value}");
    }
}

/// Broadie and Detemple (1996), the three-year calls of Table 2 by a tree of 15,000 steps, which is good to about 1e-3; N. Ju (1998)
/// repeats them as his exhibit of long-dated calls.
#[test]
fn published_long_calls() {
    let table = [
        ([0.03, 0.07], 0.2, [2.580, 5.167, 9.066, 14.443, 21.414]),
        ([0.03, 0.07], 0.4, [11.326, 15.722, 20.793, 26.495, 32.781]),
        ([0.0, 0.07], 0.3, [5.518, 8.842, 13.142, 18.453, 24.791]),
        ([0.07, 0.03], 0.3, [12.146, 17.368, 23.348, 29.964, 37.104]),
    ];
    for (rates, volatility, values) in table {
        for (spot, value) in [80.0, 90.0, 100.0, 110.0, 120.0].into_iter().zip(values) {
            let got = price(&row(OptionType::Call, spot, 100.0, 3.0, rates, volatility)).unwrap();
            assert!((got - value).abs() < 1e-3, "{rates:?} {volatility} {spot}: {got} is not {value}");
        }
    }
}

/// Against another tree of 2,000 steps, within 1e-4 of spot and its own error.
#[test]
fn another_tree() {
    for option_type in [OptionType::Call, OptionType::Put] {
        for strike in [80.0, 100.0, 125.0] {
            for rates in [[0.05, 0.0], [0.02, 0.07], [-0.02, -0.03]] {
                for (years, volatility) in [(0.05, 0.3), (0.5, 0.2), (2.0, 0.4)] {
                    let option = row(option_type, 100.0, strike, years, rates, volatility);
                    let (got, other) = (price(&option).unwrap(), many_steps(&option));
                    assert!((got - other).abs() < 1.5e-2 * years.max(0.1), "{option:?}: {got} against {other}");
                }
            }
        }
    }
}

#[test]
fn european_where_waiting_is_free() {
    for (option_type, rates) in
        [(OptionType::Call, [0.05, 0.0]), (OptionType::Put, [0.0, 0.03]), (OptionType::Put, [-0.01, 0.0])]
    {
        let option = row(option_type, 100.0, 95.0, 0.7, rates, 0.3);
        assert_eq!(price(&option), european_price(&option));
        let volatility = implied_volatility(&option, price(&option).unwrap()).unwrap();
        assert!((volatility - 0.3).abs() < 1e-13);
    }
}

#[test]
fn statuses() {
    let put = row(OptionType::Put, 90.0, 100.0, 0.5, [0.05, 0.0], 0.3);
    let with = |change: fn(&mut Row)| {
        let mut changed = put;
        change(&mut changed);
        price(&changed)
    };
    assert_eq!(with(|r| r.spot = 0.0), Err(Status::BadSpot));
    assert_eq!(with(|r| r.strike = f64::NAN), Err(Status::BadStrike));
    assert_eq!(with(|r| r.expiry_years = f64::INFINITY), Err(Status::BadExpiry));
    assert_eq!(with(|r| r.expiry_years = 0.0), Err(Status::Expired));
    assert_eq!(with(|r| r.risk_free_rate = f64::NAN), Err(Status::BadRate));
    assert_eq!(with(|r| r.dividend_yield = f64::NAN), Err(Status::BadYield));
    assert_eq!(with(|r| r.volatility = -0.1), Err(Status::BadVolatility));
    assert_eq!(with(|r| r.risk_free_rate = 1e4), Err(Status::Overflow));
    assert_eq!(with(|r| r.volatility = 0.0), Ok(10.0));
    assert_eq!(implied_volatility(&put, f64::NAN), Err(Status::BadPrice));
    assert_eq!(implied_volatility(&put, -1.0), Err(Status::BadPrice));
    assert_eq!(implied_volatility(&put, 9.99), Err(Status::BelowIntrinsic));
    assert_eq!(implied_volatility(&put, 10.0), Err(Status::Undetermined));
    assert_eq!(implied_volatility(&put, 100.0), Err(Status::AboveMaximum));
    let call = row(OptionType::Call, 110.0, 100.0, 0.5, [0.02, 0.08], 0.3);
    assert_eq!(implied_volatility(&call, 9.99), Err(Status::BelowIntrinsic));
    assert_eq!(implied_volatility(&call, 110.0), Err(Status::AboveMaximum));
}

/// An exercise premium, which is worth the interest on the strike at most.
fn premium_is_interest_at_most(row: &Row, price: f64, allowed: f64) {
    let premium = price - european_price(row).unwrap();
    let interest = row.strike * (1.0 - (-row.risk_free_rate * row.expiry_years).exp());
    assert!((-allowed..=interest + allowed).contains(&premium), "{row:?}: {premium} {interest}");
}

#[test]
fn rates_of_next_to_nothing_are_worth_the_interest_on_the_strike_at_most() {
    for (volatility, expiry_years) in [(0.02, 0.01), (0.1, 0.07), (0.2, 1.0), (0.8, 3.0)] {
        for spot in [80.0, 99.0, 105.0] {
            let put = |rate: f64| row(OptionType::Put, spot, 100.0, expiry_years, [rate, 0.0], volatility);
            for rate in [1e-9, 1e-6, 1e-4] {
                for accuracy in [Accuracy::quick(), Accuracy::fast(), Accuracy::accurate()] {
                    premium_is_interest_at_most(&put(rate), price_with(&put(rate), accuracy).unwrap(), 1e-9);
                }
            }
            // Here the iteration need not settle, and finite differences take over.
            premium_is_interest_at_most(&put(1e-15), price(&put(1e-15)).unwrap(), tolerance::AMERICAN_TREE * 100.0);
        }
    }
}
