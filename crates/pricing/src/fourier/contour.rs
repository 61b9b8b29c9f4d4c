//! The twin: one strike at a time by Lewis's integral along a turned contour, in plain f64. Slow, and right where the series gives up.
//!
//! Formula  m(x) = E\[min(e^X, k)\] = (√k/2π) ∫ e^(Λ(1/2 + iu) − iux)/(u² + 1/4) du as in [`super::series`], along
//!          u = i ω₁ + b sinh(iω + y), −∞ < y < ∞ (S. Boyarchenko and S. Levendorskiĭ 2019, "Sinh-acceleration")
//! Method   Off the real line e^(−iux) falls exponentially even where the characteristic function hardly does (variance gamma and
//!          Heston at short expiries), and in y the integrand falls doubly exponentially, so that the trapezoidal rule with 100 to 400
//!          nodes is exact to rounding. The poles ±i/2 lie the distance d from the contour in y. Halved until two rules agree. A turn
//!          that fails (normal jumps and Gaussian parts grow where it is too large) gives way to a smaller one; models with
//!          normal jumps are then conditioned on the number of jumps, which is exact: a Poisson-weighted sum.
//! Error    two rules agree within 1e-13 (their distance squares with each halving), and no term is so large that rounding shows
//! Accuracy 1e-12 of a forward (tolerance.rs: fourier)

use super::complex::{Complex, complex};
use super::elementary::Std;
use super::exponent::Exponent;
use super::series::{Sums, place};

/// The largest turn, and its distance: both sums stay under π/4, where a Gaussian stops falling.
pub(super) const WIDEST: (f64, f64) = (0.36, 0.36);
/// Turns of the contour and distances of the poles, in the order in which they are tried; the first sign is that of x.
const CONTOURS: [(f64, f64); 6] = [(-WIDEST.0, WIDEST.1), WIDEST, (-0.1, 0.5), (0.1, 0.5), (-0.02, 0.6), (0.0, 0.7)];
/// First step, at which the rule is good to about 1e-8.
const FIRST_STEP: f64 = 0.12;
/// Times that it is halved.
const HALVINGS: usize = 5;
/// Where e^y ends: 1e19.
pub(super) const LAST: f64 = 44.0;
/// Distance of two rules of the value that is accepted, but for rounding.
const AGREED: f64 = 1e-13;
/// The same of all other sums, against the largest of their value, 1 and, for rounding, 1e-4 of their largest term.
const AGREED_DERIVATIVES: f64 = 1e-10;
/// A larger term would bring rounding errors of 1e-13.
pub(super) const LARGEST_TERM: f64 = 500.0;
/// Terms so small need no better contour.
const SMALL_TERM: f64 = 1e3;
/// Expected normal jumps up to which they are conditioned on.
const MOST_JUMPS: f64 = 110.0;

/// The sum of the value alone, at log-strike x, without the factor √k; None where no contour converges.
pub(super) fn value<X: Exponent<P>, const P: usize>(exponent: &X, x: f64) -> Option<f64> {
    let [value] = best(exponent, x, &|s, _| [Complex::ONE / (s * (Complex::ONE - s))])?;
    Some(value)
}

/// All sums at log-strike x, without the factor √k; None where no contour converges.
pub(super) fn sums<X: Exponent<P>, const P: usize>(exponent: &X, x: f64) -> Option<Sums> {
    best(exponent, x, &|s, jumps| {
        let a = s * (Complex::ONE - s);
        let gradient = match jumps {
            None => exponent.gradient::<Std>(s),
            Some(jumps) => exponent.gradient_given_jumps(s, jumps),
        };
        let weight = Complex::ONE / a;
        // −iu = 1/2 − s
        let slope = complex(0.5, 0.0) - s;
        let mut all = [Complex::ZERO; place::ALL];
        all[place::VALUE] = weight;
        all[place::SLOPE] = slope * weight;
        all[place::DENSITY] = Complex::ONE;
        all[place::EXPIRY] = gradient.expiry * weight;
        for (place, parameter) in all[place::PARAMETERS..].iter_mut().zip(gradient.parameters) {
            *place = parameter * weight;
        }
        all[place::DENSITY_SLOPE] = slope;
        all[place::EXPIRY_SLOPE] = slope * all[place::EXPIRY];
        all[place::EXPIRY_DENSITY] = gradient.expiry;
        all[place::FIRST_SLOPE] = slope * all[place::PARAMETERS];
        all[place::FIRST_DENSITY] = gradient.parameters[0];
        all
    })
}

/// Directly, or else conditioned on the number of normal jumps, which the weights are told.
fn best<X: Exponent<P>, const P: usize, const Q: usize>(
    exponent: &X,
    x: f64,
    weights: &impl Fn(Complex, Option<u32>) -> [Complex; Q],
) -> Option<[f64; Q]> {
    let direct = |s| exponent.value::<Std>(s);
    every_turn(x, exponent.shift(None), |turn| exponent.may_turn(turn), &direct, &|s| weights(s, None)).or_else(|| {
        let expected = exponent.normal_jumps().filter(|expected| *expected <= MOST_JUMPS)?;
        let mut total = [0.0; Q];
        let mut ln_probability = -expected;
        let last = (expected + 12.0 * expected.sqrt() + 20.0) as u32;
        for jumps in 0..=last {
            let given = |s| exponent.given_jumps(s, jumps) + complex(ln_probability, 0.0);
            let part = every_turn(x, exponent.shift(Some(jumps)), |_| true, &given, &|s| weights(s, Some(jumps)))?;
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            ln_probability += (expected / f64::from(jumps + 1)).ln();
            if ln_probability < -700.0 {
                break;
            }
        }
        Some(total)
    })
}

