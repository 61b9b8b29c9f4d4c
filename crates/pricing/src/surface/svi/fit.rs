//! The fit of a surface, stage by stage.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::{
    Svi,
    constraints::{Member, Points},
    held::Held,
    joint::{self, QUICK_QUOTES_MIN, Reach},
    loss::{self, Loss},
    met::met,
    repair::{self, Repaired, repair},
    retraction::Keeps,
    slice::{self, Bounds, Descent},
    ssvi::{self, Ssvi},
    target::Target,
    wings::{self, Wings},
};
use crate::surface::{
    Clock, SliceQuotes, SliceSource, Surface, SurfaceSlice, check,
    neighbours::filled,
    quality::{FitQuality, QualityCount, of_all},
    span,
};

/// Loss scales through which the fit of a slice alone falls, in half-spreads.
const FIRST_SCALE: f64 = 3.0;
const LAST_SCALE: f64 = 1.5;
/// No slice can meet its quotes where the least-squares fit is near fewer than this share of them, and a fit that leaves wild ones aside near fewer
/// than the other. Of 1,676 slices of SPX least squares are near 76 % at least.
const NEAR_OF_SQUARES: f64 = 0.7;
const NEAR_OF_MOST: f64 = 0.9;
/// A warm start is given up where the loss is above this share of the most that it can be.
const MOST_WARM_COST: f64 = 0.6;
/// The volatility of a surface none of whose quotes has one.
const NO_VOLATILITY: f64 = 0.2;
/// A slice of at least this many quotes is strained below this share of the quotes that it meets alone.
const STRAINED_QUOTES_MIN: usize = 10;
const STRAINED_SHARE: f64 = 0.6;
/// Further than this from the market at the money no slice is to end that can come nearer alone: half a vol point.
const MOST_OFF: f64 = 5e-3;
/// Slices that expire earlier are not asked: their market at the money is between strikes far apart by their deviation.
const OFF_YEARS_MIN: f64 = 2.0 / 365.0;
/// Slices on each side of a strained one that are fitted anew with it.
const BESIDE: usize = 3;
/// Share of all quotes that strained slices must lose for another attempt.
const LOST_SHARE: f64 = 0.003;
/// Counts of quotes that differ by this share are next to each other.
const NEXT_TO: f64 = 2e-3;
/// About so many quotes of a slice are looked at until the last stage of the joint fit.
const FEW_QUOTES: usize = 48;
/// Points that stand for the shape of a slice which takes it from the backbone, their half-width as a share of total variance, and the most
/// that one weighs beside a quote.
const SHAPE_POINTS: i32 = 15;
const SHAPE_HALF_WIDTH: f64 = 0.1;
const SHAPE_WEIGHT: f64 = 0.05;

/// Fits a surface to slices of distinct, ascending expiry. Every slice gets an answer; `source` says of what kind. Quotes without a finite
/// mid volatility take no part, and count as the quality says. Where no quote of any slice has a volatility, all slices are flat at 20 %.
/// An expiry that is not positive counts as 1e-9 years.
pub fn fit(slices: &[SliceQuotes]) -> Surface {
    assemble(slices, &by_default(slices, &Clock::default(), slices.iter().map(Target::new).collect(), &[]))
}

/// One expiry of a fit.
#[derive(Clone, Debug)]
pub(super) struct FoundSlice {
    pub(super) expiry_years: f64,
    pub(super) svi: Svi,
    pub(super) source: SliceSource,
}

/// What a fit of all slices comes to.
pub(super) struct Found {
    pub(super) slices: Vec<FoundSlice>,
    /// The fits of the slices alone, where they have a shape.
    pub(super) alone: Vec<Option<Wings>>,
    pub(super) ssvi: Option<Ssvi>,
    backbone: Vec<Wings>,
}

impl Found {
    /// Quality of the slices alone over all quotes of `slices`.
    pub(super) fn unconstrained(&self, slices: &[SliceQuotes]) -> FitQuality {
        of_all(self.alone_counts(slices))
    }

