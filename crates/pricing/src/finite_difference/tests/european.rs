use super::*;
use crate::black::{Greek, Model, scalar};
use crate::tolerance::{FINITE_DIFFERENCE_EUROPEAN, FINITE_DIFFERENCE_GREEKS};

/// Every scheme that damps, against the closed form: value, delta, gamma and theta.
#[test]
fn closed_form() {
    for (spot, strike, years, rates, volatility) in [
        (100.0, 100.0, 1.0, [0.05, 0.02], 0.25),
        (100.0, 130.0, 1.0, [0.05, 0.02], 0.25),
        (100.0, 80.0, 2.0, [0.01, 0.06], 0.35),
        (100.0, 101.0, 0.02, [0.03, 0.0], 0.15),
        (100.0, 95.0, 0.5, [-0.02, -0.01], 0.6),
        (4000.0, 3900.0, 5.0, [0.04, 0.015], 0.2),
        (0.002, 0.0021, 0.3, [0.1, 0.0], 0.9),
    ] {
        for option_type in BOTH {
            let row = row(option_type, spot, strike, years, rates, volatility);
            let exact = scalar::greeks(&row, Model::Bsm).unwrap();
            for scheme in [Scheme::TrBdf2, Scheme::Rannacher] {
                let settings = Settings { scheme, ..Settings::default() };
                let got = solve(&Contract::european(row), &settings).unwrap();
                let value = exact[Greek::Price as usize];
                let allowed = FINITE_DIFFERENCE_EUROPEAN * spot;
                assert!((got.value - value).abs() < allowed, "{row:?} {scheme:?}: {got:?} is not {value}");
                let unit = FINITE_DIFFERENCE_GREEKS;
                let off = |got: f64, greek: Greek, scale: f64| (got - exact[greek as usize]).abs() / scale;
                assert!(off(got.delta, Greek::Delta, 1.0) < unit, "{row:?} {scheme:?} {got:?}");
                let gamma = exact[Greek::Gamma as usize];
                assert!(off(got.gamma, Greek::Gamma, gamma.max(0.1 / spot)) < 10.0 * unit, "{row:?} {got:?} {gamma}");
                let theta = 0.5 * gamma * (volatility * spot).powi(2);
                assert!(
                    off(got.theta, Greek::Theta, theta.max(0.01 * spot)) < 10.0 * unit,
                    "{row:?} {scheme:?} {got:?}"
                );
            }
        }
    }
}

/// A boundary without gamma gives what the affine one gives.
#[test]
fn the_far_boundary_does_not_matter() {
    for option_type in BOTH {
        let row = row(option_type, 100.0, 110.0, 1.0, [0.05, 0.02], 0.3);
        let affine = solve(&Contract::european(row), &Settings::default()).unwrap();
        let settings = Settings { far_boundary: FarBoundary::ZeroGamma, ..Settings::default() };
        let zero_gamma = solve(&Contract::european(row), &settings).unwrap();
        assert!((affine.value - zero_gamma.value).abs() < 1e-5, "{affine:?} {zero_gamma:?}");
    }
}

/// Digitals by the averaged payoff, against e^(−rT) N(d2) and S e^(−qT) N(d1).
#[test]
fn digitals() {
    for strike in [90.0, 100.0, 103.3, 120.0] {
        for option_type in BOTH {
            let row = row(option_type, 100.0, strike, 0.75, [0.06, 0.02], 0.25);
            let exact = scalar::greeks(&row, Model::Bsm).unwrap();
            let cash = -exact[Greek::DualDelta as usize] * option_type.sign() * 10.0;
            let asset = exact[Greek::Delta as usize] * option_type.sign() * 100.0;
            for (payoff, value) in [(Payoff::CashOrNothing(10.0), cash), (Payoff::AssetOrNothing, asset)] {
                let contract = Contract { payoff, ..Contract::european(row) };
                let got = solve(&contract, &Settings::default()).unwrap();
                assert!((got.value - value).abs() < 2e-4 * value, "{row:?} {payoff:?}: {got:?} is not {value}");
            }
        }
    }
}

/// A local volatility that is constant is the volatility; one of time alone has its root mean square.
#[test]
fn local_volatility() {
    let row = row(OptionType::Put, 100.0, 105.0, 1.0, [0.03, 0.0], 0.25);
    let plain = solve(&Contract::european(row), &Settings::default()).unwrap();
    let same = |_: f64, _: f64| 0.25;
    let got =
        solve(&Contract { local_volatility: Some(&same), ..Contract::european(row) }, &Settings::default()).unwrap();
    assert!((got.value - plain.value).abs() < 1e-12, "{got:?} {plain:?}");
    let rising = |_: f64, t: f64| (0.03 + 0.065 * t).sqrt();
    let got =
        solve(&Contract { local_volatility: Some(&rising), ..Contract::european(row) }, &Settings::default()).unwrap();
    assert!((got.value - plain.value).abs() < 1e-4, "{got:?} {plain:?}");
}
