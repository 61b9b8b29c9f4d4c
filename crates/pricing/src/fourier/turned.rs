//! The contour integral of the twin in lanes, its nodes shared by all strikes of one side: what a slice falls back to where the series
//! would need too many terms.
//!
//! Method    [`super::contour`]'s contour with its largest turn, by the trapezoidal rule with step 0.06. A node's exponent and weights serve
//!           all strikes on one side of the asymptotic spot; a strike costs an exponential a node.
//! Error     The rule with every other node is good to about 1e-8, and its distance squares with the step: a strike whose two rules
//!           differ by more than 1e-6, or whose terms are so large that rounding shows, is left to the twin.

use super::complex::{Complex, complex};
use super::contour::{Contour, LARGEST_TERM, LAST, WIDEST};
use super::elementary::{Elementary, Lanes};
use super::exponent::Exponent;
use super::series::{Depth, Sums, made, place};
use crate::math::{Kernel, MultiplyAdd};

/// Step in y.
const STEP: f64 = 0.06;
/// Nodes of a block, which together must be past the end: a stretch in y that no wave's zero fills.
const BLOCK: usize = 32;
/// Lanes of a sum; even, so that each lane's nodes are all in the coarser rule or all out of it.
const LANES: usize = 16;
/// Difference of the two rules of the value up to which the finer one is believed, and
const AGREED: f64 = 1e-6;
/// of every other sum, against the larger of its size and 1.
const AGREED_DERIVATIVES: f64 = 1e-4;

/// The nodes of one side.
#[derive(Default)]
pub(super) struct Side {
    u_re: Vec<f64>,
    u_im: Vec<f64>,
    exponent_re: Vec<f64>,
    exponent_im: Vec<f64>,
    weight_re: [Vec<f64>; place::ALL],
    weight_im: [Vec<f64>; place::ALL],
    /// The oscillation of one strike.
    wave_re: Vec<f64>,
    wave_im: Vec<f64>,
}

impl Side {
    fn clear(&mut self) {
        let Self { u_re, u_im, exponent_re, exponent_im, weight_re, weight_im, .. } = self;
        [u_re, u_im, exponent_re, exponent_im].into_iter().for_each(Vec::clear);
        weight_re.iter_mut().chain(weight_im).for_each(Vec::clear);
    }
}

/// Sums of the strikes at `x` that lie on one side of the exponent's shift; the others are passed over.
pub(super) struct OneSide<'a, X, const P: usize> {
    pub exponent: X,
    pub depth: Depth,
    /// Whether it is the side above the shift.
    pub above: bool,
    pub x: &'a [f64],
    pub side: &'a mut Side,
    /// The sums without √k; None where no number can be vouched for.
    pub sums: &'a mut [Option<Sums>],
}

impl<X: Exponent<P>, const P: usize> Kernel for OneSide<'_, X, P> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { exponent, depth, above, x, side, sums } = self;
        let shift = exponent.shift(None);
        let own = |x: f64| (x >= shift) == above;
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for &x in x.iter().filter(|x| own(**x)) {
            (least, most) = (least.min(x), most.max(x));
        }
        let (turn, distance) = if above { (-WIDEST.0, WIDEST.1) } else { WIDEST };
        if least > most || !exponent.may_turn(turn) {
            return;
        }
        let contour = Contour::new(turn, distance);
        side.clear();
        for first in (0..(LAST / STEP) as usize).step_by(BLOCK) {
            let size = nodes::<M, X, P>(&exponent, &contour, depth, first, [least, most], side);
            if size.is_nan() {
                return;
            }
            if size < 1e-18 {
                break;
            }
        }
        for (&x, sums) in x.iter().zip(sums).filter(|(x, _)| own(**x)) {
            *sums = strike::<M>(x, side, made(depth, P));
        }
    }
}

