//! Where a slice has no butterfly arbitrage: over all strikes at once, not on a grid.
//!
//! With k = m + σ sinh u and y = eᵘ, total variance, its slope and its curvature are rational in y > 0, and 16 w² r³ g(k) (r = σ cosh u) is
//! a Laurent polynomial of degree 5 either way. So g ≥ 0 on the whole line where a polynomial of degree 10 is not negative on y > 0, which
//! the Bernstein coefficients on y = t/(1 − t), halved until their signs agree, decide up to rounding.

use serde::{Deserialize, Serialize};

use super::{Ssvi, Svi};
use crate::surface::smile::Smile;

/// Whether a slice has butterfly arbitrage, and where it comes closest to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Butterfly {
    /// No arbitrage at any strike: w > 0, g ≥ 0 and wing slopes of 2 at most, over the whole line.
    pub is_free: bool,
    /// Least Durrleman's g found; −∞ where w ≤ 0 somewhere.
    pub least_g: f64,
    /// Log-moneyness where it is.
    pub at: f64,
}

/// Degree of the polynomial, and its coefficients.
const DEGREE: usize = 10;
const COEFFICIENTS: usize = DEGREE + 1;
/// Coefficients below zero by this share of the greatest are zero to rounding.
const ROUNDING: f64 = 1e-12;
/// Halvings of an interval before it counts as undecided.
const MOST_HALVINGS: u32 = 60;
/// The same where a quick answer is asked for.
const CERTAIN_HALVINGS: usize = 14;
/// Points at which the least g is looked for, evenly in u up to this.
const POINTS: usize = 257;
const REACH: f64 = 9.0;

impl Svi {
    /// Whether the slice has butterfly arbitrage, decided over all strikes (see the module's text; near the boundary up to rounding, on
    /// the side of saying that it has), and its least g, by a search.
    pub fn butterfly(&self) -> Butterfly {
        // NaN is not positive either.
        if self.least_total_variance() > 0.0 && self.sigma >= 0.0 {
            let (least_g, at) = self.least_g();
            Butterfly { is_free: least_g >= 0.0 && self.is_butterfly_free(), least_g, at }
        } else {
            Butterfly { is_free: false, least_g: f64::NEG_INFINITY, at: self.m }
        }
    }

    /// Whether the slice has no butterfly arbitrage at any strike: the decision of [`Svi::butterfly`] without the search, in microseconds.
    pub fn is_butterfly_free(&self) -> bool {
        let values = [self.a, self.b, self.rho, self.m, self.sigma];
        values.iter().all(|v| v.is_finite())
            && self.b >= 0.0
            && self.rho.abs() <= 1.0
            && self.least_total_variance() > 0.0
            && (self.b == 0.0
                || (self.sigma > 0.0
                    && self.wing_slopes().into_iter().all(|slope| slope <= 2.0)
                    && is_not_negative(&self.polynomial())))
    }

