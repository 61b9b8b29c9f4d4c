//! One slice's fit: where it starts, what it minimises, where its parameters may go.

#![allow(clippy::needless_range_loop, reason = "parameters go by their index in several columns")]

use super::{
    curve::{BETA, LEVEL, RHO, VOL_OF_VOL},
    family::Family,
    misses::QuoteColumns,
};
use crate::surface::calibration::{Bounds, Objective, Settings, Solution, minimise};

/// Where (α√t, ρ, ν√t, β) may go.
pub(super) const LOW: [f64; 4] = [1e-9, -0.999, 0.0, 0.0];
pub(super) const HIGH: [f64; 4] = [30.0, 0.999, 20.0, 1.0];
/// A typical equity smile in units of its deviation, and how far off is far: where nothing better is known.
pub(super) const TYPICAL: [f64; 4] = [f64::NAN, -0.6, 0.8, 1.0];
const SCALE: [f64; 4] = [f64::NAN, 0.5, 0.5, 0.5];
/// Least α√t as a share of the deviation quoted at the money.
const LEAST_LEVEL: f64 = 0.5;
/// What a total variance below its floor by a thousandth costs, in quotes missed by one unit, at a penalty of one.
const FLOOR_SCALE: f64 = 1e3;

/// Total variances that a smile must not fall below.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floor<'a> {
    /// (k, least w).
    pub(super) points: &'a [(f64, f64)],
    /// What falling below costs.
    pub(super) penalty: f64,
}

/// λ and the parameters that it pulls towards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull {
    pub(super) weight: f64,
    pub(super) towards: [f64; 4],
}

/// What a slice is fitted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    pub(super) settings: &'a Settings,
    pub(super) start: [f64; 4],
    pub(super) pull: Option<Pull>,
    pub(super) floor: Floor<'a>,
    /// Steps after which the descent is given up.
    pub(super) most_steps: usize,
    /// Whether only the level is fitted.
    pub(super) is_shape_held: bool,
    /// As a share of the forward.
    pub(super) shift: f64,
}

/// Fits the first N of (α√t, ρ, ν√t, β); the others stay where they start.
pub(super) fn solve<S: Family, const N: usize>(objective: &Objective, conditions: &Conditions<'_>) -> Solution<N> {
    let Conditions { settings, start, pull, floor, most_steps, is_shape_held, shift } = *conditions;
    let mut bounds = Bounds { low: first(LOW), high: first(HIGH) };
    // A smile of two straight lines that meet at no volatility at all is no smile.
    let nearest = objective.points.iter().min_by(|x, y| x.k.abs().total_cmp(&y.k.abs()));
    if let Some(point) = nearest.filter(|point| point.k * point.k <= point.total_variance[1]) {
        bounds.low[LEVEL] = LEAST_LEVEL * point.total_variance[1].sqrt();
    }
    if is_shape_held {
        for i in RHO..N {
            (bounds.low[i], bounds.high[i]) = (start[i], start[i]);
        }
    }
    let columns = QuoteColumns::new(objective, settings);
    let mut values: Vec<(f64, [f64; N])> = Vec::new();
    minimise(first(start), &bounds, settings.estimator, most_steps, |x, normal| {
        let here = all(x, start);
        let is_sound = columns.as_ref().and_then(|columns| S::add_misses(here, columns, normal));
        // One by one where they were not added together.
        let points = if is_sound.is_none() { &objective.points[..] } else { &[] };
        let quotes = points.len();
        let k = points.iter().map(|point| point.k).chain(floor.points.iter().map(|point| point.0));
        if is_sound == Some(false) || !S::evaluate(here, shift, k, &mut values) {
            return false;
        }
        for (i, (deviation, by)) in values[..quotes].iter().enumerate() {
            let [miss, slope] = objective.miss(i, deviation * deviation);
            let slope = 2.0 * deviation * slope;
            normal.add(miss, &by.map(|by| slope * by));
        }
        for ((_, least), (deviation, by)) in floor.points.iter().zip(&values[quotes..]) {
            let short = 1.0 - deviation * deviation / least;
            if short > 0.0 {
                let slope = -2.0 * FLOOR_SCALE * deviation / least;
                normal.pull(floor.penalty, FLOOR_SCALE * short, &by.map(|by| slope * by));
            }
        }
        if let Some(Pull { weight, towards }) = pull {
            for i in 0..N {
                let scale = if i == LEVEL { 0.2 * towards[LEVEL] } else { SCALE[i] };
                if towards[i].is_finite() && weight > 0.0 {
                    let mut by = [0.0; N];
                    by[i] = 1.0 / scale;
                    normal.pull(weight, (x[i] - towards[i]) / scale, &by);
                }
            }
        }
        true
    })
}

