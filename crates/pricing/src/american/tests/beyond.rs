//! The default price where the boundary's method does not go.

use super::*;
use crate::finite_difference::{Contract, Settings, solve};

/// Prices that a tree of 101 steps, which once stood here, misses by up to a fifth: by trees of thousands of steps and finite differences alike.
#[test]
fn long_terms_great_volatilities_and_two_boundaries_are_priced_as_promised() {
    let put = OptionType::Put;
    let rows = [
        (row(put, 100.0, 100.0, 50.0, [0.1, 0.02], 0.2), 7.853),
        // By the perpetual option, which it is but for 1e-16.
        (row(put, 100.0, 100.0, 20.0, [0.5, 0.0], 0.3), 3.169_3),
        (row(put, 100.0, 100.0, 1.0, [0.05, 0.0], 80.0), 99.98),
    ];
    for (option, about) in rows {
        if option.volatility < 1.0 {
            assert_eq!(price_with(&option, Accuracy::fast()), Err(Status::NotConverged), "{option:?}");
        }
        let got = price(&option).unwrap();
        assert!((got - about).abs() < 0.005, "{option:?}: {got}");
    }
    let mut state = 21;
    let mut between = |low: f64, high: f64| low + (high - low) * next(&mut state);
    let (mut seen, mut refused) = (0, 0);
    for i in 0..24 {
        let option_type = if i % 2 == 0 { OptionType::Put } else { OptionType::Call };
        let spot = 100.0 * between(-0.5, 0.5).exp();
        let (years, mut rates, volatility) = match i % 3 {
            0 => (between(30.0, 60.0), [between(0.08, 0.15), between(0.0, 0.1)], between(0.1, 0.5)),
            1 => (between(0.5, 10.0), [-between(0.001, 0.03), -between(0.031, 0.06)], between(0.05, 0.4)),
            _ => (between(5.0, 20.0), [between(0.05, 0.15), between(0.0, 0.04)], between(0.03, 0.06)),
        };
        if option_type == OptionType::Call {
            rates.reverse();
        }
        let option = row(option_type, spot, 100.0, years, rates, volatility);
        if price_with(&option, Accuracy::fast()).is_ok() {
            continue;
        }
        seen += 1;
        let Ok(got) = price(&option) else {
            refused += 1;
            continue;
        };
        let settings = Settings { space_steps: 5_000, time_steps: 1_000, deviations: 6.0, ..Settings::default() };
        let fine = solve(&Contract::american(option, &[]), &settings).unwrap();
        let allowed = tolerance::AMERICAN_PRICE_SHARE_OF_SPOT * spot + fine.error;
        assert!((got - fine.value).abs() <= allowed, "{option:?}: {got} {fine:?}");
    }
    assert!(seen >= 12 && refused * 4 <= seen, "{seen} beyond, {refused} of them without a price");
}

#[test]
fn what_no_method_reaches_has_a_status_and_no_price() {
    let option = row(OptionType::Put, 100.0, 100.0, 1.0, [0.02, 0.0], 8.0);
    assert_eq!(price(&option), Err(Status::NotConverged));
    assert_eq!(
        tree::price(&row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.0], 80.0), 101),
        Err(Status::NotConverged)
    );
}
