//! The last word on arbitrage: what the penalised fit leaves is lifted away, else the surface moves towards its backbone until none is
//! left.

use super::{
    check::dense_grid,
    svi::Svi,
    wings::{self, Wings},
};

/// Shares of the backbone that are tried, least first.
const BLENDS: [f64; 9] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0];
/// Times that levels are raised for g.
const ROUNDS: usize = 12;
/// g that a repaired slice keeps on the grid.
const LEAST_G: f64 = 0.0;

/// A surface free of arbitrage on the dense grid near `fitted`, and the share of the backbone in it; where even the backbone is not free,
/// flat slices of rising total variance (share 2).
pub(super) fn repair(fitted: &[Wings], backbone: &[Wings], range: [f64; 2]) -> (Vec<Svi>, f64) {
    for share in BLENDS {
        let mut slices: Vec<Wings> =
            fitted.iter().zip(backbone).map(|(x, y)| std::array::from_fn(|i| x[i] + share * (y[i] - x[i]))).collect();
        lift(&mut slices, range);
        for _ in 0..ROUNDS {
            if !ease(&mut slices, range) {
                break;
            }
            lift(&mut slices, range);
        }
        let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
        if free(&slices, range) {
            return (slices, share);
        }
    }
    let mut level = 0.0_f64;
    let flat = |x: &Wings| {
        level = level.max(wings::to_svi(x).total_variance(0.0)).max(1e-14);
        Svi::flat(level)
    };
    (backbone.iter().map(flat).collect(), 2.0)
}

/// Raises the level of each slice whose w or g is negative somewhere: the negative terms of g fall with w. Whether there was one.
fn ease(slices: &mut [Wings], range: [f64; 2]) -> bool {
    let mut grid = Vec::new();
    let mut eased = false;
    for slice in slices {
        let svi = wings::to_svi(slice);
        let least = svi.least_total_variance();
        if least <= 0.0 {
            slice[0] += 1e-3 * svi.total_variance(0.0).abs().max(1e-14) - least;
            eased = true;
        }
        let svi = wings::to_svi(slice);
        dense_grid(range, &svi, &svi, &mut grid);
        let worst = grid
            .iter()
            .map(|&k| (svi.durrleman_g(k), k))
            .fold((f64::INFINITY, 0.0), |x, y| if y.0 < x.0 { y } else { x });
        if worst.0 < LEAST_G {
            // g is about −w′²/4w at its worst, so its shortfall is undone by about the same share of w.
            let w = svi.total_variance(worst.1).max(1e-3 * svi.total_variance(0.0).abs());
            slice[0] += w * (1e-3 - worst.0).min(0.5);
            eased = true;
        }
    }
    eased
}

/// Lifts each slice over the one before: wing slopes first, then the level by the deepest shortfall on the grid.
fn lift(slices: &mut [Wings], range: [f64; 2]) {
    let mut grid = Vec::new();
    for i in 1..slices.len() {
        let (before, after) = slices.split_at_mut(i);
        let (low, high) = (&before[i - 1], &mut after[0]);
        for side in [1, 2] {
            if high[side] < low[side] * (1.0 + 1e-9) {
                high[side] = (low[side] * (1.0 + 1e-9)).min(wings::MOST_SLOPE);
            }
        }
        let (low, svi) = (wings::to_svi(low), wings::to_svi(high));
        dense_grid(range, &low, &svi, &mut grid);
        let short = grid.iter().map(|&k| low.total_variance(k) * (1.0 + 1e-9) - svi.total_variance(k));
        high[0] += short.fold(0.0, f64::max);
    }
}

/// Whether the slices are free of arbitrage on the dense grid, more strictly than the report asks.
fn free(slices: &[Svi], range: [f64; 2]) -> bool {
    let mut grid = Vec::new();
    slices.iter().enumerate().all(|(i, svi)| {
        let next = slices.get(i + 1).unwrap_or(svi);
        dense_grid(range, svi, next, &mut grid);
        let ([p, q], [p_next, q_next]) = (svi.wing_slopes(), next.wing_slopes());
        (0.0..=2.0).contains(&p)
            && (0.0..=2.0).contains(&q)
            && svi.least_total_variance() > 0.0
            && p_next >= p
            && q_next >= q
            && grid.iter().all(|&k| {
                let w = svi.total_variance(k);
                w > 0.0 && next.total_variance(k) >= w && svi.durrleman_g(k) >= LEAST_G
            })
    })
}
