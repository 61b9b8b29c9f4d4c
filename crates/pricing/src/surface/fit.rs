//! The fit of a surface, stage by stage.

use rayon::prelude::*;

use super::{
    SliceQuotes, SliceSource, Surface, SurfaceSlice, check,
    constraints::Member,
    joint::{self, Reach},
    loss::Loss,
    repair::{self, repair},
    slice::{self, Bounds},
    ssvi::{self, Ssvi},
    svi::Svi,
    target::{self, Target},
    wings::{self, Wings},
};

/// Loss scales through which the fit of a slice alone falls, in half-spreads.
const SCALES: [f64; 4] = [5.0, 3.0, 2.0, 1.5];
/// The volatility of a surface none of whose quotes has one.
const NO_VOLATILITY: f64 = 0.2;
/// A slice of at least this many quotes is strained below this share of the quotes that it meets alone.
const STRAINED_QUOTES_MIN: usize = 10;
const STRAINED_SHARE: f64 = 0.6;
/// Points that stand for the shape of a slice which takes it from the backbone, and their half-width as a share of total variance.
const SHAPE_POINTS: i32 = 15;
const SHAPE_HALF_WIDTH: f64 = 0.1;

/// Fits a surface to slices of distinct, ascending expiry. Every slice gets an answer; `source` says of what kind. Quotes without a finite
/// mid volatility take no part, and count as the quality says. Where no quote of any slice has a volatility, all slices are flat at 20 %.
/// An expiry that is not positive counts as 1e-9 years.
pub fn fit(slices: &[SliceQuotes]) -> Surface {
    let targets: Vec<Target> = slices.iter().map(Target::new).collect();
    let alone: Vec<Option<Wings>> =
        targets.par_iter().map(|target| target.has_shape().then(|| fit_alone(target))).collect();
    let (ssvi, levels) = match ssvi::fit(&targets) {
        Some((ssvi, levels)) => (Some(ssvi), levels),
        None => (None, targets.iter().map(Target::level).collect()),
    };
    let levels = fill_levels(&targets, levels);
    let backbone: Vec<Wings> = levels
        .iter()
        .map(|&level| wings::from_svi(&ssvi.map_or_else(|| Svi::flat(level), |ssvi| ssvi.slice(level))))
        .collect();
    let range = surface_range(slices);
    // Without a backbone there is no shape to fit: every slice stays flat.
    let repaired = ssvi.and_then(|_| {
        let mut members = members(targets, &backbone);
        let mut attempt = |reach| {
            let fitted = joint::fit(&mut members, &backbone, range, reach);
            repair(&fitted, &backbone, range)
        };
        let near = attempt(Reach::Near)?;
        if !is_strained(slices, &near.slices, &alone) {
            return Some(near);
        }
        let far = attempt(Reach::Far)?;
        Some(if inside(slices, &far.slices) > inside(slices, &near.slices) { far } else { near })
    });
    let (svis, shares) = repaired.map_or_else(|| (repair::flat(&backbone), None), |it| (it.slices, Some(it.shares)));
    assemble(slices, ssvi, &alone, &backbone, svis, shares.as_deref())
}

/// Whether a slice with quotes enough meets far fewer of them than it meets alone: then it was not found, or it is at odds with the others.
fn is_strained(slices: &[SliceQuotes], fitted: &[Svi], alone: &[Option<Wings>]) -> bool {
    slices.iter().zip(fitted).zip(alone).any(|((quotes, svi), alone)| {
        let Some(alone) = alone else { return false };
        let (joint, best) = (target::quality(quotes, svi), target::quality(quotes, &wings::to_svi(alone)));
        best.quotes >= STRAINED_QUOTES_MIN && (joint.inside as f64) < STRAINED_SHARE * best.inside as f64
    })
}

/// Quotes inside bid-ask over all slices.
fn inside(slices: &[SliceQuotes], fitted: &[Svi]) -> usize {
    slices.iter().zip(fitted).map(|(quotes, svi)| target::quality(quotes, svi).inside).sum()
}

/// The slice's best fit without regard to the others.
fn fit_alone(target: &Target) -> Wings {
    let bounds = Bounds::new(target);
    let start = slice::least_squares(target);
    SCALES.into_iter().fold(start, |x, scale| slice::descend(target, x, Loss::saturating(scale), &bounds, 40).1)
}

