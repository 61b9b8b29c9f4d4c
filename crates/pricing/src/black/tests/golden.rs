//! Against golden/greeks.csv.

use super::*;
use crate::tolerance;

const GOLDEN: &str = include_str!("../../../../../golden/greeks.csv");

/// The golden rows of a model, and (value, condition) of each quantity; NaN where it is absent.
fn golden(model: &str) -> (Table, Vec<[(f64, f64); 19]>) {
    let number =
        |text: &str| if text.is_empty() { f64::NAN } else { text.parse().expect("a number in golden/greeks.csv") };
    let (mut table, mut wanted) = (Table::default(), vec![]);
    for line in GOLDEN.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[0] != model {
            continue;
        }
        table.push(Row {
            option_type: if cells[1] == "call" { OptionType::Call } else { OptionType::Put },
            spot: number(cells[2]),
            strike: number(cells[3]),
            expiry_years: number(cells[4]),
            risk_free_rate: number(cells[5]),
            dividend_yield: number(cells[6]),
            volatility: number(cells[7]),
        });
        wanted.push(std::array::from_fn(|i| (number(cells[8 + 2 * i]), number(cells[9 + 2 * i]))));
    }
    (table, wanted)
}

/// Fails where a quantity is further from its golden value than the contract allows.
fn check_golden(who: &str, row: &Row, got: impl Fn(Greek) -> f64, wanted: &[(f64, f64); 19]) {
    for greek in Greek::ALL {
        let ((want, condition), got) = (wanted[greek as usize], got(greek));
        if want.is_nan() {
            assert!(got.is_nan(), "{who}: {} of {row:?} is absent, not {got:e}", greek.as_str());
            continue;
        }
        // Under 1e-290 intermediate results may be subnormal: there the answer is small, that is all.
        let relative = tolerance::BLACK_CONDITIONED_EPSILONS * f64::EPSILON * condition;
        let allowed = if want.abs() < 1e-290 { 1e-290 } else { relative * want.abs() };
        assert!(
            (got - want).abs() <= allowed,
            "{who}: {} of {row:?} is {got:e}, not {want:e}: {:.1} ε × condition {condition:e}",
            greek.as_str(),
            (got / want - 1.0).abs() / f64::EPSILON / condition,
        );
    }
}

#[test]
fn twin_and_every_target_meet_the_50_digit_values() {
    for (name, model, at_least) in [("bsm", Model::Bsm, 350), ("black76", Model::Black76, 100)] {
        let (table, wanted) = golden(name);
        assert!(wanted.len() >= at_least, "{name}: {} golden rows", wanted.len());
        let rows = table.rows();
        for (i, wanted) in wanted.iter().enumerate() {
            let row = rows.row(i);
            let twin = scalar::greeks(&row, model).unwrap_or_else(|status| panic!("{row:?}: {status}"));
            check_golden("twin", &row, |greek| twin[greek as usize], wanted);
        }
        for target in available() {
            let (out, status) = on(target, &rows, model);
            for (i, wanted) in wanted.iter().enumerate() {
                assert_eq!(status[i], Status::Ok, "{:?}", rows.row(i));
                check_golden(target.as_str(), &rows.row(i), |greek| out.column(greek)[i], wanted);
            }
        }
    }
}
