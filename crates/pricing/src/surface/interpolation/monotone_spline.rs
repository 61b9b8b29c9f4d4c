//! The monotone cubic spline of total variance through the mids.
//!
//! The slopes of the C² spline, limited as Hyman does (J. Hyman, "Accurate monotonicity preserving cubic interpolation", 1983, equation
//! 2.6): to three times the smaller of the two chords beside a knot, and to zero where these differ in sign. So w rises where the quotes
//! rise and falls where they fall, and has no extremum but at a knot; where the limit does not bind it is the C² spline, elsewhere C¹.

use super::{cubic_spline, knots::Knots, piecewise_cubic};
use crate::surface::{
    SliceQuotes, Slices,
    calibration::{Fit, FitError, ModelSettings},
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
    piecewise_cubic::fit(slices, settings, |knots| (join(knots), None))
}

/// The spline through `knots`.
pub(super) fn join(knots: &Knots) -> PiecewiseCubic {
    let (k, w) = (&knots.k, &knots.w);
    let mut slope = cubic_spline::slopes(k, w);
    let chord: Vec<f64> = k.windows(2).zip(w.windows(2)).map(|(k, w)| (w[1] - w[0]) / (k[1] - k[0])).collect();
    let n = k.len();
    for (i, slope) in slope.iter_mut().enumerate() {
        let left = i.checked_sub(1).map(|j| chord[j]);
        let (Some(a), Some(b)) = (left.or(chord.get(i).copied()), chord.get(i).copied().or(left)) else { continue };
        *slope = if a * b <= 0.0 {
            0.0
        } else {
            // Beyond [0, 3] chords a cubic is not monotone.
            a.signum() * (a.signum() * *slope).clamp(0.0, 3.0 * a.abs().min(b.abs()))
        };
    }
    if n > 1 {
        [slope[0], slope[n - 1]] = cubic_spline::allowed_ends(k, w, [slope[0], slope[n - 1]]);
    }
    PiecewiseCubic { log_moneyness: k.clone(), total_variance: w.clone(), slope }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::Smile;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_leaves_the_range_of_two_neighbours(
            steps in prop::collection::vec((0.001..0.3_f64, 0.001..0.5_f64), 2..12),
        ) {
            let mut k = -0.5;
            let knots = steps.iter().fold(Knots::default(), |mut knots, (step, w)| {
                k += step;
                knots.k.push(k);
                knots.w.push(*w);
                knots
            });
            let spline = join(&knots);
            for i in 1..knots.len() {
                let rise = (knots.w[i] - knots.w[i - 1]).signum();
                let mut before = knots.w[i - 1];
                for step in 1..=50 {
                    let at = knots.k[i - 1] + (knots.k[i] - knots.k[i - 1]) * f64::from(step) / 50.0;
                    let w = spline.total_variance(at);
                    prop_assert!(rise * (w - before) >= -1e-13);
                    before = w;
                }
                prop_assert!((before - knots.w[i]).abs() < 1e-12);
            }
            for beyond in [0.01, 0.3, 5.0] {
                let left = spline.derivatives(knots.k[0] - beyond);
                let right = spline.derivatives(k + beyond);
                prop_assert!(left[0] > 0.0 && (-2.0..=0.0).contains(&left[1]));
                prop_assert!(right[0] > 0.0 && (0.0..=2.0).contains(&right[1]));
            }
        }
    }

    #[test]
    fn is_the_cubic_spline_where_that_is_monotone() {
        let k: Vec<f64> = (0..12).map(|i| -0.6 + 0.05 * f64::from(i)).collect();
        let w = k.iter().map(|k| 0.01 - 0.05 * k + 0.06 * k * k).collect();
        let knots = Knots { k, w, noise: vec![] };
        assert_eq!(join(&knots).slope[..11], cubic_spline::join(&knots).slope[..11]);
    }
}
