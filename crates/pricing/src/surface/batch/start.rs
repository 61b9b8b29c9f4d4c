//! Where the descent begins: the best point of a grid over (m, σ), the quasi-explicit method (Zeliade 2009).

use super::columns::Quotes;
use super::explicit::Sums;
use super::frame::Frame;
use super::lanes::{LANES, LinearLanes};
use crate::surface::svi::wings::Wings;

/// Points of the grid along each of its sides: a lane takes a width, a thread of a device's block a point.
pub(super) const SIDE: usize = LANES;
/// The grid of m, in deviations from the money.
pub(super) const M_STEPS: [f64; SIDE] = [-3.0, -1.25, -0.5, -0.1, 0.1, 0.5, 1.25, 3.0];
/// It reaches this share of the quoted range beyond each end at most.
pub(super) const M_MARGIN: f64 = 0.2;
/// The grid of σ, in deviations: each twice the one before.
pub(super) const LEAST_WIDTH: f64 = 0.08;
/// ln of it, and ln 2.
pub(super) const LN_LEAST_WIDTH: f64 = -2.525_728_644_308_255_5;
pub(super) const LN_2: f64 = std::f64::consts::LN_2;
/// Quotes that the grid looks at.
pub(super) const START_QUOTES: usize = 32;

/// Which quotes the grid looks at: the first of them, and every how manieth.
pub(super) fn thinned(quotes: usize) -> (usize, usize) {
    let step = quotes.div_ceil(START_QUOTES).max(1);
    ((quotes.max(1) - 1) % step / 2, step)
}

/// The best point of the grid, the first of equals.
#[inline(always)]
pub(super) fn start(quotes: &Quotes<'_>, frame: &Frame) -> Wings {
    let (from, step) = thinned(quotes.k.len());
    let [first, last] = frame.range;
    let margin = M_MARGIN * (last - first);
    let sigmas: [f64; SIDE] = std::array::from_fn(|width| LEAST_WIDTH * (1_u32 << width) as f64 * frame.deviation);
    let squares = sigmas.map(|sigma| sigma * sigma);
    let mut best = (f64::INFINITY, [frame.level, 0.0, 0.0, 0.0, frame.ln_deviation]);
    for m_step in M_STEPS {
        let m = (m_step * frame.deviation).max(first - margin).min(last + margin);
        let base = [frame.level, 0.0, 0.0];
        let mut lanes = LinearLanes::of(base);
        let mut at = from;
        while at < quotes.k.len() {
            let (x, centre, inverse_half) = (quotes.k[at] - m, quotes.centre[at], quotes.inverse_half[at]);
            lanes.add(&[x; SIDE], &squares, &[centre; SIDE], &[inverse_half; SIDE]);
            at += step;
        }
        for (width, sigma) in sigmas.into_iter().enumerate() {
            let there = Sums::new(base, lanes.lane(width)).best(sigma, frame.least_variance);
            if there.value < best.0 {
                let [a, p, q] = there.apq;
                best = (there.value, [a, p, q, m, frame.ln_deviation + (LN_LEAST_WIDTH + LN_2 * width as f64)]);
            }
        }
    }
    best.1
}