/// The first N of four.
pub(super) fn first<const N: usize>(x: [f64; 4]) -> [f64; N] {
    std::array::from_fn(|i| x[i])
}

/// The four of which `x` are the first.
pub(super) fn all<const N: usize>(x: &[f64; N], rest: [f64; 4]) -> [f64; 4] {
    std::array::from_fn(|i| if i < N { x[i] } else { rest[i] })
}

/// Parameters that give about the level, slope and curvature at the money of a parabola through the quotes there: Le Floc'h and Kennedy
/// (2014), "Explicit SABR calibration through simple expansions".
pub(super) fn guess(objective: &Objective, beta: f64) -> [f64; 4] {
    let points = &objective.points;
    let nearest = points.iter().min_by(|x, y| x.k.abs().total_cmp(&y.k.abs()));
    let level = nearest.map_or(0.2, |point| point.total_variance[1].sqrt());
    // In units of the deviation at the money, within this reach of it, where there are quotes enough.
    let reach = |most: f64| points.iter().filter(|point| point.k.abs() <= most * level).count();
    let most = [1.5, 3.0, 6.0].into_iter().find(|most| reach(*most) >= 7).unwrap_or(f64::INFINITY);
    let (mut sums, mut right) = ([0.0; 5], [0.0; 3]);
    for point in points.iter().filter(|point| point.k.abs() <= most * level) {
        let (x, y) = (point.k / level, point.total_variance[1].sqrt() / level);
        let powers = [1.0, x, x * x, x * x * x, x * x * x * x];
        for (sum, power) in sums.iter_mut().zip(powers) {
            *sum += power;
        }
        for (right, power) in right.iter_mut().zip(powers) {
            *right += power * y;
        }
    }
    let [c0, c1, c2] = parabola(&sums, &right).unwrap_or([1.0, 0.0, 0.0]);
    let a = if c0 > 0.2 && c0 < 5.0 { c0 * level } else { level };
    let m = 1.0 - beta;
    let along = 2.0 * c1 + m * a;
    let square = 6.0 * c2 * c0 + 1.5 * along * along - 0.5 * m * m * a * a;
    let vol_of_vol = square.max(along * along / 0.81).max(1e-4).sqrt().min(6.0);
    let mut x = [a, (along / vol_of_vol).clamp(-0.95, 0.95), vol_of_vol, beta];
    for i in [LEVEL, RHO, VOL_OF_VOL, BETA] {
        x[i] = if x[i].is_finite() { x[i].clamp(LOW[i], HIGH[i]) } else { TYPICAL[i] };
    }
    x
}

/// The least squares parabola of the sums of powers of x, and of those by y.
fn parabola([s0, s1, s2, s3, s4]: &[f64; 5], [r0, r1, r2]: &[f64; 3]) -> Option<[f64; 3]> {
    let cofactors = [s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2];
    let determinant = s0 * cofactors[0] + s1 * cofactors[1] + s2 * cofactors[2];
    let scale = s0 * s2 * s4;
    if !(determinant > 1e-9 * scale && scale > 0.0) {
        return None;
    }
    let others = [s0 * s4 - s2 * s2, s1 * s2 - s0 * s3, s0 * s2 - s1 * s1];
    Some([
        (cofactors[0] * r0 + cofactors[1] * r1 + cofactors[2] * r2) / determinant,
        (cofactors[1] * r0 + others[0] * r1 + others[1] * r2) / determinant,
        (cofactors[2] * r0 + others[1] * r1 + others[2] * r2) / determinant,
    ])
}
