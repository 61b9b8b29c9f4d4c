use zomma_base::Status;

use super::dividends::by_quadrature;
use super::*;
use crate::implied_vol::implied_volatility_bsm_row;

/// One dividend, against the integral over the spot at its date: early and late, small and large, strikes within three deviations.
#[test]
fn one_dividend_by_quadrature() {
    let mut worst = 0.0_f64;
    for (years, t, amount) in [(0.1, 0.05, 0.5), (0.5, 0.02, 1.0), (0.5, 0.4, 1.0), (1.5, 1.0, 6.0)] {
        for volatility in [0.15, 0.4] {
            let deviation: f64 = volatility * f64::sqrt(years);
            for z in [-3.0, -1.5, -0.3, 0.0, 0.3, 1.5, 3.0] {
                let strike = 100.0 * (deviation * z).exp();
                let row = row(OptionType::Call, 100.0, strike, years, [0.03, 0.005], volatility);
                let escrowed = escrowed_spot(&row, &[cash(t, amount)]);
                let forward = escrowed * (0.025 * years).exp();
                let option_type = if strike < forward { OptionType::Put } else { OptionType::Call };
                let row = Row { option_type, ..row };
                let want = by_quadrature(&row, t, amount);
                let want = implied_volatility_bsm_row(&Row { spot: escrowed, ..row }, want).unwrap();
                let got = forward_volatility(&row, &[cash(t, amount)], &Settings::default()).unwrap();
                let other = Row {
                    option_type: if option_type == OptionType::Put { OptionType::Call } else { OptionType::Put },
                    ..row
                };
                assert_eq!(forward_volatility(&other, &[cash(t, amount)], &Settings::default()), Ok(got));
                worst = worst.max((got / want - 1.0).abs());
                assert!((got / want - 1.0).abs() < 5e-5, "{years} {t} {amount} {volatility} {z}: {got} {want}");
                // Cash does not move with the spot: what is left of the share moves by more.
                let most = volatility * (1.0 + amount / strike.min(escrowed));
                assert!(got > volatility && got < most, "{years} {t} {amount} {volatility} {z}: {got}");
                let back = spot_volatility(&Row { volatility: got, ..row }, &[cash(t, amount)], &Settings::default());
                let back = back.unwrap();
                assert!((back / volatility - 1.0).abs() < 1e-4, "{years} {t} {amount} {volatility} {z}: {back}");
            }
        }
    }
    println!("forward volatilities: {worst:.1e}");
}

/// Without a dividend before expiry nothing is computed, and dividends worth more than the share are told.
#[test]
fn what_does_not_count_and_what_is_too_much() {
    let row = row(OptionType::Put, 100.0, 95.0, 0.5, [0.03, 0.0], 0.2);
    let late = [cash(0.5, 1.0), cash(0.7, 1.0), cash(0.1, 0.0)];
    for volatility in [forward_volatility, spot_volatility] {
        assert_eq!(volatility(&row, &late, &Settings::default()), Ok(0.2));
        assert_eq!(volatility(&row, &[cash(0.1, 101.0)], &Settings::default()), Err(Status::BadDividend));
    }
    assert_eq!(escrowed_spot(&row, &late), 100.0);
}

/// A row or dividend that is wrong has an error also where no dividend counts.
#[test]
fn what_is_wrong_is_told_without_a_dividend_before_expiry() {
    let settings = Settings::default();
    let good = row(OptionType::Call, 100.0, 95.0, 0.5, [0.03, 0.005], 0.2);
    for both in [forward_volatility, spot_volatility] {
        assert_eq!(both(&good, &[], &settings), Ok(0.2));
        assert_eq!(both(&good, &[cash(0.7, 1.0)], &settings), Ok(0.2));
        for volatility in [f64::NAN, -0.2] {
            assert_eq!(both(&Row { volatility, ..good }, &[], &settings), Err(Status::BadVolatility));
        }
        for amount in [f64::NAN, -1.0] {
            assert_eq!(both(&good, &[cash(0.2, amount)], &settings), Err(Status::BadDividend));
        }
    }
}
