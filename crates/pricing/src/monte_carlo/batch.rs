//! The CPU path: blocks of 64 paths through loops without branches, chunks of paths over the threads.

use rayon::prelude::*;
use zomma_base::OptionType;

use super::philox::uniforms;
use super::{Draws, Estimate, Gbm, inverse_normal_cdf};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp_moderate};

/// Paths of a block: a whole number of pairs.
const BLOCK: usize = 64;
/// Paths, or samples, of a task.
const CHUNK: usize = 64 * BLOCK;

/// [`paths`](super::paths) with the instructions of one target (the baseline where this machine has not got it).
pub fn paths_on(target: Target, gbm: &Gbm, draws: &Draws, steps: usize, out: &mut [f64]) {
    assert_eq!(out.len(), steps * draws.paths, "a number a step and path");
    if out.is_empty() {
        return;
    }
    // The columns of each chunk of paths, step by step.
    let mut chunks: Vec<Vec<&mut [f64]>> =
        (0..draws.paths.div_ceil(CHUNK)).map(|_| Vec::with_capacity(steps)).collect();
    for row in out.chunks_exact_mut(draws.paths) {
        chunks.iter_mut().zip(row.chunks_mut(CHUNK)).for_each(|(chunk, part)| chunk.push(part));
    }
    chunks.par_iter_mut().enumerate().for_each(|(index, rows)| {
        dispatch(target, Paths { gbm, draws, first: (index * CHUNK) as u64, rows });
    });
}

/// The normal numbers of the two steps of a pair, for a block of paths.
#[inline(always)]
fn block_normals<M: MultiplyAdd>(draws: &Draws, first: u64, pair: u32, out: &mut [[f64; BLOCK]; 2]) {
    let [even, odd] = out;
    if draws.antithetic {
        // Neighbours have opposite numbers: half of them are drawn.
        for i in 0..BLOCK / 2 {
            [even[i], odd[i]] = uniforms(draws.seed, (first >> 1) + i as u64, pair);
        }
        for numbers in [even, odd] {
            let mut normals = [0.0; BLOCK / 2];
            for i in 0..BLOCK / 2 {
                normals[i] = inverse_normal_cdf::<M>(numbers[i]);
            }
            for (pair, z) in numbers.chunks_exact_mut(2).zip(normals) {
                (pair[0], pair[1]) = (z, -z);
            }
        }
    } else {
        for i in 0..BLOCK {
            [even[i], odd[i]] = uniforms(draws.seed, first + i as u64, pair);
        }
        for numbers in [even, odd] {
            for number in numbers.iter_mut() {
                *number = inverse_normal_cdf::<M>(*number);
            }
        }
    }
}

/// Some neighbouring paths, a multiple of the block from the first of all.
struct Paths<'a, 'o> {
    gbm: &'a Gbm,
    draws: &'a Draws,
    first: u64,
    rows: &'a mut [&'o mut [f64]],
}

impl Kernel for Paths<'_, '_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { gbm, draws, first, rows } = self;
        let steps = rows.len();
        let (drift, deviation) = (gbm.drift(steps), gbm.deviation(steps));
        let count = rows[0].len();
        let mut normals = [[0.0; BLOCK]; 2];
        for start in (0..count).step_by(BLOCK) {
            let end = count.min(start + BLOCK);
            let mut log = [0.0; BLOCK];
            for pair in 0..steps.div_ceil(2) {
                block_normals::<M>(draws, first + start as u64, pair as u32, &mut normals);
                for (row, normals) in rows[2 * pair..].iter_mut().zip(&normals) {
                    let mut spot = [0.0; BLOCK];
                    for i in 0..BLOCK {
                        log[i] += M::multiply_add(deviation, normals[i], drift);
                        spot[i] = gbm.spot * exp_moderate::<M>(log[i]);
                    }
                    row[start..end].copy_from_slice(&spot[..end - start]);
                }
            }
        }
    }
}

/// [`european`](super::european) with the instructions of one target.
pub fn european_on(target: Target, gbm: &Gbm, draws: &Draws, option_type: OptionType, strike: f64) -> Option<Estimate> {
    let samples = draws.samples();
    if samples < 2 {
        return None;
    }
    let paths = if draws.antithetic { 2 * samples } else { samples };
    let sums: Vec<[f64; 2]> = (0..paths.div_ceil(CHUNK))
        .into_par_iter()
        .map(|index| {
            let first = index * CHUNK;
            let mut sums = [0.0; 2];
            let count = CHUNK.min(paths - first);
            dispatch(
                target,
                Ends { gbm, draws, first: first as u64, count, sign: option_type.sign(), strike, sums: &mut sums },
            );
            sums
        })
        .collect();
    let (sum, squares) = sums.iter().fold((0.0, 0.0), |(sum, squares), part| (sum + part[0], squares + part[1]));
    Some(Estimate::of(sum, squares, draws, gbm.discount_factor()))
}

/// Sums over the ends of some paths.
struct Ends<'a> {
    gbm: &'a Gbm,
    draws: &'a Draws,
    first: u64,
    count: usize,
    sign: f64,
    strike: f64,
    /// Of the samples' payoffs and of their squares.
    sums: &'a mut [f64; 2],
}

impl Kernel for Ends<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { gbm, draws, first, count, sign, strike, sums } = self;
        let (drift, deviation) = (gbm.drift(1), gbm.deviation(1));
        let mut normals = [[0.0; BLOCK]; 2];
        let (mut sum, mut squares) = ([0.0; BLOCK], [0.0; BLOCK]);
        for start in (0..count).step_by(BLOCK) {
            block_normals::<M>(draws, first + start as u64, 0, &mut normals);
            let mut payoff = [0.0f64; BLOCK];
            for i in 0..BLOCK {
                let end = gbm.spot * exp_moderate::<M>(M::multiply_add(deviation, normals[0][i], drift));
                payoff[i] = (sign * (end - strike)).max(0.0);
            }
            // What lies beyond the last path counts for nothing.
            payoff[(count - start).min(BLOCK)..].fill(0.0);
            if draws.antithetic {
                for i in 0..BLOCK / 2 {
                    payoff[i] = 0.5 * (payoff[2 * i] + payoff[2 * i + 1]);
                }
                payoff[BLOCK / 2..].fill(0.0);
            }
            for i in 0..BLOCK {
                sum[i] += payoff[i];
                squares[i] += payoff[i] * payoff[i];
            }
        }
        *sums = [sum.iter().sum(), squares.iter().sum()];
    }
}