    /// How well each slice alone meets its quotes; one without a fit of its own, as in the surface.
    fn alone_counts(&self, slices: &[SliceQuotes]) -> Vec<QualityCount> {
        let of = |((quotes, slice), alone): ((&SliceQuotes, &FoundSlice), &Option<Wings>)| {
            met(quotes, &alone.as_ref().map_or(slice.svi, wings::to_svi))
        };
        slices.iter().zip(&self.slices).zip(&self.alone).map(of).collect()
    }
}

/// Fits all slices to `targets`, one a slice, under the loss that suits the quotes: one that counts those inside bid-ask, or where there are
/// mids alone, of which none can be inside, least squares. Variance passes between expiries by `clock`; `starts` as in [`inside`].
pub(super) fn by_default(
    slices: &[SliceQuotes],
    clock: &Clock,
    targets: Vec<Target>,
    starts: &[Option<Wings>],
) -> Found {
    if slices.iter().any(SliceQuotes::has_sides) {
        inside(slices, clock, targets, starts)
    } else {
        least_squares(slices, clock, targets, starts, 0, |_| Vec::new())
    }
}

/// Fits all slices to `targets`, one a slice, under a loss that saturates: in effect, quotes outside bid-ask are counted. `starts` has
/// where to start a slice from, and may be short.
fn inside(slices: &[SliceQuotes], clock: &Clock, mut targets: Vec<Target>, starts: &[Option<Wings>]) -> Found {
    let one = |(i, target): (usize, &mut Target)| target.has_shape().then(|| fit_inside(target, start_of(starts, i)));
    let alone: Vec<Option<Wings>> = targets.par_iter_mut().enumerate().map(one).collect();
    let frame = Frame::new(slices, clock, &targets);
    let own = with_bent(&alone, &targets, &frame.backbone);
    let is_quick = targets.iter().map(Target::len).sum::<usize>() >= QUICK_QUOTES_MIN;
    let repaired = frame.ssvi.and_then(|_| {
        let mut members = members(targets, &frame.backbone);
        let is_better =
            |i: usize, own: &Svi, joint: &Svi| met(&slices[i], own).inside() > met(&slices[i], joint).inside();
        let (backbone, ranges) = (&frame.backbone, &frame.ranges);
        let mut fitted = joint::fit(&mut members, backbone, backbone, ranges, Reach::Near, is_quick);
        let mut near = frame.finished(&fitted, &own, is_better)?;
        let mut off = off_the_money(&members, &alone, &near.slices);
        if is_quick && off.contains(&true) {
            let slow = joint::fit(&mut members, backbone, backbone, ranges, Reach::Near, false);
            if let Some(found) = frame.finished(&slow, &own, is_better) {
                let off_then = off_the_money(&members, &alone, &found.slices);
                if count(&off_then) < count(&off) {
                    (fitted, near, off) = (slow, found, off_then);
                }
            }
        }
        let Some(anew) = strained(slices, &near.slices, &alone, &off) else { return Some(near) };
        refit(&mut fitted, &anew, &mut members, backbone, ranges, is_quick);
        let Some(far) = frame.finished(&fitted, &own, is_better) else { return Some(near) };
        let is_far = match count(&off_the_money(&members, &alone, &far.slices)).cmp(&count(&off)) {
            Ordering::Equal => meets_better(slices, &far.slices, &near.slices),
            order => order.is_lt(),
        };
        Some(if is_far { far } else { near })
    });
    frame.found(slices, alone, repaired)
}

