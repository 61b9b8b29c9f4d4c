//! Heston's paths over the threads of a device: sums over their ends in one pass.
//!
//! Formula   as `stepper/quadratic_exponential.rs`; the random bits are the CPU's to the bit
//! Shapes    constants [12]; partial [2][tiles], the sums of the samples' payoffs and of their squares, 4 samples a thread and 64 threads a
//!           tile; a sample is a path or a pair of opposite ones
//! Accuracy  tolerance.rs: device/Heston

use cubecl::prelude::*;

use crate::math::grid::BLOCK_THREADS;
use crate::math::kernel::{exp, ln_ratio};
use crate::math::reduction::{add_lanes, shared_elements};
use crate::monte_carlo::kernel::{inverse_normal_cdf, uniforms};
use crate::monte_carlo::stepper::quadratic_exponential::{
    INVERSE_CRITICAL, LEAST_INVERSE, LEAST_MEAN, LEAST_MOMENT, LEAST_SQUARE, MOST_INVERSE,
};

/// Samples that one lane adds.
pub(super) const SAMPLES_PER_LANE: u32 = 4;

/// The scheme's constants of a step: as `QuadraticExponential::constants`.
#[derive(CubeType, Clone, Copy)]
struct Scheme {
    v0: f64,
    shrink: f64,
    mean: f64,
    spread: f64,
    square: f64,
    carry: f64,
    k0: f64,
    k1: f64,
    k2: f64,
    k3: f64,
    k4: f64,
    moment: f64,
}

/// What a step makes of one path.
#[derive(CubeType, Clone, Copy)]
struct Stepped {
    variance: f64,
    drift: f64,
    spread: f64,
}

/// One path's step from its variance, and the normal and uniform number of one draw: as the CPU's.
#[cube]
fn step(scheme: Scheme, v: f64, z: f64, u: f64, zero: u64) -> Stepped {
    let m = max(v * scheme.shrink + scheme.mean, LEAST_MEAN);
    let square = max(v * scheme.spread + scheme.square, LEAST_SQUARE);
    let inverse = min(max(m * m / square, LEAST_INVERSE), MOST_INVERSE);
    let quadratic = inverse >= INVERSE_CRITICAL;
    let w = 2.0f64 * inverse;
    let b_square = max(w - 1.0f64 + max(w * (w - 1.0f64), 0.0f64).sqrt(), 0.0f64);
    let b = b_square.sqrt();
    let first = select(quadratic, m, 1.0f64) / (1.0f64 + select(quadratic, b_square, inverse));
    let p = (1.0f64 - inverse) * first;
    let alive = w * first;
    let aa = scheme.moment * first;
    let root = 1.0f64 - 2.0f64 * aa;
    let second = select(quadratic, aa * b_square, m * (1.0f64 + inverse)) / select(quadratic, root, w);
    let quadratic_variance = first * (b + z) * (b + z);
    let exponential_variance = max(ln_ratio(alive, 1.0f64 - u, zero), 0.0f64) * second;
    let variance = select(quadratic, quadratic_variance, exponential_variance);
    let above = select(quadratic, root, 1.0f64 - scheme.moment * second);
    let below = select(quadratic, 1.0f64, 1.0f64 - scheme.moment * p * second);
    let exists = above >= LEAST_MOMENT;
    let log = ln_ratio(select(exists, above, 1.0f64), select(exists, below, 1.0f64), zero);
    let corrected = select(quadratic, 0.5f64 * log - second, log);
    let drift = select(exists, corrected, scheme.k0 + scheme.k1 * v);
    Stepped {
        variance,
        drift: drift - 0.5f64 * scheme.k3 * v + scheme.k2 * variance,
        spread: scheme.k3 * v + scheme.k4 * variance,
    }
}

/// ln(S/S₀) at the end of a path, or of the one with opposite numbers.
#[cube]
fn end(scheme: Scheme, steps: u32, seed: u64, path: u64, zero: u64, #[comptime] opposite: bool) -> f64 {
    let mut x = 0.0f64.runtime();
    let mut v = scheme.v0;
    for k in 0..steps {
        let (spot, variance) = uniforms(seed, path, k);
        let mut z_spot = inverse_normal_cdf(spot, zero);
        let mut z_variance = inverse_normal_cdf(variance, zero);
        let mut u = variance;
        if comptime!(opposite) {
            z_spot = -z_spot;
            z_variance = -z_variance;
            u = 1.0f64 - variance;
        }
        let stepped = step(scheme, v, z_variance, u, zero);
        v = stepped.variance;
        x += stepped.spread.sqrt() * z_spot + (scheme.carry + stepped.drift);
    }
    x
}

/// Sums over the ends of paths: payoffs of call (sign 1) or put (−1).
#[cube(launch_unchecked)]
pub(super) fn ends(
    partial: &mut Array<f64>,
    constants: &Array<f64>,
    samples: u64,
    tiles: u32,
    steps: u32,
    seed: u64,
    spot: f64,
    strike: f64,
    sign: f64,
    zero: u64,
    #[comptime] antithetic: bool,
    #[comptime] plane_size: u32,
) {
    let scheme = Scheme {
        v0: constants[0],
        shrink: constants[1],
        mean: constants[2],
        spread: constants[3],
        square: constants[4],
        carry: constants[5],
        k0: constants[6],
        k1: constants[7],
        k2: constants[8],
        k3: constants[9],
        k4: constants[10],
        moment: constants[11],
    };
    let all = tiles as usize;
    let mut shared = SharedMemory::<f64>::new(comptime!(shared_elements(2, BLOCK_THREADS, plane_size)));
    let mut sums = Array::<f64>::new(2usize);
    let rounds = all.div_ceil(CUBE_COUNT);
    for round in 0..rounds {
        let tile = round * CUBE_COUNT + CUBE_POS;
        sums[0] = 0.0f64;
        sums[1] = 0.0f64;
        if tile < all {
            let first = tile as u64 * comptime!((BLOCK_THREADS * SAMPLES_PER_LANE) as u64) + UNIT_POS as u64;
            for k in 0..comptime!(SAMPLES_PER_LANE) {
                let sample = first + k as u64 * comptime!(BLOCK_THREADS as u64);
                if sample < samples {
                    let x = end(scheme, steps, seed, sample, zero, false);
                    let mut payoff = max(sign * (spot * exp(x) - strike), 0.0f64);
                    if comptime!(antithetic) {
                        let x = end(scheme, steps, seed, sample, zero, true);
                        payoff = 0.5f64 * (payoff + max(sign * (spot * exp(x) - strike), 0.0f64));
                    }
                    sums[0] += payoff;
                    sums[1] += payoff * payoff;
                }
            }
        }
        add_lanes(&mut sums, &mut shared, 2usize, BLOCK_THREADS, plane_size);
        if tile < all && UNIT_POS == 0 {
            partial[tile] = sums[0];
            partial[all + tile] = sums[1];
        }
    }
}
