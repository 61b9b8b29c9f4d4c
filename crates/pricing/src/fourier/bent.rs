//! The integral of [`super::tilted`] along a line through the saddle that bends away from where the integrand stays large.
//!
//! Formula  s = c* − b sin ω (cosh y − 1) + i b sinh y cos ω, ds = i b cosh(y + iω) dy, y > 0 (S. Boyarchenko and S. Levendorskiĭ 2019,
//!          "Sinh-acceleration"): where a characteristic function falls as e^(−εu) or slower, in y it falls doubly exponentially.
//! Method   The trapezoidal rule with a fixed step. c* ± d in angle must keep clear of the pole on one side and of exploding moments on
//!          the other, which bounds b; so does the width of the saddle, so that the terms grow little within d.
//! Error    e^(−2πd/step) about; the rule with every other node is good to its root, and must agree with the other half's.

use super::complex::complex;
use super::elementary::{Elementary, Lanes};
use super::exponent::Exponent;
use super::tilted::{Place, terms_at};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};

/// The turn ω, and the distance d in angle within which nothing is singular; under π/4 together, where a Gaussian stops falling.
const TURN: f64 = 0.3;
const DISTANCE: f64 = 0.42;
/// The step in y.
const STEP: f64 = 0.095;
/// The same under normal jumps, whose part grows without end away from the line: only a narrower d counts.
const STEP_UNDER_JUMPS: f64 = 0.035;
/// Nodes of a block: a stretch in y that no wave's zero fills.
const BLOCK: usize = 32;
/// The most nodes.
const MOST: usize = 1024;
/// b in widths of the saddle, at most.
const WIDTHS: f64 = 4.0;
/// The share of the room that is used.
const CLEAR: f64 = 0.9;
/// What the integrand may grow by within d, as a power of e, and by how much b shrinks where it grows more, how often.
const GROWTH: f64 = 4.0;
const NARROWER: f64 = 0.7;
const MOST_TRIES: usize = 10;
/// What the two halves of the rule may differ by, over their sum.
const AGREED: f64 = 1e-4;
/// The same under normal jumps, where errors fall faster than their power 3/2 but do not square.
const AGREED_UNDER_JUMPS: f64 = 1e-6;
/// Terms so small, over the largest, are the end.
const LAST: f64 = 1e-14;

/// The integral over e^ln_scale with its derivatives, where the rule vouches for it. `height` is Λ(s) + (1 − s)x at real s.
pub(super) fn sums<const ALL: bool, X: Exponent<P>, const P: usize>(
    exponent: &X,
    place: &Place,
    height: impl Fn(f64) -> f64,
) -> Option<[f64; 6]> {
    let turn = if place.x >= exponent.shift(None) { -TURN } else { TURN };
    if !exponent.may_turn(turn) {
        return None;
    }
    let room = place.room[0].min(place.room[1]);
    let pace = 0.2 * room;
    let curvature = (height(place.c + pace) + height(place.c - pace) - 2.0 * height(place.c)) / (pace * pace);
    let pole = 1.0 / (place.room[0] * place.room[0]);
    // The angle that is nearest to the real line's ends.
    let reach = (TURN + DISTANCE).sin() - TURN.sin();
    let reach = reach.max(TURN.sin() - (TURN - DISTANCE).sin());
    let mut b = (CLEAR * room / reach).min(WIDTHS / (curvature + pole).max(0.0).sqrt());
    // Next to an exploding moment the integrand grows faster than its width tells.
    let grows = |b: f64, angle: f64| {
        let s = place.c + b * (turn.sin() - (turn + angle).sin());
        let size = height(s) - (s * (s - 1.0)).abs().ln() - place.ln_scale;
        size > GROWTH || size.is_nan()
    };
    let mut tries = 0;
    while grows(b, DISTANCE) || grows(b, -DISTANCE) {
        b *= NARROWER;
        tries += 1;
        if tries > MOST_TRIES {
            return None;
        }
    }
    if !(b > 0.0 && b.is_finite()) {
        return None;
    }
    let mut halves = [[0.0; 6]; 2];
    let mut met = false;
    let (step, agreed) =
        if exponent.normal_jumps().is_some() { (STEP_UNDER_JUMPS, AGREED_UNDER_JUMPS) } else { (STEP, AGREED) };
    let contour = Contour::<ALL, X, P> { exponent, place, b, turn, step, halves: &mut halves, met: &mut met };
    dispatch(Target::best(), contour);
    let [even, odd] = halves;
    let sums: [f64; 6] = std::array::from_fn(|i| even[i] + odd[i]);
    let is_sound = met && sums[0] > 0.0 && (even[0] - odd[0]).abs() <= agreed * sums[0];
    is_sound.then_some(sums)
}

struct Contour<'a, const ALL: bool, X, const P: usize> {
    exponent: &'a X,
    place: &'a Place,
    b: f64,
    turn: f64,
    step: f64,
    /// Sums over the even nodes, and over the odd ones.
    halves: &'a mut [[f64; 6]; 2],
    /// Whether its end was reached.
    met: &'a mut bool,
}

impl<const ALL: bool, X: Exponent<P>, const P: usize> Kernel for Contour<'_, ALL, X, P> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { exponent, place, b, turn, step, halves, met } = self;
        let places = if ALL { 6 } else { 1 };
        let (sin, cos) = turn.sin_cos();
        let ln_factor = (b * step * std::f64::consts::FRAC_1_PI).ln() - place.ln_scale;
        let mut largest = [0.0_f64; 6];
        for first in (0..MOST).step_by(BLOCK) {
            let mut terms = [[0.0; BLOCK]; 6];
            for i in 0..BLOCK {
                let grown = Lanes::<M>::exp(step * (first + i) as f64);
                let inverse = 1.0 / grown;
                let (sinh, cosh) = (0.5 * (grown - inverse), 0.5 * (grown + inverse));
                let s = complex(place.c - b * sin * (cosh - 1.0), b * sinh * cos);
                let along = complex(cosh * cos, sinh * sin);
                let all = terms_at::<ALL, M, X, P>(exponent, s, place.x, ln_factor);
                for (terms, term) in terms.iter_mut().zip(all).take(places) {
                    terms[i] = (term * along).re;
                }
            }
            let mut is_end = true;
            for place in 0..places {
                let terms = &mut terms[place];
                if first == 0 {
                    terms[0] *= 0.5;
                }
                let size = terms.iter().fold(0.0_f64, |most, term| most.max(term.abs()));
                largest[place] = largest[place].max(size);
                let last = terms[BLOCK / 2..].iter().fold(0.0_f64, |most, term| most.max(term.abs()));
                is_end &= last <= LAST * largest[place];
                for pair in terms.chunks_exact(2) {
                    halves[0][place] += pair[0];
                    halves[1][place] += pair[1];
                }
            }
            if is_end {
                *met = true;
                return;
            }
        }
    }
}
