//! Vanilla options on shares that pay cash dividends: rows with the same dividends are one batch of the grid.

use std::{collections::HashMap, sync::Arc};

use rayon::prelude::*;
use zomma_base::{ExerciseStyle, Status};

use super::{
    Order, Results, Settings, Table,
    engines::{NOTHING, Quantities},
};
use crate::{
    black::{Greek, Row},
    finite_difference::{
        self, CashDividend, Contract, Estimate, EstimateColumns, Exercise, Sensitivities, SensitivityColumns,
    },
};

/// Rows by the dividends that they share.
pub(super) fn by_dividends(table: &Table) -> Vec<(Arc<[CashDividend]>, Vec<usize>)> {
    let mut found: Vec<(Arc<[CashDividend]>, Vec<usize>)> = Vec::new();
    let mut place: HashMap<Vec<[u64; 2]>, usize> = HashMap::new();
    for row in 0..table.len() {
        let dividends = table.terms_of(row).map_or_else(|| Arc::from([]), |terms| Arc::clone(&terms.dividends));
        // Neighbours share theirs, as a rule.
        if let Some((shared, rows)) = found.last_mut()
            && Arc::ptr_eq(shared, &dividends)
        {
            rows.push(row);
            continue;
        }
        let key = dividends.iter().map(|d| [d.time_years.to_bits(), d.amount.to_bits()]).collect();
        let at = *place.entry(key).or_insert(found.len());
        if at == found.len() {
            found.push((dividends, Vec::new()));
        }
        found[at].1.push(row);
    }
    found
}

/// Values rows of one style.
pub(super) fn dividend_rows(
    exercise: ExerciseStyle,
    table: &Table,
    order: Order,
    settings: &Settings,
    results: &mut Results,
) {
    results.error = vec![f64::NAN; table.len()];
    let grid = settings.accuracy.grid();
    for (dividends, rows) in by_dividends(table) {
        let part = table.gather(&rows);
        let found = match exercise {
            ExerciseStyle::American => american(&part, &dividends, order, &grid),
            ExerciseStyle::European => (0..part.len())
                .into_par_iter()
                .map(|i| {
                    let contract = Contract {
                        exercise: Exercise::European,
                        dividends: &dividends,
                        ..Contract::european(part.columns().row(i))
                    };
                    one(&contract, order, &grid)
                })
                .collect(),
        };
        for ((i, &row), found) in rows.iter().enumerate().zip(found) {
            results.error[row] = found.map_or(f64::NAN, |found| found.estimate.error);
            let quantities = found.map(|found| quantities(&found, &part.columns().row(i), order));
            results.put(order, row, quantities);
        }
    }
}

/// A contract on the grid, with what `order` asks of it.
pub(super) fn one(
    contract: &Contract<'_>,
    order: Order,
    grid: &finite_difference::Settings,
) -> Result<Sensitivities, Status> {
    if order != Order::None {
        return finite_difference::sensitivities(contract, grid);
    }
    let estimate = finite_difference::solve(contract, grid)?;
    Ok(Sensitivities { estimate, vega: f64::NAN, rho: f64::NAN, phi: f64::NAN })
}

fn american(
    part: &Table,
    dividends: &[CashDividend],
    order: Order,
    grid: &finite_difference::Settings,
) -> Vec<Result<Sensitivities, Status>> {
    let n = part.len();
    let mut columns: [Vec<f64>; 8] = std::array::from_fn(|_| vec![f64::NAN; n]);
    let mut status = vec![Status::Ok; n];
    let [value, error, delta, gamma, theta, vega, rho, phi] = columns.each_mut().map(Vec::as_mut_slice);
    let estimate = EstimateColumns { value, error, delta, gamma, theta };
    if order == Order::None {
        finite_difference::price_batch(&part.columns(), dividends, grid, estimate, &mut status);
    } else {
        let out = SensitivityColumns { estimate, vega, rho, phi };
        finite_difference::sensitivities_batch(&part.columns(), dividends, grid, out, &mut status);
    }
    let row = |i: usize| {
        let [value, error, delta, gamma, theta, vega, rho, phi] = columns.each_ref().map(|column| column[i]);
        let found = Sensitivities { estimate: Estimate { value, error, delta, gamma, theta }, vega, rho, phi };
        if status[i].is_ok() { Ok(found) } else { Err(status[i]) }
    };
    (0..n).map(row).collect()
}

/// What the grid gives, each where it belongs.
pub(super) fn quantities(found: &Sensitivities, row: &Row, order: Order) -> Quantities {
    let estimate = &found.estimate;
    let mut quantities = NOTHING;
    let mut set = |greek: Greek, x: f64| quantities[greek as usize] = x;
    set(Greek::Price, estimate.value);
    if order != Order::None {
        set(Greek::Delta, estimate.delta);
        set(Greek::Gamma, estimate.gamma);
        set(Greek::Theta, estimate.theta);
        set(Greek::Vega, found.vega);
        set(Greek::Rho, found.rho);
        set(Greek::Phi, found.phi);
        if estimate.value != 0.0 {
            set(Greek::Lambda, row.spot * estimate.delta / estimate.value);
        }
    }
    quantities
}
