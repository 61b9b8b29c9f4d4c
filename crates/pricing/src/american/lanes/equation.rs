//! The boundary's equation at a node, and its derivatives by all nodes, of eight puts at a time.
//!
//! Method   Loops over lanes read and write arrays of their own, never the scratch room: where a compiler must suppose that what is written
//!          may be what is read, the loop is not vectorised, and takes three times as long

use super::algebra::{interpolate, transpose_sum};
use super::{Group, LANES, Lane, Scratch, bounded, exp_at_least};
use crate::american::accuracy::{Integral, Points};
use crate::american::boundary::FLOOR_SHARE;
use crate::math::{FRAC_1_SQRT_2PI, MultiplyAdd, mills, mills_parts};

/// What the points of a node's integral share.
struct Node {
    root: f64,
    y: Lane,
    /// r/B(τ).
    strike: Lane,
    /// 1/(σ√τ).
    inverse: Lane,
}

/// A point of a node's integral.
struct Point {
    /// s.
    time: f64,
    /// √(s/τ), and its inverse.
    sin: f64,
    one_over_sin: f64,
    /// ds.
    share: f64,
    /// Least ln(B(u)/X) as a share of that at the node.
    floor: f64,
}

impl Point {
    #[inline(always)]
    fn new(points: &Points, k: usize, root: f64) -> Self {
        let (sin, time) = (points.sin[k], root * root);
        let share = time * points.weight[k];
        Self { time: time * sin * sin, sin, one_over_sin: 1.0 / sin, share, floor: FLOOR_SHARE * points.cos[k] }
    }
}

/// What a point adds: to the residual, to its derivative by the node's own y, and by H at the point.
struct Added {
    sum: Lane,
    own: Lane,
    by_square: Lane,
}

impl Group {
    /// e^(−qs) at the points of all nodes, whose √τ are given.
    #[inline(always)]
    pub(super) fn carried<M: MultiplyAdd>(&self, root: &[f64], points: &Points, carried: &mut Vec<Lane>) {
        let sin = &points.sin;
        carried.resize(root.len() * sin.len(), [0.0; LANES]);
        let dividend = self.dividend;
        for (root, carried) in root.iter().zip(carried.chunks_exact_mut(sin.len())) {
            for (sin, carried) in sin.iter().zip(carried) {
                let s = root * root * sin * sin;
                let mut values = [0.0; LANES];
                for lane in 0..LANES {
                    values[lane] = exp_at_least::<M>(-dividend[lane] * s);
                }
                *carried = values;
            }
        }
    }

    /// Row i of Newton's matrix and its right side; see the twin.
    #[inline(always)]
    pub(super) fn residual<M: MultiplyAdd>(&self, root: &[f64], integral: &Integral, i: usize, scratch: &mut Scratch) {
        let n = root.len();
        let count = integral.points.sin.len();
        let weights = &integral.weight[i * count * n..][..count * n];
        interpolate::<M>(weights, &scratch.squares[..n], &mut scratch.points[..count]);
        let (node, [mut sum, mut own]) = self.node::<M>(root[i], &scratch.y[i]);
        let carried = &scratch.carried[i * count..][..count];
        for (k, (square, carried)) in scratch.points[..count].iter_mut().zip(carried).enumerate() {
            let added = self.point::<M>(&node, &Point::new(&integral.points, k, node.root), square, carried);
            for lane in 0..LANES {
                sum[lane] += added.sum[lane];
                own[lane] += added.own[lane];
            }
            *square = added.by_square;
        }
        let row = &mut scratch.matrix[i * n..][..n];
        transpose_sum::<M>(weights, &scratch.points[..count], row);
        for (entry, y) in row.iter_mut().zip(&scratch.y[..n]) {
            for lane in 0..LANES {
                entry[lane] *= y[lane];
            }
        }
        for lane in 0..LANES {
            row[i][lane] += own[lane];
        }
        scratch.right[i] = sum;
    }

    /// A node, and what its own time adds to the residual and to its derivative.
    #[inline(always)]
    fn node<M: MultiplyAdd>(&self, root: f64, y: &Lane) -> (Node, [Lane; 2]) {
        let (rate, dividend, deviation, log_end, y) = (self.rate, self.dividend, self.deviation, self.log_end, *y);
        let mut node = Node { root, y, strike: [0.0; LANES], inverse: [0.0; LANES] };
        let (mut sum, mut own) = ([0.0; LANES], [0.0; LANES]);
        let time = root * root;
        for lane in 0..LANES {
            let v = deviation[lane] * root;
            let inverse = 1.0 / v;
            let forward = exp_at_least::<M>(-dividend[lane] * time);
            let d_plus = (log_end[lane] - y[lane] + (rate[lane] - dividend[lane]) * time) * inverse + 0.5 * v;
            let density = forward * FRAC_1_SQRT_2PI * exp_at_least::<M>(-0.5 * d_plus * d_plus);
            let tail = density * mills::<M>(bounded(d_plus));
            sum[lane] = if d_plus > 0.0 { tail - forward } else { -tail };
            own[lane] = density * inverse;
            node.strike[lane] = rate[lane] * exp_at_least::<M>(y[lane] - log_end[lane]);
            node.inverse[lane] = inverse;
        }
        (node, [sum, own])
    }

    /// A point; `square` is H there.
    #[inline(always)]
    fn point<M: MultiplyAdd>(&self, node: &Node, at: &Point, square: &Lane, carried: &Lane) -> Added {
        let (rate, dividend, deviation) = (self.rate, self.dividend, self.deviation);
        let (y, strike, inverse, square, carried) = (node.y, node.strike, node.inverse, *square, *carried);
        let (mut sum, mut own, mut by_square) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let (rate, dividend) = (rate[lane], dividend[lane]);
            let floor = at.floor * y[lane];
            let least = floor * floor;
            let moves = square[lane] > least;
            let inner = if moves { square[lane] } else { least }.sqrt();
            let one_over_v = inverse[lane] * at.one_over_sin;
            let v = deviation[lane] * (node.root * at.sin);
            let drifted = M::multiply_add(rate - dividend, at.time, inner - y[lane]);
            let d_minus = M::multiply_add(drifted, one_over_v, -0.5 * v);
            let d_plus = d_minus + v;
            let ratio = exp_at_least::<M>(y[lane] - inner);
            let exponent = M::multiply_add(-0.5 * d_minus, d_minus, -rate * at.time);
            let density = FRAC_1_SQRT_2PI * exp_at_least::<M>(exponent);
            let weighted = at.share * one_over_v * density;
            let gain = weighted * (strike[lane] - dividend * ratio);
            let parts = mills_parts::<M>(bounded(d_plus));
            // One division for Mills' ratio and for 1/inner.
            let quotient = 1.0 / (parts.q * inner);
            let tail = density * ratio * (parts.p * quotient * inner);
            let part = if d_plus > 0.0 { carried[lane] - tail } else { tail };
            sum[lane] = M::multiply_add(-dividend * at.share, part, gain);
            let slope = gain * d_minus * one_over_v;
            let still = if moves { 0.0 } else { at.floor };
            own[lane] = M::multiply_add(weighted, strike[lane], M::multiply_add(-still, slope, slope));
            by_square[lane] = if moves { -slope * parts.q * quotient } else { 0.0 };
        }
        Added { sum, own, by_square }
    }
}
