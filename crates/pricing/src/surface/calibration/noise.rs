//! The noise of quotes: under [`Estimator::MaximumLikelihood`] Student's t with ν = 4 degrees of freedom and a scale s that is fitted too;
//! under any other estimator a miss costs its square.
//!
//! Up to what does not depend on the miss r, twice the negative log density is (ν + 1) ln(1 + r²/(νs²)).

use super::settings::Estimator;

/// ν.
const DEGREES: f64 = 4.0;
/// Least s²: misses of rounding alone have a scale too.
const LEAST_SQUARE_SCALE: f64 = 1e-12;
/// s² has settled where a step moves it by a smaller share.
const SETTLED: f64 = 1e-4;
/// Steps after which the scale of given misses has settled: each leaves 3/(ν + 3) of what was amiss.
const STEPS: usize = 30;

/// What a miss costs and weighs, by its square: the weight is the cost's slope by the square, so that weighted least squares have the
/// gradient of the cost.
#[inline]
pub fn cost_and_weight(estimator: Estimator, square: f64, square_scale: f64) -> [f64; 2] {
    if estimator.is_likelihood() {
        [(DEGREES + 1.0) * (square / (DEGREES * square_scale)).ln_1p(), weight(square, square_scale)]
    } else {
        [square, 1.0]
    }
}

/// The weight of a miss under Student's noise, by its square.
#[inline]
pub fn weight(square: f64, square_scale: f64) -> f64 {
    (DEGREES + 1.0) / (DEGREES * square_scale + square)
}

/// Half the slope of the cost by the miss, ψ, and half its curvature, ψ′.
pub fn influence(estimator: Estimator, miss: f64, square_scale: f64) -> [f64; 2] {
    if estimator.is_likelihood() {
        let (square, weight) = (miss * miss, weight(miss * miss, square_scale));
        let width = DEGREES * square_scale;
        [weight * miss, weight * (width - square) / (width + square)]
    } else {
        [miss, 1.0]
    }
}

/// A step of the EM algorithm (Dempster, Laird and Rubin 1977) for s², from the sum of the squared misses by their weights: the next s²,
/// and whether it has settled.
pub fn em_step(square_scale: f64, weighted: f64, count: usize) -> (f64, bool) {
    let next = (square_scale * weighted / count.max(1) as f64).max(LEAST_SQUARE_SCALE);
    (next, (next / square_scale).ln().abs() < SETTLED)
}

/// s² of these squared misses, by the EM algorithm from `square_scale`.
pub fn square_scale_of(squares: &[f64], square_scale: f64) -> f64 {
    (0..STEPS).fold(square_scale, |square_scale, _| {
        let weighted = squares.iter().map(|square| square * weight(*square, square_scale)).sum();
        em_step(square_scale, weighted, squares.len()).0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_slope_of_the_cost_by_the_square() {
        for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
            for square in [0.0, 0.3, 4.0, 900.0] {
                let at = |square: f64| cost_and_weight(estimator, square, 0.7)[0];
                let numeric = (at(square + 1e-6) - at(square - 1e-6)) / 2e-6;
                let [_, weight] = cost_and_weight(estimator, square, 0.7);
                assert!((numeric / weight - 1.0).abs() < 1e-6, "{numeric} and {weight}");
            }
        }
    }

    #[test]
    fn the_influence_is_half_the_slope_of_the_cost() {
        for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
            for miss in [-30.0, -1.2, 0.0, 0.4, 2.0_f64] {
                let h = 1e-5;
                let cost = |miss: f64| cost_and_weight(estimator, miss * miss, 0.7)[0];
                let psi = |miss: f64| influence(estimator, miss, 0.7)[0];
                let [value, slope] = influence(estimator, miss, 0.7);
                assert!((0.25 * (cost(miss + h) - cost(miss - h)) / h - value).abs() < 1e-8);
                assert!((0.5 * (psi(miss + h) - psi(miss - h)) / h - slope).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn the_scale_found_is_the_most_likely_one() {
        let squares = [0.1, 0.02, 3.0, 0.5, 0.9, 40.0, 0.3];
        let found = square_scale_of(&squares, 1.0);
        // Of the whole density, the scale's own part too.
        let cost = |square_scale: f64| {
            let one = |square: &f64| cost_and_weight(Estimator::MaximumLikelihood, *square, square_scale)[0];
            squares.iter().map(one).sum::<f64>() + squares.len() as f64 * square_scale.ln()
        };
        assert!(cost(found) < cost(0.999 * found) && cost(found) < cost(1.001 * found), "{found}");
    }
}
