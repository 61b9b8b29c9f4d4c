//! The exercise boundary and the premium over it, a put a block of 64 threads: the Newton steps of `boundary` and the sums of `premium`.
//!
//! Method    points of the boundary's integrals are shared by the threads, some rows of Newton's matrix at a time; then the entries of those
//!           rows; then the elimination (Gauss and Jordan, so that nothing is left to substitute), a barrier a pivot. The premium's points
//!           are shared as well. Everything lies in shared memory; all of a block take the same branches
//! Shapes    jobs [5][n] in the order of `JOB`; guess [nodes][n]; tables in the order of `Shape`; answers [4][n] the premium, S times its
//!           derivative by S, S² times its second, −ln(B/X) at the expiry's distance; flags [n], 1 where Newton's method did not settle
//! Formula   the lanes' (lanes.rs), whose terms are those of the twin
//! Accuracy  tolerance.rs: device/American

use cubecl::prelude::*;

use super::shape::{Shape, THREADS};
use crate::american::boundary::{FLOOR_SHARE, MORE_STEPS, STEP_SHARE};
use crate::math::FRAC_1_SQRT_2PI;
use crate::math::grid::BLOCK_THREADS;
use crate::math::kernel::{exp, is_up_to, is_within, mills};
use crate::math::reduction::{add_lanes, shared_elements};

/// Numbers of an answer.
pub(super) const ANSWERS: usize = 4;
/// Quantities of the premium.
const SUMS: usize = 3;
/// Beyond this |d| the density is 0.
const D_MAX: f64 = 64.0;
/// What a boundary that is a number is within.
const LEAST_Y: f64 = 1e-300;
const MOST_Y: f64 = 1e300;

/// A put's terms.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Put {
    pub rate: f64,
    pub dividend: f64,
    pub deviation: f64,
    pub log_end: f64,
    pub log_spot: f64,
}

#[cube]
pub(super) fn put_of(jobs: &Array<f64>, n: usize, i: usize) -> Put {
    Put {
        rate: jobs[i],
        dividend: jobs[n + i],
        deviation: jobs[2 * n + i],
        log_end: jobs[3 * n + i],
        log_spot: jobs[4 * n + i],
    }
}

/// |d|, kept where Mills' polynomials are numbers.
#[cube]
pub(super) fn bounded(d: f64) -> f64 {
    min(d.abs(), D_MAX)
}

/// What a point of a node's integral adds: to the residual, to its derivative by the node's own y, and by H at the point.
#[derive(CubeType, Clone, Copy)]
struct Added {
    sum: f64,
    own: f64,
    slope: f64,
}

/// The rule's numbers of a point.
#[derive(CubeType, Clone, Copy)]
struct Point {
    sin: f64,
    cos: f64,
    weight: f64,
}

/// A point of the integral at a node; `square` is H there.
#[cube]
fn at_point(put: Put, root: f64, y: f64, point: Point, square: f64) -> Added {
    let time = root * root;
    let share = time * point.weight;
    let s = time * point.sin * point.sin;
    let v = put.deviation * root * point.sin;
    let one_over_v = 1.0f64 / v;
    let strike = put.rate * exp(y - put.log_end);
    let floor = FLOOR_SHARE * point.cos * y;
    let moves = square > floor * floor;
    let inner = select(moves, square.sqrt(), floor);
    let d_minus = (inner - y + (put.rate - put.dividend) * s) * one_over_v - 0.5f64 * v;
    let d_plus = d_minus + v;
    let ratio = exp(y - inner);
    let density = FRAC_1_SQRT_2PI * exp(-(0.5f64 * d_minus * d_minus) - put.rate * s);
    let weighted = share * one_over_v * density;
    let gain = weighted * (strike - put.dividend * ratio);
    let tail = density * ratio * mills(bounded(d_plus)).ratio;
    let part = select(d_plus > 0.0f64, exp(-(put.dividend * s)) - tail, tail);
    let slope = gain * d_minus * one_over_v;
    let still = select(moves, 0.0f64, slope * FLOOR_SHARE * point.cos);
    Added {
        sum: gain - put.dividend * share * part,
        own: weighted * strike + slope - still,
        slope: select(moves, -(slope / inner), 0.0f64),
    }
}

/// The term at the node's own time.
#[cube]
fn at_node(put: Put, root: f64, y: f64) -> Added {
    let time = root * root;
    let v = put.deviation * root;
    let forward = exp(-(put.dividend * time));
    let d_plus = (put.log_end - y + (put.rate - put.dividend) * time) / v + 0.5f64 * v;
    let density = forward * FRAC_1_SQRT_2PI * exp(-(0.5f64 * d_plus * d_plus));
    let tail = density * mills(bounded(d_plus)).ratio;
    Added { sum: select(d_plus > 0.0f64, tail - forward, -tail), own: density / v, slope: 0.0f64.runtime() }
}

