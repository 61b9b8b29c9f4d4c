//! A stretch of time in which nothing bends, and the forward in it.

use super::logarithm::{is_positive_normal, ln_of_normal};
use crate::surface::forwards::ForwardCurve;

/// A forward whose logarithm a strike's is taken against: ln F = −ln `inverse` − `offset`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogForward {
    /// NaN where the forward is not known.
    inverse: f64,
    offset: f64,
}

impl LogForward {
    pub(super) fn new(forward: f64) -> Self {
        let inverse = 1.0 / forward;
        let is_known = is_positive_normal(forward) && is_positive_normal(inverse);
        Self { inverse: if is_known { inverse } else { f64::NAN }, offset: 0.0 }
    }

    /// ln(strike/forward); NaN unless the strike is a number above zero and the forward is known.
    #[inline(always)]
    pub(super) fn log_moneyness(&self, strike: f64) -> f64 {
        let ratio = strike * self.inverse;
        if is_positive_normal(ratio) { ln_of_normal(ratio, self.offset) } else { self.of_extreme(strike) }
    }

    #[cold]
    fn of_extreme(&self, strike: f64) -> f64 {
        if strike > 0.0 && strike.is_finite() { strike.ln() + self.inverse.ln() + self.offset } else { f64::NAN }
    }

    /// The forward when its logarithm has grown by `growth`.
    #[inline(always)]
    pub(super) fn grown(self, growth: f64) -> Self {
        Self { offset: self.offset - growth, ..self }
    }
}

/// A stretch that begins `start` years from now, with what a surface is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<P> {
    start: f64,
    /// At the start.
    forward: LogForward,
    /// Growth of the logarithm of the forward a year.
    rate: f64,
    pub(super) piece: P,
}

impl<P> Stretch<P> {
    /// Years since the start.
    #[inline(always)]
    pub(super) fn passed(&self, expiry_years: f64) -> f64 {
        expiry_years - self.start
    }

    #[inline(always)]
    pub(super) fn forward(&self, expiry_years: f64) -> LogForward {
        self.forward.grown(self.rate * self.passed(expiry_years))
    }
}

/// The ends of the stretches between `knots`, in any order: those that are times, ascending.
pub(super) fn ends(mut knots: Vec<f64>) -> Vec<f64> {
    knots.retain(|years| *years > 0.0 && years.is_finite());
    knots.sort_by(f64::total_cmp);
    knots.dedup();
    knots
}

/// A stretch up to each of `ends`, and one past the last. `piece` is what the surface is in a stretch, by its start and a time in it.
pub(super) fn stretches<P>(ends: &[f64], forwards: &ForwardCurve, piece: impl Fn(f64, f64) -> P) -> Vec<Stretch<P>> {
    let past = ends.last().map_or(1.0, |last| 2.0 * last);
    let starts = [0.0].into_iter().chain(ends.iter().copied());
    let stretch = |(start, inside): (f64, f64)| {
        let [forward, rate, since] = forwards.stretch(inside);
        let forward = LogForward::new(forward).grown(rate * (start - since));
        Stretch { start, forward, rate, piece: piece(start, inside) }
    };
    starts.zip(ends.iter().copied().chain([past])).map(stretch).collect()
}