    /// Whether g is certainly above zero from log-moneyness `low` to `high`: by the same polynomial, on that part of the line. Where it is
    /// not, g may still be nowhere below zero: it comes close, or the halvings were too few to tell.
    pub(super) fn is_g_certainly_positive(&self, [low, high]: [f64; 2]) -> bool {
        let is_sound = self.least_total_variance() > 0.0 && self.sigma > 0.0 && self.b > 0.0 && low < high;
        // t = y/(1 + y) of y = eᵘ, sinh u = (k − m)/σ; 1/y where y is small, so that neither end loses its digits.
        let share = |k: f64| {
            let x = (k - self.m) / self.sigma;
            let far = x.abs() + x.hypot(1.0);
            if x < 0.0 { 1.0 / (1.0 + far) } else { far / (1.0 + far) }
        };
        let (low, high) = (share(low), share(high));
        if !(is_sound && high > low) {
            return false;
        }
        let [_, right] = divided(&bernstein(&self.polynomial()), low);
        let [part, _] = divided(&right, (high - low) / (1.0 - low));
        let mut open = [(part, 0); CERTAIN_HALVINGS + 2];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let (part, halvings) = open[count];
            let most = part.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            if part.iter().all(|v| *v > ROUNDING * most) {
                continue;
            }
            let is_ended = part[0] > ROUNDING * most && part[DEGREE] > ROUNDING * most;
            if !is_ended || halvings == CERTAIN_HALVINGS {
                return false;
            }
            let [left, right] = halved(&part);
            (open[count], open[count + 1]) = ((left, halvings + 1), (right, halvings + 1));
            count += 2;
        }
        true
    }

    /// The least g over strikes out to e⁹σ, by golden sections round the least of a grid; at the wings' limit 1/4 − s²/16 where that is
    /// less.
    fn least_g(&self) -> (f64, f64) {
        let k = |u: f64| self.m + self.sigma * u.sinh();
        let g = |u: f64| self.durrleman_g(k(u));
        let step = 2.0 * REACH / (POINTS - 1) as f64;
        let mut best = (f64::INFINITY, 0.0);
        let value: Vec<f64> = (0..POINTS).map(|i| g(-REACH + step * i as f64)).collect();
        for i in 0..POINTS {
            let before = i.checked_sub(1).map_or(f64::INFINITY, |i| value[i]);
            let after = value.get(i + 1).copied().unwrap_or(f64::INFINITY);
            if value[i] < best.0 {
                best = (value[i], -REACH + step * i as f64);
            }
            if value[i] <= before && value[i] <= after && value[i] < best.0 + 0.05 {
                let centre = -REACH + step * i as f64;
                let found = golden(&g, centre - step, centre + step);
                if found.1 < best.0 {
                    best = (found.1, found.0);
                }
            }
        }
        (best.0, k(best.1))
    }

    /// Coefficients of y^0 to y^10 of y⁵·16 w² r³ g, over σ³.
    fn polynomial(&self) -> [f64; COEFFICIENTS] {
        let Self { a, b, rho, m, sigma } = *self;
        // Laurent polynomials by coefficients of y⁻¹, 1, y.
        let sum = |s: f64, t: f64, constant: f64| Laurent::new([0.5 * (t - s), constant, 0.5 * (t + s)]);
        let cosh = sum(0.0, 1.0, 0.0);
        // w, w′ cosh u and k.
        let w = sum(b * rho * sigma, b * sigma, a);
        let slope = Laurent::new([0.5 * (b * rho - b), 0.0, 0.5 * (b * rho + b)]);
        let k = sum(sigma, 0.0, m);
        // 4 cosh u (2w cosh u − k·slope)² − cosh u·slope²(4w + w²) + 8 b w²/σ.
        let lead = w.times(&cosh).scaled(2.0).plus(&k.times(&slope).scaled(-1.0));
        let w_square = w.times(&w);
        let inner = w_square.plus(&w.scaled(4.0));
        let first = cosh.times(&lead.times(&lead)).scaled(4.0);
        let second = cosh.times(&slope.times(&slope).times(&inner)).scaled(-1.0);
        first.plus(&second).plus(&w_square.scaled(8.0 * b / sigma)).of
    }
}

/// A Laurent polynomial of y: `of[DEGREE / 2 + i]` belongs to yⁱ, and those beyond ±`reach` are zero.
struct Laurent {
    of: [f64; COEFFICIENTS],
    reach: usize,
}

const MIDDLE: usize = DEGREE / 2;

impl Laurent {
    fn new([below, constant, above]: [f64; 3]) -> Self {
        let mut of = [0.0; COEFFICIENTS];
        (of[MIDDLE - 1], of[MIDDLE], of[MIDDLE + 1]) = (below, constant, above);
        Self { of, reach: 1 }
    }

    fn times(&self, other: &Self) -> Self {
        let reach = (self.reach + other.reach).min(MIDDLE);
        let mut of = [0.0; COEFFICIENTS];
        for i in MIDDLE - self.reach..=MIDDLE + self.reach {
            for j in MIDDLE - other.reach..=MIDDLE + other.reach {
                of[i + j - MIDDLE] += self.of[i] * other.of[j];
            }
        }
        Self { of, reach }
    }

