//! Levenberg and Marquardt's descent in a box, for a handful of parameters, on normal equations that the caller adds up quote by quote.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{noise, settings::Estimator};
use crate::surface::linear::solve_scaled;

/// Cost, half its gradient, and the Gauss–Newton half of its Hessian (both triangles), of N parameters.
#[derive(Clone, Copy, Debug)]
pub struct Normal<const N: usize> {
    /// Sum of the costs; +∞ where the model has no value at these parameters.
    pub cost: f64,
    /// Half the gradient.
    pub gradient: [f64; N],
    /// Half the Hessian.
    pub hessian: [[f64; N]; N],
    /// Misses added.
    pub count: usize,
    /// Sum of the squared misses, whatever they cost.
    pub squares: f64,
    /// Sum of the squared misses by their weights.
    weighted: f64,
    estimator: Estimator,
    /// Squared scale of the noise, in units of the miss.
    square_scale: f64,
}

impl<const N: usize> Normal<N> {
    pub(in crate::surface) fn new(estimator: Estimator, square_scale: f64) -> Self {
        Self {
            cost: 0.0,
            gradient: [0.0; N],
            hessian: [[0.0; N]; N],
            count: 0,
            squares: 0.0,
            weighted: 0.0,
            estimator,
            square_scale,
        }
    }

    /// Adds a miss and its gradient by the parameters. A miss that is not finite makes the cost +∞.
    #[inline]
    pub fn add(&mut self, miss: f64, by: &[f64; N]) {
        let square = miss * miss;
        self.count += 1;
        self.squares += square;
        let [cost, weight] = noise::cost_and_weight(self.estimator, square, self.square_scale);
        self.cost += cost;
        self.weighted += weight * square;
        self.add_weighted(weight, miss, by);
    }

    /// Adds `count` misses under least squares by what they add up to: Σ miss², half its gradient, and the lower triangle of half its
    /// Gauss–Newton Hessian.
    pub(in crate::surface) fn add_squares(
        &mut self,
        count: usize,
        squares: f64,
        gradient: &[f64; N],
        hessian: &[[f64; N]; N],
    ) {
        self.count += count;
        self.squares += squares;
        self.cost += squares;
        self.weighted += squares;
        for i in 0..N {
            self.gradient[i] += gradient[i];
            for j in 0..=i {
                self.hessian[i][j] += hessian[i][j];
            }
        }
    }

    /// Adds weight·miss² whatever the estimator: a pull towards a prior.
    pub fn pull(&mut self, weight: f64, miss: f64, by: &[f64; N]) {
        self.cost += weight * miss * miss;
        self.add_weighted(weight, miss, by);
    }

    #[inline]
    fn add_weighted(&mut self, weight: f64, miss: f64, by: &[f64; N]) {
        for i in 0..N {
            let scaled = weight * by[i];
            self.gradient[i] += scaled * miss;
            for j in 0..=i {
                self.hessian[i][j] += scaled * by[j];
            }
        }
    }

    /// Sum of the squared misses by their weights under the estimator.
    pub(in crate::surface) fn weighted(&self) -> f64 {
        self.weighted
    }

    fn finish(&mut self) {
        if !self.cost.is_finite() || !self.gradient.iter().all(|g| g.is_finite()) {
            self.cost = f64::INFINITY;
        }
        for i in 0..N {
            for j in 0..i {
                self.hessian[j][i] = self.hessian[i][j];
            }
        }
    }
}

/// Where parameters may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<const N: usize> {
    /// Least values.
    pub low: [f64; N],
    /// Greatest values.
    pub high: [f64; N],
}

/// What a descent came to.
#[derive(Clone, Copy, Debug)]
pub struct Solution<const N: usize> {
    /// The parameters.
    pub parameters: [f64; N],
    /// The normal equations there.
    pub normal: Normal<N>,
    /// Steps made.
    pub steps: usize,
    /// Whether the last step gained next to nothing, or none was to be had.
    pub converged: bool,
    /// Scale of the noise that the estimator found, in units of the miss; 1 under least squares.
    pub noise_scale: f64,
}

