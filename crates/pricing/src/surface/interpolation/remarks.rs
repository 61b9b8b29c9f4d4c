//! What any interpolation must say of its quotes.

use super::knots::Knots;
use crate::surface::{
    SliceQuotes,
    calibration::{Note, Reason, quote_notes},
};

/// Strikes below which a slice of the models of the whole plane is drawn by the others, or by the backbone, more than by its own.
pub(super) const FEWEST_STRIKES: usize = 3;

/// Notes on the quotes, and on slices that are short of them (`needed`; with `instead` for those that have two strikes or more, one volatility
/// for those of one, filled from neighbours for those that have none).
pub(super) fn remarks(
    slices: &[SliceQuotes],
    expiry_years: &[f64],
    knots: &[Knots],
    needed: usize,
    instead: &str,
) -> Vec<Note> {
    let mut notes = quote_notes(slices);
    for (&expiry, knots) in expiry_years.iter().zip(knots).filter(|(_, knots)| knots.len() < needed) {
        let instead = match knots.len() {
            0 => "the shape of its neighbours",
            1 => "one volatility",
            _ => instead,
        };
        let instead = instead.to_owned();
        let reason = Reason::TooFewQuotes { quotes: knots.len(), needed, instead };
        notes.push(Note { expiry_years: Some(expiry), reason });
    }
    notes
}
