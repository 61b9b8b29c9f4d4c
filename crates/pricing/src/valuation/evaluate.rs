//! Rows to their engines and results back to their rows.

use rayon::prelude::*;
use zomma_base::Status;

use super::{Kind, Order, Parameter, Settings, Table};
use crate::{
    american,
    black::{self, Greek, RowColumns},
    displaced::{self, Underlying},
};

/// Result columns, one for each of [`Order::quantities`], and a status a row. A row whose status is not `Ok` has NaN in every column; a
/// quantity that its engine does not make is NaN too.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// By quantity, then row.
    pub columns: Vec<Vec<f64>>,
    /// What became of each row.
    pub status: Vec<Status>,
}

impl Results {
    /// Of rows that no engine has valued.
    fn empty(order: Order, rows: usize) -> Self {
        Self { columns: order.quantities().map(|_| vec![f64::NAN; rows]).collect(), status: vec![Status::Ok; rows] }
    }
}

/// Values every row on the CPU, over the threads of the current rayon pool.
pub fn evaluate(table: &Table, order: Order, settings: &Settings) -> Results {
    let never: Result<Results, std::convert::Infallible> =
        evaluate_with(table, order, settings, |kind, part| Ok(evaluate_kind(kind, part, order, settings)));
    match never {
        Ok(results) => results,
    }
}

/// Values every row; `engine` values those of one kind, and may hand them to [`evaluate_kind`].
///
/// # Errors
/// The engine's.
pub fn evaluate_with<E>(
    table: &Table,
    order: Order,
    settings: &Settings,
    mut engine: impl FnMut(Kind, &Table) -> Result<Results, E>,
) -> Result<Results, E> {
    let rows = table.len();
    // Kinds are few: a search from the last one found is as quick as a table of them.
    let mut kinds: Vec<(Kind, Vec<usize>)> = Vec::new();
    let mut status = table.status.clone();
    let mut at = 0;
    for (row, status) in status.iter_mut().enumerate().filter(|(_, status)| status.is_ok()) {
        match Kind::of(table, row, settings) {
            Err(fault) => *status = fault,
            Ok(kind) => {
                if kinds.get(at).is_none_or(|(before, _)| *before != kind) {
                    at = kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                        kinds.push((kind, Vec::new()));
                        kinds.len() - 1
                    });
                }
                kinds[at].1.push(row);
            }
        }
    }
    // Most batches are of one kind throughout, and are valued where they are.
    if let [(kind, all)] = kinds.as_slice()
        && all.len() == rows
    {
        return engine(*kind, table);
    }
    let mut results = Results::empty(order, rows);
    results.status = status;
    for (kind, picked) in kinds {
        let part = engine(kind, &table.gather(&picked))?;
        for (i, &row) in picked.iter().enumerate() {
            results.status[row] = part.status[i];
            for (to, from) in results.columns.iter_mut().zip(&part.columns) {
                to[row] = from[i];
            }
        }
    }
    Ok(results)
}

/// Values rows that are all of one kind, on the CPU.
pub fn evaluate_kind(kind: Kind, table: &Table, order: Order, settings: &Settings) -> Results {
    let rows = table.columns();
    let mut results = Results::empty(order, table.len());
    match kind {
        Kind::Black(model) if order == Order::None => {
            black::price(&rows, model, &mut results.columns[0], &mut results.status);
        }
        Kind::Black(model) => {
            with_all(order, &mut results, |out, status| black::greeks_into(&rows, model, out, status));
        }
        Kind::Displaced(model) => {
            let displacement = &table.parameters[Parameter::Displacement as usize];
            let absent;
            let displacement = if displacement.is_empty() {
                absent = vec![f64::NAN; table.len()];
                &absent
            } else {
                displacement
            };
            if order == Order::None {
                displaced::price(&rows, displacement, model, &mut results.columns[0], &mut results.status);
            } else {
                with_all(order, &mut results, |out, status| {
                    displaced::greeks_into(&rows, displacement, model, out, status);
                });
            }
        }
        Kind::American(underlying) => american_rows(&rows, underlying, settings, &mut results),
    }
    results
}

/// Lets an engine that makes all 19 quantities write those that are wanted where they belong.
fn with_all(order: Order, results: &mut Results, engine: impl FnOnce([&mut [f64]; 19], &mut [Status])) {
    let rows = results.status.len();
    let mut unwanted: Vec<Vec<f64>> =
        Greek::ALL.into_iter().filter(|&greek| Order::of(greek) > order).map(|_| vec![0.0; rows]).collect();
    let (mut wanted, mut rest) = (results.columns.iter_mut(), unwanted.iter_mut());
    let out = Greek::ALL.map(|greek| {
        let column = if Order::of(greek) <= order { wanted.next() } else { rest.next() };
        column.map(Vec::as_mut_slice).unwrap_or_default()
    });
    engine(out, &mut results.status);
}

fn american_rows(rows: &RowColumns<'_>, underlying: Underlying, _settings: &Settings, results: &mut Results) {
    let column = &mut results.columns[0];
    column.par_iter_mut().zip(&mut results.status).enumerate().for_each(|(i, (out, status))| {
        let mut row = rows.row(i);
        if underlying == Underlying::Forward {
            row.dividend_yield = row.risk_free_rate;
        }
        match american::price(&row) {
            Ok(price) => *out = price,
            Err(fault) => *status = on_forward(fault, underlying),
        }
    });
}

/// The fault of the field that the user gave.
fn on_forward(fault: Status, underlying: Underlying) -> Status {
    if underlying == Underlying::Forward && fault == Status::BadSpot { Status::BadForward } else { fault }
}
