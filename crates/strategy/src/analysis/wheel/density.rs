//! The surface's own distribution of the price at expiry: the slope of undiscounted put values in the strike (Breeden and Litzenberger
//! 1978), which the slices of the surface give in closed form.

use zomma_pricing::surface::{Smile, Svi};

use super::Board;

/// Distribution at one expiry.
pub(super) struct Distribution<'a> {
    forward: f64,
    slice: &'a Svi,
}

impl<'a> Distribution<'a> {
    /// The distribution of one living expiry; `None` where it has no slice.
    pub fn new(board: &Board<'a>, index: usize, forward: f64) -> Option<Self> {
        let slice = board.surface.slices.get(board.slices.of_expiry[index]?)?;
        Some(Self { forward, slice: &slice.svi })
    }

    /// P(S_T ≤ price), between 0 and 1.
    pub fn below(&self, price: f64) -> f64 {
        if price > 0.0 { self.slice.probability_below((price / self.forward).ln()) } else { 0.0 }
    }
}
