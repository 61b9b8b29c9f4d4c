//! How high a slice may go without being in the way of the later ones, whose total variance cannot be lower.

use super::grid::{Grid, Place};
use crate::surface::{calibration::Objective, from_price::price};

/// Most strikes at which a slice looks ahead.
const MOST: usize = 32;

/// The lowest total variance that later expiries ask for at one strike: half way from mid to ask, so that they are not left at their asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ceiling {
    /// Log-moneyness.
    pub(super) k: f64,
    /// Total variance.
    pub(super) total_variance: f64,
    /// One over the half-spread, in total variance.
    pub(super) inverse_half: f64,
}

/// For every slice the ceilings that the later slices set: at the strikes of the next one, and beyond them at those of the ones after.
pub(super) fn ceilings(slices: &[Objective]) -> Vec<Vec<Ceiling>> {
    let mut all = vec![Vec::new(); slices.len()];
    for i in (0..slices.len().saturating_sub(1)).rev() {
        let later: &[Ceiling] = &all[i + 1];
        let mut here: Vec<Ceiling> = Vec::new();
        for point in &slices[i + 1].points {
            let [_, mid, ask] = point.total_variance;
            let own = Ceiling {
                k: point.k,
                total_variance: 0.5 * (mid + ask),
                inverse_half: 1.0 / (ask - mid).max(1e-3 * mid),
            };
            if here.last().is_some_and(|before| before.k >= own.k) {
                continue;
            }
            here.push(match at(later, own.k) {
                Some(lower) if lower.total_variance < own.total_variance => lower,
                _ => own,
            });
        }
        let [Some(first), Some(last)] = [here.first(), here.last()].map(|end| end.map(|end| end.k)) else { continue };
        let below = later.iter().filter(|ceiling| ceiling.k < first).copied();
        let above = later.iter().filter(|ceiling| ceiling.k > last).copied();
        all[i] = below.chain(here).chain(above).collect();
    }
    all
}

/// Between two ceilings; none beyond them.
fn at(ceilings: &[Ceiling], k: f64) -> Option<Ceiling> {
    let after = ceilings.partition_point(|ceiling| ceiling.k < k);
    let (low, high) = (ceilings.get(after.checked_sub(1)?)?, ceilings.get(after)?);
    let share = (k - low.k) / (high.k - low.k);
    let mix = |low: f64, high: f64| low + share * (high - low);
    Some(Ceiling {
        k,
        total_variance: mix(low.total_variance, high.total_variance),
        inverse_half: mix(low.inverse_half, high.inverse_half),
    })
}

/// A ceiling with what an evaluation needs.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) ceiling: Ceiling,
    pub(super) place: Place,
    /// Black's price at the ceiling.
    pub(super) price: f64,
}

/// The limits of a fit: every n-th of the ceilings, so that at most 32 are left.
pub(super) fn limits(ceilings: &[Ceiling], grid: &Grid) -> Vec<Limit> {
    let every = ceilings.len().div_ceil(MOST).max(1);
    ceilings
        .iter()
        .step_by(every)
        .map(|ceiling| Limit {
            ceiling: *ceiling,
            place: grid.place(ceiling.k),
            price: price(ceiling.k, ceiling.total_variance.sqrt()),
        })
        .collect()
}
