//! The last word on arbitrage: what the fit leaves is lifted away, and a slice that lifting does not mend moves towards the backbone
//! until it is free.

use super::{
    Svi,
    rise::is_rise_certain,
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
    let mut grids = Grids::new(ranges);
    for round in 0..ROUNDS {
        let mut slices: Vec<Wings> = (0..fitted.len())
            .map(|i| {
                let mut x: Wings = std::array::from_fn(|j| fitted[i][j] + shares[i] * (backbone[i][j] - fitted[i][j]));
                x[0] += (1.0 - shares[i]) * levels[i];
                x
            })
            .collect();
        lift(&mut slices, &mut grids);
        let (mut mended, mut moved) = (true, false);
        for i in 0..slices.len() {
            let missing = shortfall(i, &slices, &mut grids);
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
        // Levels and slopes leave the grids, which lie round the vertices, as they are.
        if moved {
            grids = Grids::new(ranges);
        }
        if mended {
            let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
            if is_free(&slices, &mut grids) {
                return Some(Repaired { slices, shares });
            }
        }
    }
    let mut slices = backbone.to_vec();
    grids = Grids::new(ranges);
    lift(&mut slices, &mut grids);
    let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
    is_free(&slices, &mut grids).then(|| Repaired { slices, shares: vec![1.0; backbone.len()] })
}

/// Puts a slice's own fit in its place where that meets more of its quotes and breaks no rule beside the neighbours as they are.
pub(super) fn adopt(
    repaired: &mut Repaired,
    own: &[Option<Svi>],
    ranges: &[[f64; 2]],
    is_better: impl Fn(usize, &Svi, &Svi) -> bool,
) {
    let Repaired { slices, shares } = repaired;
    for i in 0..slices.len() {
        let Some(candidate) = own[i] else { continue };
        let window = i.saturating_sub(1)..(i + 2).min(slices.len());
        let before = std::mem::replace(&mut slices[i], candidate);
        let is_adopted = are_ends_free(&slices[window.clone()])
            && is_better(i, &candidate, &before)
            && is_free(&slices[window.clone()], &mut Grids::new(&ranges[window]));
        if is_adopted {
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
fn shortfall(i: usize, slices: &[Wings], grids: &mut Grids) -> f64 {
    let svi = wings::to_svi(&slices[i]);
    let at_the_money = svi.total_variance(0.0).abs().max(1e-14);
    let least = svi.least_total_variance();
    if least <= 0.0 {
        return 1e-3 * at_the_money - least;
    }
    if svi.is_g_certainly_positive(grids.ranges[i]) {
        return 0.0;
    }
    let mut worst = (0.0, 0.0);
    let (grid, values) = grids.of(i, &svi, &wings::to_svi(slices.get(i + 1).unwrap_or(&slices[i])));
    lowest_g(&svi, grid, values, |k, g| {
        if g < worst.0 {
            worst = (g, k);
        }
    });
    if worst.0 < 0.0 { svi.total_variance(worst.1).max(1e-3 * at_the_money) * (1e-3 - worst.0).min(0.5) } else { 0.0 }
}

/// Lifts each slice over the one before: wing slopes first, then the level by the deepest shortfall on the grid.
fn lift(slices: &mut [Wings], grids: &mut Grids) {
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
        if is_rise_certain(&lifted, &svi, grids.ranges[i - 1]) {
            continue;
        }
        let mut short = 0.0_f64;
        let (grid, values) = grids.of(i - 1, &low, &svi);
        lowest_rise(&lifted, &svi, grid, values, |_, rise| short = short.max(-rise));
        high[0] += short;
    }
}

/// The dense grid of each slice and its rise to the next, made where it is asked for: most slices are certainly free without.
struct Grids<'a> {
    ranges: &'a [[f64; 2]],
    grids: Vec<Vec<f64>>,
    values: Vec<f64>,
}

impl<'a> Grids<'a> {
    fn new(ranges: &'a [[f64; 2]]) -> Self {
        Self { ranges, grids: vec![Vec::new(); ranges.len()], values: Vec::new() }
    }

    /// The grid of slice `i`, and room for values on it.
    fn of(&mut self, i: usize, svi: &Svi, next: &Svi) -> (&[f64], &mut Vec<f64>) {
        if self.grids[i].is_empty() {
            dense_grid(self.ranges[i], svi, next, &mut self.grids[i]);
        }
        (&self.grids[i], &mut self.values)
    }
}

/// b(1 ± ρ) of a slope of zero is zero to rounding only.
const ROUNDING: f64 = 1e-14;

/// Whether w is positive and wing slopes are within Lee's bound and do not fall: what needs no grid.
fn are_ends_free(slices: &[Svi]) -> bool {
    slices.iter().enumerate().all(|(i, svi)| {
        let ([p, q], [p_next, q_next]) = (svi.wing_slopes(), slices.get(i + 1).unwrap_or(svi).wing_slopes());
        (-ROUNDING..=2.0).contains(&p)
            && (-ROUNDING..=2.0).contains(&q)
            && svi.least_total_variance() > 0.0
            && p_next >= p - ROUNDING
            && q_next >= q - ROUNDING
    })
}

/// Whether the slices are free of arbitrage, certainly or on the dense grid, more strictly than the report asks.
fn is_free(slices: &[Svi], grids: &mut Grids) -> bool {
    are_ends_free(slices)
        && slices.iter().enumerate().all(|(i, svi)| {
            let next = slices.get(i + 1).unwrap_or(svi);
            // NaN is not free either.
            let mut holds = true;
            if !svi.is_g_certainly_positive(grids.ranges[i]) {
                let (grid, values) = grids.of(i, svi, next);
                lowest_g(svi, grid, values, |_, g| holds &= g >= 0.0);
            }
            if holds && i + 1 < slices.len() && !is_rise_certain(svi, next, grids.ranges[i]) {
                let (grid, values) = grids.of(i, svi, next);
                lowest_rise(svi, next, grid, values, |_, rise| holds &= rise >= 0.0);
            }
            holds
        })
}
