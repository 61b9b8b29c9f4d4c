//! The last word on arbitrage: what the fit leaves is lifted away, and a slice that lifting does not mend moves towards the backbone
//! until it is free, half way to its neighbours too.

use std::ops::Range;

use super::{
    Svi,
    half_way::Dip,
    held::Held,
    rise::is_rise_certain,
    wings::{self, Wings},
};
use crate::surface::check::{dense_grid, lowest_g, lowest_rise};

/// Rounds of mending before the whole surface gives way to the backbone.
const ROUNDS: usize = 60;
/// Rounds in which raising the level of a slice is tried first.
const EASES: usize = 3;
/// Rounds for what is wrong half way between expiries alone, and those of them in which levels are tried first, each by so many times as much as before:
/// in a wing a level tells less than near the money.
const HALF_WAY_ROUNDS: usize = 18;
const HALF_WAY_EASES: usize = 10;
const HALF_WAY_GROWTH: f64 = 1.5;
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
    /// Over which each slice, and its rise to the next, is free.
    ranges: Vec<[f64; 2]>,
}

/// A surface near `fitted` that is free of arbitrage over `ranges` and over what its own levels ask to be `held`: a fit may lie above the
/// backbone, at whose levels `ranges` are. None where even the backbone is not free.
///
/// Half way between expiries it is free of butterflies too, where some rounds more make it so; else it is the first that was free at the expiries.
pub(super) fn repair(fitted: &[Wings], backbone: &[Wings], held: &Held, ranges: &[[f64; 2]]) -> Option<Repaired> {
    let mut shares = vec![0.0_f64; fitted.len()];
    let mut levels = vec![0.0; fitted.len()];
    let mut grids = Grids::new(ranges);
    let (mut half_way_rounds, mut but_half_way) = (0, None);
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
        let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
        // Where it grows, the next round mends what there is to mend.
        grids.widen(&held.ranges(&levels_of(&slices)));
        // Levels and slopes leave the grids, which lie round the vertices, as they are.
        if moved {
            grids = Grids::new(&grids.ranges);
        }
        if mended && is_free(&slices, &mut grids) {
            let dips: Vec<Option<Dip>> = dips(&slices, 0..slices.len(), held).collect();
            let is_free_half_way = dips.iter().all(Option::is_none);
            let found = Repaired { slices, shares: shares.clone(), ranges: grids.ranges.clone() };
            if is_free_half_way {
                return Some(found);
            }
            but_half_way.get_or_insert(found);
            half_way_rounds += 1;
            if half_way_rounds > HALF_WAY_ROUNDS {
                break;
            }
            let growth = HALF_WAY_GROWTH.powi(half_way_rounds as i32 - 1);
            for (i, dip) in dips.iter().enumerate() {
                let Some(dip) = dip else { continue };
                // A dip is between two slices.
                for j in [i, i + 1] {
                    if half_way_rounds <= HALF_WAY_EASES {
                        levels[j] += growth * level_for(dip.total_variance, dip.g);
                    } else {
                        shares[j] = (2.0 * shares[j]).clamp(FIRST_SHARE, 1.0);
                    }
                }
            }
            grids = Grids::new(&grids.ranges);
        }
    }
    if but_half_way.is_some() {
        return but_half_way;
    }
    let mut slices = backbone.to_vec();
    grids = Grids::new(ranges);
    lift(&mut slices, &mut grids);
    let slices: Vec<Svi> = slices.iter().map(wings::to_svi).collect();
    grids.widen(&held.ranges(&levels_of(&slices)));
    let shares = vec![1.0; backbone.len()];
    is_free(&slices, &mut grids).then_some(Repaired { slices, shares, ranges: grids.ranges })
}

/// Total variance at the money.
fn levels_of(slices: &[Svi]) -> Vec<f64> {
    slices.iter().map(|svi| svi.total_variance(0.0)).collect()
}

/// Puts a slice's own fit in its place where that meets more of its quotes and breaks no rule beside the neighbours as they are.
pub(super) fn adopt(
    repaired: &mut Repaired,
    own: &[Option<Svi>],
    held: &Held,
    is_better: impl Fn(usize, &Svi, &Svi) -> bool,
) {
    let Repaired { slices, shares, ranges } = repaired;
    for i in 0..slices.len() {
        let Some(candidate) = own[i] else { continue };
        let window = i.saturating_sub(1)..(i + 2).min(slices.len());
        let before = std::mem::replace(&mut slices[i], candidate);
        let is_worth_it = are_ends_free(&slices[window.clone()]) && is_better(i, &candidate, &before);
        if is_worth_it && is_free_with(slices, window, held, ranges) {
            shares[i] = 0.0;
        } else {
            slices[i] = before;
        }
    }
}

