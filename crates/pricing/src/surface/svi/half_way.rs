//! Butterflies half way between neighbouring expiries, where the surface is a mean of two slices and a check of it looks.
//!
//! That both slices are free of butterflies does not make their mean free: of Durrleman's g all but (1 − k w′/2w)² is concave in w, and that
//! square may dip between them. It does so rarely and by little, so it is looked for once all else holds.

use super::{
    Svi,
    held::MARGIN,
    lanes::{Column, LANES, Lanes},
    wings::{Curve, LaneCurve, durrleman_g_of},
};
use crate::{
    math::{Kernel, MultiplyAdd, Target, dispatch},
    surface::{Clock, SliceQuotes, Smile, scan::below, smile::durrleman_g, span, violations},
};

/// Even parts of the range, and points on each side of a vertex.
const EVEN: usize = 100;
const BESIDE: usize = 20;

/// Where half way lies between the expiries that are quoted.
pub(super) struct HalfWay {
    /// By slice: what is looked at in the stretch from this slice to the next.
    stations: Vec<Option<Station>>,
}

/// Half way between two quoted expiries.
#[derive(Clone, Copy, Debug)]
struct Station {
    /// The share of the next slice in the surface there.
    share: f64,
    /// What either of the two quotes, and some of its span beyond.
    range: [f64; 2],
}

/// Where g is least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dip {
    pub(super) log_moneyness: f64,
    /// Below zero.
    pub(super) g: f64,
    /// Total variance there.
    pub(super) total_variance: f64,
}

impl HalfWay {
    /// Between the expiries of `slices`, which ascend, by the variance time of `clock`.
    pub(super) fn new(slices: &[SliceQuotes], clock: &Clock) -> Self {
        let years: Vec<f64> = slices.iter().map(|slice| span::positive_years(slice.expiry_years)).collect();
        let time = |years: f64| if clock.is_calendar() { years } else { clock.at(years)[0] };
        let mut stations = vec![None; slices.len()];
        let mut before: Option<(f64, [f64; 2])> = None;
        for (slice, here) in slices.iter().zip(&years) {
            let Some([low, high]) = span::log_moneyness_range(slice) else { continue };
            if let Some((years_before, [low_before, high_before])) = before {
                let middle = 0.5 * (years_before + here);
                // Slices without quotes may lie between the two.
                let next = years.partition_point(|years| *years < middle);
                if let Some(stretch) = next.checked_sub(1).filter(|_| next < years.len()) {
                    let [start, end] = [time(years[stretch]), time(years[next])];
                    let [low, high] = [low.min(low_before), high.max(high_before)];
                    let beyond = MARGIN * violations::BEYOND * (high - low);
                    let share = (time(middle) - start) / (end - start);
                    stations[stretch] = Some(Station { share, range: [low - beyond, high + beyond] });
                }
            }
            before = Some((*here, [low, high]));
        }
        Self { stations }
    }

    /// The deepest dip of g below zero half way from slice `i` to the next, where there is one: over what a check of the surface looks at there.
    pub(super) fn dip(&self, i: usize, slices: &[Svi]) -> Option<Dip> {
        let Station { share, range } = self.stations.get(i).copied().flatten()?;
        let Some([low, high]) = slices.get(i..i + 2) else { return None };
        let level = (1.0 - share) * low.total_variance(0.0) + share * high.total_variance(0.0);
        let reach = MARGIN * violations::DEVIATIONS * level.max(0.0).sqrt();
        let reach = if reach.is_finite() { reach } else { 0.0 };
        let range = [range[0].min(-reach), range[1].max(reach)];
        let smile = |k: f64| {
            let (low, high) = (low.derivatives(k), high.derivatives(k));
            std::array::from_fn(|j| low[j] + share * (high[j] - low[j]))
        };
        let mut worst: Option<Dip> = None;
        let mut values = Vec::new();
        for run in points(range, [low, high]).into_iter().filter(|run| !run.is_empty()) {
            values.clear();
            values.resize(run.len().next_multiple_of(LANES), f64::INFINITY);
            let curves = [Curve::from_svi(low), Curve::from_svi(high)];
            dispatch(Target::best(), Mean { curves, share, points: &run, out: &mut values });
            values.truncate(run.len());
            below(
                &run,
                &values,
                0.0,
                |k| durrleman_g(k, smile(k)),
                |k, g| {
                    if worst.is_none_or(|worst| g < worst.g || g.is_nan()) {
                        worst = Some(Dip { log_moneyness: k, g, total_variance: smile(k)[0] });
                    }
                },
            );
        }
        worst
    }
}

/// Ascending runs over `range`: one even, and one round the vertex of each slice that is narrow beside its steps, by steps that grow outward to
/// sixty of its widths.
fn points(range: [f64; 2], slices: [&Svi; 2]) -> [Vec<f64>; 3] {
    let step = (range[1] - range[0]) / EVEN as f64;
    let even = (0..=EVEN).map(|i| range[0] + step * i as f64).collect();
    let round = |svi: &Svi| {
        if step <= 0.25 * svi.sigma {
            return Vec::new();
        }
        // About sinh(4.8 t).
        let offset = |i: usize| {
            let t = i as f64 / BESIDE as f64;
            let square = t * t;
            svi.sigma * t * (4.8 + square * (14.0 + square * (14.0 + 28.0 * square)))
        };
        let left = (1..=BESIDE).rev().map(|i| svi.m - offset(i));
        let right = (0..=BESIDE).map(|i| svi.m + offset(i));
        left.chain(right).filter(|k| (range[0]..=range[1]).contains(k)).collect()
    };
    [even, round(slices[0]), round(slices[1])]
}