/// Fits all slices to `targets`, one a slice, by least squares. `lay` makes the targets anew of the slices fitted so far, in as many
/// `rounds`; each goes on from the one before, on the first targets' backbone.
pub(super) fn least_squares(
    slices: &[SliceQuotes],
    clock: &Clock,
    mut targets: Vec<Target>,
    starts: &[Option<Wings>],
    rounds: usize,
    mut lay: impl FnMut(&[Svi]) -> Vec<Target>,
) -> Found {
    let fit_all = |targets: &[Target], starts: &[Option<Wings>]| -> Vec<Option<Wings>> {
        let one = |(i, target): (usize, &Target)| target.has_shape().then(|| fit_squares(target, start_of(starts, i)));
        targets.par_iter().enumerate().map(one).collect()
    };
    let mut alone = fit_all(&targets, starts);
    let frame = Frame::new(slices, clock, &targets);
    let repaired = frame.ssvi.and_then(|_| {
        let fit_joint = |targets: &[Target], from: &[Wings], reach| {
            joint::fit(
                &mut members(targets.to_vec(), &frame.backbone),
                from,
                &frame.backbone,
                &frame.ranges,
                reach,
                false,
            )
        };
        let mut fitted = fit_joint(&targets, &frame.backbone, Reach::Whole);
        for _ in 0..rounds {
            targets = lay(&fitted.iter().map(wings::to_svi).collect::<Vec<Svi>>());
            fitted = fit_joint(&targets, &fitted, Reach::Again);
        }
        if rounds > 0 {
            alone = fit_all(&targets, &alone);
        }
        let own = with_bent(&alone, &targets, &frame.backbone);
        frame.finished(&fitted, &own, |i, own, joint| {
            let cost = |svi: &Svi| loss::objective(&targets[i], &wings::from_svi(svi), Loss::LEAST_SQUARES);
            cost(own) < cost(joint)
        })
    });
    frame.found(slices, alone, repaired)
}

/// Where slice `i` starts from, where that is known.
fn start_of(starts: &[Option<Wings>], i: usize) -> Option<&Wings> {
    starts.get(i).and_then(Option::as_ref)
}

/// The backbone of all slices, and where each is held.
struct Frame {
    ssvi: Option<Ssvi>,
    backbone: Vec<Wings>,
    held: Held,
    /// The ranges at the backbone's levels.
    ranges: Vec<[f64; 2]>,
}

impl Frame {
    fn new(slices: &[SliceQuotes], clock: &Clock, targets: &[Target]) -> Self {
        let (ssvi, levels) = match ssvi::fit(targets) {
            Some((ssvi, levels)) => (Some(ssvi), levels),
            None => (None, targets.iter().map(Target::level).collect()),
        };
        let years: Vec<f64> = targets.iter().map(|target| target.expiry_years).collect();
        let levels = fill_levels(&years, &levels);
        let backbone = levels
            .iter()
            .map(|&level| wings::from_svi(&ssvi.map_or_else(|| Svi::flat(level), |ssvi| ssvi.slice(level))))
            .collect();
        let held = Held::new(slices, clock);
        let ranges = held.ranges(&levels);
        Self { ssvi, backbone, held, ranges }
    }

    /// The slices of a joint fit, repaired, and a slice's own fit in its place where that `is_better` and may be.
    fn finished(
        &self,
        fitted: &[Wings],
        alone: &[Option<Wings>],
        is_better: impl Fn(usize, &Svi, &Svi) -> bool,
    ) -> Option<Repaired> {
        let own: Vec<Option<Svi>> = alone.iter().map(|alone| alone.as_ref().map(wings::to_svi)).collect();
        let mut repaired = repair(fitted, &self.backbone, &self.held, &self.ranges)?;
        repair::adopt(&mut repaired, &own, &self.held, is_better);
        Some(repaired)
    }

    /// The fit of all slices. Without a backbone, or where even that is not free of arbitrage, they are flat.
    fn found(self, slices: &[SliceQuotes], alone: Vec<Option<Wings>>, repaired: Option<Repaired>) -> Found {
        let source = |alone: &Option<Wings>, share: f64| {
            if alone.is_some() && share < 1.0 { SliceSource::Svi } else { SliceSource::Ssvi }
        };
        let shaped: Vec<(Svi, SliceSource)> = match repaired {
            Some(Repaired { slices, shares, .. }) => slices
                .into_iter()
                .zip(alone.iter().zip(shares))
                .map(|(svi, (own, share))| (svi, source(own, share)))
                .collect(),
            None => repair::flat(&self.backbone).into_iter().map(|svi| (svi, SliceSource::Flat)).collect(),
        };
        let one = |(quotes, (svi, source)): (&SliceQuotes, (Svi, SliceSource))| FoundSlice {
            expiry_years: span::positive_years(quotes.expiry_years),
            svi,
            source,
        };
        let slices = slices.iter().zip(shaped).map(one).collect();
        Found { slices, alone, ssvi: self.ssvi, backbone: self.backbone }
    }
}

