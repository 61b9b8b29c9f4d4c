//! Where a surface has static arbitrage, how much, and how wide: any surface, whatever it was fitted with.

use serde::{Deserialize, Serialize};

use super::{
    ArbitrageReport, SliceQuotes,
    check::lowest,
    smile::{VolatilitySurface, durrleman_g},
    span::{log_moneyness_range, positive_years},
};

/// Points of the grid over one smile, between which each local minimum is looked for.
const POINTS: usize = 601;
/// A smile is checked this share of its quoted span beyond its quotes, and this many deviations about the money at least.
pub(super) const BEYOND: f64 = 0.25;
pub(super) const DEVIATIONS: f64 = 3.0;
/// Where between two expiries a surface is looked at.
const BETWEEN: [f64; 3] = [0.25, 0.5, 0.75];
/// Durrleman's g may be below zero by this much, and total variance fall by this share: what rounding leaves.
const SLACK_G: f64 = 1e-9;
const SLACK_SHARE: f64 = 1e-10;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// The density is negative: size is how far Durrleman's g is below zero.
    Butterfly,
    /// Total variance falls with expiry: size is the fall.
    Calendar,
    /// The surface has no value.
    NoValue,
}

impl ViolationKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Butterfly => "butterfly",
            Self::Calendar => "calendar",
            Self::NoValue => "no_value",
        }
    }
}

/// One stretch of log-moneyness at one expiry over which the surface has arbitrage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub kind: ViolationKind,
    /// Years to the expiry; for a fall of variance, of the later one.
    pub expiry_years: f64,
    /// Where it is worst.
    pub log_moneyness: f64,
    /// How bad it is there.
    pub size: f64,
    /// The stretch.
    pub log_moneyness_range: [f64; 2],
}

/// What a smile's check covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Years to expiry.
    pub expiry_years: f64,
    /// Lowest and highest quoted log-moneyness.
    pub log_moneyness_range: [f64; 2],
}

/// The coverage that quotes ask for, by ascending expiry; a slice without a quote has none.
pub fn coverage(slices: &[SliceQuotes]) -> Vec<Coverage> {
    let of = |quotes: &SliceQuotes| {
        let log_moneyness_range = log_moneyness_range(quotes)?;
        Some(Coverage { expiry_years: positive_years(quotes.expiry_years), log_moneyness_range })
    };
    slices.iter().filter_map(of).collect()
}

/// Checks `surface` at every expiry and half way between neighbours: Durrleman's g over the quoted strikes and a quarter of their span
/// beyond (and so at the quarters between neighbours too), and the rise of total variance from each of these expiries to the next over what is checked at either, wherever both have a value,
/// on a dense grid and at the local minima between its points.
pub fn violations(
    surface: &(impl VolatilitySurface + ?Sized),
    coverage: &[Coverage],
) -> (ArbitrageReport, Vec<Violation>) {
    let mut report =
        ArbitrageReport { least_g: f64::INFINITY, log_moneyness_range: [0.0; 2], ..ArbitrageReport::default() };
    let mut found = Vec::new();
    let mut stations: Vec<Coverage> = Vec::new();
    for (i, here) in coverage.iter().enumerate() {
        if let Some(before) = i.checked_sub(1).map(|i| &coverage[i]) {
            stations.extend(BETWEEN.map(|share| Coverage {
                expiry_years: before.expiry_years + share * (here.expiry_years - before.expiry_years),
                log_moneyness_range: union(before.log_moneyness_range, here.log_moneyness_range),
            }));
        }
        stations.push(*here);
    }
    let mut before: Option<(f64, [f64; 2])> = None;
    for (i, station) in stations.iter().enumerate() {
        let t = station.expiry_years;
        let range = widened(surface, station);
        report.log_moneyness_range = union(report.log_moneyness_range, range);
        let mut run = Run::new(ViolationKind::Butterfly, t);
        lowest(
            &grid(range),
            |k| durrleman_g(k, surface.variance(k, t).smile()),
            |k, g| {
                report.points += 1;
                if g.is_finite() && g < report.least_g {
                    report.least_g = g;
                }
                report.butterfly_violations += usize::from(run.see(k, g, -SLACK_G, &mut found));
            },
        );
        run.finish(&mut found);
        // Of the three between two expiries, variance is asked to rise to the one half way.
        if i % (BETWEEN.len() + 1) % 2 == 1 {
            continue;
        }
        if let Some((t_before, range_before)) = before {
            let mut run = Run::new(ViolationKind::Calendar, t);
            let rise = |k: f64| {
                let (low, high) = (surface.total_variance(k, t_before), surface.total_variance(k, t));
                high - low + SLACK_SHARE * low.abs()
            };
            // Half way to an expiry of fewer strikes more are quoted than there, and variance may fall at those alone. An expiry without a
            // value within its own range has been told of above, by its own name; beyond it there is nothing to fall from or to.
            lowest(&grid(union(range_before, range)), rise, |k, rise| {
                if rise.is_nan() {
                    run.finish(&mut found);
                } else {
                    report.calendar_violations += usize::from(run.see(k, rise, 0.0, &mut found));
                }
            });
            run.finish(&mut found);
        }
        before = Some((t, range));
    }
    if !report.least_g.is_finite() {
        report.least_g = 0.0;
    }
    (report, found)
}

