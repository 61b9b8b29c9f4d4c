//! Large batches over the threads of the current rayon pool.

use super::{Model, RowColumns, batch};
use crate::math::Target;
use zomma_base::Status;

/// Rows below which a batch stays on one thread: a tenth of a millisecond of work, many times what a hand-over costs.
const SPLIT_ROWS: usize = 8192;

/// [`batch::evaluate`] with the best target, halved over the pool until the parts are small.
pub(super) fn evaluate<const N: usize>(
    rows: &RowColumns<'_>,
    model: Model,
    out: [&mut [f64]; N],
    status: &mut [Status],
) {
    split(Target::best(), rows, model, out, status, rayon::current_num_threads() > 1);
}

fn split<const N: usize>(
    target: Target,
    rows: &RowColumns<'_>,
    model: Model,
    out: [&mut [f64]; N],
    status: &mut [Status],
    threads: bool,
) {
    let n = status.len();
    if !threads || n < 2 * SPLIT_ROWS {
        return batch::evaluate(target, rows, model, out, status);
    }
    let middle = n / 2 / SPLIT_ROWS * SPLIT_ROWS;
    let (left, right) = rows.split_at(middle);
    let (status_left, status_right) = status.split_at_mut(middle);
    let mut out_right = [const { None }; N];
    let mut halves = out_right.iter_mut();
    let out_left = out.map(|column| {
        let (left, right) = column.split_at_mut(middle);
        if let Some(slot) = halves.next() {
            *slot = Some(right);
        }
        left
    });
    let out_right = out_right.map(Option::unwrap_or_default);
    rayon::join(
        || split(target, &left, model, out_left, status_left, true),
        || split(target, &right, model, out_right, status_right, true),
    );
}
