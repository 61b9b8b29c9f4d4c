//! What a fit of SABR slices has to say of them.

use super::{
    fit::Work,
    slice::{HIGH, LOW},
};
use crate::surface::calibration::{Note, Reason};

/// A slice that has `instead` of a shape of its own: its strikes are fewer than its model wants, or the model has no value there.
pub(super) fn of_shapeless(work: &Work<'_>, needed: usize, instead: &str) -> Note {
    let quotes = work.objective.strikes();
    work.note(if quotes < needed {
        Reason::TooFewQuotes { quotes, needed, instead: instead.into() }
    } else {
        Reason::Failed { why: format!("the model has no smile at its quotes; {instead} instead") }
    })
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
