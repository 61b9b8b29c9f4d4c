//! One descent from one start.

use std::cell::Cell;

use crate::surface::calibration::{Bounds, Estimator, Solution, minimise};

use super::{
    market::{Market, Missing, Scratch},
    parameters::{Characteristic, Parameter},
};

/// Steps that a descent may make.
const MOST_STEPS: usize = 100;
/// A descent that ends within so many evaluations of a corner that it could not enter may have been stopped by it.
const STEPS_PAST_A_CORNER: usize = 8;

/// A pull towards parameters: λ Σ((x − x₀)/scale)².
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull<const N: usize> {
    pub weight: f64,
    pub towards: [f64; N],
}

/// What a descent came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent<const N: usize> {
    /// The model's parameters.
    pub parameters: [f64; N],
    /// The same in the descent's coordinates.
    pub solution: Solution<N>,
    /// Quotes without a price at the end.
    pub missing: Missing,
}

impl<const N: usize> Descent<N> {
    pub fn cost(&self) -> f64 {
        self.solution.normal.cost
    }
}

/// Descends from `start`, round the corners of the box where prices are dear, or else through them.
pub(super) fn descend<T: Characteristic<N>, const N: usize>(
    market: &Market,
    parameters: &[Parameter; N],
    estimator: Estimator,
    pull: &Pull<N>,
    start: &[f64; N],
) -> Descent<N> {
    let coordinates =
        |of: &dyn Fn(&Parameter) -> f64| std::array::from_fn(|i| parameters[i].coordinate(of(&parameters[i])));
    let bounds = Bounds { low: coordinates(&|it| it.low), high: coordinates(&|it| it.high) };
    let start = std::array::from_fn(|i| parameters[i].coordinate(start[i]));
    let at = |x: &[f64; N]| -> ([f64; N], [f64; N]) {
        let both: [[f64; 2]; N] = std::array::from_fn(|i| parameters[i].value(x[i]));
        (both.map(|it| it[0]), both.map(|it| it[1]))
    };
    let mut scratch = Scratch::default();
    let mut missing = Missing::default();
    // Above zero for some steps after a corner was not entered.
    let near_corner = Cell::new(0_usize);
    let mut run = |start, is_patient| {
        minimise(start, &bounds, estimator, MOST_STEPS, |x, normal| {
            let (values, slopes) = at(x);
            let model = T::from_parameters(&values);
            let found = market.evaluate(&model, is_patient, &mut scratch, |slice, i, w, by: [f64; N]| {
                let [miss, slope] = slice.miss(i, w);
                normal.add(miss, &std::array::from_fn(|p| slope * by[p] * slopes[p]));
            });
            let Some(found) = found else {
                near_corner.set(STEPS_PAST_A_CORNER);
                return false;
            };
            near_corner.set(near_corner.get().saturating_sub(1));
            missing = found;
            if pull.weight > 0.0 {
                for i in 0..N {
                    let mut by = [0.0; N];
                    by[i] = slopes[i] / parameters[i].scale;
                    normal.pull(pull.weight, (values[i] - pull.towards[i]) / parameters[i].scale, &by);
                }
            }
            true
        })
    };
    let mut solution = run(start, false);
    if near_corner.get() > 0 {
        // Elsewhere this is one more step.
        solution = run(solution.parameters, true);
    }
    Descent { parameters: at(&solution.parameters).0, solution, missing }
}
