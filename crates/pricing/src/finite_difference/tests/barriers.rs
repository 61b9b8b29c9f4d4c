use super::*;
use crate::tolerance::FINITE_DIFFERENCE_BARRIER;

/// A double knock-out by its sine series: with x = ln(S/L)/ln(U/L) on (0, 1) the value is e^(αx + βT) Σ cₙ sin(nπx) e^(−n²π²σ²T/(2w²)).
fn by_series(row: &Row, lower: f64, upper: f64) -> f64 {
    let width = (upper / lower).ln();
    let variance = row.volatility * row.volatility;
    let drift = row.risk_free_rate - row.dividend_yield - 0.5 * variance;
    let pi = std::f64::consts::PI;
    let x = (row.spot / lower).ln();
    let tilt = -drift / variance;
    let n = 4000;
    let h = width / f64::from(n);
    let sum: f64 = (1..60)
        .map(|k| {
            let wave = f64::from(k) * pi / width;
            // Simpson's rule for the coefficient; the payoff's kink costs h².
            let at = |i: i32| {
                let y = h * f64::from(i);
                let weight = if i == 0 || i == n {
                    1.0
                } else if i % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                let payoff = (row.option_type.sign() * (lower * y.exp() - row.strike)).max(0.0);
                weight * payoff * (-tilt * y).exp() * (wave * y).sin()
            };
            let coefficient = 2.0 / width * h / 3.0 * (0..=n).map(at).sum::<f64>();
            coefficient * (wave * x).sin() * (-0.5 * variance * wave * wave * row.expiry_years).exp()
        })
        .sum();
    let decay = -row.risk_free_rate - 0.5 * drift * drift / variance;
    (tilt * x + decay * row.expiry_years).exp() * sum
}

/// Two barriers around the spot against the series; and in and out are the whole.
#[test]
fn two_barriers() {
    for option_type in BOTH {
        for (strike, lower, upper) in [(100.0, 80.0, 125.0), (95.0, 90.0, 130.0), (110.0, 70.0, 112.0)] {
            let row = row(option_type, 100.0, strike, 0.4, [0.06, 0.02], 0.25);
            let value = by_series(&row, lower, upper);
            let at = |knock| {
                let monitoring = Monitoring::Continuous;
                let barrier = Barrier { lower: Some(lower), upper: Some(upper), knock, rebate: 0.0, monitoring };
                solve(&Contract { barrier: Some(barrier), ..Contract::european(row) }, &Settings::default()).unwrap()
            };
            let (out, inward) = (at(Knock::Out), at(Knock::In));
            let allowed = FINITE_DIFFERENCE_BARRIER * row.spot;
            assert!((out.value - value).abs() < allowed, "{row:?} {lower} {upper}: {out:?} is not {value}");
            let whole = solve(&Contract::european(row), &Settings::default()).unwrap();
            assert!((out.value + inward.value - whole.value).abs() < 1e-9, "{out:?} {inward:?} {whole:?}");
        }
    }
}

/// An American knock-out is worth no less than the European one and the exercise value, and no more than the option without a barrier.
#[test]
fn american_knock_out() {
    for (option_type, lower, upper) in [
        (OptionType::Put, None, Some(115.0)),
        (OptionType::Put, Some(80.0), None),
        (OptionType::Call, Some(85.0), None),
    ] {
        let row = row(option_type, 100.0, 104.0, 0.7, [0.05, 0.03], 0.3);
        let barrier =
            Some(Barrier { lower, upper, knock: Knock::Out, rebate: 0.0, monitoring: Monitoring::Continuous });
        let value = |contract: Contract<'_>| solve(&contract, &Settings::default()).unwrap().value;
        let free = value(Contract::american(row, &[]));
        let american = value(Contract { barrier, ..Contract::american(row, &[]) });
        let european = value(Contract { barrier, ..Contract::european(row) });
        assert!(european < american && american < free, "{barrier:?} {european} {american} {free}");
        assert!(american >= option_type.sign() * (row.spot - row.strike));
    }
}

/// A cash dividend that throws the spot over the barrier ends the option: the value is the rebate's.
#[test]
fn a_dividend_over_the_barrier() {
    let row = row(OptionType::Call, 100.0, 90.0, 1.0, [0.05, 0.0], 0.05);
    let monitoring = Monitoring::Continuous;
    let barrier = Some(Barrier { lower: Some(80.0), upper: None, knock: Knock::Out, rebate: 7.0, monitoring });
    let contract = Contract { barrier, dividends: &[cash(0.25, 60.0)], ..Contract::european(row) };
    let got = solve(&contract, &Settings::default()).unwrap();
    let rebate = 7.0 * (-0.05_f64 * 0.25).exp();
    assert!((got.value - rebate).abs() < 1e-3, "{got:?} is not {rebate}");
}
