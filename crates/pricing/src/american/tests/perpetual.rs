//! Options whose expiry is out of sight.

use super::super::{greeks, perpetual::Perpetual, put};
use super::*;
use crate::black::Greek;
use crate::finite_difference::{Contract, Settings, solve};

/// Rows whose end does not matter, held, about their boundaries: volatilities of 0.01 to 60 % over up to 600 years.
fn out_of_sight(count: usize) -> Vec<(Row, Perpetual)> {
    let mut state = 12;
    let mut between = |low: f64, high: f64| low + (high - low) * next(&mut state);
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        let option_type = if between(0.0, 1.0) < 0.5 { OptionType::Put } else { OptionType::Call };
        let volatility = 0.6 * between(-8.0, 0.0).exp();
        let rates = [between(-0.05, 0.15), between(-0.05, 0.15)];
        let years = between(-3.0, 6.4).exp();
        let spot = 100.0 * (between(-3.0, 3.0) * between(0.01, 1.0)).exp();
        let option = row(option_type, spot, 100.0, years, rates, volatility);
        if check(&option).is_err() || !put::has_one_boundary(&option) {
            continue;
        }
        if let Some(perpetual) =
            Perpetual::instead_of(&option).filter(|found| !found.is_exercised(&option) && found.price() > 1e-9)
        {
            rows.push((option, perpetual));
        }
    }
    rows
}

#[test]
fn it_solves_the_equation_and_meets_what_exercise_gives() {
    for (option, perpetual) in out_of_sight(2000) {
        let found = perpetual.greeks(&option).unwrap();
        let [value, delta, gamma] = [Greek::Price, Greek::Delta, Greek::Gamma].map(|greek| found[greek as usize]);
        let terms = [
            option.risk_free_rate * value,
            -(option.risk_free_rate - option.dividend_yield) * option.spot * delta,
            -0.5 * (option.volatility * option.spot).powi(2) * gamma,
        ];
        let scale: f64 = terms.iter().map(|term| term.abs()).sum();
        assert!(terms.iter().sum::<f64>().abs() <= 1e-10 * scale, "{option:?}: {terms:?}");
        assert!(value >= exercise_value(&option) - 1e-12 * option.strike, "{option:?}: {value}");
        // At S*, where the logarithm is 0, value and slope are those of exercise.
        let (beta, sign) = (found[Greek::Lambda as usize], option.option_type.sign());
        let at = option.strike * beta / (beta - 1.0);
        let there = Row { spot: at, ..option };
        let on = Perpetual::of(&there, sign > 0.0);
        assert!((on.price() - sign * (at - option.strike)).abs() <= 1e-9 * at.max(option.strike), "{there:?}");
    }
}

/// What a grid of the same terms says, whose error it states itself.
#[test]
fn it_is_what_finite_differences_give() {
    let (mut compared, mut state) = (0, 3);
    let mut between = |low: f64, high: f64| low + (high - low) * next(&mut state);
    for i in 0..60 {
        let option_type = if i % 2 == 0 { OptionType::Put } else { OptionType::Call };
        let mut rates = [between(0.05, 0.15), between(-0.02, 0.04)];
        if option_type == OptionType::Call {
            rates.reverse();
        }
        let option = row(option_type, between(97.0, 103.0), 100.0, between(5.0, 20.0), rates, between(0.01, 0.03));
        let Some(perpetual) = Perpetual::instead_of(&option).filter(|found| !found.is_exercised(&option)) else {
            continue;
        };
        let settings = Settings { space_steps: 1_000, time_steps: 250, ..Settings::default() };
        let grid = solve(&Contract::american(option, &[]), &settings).unwrap();
        if grid.error > 1e-3 * option.strike {
            continue;
        }
        compared += 1;
        let off = (grid.value - perpetual.price()).abs();
        assert!(off <= grid.error + 1e-6 * option.strike, "{option:?}: {} {grid:?}", perpetual.price());
    }
    assert!(compared > 10, "{compared}");
}