/// Durrleman's g of a mean of two slices at each of `points`; −∞ where w ≤ 0.
struct Mean<'a> {
    curves: [Curve; 2],
    share: f64,
    points: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Mean<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let [low, high] = [LaneCurve::new(&self.curves[0]), LaneCurve::new(&self.curves[1])];
        let share = Lanes::splat(self.share);
        let points = Column::new(self.points, self.points.last().copied().unwrap_or(0.0));
        for (at, out) in self.out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let k = points.block(at);
            let mut mean = low.derivatives::<M>(k);
            for (mean, high) in mean.iter_mut().zip(high.derivatives::<M>(k)) {
                *mean = share.times_plus::<M>(high - *mean, *mean);
            }
            *out = durrleman_g_of(k, mean).0;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::surface::{Coverage, Slices, ViolationKind, VolatilitySurface, violations};

    pub(in crate::surface::svi) fn slice(expiry_years: f64, quoted: Option<[f64; 2]>) -> SliceQuotes {
        let log_moneyness = quoted.map_or(vec![], |range| range.to_vec());
        let volatility = vec![0.2; log_moneyness.len()];
        SliceQuotes {
            expiry_years,
            log_moneyness,
            bid_volatility: volatility.clone(),
            mid_volatility: volatility.clone(),
            ask_volatility: volatility,
            ..SliceQuotes::default()
        }
    }

    #[test]
    fn half_way_is_by_the_calendar_and_its_share_by_the_clock() {
        let quoted = Some([-0.1, 0.1]);
        let slices = [slice(1.0, quoted), slice(1.2, None), slice(2.0, quoted), slice(4.0, quoted), slice(5.0, None)];
        let shares = |slices: &[SliceQuotes], clock: &Clock| -> Vec<Option<f64>> {
            HalfWay::new(slices, clock).stations.iter().map(|it| it.map(|it| it.share)).collect()
        };
        let close = |found: &[Option<f64>], expected: &[Option<f64>]| {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.is_some(), expected.is_some(), "{found:?} {expected:?}");
                assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12, "{found:?} {expected:?}");
            }
        };
        close(&shares(&slices, &Clock::default()), &[None, Some(0.375), Some(0.5), None, None]);
        // From year 2 to year 3 three years of variance pass, so that of four half way has three.
        let clock = Clock::new(vec![[2.0, 2.0], [3.0, 5.0], [4.0, 6.0]]).expect("it rises");
        close(&shares(&slices, &clock), &[None, Some(0.375), Some(0.75), None, None]);
        close(&shares(&[], &clock), &[]);
    }

    /// Pairs of slices, each without a butterfly, of which some have one half way.
    fn pairs() -> Vec<[Svi; 2]> {
        let mut found = Vec::new();
        for b in [0.05, 0.1, 0.2, 0.4] {
            for rho in [-0.9, -0.3, 0.3, 0.9] {
                for m in [-0.3, 0.0, 0.3] {
                    for [a, width] in [[0.01, 0.05], [0.02, 0.3], [0.08, 0.6]] {
                        let low = Svi { a: 0.3 * a, b: 0.6 * b, rho, m: -m, sigma: 0.1 };
                        found.push([low, Svi { a, b, rho: 0.5 * rho, m, sigma: width }]);
                    }
                }
            }
        }
        found
    }

    #[test]
    fn a_dip_is_where_a_check_of_the_surface_sees_it() {
        let (mut dips, mut none) = (0, 0);
        for smiles in pairs() {
            let quoted = [-0.6, 0.6];
            let quotes = [slice(1.0, Some(quoted)), slice(2.0, Some(quoted))];
            let surface = Slices { expiry_years: vec![1.0, 2.0], smiles: smiles.to_vec(), clock: Clock::default() };
            let coverage = [1.0, 2.0].map(|expiry_years| Coverage { expiry_years, log_moneyness_range: quoted });
            let seen = violations(&surface, &coverage).1;
            let seen = seen.iter().filter(|it| it.expiry_years == 1.5 && it.kind == ViolationKind::Butterfly);
            let seen = seen.max_by(|x, y| x.size.total_cmp(&y.size));
            let found = HalfWay::new(&quotes, &Clock::default()).dip(0, &smiles);
            let size = seen.map_or(0.0, |seen| seen.size);
            // The check looks a little less far, and lets pass what rounding leaves.
            let reach = (3.0 * surface.total_variance(0.0, 1.5).sqrt()).max(0.9);
            match found {
                Some(found) => {
                    let is_seen = found.log_moneyness.abs() <= reach;
                    assert!(-found.g >= (1.0 - 1e-3) * size, "{seen:?} {found:?} of {smiles:?}");
                    assert!(!is_seen || -found.g <= (1.0 + 1e-3) * size + 1e-9, "{seen:?} {found:?} of {smiles:?}");
                    let w = surface.total_variance(found.log_moneyness, 1.5);
                    assert!((found.total_variance - w).abs() < 1e-14, "{found:?}");
                    dips += usize::from(size > 0.0);
                }
                None => {
                    assert_eq!(size, 0.0, "{seen:?} of {smiles:?}");
                    none += 1;
                }
            }
        }
        assert!(dips > 3 && none > 100, "{dips} with, {none} without");
    }
}
