//! The fit of slices over the blocks of a device: the twin's grid, bounds and steps, one slice a block of 64 threads.
//!
//! Method    each thread takes a point of the grid; then a pass over the quotes is shared by the threads, its sums are added up, and the
//!           first thread decides: it solves, steps, and tells the others where to look next. All of a block so take the same branches
//! Shapes    quotes [3][quotes] k, centre, inverse half width; offsets [slices + 1]; frames [11][slices] in the order of `Frame::numbers`;
//!           fits [7][slices] a, p, q, m, ln σ, Σr², least g; ends [2][slices] evaluations, 1 where converged
//! Domain    slices that have a frame: the others never go up, so that statuses are one and the same on every device
//! Accuracy  tolerance.rs: DEVICE_SURFACE_MISS and what follows it
//!
//! A block a slice reads its quotes side by side, and some thousand slices fill a large GPU. Of slices with few quotes half of the threads
//! idle in a pass: there a plane of 32 a slice, which needs no barrier of the block, would do better.

use cubecl::prelude::*;

use super::explicit_kernel::{Wings, best, linear_sums, misses, summed};
use super::frame::DAMPING_FLOOR;
use super::lanes::{LINEAR, NORMAL};
use super::start::{LEAST_WIDTH, LN_2, LN_LEAST_WIDTH, M_MARGIN, M_STEPS, SIDE, START_QUOTES};
use super::step_kernel::{
    ENTRIES, PARAMETERS, Slice, hold, hold_at_bound, into_box, least_a, solve, stop_at_bound, tie,
};
use super::twin::{
    BEYOND, DAMPING, EVALUATIONS, G_POINTS, GAIN, LEAST_DAMPING, LEAST_SQUARE, LESS, MET, MORE, MOST_DAMPING, UNKNOWN,
    place,
};
use crate::math::grid::BLOCK_THREADS;
use crate::math::kernel::exp;
use crate::math::reduction::{add_lanes, shared_elements};
use crate::surface::svi::wings::MOST_SLOPE;

/// Numbers of a fit.
pub(super) const FITS: usize = 7;
/// Numbers of its end.
pub(super) const ENDS: usize = 2;
/// Threads of a block, each a point of the grid.
const THREADS: usize = BLOCK_THREADS as usize;

/// The m and ln σ of a point of the grid.
#[cube]
fn grid_point(slice: Slice, point: u32) -> (f64, f64, f64) {
    let column = point / comptime!(SIDE as u32);
    let width = point % comptime!(SIDE as u32);
    let mut m_step = comptime!(M_STEPS[0]).runtime();
    #[unroll]
    for i in 1..comptime!(SIDE as u32) {
        m_step = select(column == i, comptime!(M_STEPS[i as usize]), m_step);
    }
    let margin = M_MARGIN * (slice.last - slice.first);
    let m = min(max(m_step * slice.deviation, slice.first - margin), slice.last + margin);
    let sigma = LEAST_WIDTH * f64::cast_from(1u32 << width) * slice.deviation;
    (m, slice.ln_deviation + (LN_LEAST_WIDTH + LN_2 * f64::cast_from(width)), sigma)
}

/// Puts the sums of the normal equations over a thread's quotes into `sums`.
#[cube]
fn normal_sums(quotes: &Array<f64>, all: usize, slice: Slice, at: Wings, sigma: f64, sums: &mut Array<f64>) {
    #[unroll]
    for i in 0..comptime!(NORMAL) {
        sums[i] = 0.0f64;
    }
    let sigma_square = sigma * sigma;
    let tilt = 0.5f64 * (at.q - at.p);
    let half_sum = 0.5f64 * (at.p + at.q);
    let mut by = Array::<f64>::new(comptime!(PARAMETERS));
    let mut i = slice.from + UNIT_POS as usize;
    while i < slice.to {
        let x = quotes[i] - at.m;
        let root = (x * x + sigma_square).sqrt();
        let inverse = 1.0f64 / root;
        let inverse_half = quotes[2 * all + i];
        let w = at.a + tilt * x + half_sum * root;
        let r = (w - quotes[all + i]) * inverse_half;
        by[0] = inverse_half;
        by[1] = 0.5f64 * (root - x) * inverse_half;
        by[2] = 0.5f64 * (root + x) * inverse_half;
        by[3] = -(tilt + half_sum * x * inverse) * inverse_half;
        by[4] = half_sum * sigma_square * inverse * inverse_half;
        sums[0] += r * r;
        #[unroll]
        for row in 0..comptime!(PARAMETERS) {
            sums[comptime!(1 + row)] += by[row] * r;
            #[unroll]
            for column in 0..comptime!(row + 1) {
                sums[comptime!(1 + PARAMETERS + place(row, column))] += by[row] * by[column];
            }
        }
        i += comptime!(THREADS);
    }
}

