use super::*;
use crate::black::{Model, scalar};
use crate::tolerance::{FINITE_DIFFERENCE_AMERICAN, FINITE_DIFFERENCE_DIVIDEND_EUROPEAN};

/// European value with one dividend D at t by integrating Black–Scholes over the lognormal spot at t (Haug, Haug and Lewis 2003).
pub(super) fn by_quadrature(row: &Row, t: f64, amount: f64) -> f64 {
    let carry = row.risk_free_rate - row.dividend_yield;
    let deviation = row.volatility * t.sqrt();
    let at = |z: f64| {
        let spot = row.spot * ((carry - 0.5 * row.volatility * row.volatility) * t + deviation * z).exp() - amount;
        let left = row.expiry_years - t;
        let value = if spot > 0.0 {
            scalar::price(&Row { spot, expiry_years: left, ..*row }, Model::Bsm).unwrap()
        } else if row.option_type == OptionType::Put {
            row.strike * (-row.risk_free_rate * left).exp()
        } else {
            0.0
        };
        value * (-0.5 * z * z).exp()
    };
    let n = 4000;
    let h = 20.0 / n as f64;
    let sum: f64 = (0..=n).map(|i| at(-10.0 + h * i as f64)).sum();
    sum * h / (2.0 * std::f64::consts::PI).sqrt() * (-row.risk_free_rate * t).exp()
}

/// European calls, S = K = 100, T = 1, r = 6 %, σ = 30 %, D = 7: at half a year Haug, Haug and Lewis (2003), "Back to basics", exact
/// integration; just after now and just before expiry the same integral in 20-digit arithmetic.
#[test]
fn published_one_dividend() {
    let row = row(OptionType::Call, 100.0, 100.0, 1.0, [0.06, 0.0], 0.3);
    for (t, value) in [(0.0001, 10.5806), (0.5, 11.1062), (0.9999, 11.5887)] {
        assert!((by_quadrature(&row, t, 7.0) - value).abs() < 6e-5, "{t}");
        let got =
            solve(&Contract { dividends: &[cash(t, 7.0)], ..Contract::european(row) }, &Settings::default()).unwrap();
        assert!((got.value - value).abs() < 2e-4, "{t}: {got:?} is not {value}");
    }
}

/// One dividend, European, against the integral: small and large amounts, near and far dates, both types.
#[test]
fn one_dividend_by_quadrature() {
    for (strike, amount, t) in [
        (70.0, 7.0, 0.5),
        (100.0, 7.0, 0.01),
        (130.0, 7.0, 0.95),
        (80.0, 50.0, 0.5),
        (100.0, 0.3, 0.25),
        (60.0, 95.0, 0.3),
    ] {
        for option_type in BOTH {
            let row = row(option_type, 100.0, strike, 1.0, [0.05, 0.01], 0.4);
            let value = by_quadrature(&row, t, amount);
            let got =
                solve(&Contract { dividends: &[cash(t, amount)], ..Contract::european(row) }, &Settings::default())
                    .unwrap();
            let allowed = FINITE_DIFFERENCE_DIVIDEND_EUROPEAN * row.spot;
            assert!((got.value - value).abs() < allowed, "{row:?} {amount} at {t}: {got:?} is not {value}");
        }
    }
}

/// QuantLib 1.44, `FdBlackScholesVanillaEngine` with the spot dividend model, Crank–Nicolson on 1,000 × 1,000 and 2,000 × 2,000
/// extrapolated in the steps' order (2 for European and calls, 1.4 for puts); dividends as (days, amount), days over 365.
#[test]
fn quantlib() {
    let four: &[(f64, f64)] = &[(36.0, 1.5), (128.0, 1.5), (219.0, 1.5), (310.0, 1.5)];
    let two: &[(f64, f64)] = &[(100.0, 7.0), (450.0, 12.0)];
    let (c, p) = (OptionType::Call, OptionType::Put);
    let cases = [
        (row(c, 100.0, 100.0, 1.0, [0.05, 0.0], 0.25), four, 9.38034, 9.20662),
        (row(p, 100.0, 100.0, 1.0, [0.05, 0.0], 0.25), four, 10.46705, 10.18942),
        (row(p, 100.0, 120.0, 1.0, [0.05, 0.0], 0.25), four, 24.06387, 23.48506),
        (row(c, 100.0, 80.0, 1.0, [0.05, 0.0], 0.25), four, 21.41401, 20.54119),
        (row(c, 100.0, 100.0, 1.0, [0.06, 0.0], 0.30), &[(182.0, 7.0)], 11.65063, 11.10486),
        (row(p, 100.0, 100.0, 1.0, [0.06, 0.0], 0.30), &[(182.0, 7.0)], 12.90302, 12.07499),
        (row(c, 100.0, 130.0, 2.0, [0.06, 0.01], 0.30), two, 5.67130, 5.40724),
        (row(p, 100.0, 70.0, 2.0, [0.02, 0.01], 0.40), two, 12.79938, 12.63647),
    ];
    for (row, dividends, american, european) in cases {
        let dividends: Vec<_> = dividends.iter().map(|&(days, amount)| cash(days / 365.0, amount)).collect();
        let got = american_with_dividends(&row, &dividends, &fine()).unwrap();
        assert!(
            (got.value - american).abs() < FINITE_DIFFERENCE_AMERICAN * american,
            "{row:?}: {got:?} is not {american}"
        );
        let got = solve(&Contract { dividends: &dividends, ..Contract::european(row) }, &fine()).unwrap();
        assert!((got.value - european).abs() < 5e-5 * european, "{row:?}: {got:?} is not {european}");
    }
}

/// At time 0 the dividend is still to come; at and after expiry it is ignored; two on one day are one of their sum.
#[test]
fn when_it_falls() {
    let row = row(OptionType::Call, 100.0, 95.0, 1.0, [0.05, 0.0], 0.2);
    let european = |dividends: &[CashDividend]| {
        solve(&Contract { dividends, ..Contract::european(row) }, &Settings::default()).unwrap().value
    };
    let fallen = scalar::price(&Row { spot: 97.0, ..row }, Model::Bsm).unwrap();
    assert!((european(&[cash(0.0, 3.0)]) - fallen).abs() < 1e-4);
    let american = american_with_dividends(&row, &[cash(0.0, 30.0)], &Settings::default()).unwrap();
    assert_eq!(american.value, 5.0);
    assert_eq!(european(&[cash(1.0, 3.0), cash(7.0, 3.0), cash(0.5, 0.0)]), european(&[]));
    let apart = european(&[cash(0.5, 1.0), cash(0.5, 2.0)]);
    assert!((apart - european(&[cash(0.5, 3.0)])).abs() < 1e-5);
}

/// A call is exercised just before a dividend or never: the American value is that with one Bermudan date at each dividend.
#[test]
fn calls_are_exercised_before_dividends() {
    let dividends = [cash(0.3, 2.0), cash(0.8, 2.5)];
    let row = row(OptionType::Call, 100.0, 95.0, 1.0, [0.04, 0.0], 0.25);
    let american = american_with_dividends(&row, &dividends, &fine()).unwrap();
    let exercise = Exercise::Bermudan(&[0.3, 0.8]);
    let bermudan = solve(&Contract { exercise, dividends: &dividends, ..Contract::european(row) }, &fine()).unwrap();
    assert!((american.value - bermudan.value).abs() < 1e-4, "{american:?} {bermudan:?}");
}
