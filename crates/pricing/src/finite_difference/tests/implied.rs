use proptest::prelude::*;
use zomma_base::Status;

use super::*;
use crate::black::RowColumns;
use crate::tolerance::{FINITE_DIFFERENCE_AMERICAN, FINITE_DIFFERENCE_LANES};

fn chain(expiry_years: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for option_type in BOTH {
        for strike in [70.0, 85.0, 95.0, 100.0, 105.0, 120.0] {
            for volatility in [0.12, 0.25, 0.6] {
                rows.push(row(option_type, 100.0, strike, expiry_years, [0.045, 0.0], volatility));
            }
        }
    }
    rows
}

/// The volatility of a price is the one that gave it, wherever the option is worth more than its exercise.
#[test]
fn round_trip() {
    let dividends = [cash(0.1, 0.6), cash(0.35, 0.6), cash(0.6, 0.7), cash(0.85, 0.7)];
    let settings = Settings::default();
    let (mut tried, mut worst) = (0, 0.0_f64);
    for expiry_years in [0.08, 0.5, 1.2] {
        for row in chain(expiry_years) {
            let estimate = american_with_dividends(&row, &dividends, &settings).unwrap();
            let certain = american_with_dividends(&Row { volatility: 0.0, ..row }, &dividends, &settings).unwrap();
            if estimate.value < certain.value + 1e-5 {
                continue;
            }
            tried += 1;
            let got = implied_volatility_with_dividends(&row, &dividends, estimate.value, &settings)
                .unwrap_or_else(|status| panic!("{row:?} {estimate:?}: {status}"));
            // The search keeps its grid, the value takes the volatility's own: they differ by what the grid is off.
            let again = american_with_dividends(&Row { volatility: got, ..row }, &dividends, &settings).unwrap();
            let off = (again.value - estimate.value).abs();
            assert!(
                off < FINITE_DIFFERENCE_AMERICAN * estimate.value,
                "{row:?} {estimate:?} {certain:?}: {got} gives {again:?}"
            );
            let time_value = estimate.value - certain.value;
            worst = worst.max((got / row.volatility - 1.0).abs() * time_value.min(1.0));
            assert!((got / row.volatility - 1.0).abs() * time_value.min(1.0) < 5e-4, "{row:?} {estimate:?}: {got}");
        }
    }
    println!("{tried} round trips, {worst:.1e}");
    assert!(tried > 80);
}

#[test]
fn statuses() {
    let row = row(OptionType::Put, 100.0, 110.0, 0.5, [0.05, 0.0], f64::NAN);
    let at = |price| implied_volatility_with_dividends(&row, &[cash(0.2, 1.0)], price, &Settings::default());
    assert_eq!(at(f64::NAN), Err(Status::BadPrice));
    assert_eq!(at(-1.0), Err(Status::BadPrice));
    assert_eq!(at(9.0), Err(Status::BelowIntrinsic));
    assert_eq!(at(110.0), Err(Status::AboveMaximum));
    let certain = american_with_dividends(&Row { volatility: 0.0, ..row }, &[cash(0.2, 1.0)], &Settings::default());
    assert_eq!(at(certain.unwrap().value), Err(Status::Undetermined));
    assert!(at(14.0).is_ok());
}

/// How far an estimate is from the twin's, each quantity on the scale of a spot of 100.
fn apart(got: [f64; 5], twin: &Estimate) -> f64 {
    let want = [twin.value, twin.error, twin.delta, twin.gamma, twin.theta];
    let scale = [100.0, 100.0, 1.0, 0.1, 10.0];
    got.iter().zip(want).zip(scale).map(|((g, w), s)| (g - w).abs() / s).fold(0.0, f64::max)
}

/// Lanes against the twin on every target: calls and puts, dividends in and out of the life, a block that is not full.
#[test]
fn lanes_are_the_twin() {
    use crate::finite_difference::lanes::{LANES, solve_lanes};
    use crate::math::Target;
    let dividends = [cash(0.1, 0.8), cash(0.35, 30.0), cash(0.9, 1.0)];
    let mut worst = 0.0_f64;
    for settings in [Settings::default(), Settings { space_steps: 31, time_steps: 7, ..Settings::default() }] {
        for option_type in BOTH {
            for expiry_years in [0.05, 0.6, 2.0] {
                let rows: Vec<Row> = (0..LANES - 3)
                    .map(|i| {
                        let i = i as f64;
                        row(option_type, 100.0, 60.0 + 7.3 * i, expiry_years, [0.01 * i, 0.004 * i], 0.08 + 0.05 * i)
                    })
                    .collect();
                for target in Target::ALL {
                    let results = solve_lanes(&rows, &rows, &dividends, &settings, target);
                    for (row, got) in rows.iter().zip(results) {
                        let got = got.unwrap();
                        let twin = american_with_dividends(row, &dividends, &settings).unwrap();
                        let off = apart([got.value, got.error, got.delta, got.gamma, got.theta], &twin);
                        worst = worst.max(off);
                        assert!(off < FINITE_DIFFERENCE_LANES, "{row:?} {target:?}: {got:?} {twin:?} {off:.1e}");
                    }
                }
            }
        }
    }
    println!("lanes: {worst:.1e}");
}