    fn plus(&self, other: &Self) -> Self {
        Self { of: std::array::from_fn(|i| self.of[i] + other.of[i]), reach: self.reach.max(other.reach) }
    }

    fn scaled(&self, by: f64) -> Self {
        Self { of: self.of.map(|v| by * v), reach: self.reach }
    }
}

/// The least of `f` between `low` and `high`, and where.
fn golden(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    const STEPS: usize = 40;
    for _ in 0..STEPS {
        let (x, y) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if f(x) < f(y) { high = y } else { low = x }
    }
    let middle = 0.5 * (low + high);
    (middle, f(middle))
}

/// Whether Σ cᵢ yⁱ is nowhere negative on y > 0: the Bernstein coefficients in t = y/(1 + y) are cᵢ over the binomials, and a part of
/// the line where none of them is negative is decided.
fn is_not_negative(coefficients: &[f64; COEFFICIENTS]) -> bool {
    let mut open = vec![(bernstein(coefficients), 0)];
    while let Some((part, halvings)) = open.pop() {
        let most = part.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        if part.iter().all(|v| *v >= -ROUNDING * most) {
            continue;
        }
        // The first and the last coefficient are values of the polynomial.
        if part[0] < -ROUNDING * most || part[DEGREE] < -ROUNDING * most || halvings == MOST_HALVINGS {
            return false;
        }
        let [left, right] = halved(&part);
        open.push((left, halvings + 1));
        open.push((right, halvings + 1));
    }
    true
}

/// The Bernstein coefficients of Σ cᵢ yⁱ in t = y/(1 + y).
fn bernstein(coefficients: &[f64; COEFFICIENTS]) -> [f64; COEFFICIENTS] {
    let mut binomial = 1.0;
    let mut out = [0.0; COEFFICIENTS];
    for i in 0..COEFFICIENTS {
        out[i] = coefficients[i] / binomial;
        binomial *= (DEGREE - i) as f64 / (i + 1) as f64;
    }
    out
}

/// De Casteljau's division of an interval in the middle.
fn halved(part: &[f64; COEFFICIENTS]) -> [[f64; COEFFICIENTS]; 2] {
    divided(part, 0.5)
}

/// De Casteljau's division of an interval at the share `t`.
fn divided(part: &[f64; COEFFICIENTS], t: f64) -> [[f64; COEFFICIENTS]; 2] {
    let mut row = *part;
    let (mut left, mut right) = ([0.0; COEFFICIENTS], [0.0; COEFFICIENTS]);
    for level in 0..COEFFICIENTS {
        left[level] = row[0];
        right[DEGREE - level] = row[DEGREE - level];
        for i in 0..DEGREE - level {
            row[i] += t * (row[i + 1] - row[i]);
        }
    }
    [left, right]
}

/// What is known of the butterfly arbitrage of one SSVI slice by its parameters alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SsviButterfly {
    /// Free: θφ(1 + |ρ|) < 4 and θφ²(1 + |ρ|) ≤ 4.
    Free,
    /// The conditions do not tell: θφ(1 + |ρ|) < 4 and θφ²(1 + |ρ|) > 4. [`Svi::butterfly`] of the slice does.
    Unknown,
    /// Not free: θφ(1 + |ρ|) > 4, so a wing is steeper than 2 (Lee 2004), or equal to 4 with θφ²(1 + |ρ|) > 4.
    NotFree,
}

/// Whether the SSVI slice of level θ, φ = φ(θ) and ρ is free of butterfly arbitrage (Gatheral and Jacquier 2014, theorem 4.2 and lemma
/// 4.2): θφ(1 + |ρ|) ≤ 4 is necessary; with it strict, θφ²(1 + |ρ|) ≤ 4 is sufficient, and where θφ(1 + |ρ|) = 4 it is necessary too.
pub fn ssvi_butterfly(theta: f64, phi: f64, rho: f64) -> SsviButterfly {
    let slope = theta * phi * (1.0 + rho.abs());
    let bend = slope * phi;
    match () {
        () if slope < 4.0 && bend <= 4.0 => SsviButterfly::Free,
        () if slope < 4.0 => SsviButterfly::Unknown,
        () if slope == 4.0 && bend <= 4.0 => SsviButterfly::Free,
        () => SsviButterfly::NotFree,
    }
}

