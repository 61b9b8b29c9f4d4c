//! Values along a grid looked through eight at a time for the few that matter.

use super::check::minimum_between;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};

/// Values that are looked at side by side.
const BLOCK: usize = 8;
/// By how much f may fall more steeply between the points than the lines through them.
const STEEPER: f64 = 3.0;

/// Hands to `each`, with its place, every value of `f` at the points of `grid` that is not at or above `bound`, and every local minimum
/// between the points that might not be. `values` has f at the points; where one is not finite f is asked. NaN is not at or above anything.
///
/// A minimum is looked for where the lines through its neighbours, continued [`STEEPER`] times as steeply, fall below `bound`. Where f bends
/// upwards over the three points it lies above the lines themselves, and is never missed; where f bends downwards on the way in, it is found as
/// long as it is not deeper than that. A dip between points that says nothing of itself at them is not seen by any scan: the points must lie as
/// closely as f turns.
pub(super) fn below(grid: &[f64], values: &[f64], bound: f64, f: impl Fn(f64) -> f64, mut each: impl FnMut(f64, f64)) {
    let n = grid.len().min(values.len());
    let mut flagged = vec![0_usize; n / BLOCK + 1];
    let mut count = 0;
    dispatch(Target::best(), Flag { values: &values[..n], bound, flagged: &mut flagged, count: &mut count });
    let mut look = |i: usize| {
        let (k, value) = (grid[i], if values[i].is_finite() { values[i] } else { f(grid[i]) });
        if is_below(value, bound) {
            each(k, value);
        }
        if i == 0 || i + 1 >= n {
            return;
        }
        let ([before, after], [left, right]) = ([values[i - 1], values[i + 1]], [k - grid[i - 1], grid[i + 1] - k]);
        if value <= before && value <= after {
            let lowest = value - STEEPER * ((before - value) * right / left).max((after - value) * left / right);
            if is_below(lowest, bound) {
                let (k, value) = minimum_between(&f, grid[i - 1], grid[i + 1]);
                if is_below(value, bound) {
                    each(k, value);
                }
            }
        }
    };
    let inner = blocks(n);
    (0..n.min(1)).for_each(&mut look);
    for &start in &flagged[..count] {
        (start..start + BLOCK).for_each(&mut look);
    }
    (1 + inner * BLOCK..n).for_each(&mut look);
}

fn is_below(value: f64, bound: f64) -> bool {
    value < bound || value.is_nan()
}

/// Whole blocks of points that have a neighbour on each side, from the second point on.
fn blocks(n: usize) -> usize {
    n.saturating_sub(2) / BLOCK
}

/// Flags the blocks in which a value is not at or above `bound`, or has none below it beside it.
struct Flag<'a> {
    values: &'a [f64],
    bound: f64,
    /// Where each flagged block starts.
    flagged: &'a mut [usize],
    count: &'a mut usize,
}

impl Kernel for Flag<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { values, bound, flagged, count } = self;
        for block in 0..blocks(values.len()) {
            let start = 1 + block * BLOCK;
            let window = &values[start - 1..start + BLOCK + 1];
            let mut is_flagged = false;
            for i in 0..BLOCK {
                let (before, here, after) = (window[i], window[i + 1], window[i + 2]);
                is_flagged |= (here < bound) | here.is_nan() | ((here <= before) & (here <= after));
            }
            if is_flagged {
                flagged[*count] = start;
                *count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of `f` on a grid of `n` points from −1 to 1.
    fn seen(n: usize, bound: f64, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let grid: Vec<f64> = (0..n).map(|i| -1.0 + 2.0 * i as f64 / (n.max(2) - 1) as f64).collect();
        let values: Vec<f64> = grid.iter().map(|k| f(*k)).collect();
        let mut found = Vec::new();
        below(&grid, &values, bound, f, |k, value| found.push((k, value)));
        found
    }

    #[test]
    fn every_point_below_the_bound_is_seen_and_none_above() {
        for n in [0, 1, 2, 3, 8, 9, 10, 11, 17, 18, 100, 801] {
            for bound in [-2.0, -0.5, 0.0, 0.3, 2.0] {
                let points = (0..n).map(|i| -1.0 + 2.0 * i as f64 / (n.max(2) - 1) as f64);
                let expected = points.filter(|k| *k < bound).count();
                assert_eq!(seen(n, bound, |k| k).len(), expected, "{n} {bound}");
            }
            assert_eq!(seen(n, 0.0, |_| f64::NAN).len(), n, "NaN is not above anything");
        }
    }

    #[test]
    fn a_minimum_between_the_points_is_found_where_it_may_be_below() {
        // Between two points of 101, nearer to one.
        let dip = |at: f64, depth: f64| move |k: f64| 100.0 * (k - at).powi(2) - depth;
        // In the last points there is no whole block.
        for at in [0.313, 0.973] {
            let found = seen(101, 0.0, dip(at, 0.002));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!((found[0].0 - at).abs() < 1e-6 && (found[0].1 + 0.002).abs() < 1e-9, "{found:?}");
            assert_eq!(seen(101, 0.0, dip(at, -0.002)), []);
        }
    }

    #[test]
    fn a_minimum_that_bends_downwards_on_the_way_in_is_found() {
        // A well of Gauss that is 0.36 deep at the points beside it and next to flat at those beyond: the lines through them end at 0.21, the
        // well at −0.02.
        let well = |width: f64| move |k: f64| 0.5 - 0.52 * (-0.5 * (k / width).powi(2)).exp();
        let grid = [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0];
        let f = well(0.125);
        let values = grid.map(f);
        let line = |near: usize, far: usize| values[near] - (values[far] - values[near]);
        assert!(values.iter().all(|value| *value > 0.0) && line(3, 4) > 0.2, "{values:?}");
        let mut found = Vec::new();
        below(&grid, &values, 0.0, f, |k, value| found.push((k, value)));
        // The points on both sides of it are as low.
        assert!(found.len() == 2 && found.iter().all(|it| (it.1 + 0.02).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn what_is_not_finite_is_asked_for() {
        let grid = [0.0, 1.0, 2.0];
        let mut found = Vec::new();
        below(&grid, &[1.0, f64::NEG_INFINITY, 1.0], 0.0, |k| k - 5.0, |k, value| found.push((k, value)));
        assert_eq!(found[0], (1.0, -4.0));
        let mut found = Vec::new();
        below(&grid, &[1.0, f64::NEG_INFINITY, 1.0], 0.0, |_| 1.0, |k, value| found.push((k, value)));
        assert_eq!(found, []);
    }
}