/// The point that the first thread shares with its block.
#[cube]
fn shared_point(point: &SharedMemory<f64>) -> Wings {
    Wings { a: point[0], p: point[1], q: point[2], m: point[3], ln_sigma: point[4] }
}

/// Shares a point with the block.
#[cube]
fn share(point: &mut SharedMemory<f64>, at: Wings) {
    point[0] = at.a;
    point[1] = at.p;
    point[2] = at.q;
    point[3] = at.m;
    point[4] = at.ln_sigma;
}

/// Keeps a point in an array, since a structure cannot be assigned.
#[cube]
fn keep(here: &mut Array<f64>, at: Wings) {
    here[0] = at.a;
    here[1] = at.p;
    here[2] = at.q;
    here[3] = at.m;
    here[4] = at.ln_sigma;
}

/// The point that is kept.
#[cube]
fn kept(here: &Array<f64>) -> Wings {
    Wings { a: here[0], p: here[1], q: here[2], m: here[3], ln_sigma: here[4] }
}

/// Durrleman's g(k) where w > 0.
#[cube]
fn durrleman_g(at: Wings, sigma: f64, k: f64) -> f64 {
    let tilt = 0.5f64 * (at.q - at.p);
    let half_sum = 0.5f64 * (at.p + at.q);
    let x = k - at.m;
    let sigma_square = sigma * sigma;
    let root = (x * x + sigma_square).sqrt();
    let inverse = 1.0f64 / root;
    let inverse_w = 1.0f64 / (at.a + tilt * x + half_sum * root);
    let slope = tilt + half_sum * x * inverse;
    let bend = half_sum * sigma_square * inverse * inverse * inverse;
    let lead = 1.0f64 - 0.5f64 * k * slope * inverse_w;
    lead * lead - 0.25f64 * slope * slope * (inverse_w + 0.25f64) + 0.5f64 * bend
}