/// A stretch of neighbouring points that break one rule.
struct Run {
    kind: ViolationKind,
    expiry_years: f64,
    open: Option<Violation>,
}

impl Run {
    fn new(kind: ViolationKind, expiry_years: f64) -> Self {
        Self { kind, expiry_years, open: None }
    }

    /// Sees the value at the next point, which should be at least `bound`; whether it is not.
    fn see(&mut self, k: f64, value: f64, bound: f64, found: &mut Vec<Violation>) -> bool {
        // −∞ is what g is where there is no positive variance.
        let kind = if value.is_nan() || value == f64::NEG_INFINITY { ViolationKind::NoValue } else { self.kind };
        if value >= bound {
            self.finish(found);
            return false;
        }
        if self.open.as_ref().is_some_and(|open| open.kind != kind) {
            self.finish(found);
        }
        let size = if kind == ViolationKind::NoValue { 0.0 } else { -value };
        let open = self.open.get_or_insert(Violation {
            kind,
            expiry_years: self.expiry_years,
            log_moneyness: k,
            size,
            log_moneyness_range: [k, k],
        });
        if size > open.size {
            (open.size, open.log_moneyness) = (size, k);
        }
        open.log_moneyness_range = union(open.log_moneyness_range, [k, k]);
        true
    }

    fn finish(&mut self, found: &mut Vec<Violation>) {
        found.extend(self.open.take());
    }
}

fn union([low, high]: [f64; 2], [other_low, other_high]: [f64; 2]) -> [f64; 2] {
    [low.min(other_low), high.max(other_high)]
}

/// The quoted range and what is checked beyond it.
fn widened(surface: &(impl VolatilitySurface + ?Sized), station: &Coverage) -> [f64; 2] {
    let [low, high] = station.log_moneyness_range;
    let beyond = BEYOND * (high - low);
    let deviation = surface.total_variance(0.0, station.expiry_years).max(0.0).sqrt();
    let reach = if deviation.is_finite() { DEVIATIONS * deviation } else { 0.0 };
    [(low - beyond).min(-reach), (high + beyond).max(reach)]
}