/// Spectral collocation resolves the boundary of the same terms where the volatility is a tenth of the rates.
#[test]
fn it_is_what_the_boundary_gives() {
    let mut compared = 0;
    for (rates, volatility, spots) in [
        ([0.08, 0.0], 0.008, [100.0, 100.2, 100.6]),
        ([0.08, 0.02], 0.006, [99.99, 100.1, 100.4]),
        ([0.06, 0.12], 0.004, [50.3, 50.6, 51.0]),
        ([0.05, -0.04], 0.009, [100.0, 100.3, 100.6]),
    ] {
        for spot in spots {
            let option = row(OptionType::Put, spot, 100.0, 1.0, rates, volatility);
            let perpetual = Perpetual::instead_of(&option).unwrap_or_else(|| panic!("{option:?} has no end"));
            if perpetual.is_exercised(&option) {
                continue;
            }
            let ours = perpetual.greeks(&option).unwrap();
            let theirs = greeks::by_the_boundary(&option, Accuracy::high_precision()).unwrap();
            compared += 1;
            // A step of 1 % of a rate moves the boundary by more than it is wide: differences of the collocation's prices know no rho here.
            let scale = 1.0 / (spot * volatility);
            for (greek, unit, allowed) in [
                (Greek::Price, spot, 1e-9),
                (Greek::Delta, 1.0, 1e-6),
                (Greek::Gamma, scale, 1e-4),
                (Greek::Theta, spot, 1e-5),
                (Greek::Vega, spot, 1e-5),
            ] {
                let (a, b) = (ours[greek as usize], theirs[greek as usize]);
                assert!((a - b).abs() <= allowed * unit, "{option:?} {greek:?}: {a}, by the boundary {b}");
            }
        }
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn greeks_are_derivatives_of_one_another() {
    let change = |row: &Row, greek: Greek, by: f64| match greek {
        Greek::Vega => Row { volatility: row.volatility * (1.0 + by), ..*row },
        Greek::Rho => Row { risk_free_rate: row.risk_free_rate * (1.0 + by), ..*row },
        Greek::Phi => Row { dividend_yield: row.dividend_yield * (1.0 + by), ..*row },
        Greek::DualDelta => Row { strike: row.strike * (1.0 + by), ..*row },
        _ => Row { spot: row.spot * (1.0 + by), ..*row },
    };
    let size = |row: &Row, greek: Greek| match greek {
        Greek::Vega => row.volatility,
        Greek::Rho => row.risk_free_rate,
        Greek::Phi => row.dividend_yield,
        Greek::DualDelta => row.strike,
        _ => row.spot,
    };
    let mut compared = 0;
    for (option, perpetual) in out_of_sight(3000) {
        let found = perpetual.greeks(&option).unwrap();
        let beta = found[Greek::Lambda as usize];
        // A difference needs a step below what the power bends in, and above what rounding leaves.
        let cancels = beta.abs().min((beta - 1.0).abs()) < 0.02;
        if cancels || beta.abs() > 300.0 || perpetual.price() < 1e-6 {
            continue;
        }
        compared += 1;
        for (greek, first, by) in [
            (Greek::Delta, Greek::Price, Greek::Delta),
            (Greek::Gamma, Greek::Delta, Greek::Delta),
            (Greek::Speed, Greek::Gamma, Greek::Delta),
            (Greek::Vega, Greek::Price, Greek::Vega),
            (Greek::Rho, Greek::Price, Greek::Rho),
            (Greek::Phi, Greek::Price, Greek::Phi),
            (Greek::Vanna, Greek::Delta, Greek::Vega),
            (Greek::Zomma, Greek::Gamma, Greek::Vega),
            (Greek::Vomma, Greek::Vega, Greek::Vega),
            (Greek::Vera, Greek::Vega, Greek::Rho),
            (Greek::Ultima, Greek::Vomma, Greek::Vega),
            (Greek::DualDelta, Greek::Price, Greek::DualDelta),
        ] {
            let step = 1e-5;
            let at = |by_step: f64| {
                let there = change(&option, by, by_step);
                Perpetual::of(&there, option.option_type.sign() > 0.0).greeks(&there).unwrap()[first as usize]
            };
            let (low, high, unit) = (at(-step), at(step), size(&option, by));
            if unit == 0.0 {
                continue;
            }
            let slope = (high - low) / (2.0 * step * unit);
            let got = found[greek as usize];
            let scale = got.abs().max(1e-3 * found[first as usize].abs() / unit.abs());
            assert!((got - slope).abs() <= 1e-4 * scale, "{option:?} {greek:?}: {got} {slope}");
        }
        assert_eq!(found[Greek::Theta as usize], 0.0);
        let by_homogeneity = (found[0] - option.spot * found[Greek::Delta as usize]) / option.strike;
        assert!((found[Greek::DualDelta as usize] - by_homogeneity).abs() <= 1e-9 * by_homogeneity.abs());
    }
    assert!(compared > 500, "{compared}");
}

/// Under next to no volatility and beside the boundary, where nothing is certain of the path and the collocation does not go.
#[test]
fn beside_the_boundary_there_are_greeks_at_any_volatility() {
    for volatility in [1e-9, 1e-6, 5e-5, 1e-3] {
        for spot in [99.9999, 100.0, 100.0001, 100.01] {
            let option = row(OptionType::Put, spot, 100.0, 1.0, [0.05, 0.01], volatility);
            let found = greeks_with(&option, Accuracy::fast()).unwrap();
            let bound = (option.strike - spot).max(0.0) + 100.0 * volatility * volatility / 0.04 + 1e-9;
            assert!(found[0] >= (100.0 - spot).max(0.0) && found[0] <= bound, "{option:?}: {}", found[0]);
            assert!((-1.0..=0.0).contains(&found[Greek::Delta as usize]), "{option:?}: {found:?}");
        }
    }
    // A yield of 45 % bends the boundary within a 200,000th of the year: the collocation was off by 2e-3 in delta and a third in gamma.
    let option = row(OptionType::Put, 12.0, 100.0, 1.0, [0.05, 0.45], 1e-3);
    let found = greeks_with(&option, Accuracy::fast()).unwrap();
    let at = 100.0 * 0.05 / 0.45;
    let years = (12.0_f64 / at).ln() / 0.4;
    let without = -((-0.45 * years).exp());
    assert!((found[Greek::Delta as usize] - without).abs() < 1e-4, "{found:?} {without}");
}
