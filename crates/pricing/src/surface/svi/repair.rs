//! The last word on arbitrage: what the fit leaves is lifted away, and a slice that lifting does not mend moves towards the backbone
//! until it is free.

use super::{
    Svi,
    wings::{self, Wings},
};
use crate::surface::check::{dense_grid, lowest_g, lowest_rise};

/// Rounds of mending before the whole surface gives way to the backbone.
const ROUNDS: usize = 60;
/// Rounds in which raising the level of a slice is tried first.
const EASES: usize = 3;
/// The first share of the backbone in a slice; each further round doubles it.
const FIRST_SHARE: f64 = 0.01;
/// Share by which total variance and wing slopes rise from slice to slice at least.
const LIFT: f64 = 1e-9;

/// What the repair came to.
pub(super) struct Repaired {
    /// The slices, free of arbitrage on the dense grid.
    pub(super) slices: Vec<Svi>,
    /// The share of the backbone in each.
    pub(super) shares: Vec<f64>,
}

/// A surface free of arbitrage on the dense grid near `fitted`. None where even the backbone is not free.
pub(super) fn repair(fitted: &[Wings], backbone: &[Wings], ranges: &[[f64; 2]]) -> Option<Repaired> {
    let mut shares = vec![0.0_f64; fitted.len()];
    let mut levels = vec![0.0; fitted.len()];
    let mut grids: Vec<Vec<f64>> = Vec::new();
    let mut values = Vec::new();
    for round in 0..ROUNDS {
        let mut slices: Vec<Wings> = (0..fitted.len())
            .map(|i| {
                let mut x: Wings = std::array::from_fn(|j| fitted[i][j] + shares[i] * (backbone[i][j] - fitted[i][j]));
                x[0] += (1.0 - shares[i]) * levels[i];
                x
            })
            .collect();
        // Levels and slopes leave the grids, which lie round the vertices, as they are.
        if grids.is_empty() {
            grids = dense_grids(&slices, ranges);
        }
        lift(&mut slices, &grids, &mut values);
        let (mut mended, mut moved) = (true, false);
        for i in 0..slices.len() {
            let missing = shortfall(&slices[i], &grids[i], &mut values);
            if missing > 0.0 {
                mended = false;
                if round < EASES {
                    levels[i] += missing;
                } else {
                    shares[i] = (2.0 * shares[i]).clamp(FIRST_SHARE, 1.0);
                    moved = true;
                }
            }
        }
        if moved {
            grids.clear();
        }
        if mended {
            let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
            if is_free(&slices, &grids, &mut values) {
                return Some(Repaired { slices, shares });
            }
        }
    }
    let mut slices = backbone.to_vec();
    grids = dense_grids(&slices, ranges);
    lift(&mut slices, &grids, &mut values);
    let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
    is_free(&slices, &grids, &mut values).then(|| Repaired { slices, shares: vec![1.0; backbone.len()] })
}

/// Puts a slice's own fit in its place where that meets more of its quotes and breaks no rule beside the neighbours as they are.
pub(super) fn adopt(
    repaired: &mut Repaired,
    own: &[Option<Svi>],
    ranges: &[[f64; 2]],
    is_better: impl Fn(usize, &Svi, &Svi) -> bool,
) {
    let Repaired { slices, shares } = repaired;
    let mut values = Vec::new();
    for i in 0..slices.len() {
        let Some(candidate) = own[i].filter(|own| is_better(i, own, &slices[i])) else { continue };
        let window = i.saturating_sub(1)..(i + 2).min(slices.len());
        let before = std::mem::replace(&mut slices[i], candidate);
        let beside: Vec<Wings> = slices[window.clone()].iter().map(wings::from_svi).collect();
        if is_free(&slices[window.clone()], &dense_grids(&beside, &ranges[window]), &mut values) {
            shares[i] = 0.0;
        } else {
            slices[i] = before;
        }
    }
}