/// What the misses of a target cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// A loss that saturates: in effect, quotes outside bid-ask are counted.
    Inside,
    /// Σr².
    LeastSquares,
}

/// The slices to fit anew: those with quotes enough that meet far fewer of them than they meet alone (they were not found, or are at odds
/// with the others) and those `off` the market at the money, with the ones beside them. None where what they lose is no part of the surface that
/// is worth another attempt.
fn strained(slices: &[SliceQuotes], fitted: &[Svi], alone: &[Option<Wings>], off: &[bool]) -> Option<Vec<bool>> {
    let lost = |((quotes, svi), alone): ((&SliceQuotes, &Svi), &Option<Wings>)| {
        let Some(alone) = alone else { return 0 };
        let (joint, best) = (met(quotes, svi).inside(), met(quotes, &wings::to_svi(alone)).inside());
        let is_strained = quotes.len() >= STRAINED_QUOTES_MIN && (joint as f64) < STRAINED_SHARE * best as f64;
        if is_strained { best - joint } else { 0 }
    };
    let lost: Vec<usize> = slices.iter().zip(fitted).zip(alone).map(lost).collect();
    let quotes: usize = slices.iter().map(SliceQuotes::len).sum();
    let is_worth_it = off.contains(&true) || lost.iter().sum::<usize>() as f64 > LOST_SHARE * quotes as f64;
    let beside = |i: usize| i.saturating_sub(BESIDE)..(i + BESIDE + 1).min(lost.len());
    is_worth_it.then(|| (0..lost.len()).map(|i| beside(i).any(|j| lost[j] > 0 || off[j])).collect())
}

/// The slices of quotes enough that are off the market at the money, though their own fit, where they have one, is not.
fn off_the_money(members: &[Member], alone: &[Option<Wings>], svis: &[Svi]) -> Vec<bool> {
    let is_off =
        |target: &Target, svi: &Svi| target.anchor.is_off(svi.total_variance(0.0), target.expiry_years, MOST_OFF);
    let one = |((member, own), svi): ((&Member, &Option<Wings>), &Svi)| {
        let target = &member.target;
        target.len() >= STRAINED_QUOTES_MIN
            && target.expiry_years > OFF_YEARS_MIN
            && is_off(target, svi)
            && own.as_ref().is_none_or(|own| !is_off(target, &wings::to_svi(own)))
    };
    members.iter().zip(alone).zip(svis).map(one).collect()
}

fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|flag| **flag).count()
}

/// Fits each run of slices that are to be fitted `anew` from the backbone between its neighbours, which stay as they are.
fn refit(
    fitted: &mut [Wings],
    anew: &[bool],
    members: &mut [Member],
    backbone: &[Wings],
    ranges: &[[f64; 2]],
    is_quick: bool,
) {
    for (i, member) in members.iter_mut().enumerate().filter(|(i, _)| !anew[*i]) {
        member.bounds = Bounds::at(&fitted[i]);
    }
    let mut end = 0;
    for run in anew.chunk_by(|one, other| one == other) {
        let start = end;
        end += run.len();
        if run[0] {
            fitted[start..end].copy_from_slice(&backbone[start..end]);
            let run = start.saturating_sub(1)..(end + 1).min(anew.len());
            let from = &fitted[run.clone()];
            let (backbone, ranges) = (&backbone[run.clone()], &ranges[run.clone()]);
            let found = joint::fit(&mut members[run.clone()], from, backbone, ranges, Reach::Far, is_quick);
            fitted[run].copy_from_slice(&found);
        }
    }
}

/// Whether one surface meets more quotes than the other, or next to as many and misses the rest by less.
fn meets_better(slices: &[SliceQuotes], one: &[Svi], other: &[Svi]) -> bool {
    let all = |svis: &[Svi]| {
        slices.iter().zip(svis).fold(QualityCount::default(), |all, (quotes, svi)| all.joined(met(quotes, svi)))
    };
    let (one, other) = (all(one), all(other));
    let (one_inside, other_inside) = (one.inside() as f64, other.inside() as f64);
    if (one_inside - other_inside).abs() <= NEXT_TO * other_inside {
        one.quality().rmse_vol_points < other.quality().rmse_vol_points
    } else {
        one_inside > other_inside
    }
}