/// Fits a slice a block.
#[cube(launch_unchecked)]
pub(super) fn fit(
    quotes: &Array<f64>,
    offsets: &Array<u32>,
    frames: &Array<f64>,
    fits: &mut Array<f64>,
    ends: &mut Array<u32>,
    quote_count: u32,
    slices: u32,
    #[comptime] plane_size: u32,
) {
    let all = quote_count as usize;
    let n = slices as usize;
    let index = CUBE_POS;
    let slice = Slice {
        level: frames[index],
        deviation: frames[n + index],
        ln_deviation: frames[2 * n + index],
        first: frames[3 * n + index],
        last: frames[4 * n + index],
        least_variance: frames[5 * n + index],
        most_a: frames[6 * n + index],
        m_low: frames[7 * n + index],
        m_high: frames[8 * n + index],
        ln_sigma_low: frames[9 * n + index],
        ln_sigma_high: frames[10 * n + index],
        from: offsets[index] as usize,
        to: offsets[index + 1] as usize,
    };
    let unit = UNIT_POS as usize;
    let quotes_here = slice.to - slice.from;
    let count = f64::cast_from(quotes_here as u32);
    let mut shared = SharedMemory::<f64>::new(comptime!(shared_elements(NORMAL, BLOCK_THREADS, plane_size)));
    let mut grid = SharedMemory::<f64>::new(comptime!(4 * THREADS));
    let mut point = SharedMemory::<f64>::new(comptime!(PARAMETERS));
    let mut go_on = SharedMemory::<u32>::new(1usize);
    let mut sums = Array::<f64>::new(comptime!(NORMAL));

    // The grid, a point a thread.
    let (m, ln_sigma, sigma) = grid_point(slice, UNIT_POS);
    let flat = Wings { a: slice.level, p: 0.0f64.runtime(), q: 0.0f64.runtime(), m, ln_sigma };
    let step = max(quotes_here.div_ceil(comptime!(START_QUOTES)), 1usize);
    let thinned_from = slice.from + (quotes_here - 1) % step / 2;
    linear_sums(quotes, all, thinned_from, slice.to, step, flat, sigma, &mut sums);
    let of_point = summed(&sums, flat);
    let there = best(of_point, sigma, slice.least_variance);
    grid[unit] = misses(of_point, there);
    grid[comptime!(THREADS) + unit] = there.a;
    grid[comptime!(2 * THREADS) + unit] = there.p;
    grid[comptime!(3 * THREADS) + unit] = there.q;
    sync_cube();

    // What follows is the first thread's: where the descent is, its normal equations there, and what it takes for the next step.
    let mut here = Array::<f64>::new(comptime!(PARAMETERS));
    let mut value = UNKNOWN.runtime();
    let mut promised = UNKNOWN.runtime();
    let mut damping = DAMPING.runtime();
    let mut evaluations = 0u32;
    let mut converged = false.runtime();
    let mut at = Array::<f64>::new(comptime!(NORMAL));
    let mut g = Array::<f64>::new(comptime!(PARAMETERS));
    let mut h = Array::<f64>::new(comptime!(ENTRIES));
    let mut y = Array::<f64>::new(comptime!(PARAMETERS));
    let mut floor = Array::<f64>::new(comptime!(PARAMETERS));
    let least_damping = DAMPING_FLOOR * count;
    floor[0] = least_damping / (slice.level * slice.level);
    floor[1] = least_damping;
    floor[2] = least_damping;
    floor[3] = least_damping / slice.level;
    floor[4] = least_damping;
    if unit == 0 {
        let mut least = grid[0];
        let mut place_of_least = 0u32;
        for i in 1..comptime!(THREADS) {
            let other = grid[i];
            if other < least {
                least = other;
                place_of_least = i as u32;
            }
        }
        let of_least = place_of_least as usize;
        let (m, ln_sigma, _sigma) = grid_point(slice, place_of_least);
        let start = Wings {
            a: grid[comptime!(THREADS) + of_least],
            p: grid[comptime!(2 * THREADS) + of_least],
            q: grid[comptime!(3 * THREADS) + of_least],
            m,
            ln_sigma,
        };
        share(&mut point, into_box(slice, start, false.runtime()));
    }
    sync_cube();

    let mut running = true.runtime();
    while running {
        // The best a, p and q for the m and σ of the trial.
        let asked = shared_point(&point);
        let sigma = exp(asked.ln_sigma);
        linear_sums(quotes, all, slice.from + unit, slice.to, comptime!(THREADS), asked, sigma, &mut sums);
        add_lanes(&mut sums, &mut shared, comptime!(LINEAR), BLOCK_THREADS, plane_size);
        if unit == 0 {
            let of_trial = summed(&sums, asked);
            let settled = best(of_trial, sigma, slice.least_variance);
            if misses(of_trial, settled) < of_trial.square {
                point[0] = settled.a;
                point[1] = settled.p;
                point[2] = settled.q;
            }
        }
        sync_cube();

        let trial = shared_point(&point);
        normal_sums(quotes, all, slice, trial, sigma, &mut sums);
        add_lanes(&mut sums, &mut shared, comptime!(NORMAL), BLOCK_THREADS, plane_size);
        if unit == 0 {
            evaluations += 1;
            let gain = value - sums[0];
            if gain > 0.0f64 {
                converged = gain <= GAIN * value || sums[0] <= LEAST_SQUARE * count;
                keep(&mut here, trial);
                value = sums[0];
                #[unroll]
                for i in 0..comptime!(NORMAL) {
                    at[i] = sums[i];
                }
                damping *= LESS;
            } else {
                damping = max(damping * MORE, LEAST_DAMPING);
                converged = damping >= MOST_DAMPING;
            }
            converged = converged || promised <= GAIN * value;
            let more = !converged && evaluations < comptime!(EVALUATIONS);
            go_on[0] = select(more, 1u32, 0u32);
            let x = kept(&here);
            if more {
                #[unroll]
                for i in 0..comptime!(PARAMETERS) {
                    g[i] = at[comptime!(1 + i)];
                }
                #[unroll]
                for i in 0..comptime!(ENTRIES) {
                    h[i] = at[comptime!(1 + PARAMETERS + i)];
                }
                let least = least_a(slice, x.p, x.q, x.ln_sigma);
                let tied = x.a - least <= MET * slice.least_variance && g[0] > 0.0f64;
                if tied {
                    tie(x, &mut g, &mut h);
                } else if x.a >= slice.most_a && g[0] < 0.0f64 {
                    hold(&mut g, &mut h, 0usize);
                }
                hold_at_bound(&mut g, &mut h, x.p, 0.0f64, MOST_SLOPE, 1usize);
                hold_at_bound(&mut g, &mut h, x.q, 0.0f64, MOST_SLOPE, 2usize);
                hold_at_bound(&mut g, &mut h, x.m, slice.m_low, slice.m_high, 3usize);
                hold_at_bound(&mut g, &mut h, x.ln_sigma, slice.ln_sigma_low, slice.ln_sigma_high, 4usize);
                let mut good = solve(&h, &g, &mut y, damping, &floor);
                promised = y[0] * g[0] + y[1] * g[1] + y[2] * g[2] + y[3] * g[3] + y[4] * g[4];
                let p_out = stop_at_bound(&mut g, &mut h, x.p, y[1], 0.0f64, MOST_SLOPE, 1usize);
                let q_out = stop_at_bound(&mut g, &mut h, x.q, y[2], 0.0f64, MOST_SLOPE, 2usize);
                let m_out = stop_at_bound(&mut g, &mut h, x.m, y[3], slice.m_low, slice.m_high, 3usize);
                let (low, high) = (slice.ln_sigma_low, slice.ln_sigma_high);
                let sigma_out = stop_at_bound(&mut g, &mut h, x.ln_sigma, y[4], low, high, 4usize);
                if good && (p_out || q_out || m_out || sigma_out) {
                    good = solve(&h, &g, &mut y, damping, &floor);
                    promised = UNKNOWN;
                }
                // Without factors nothing moves, and the damping grows.
                promised = select(good, promised, UNKNOWN);
                let moved = Wings {
                    a: x.a - select(good, y[0], 0.0f64),
                    p: x.p - select(good, y[1], 0.0f64),
                    q: x.q - select(good, y[2], 0.0f64),
                    m: x.m - select(good, y[3], 0.0f64),
                    ln_sigma: x.ln_sigma - select(good, y[4], 0.0f64),
                };
                share(&mut point, into_box(slice, moved, tied));
            } else {
                share(&mut point, x);
            }
        }
        sync_cube();
        running = go_on[0] == 1u32;
    }

    // The least g over the grid.
    let end = shared_point(&point);
    let sigma = exp(end.ln_sigma);
    let span = slice.last - slice.first;
    let low = slice.first - BEYOND * span;
    let g_step = comptime!((1.0 + 2.0 * BEYOND) / (G_POINTS - 1) as f64) * span;
    let mut least_g = durrleman_g(end, sigma, low + g_step * f64::cast_from(UNIT_POS));
    #[unroll]
    for round in 1..comptime!((G_POINTS / THREADS) as u32) {
        let i = UNIT_POS + comptime!(round * BLOCK_THREADS);
        least_g = min(least_g, durrleman_g(end, sigma, low + g_step * f64::cast_from(i)));
    }
    grid[unit] = least_g;
    sync_cube();
    if unit == 0 {
        for i in 1..comptime!(THREADS) {
            least_g = min(least_g, grid[i]);
        }
        fits[index] = end.a;
        fits[n + index] = end.p;
        fits[2 * n + index] = end.q;
        fits[3 * n + index] = end.m;
        fits[4 * n + index] = end.ln_sigma;
        fits[5 * n + index] = value;
        fits[6 * n + index] = least_g;
        ends[index] = evaluations;
        ends[n + index] = select(converged, 1u32, 0u32);
    }
}

/// The CUDA sources of this file, by planes of 32 and through shared memory.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    for (name, plane_size) in [("surface_slices_planes", 32), ("surface_slices_shared", 0)] {
        let client = session.client().clone();
        let kernel =
            fit::Fit::<R>::new(settings(), client, array(), array(), array(), array(), array(), (), (), plane_size);
        out.push((name.into(), source(kernel)));
    }
}