/// Whether the slices are free of arbitrage over `ranges`, to which is added what their levels ask to be `held`, where only those of the
/// `window` are not known to be.
fn is_free_with(slices: &[Svi], window: Range<usize>, held: &Held, ranges: &mut Vec<[f64; 2]>) -> bool {
    let mut grids = Grids::new(ranges);
    // A level may ask for more of slices beyond the window.
    let window = if grids.widen(&held.ranges(&levels_of(slices))) { 0..slices.len() } else { window };
    let mut of_window = Grids::new(&grids.ranges[window.clone()]);
    let is_free =
        is_free(&slices[window.clone()], &mut of_window) && dips(slices, window, held).all(|dip| dip.is_none());
    if is_free {
        *ranges = grids.ranges;
    }
    is_free
}

/// What is wrong half way from each slice of the `window` to the next in it.
fn dips(slices: &[Svi], window: Range<usize>, held: &Held) -> impl Iterator<Item = Option<Dip>> {
    let last = window.end.saturating_sub(1);
    (window.start..last).map(move |i| held.half_way.dip(i, slices))
}

/// How far a level should rise to mend g where it is below zero, at total variance `w`. The negative term of g is about w′²/4w near the money, so that
/// what it is short of is undone by about the same share of w.
fn level_for(w: f64, g: f64) -> f64 {
    w * (1e-3 - g).min(0.5)
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

/// How far the level of a slice whose w or g is negative somewhere should rise to mend it; zero where neither is.
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
    if worst.0 < 0.0 { level_for(svi.total_variance(worst.1).max(1e-3 * at_the_money), worst.0) } else { 0.0 }
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
struct Grids {
    ranges: Vec<[f64; 2]>,
    grids: Vec<Vec<f64>>,
    values: Vec<f64>,
}

impl Grids {
    fn new(ranges: &[[f64; 2]]) -> Self {
        Self { ranges: ranges.to_vec(), grids: vec![Vec::new(); ranges.len()], values: Vec::new() }
    }

    /// Adds `ranges` to its own; whether any grew.
    fn widen(&mut self, ranges: &[[f64; 2]]) -> bool {
        let mut grew = false;
        for ((own, grid), [low, high]) in self.ranges.iter_mut().zip(&mut self.grids).zip(ranges) {
            if *low < own[0] || *high > own[1] {
                *own = [own[0].min(*low), own[1].max(*high)];
                grid.clear();
                grew = true;
            }
        }
        grew
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, SliceQuotes, Slices, Ssvi, coverage, svi::half_way::tests::slice, violations};

    const LOW: Svi = Svi { a: 0.01, b: 0.1, rho: -0.6, m: 0.02, sigma: 0.05 };

    #[test]
    fn slices_too_close_for_the_certificate_are_told_apart_on_the_grid() {
        let ranges = [[-3.0, 1.0]; 2];
        let pair = |gap: f64| [LOW, Svi { a: LOW.a + gap, ..LOW }];
        for (gap, is_above) in [(1e-9, true), (-1e-9, false)] {
            let [low, high] = pair(gap);
            assert!(!is_rise_certain(&low, &high, ranges[0]), "{gap}");
            let mut grids = Grids::new(&ranges);
            assert_eq!(is_free(&[low, high], &mut grids), is_above, "{gap}");
            assert!(!grids.grids[0].is_empty(), "the grid was asked");
            // And lifted no further than by what is missing.
            let mut slices = [low, high].map(|svi| wings::from_svi(&svi));
            lift(&mut slices, &mut Grids::new(&ranges));
            let [low, lifted] = slices.map(|x| wings::to_svi(&x));
            assert!(is_free(&[low, lifted], &mut Grids::new(&ranges)), "{gap}");
            let (rise, most) = (lifted.a - high.a, if is_above { 1e-15 } else { 1.1e-9 });
            assert!((0.0..=most).contains(&rise), "{rise} at {gap}");
        }
    }

    /// Two expiries quoted next to the money only, with their backbone at a volatility of about 10 %.
    fn narrow() -> (Vec<SliceQuotes>, Held, [Wings; 2], Vec<[f64; 2]>) {
        let quotes = |expiry_years: f64| SliceQuotes {
            expiry_years,
            log_moneyness: vec![-0.05, 0.0, 0.05],
            bid_volatility: vec![0.1; 3],
            mid_volatility: vec![0.1; 3],
            ask_volatility: vec![0.1; 3],
            ..SliceQuotes::default()
        };
        let quotes: Vec<SliceQuotes> = [1.0, 1.1].map(quotes).to_vec();
        let held = Held::new(&quotes, &Clock::default());
        let levels = [0.01, 0.011];
        let backbone = levels.map(|level| wings::from_svi(&Ssvi { rho: -0.5, eta: 1.0, gamma: 0.4 }.slice(level)));
        let ranges = held.ranges(&levels);
        (quotes, held, backbone, ranges)
    }

    fn seen(quotes: &[SliceQuotes], slices: &[Svi]) -> Vec<f64> {
        let expiry_years = quotes.iter().map(|it| it.expiry_years).collect();
        let surface = Slices { expiry_years, smiles: slices.to_vec(), clock: Clock::default() };
        violations(&surface, &coverage(quotes)).1.iter().map(|violation| violation.log_moneyness).collect()
    }

    #[test]
    fn a_fit_far_above_the_backbone_is_free_wherever_a_check_looks() {
        let (quotes, held, backbone, ranges) = narrow();
        // Moved to the left and up: above the lower one over the ranges of the backbone's levels, and below it further left.
        let (low, high) = ([-0.01, 0.3, 0.05, 0.0, 0.3_f64.ln()], [0.003_37, 0.3, 0.05, -0.05, 0.3_f64.ln()]);
        let fitted = [low, high];
        let before = fitted.map(|x| wings::to_svi(&x));
        assert!(is_free(&before, &mut Grids::new(&ranges)));
        let outside = seen(&quotes, &before);
        assert!(!outside.is_empty() && outside.iter().all(|k| *k < ranges[0][0]), "{outside:?} {ranges:?}");
        let repaired = repair(&fitted, &backbone, &held, &ranges).expect("the backbone is free");
        assert_eq!(seen(&quotes, &repaired.slices), Vec::<f64>::new());
        assert_eq!(repaired.shares, [0.0; 2], "raising its level is enough");
    }

    #[test]
    fn a_slice_of_its_own_is_adopted_only_where_it_is_free_wherever_a_check_looks() {
        let (quotes, held, backbone, ranges) = narrow();
        let slices = backbone.map(|x| wings::to_svi(&x)).to_vec();
        let mut repaired = Repaired { slices: slices.clone(), shares: vec![1.0; 2], ranges: ranges.clone() };
        // Its vertex is below the slice before, left of where the backbone's levels ask for.
        let m = -0.45;
        let dip = |by: f64| {
            let x = [0.0, slices[1].wing_slopes()[0] + 0.01, 0.3, m, 0.02_f64.ln()];
            let svi = wings::to_svi(&x);
            Svi { a: slices[0].total_variance(m) - svi.total_variance(m) + by, ..svi }
        };
        let below = dip(-1e-3);
        assert!(is_free(&[slices[0], below], &mut Grids::new(&ranges)));
        assert!(!seen(&quotes, &[slices[0], below]).is_empty());
        adopt(&mut repaired, &[None, Some(below)], &held, |_, _, _| true);
        assert_eq!((&repaired.slices, &repaired.shares), (&slices, &vec![1.0; 2]));
        let above = dip(1e-2);
        adopt(&mut repaired, &[None, Some(above)], &held, |_, _, _| true);
        assert_eq!(repaired.slices[1], above);
        assert_eq!(seen(&quotes, &repaired.slices), Vec::<f64>::new());
    }

    #[test]
    fn what_is_wrong_half_way_alone_is_mended() {
        // Fitted to the mids of SPX on 2019-05-14: free at both expiries, and half way g is −3.0e-4 at log-moneyness 0.399.
        let years = [0.142_494_292_237_442_9, 0.161_672_374_429_223_75];
        let low = Svi {
            a: -0.015_266_869_064_406_233,
            b: 0.057_752_959_154_287_43,
            rho: -0.524_862_624_366_605_6,
            m: -0.008_815_814_335_734_26,
            sigma: 0.327_747_584_899_615_36,
        };
        let high = Svi {
            a: -0.014_239_229_151_394_717,
            b: 0.060_923_152_761_088_66,
            rho: -0.451_631_778_017_862_75,
            m: 0.014_022_949_913_368_49,
            sigma: 0.289_947_479_220_566_74,
        };
        let quotes = vec![slice(years[0], Some([-0.7101, 0.1473])), slice(years[1], Some([-0.7843, 0.1623]))];
        let held = Held::new(&quotes, &Clock::default());
        let levels = [low, high].map(|svi| svi.total_variance(0.0));
        let backbone = levels.map(|level| wings::from_svi(&Ssvi { rho: -0.5, eta: 1.0, gamma: 0.4 }.slice(level)));
        let ranges = held.ranges(&levels);
        assert!(is_free(&[low, high], &mut Grids::new(&ranges)));
        let before = held.half_way.dip(0, &[low, high]).expect("there is a butterfly");
        assert!(before.log_moneyness > 0.39 && before.g < -2.9e-4, "{before:?}");
        let fitted = [low, high].map(|svi| wings::from_svi(&svi));
        let repaired = repair(&fitted, &backbone, &held, &ranges).expect("the backbone is free");
        assert_eq!(held.half_way.dip(0, &repaired.slices), None);
        let surface = Slices { expiry_years: years.to_vec(), smiles: repaired.slices.clone(), clock: Clock::default() };
        assert_eq!(violations(&surface, &coverage(&quotes)).1, vec![]);
        // By some tenths of a vol point, which the far wing of one of them asks for.
        for ((svi, before), t) in repaired.slices.iter().zip([low, high]).zip(years) {
            let volatility = |svi: &Svi, k: f64| (svi.total_variance(k) / t).sqrt();
            for k in [-0.5, -0.1, 0.0, 0.1] {
                assert!((volatility(svi, k) - volatility(&before, k)).abs() < 5e-3, "{k}: {svi:?}");
            }
        }
    }
}