/// The least-squares fit of a slice without regard to the others, from `warm` where that meets the quotes roughly, else from a grid.
pub(super) fn fit_squares(target: &Target, warm: Option<&Wings>) -> Wings {
    let bounds = Bounds::new(target);
    let from = |x: Wings| slice::descend(target, x, &Descent::least_squares(1e-9, 100), &bounds).1;
    let warm = warm.map(|x| from(*x)).filter(|x| !slice::is_beaten(target, &bounds, x));
    warm.unwrap_or_else(|| from(slice::least_squares(target, &bounds)))
}

/// The fit of a slice without regard to the others that has most quotes inside, likewise. Quotes that no slice can meet are widened (see
/// [`Target::widen`]).
pub(super) fn fit_inside(target: &mut Target, warm: Option<&Wings>) -> Wings {
    let bounds = Bounds::new(target);
    let loss = |scale: f64| Loss::saturating(scale).bent();
    let fall = |target: &Target, x: Wings| {
        let first = Descent { loss: loss(FIRST_SCALE), settled: 1e-3, steps: 20, keeps: Keeps::Level };
        let last = Descent { loss: loss(LAST_SCALE), settled: 1e-5, steps: 100, keeps: Keeps::Shape };
        let (_, x) = slice::descend(target, x, &first, &bounds);
        slice::descend(target, x, &last, &bounds)
    };
    if let Some(warm) = warm {
        let (cost, x) = fall(target, *warm);
        let is_good = cost < MOST_WARM_COST * LAST_SCALE.powi(2) * target.len() as f64;
        // Quotes that no slice can meet are told by the way from the grid.
        if is_good && target.near_share(&x) >= NEAR_OF_MOST {
            return x;
        }
    }
    let start = slice::least_squares(target, &bounds);
    let found = fall(target, start).1;
    if target.near_share(&start) >= NEAR_OF_SQUARES || target.near_share(&found) >= NEAR_OF_MOST {
        return found;
    }
    // To count the few quotes that a slice could run through would leave the others to chance.
    target.widen(&start);
    slice::descend(target, start, &Descent::least_squares(1e-9, 100), &bounds).1
}

/// Gives each slice without a level one from its neighbours; rising.
pub(in crate::surface) fn fill_levels(times: &[f64], levels: &[Option<f64>]) -> Vec<f64> {
    let between = |low: &f64, high: &f64, share: f64| low + (high - low) * share;
    let unknown = || times.iter().map(|time| NO_VOLATILITY * NO_VOLATILITY * time).collect();
    let mut levels = filled(levels, times, between, |level, ratio| level * ratio).unwrap_or_else(unknown);
    let mut before = 0.0_f64;
    for level in &mut levels {
        *level = level.max(before * (1.0 + 1e-6));
        before = *level;
    }
    levels
}

/// The members of the joint problem. A slice without a shape of its own is drawn to the prior's, or where it has none to the backbone's.
fn members(targets: Vec<Target>, backbone: &[Wings]) -> Vec<Member> {
    let member = |(target, backbone): (Target, &Wings)| {
        let target = if target.has_shape() { target } else { shape_target(&target, backbone) };
        let few = target.thinned(FEW_QUOTES);
        let share = target.len() as f64 / few.len().max(1) as f64;
        let bounds = Bounds::new(&target);
        Member { target, few, share, bounds, grid: Points::default(), pair_grid: Points::default() }
    };
    targets.into_iter().zip(backbone).map(member).collect()
}

/// The fits of the slices alone, and of each of too few strikes for one the shape that it is drawn to, bent to its quotes.
fn with_bent(alone: &[Option<Wings>], targets: &[Target], backbone: &[Wings]) -> Vec<Option<Wings>> {
    let each = alone.iter().zip(targets.iter().zip(backbone));
    each.map(|(alone, (target, backbone))| alone.or_else(|| bent(target, &shape_of(target, backbone)))).collect()
}

