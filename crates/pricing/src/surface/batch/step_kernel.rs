//! The step of a descent on a device, by one thread of a block: as in `twin.rs`.

use cubecl::prelude::*;

use super::explicit_kernel::{Wings, in_bounds};
use super::twin::{TIED_SLOPE, place};
use crate::math::kernel::exp;

/// Parameters.
pub(super) const PARAMETERS: usize = 5;
/// Entries of the lower triangle of their matrix.
pub(super) const ENTRIES: usize = 15;

/// A slice's scales and bounds, and where its quotes are.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Slice {
    pub level: f64,
    pub deviation: f64,
    pub ln_deviation: f64,
    pub first: f64,
    pub last: f64,
    pub least_variance: f64,
    pub most_a: f64,
    pub m_low: f64,
    pub m_high: f64,
    pub ln_sigma_low: f64,
    pub ln_sigma_high: f64,
    pub from: usize,
    pub to: usize,
}

/// The least a that leaves the least variance.
#[cube]
pub(super) fn least_a(slice: Slice, p: f64, q: f64, ln_sigma: f64) -> f64 {
    slice.least_variance - exp(ln_sigma) * (p * q).sqrt()
}

/// Puts a point into the box; `tied` puts a to the least that it may be.
#[cube]
pub(super) fn into_box(slice: Slice, at: Wings, tied: bool) -> Wings {
    let p = in_bounds(at.p);
    let q = in_bounds(at.q);
    let m = min(max(at.m, slice.m_low), slice.m_high);
    let ln_sigma = min(max(at.ln_sigma, slice.ln_sigma_low), slice.ln_sigma_high);
    let least = least_a(slice, p, q, ln_sigma);
    Wings { a: select(tied, least, max(min(at.a, slice.most_a), least)), p, q, m, ln_sigma }
}

/// Takes parameter i out of the system.
#[cube]
pub(super) fn hold(g: &mut Array<f64>, h: &mut Array<f64>, #[comptime] i: usize) {
    g[i] = 0.0f64;
    #[unroll]
    for j in 0..comptime!(PARAMETERS) {
        h[comptime!(place(i.max(j), i.min(j)))] = 0.0f64;
    }
    h[comptime!(place(i, i))] = 1.0f64;
}

/// Takes parameter i out where it is at a bound that the descent would cross.
#[cube]
pub(super) fn hold_at_bound(g: &mut Array<f64>, h: &mut Array<f64>, x: f64, low: f64, high: f64, #[comptime] i: usize) {
    if (x <= low && g[i] > 0.0f64) || (x >= high && g[i] < 0.0f64) {
        hold(g, h, i);
    }
}

/// Takes a out of the system: it falls with the other parameters as the bound on the least variance lets it.
#[cube]
pub(super) fn tie(at: Wings, g: &mut Array<f64>, h: &mut Array<f64>) {
    let sigma = exp(at.ln_sigma);
    let p = max(at.p, TIED_SLOPE);
    let q = max(at.q, TIED_SLOPE);
    let root = (p * q).sqrt();
    let mut by = Array::<f64>::new(comptime!(PARAMETERS));
    by[1] = -0.5f64 * sigma * root / p;
    by[2] = -0.5f64 * sigma * root / q;
    by[3] = 0.0f64;
    by[4] = -sigma * root;
    #[unroll]
    for i in 1..comptime!(PARAMETERS) {
        g[i] += by[i] * g[0];
        #[unroll]
        for j in 1..comptime!(i + 1) {
            let column = h[comptime!(place(j, 0))];
            let row = h[comptime!(place(i, 0))];
            h[comptime!(place(i, j))] += by[i] * column + by[j] * row + by[i] * by[j] * h[0];
        }
    }
    hold(g, h, 0usize);
}

/// The damped step by Cholesky's factors of the matrix in y; whether there are any.
#[cube]
pub(super) fn solve(matrix: &Array<f64>, g: &Array<f64>, y: &mut Array<f64>, damping: f64, floor: &Array<f64>) -> bool {
    let mut good = true.runtime();
    let mut h = Array::<f64>::new(comptime!(ENTRIES));
    #[unroll]
    for i in 0..comptime!(ENTRIES) {
        h[i] = matrix[i];
    }
    #[unroll]
    for i in 0..comptime!(PARAMETERS) {
        y[i] = g[i];
    }
    #[unroll]
    for i in 0..comptime!(PARAMETERS) {
        #[unroll]
        for j in 0..comptime!(i + 1) {
            let entry = h[comptime!(place(i, j))];
            let mut sum = entry;
            if comptime!(i == j) {
                sum += damping * entry + floor[i];
            }
            #[unroll]
            for t in 0..comptime!(j) {
                sum -= h[comptime!(place(i, t))] * h[comptime!(place(j, t))];
            }
            if comptime!(i == j) {
                good = good && sum > 0.0f64;
                // The inverse of the root is kept on the diagonal.
                h[comptime!(place(i, i))] = 1.0f64 / select(sum > 0.0f64, sum, 1.0f64).sqrt();
            } else {
                h[comptime!(place(i, j))] = sum * h[comptime!(place(j, j))];
            }
        }
        #[unroll]
        for t in 0..comptime!(i) {
            y[i] -= h[comptime!(place(i, t))] * y[t];
        }
        y[i] *= h[comptime!(place(i, i))];
    }
    #[unroll]
    for back in 0..comptime!(PARAMETERS) {
        let i = comptime!(PARAMETERS - 1 - back);
        #[unroll]
        for t in comptime!(i + 1)..comptime!(PARAMETERS) {
            y[i] -= h[comptime!(place(t, i))] * y[t];
        }
        y[i] *= h[comptime!(place(i, i))];
    }
    good
}

/// Where a step leaves the box in parameter i, puts that to its bound; whether it did.
#[cube]
pub(super) fn stop_at_bound(
    g: &mut Array<f64>,
    h: &mut Array<f64>,
    x: f64,
    step: f64,
    low: f64,
    high: f64,
    #[comptime] i: usize,
) -> bool {
    let to = x - step;
    let out = to < low || to > high;
    if out {
        let by = x - min(max(to, low), high);
        #[unroll]
        for j in 0..comptime!(PARAMETERS) {
            g[j] -= h[comptime!(place(i.max(j), i.min(j)))] * by;
        }
        hold(g, h, i);
        g[i] = by;
    }
    out
}