fn grid([low, high]: [f64; 2]) -> Vec<f64> {
    let step = (high - low) / (POINTS - 1) as f64;
    (0..POINTS).map(|i| low + step * i as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, Slices, Svi, smile::Variance};

    const VOGT: Svi = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };

    fn surface(smiles: Vec<Svi>) -> (Slices<Svi>, Vec<Coverage>) {
        let expiry_years: Vec<f64> = (1..=smiles.len()).map(|i| i as f64).collect();
        let coverage = expiry_years
            .iter()
            .map(|&expiry_years| Coverage { expiry_years, log_moneyness_range: [-1.0, 1.0] })
            .collect();
        (Slices { expiry_years, smiles, clock: Clock::default() }, coverage)
    }

    #[test]
    fn the_published_arbitrage_of_vogt_is_one_stretch_with_its_place_and_size() {
        let (surface, coverage) = surface(vec![VOGT]);
        let (report, found) = violations(&surface, &coverage);
        let butterflies: Vec<_> = found.iter().filter(|it| it.kind == ViolationKind::Butterfly).collect();
        assert_eq!(butterflies.len(), 1, "{found:?}");
        // Gatheral and Jacquier (2014), section 5.1, figure 1.
        assert!((butterflies[0].log_moneyness - 0.879).abs() < 5e-3, "{:?}", butterflies[0]);
        assert!((butterflies[0].size - 0.0329).abs() < 5e-4, "{:?}", butterflies[0]);
        assert!(report.butterfly_violations > 10 && (report.least_g + butterflies[0].size).abs() < 1e-12);
    }

    #[test]
    fn a_fall_of_variance_is_found_where_it_is() {
        let smile = |a: f64, rho: f64| Svi { a, b: 0.05, rho, m: 0.0, sigma: 0.3 };
        let (crossing, coverage) = surface(vec![smile(0.04, -0.8), smile(0.04, 0.0)]);
        let (report, found) = violations(&crossing, &coverage);
        assert!(report.calendar_violations > 0 && found.iter().all(|it| it.kind == ViolationKind::Calendar));
        assert!(found.iter().all(|it| it.log_moneyness < 0.0 && it.size > 0.0), "{found:?}");
        let (sound, coverage) = surface(vec![smile(0.04, -0.5), smile(0.05, -0.5)]);
        let (report, found) = violations(&sound, &coverage);
        assert_eq!((report.butterfly_violations, report.calendar_violations, found), (0, 0, vec![]));
    }

    /// Flat but for wings that rise to half way between the first year and the second, and fall half of that after.
    struct Hump;

    impl VolatilitySurface for Hump {
        fn variance(&self, k: f64, t: f64) -> Variance {
            let wing = if t < 1.5 { t - 1.0 } else { 0.5 - 0.5 * (t - 1.5) };
            let (total, by_k) = (4e-4 * t + 0.01 * wing * k * k, 0.02 * wing * k);
            Variance { total, by_k, by_kk: 0.02 * wing, ..Variance::default() }
        }
    }

    #[test]
    fn a_fall_half_way_to_an_expiry_of_fewer_strikes_is_found() {
        let of = |expiry_years, reach: f64| Coverage { expiry_years, log_moneyness_range: [-reach, reach] };
        let (report, found) = violations(&Hump, &[of(1.0, 0.8), of(2.0, 0.1)]);
        let falls: Vec<&Violation> = found.iter().filter(|it| it.kind == ViolationKind::Calendar).collect();
        assert!(report.calendar_violations > 0 && falls.len() == 2, "{found:?}");
        // 4·10⁻⁴ ∙ ½ of rise against 10⁻² ∙ ¼ k² of fall.
        let edge = 0.08_f64.sqrt();
        for (fall, sign) in falls.into_iter().zip([-1.0, 1.0]) {
            assert!(fall.expiry_years == 2.0 && sign * fall.log_moneyness > 0.8, "{fall:?}");
            let [low, high] = fall.log_moneyness_range.map(f64::abs);
            assert!((low.min(high) - edge).abs() < 5e-3, "{fall:?}");
        }
    }

    /// Flat but for a bump about a quarter of the way from the first year to the second, too narrow for its density.
    struct Quarter;

    impl VolatilitySurface for Quarter {
        fn variance(&self, k: f64, t: f64) -> Variance {
            let near = if (t - 1.25).abs() < 0.2 { 1e-3 } else { 0.0 };
            let bell = near * (-50.0 * k * k).exp();
            let by_kk = bell * (1e4 * k * k - 100.0);
            Variance { total: 0.04 * t + bell, by_k: -100.0 * k * bell, by_kk: 40.0 * by_kk, ..Variance::default() }
        }
    }

    #[test]
    fn a_butterfly_a_quarter_of_the_way_to_the_next_expiry_is_found() {
        let of = |expiry_years| Coverage { expiry_years, log_moneyness_range: [-0.5, 0.5] };
        let (report, found) = violations(&Quarter, &[of(1.0), of(2.0)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].expiry_years), (ViolationKind::Butterfly, 1.25));
        assert!(report.butterfly_violations > 1 && report.calendar_violations == 0, "{report:?}");
    }

    /// Flat, but before a tenth of a year without a value beyond a tenth of log-moneyness.
    struct Short;

    impl VolatilitySurface for Short {
        fn variance(&self, k: f64, t: f64) -> Variance {
            if t < 0.1 && k.abs() > 0.1 { Variance::NONE } else { Variance { total: 0.01 * t, ..Variance::default() } }
        }
    }

    #[test]
    fn what_has_no_value_is_the_expiry_that_has_none_and_only_where_it_is_checked() {
        let of = |expiry_years, reach: f64| Coverage { expiry_years, log_moneyness_range: [-reach, reach] };
        // Three deviations are 0.067, and a quarter of the span beyond is 0.075: both short of a tenth.
        assert_eq!(violations(&Short, &[of(0.05, 0.05), of(1.0, 0.8)]).1, vec![]);
        let (_, found) = violations(&Short, &[of(0.05, 0.2), of(1.0, 0.8)]);
        assert_eq!(found.len(), 2, "{found:?}");
        for (none, sign) in found.iter().zip([-1.0, 1.0]) {
            assert_eq!((none.kind, none.expiry_years), (ViolationKind::NoValue, 0.05), "{none:?}");
            let [low, high] = none.log_moneyness_range.map(|k| sign * k);
            assert!(low.min(high) > 0.1 && (low.max(high) - 0.3).abs() < 1e-12, "{none:?}");
        }
    }

    #[test]
    fn a_surface_without_values_says_so() {
        let (surface, coverage) = surface(vec![Svi { a: -1.0, ..VOGT }]);
        let (_, found) = violations(&surface, &coverage);
        assert!(found.iter().any(|it| it.kind == ViolationKind::NoValue), "{found:?}");
        assert_eq!(violations(&surface, &[]).1, vec![]);
    }
}