/// The first contour that converges with small terms, or else the one with the smallest.
fn every_turn<const Q: usize>(
    x: f64,
    shift: f64,
    may_turn: impl Fn(f64) -> bool,
    exponent: &impl Fn(Complex) -> Complex,
    weights: &impl Fn(Complex) -> [Complex; Q],
) -> Option<[f64; Q]> {
    let sign = if x >= shift { 1.0 } else { -1.0 };
    let mut best: Option<([f64; Q], f64)> = None;
    for (turn, distance) in CONTOURS {
        let turn = sign * turn;
        if !may_turn(turn) {
            continue;
        }
        let contour = Contour::new(turn, distance);
        let found = contour.integrate(&|s, u| (exponent(s) - u.times_i().scale(x)).exp::<Std>(), weights);
        let Some((sums, magnified)) = found else { continue };
        if magnified <= SMALL_TERM {
            return Some(sums);
        }
        if best.is_none_or(|(_, least)| magnified < least) {
            best = Some((sums, magnified));
        }
    }
    best.map(|(sums, _)| sums)
}

/// u = i ω₁ + b sinh(iω + y), between the poles ±i/2.
pub(super) struct Contour {
    sin: f64,
    cos: f64,
    middle: f64,
    width: f64,
}

impl Contour {
    pub fn new(turn: f64, distance: f64) -> Self {
        let (sin, cos) = turn.sin_cos();
        let width = 0.5 / (cos * distance.sin());
        Self { sin, cos, middle: -width * sin * distance.cos(), width }
    }

    /// u and du/dy at y.
    fn at(&self, y: f64) -> (Complex, Complex) {
        self.at_exponential(y.exp())
    }

    /// The same given e^y.
    #[inline(always)]
    pub fn at_exponential(&self, grown: f64) -> (Complex, Complex) {
        let (sinh, cosh) = (0.5 * (grown - 1.0 / grown), 0.5 * (grown + 1.0 / grown));
        let u = complex(self.width * sinh * self.cos, self.middle + self.width * cosh * self.sin);
        (u, complex(self.width * cosh * self.cos, self.width * sinh * self.sin))
    }

    /// (1/2π) ∫ of oscillation times each weight, and the most by which a term is larger than its sum or 1.
    fn integrate<const Q: usize>(
        &self,
        oscillation: &impl Fn(Complex, Complex) -> Complex,
        weights: &impl Fn(Complex) -> [Complex; Q],
    ) -> Option<([f64; Q], f64)> {
        let term = |y: f64| {
            let (u, du) = self.at(y);
            let s = complex(0.5 - u.im, u.re);
            let factor = oscillation(s, u) * du;
            weights(s).map(|weight| (factor * weight).re * std::f64::consts::FRAC_1_PI)
        };
        let mut step = FIRST_STEP;
        let mut sum = term(0.0).map(|first| 0.5 * first);
        let mut largest = [0.0_f64; Q];
        self::add(&mut sum, &mut largest, step, step, &term)?;
        let mut rule = sum.map(|sum| sum * step);
        for _ in 0..HALVINGS {
            self::add(&mut sum, &mut largest, 0.5 * step, step, &term)?;
            step *= 0.5;
            let finer = sum.map(|sum| sum * step);
            let agreed = (0..Q).all(|q| {
                let size = finer[q].abs().max(1e-4 * largest[q]).max(1.0);
                let allowed = if q == 0 { AGREED + 1e-15 * largest[0] } else { AGREED_DERIVATIVES * size };
                (finer[q] - rule[q]).abs() <= allowed
            });
            if agreed {
                let magnified = (0..Q).map(|q| largest[q] / finer[q].abs().max(1.0)).fold(0.0, f64::max);
                return (largest[0] <= LARGEST_TERM).then_some((finer, magnified));
            }
            rule = finer;
        }
        None
    }
}

/// Adds the terms at first, first + step, … until they no longer count; None where they do not end or are no numbers.
fn add<const Q: usize>(
    sum: &mut [f64; Q],
    largest: &mut [f64; Q],
    first: f64,
    step: f64,
    term: &impl Fn(f64) -> [f64; Q],
) -> Option<()> {
    // What does not count for this long, in y, is past the end and not only between two waves.
    let patience = (1.5 / step) as usize;
    let mut idle = 0;
    let mut y = first;
    while idle < patience {
        let terms = term(y);
        let mut counts = false;
        for q in 0..Q {
            if !terms[q].is_finite() {
                return None;
            }
            sum[q] += terms[q];
            largest[q] = largest[q].max(terms[q].abs());
            counts |= terms[q].abs() > 1e-18 * largest[q];
        }
        idle = if counts { 0 } else { idle + 1 };
        y += step;
        if y > LAST {
            // Parts that fall no faster than this are known to 1e-13 or not at all.
            return (0..Q).all(|q| terms[q].abs() <= 1e-14 * largest[q].max(1.0)).then_some(());
        }
    }
    Some(())
}
