//! Implied volatilities.

use proptest::prelude::*;

use super::super::implied_volatility_batch;
use super::*;

/// A batch says what its rows say one by one, faulty ones too.
#[test]
fn a_batch_is_its_rows() {
    // Options that are held: where exercise now is best, and where nothing is left, the price tells no volatility.
    let is_held = |row: &Row| {
        let exercised = (row.option_type.sign() * (row.spot - row.strike)).max(0.0);
        price(row).unwrap() > exercised + 1e-4 * row.strike
    };
    let mut rows: Vec<Row> = published_ranges(600).into_iter().filter(is_held).collect();
    let n = rows.len();
    assert!(n > 100, "{n}");
    let mut prices: Vec<f64> = rows.iter().map(|row| price(row).unwrap()).collect();
    rows[3].spot = -1.0;
    prices[5] = f64::NAN;
    prices[7] = 1e9;
    // Two boundaries, which finite differences value.
    rows[9] = row(OptionType::Put, 98.0, 100.0, 1.0, [-0.01, -0.02], 0.2);
    prices[9] = price(&rows[9]).unwrap();
    let columns = Columns::of(&rows);
    let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
    implied_volatility_batch(&columns.rows(), &prices, &mut out, &mut status);
    for (i, wanted) in [(3, Status::BadSpot), (5, Status::BadPrice), (7, Status::AboveMaximum), (9, Status::Ok)] {
        assert_eq!(status[i], wanted, "{:?}", rows[i]);
    }
    let refused = status.iter().filter(|status| !status.is_ok()).count();
    assert!(refused < n / 4, "{refused} of {n}");
    for (i, (row, price)) in rows.iter().zip(&prices).enumerate() {
        match implied_volatility(row, *price) {
            Ok(volatility) => {
                assert_eq!(status[i], Status::Ok, "{row:?}");
                let near = 2.0 * tolerance::AMERICAN_IMPLIED_VOLATILITY * volatility;
                assert!((out[i] - volatility).abs() < near, "{row:?}: {} {volatility}", out[i]);
            }
            Err(code) => assert!(status[i] == code && out[i].is_nan(), "{row:?}: {code} {}", status[i]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// A price gives its volatility back, or prices the same (near the exercise value many volatilities do).
    #[test]
    fn round_trip(
        put in any::<bool>(), moneyness in -0.4..0.4f64, years in 0.01..2.5f64, rate in -0.03..0.1f64, dividend in -0.03..0.1f64,
        volatility in 0.05..1.2f64,
    ) {
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let option = row(option_type, 100.0, 100.0 * moneyness.exp(), years, [rate, dividend], volatility);
        let value = price(&option).unwrap();
        prop_assert!(value >= european_price(&option).unwrap());
        match implied_volatility(&option, value) {
            Ok(found) => {
                let again = price(&Row { volatility: found, ..option }).unwrap();
                prop_assert!(
                    (found - volatility).abs() < tolerance::AMERICAN_IMPLIED_VOLATILITY * volatility
                        || (again - value).abs() < 1e-10 * option.strike,
                    "{option:?}: {found}, price {again} for {value}"
                );
            }
            Err(status) => prop_assert!(status == Status::Undetermined, "{option:?} at {value}: {status}"),
        }
    }
}
