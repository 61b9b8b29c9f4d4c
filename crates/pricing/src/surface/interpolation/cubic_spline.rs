//! The C² cubic spline of total variance through the mids.
//!
//! The least bent curve through the points: natural at its ends (w″ = 0), so that the straight wings join with continuous curvature. Where
//! the slope at an end would fall outwards, or be steeper than a straight wing may be without arbitrage (Lee's bound included), that end is
//! clamped to the nearest slope allowed instead. It passes through every mid, noise and arbitrage included, and may overshoot between
//! knots; where that would take w below zero the slice is joined monotonically.

use super::{knots::Knots, monotone_spline, piecewise_cubic};
use crate::surface::{
    SliceQuotes, Slices,
    calibration::{Fit, FitError, ModelSettings, Reason},
    extrapolation::straight_slope,
    interpolation::PiecewiseCubic,
};

/// Joins the mids of each slice. The weights of the settings decide what quotes at one strike count; a prior has no part.
///
/// # Errors
/// Where no quote is usable.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    _prior: Option<&Slices<PiecewiseCubic>>,
) -> Result<Fit<Slices<PiecewiseCubic>>, FitError> {
    piecewise_cubic::fit(slices, settings, |knots| {
        let spline = join(knots);
        if spline.is_positive() {
            return (spline, None);
        }
        let why = "the cubic spline falls below zero between quotes; they are joined monotonically";
        (monotone_spline::join(knots), Some(Reason::Failed { why: why.into() }))
    })
}

/// The spline through `knots`.
pub(super) fn join(knots: &Knots) -> PiecewiseCubic {
    PiecewiseCubic {
        log_moneyness: knots.k.clone(),
        total_variance: knots.w.clone(),
        slope: slopes(&knots.k, &knots.w),
    }
}

/// Slopes at the knots that make second derivatives continuous: natural ends, clamped where they leave the slopes allowed.
pub(super) fn slopes(k: &[f64], w: &[f64]) -> Vec<f64> {
    let n = k.len();
    if n < 2 {
        return vec![0.0; n];
    }
    let mut ends = [None, None];
    // A clamp moves the other end a little, which may then need one too.
    loop {
        let slopes = solve(k, w, ends);
        let found = [slopes[0], slopes[n - 1]];
        let allowed = allowed_ends(k, w, found);
        let mut is_settled = true;
        for side in 0..2 {
            if ends[side].is_none() && found[side] != allowed[side] {
                ends[side] = Some(allowed[side]);
                is_settled = false;
            }
        }
        if is_settled {
            return slopes;
        }
    }
}

/// The slopes at the two ends nearest to `found` that rise outwards and leave a straight wing free of arbitrage.
pub(super) fn allowed_ends(k: &[f64], w: &[f64], [left, right]: [f64; 2]) -> [f64; 2] {
    let last = k.len() - 1;
    [-(-left).clamp(0.0, straight_slope(-k[0], w[0])), right.clamp(0.0, straight_slope(k[last], w[last]))]
}

/// Thomas' elimination of the tridiagonal system of the slopes; an end without a slope is natural.
fn solve(k: &[f64], w: &[f64], ends: [Option<f64>; 2]) -> Vec<f64> {
    let n = k.len();
    let inverse: Vec<f64> = k.windows(2).map(|pair| 1.0 / (pair[1] - pair[0])).collect();
    let chord: Vec<f64> = w.windows(2).zip(&inverse).map(|(pair, inverse)| (pair[1] - pair[0]) * inverse).collect();
    // Row i: below·m[i − 1] + diagonal·m[i] + above·m[i + 1] = right.
    let row = |i: usize| -> [f64; 4] {
        if i == 0 {
            ends[0].map_or([0.0, 2.0, 1.0, 3.0 * chord[0]], |slope| [0.0, 1.0, 0.0, slope])
        } else if i == n - 1 {
            ends[1].map_or([1.0, 2.0, 0.0, 3.0 * chord[n - 2]], |slope| [0.0, 1.0, 0.0, slope])
        } else {
            let (left, right) = (inverse[i - 1], inverse[i]);
            [left, 2.0 * (left + right), right, 3.0 * (chord[i - 1] * left + chord[i] * right)]
        }
    };
    let mut above = vec![0.0; n];
    let mut slopes = vec![0.0; n];
    for i in 0..n {
        let [below, diagonal, next, right] = row(i);
        let before = i.checked_sub(1).map_or([0.0, 0.0], |j| [above[j], slopes[j]]);
        let pivot = diagonal - below * before[0];
        above[i] = next / pivot;
        slopes[i] = (right - below * before[1]) / pivot;
    }
    for i in (0..n - 1).rev() {
        slopes[i] -= above[i] * slopes[i + 1];
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::Smile;

    #[test]
    fn passes_through_its_knots_with_continuous_curvature_and_natural_ends() {
        let k = vec![-0.5, -0.31, -0.2, -0.04, 0.0, 0.09, 0.2];
        let w: Vec<f64> = k.iter().map(|k: &f64| 0.02 - 0.03 * k + 0.08 * k * k + 0.002 * (20.0 * k).sin()).collect();
        // The right end falls: it is clamped flat; the left is natural.
        let spline = join(&Knots { k: k.clone(), w: w.clone(), noise: vec![] });
        for (k, w) in k.iter().zip(&w) {
            assert!((spline.total_variance(*k) - w).abs() < 1e-15);
        }
        for &knot in &k[1..6] {
            let [low, high] = [-1e-9, 1e-9].map(|h| spline.derivatives(knot + h));
            assert!((low[1] - high[1]).abs() < 1e-6 && (low[2] - high[2]).abs() < 1e-5, "{knot}: {low:?} {high:?}");
        }
        assert!(spline.derivatives(-0.5 + 1e-12)[2].abs() < 1e-6);
    }

    #[test]
    fn straight_lines_and_a_published_spline_come_back() {
        let line = slopes(&[0.0, 0.1, 0.5, 0.7], &[0.1, 0.12, 0.2, 0.24]);
        // Falling towards the left: clamped flat there; without the clamp every slope is that of the line.
        assert_eq!(line[0], 0.0);
        assert!(
            solve(&[0.0, 0.1, 0.5, 0.7], &[0.1, 0.12, 0.2, 0.24], [None; 2]).iter().all(|m| (m - 0.2).abs() < 1e-14)
        );
        // Burden and Faires, Numerical Analysis (9th ed.), section 3.5, example 1: the natural spline through (1, 2), (2, 3), (3, 5) is
        // 2 + 3/4 (x − 1) + 1/4 (x − 1)³ and 3 + 3/2 (x − 2) + 3/4 (x − 2)² − 1/4 (x − 2)³.
        let published = solve(&[1.0, 2.0, 3.0], &[2.0, 3.0, 5.0], [None; 2]);
        for (ours, theirs) in published.iter().zip([0.75, 1.5, 2.25]) {
            assert!((ours - theirs).abs() < 1e-15);
        }
    }
}
