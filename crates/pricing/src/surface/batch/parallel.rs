//! Many slices over the cores of the machine.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::{SliceColumns, SliceFits};
use super::twin;

/// Slices that a core takes at a time.
const SLICES_AT_ONCE: usize = 4;

/// Fits raw SVI to each slice, on all cores.
///
/// # Panics
///
/// Where the columns of quotes have not one length, or the offsets are not ascending from 0 to it.
pub fn fit_slices(columns: &SliceColumns) -> SliceFits {
    columns.assert_whole();
    let mut fits = SliceFits::unknown(columns.len());
    fit_range(columns, 0..columns.len(), &mut fits);
    fits
}

/// Fits some of the slices, each in its place.
pub(super) fn fit_range(columns: &SliceColumns, slices: Range<usize>, fits: &mut SliceFits) {
    let fitted: Vec<_> = slices
        .clone()
        .into_par_iter()
        .with_min_len(SLICES_AT_ONCE)
        .map(|slice| twin::fit(&columns.slice(slice)))
        .collect();
    for (slice, fitted) in slices.zip(&fitted) {
        fits.set(slice, fitted);
    }
}
