//! Paths over the threads of a device: counted random bits, normal numbers, steps; and sums over the paths' ends.
//!
//! Formula   as the twin's; the random bits are the CPU's to the bit
//! Shapes    `paths`: out [steps][paths], one path a thread, so that neighbours write neighbours. `ends`: partial [2][tiles], the sums of
//!           the samples' payoffs and of their squares, 32 samples a thread and 64 threads a tile
//! Accuracy  tolerance.rs: device/monte_carlo

use cubecl::prelude::*;

use super::normal;
use super::philox::{MULTIPLIERS, ROUNDS, WEYL};
use crate::math::grid::BLOCK_THREADS;
use crate::math::kernel::{Table, exp, ln, polynomial};
use crate::math::reduction::{add_lanes, shared_elements};

/// Samples that one lane adds.
pub(super) const SAMPLES_PER_LANE: u32 = 32;

/// Four random words.
#[derive(CubeType, Clone, Copy)]
struct Words {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
}

#[cube]
fn philox(counter: Words, seed: u64) -> Words {
    let (mut a, mut b, mut c, mut d) = (counter.a, counter.b, counter.c, counter.d);
    let mut low_key = u32::cast_from(seed & 0xffff_ffffu64);
    let mut high_key = u32::cast_from(seed >> 32u64);
    #[unroll]
    for round in 0..comptime!(ROUNDS) {
        if comptime!(round > 0) {
            low_key += comptime!(WEYL[0]);
            high_key += comptime!(WEYL[1]);
        }
        let first = u64::cast_from(a) * comptime!(MULTIPLIERS[0] as u64);
        let second = u64::cast_from(c) * comptime!(MULTIPLIERS[1] as u64);
        a = u32::cast_from(second >> 32u64) ^ b ^ low_key;
        c = u32::cast_from(first >> 32u64) ^ d ^ high_key;
        b = u32::cast_from(second & 0xffff_ffffu64);
        d = u32::cast_from(first & 0xffff_ffffu64);
    }
    Words { a, b, c, d }
}

/// As the twin's: 52 bits in (0, 1).
#[cube]
fn uniform(high: u32, low: u32) -> f64 {
    let bits = ((u64::cast_from(high) << 32u64) | u64::cast_from(low)) >> 12u64;
    f64::reinterpret(0x3ff0_0000_0000_0000u64 | bits) - comptime!(1.0 - 0.5 / (1u64 << 52) as f64)
}

/// As the twin's.
#[cube]
pub(super) fn inverse_normal_cdf(u: f64, zero: u64) -> f64 {
    let q = u - 0.5f64;
    if q.abs() <= normal::MIDDLE {
        let r = normal::MIDDLE_SQUARE - q * q;
        q * polynomial(r, comptime!(Table(&normal::A))) / polynomial(r, comptime!(Table(&normal::B)))
    } else {
        let p = select(q < 0.0f64, u, 1.0f64 - u);
        let root = (-ln(p, zero)).sqrt();
        let tail = if root <= normal::FAR {
            let s = root - normal::NEAR_SHIFT;
            polynomial(s, comptime!(Table(&normal::C))) / polynomial(s, comptime!(Table(&normal::D)))
        } else {
            let s = root - normal::FAR;
            polynomial(s, comptime!(Table(&normal::E))) / polynomial(s, comptime!(Table(&normal::F)))
        };
        select(q < 0.0f64, -tail, tail)
    }
}

/// The random path of a path, and its sign.
#[cube]
fn source(path: u64, #[comptime] antithetic: bool) -> (u64, f64) {
    if comptime!(antithetic) {
        (path >> 1u64, select(path & 1u64 == 0u64, 1.0f64, -1.0f64))
    } else {
        (path, 1.0f64.runtime())
    }
}

/// Two uniform numbers of one random path.
#[cube]
pub(super) fn uniforms(seed: u64, path: u64, pair: u32) -> (f64, f64) {
    let counter = Words {
        a: pair,
        b: 0u32.runtime(),
        c: u32::cast_from(path & 0xffff_ffffu64),
        d: u32::cast_from(path >> 32u64),
    };
    let words = philox(counter, seed);
    (uniform(words.a, words.b), uniform(words.c, words.d))
}

/// The spot of the paths from `first` at the end of each step.
#[cube(launch_unchecked)]
pub(super) fn paths(
    out: &mut Array<f64>,
    count: u32,
    steps: u32,
    first: u64,
    seed: u64,
    spot: f64,
    drift: f64,
    deviation: f64,
    zero: u64,
    #[comptime] antithetic: bool,
) {
    let n = count as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let (from, sign) = source(first + i as u64, antithetic);
        let signed = sign * deviation;
        let mut log = 0.0f64.runtime();
        let mut spare = 0.0f64.runtime();
        for step in 0..steps {
            let mut u = spare;
            if step & 1 == 0 {
                let (even, odd) = uniforms(seed, from, step / 2);
                u = even;
                spare = odd;
            }
            log += drift + signed * inverse_normal_cdf(u, zero);
            out[step as usize * n + i] = spot * exp(log);
        }
    }
}

/// Sums over the ends of paths: payoffs of call (sign 1) or put (−1), a sample a path or a pair of opposite ones.
#[cube(launch_unchecked)]
pub(super) fn ends(
    partial: &mut Array<f64>,
    samples: u64,
    tiles: u32,
    seed: u64,
    spot: f64,
    drift: f64,
    deviation: f64,
    strike: f64,
    sign: f64,
    zero: u64,
    #[comptime] antithetic: bool,
    #[comptime] plane_size: u32,
) {
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
                    let (u, _) = uniforms(seed, sample, 0u32);
                    let z = inverse_normal_cdf(u, zero);
                    let end = spot * exp(drift + deviation * z);
                    let mut payoff = max(sign * (end - strike), 0.0f64);
                    if comptime!(antithetic) {
                        let opposite = spot * exp(drift - deviation * z);
                        payoff = 0.5f64 * (payoff + max(sign * (opposite - strike), 0.0f64));
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

/// The CUDA sources of this file.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    let client = session.client().clone();
    let kernel = paths::Paths::<R>::new(settings(), client, array(), (), (), (), (), (), (), (), (), true);
    out.push(("paths_antithetic".into(), source(kernel)));
    let client = session.client().clone();
    let kernel = ends::Ends::<R>::new(settings(), client, array(), (), (), (), (), (), (), (), (), (), true, 32);
    out.push(("path_ends_planes".into(), source(kernel)));
}