/// The backbone's slice, or one of the prior's shape at the same level.
fn shape_of(few: &Target, backbone: &Wings) -> Svi {
    let svi = wings::to_svi(backbone);
    let prior = few.pull.filter(|pull| pull.is_prior).map(|pull| wings::to_svi(&pull.to));
    let at_level = |prior: Svi| {
        let by = svi.total_variance(0.0) / prior.total_variance(0.0);
        Svi { a: by * prior.a, b: by * prior.b, ..prior }
    };
    prior.map(at_level).filter(is_shape).unwrap_or(svi)
}

fn is_shape(svi: &Svi) -> bool {
    svi.b.is_finite() && svi.least_total_variance() > 0.0
}

/// `shape` bent to quotes at two to four strikes; none where there are others.
fn bent(few: &Target, shape: &Svi) -> Option<Wings> {
    let is_few = !few.has_shape() && few.strikes() > 1;
    is_few.then(|| fit_squares(&among_points(few, shape), None)).filter(|bent| is_shape(&wings::to_svi(bent)))
}

/// What a slice of too few strikes is fitted to: the points of a shape at its level, bent to its quotes where these are at two strikes or
/// more, and the quotes among them. A loss that saturates does not feel quotes that are far from where it starts; the points it feels.
fn shape_target(few: &Target, backbone: &Wings) -> Target {
    let shape = shape_of(few, backbone);
    among_points(few, &bent(few, &shape).map_or(shape, |bent| wings::to_svi(&bent)))
}

/// The few quotes, where they are at two strikes or more, among points on `svi` that weigh less than any of them, so that these say only
/// what the quotes leave open; what the quotes say of the money is kept.
fn among_points(few: &Target, svi: &Svi) -> Target {
    let quotes = if few.strikes() > 1 { few.len() } else { 0 };
    let deviation = svi.total_variance(0.0).max(1e-14).sqrt();
    let weights = (0..quotes).map(|i| few.centre[i] * few.inverse_half[i]);
    let weight = weights.fold(1.0 / SHAPE_HALF_WIDTH, |least, of_quote| least.min(SHAPE_WEIGHT * of_quote));
    let point = |i: i32| {
        let k = 2.5 * deviation * f64::from(2 * i - SHAPE_POINTS + 1) / f64::from(SHAPE_POINTS - 1);
        let w = svi.total_variance(k);
        [k, w, weight / w]
    };
    let quotes = (0..quotes).map(|i| [few.k[i], few.centre[i], few.inverse_half[i]]);
    let mut rows: Vec<[f64; 3]> = (0..SHAPE_POINTS).map(point).chain(quotes).collect();
    rows.sort_by(|x, y| x[0].total_cmp(&y[0]));
    let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
    let [k, centre, inverse_half] = [0, 1, 2].map(column);
    Target { expiry_years: few.expiry_years, k, centre, inverse_half, anchor: few.anchor, pull: None, is_wide: false }
}

