//! The check for static arbitrage: no model assumption, any parameters.

use super::{
    ArbitrageReport, SurfaceSlice,
    scan::below,
    smile::Smile,
    svi::{
        Svi,
        constraints::{rise_of, slack_of_g},
        wings::Curve,
    },
};

/// Points of the uniform grid.
const UNIFORM_POINTS: usize = 801;
/// Points on each side of a vertex, out to the whole range by geometric steps.
const VERTEX_POINTS: usize = 96;
/// g may be below zero by this much from rounding.
const G_SLACK: f64 = 1e-9;
/// Total variance may fall by this share from rounding.
const CALENDAR_SLACK: f64 = 1e-12;

/// Checks slices of ascending expiry on a dense grid from the lowest to the highest quoted log-moneyness of all of them: Durrleman's
/// g ≥ −1e-9 on every slice, w > 0 over all strikes (one violation a slice where not), w not falling from a slice to the next, wing slopes in [0, 2], and no wing slope falling from a
/// slice to the next (that is the calendar condition beyond the grid). The grid is uniform, with points added round the vertices; between
/// its points the local minima of g and of the rise of w that may matter are found too, so that nothing slips through.
pub fn check(slices: &[SurfaceSlice]) -> ArbitrageReport {
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    for slice in slices {
        let [low, high] = slice.log_moneyness_range;
        if low.is_finite() && high.is_finite() {
            range = [range[0].min(low), range[1].max(high)];
        }
    }
    if slices.is_empty() || range[0] > range[1] {
        return ArbitrageReport::default();
    }
    let mut report =
        ArbitrageReport { least_g: f64::INFINITY, log_moneyness_range: range, ..ArbitrageReport::default() };
    let even: Vec<f64> = even_points(range).collect();
    let (mut around, mut around_next) = (Vec::new(), Vec::new());
    vertex_points(slices[0].svi.m, slices[0].svi.sigma, range, &mut around);
    let mut values = Vec::new();
    for (i, slice) in slices.iter().enumerate() {
        let svi = &slice.svi;
        let next = slices.get(i + 1).map(|s| &s.svi);
        for run in [&even, &around] {
            report.points += run.len();
            slack_of_g(&Curve::from_svi(svi), run, &mut values);
            let bound = report.least_g.max(-G_SLACK);
            below(
                run,
                &values,
                bound,
                |k| svi.durrleman_g(k),
                |_, g| {
                    report.least_g = report.least_g.min(g);
                    report.butterfly_violations += broken(g >= -G_SLACK);
                },
            );
        }
        if let Some(next) = next {
            around_next.clear();
            vertex_points(next.m, next.sigma, range, &mut around_next);
            for run in [&even, &around, &around_next] {
                rise_of(&Curve::from_svi(svi), &Curve::from_svi(next), run, &mut values);
                let rise = |k: f64| next.total_variance(k) - svi.total_variance(k);
                below(run, &values, 0.0, rise, |k, rise| {
                    let is_kept = rise >= 0.0 || rise >= -CALENDAR_SLACK * svi.total_variance(k).abs();
                    report.calendar_violations += broken(is_kept);
                });
            }
            std::mem::swap(&mut around, &mut around_next);
        }
        report.butterfly_violations += broken(svi.least_total_variance() > 0.0);
        let slopes = svi.wing_slopes();
        for slope in slopes {
            report.butterfly_violations += broken((-CALENDAR_SLACK..=2.0).contains(&slope));
        }
        if let Some(next) = next {
            for (slope, slope_next) in slopes.into_iter().zip(next.wing_slopes()) {
                report.calendar_violations += broken(slope_next >= slope - CALENDAR_SLACK);
            }
        }
    }
    report
}

/// One violation unless the condition `holds`; a comparison with NaN does not.
fn broken(holds: bool) -> usize {
    usize::from(!holds)
}

/// Hands `f` at every point of an ascending grid to `each`, and at each local minimum between the points.
pub(super) fn lowest(grid: &[f64], f: impl Fn(f64) -> f64, each: impl FnMut(f64, f64)) {
    lowest_of(grid, |i| f(grid[i]), &f, each);
}

/// As [`lowest`], where `at` has the value at each point of the grid.
pub(super) fn lowest_of(
    grid: &[f64],
    at: impl Fn(usize) -> f64,
    f: impl Fn(f64) -> f64,
    mut each: impl FnMut(f64, f64),
) {
    let (mut two_before, mut before) = (f64::INFINITY, f64::INFINITY);
    for (i, &k) in grid.iter().enumerate() {
        let value = at(i);
        each(k, value);
        if i >= 2 && before <= value && before <= two_before {
            let (k, value) = minimum_between(&f, grid[i - 2], k);
            each(k, value);
        }
        (two_before, before) = (before, value);
    }
}