/// H at a point whose weights begin at `from`.
#[cube]
fn interpolated(tables: &Array<f64>, from: usize, squares: &SharedMemory<f64>, #[comptime] nodes: usize) -> f64 {
    let mut sum = 0.0f64.runtime();
    for j in 0..nodes {
        sum += tables[from + j] * squares[j];
    }
    sum
}

/// Whether the last step was small and every y is a number.
#[cube]
fn is_settled(
    y: &SharedMemory<f64>,
    moved: &SharedMemory<f64>,
    deviation: f64,
    settled: f64,
    #[comptime] nodes: usize,
) -> bool {
    let most = settled * min(deviation, y[comptime!(nodes - 1)]);
    let mut good = true.runtime();
    for i in 0..nodes {
        good = good && is_within(y[i], LEAST_Y, MOST_Y) && is_up_to(moved[i], most);
    }
    good
}

/// Newton's steps from the guess, and the premium over the boundary that they find.
#[cube(launch_unchecked)]
pub(super) fn value(
    jobs: &Array<f64>,
    guess: &Array<f64>,
    tables: &Array<f64>,
    answers: &mut Array<f64>,
    flags: &mut Array<u32>,
    count: u32,
    settled: f64,
    #[comptime] shape: Shape,
    #[comptime] plane_size: u32,
) {
    let all = count as usize;
    let job = CUBE_POS;
    let unit = UNIT_POS as usize;
    let nodes = comptime!(shape.nodes);
    let rows = comptime!(shape.rows_at_once());
    let width = comptime!(nodes + 1);
    let threads = comptime!(THREADS);
    let mut y = SharedMemory::<f64>::new(nodes);
    let mut squares = SharedMemory::<f64>::new(nodes);
    let mut moved = SharedMemory::<f64>::new(nodes);
    let mut matrix = SharedMemory::<f64>::new(comptime!(nodes * (nodes + 1)));
    // By row of those at once: the points of its integral, then the term at the node.
    let mut sum = SharedMemory::<f64>::new(comptime!(shape.added_at_once()));
    let mut own = SharedMemory::<f64>::new(comptime!(shape.added_at_once()));
    let mut slope = SharedMemory::<f64>::new(comptime!(shape.added_at_once()));
    let mut shared = SharedMemory::<f64>::new(comptime!(shared_elements(SUMS, BLOCK_THREADS, plane_size)));
    let put = put_of(jobs, all, job);

    let mut at = unit;
    while at < nodes {
        y[at] = guess[at * all + job];
        at += threads;
    }
    sync_cube();

    let mut step = 0u32.runtime();
    let mut limit = comptime!(shape.steps).runtime();
    while step < limit {
        // The first step's integrals have fewer points.
        let mut points = comptime!(shape.first_points).runtime();
        let mut integral = comptime!(shape.first_integral()).runtime();
        if step > 0u32 {
            points = comptime!(shape.points).runtime();
            integral = comptime!(shape.integral()).runtime();
        }
        let mut at = unit;
        while at < nodes {
            squares[at] = y[at] * y[at];
            at += threads;
        }
        sync_cube();
        for group in 0..comptime!(nodes.div_ceil(rows)) {
            let first = group * rows;
            let mut at = unit;
            while at < rows * (points + 1) {
                let row = at / (points + 1);
                let point = at % (points + 1);
                let i = first + row;
                if i < nodes {
                    let root = tables[i];
                    if point < points {
                        let rule = Point {
                            sin: tables[integral + point],
                            cos: tables[integral + points + point],
                            weight: tables[integral + 2 * points + point],
                        };
                        let from = integral + 3 * points + (i * points + point) * nodes;
                        let added = at_point(put, root, y[i], rule, interpolated(tables, from, &squares, nodes));
                        sum[at] = added.sum;
                        own[at] = added.own;
                        slope[at] = added.slope;
                    } else {
                        let added = at_node(put, root, y[i]);
                        sum[at] = added.sum;
                        own[at] = added.own;
                    }
                }
                at += threads;
            }
            sync_cube();
            let mut at = unit;
            while at < comptime!(rows * (nodes + 1)) {
                let row = at / width;
                let column = at % width;
                let i = first + row;
                let from = row * (points + 1);
                if i < nodes {
                    let mut entry = 0.0f64.runtime();
                    if column < nodes {
                        let weights = integral + 3 * points + i * points * nodes + column;
                        for k in 0..points {
                            entry += tables[weights + k * nodes] * slope[from + k];
                        }
                        entry *= y[column];
                        if column == i {
                            for k in 0..points + 1 {
                                entry += own[from + k];
                            }
                        }
                    } else {
                        for k in 0..points + 1 {
                            entry += sum[from + k];
                        }
                    }
                    matrix[i * width + column] = entry;
                }
                at += threads;
            }
            sync_cube();
        }
        // What a stage reads (the pivot's row and column) it does not write.
        for pivot in 0..nodes {
            let inverse = 1.0f64 / matrix[pivot * width + pivot];
            let mut at = unit;
            while at < comptime!(nodes * (nodes + 1)) {
                let row = at / width;
                let column = at % width;
                if row != pivot && column > pivot {
                    let factor = matrix[row * width + pivot] * inverse;
                    matrix[at] -= factor * matrix[pivot * width + column];
                }
                at += threads;
            }
            sync_cube();
        }
        let mut at = unit;
        while at < nodes {
            let most = STEP_SHARE * y[at];
            let change = matrix[at * width + nodes] / matrix[at * width + at];
            let limited = max(min(change, most), -most);
            y[at] -= limited;
            moved[at] = limited.abs();
            at += threads;
        }
        sync_cube();
        step += 1u32;
        // Some more where the scheme's steps were not enough: as the lanes take them.
        if step == comptime!(shape.steps) && !is_settled(&y, &moved, put.deviation, settled, nodes) {
            limit = comptime!(shape.steps + MORE_STEPS as u32).runtime();
        }
    }

    let mut at = unit;
    while at < nodes {
        squares[at] = y[at] * y[at];
        at += threads;
    }
    sync_cube();
    let last = y[comptime!(nodes - 1)];
    let inverse = 1.0f64 / put.deviation;
    let spot = exp(put.log_spot);
    let mut sums = Array::<f64>::new(comptime!(SUMS));
    sums[0] = 0.0f64;
    sums[1] = 0.0f64;
    sums[2] = 0.0f64;
    let mut k = unit;
    while k < comptime!(shape.premium_points) {
        let sin = tables[comptime!(shape.premium_sin()) + k];
        let cos = tables[comptime!(shape.premium_cos()) + k];
        let share = tables[comptime!(shape.premium_weight()) + k];
        let s = sin * sin;
        let floor = FLOOR_SHARE * cos * last;
        let square = interpolated(tables, comptime!(shape.premium_node_weight()) + k * nodes, &squares, nodes);
        let inner = select(square > floor * floor, square.sqrt(), floor);
        let one_over_v = inverse / sin;
        let v = put.deviation * sin;
        let distance = put.log_spot - put.log_end + inner;
        let d_minus = ((put.rate - put.dividend) * s + distance) * one_over_v - 0.5f64 * v;
        let d_plus = d_minus + v;
        let density = FRAC_1_SQRT_2PI * exp(-(0.5f64 * d_minus * d_minus) - put.rate * s);
        let boundary = exp(put.log_end - inner);
        let cash_tail = density * mills(bounded(d_minus)).ratio;
        let stock_tail = density * boundary * mills(bounded(d_plus)).ratio;
        let discount = exp(-(put.rate * s));
        let carried = spot * exp(-(put.dividend * s));
        let cash = put.rate * select(d_minus > 0.0f64, cash_tail, discount - cash_tail);
        let stock = put.dividend * select(d_plus > 0.0f64, stock_tail, carried - stock_tail);
        let weighted = density * one_over_v;
        let gain = weighted * (put.rate - put.dividend * boundary);
        sums[0] += share * (cash - stock);
        sums[1] -= share * (gain + stock);
        sums[2] += share * (gain * d_minus * one_over_v + weighted * put.rate);
        k += threads;
    }
    add_lanes(&mut sums, &mut shared, SUMS, BLOCK_THREADS, plane_size);
    if unit == 0 {
        answers[job] = sums[0];
        answers[all + job] = sums[1];
        answers[2 * all + job] = sums[2];
        answers[3 * all + job] = last;
        flags[job] = select(is_settled(&y, &moved, put.deviation, settled, nodes), 0u32, 1u32);
    }
}

/// The CUDA sources of this file, by planes of 32 and through shared memory.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    for (name, plane_size) in [("american_planes", 32), ("american_shared", 0)] {
        let client = session.client().clone();
        let shape = Shape { nodes: 11, points: 14, first_points: 7, premium_points: 32, steps: 2 };
        let kernel = value::Value::<R>::new(
            settings(),
            client,
            array(),
            array(),
            array(),
            array(),
            array(),
            (),
            (),
            shape,
            plane_size,
        );
        out.push((name.into(), source(kernel)));
    }
}
