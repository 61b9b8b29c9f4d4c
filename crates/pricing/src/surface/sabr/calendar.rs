//! Slices that do not fall below the slice before.

use std::slice::from_ref;

use super::{
    curve::{LEVEL, VOL_OF_VOL},
    family::Family,
    fit::Work,
    slice::{Conditions, Floor, HIGH, all, solve},
};
use crate::surface::{
    calibration::{ModelSettings, Note, Reason, moved},
    check::lowest_of,
    smile::Smile,
    span::log_moneyness_range,
};

/// Points of the grid over a pair of slices, between which each local minimum of the rise is looked for.
const CHECKED: usize = 401;
/// Points of the floor that a slice is fitted over.
const FLOORED: usize = 81;
/// Pairs are compared this share of their quoted span beyond their quotes, and this many deviations about the money at least.
const BEYOND: f64 = 0.25;
const DEVIATIONS: f64 = 3.0;
/// What falling below the floor costs, from one try to the next.
const PENALTIES: [f64; 3] = [10.0, 1e3, 1e5];
/// How far above the slice before a floor lies, by the share of total variance.
const MARGIN: f64 = 1e-5;
/// Tries to lift a slice that no refit brought above its floor.
const LIFTS: usize = 12;

/// Refits every slice that falls below the one before, over a floor; lifts it where that does not do. Whether any slice changed.
pub(super) fn enforce<S: Family, const N: usize>(
    works: &mut [Work<'_>],
    settings: &ModelSettings,
    notes: &mut Vec<Note>,
) -> bool {
    let mut has_changed = false;
    for i in 1..works.len() {
        let before: S = works[i - 1].smile();
        let range = range_of(&works[i - 1..=i], &before, &works[i].smile::<S>());
        if least_rise(range, &before, &works[i].smile::<S>()).1 >= 0.0 {
            continue;
        }
        has_changed = true;
        let free: S = works[i].smile();
        // The fit over the floor starts from where the slice is; where that ends below, from the slice before too, which is its own floor.
        let starts = [works[i].x, Some(before.parameters().without_time())];
        let mut best: Option<(f64, [f64; 4])> = None;
        for start in starts {
            works[i].x = start;
            let is_refitted = refit::<S, N>(&mut works[i], range, &before, settings);
            if !is_refitted && !lift(&mut works[i], range, &before) {
                continue;
            }
            let cost = cost::<S, N>(&works[i], settings);
            if let Some(x) = works[i].x.filter(|_| best.is_none_or(|best| cost < best.0)) {
                best = Some((cost, x));
            }
            if is_refitted {
                break;
            }
        }
        works[i].x = best.map(|best| best.1).or(starts[0]);
        if best.is_none() {
            let (log_moneyness, fall) = least_rise(range, &before, &free);
            let why = format!(
                "total variance falls by {:.3e} at log-moneyness {log_moneyness:.4} and no refit mends it",
                -fall
            );
            notes.push(works[i].note(Reason::Failed { why }));
            continue;
        }
        let (work, now) = (&works[i], works[i].smile::<S>());
        let k = work.objective.points.iter().map(|point| point.k);
        let reason = moved(k, work.expiry_years, |k| free.total_variance(k), |k| now.total_variance(k));
        notes.extend(reason.map(|reason| work.note(reason)));
    }
    has_changed
}

/// Fits over the floor with growing penalties; whether one of them did.
fn refit<S: Family, const N: usize>(
    work: &mut Work<'_>,
    range: [f64; 2],
    before: &S,
    settings: &ModelSettings,
) -> bool {
    if work.objective.points.is_empty() {
        return false;
    }
    let floor: Vec<(f64, f64)> = grid(range, FLOORED)
        .map(|k| (k, (1.0 + MARGIN) * before.total_variance(k)))
        .filter(|(_, least)| *least > 0.0)
        .collect();
    for penalty in PENALTIES {
        let conditions = work.conditions::<S>(settings, Floor { points: &floor, penalty });
        let found = solve::<S, N>(&work.objective, &conditions);
        if !found.normal.cost.is_finite() {
            return false;
        }
        work.x = Some(all(&found.parameters, conditions.start));
        if least_rise(range, before, &work.smile::<S>()).1 >= 0.0 {
            return true;
        }
    }
    false
}

/// What the slice's quotes cost where it is.
fn cost<S: Family, const N: usize>(work: &Work<'_>, settings: &ModelSettings) -> f64 {
    let conditions = Conditions { most_steps: 0, ..work.conditions::<S>(settings, Floor::default()) };
    solve::<S, N>(&work.objective, &conditions).normal.cost
}

/// Multiplies volatility and volatility of volatility by one factor, which raises the whole smile, until the slice is above its floor.
fn lift<S: Family>(work: &mut Work<'_>, range: [f64; 2], before: &S) -> bool {
    let Some(mut x) = work.x else { return false };
    for _ in 0..LIFTS {
        let smile: S = work.smile();
        let ratio = |k: f64| before.total_variance(k) / smile.total_variance(k);
        let most = grid(range, CHECKED).map(ratio).filter(|ratio| ratio.is_finite()).fold(1.0, f64::max);
        let factor = (most * (1.0 + 10.0 * MARGIN)).sqrt();
        x[LEVEL] = (x[LEVEL] * factor).min(HIGH[LEVEL]);
        x[VOL_OF_VOL] = (x[VOL_OF_VOL] * factor).min(HIGH[VOL_OF_VOL]);
        work.x = Some(x);
        if least_rise(range, before, &work.smile::<S>()).1 >= 0.0 {
            return true;
        }
    }
    false
}

/// Where total variance rises least from one smile to the next, and by how much; a smile without a value there falls by all.
fn least_rise<S: Smile>(range: [f64; 2], before: &S, after: &S) -> (f64, f64) {
    let mut points = [0.0; CHECKED];
    points.iter_mut().zip(grid(range, CHECKED)).for_each(|(point, k)| *point = k);
    // All points of a smile at once, then one less the other.
    let [mut falls, mut rises] = [[0.0; CHECKED]; 2];
    for (smile, out) in [(before, &mut falls), (after, &mut rises)] {
        S::total_variances_of(from_ref(smile), &[0; CHECKED], &points, out);
    }
    let rise = |rise: f64| if rise.is_nan() { f64::NEG_INFINITY } else { rise };
    let mut least = (0.0, f64::INFINITY);
    lowest_of(
        &points,
        |i| rise(rises[i] - falls[i]),
        |k| rise(after.total_variance(k) - before.total_variance(k)),
        |k, rise| {
            if rise < least.1 {
                least = (k, rise);
            }
        },
    );
    least
}

/// What two neighbours are compared over.
fn range_of<S: Smile>(pair: &[Work<'_>], before: &S, after: &S) -> [f64; 2] {
    let deviation = before.total_variance(0.0).max(after.total_variance(0.0)).max(0.0).sqrt();
    let quoted = pair.iter().filter_map(|work| log_moneyness_range(work.quotes));
    let [low, high] = quoted.fold([0.0_f64, 0.0_f64], |[low, high], range| [low.min(range[0]), high.max(range[1])]);
    let (beyond, reach) = (BEYOND * (high - low), DEVIATIONS * deviation);
    [(low - beyond).min(-reach), (high + beyond).max(reach)]
}

fn grid([low, high]: [f64; 2], points: usize) -> impl Iterator<Item = f64> {
    let step = (high - low) / (points - 1) as f64;
    (0..points).map(move |i| low + step * i as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        check::lowest,
        sabr::{NormalSabrSmile, Sabr, SabrParameters, SabrSmile},
    };

    /// The least rise by the same grid and minima, point by point.
    fn by_points<S: Smile>(range: [f64; 2], before: &S, after: &S) -> (f64, f64) {
        let points: Vec<f64> = grid(range, CHECKED).collect();
        let mut least = (0.0, f64::INFINITY);
        let rise = |k: f64| after.total_variance(k) - before.total_variance(k);
        lowest(&points, rise, |k, rise| {
            if rise < least.1 {
                least = (k, rise)
            }
        });
        least
    }

    #[test]
    fn all_points_at_once_have_the_least_rise_of_one_by_one() {
        let parameters = |alpha: f64, beta: f64, rho: f64, nu: f64, expiry_years: f64| SabrParameters {
            expiry_years,
            sabr: Sabr { alpha, beta, rho, nu },
        };
        for (beta, alpha) in [(1.0, 0.18), (0.5, 0.2)] {
            // Rising everywhere, touching about the money, and crossing on either side.
            for later in [[0.19, -0.6, 1.7], [0.163, -0.6, 1.8], [0.2, -0.1, 0.4], [0.18, -0.9, 1.0]] {
                let one = parameters(alpha, beta, -0.6, 2.0, 0.5);
                let other = parameters(alpha / 0.18 * later[0], beta, later[1], later[2], 0.6);
                let range = [-0.7, 0.5];
                let (one, other) = (SabrSmile::new(one), SabrSmile::new(other));
                let ((k, rise), (exact_k, exact)) = (least_rise(range, &one, &other), by_points(range, &one, &other));
                assert!((rise - exact).abs() < 1e-14 && (k - exact_k).abs() < 1e-6, "{k} {rise} {exact_k} {exact}");
            }
        }
        // A kind without a loop of its own, and a smile without a value.
        let [one, other] = [0.5, 0.6].map(|t| NormalSabrSmile::of(parameters(0.2, 0.0, -0.5, 1.0, t), 0.0));
        assert_eq!(least_rise([-0.5, 0.4], &one, &other), by_points([-0.5, 0.4], &one, &other));
        let broken = SabrSmile::new(parameters(f64::NAN, 1.0, 0.0, 1.0, 0.7));
        let sound = SabrSmile::new(parameters(0.2, 1.0, -0.5, 1.0, 0.5));
        assert_eq!(least_rise([-0.5, 0.4], &sound, &broken).1, f64::NEG_INFINITY);
    }
}