/// [`lowest`] of g of a slice, eight points at a time; `values` is room.
pub(super) fn lowest_g(svi: &Svi, grid: &[f64], values: &mut Vec<f64>, each: impl FnMut(f64, f64)) {
    slack_of_g(&Curve::from_svi(svi), grid, values);
    let g = |k: f64| svi.durrleman_g(k);
    // A slice without a vertex (σ = 0) has no value there by the formula of lanes.
    lowest_of(grid, |i| if values[i].is_finite() { values[i] } else { g(grid[i]) }, g, each);
}

/// [`lowest`] of the rise of w from a slice to the next, likewise.
pub(super) fn lowest_rise(low: &Svi, high: &Svi, grid: &[f64], values: &mut Vec<f64>, each: impl FnMut(f64, f64)) {
    rise_of(&Curve::from_svi(low), &Curve::from_svi(high), grid, values);
    lowest_of(grid, |i| values[i], |k| high.total_variance(k) - low.total_variance(k), each);
}

/// The minimum of `f` between `low` and `high`, where it has one, by golden sections.
pub(super) fn minimum_between(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    const STEPS: usize = 24;
    let inner = |low: f64, high: f64| [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    let [mut a, mut b] = inner(low, high);
    let (mut at_a, mut at_b) = (f(a), f(b));
    for _ in 0..STEPS {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = inner(low, high)[0];
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = inner(low, high)[1];
            at_b = f(b);
        }
    }
    if at_a < at_b { (a, at_a) } else { (b, at_b) }
}

/// The ascending log-moneyness at which a slice, and a pair of slices, is checked.
pub(super) fn dense_grid(range: [f64; 2], svi: &Svi, next: &Svi, grid: &mut Vec<f64>) {
    grid.clear();
    let (mut own, mut beside) = (Vec::with_capacity(4 * VERTEX_POINTS + 2), Vec::new());
    vertex_points(svi.m, svi.sigma, range, &mut own);
    let second = own.len();
    if next != svi {
        vertex_points(next.m, next.sigma, range, &mut own);
    }
    merge(&own[..second], &own[second..], &mut beside);
    grid.reserve(UNIFORM_POINTS + beside.len());
    let mut even = even_points(range).peekable();
    for k in beside {
        while let Some(point) = even.next_if(|point| *point <= k) {
            grid.push(point);
        }
        grid.push(k);
    }
    grid.extend(even);
    grid.dedup();
}

/// The uniform grid.
fn even_points(range: [f64; 2]) -> impl Iterator<Item = f64> {
    let step = (range[1] - range[0]) / (UNIFORM_POINTS - 1) as f64;
    (0..UNIFORM_POINTS).map(move |i| (range[0] + step * i as f64).min(range[1]))
}

/// Two ascending runs as one.
fn merge(one: &[f64], other: &[f64], merged: &mut Vec<f64>) {
    merged.clear();
    merged.resize(one.len() + other.len(), 0.0);
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(&x), Some(&y), Some(out)) = (one.get(i), other.get(j), merged.get_mut(count)) {
        // Without branches: which run is next is as good as random.
        *out = x.min(y);
        (i, j, count) = (i + usize::from(x <= y), j + usize::from(x > y), count + 1);
    }
    merged.truncate(count);
    merged.extend_from_slice(&one[i..]);
    merged.extend_from_slice(&other[j..]);
}

/// Points inside `range` at m ± σ·(0, 1/8, …), each side growing geometrically to the end of the range.
fn vertex_points(m: f64, sigma: f64, range: [f64; 2], points: &mut Vec<f64>) {
    let furthest = (range[0] - m).abs().max((range[1] - m).abs());
    let first = 0.125 * sigma.max(1e-9);
    if !(m.is_finite() && furthest > first) {
        return;
    }
    let growth = (furthest / first).powf(1.0 / VERTEX_POINTS as f64);
    let mut step = first;
    let start = points.len();
    for _ in 0..VERTEX_POINTS {
        if (range[0]..=range[1]).contains(&(m - step)) {
            points.push(m - step);
        }
        step *= growth;
    }
    points[start..].reverse();
    points.push(m.clamp(range[0], range[1]));
    step = first;
    for _ in 0..VERTEX_POINTS {
        if (range[0]..=range[1]).contains(&(m + step)) {
            points.push(m + step);
        }
        step *= growth;
    }
}
