//! Rows to their engines and results back to their rows.

use zomma_base::Status;

use super::{Kind, Order, Parameter, Settings, Table, evaluate_kind};
use crate::black::Greek;
use crate::limits::{self, Formula};

/// Result columns, one for each of [`Order::quantities`], and a status a row. A row whose status has no numbers ([`Status::has_numbers`]) has
/// NaN in every column; a quantity that its engine does not make is NaN too.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// By quantity, then row.
    pub columns: Vec<Vec<f64>>,
    /// How far off the price may be, by row, where an engine states it ([`Kind::states_error`]), NaN in the rows of others; empty where no
    /// row's does.
    pub error: Vec<f64>,
    /// Standard errors of Greeks, one column for each of [`Order::simulated`], NaN in the rows of engines that do not simulate them; empty
    /// where no row's does.
    pub greek_errors: Vec<Vec<f64>>,
    /// What became of each row.
    pub status: Vec<Status>,
}

impl Results {
    /// Of rows that no engine has valued.
    pub(super) fn empty(order: Order, rows: usize) -> Self {
        Self {
            columns: order.quantities().map(|_| vec![f64::NAN; rows]).collect(),
            error: Vec::new(),
            greek_errors: Vec::new(),
            status: vec![Status::Ok; rows],
        }
    }

    /// What one row came to.
    pub(super) fn put(&mut self, order: Order, row: usize, found: Result<[f64; Greek::ALL.len()], Status>) {
        self.status[row] = found.err().unwrap_or(Status::Ok);
        let quantities = found.unwrap_or([f64::NAN; Greek::ALL.len()]);
        for (greek, column) in order.quantities().zip(&mut self.columns) {
            column[row] = quantities[greek as usize];
        }
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
    let mut engine = |kind: Kind, part: &Table| {
        let mut results = engine(kind, part)?;
        if settings.limits {
            put_limits(kind, part, order, &mut results);
        }
        Ok(results)
    };
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
    if settings.method.error_column().is_some() || kinds.iter().any(|(kind, _)| kind.states_error()) {
        results.error = vec![f64::NAN; rows];
    }
    for (kind, picked) in kinds {
        let part = engine(kind, &table.gather(&picked))?;
        for (i, &row) in picked.iter().enumerate() {
            results.status[row] = part.status[i];
            if let (Some(to), Some(from)) = (results.error.get_mut(row), part.error.get(i)) {
                *to = *from;
            }
            for (to, from) in results.columns.iter_mut().zip(&part.columns) {
                to[row] = from[i];
            }
            if results.greek_errors.len() < part.greek_errors.len() {
                results.greek_errors.resize_with(part.greek_errors.len(), || vec![f64::NAN; rows]);
            }
            for (to, from) in results.greek_errors.iter_mut().zip(&part.greek_errors) {
                to[row] = from[i];
            }
        }
    }
    Ok(results)
}

/// Limits where a closed form has valued rows of `table`.
fn put_limits(kind: Kind, table: &Table, order: Order, results: &mut Results) {
    let formula = match kind {
        Kind::Black(model) => Formula::Black(model),
        Kind::Displaced(model) => Formula::Displaced(model),
        _ => return,
    };
    let wanted: Vec<Greek> = order.quantities().collect();
    let mut out: Vec<&mut [f64]> = results.columns.iter_mut().map(Vec::as_mut_slice).collect();
    let displacement = &table.parameters[Parameter::Displacement as usize];
    limits::complete(&table.columns(), displacement, formula, &wanted, &mut out, &mut results.status);
}