/// The surface with its check and its qualities.
fn assemble(slices: &[SliceQuotes], found: &Found) -> Surface {
    let joint = slices.iter().zip(&found.slices);
    let counts: Vec<QualityCount> = joint.map(|(quotes, slice)| met(quotes, &slice.svi)).collect();
    let free = found.alone_counts(slices);
    let backbone = slices.iter().zip(&found.backbone).map(|(quotes, x)| met(quotes, &wings::to_svi(x)));
    let fitted: Vec<SurfaceSlice> = slices
        .iter()
        .zip(&found.slices)
        .enumerate()
        .map(|(i, (quotes, slice))| SurfaceSlice {
            expiry_years: slice.expiry_years,
            forward: quotes.forward,
            svi: slice.svi,
            source: slice.source,
            log_moneyness_range: span::log_moneyness_range(quotes).unwrap_or([0.0; 2]),
            quality: counts[i].quality(),
            unconstrained: free[i].quality(),
        })
        .collect();
    Surface {
        ssvi: found.ssvi,
        arbitrage: check(&fitted),
        quality: of_all(counts),
        ssvi_quality: of_all(backbone),
        unconstrained: of_all(free),
        slices: fitted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::test_quotes::{grid, quotes};

    /// Slices of an index's shape whose tilt changes along, with misses of up to three half-spreads, and each third level too low.
    fn market() -> Vec<SliceQuotes> {
        let slice = |i: usize| {
            let t = 0.05 * 1.1_f64.powi(i as i32);
            let level = if i % 3 == 2 { 0.035 } else { 0.04 } * t;
            let svi = Ssvi { rho: -0.6 - 0.01 * i as f64, eta: 1.0, gamma: 0.45 }.slice(level);
            let noise = |k: f64| 6e-4 * (97.0 * k / level.sqrt()).sin();
            let deviation = level.sqrt();
            let k = grid(-6.0 * deviation, 2.5 * deviation, 110);
            quotes(t, &k, 2e-4, |k| (svi.total_variance(k) / t).sqrt() + noise(k))
        };
        (0..10).map(slice).collect()
    }

    #[test]
    fn a_slice_off_the_money_is_fitted_anew_however_few_its_quotes() {
        let slices = market();
        let targets: Vec<Target> = slices.iter().map(Target::new).collect();
        let alone: Vec<Wings> = targets.iter().map(|target| fit_inside(&mut target.clone(), None)).collect();
        let mut svis: Vec<Svi> = alone.iter().map(wings::to_svi).collect();
        let alone: Vec<Option<Wings>> = alone.into_iter().map(Some).collect();
        let members = members(
            targets,
            &Frame::new(&slices, &Clock::default(), &slices.iter().map(Target::new).collect::<Vec<_>>()).backbone,
        );
        assert_eq!(count(&off_the_money(&members, &alone, &svis)), 0);
        // A volatility 0.4 points too high is free to be, 0.6 points is not: its quotes' half-spreads are 0.02.
        let raised = |svi: &Svi, points: f64| {
            let t = slices[7].expiry_years;
            let volatility = (svi.total_variance(0.0) / t).sqrt();
            Svi { a: svi.a + ((volatility + points * 0.01).powi(2) - volatility.powi(2)) * t, ..*svi }
        };
        let own = svis[7];
        svis[7] = raised(&own, 0.4);
        assert_eq!(count(&off_the_money(&members, &alone, &svis)), 0);
        svis[7] = raised(&own, 0.6);
        let off = off_the_money(&members, &alone, &svis);
        assert!(off[7] && count(&off) == 1, "{off:?}");
        let anew = strained(&slices, &svis, &alone, &off).unwrap();
        let wanted: Vec<bool> = (0..10).map(|i| i >= 4).collect();
        assert_eq!(anew, wanted);
    }

    #[test]
    fn a_large_surface_in_conflict_is_free_of_arbitrage() {
        let slices = market();
        let surface = fit(&slices);
        let found = &surface.arbitrage;
        assert_eq!((found.butterfly_violations, found.calendar_violations), (0, 0));
        assert!(surface.quality.inside_share().unwrap() > 0.1, "{:?}", surface.quality);
    }

    #[test]
    fn few_stages_come_as_low_as_many() {
        let slices = market();
        let targets: Vec<Target> = slices.iter().map(Target::new).collect();
        assert!(targets.iter().map(Target::len).sum::<usize>() >= QUICK_QUOTES_MIN);
        let frame = Frame::new(&slices, &Clock::default(), &targets);
        let loss = Loss::saturating(LAST_SCALE);
        let cost = |svis: &[Wings]| -> f64 { targets.iter().zip(svis).map(|(t, x)| loss::objective(t, x, loss)).sum() };
        let [quick, slow] = [true, false].map(|is_quick| {
            let mut members = members(targets.clone(), &frame.backbone);
            let (backbone, ranges) = (&frame.backbone, &frame.ranges);
            let fitted = joint::fit(&mut members, backbone, backbone, ranges, Reach::Near, is_quick);
            let repaired = repair(&fitted, backbone, &frame.held, ranges).expect("the backbone is free");
            cost(&repaired.slices.iter().map(wings::from_svi).collect::<Vec<Wings>>())
        });
        assert!(quick < 1.01 * slow, "{quick} {slow}");
        // The constraints are felt: without them the quotes are met far better.
        let alone: Vec<Wings> = targets.iter().map(|target| fit_inside(&mut target.clone(), None)).collect();
        assert!(cost(&alone) < 0.9 * slow, "{} {slow}", cost(&alone));
    }
}