/// Batches are the single functions, row by row.
#[test]
fn batches() {
    let mut rows = chain(0.5);
    rows[3].spot = f64::NAN;
    let dividends = [cash(0.25, 1.0)];
    let settings = Settings { space_steps: 80, time_steps: 20, ..Settings::default() };
    let column = |f: fn(&Row) -> f64| rows.iter().map(f).collect::<Vec<_>>();
    let option_type: Vec<_> = rows.iter().map(|r| r.option_type).collect();
    let (spot, strike) = (column(|r| r.spot), column(|r| r.strike));
    let (expiry, rate) = (column(|r| r.expiry_years), column(|r| r.risk_free_rate));
    let (yields, volatility) = (column(|r| r.dividend_yield), column(|r| r.volatility));
    let columns = RowColumns {
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry,
        risk_free_rate: &rate,
        dividend_yield: &yields,
        volatility: &volatility,
    };
    let mut status = vec![Status::Ok; rows.len()];
    let mut out = vec![vec![0.0; rows.len()]; 5];
    let [value, error, delta, gamma, theta] = out.each_slice();
    price_batch(&columns, &dividends, &settings, EstimateColumns { value, error, delta, gamma, theta }, &mut status);
    for (i, row) in rows.iter().enumerate() {
        match american_with_dividends(row, &dividends, &settings) {
            Ok(estimate) => {
                let off = apart([out[0][i], out[1][i], out[2][i], out[3][i], out[4][i]], &estimate);
                assert!(status[i].is_ok() && off < FINITE_DIFFERENCE_LANES, "{row:?}: {estimate:?} is {off:.1e} apart");
            }
            Err(code) => assert!(status[i] == code && out[0][i].is_nan(), "{row:?}"),
        }
    }
    let mut greeks = vec![vec![0.0; rows.len()]; 8];
    let mut codes = status.clone();
    let [value, error, delta, gamma, theta, vega, rho, phi] = &mut greeks[..] else { panic!("eight columns") };
    let columns_out =
        SensitivityColumns { estimate: EstimateColumns { value, error, delta, gamma, theta }, vega, rho, phi };
    sensitivities_batch(&columns, &dividends, &settings, columns_out, &mut codes);
    assert_eq!(codes, status);
    assert!(greeks[0].iter().zip(&out[0]).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
    for (i, row) in rows.iter().enumerate().filter(|(i, _)| *i != 3) {
        let twin = sensitivities(&Contract::american(*row, &dividends), &settings).unwrap();
        for (got, want) in [(greeks[5][i], twin.vega), (greeks[6][i], twin.rho), (greeks[7][i], twin.phi)] {
            assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{row:?}: {got} is not {want}");
        }
    }
    let prices = out[0].clone();
    let mut implied = vec![0.0; rows.len()];
    implied_volatility_batch(&columns, &prices, &dividends, &settings, &mut implied, &mut status);
    assert_eq!(status[3], Status::BadSpot);
    assert!(status.iter().filter(|s| s.is_ok()).count() > 20);
}

trait EachSlice {
    fn each_slice(&mut self) -> [&mut [f64]; 5];
}

impl EachSlice for Vec<Vec<f64>> {
    fn each_slice(&mut self) -> [&mut [f64]; 5] {
        let [a, b, c, d, e] = &mut self[..] else { panic!("five columns") };
        [a, b, c, d, e]
    }
}

/// Vega, rho and phi without dividends, European: the closed form's.
#[test]
fn sensitivities_of_a_european() {
    use crate::black::{Greek, Model, scalar};
    let row = row(OptionType::Put, 100.0, 105.0, 0.8, [0.04, 0.01], 0.3);
    let exact = scalar::greeks(&row, Model::Bsm).unwrap();
    let got = sensitivities(&Contract::european(row), &Settings::default()).unwrap();
    for (got, greek) in [(got.vega, Greek::Vega), (got.rho, Greek::Rho), (got.phi, Greek::Phi)] {
        assert!((got / exact[greek as usize] - 1.0).abs() < 1e-4, "{greek:?} {got} {}", exact[greek as usize]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_prices_never_panic(bits in prop::array::uniform4(any::<u64>()), put: bool) {
        let [price, amount, t, spot] = bits.map(f64::from_bits);
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let row = row(option_type, if bits[0] & 1 == 0 { 100.0 } else { spot }, 95.0, 0.4, [0.03, 0.0], 0.0);
        let dividends = if bits[1] & 1 == 0 { vec![cash(0.2, 1.0)] } else { vec![cash(t, amount)] };
        let settings = Settings { space_steps: 24, time_steps: 6, ..Settings::default() };
        let price = if bits[2] & 1 == 0 { price } else { price.abs() % 100.0 };
        if let Ok(volatility) = implied_volatility_with_dividends(&row, &dividends, price, &settings) {
            prop_assert!(volatility.is_finite() && volatility > 0.0);
        }
    }
}

/// A first guess a third off, from a large dividend, on either side: the search used to swing between two grids for ever.
#[test]
fn a_guess_far_off() {
    let dividends = [cash(0.0, 0.3), cash(0.15, 2.0), cash(0.9, 20.0), cash(2.5, 1.0)];
    let row = row(OptionType::Put, 127.3, 100.0, 3.0, [0.12, 0.0], 0.166);
    for settings in [Settings::default(), Settings { space_steps: 64, time_steps: 16, ..Settings::default() }] {
        let price = american_with_dividends(&row, &dividends, &settings).unwrap().value;
        let got = implied_volatility_with_dividends(&row, &dividends, price, &settings).unwrap();
        assert!((got / row.volatility - 1.0).abs() < 2e-3, "{got}");
    }
}