/// Gives each slice without a level one from its neighbours: linear in total variance between two, of one volatility beyond; rising.
pub(super) fn fill_levels(targets: &[Target], levels: Vec<Option<f64>>) -> Vec<f64> {
    let known: Vec<(f64, f64)> =
        targets.iter().zip(&levels).filter_map(|(target, level)| Some((target.expiry_years, (*level)?))).collect();
    let mut before = 0.0_f64;
    targets
        .iter()
        .zip(levels)
        .map(|(target, level)| {
            let t = target.expiry_years;
            let level = level.unwrap_or_else(|| {
                let after = known.partition_point(|&(expiry, _)| expiry < t);
                match (after.checked_sub(1).map(|i| known[i]), known.get(after)) {
                    (Some((t_low, low)), Some(&(t_high, high))) => {
                        low + (high - low) * (t - t_low) / (t_high - t_low).max(1e-12)
                    }
                    (Some((expiry, level)), None) | (None, Some(&(expiry, level))) => level * t / expiry,
                    (None, None) => NO_VOLATILITY * NO_VOLATILITY * t,
                }
            });
            before = level.max(before * (1.0 + 1e-6));
            before
        })
        .collect()
}

/// The members of the joint problem. A slice without a shape of its own is drawn to the backbone's.
fn members(targets: Vec<Target>, backbone: &[Wings]) -> Vec<Member> {
    let member = |(target, backbone): (Target, &Wings)| {
        let target = if target.has_shape() { target } else { shape_target(target.expiry_years, backbone) };
        Member { bounds: Bounds::new(&target), target, grid: Vec::new(), pair_grid: Vec::new() }
    };
    targets.into_iter().zip(backbone).map(member).collect()
}

/// Points on the backbone's slice, as a target.
fn shape_target(expiry_years: f64, backbone: &Wings) -> Target {
    let svi = wings::to_svi(backbone);
    let deviation = svi.total_variance(0.0).max(1e-14).sqrt();
    let k: Vec<f64> = (0..SHAPE_POINTS)
        .map(|i| 2.5 * deviation * f64::from(2 * i - SHAPE_POINTS + 1) / f64::from(SHAPE_POINTS - 1))
        .collect();
    let centre: Vec<f64> = k.iter().map(|&k| svi.total_variance(k)).collect();
    let inverse_half = centre.iter().map(|w| 1.0 / (SHAPE_HALF_WIDTH * w)).collect();
    Target { expiry_years, k, centre, inverse_half }
}

/// Lowest and highest quoted log-moneyness of all slices, with the money inside.
fn surface_range(slices: &[SliceQuotes]) -> [f64; 2] {
    slices
        .iter()
        .filter_map(target::log_moneyness_range)
        .fold([0.0; 2], |[low, high], [l, h]| [low.min(l), high.max(h)])
}

fn assemble(
    slices: &[SliceQuotes],
    ssvi: Option<Ssvi>,
    alone: &[Option<Wings>],
    backbone: &[Wings],
    svis: Vec<Svi>,
    shares: Option<&[f64]>,
) -> Surface {
    let fitted: Vec<SurfaceSlice> = slices
        .iter()
        .zip(svis)
        .enumerate()
        .map(|(i, (quotes, svi))| {
            let source = match (ssvi, shares) {
                (None, _) | (_, None) => SliceSource::Flat,
                (Some(_), Some(shares)) if alone[i].is_some() && shares[i] < 1.0 => SliceSource::Svi,
                _ => SliceSource::Ssvi,
            };
            let quality = target::quality(quotes, &svi);
            SurfaceSlice {
                expiry_years: target::positive_years(quotes.expiry_years),
                forward: quotes.forward,
                svi,
                source,
                log_moneyness_range: target::log_moneyness_range(quotes).unwrap_or([0.0; 2]),
                quality,
                unconstrained: alone[i].as_ref().map_or(quality, |x| target::quality(quotes, &wings::to_svi(x))),
            }
        })
        .collect();
    let ssvi_quality: Vec<_> =
        slices.iter().zip(backbone).map(|(quotes, x)| target::quality(quotes, &wings::to_svi(x))).collect();
    Surface {
        ssvi,
        arbitrage: check(&fitted),
        quality: target::pooled(fitted.iter().map(|slice| &slice.quality)),
        ssvi_quality: target::pooled(ssvi_quality.iter()),
        unconstrained: target::pooled(fitted.iter().map(|slice| &slice.unconstrained)),
        slices: fitted,
    }
}
