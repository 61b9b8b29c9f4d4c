//! Rows of one model, over the threads of the current rayon pool.

use rayon::prelude::*;
use zomma_base::Status;

use super::{Distribution, Model, scalar};
use crate::black::{Greek, RowColumns};

/// Rows a thread takes at a time.
const CHUNK_ROWS: usize = 4096;

/// Values one batch. `displacement` has the length of the columns under [`Distribution::Displaced`], and is not read otherwise. A row
/// whose status is not `Ok` has NaN in `out`.
///
/// # Panics
/// Where a column, `out` or `status` has another length.
pub fn price(rows: &RowColumns<'_>, displacement: &[f64], model: Model, out: &mut [f64], status: &mut [Status]) {
    evaluate(rows, displacement, model, [out], status);
}

/// Price and all Greeks of one batch, in raw units, in the order of [`Greek::ALL`]; else as [`price`].
///
/// # Panics
/// Where a column, `out` or `status` has another length.
pub fn greeks_into(
    rows: &RowColumns<'_>,
    displacement: &[f64],
    model: Model,
    out: [&mut [f64]; Greek::ALL.len()],
    status: &mut [Status],
) {
    evaluate(rows, displacement, model, out, status);
}

fn evaluate<const N: usize>(
    rows: &RowColumns<'_>,
    displacement: &[f64],
    model: Model,
    out: [&mut [f64]; N],
    status: &mut [Status],
) {
    let n = status.len();
    let moved = model.distribution == Distribution::Displaced;
    assert!(!moved || displacement.len() == n, "a displacement a row");
    assert!(out.iter().all(|column| column.len() == n), "columns of one length");
    let at = |i: usize| {
        let displacement = if moved { displacement[i] } else { 0.0 };
        scalar::greeks(&rows.row(i), displacement, model)
    };
    let mut parts = Vec::with_capacity(n.div_ceil(CHUNK_ROWS));
    let (mut out, mut status, mut start) = (out, status, 0);
    while !status.is_empty() {
        let count = CHUNK_ROWS.min(status.len());
        let (head, rest) = std::mem::take(&mut status).split_at_mut(count);
        let heads = out.each_mut().map(|column| {
            let (head, rest) = std::mem::take(column).split_at_mut(count);
            *column = rest;
            head
        });
        parts.push((start, heads, head));
        (status, start) = (rest, start + count);
    }
    parts.into_par_iter().for_each(|(start, mut out, status)| {
        for (i, status) in status.iter_mut().enumerate() {
            let result = at(start + i);
            *status = result.err().unwrap_or(Status::Ok);
            let quantities = result.unwrap_or([f64::NAN; Greek::ALL.len()]);
            for (column, quantity) in out.iter_mut().zip(quantities) {
                column[i] = quantity;
            }
        }
    });
}
