//! Limits into a batch that was valued already.

use zomma_base::Status;

use super::{Formula, greeks};
use crate::black::{Greek, RowColumns};

/// Puts limits where a batch of one formula has none: rows that it refused for an expiry of 0 or a strike of 0, and quantities that are
/// infinite. `out` holds the columns of `wanted`, raw units, as [`black::greeks_into`](crate::black::greeks_into) and its kin leave them,
/// on whatever device. A row then has the status `Ok`, or `Diverges` where a quantity among those wanted has no limit: that one is NaN, the
/// others are right. `displacement` has the length of the columns under displaced diffusion (where it has not, it is absent in every row),
/// and is not read otherwise.
///
/// # Panics
/// Where `out` and `wanted`, or the columns and `status`, are not of one length.
pub fn complete(
    rows: &RowColumns<'_>,
    displacement: &[f64],
    formula: Formula,
    wanted: &[Greek],
    out: &mut [&mut [f64]],
    status: &mut [Status],
) {
    assert_eq!(wanted.len(), out.len(), "a column a quantity");
    assert!(out.iter().all(|column| column.len() == status.len()), "columns of one length");
    for (i, status) in status.iter_mut().enumerate() {
        let is_open = match status {
            Status::Expired | Status::BadStrike | Status::BadDisplacement => true,
            Status::Ok => out.iter().any(|column| column[i].is_infinite()),
            _ => false,
        };
        if !is_open {
            continue;
        }
        let row = rows.row(i);
        let displacement = displacement.get(i).copied().unwrap_or(f64::NAN);
        let found = greeks(&row, displacement, formula);
        *status = match &found {
            Ok(quantities) => formula.status_of(wanted.iter().copied(), |greek| quantities[greek as usize]),
            Err(fault) => *fault,
        };
        for (greek, column) in wanted.iter().zip(&mut *out) {
            column[i] = found.as_ref().map_or(f64::NAN, |quantities| quantities[*greek as usize]);
        }
    }
}