impl Ssvi {
    /// [`ssvi_butterfly`] of the slice whose total variance at the money is `theta`.
    pub fn butterfly(&self, theta: f64) -> SsviButterfly {
        ssvi_butterfly(theta, self.phi(theta), self.rho)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VOGT: Svi = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };

    /// The SSVI slice of θ, φ, ρ as raw SVI (Gatheral and Jacquier 2014, equation 4.1).
    fn ssvi(theta: f64, phi: f64, rho: f64) -> Svi {
        let rest = 1.0 - rho * rho;
        Svi { a: 0.5 * theta * rest, b: 0.5 * theta * phi, rho, m: -rho / phi, sigma: rest.sqrt() / phi }
    }

    #[test]
    fn vogt_is_recognised_at_the_published_place() {
        let found = VOGT.butterfly();
        assert!(!found.is_free);
        assert!((found.least_g + 0.0329).abs() < 5e-5 && (found.at - 0.879).abs() < 2e-3, "{found:?}");
    }

    #[test]
    fn the_polynomial_is_the_density_factor() {
        for svi in [VOGT, Svi { a: 0.01, b: 0.2, rho: -0.7, m: 0.05, sigma: 0.1 }] {
            let coefficients = svi.polynomial();
            for u in [-4.0, -1.0, -0.2, 0.0, 0.5, 2.0, 5.0_f64] {
                let (y, k) = (u.exp(), svi.m + svi.sigma * u.sinh());
                let value: f64 = coefficients.iter().enumerate().map(|(i, c)| c * y.powi(i as i32 - 5)).sum();
                let expected = 16.0 * svi.total_variance(k).powi(2) * u.cosh().powi(3) * svi.durrleman_g(k);
                let size: f64 = coefficients.iter().enumerate().map(|(i, c)| (c * y.powi(i as i32 - 5)).abs()).sum();
                assert!((value - expected).abs() < 1e-12 * size, "{u}: {value} {expected}");
            }
        }
    }

    #[test]
    fn arbitrage_far_out_is_found_though_no_grid_of_quotes_reaches_it() {
        // A right wing steeper than 2 breaks g only where w is large: beyond k = 100 here.
        let steep = Svi { a: 0.04, b: 1.2, rho: 0.67, m: 0.0, sigma: 0.1 };
        assert!(steep.wing_slopes()[1] > 2.0 && !steep.butterfly().is_free);
        let flat = Svi::flat(0.04);
        assert!(flat.butterfly().is_free && (flat.butterfly().least_g - 1.0).abs() < 1e-12);
        for broken in [Svi { a: -1.0, ..VOGT }, Svi { a: f64::NAN, ..VOGT }, Svi { b: -0.1, ..VOGT }] {
            assert!(!broken.butterfly().is_free, "{broken:?}");
        }
    }

    #[test]
    fn the_conditions_of_ssvi_are_told_apart() {
        assert_eq!(ssvi_butterfly(0.04, 2.0, -0.5), SsviButterfly::Free);
        assert_eq!(ssvi_butterfly(1.0, 3.0, -0.5), SsviButterfly::NotFree);
        assert_eq!(ssvi_butterfly(4.0, 1.0, 0.0), SsviButterfly::Free);
        assert_eq!(ssvi_butterfly(2.0, 2.0, 0.0), SsviButterfly::NotFree);
        assert!(!ssvi(1.0, 3.0, -0.5).butterfly().is_free);
        // θφ² (1 + |ρ|) = 4.4 breaks the sufficient condition, and yet g is positive at every strike.
        let (theta, rho) = (0.04, -0.4);
        let phi = (4.4_f64 / (theta * 1.4)).sqrt();
        assert_eq!(ssvi_butterfly(theta, phi, rho), SsviButterfly::Unknown);
        let found = ssvi(theta, phi, rho).butterfly();
        assert!(found.is_free && found.least_g > 0.0, "{found:?}");
        // Far enough beyond it there is arbitrage, though θφ(1 + |ρ|) < 4.
        let phi = (16.0_f64 / (theta * 1.4)).sqrt();
        assert_eq!(ssvi_butterfly(theta, phi, rho), SsviButterfly::Unknown);
        assert!(!ssvi(theta, phi, rho).butterfly().is_free);
    }

