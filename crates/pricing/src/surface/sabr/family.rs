//! What the surface's fit wants of a kind of SABR smile.

use super::{misses::QuoteColumns, slice::Conditions, smile::SabrParameters};
use crate::surface::{
    calibration::{Normal, Objective},
    smile::Smile,
};

/// A kind of SABR smile: how parameters make total deviations.
pub(super) trait Family: Smile + Clone + Sized {
    /// Steps after which a descent is given up.
    const MOST_STEPS: usize = 60;

    /// The smile of parameters under a shift, of which kinds that have none take no notice.
    fn of(parameters: SabrParameters, shift: f64) -> Self;

    /// Its parameters.
    fn parameters(&self) -> SabrParameters;

    /// Fills `out` with the total deviation σ√t at every `k` and its gradient by the first N of (α√t, ρ, ν√t, β) at `x`; false where the
    /// model has no value at some of them. The shift is as in [`Self::of`].
    fn evaluate<const N: usize>(
        x: [f64; 4],
        shift: f64,
        k: impl Iterator<Item = f64>,
        out: &mut Vec<(f64, [f64; N])>,
    ) -> bool;

    /// Adds the squared misses of `quotes` at `x` to `normal`, quotes side by side; whether the model has a value at all of them. None
    /// where this kind has no such loop, or its misses are not squares of a power: by default.
    fn add_misses<const N: usize>(_x: [f64; 4], _quotes: &QuoteColumns, _normal: &mut Normal<N>) -> Option<bool> {
        None
    }

    /// Where a descent under `conditions` had better start: by default where they say.
    fn start<const N: usize>(_objective: &Objective, conditions: &Conditions<'_>) -> [f64; 4] {
        conditions.start
    }
}