/// Appends a block of nodes; the largest term's size of the value, for the least and the most x.
#[inline(always)]
fn nodes<M: MultiplyAdd, X: Exponent<P>, const P: usize>(
    exponent: &X,
    contour: &Contour,
    depth: Depth,
    first: usize,
    ends: [f64; 2],
    side: &mut Side,
) -> f64 {
    let [mut u_re, mut u_im, mut exponent_re, mut exponent_im, mut sizes] = [[0.0; BLOCK]; 5];
    let (mut re, mut im) = ([[0.0; BLOCK]; place::ALL], [[0.0; BLOCK]; place::ALL]);
    for i in 0..BLOCK {
        let grown = Lanes::<M>::exp(STEP * (first + i) as f64);
        let (u, du) = contour.at_exponential(grown);
        let s = complex(0.5 - u.im, u.re);
        let a = s * (Complex::ONE - s);
        let factor = du.scale(STEP * std::f64::consts::FRAC_1_PI);
        let weight = factor / a;
        let mut set = |place: usize, x: Complex| {
            re[place][i] = x.re;
            im[place][i] = x.im;
        };
        set(place::VALUE, weight);
        let value = if depth == Depth::Price {
            exponent.value::<Lanes<M>>(s)
        } else {
            let gradient = exponent.gradient::<Lanes<M>>(s);
            let by_x = complex(0.5, 0.0) - s;
            let slope = by_x * weight;
            set(place::SLOPE, slope);
            set(place::DENSITY, factor);
            set(place::EXPIRY, weight * gradient.expiry);
            for p in 0..P {
                set(place::PARAMETERS + p, weight * gradient.parameters[p]);
            }
            set(place::DENSITY_SLOPE, by_x * factor);
            set(place::EXPIRY_SLOPE, slope * gradient.expiry);
            set(place::EXPIRY_DENSITY, factor * gradient.expiry);
            set(place::FIRST_SLOPE, slope * gradient.parameters[0]);
            set(place::FIRST_DENSITY, factor * gradient.parameters[0]);
            gradient.value
        };
        (u_re[i], u_im[i], exponent_re[i], exponent_im[i]) = (u.re, u.im, value.re, value.im);
        // In either direction the size at a strike between the ends is between theirs. The derivatives' weights are at most |a|² larger.
        let (low, high) = (ends[0] * u.im, ends[1] * u.im);
        let size = Lanes::<M>::exp(value.re + if low > high { low } else { high });
        let largest = if depth == Depth::Price { weight.norm() } else { factor.norm() * a.norm() };
        sizes[i] = size * largest.sqrt();
    }
    if first == 0 {
        for place in made(depth, P) {
            re[place][0] *= 0.5;
            im[place][0] *= 0.5;
        }
    }
    side.u_re.extend_from_slice(&u_re);
    side.u_im.extend_from_slice(&u_im);
    side.exponent_re.extend_from_slice(&exponent_re);
    side.exponent_im.extend_from_slice(&exponent_im);
    for place in made(depth, P) {
        side.weight_re[place].extend_from_slice(&re[place]);
        side.weight_im[place].extend_from_slice(&im[place]);
    }
    // Not a number stays one.
    sizes.into_iter().fold(0.0, |most, size| if size <= most { most } else { size })
}

/// The sums at one strike.
#[inline(always)]
fn strike<M: MultiplyAdd>(x: f64, side: &mut Side, made: impl Iterator<Item = usize>) -> Option<Sums> {
    let Side { u_re, u_im, exponent_re, exponent_im, weight_re, weight_im, wave_re, wave_im } = side;
    let n = u_re.len();
    wave_re.resize(n, 0.0);
    wave_im.resize(n, 0.0);
    let (wave_re, wave_im) = (&mut wave_re[..n], &mut wave_im[..n]);
    let (u_re, u_im, exponent_re, exponent_im) = (&u_re[..n], &u_im[..n], &exponent_re[..n], &exponent_im[..n]);
    for i in 0..n {
        let size = Lanes::<M>::exp(M::multiply_add(x, u_im[i], exponent_re[i]));
        let (sin, cos) = Lanes::<M>::sin_cos(M::multiply_add(-x, u_re[i], exponent_im[i]));
        wave_re[i] = size * cos;
        wave_im[i] = size * sin;
    }
    let mut sums = [0.0; place::ALL];
    for place in made {
        let (even, odd, largest) = dot::<M>([wave_re, wave_im], [&weight_re[place], &weight_im[place]]);
        let sum = even + odd;
        let allowed = if place == place::VALUE { AGREED } else { AGREED_DERIVATIVES * sum.abs().max(1.0) };
        let sound = (even - odd).abs() <= allowed && largest <= LARGEST_TERM * sum.abs().max(1.0);
        if !sound {
            return None;
        }
        sums[place] = sum;
    }
    Some(sums)
}

/// Re Σ waves · weights over the even nodes and over the odd ones, and the largest term.
#[inline(always)]
fn dot<M: MultiplyAdd>(waves: [&[f64]; 2], weights: [&[f64]; 2]) -> (f64, f64, f64) {
    let mut sums = [0.0; LANES];
    let mut largest = [0.0; LANES];
    let waves = waves[0].chunks_exact(LANES).zip(waves[1].chunks_exact(LANES));
    let weights = weights[0].chunks_exact(LANES).zip(weights[1].chunks_exact(LANES));
    for ((wave_re, wave_im), (re, im)) in waves.zip(weights) {
        for i in 0..LANES {
            let term = M::multiply_add(wave_re[i], re[i], -(wave_im[i] * im[i]));
            sums[i] += term;
            largest[i] = if term.abs() > largest[i] { term.abs() } else { largest[i] };
        }
    }
    let every_other = |first: usize| sums[first..].iter().step_by(2).sum::<f64>();
    (every_other(0), every_other(1), largest.into_iter().fold(0.0, f64::max))
}
