//! The sums over a slice's quotes, eight lanes at a time, in plain loops that the compiler vectorises.
//!
//! The order of the additions is the same at every width of the machine's vectors, and nothing is fused: so the bits are too.

use super::columns::Quotes;
use crate::surface::svi::wings::Wings;

/// Lanes.
pub(super) const LANES: usize = 8;
/// A number in each lane.
pub(super) type Lanes = [f64; LANES];
/// Sums of the linear problem: the weighted matrix of (1, left, right) in six numbers, its product with what the base leaves in three, and
/// Σr² of the base.
pub(super) const LINEAR: usize = 10;
/// Sums of the normal equations: Σr², half its gradient by a, p, q, m, ln σ, and the lower triangle of the Gauss–Newton half of its Hessian,
/// by rows.
pub(super) const NORMAL: usize = 21;

/// Eight quotes from some place on; those past the end weigh nothing.
#[inline(always)]
pub(super) fn load(quotes: &Quotes<'_>, at: usize) -> [Lanes; 3] {
    let mut lanes = [[0.0; LANES]; 3];
    for (lanes, column) in lanes.iter_mut().zip([quotes.k, quotes.centre, quotes.inverse_half]) {
        let rest = &column[at..];
        if let Some(whole) = rest.first_chunk::<LANES>() {
            *lanes = *whole;
        } else {
            lanes[..rest.len()].copy_from_slice(rest);
        }
    }
    lanes
}

/// One sum of the lanes.
#[inline(always)]
fn total(lanes: &Lanes) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

/// The sums of the linear problem in each lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinearLanes {
    base: [f64; 3],
    sums: [Lanes; LINEAR],
}

impl LinearLanes {
    pub fn of(base: [f64; 3]) -> Self {
        Self { base, sums: [[0.0; LANES]; LINEAR] }
    }

    /// Adds a quote a lane at x = k − m.
    #[inline(always)]
    pub fn add(&mut self, x: &Lanes, sigma_square: &Lanes, centre: &Lanes, inverse_half: &Lanes) {
        let [a, p, q] = self.base;
        let [s11, s1l, s1r, sll, slr, srr, b1, bl, br, square] = &mut self.sums;
        for l in 0..LANES {
            let root = (x[l] * x[l] + sigma_square[l]).sqrt();
            let left = 0.5 * (root - x[l]);
            let right = 0.5 * (root + x[l]);
            let rest = centre[l] - (a + p * left + q * right);
            let weight = inverse_half[l] * inverse_half[l];
            let weighted_left = weight * left;
            let weighted_right = weight * right;
            s11[l] += weight;
            s1l[l] += weighted_left;
            s1r[l] += weighted_right;
            sll[l] += weighted_left * left;
            slr[l] += weighted_left * right;
            srr[l] += weighted_right * right;
            b1[l] += weight * rest;
            bl[l] += weighted_left * rest;
            br[l] += weighted_right * rest;
            square[l] += weight * rest * rest;
        }
    }

    /// The sums of one lane.
    #[inline(always)]
    pub fn lane(&self, lane: usize) -> [f64; LINEAR] {
        let mut out = [0.0; LINEAR];
        for (out, sum) in out.iter_mut().zip(&self.sums) {
            *out = sum[lane];
        }
        out
    }
}

/// The sums of the linear problem over all quotes, of what the a, p and q of `x` leave at its m and σ.
#[inline(always)]
pub(super) fn linear(quotes: &Quotes<'_>, x: &Wings, sigma: f64) -> [f64; LINEAR] {
    let mut lanes = LinearLanes::of([x[0], x[1], x[2]]);
    let sigma_square = [sigma * sigma; LANES];
    for at in (0..quotes.k.len()).step_by(LANES) {
        let [mut k, centre, inverse_half] = load(quotes, at);
        for k in &mut k {
            *k -= x[3];
        }
        lanes.add(&k, &sigma_square, &centre, &inverse_half);
    }
    let mut out = [0.0; LINEAR];
    for (out, sum) in out.iter_mut().zip(&lanes.sums) {
        *out = total(sum);
    }
    out
}

/// The normal equations at `x`.
#[inline(always)]
pub(super) fn normal(quotes: &Quotes<'_>, x: &Wings, sigma: f64) -> [f64; NORMAL] {
    let (tilt, half_sum, sigma_square) = (0.5 * (x[2] - x[1]), 0.5 * (x[1] + x[2]), sigma * sigma);
    let mut sums = [[0.0; LANES]; NORMAL];
    for at in (0..quotes.k.len()).step_by(LANES) {
        let [k, centre, inverse_half] = load(quotes, at);
        for l in 0..LANES {
            let y = k[l] - x[3];
            let root = (y * y + sigma_square).sqrt();
            let inverse = 1.0 / root;
            let weight = inverse_half[l];
            let r = (x[0] + tilt * y + half_sum * root - centre[l]) * weight;
            let by_p = 0.5 * (root - y) * weight;
            let by_q = 0.5 * (root + y) * weight;
            let by_m = -(tilt + half_sum * y * inverse) * weight;
            let by_s = half_sum * sigma_square * inverse * weight;
            sums[0][l] += r * r;
            sums[1][l] += weight * r;
            sums[2][l] += by_p * r;
            sums[3][l] += by_q * r;
            sums[4][l] += by_m * r;
            sums[5][l] += by_s * r;
            sums[6][l] += weight * weight;
            sums[7][l] += by_p * weight;
            sums[8][l] += by_p * by_p;
            sums[9][l] += by_q * weight;
            sums[10][l] += by_q * by_p;
            sums[11][l] += by_q * by_q;
            sums[12][l] += by_m * weight;
            sums[13][l] += by_m * by_p;
            sums[14][l] += by_m * by_q;
            sums[15][l] += by_m * by_m;
            sums[16][l] += by_s * weight;
            sums[17][l] += by_s * by_p;
            sums[18][l] += by_s * by_q;
            sums[19][l] += by_s * by_m;
            sums[20][l] += by_s * by_s;
        }
    }
    let mut out = [0.0; NORMAL];
    for (out, sum) in out.iter_mut().zip(&sums) {
        *out = total(sum);
    }
    out
}