    #[test]
    fn only_the_part_of_the_line_that_is_asked_for_must_be_free() {
        // Vogt's g is below zero from about k = 0.65 to 1.25.
        assert!(VOGT.is_g_certainly_positive([-1.0, 0.6]) && VOGT.is_g_certainly_positive([1.3, 2.0]));
        assert!(!VOGT.is_g_certainly_positive([-1.0, 0.9]) && !VOGT.is_g_certainly_positive([0.85, 0.9]));
        assert!(
            !VOGT.is_g_certainly_positive([0.9, 0.9])
                && !Svi { a: f64::NAN, ..VOGT }.is_g_certainly_positive([0.0, 0.1])
        );
    }

    proptest! {
        #[test]
        fn the_decision_agrees_with_a_fine_grid(
            b in 0.005_f64..1.2, rho in -0.99_f64..0.99, m in -0.5_f64..0.5, sigma in 0.01_f64..1.0, level in 1e-3_f64..0.3
        ) {
            let svi = Svi { a: level - b * sigma * (1.0 - rho * rho).sqrt(), b, rho, m, sigma };
            let found = svi.butterfly();
            let least = (0..20_001)
                .map(|i| svi.durrleman_g(m + sigma * (-9.0 + 18.0 * f64::from(i) / 20_000.0_f64).sinh()))
                .fold(f64::INFINITY, f64::min);
            prop_assert!(found.least_g <= least + 1e-9, "{svi:?} {found:?} {least}");
            if least < -1e-9 {
                prop_assert!(!found.is_free, "{svi:?} {found:?} {least}");
            }
            if least > 1e-6 && svi.wing_slopes().into_iter().all(|slope| slope < 2.0 - 1e-3) {
                prop_assert!(found.is_free, "{svi:?} {found:?} {least}");
            }
        }

        #[test]
        fn what_is_certain_is_so_on_a_fine_grid(
            b in 0.005_f64..1.2, rho in -0.99_f64..0.99, m in -0.5_f64..0.5, sigma in 0.003_f64..1.0, level in 1e-3_f64..0.3,
            low in -4.0_f64..0.5, span in 0.1_f64..4.0
        ) {
            let svi = Svi { a: level - b * sigma * (1.0 - rho * rho).sqrt(), b, rho, m, sigma };
            let range = [low, low + span];
            let u = range.map(|k| ((k - m) / sigma).asinh());
            let least = (0..=20_000)
                .map(|i| svi.durrleman_g(m + sigma * (u[0] + (u[1] - u[0]) * f64::from(i) / 20_000.0).sinh()))
                .fold(f64::INFINITY, f64::min);
            let is_certain = svi.is_g_certainly_positive(range);
            prop_assert!(least > 0.0 || !is_certain, "{svi:?} {range:?} {least}");
            prop_assert!(least < 1e-3 || is_certain, "{svi:?} {range:?} {least}");
        }

        #[test]
        fn ssvi_slices_within_the_sufficient_condition_are_free(
            theta in 1e-3_f64..1.0, rho in -0.95_f64..0.95, share in 0.05_f64..0.99
        ) {
            let phi = share * (4.0 / (theta * (1.0 + rho.abs()))).sqrt().min(4.0 / (theta * (1.0 + rho.abs())));
            prop_assert_eq!(ssvi_butterfly(theta, phi, rho), SsviButterfly::Free);
            prop_assert!(ssvi(theta, phi, rho).butterfly().is_free);
        }
    }
}
