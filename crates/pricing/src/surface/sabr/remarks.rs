//! What a fit of SABR slices has to say of them.

use super::{
    fit::Work,
    slice::{HIGH, LOW},
};
use crate::surface::calibration::{Note, Reason};

/// A slice with fewer strikes than its model wants.
pub(super) fn of_strikes(work: &Work<'_>, needed: usize) -> Option<Note> {
    let quotes = work.objective.strikes();
    let instead = if quotes == 0 { "its neighbours' volatilities" } else { "a neighbour's shape at its own level" };
    (quotes < needed).then(|| work.note(Reason::TooFewQuotes { quotes, needed, instead: instead.into() }))
}

/// Which of the first N parameters ended at the end of their ranges.
pub(super) fn of_bounds<const N: usize>(work: &Work<'_>, notes: &mut Vec<Note>) {
    const NAMES: [&str; 4] = ["alpha", "rho", "nu", "beta"];
    let Some(x) = work.x else { return };
    let sabr = work.parameters().sabr;
    let values = [sabr.alpha, sabr.rho, sabr.nu, sabr.beta];
    for i in 0..N {
        if x[i] <= LOW[i] || x[i] >= HIGH[i] {
            notes.push(work.note(Reason::AtBound { parameter: NAMES[i].into(), value: values[i] }));
        }
    }
}