/// Descends from `start` until a step gains less than 1e-10 of the cost, or `most_steps` are made. `accumulate` adds the misses at the
/// parameters handed to it, or gives false where the model has no value there.
pub fn minimise<const N: usize>(
    start: [f64; N],
    bounds: &Bounds<N>,
    estimator: Estimator,
    most_steps: usize,
    accumulate: impl FnMut(&[f64; N], &mut Normal<N>) -> bool,
) -> Solution<N> {
    minimise_within(1e-10, start, bounds, estimator, most_steps, accumulate)
}

/// [`minimise`] until a step gains less than the share `least_gain` of the cost.
pub fn minimise_within<const N: usize>(
    least_gain: f64,
    start: [f64; N],
    bounds: &Bounds<N>,
    estimator: Estimator,
    most_steps: usize,
    mut accumulate: impl FnMut(&[f64; N], &mut Normal<N>) -> bool,
) -> Solution<N> {
    let mut evaluate = |x: &[f64; N], square_scale: f64| {
        let mut normal = Normal::new(estimator, square_scale);
        if !accumulate(x, &mut normal) {
            normal.cost = f64::INFINITY;
        }
        normal.finish();
        normal
    };
    let mut x: [f64; N] = std::array::from_fn(|i| start[i].clamp(bounds.low[i], bounds.high[i]));
    let mut square_scale = 1.0;
    let mut normal = evaluate(&x, square_scale);
    let mut damping = 1e-3;
    let mut converged = false;
    let mut steps = 0;
    let mut is_scale_settled = true;
    while steps < most_steps && normal.cost.is_finite() {
        if estimator.is_likelihood() {
            (square_scale, is_scale_settled) = noise::em_step(square_scale, normal.weighted, normal.count);
            normal = evaluate(&x, square_scale);
        }
        steps += 1;
        let Some((trial, next)) = step(&x, &normal, bounds, &mut damping, |x| evaluate(x, square_scale)) else {
            if is_scale_settled {
                converged = true;
                break;
            }
            damping = 1e-3;
            continue;
        };
        let gain = normal.cost - next.cost;
        (x, normal) = (trial, next);
        damping *= 0.2;
        if is_scale_settled && gain <= least_gain * normal.cost.abs() {
            converged = true;
            break;
        }
    }
    Solution { parameters: x, normal, steps, converged, noise_scale: square_scale.sqrt() }
}

/// The first damped step that lowers the cost, with more damping each time; none where thirty tries find none.
fn step<const N: usize>(
    x: &[f64; N],
    normal: &Normal<N>,
    bounds: &Bounds<N>,
    damping: &mut f64,
    mut evaluate: impl FnMut(&[f64; N]) -> Normal<N>,
) -> Option<([f64; N], Normal<N>)> {
    const TRIES: usize = 30;
    let (mut hessian, mut gradient) = (normal.hessian, normal.gradient);
    for i in 0..N {
        let is_held = (x[i] <= bounds.low[i] && gradient[i] > 0.0) || (x[i] >= bounds.high[i] && gradient[i] < 0.0);
        if is_held || hessian[i][i] <= 0.0 {
            gradient[i] = 0.0;
            for j in 0..N {
                hessian[i][j] = 0.0;
                hessian[j][i] = 0.0;
            }
            hessian[i][i] = 1.0;
        }
    }
    for _ in 0..TRIES {
        let mut damped = hessian;
        for i in 0..N {
            damped[i][i] *= 1.0 + *damping;
        }
        if let Some(change) = solve_scaled(&damped, &gradient) {
            let trial: [f64; N] = std::array::from_fn(|i| (x[i] - change[i]).clamp(bounds.low[i], bounds.high[i]));
            if trial == *x {
                return None;
            }
            let next = evaluate(&trial);
            if next.cost < normal.cost {
                return Some((trial, next));
            }
        }
        *damping = (*damping * 6.0).max(1e-7);
    }
    None
}