/// Flat slices of rising total variance at the levels of `backbone`.
pub(super) fn flat(backbone: &[Wings]) -> Vec<Svi> {
    let mut level = 0.0_f64;
    let flat = |x: &Wings| {
        level = level.max(wings::to_svi(x).total_variance(0.0)).max(1e-14);
        Svi::flat(level)
    };
    backbone.iter().map(flat).collect()
}

/// How far the level of a slice whose w or g is negative somewhere should rise to mend it; zero where neither is. Near the money the
/// negative term of g is about w′²/4w, so its shortfall is undone by about the same share of w.
fn shortfall(slice: &Wings, grid: &[f64], values: &mut Vec<f64>) -> f64 {
    let svi = wings::to_svi(slice);
    let at_the_money = svi.total_variance(0.0).abs().max(1e-14);
    let least = svi.least_total_variance();
    if least <= 0.0 {
        return 1e-3 * at_the_money - least;
    }
    let mut worst = (0.0, 0.0);
    lowest_g(&svi, grid, values, |k, g| {
        if g < worst.0 {
            worst = (g, k);
        }
    });
    if worst.0 < 0.0 { svi.total_variance(worst.1).max(1e-3 * at_the_money) * (1e-3 - worst.0).min(0.5) } else { 0.0 }
}

/// Lifts each slice over the one before: wing slopes first, then the level by the deepest shortfall on the grid.
fn lift(slices: &mut [Wings], grids: &[Vec<f64>], values: &mut Vec<f64>) {
    for i in 1..slices.len() {
        let (before, after) = slices.split_at_mut(i);
        let (low, high) = (&before[i - 1], &mut after[0]);
        for side in [1, 2] {
            if high[side] < low[side] * (1.0 + LIFT) {
                high[side] = (low[side] * (1.0 + LIFT)).min(wings::MOST_SLOPE);
            }
        }
        let (low, svi) = (wings::to_svi(low), wings::to_svi(high));
        let lifted = Svi { a: low.a * (1.0 + LIFT), b: low.b * (1.0 + LIFT), ..low };
        let mut short = 0.0_f64;
        lowest_rise(&lifted, &svi, &grids[i - 1], values, |_, rise| short = short.max(-rise));
        high[0] += short;
    }
}

/// The dense grid of each slice and its rise to the next.
fn dense_grids(slices: &[Wings], ranges: &[[f64; 2]]) -> Vec<Vec<f64>> {
    let one = |(i, range): (usize, &[f64; 2])| {
        let mut grid = Vec::new();
        let next = slices.get(i + 1).unwrap_or(&slices[i]);
        dense_grid(*range, &wings::to_svi(&slices[i]), &wings::to_svi(next), &mut grid);
        grid
    };
    ranges.iter().enumerate().map(one).collect()
}

/// Whether the slices are free of arbitrage on the dense grid, more strictly than the report asks.
fn is_free(slices: &[Svi], grids: &[Vec<f64>], values: &mut Vec<f64>) -> bool {
    slices.iter().zip(grids).enumerate().all(|(i, (svi, grid))| {
        let next = slices.get(i + 1).unwrap_or(svi);
        let ([p, q], [p_next, q_next]) = (svi.wing_slopes(), next.wing_slopes());
        // b(1 ± ρ) of a slope of zero is zero to rounding only.
        const ROUNDING: f64 = 1e-14;
        let mut holds = (-ROUNDING..=2.0).contains(&p)
            && (-ROUNDING..=2.0).contains(&q)
            && svi.least_total_variance() > 0.0
            && p_next >= p - ROUNDING
            && q_next >= q - ROUNDING;
        // NaN is not free either.
        if holds {
            lowest_g(svi, grid, values, |_, g| holds &= g >= 0.0);
        }
        if holds {
            lowest_rise(svi, next, grid, values, |_, rise| holds &= rise >= 0.0);
        }
        holds
    })
}
