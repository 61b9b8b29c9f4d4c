//! How long a period the series needs: the discretisation error is an option's value, which the moments bound.
//!
//! With strikes repeated at distance P in x = ln(K/F), the covered call of [`super::series`] is too small by exactly
//! Σ e^(−nP/2) C(x + nP) + Σ e^(nP/2) P(x − nP), n ≥ 1, where C and P are undiscounted calls and puts in forwards. Every finite moment
//! bounds them (Markov's inequality): C(x) ≤ e^(Λ(s) − (s − 1)x), s ≥ 1; P(x) ≤ e^(Λ(s) + (1 − s)x), s ≤ 0. The best s is searched for.
//! In the role that moments play here the bound follows G. Junike and K. Pankrashkin (2022), "Precise option pricing by the COS
//! method: how to choose the truncation range".

/// Shortest period: under it the series' first term and its correction would cancel.
const SHORTEST: f64 = 2e-3;
/// Moments that are looked at on each side.
const SEARCHES: usize = 12;

/// A period that keeps the discretisation error under a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub length: f64,
    /// x = ln(K/F) below which a put, and
    pub lowest: f64,
    /// above which a call is worth far less than the bound.
    pub highest: f64,
}

/// How much further than an option of the error's size the reach lies: e^−10, which derivatives cannot make up for.
const FURTHER: f64 = 10.0;

/// For log-strikes from `least` to `most`, error `e^(−bound)` of a forward, given Λ at real arguments (infinite where the moment is) and what
/// is to be added to it. None where there is no such number.
pub(super) fn find(
    moment: impl Fn(f64) -> f64,
    excess: impl Fn(f64) -> f64,
    bound: f64,
    [least, most]: [f64; 2],
) -> Option<Period> {
    // The variance of ln S, were it normal.
    let variance = -8.0 * moment(0.5);
    if !(variance >= 0.0 && variance.is_finite()) {
        return None;
    }
    let guess = (2.0 * bound / variance.max(1e-24)).sqrt().max(0.5);
    // Λ(0) = Λ(1) = 0, whatever rounding makes of it.
    let both = |s: f64| if s == 0.0 || s == 1.0 { excess(s) } else { moment(s) + excess(s) };
    let right = side(|t| both(0.5 + t), bound, guess);
    let left = side(|t| both(0.5 - t), bound, guess);
    let highest = right.reach();
    let lowest = -left.reach();
    let length = right.period(-least.max(lowest)).max(left.period(most.min(highest))).max(SHORTEST);
    length.is_finite().then_some(Period { length, lowest, highest })
}

/// Moments Λ(1/2 ± t) that were looked at, as (t, Λ).
struct Side {
    moments: [(f64, f64); SEARCHES + 1],
    bound: f64,
}

impl Side {
    /// The period for a strike that lies `beyond` the forward towards the other side.
    fn period(&self, beyond: f64) -> f64 {
        let each = self.moments.iter().map(|(t, moment)| (moment + (t - 0.5) * beyond + self.bound) / t);
        each.fold(f64::INFINITY, f64::min)
    }

    /// The log-strike beyond which the out-of-the-money option is worth nothing.
    fn reach(&self) -> f64 {
        let each = self
            .moments
            .iter()
            .filter(|(t, _)| *t > 0.5)
            .map(|(t, moment)| (moment + self.bound + FURTHER) / (t - 0.5));
        each.fold(f64::INFINITY, f64::min)
    }
}

/// Looks for the t that makes (Λ + bound)/t least: a function with one minimum, infinite from some t on.
fn side(moment: impl Fn(f64) -> f64, bound: f64, guess: f64) -> Side {
    let least = moment(0.5);
    let mut side = Side { moments: [(0.5, least); SEARCHES + 1], bound };
    let mut best = (0.5, 2.0 * (least + bound));
    let mut infinite_from = f64::INFINITY;
    let mut t = guess;
    // Up or down by a factor, which shrinks to its root whenever the direction turns.
    let mut factor = 2.0_f64;
    for seen in &mut side.moments[1..] {
        let at = moment(t);
        let value = (at + bound) / t;
        if !value.is_finite() {
            infinite_from = t.min(infinite_from);
        } else {
            *seen = (t, at);
            if value < best.1 {
                best = (t, value);
            } else {
                factor = 1.0 / factor.sqrt();
            }
        }
        t = (best.0 * factor).max(0.5);
        if t >= infinite_from {
            t = (best.0 * infinite_from).sqrt();
        }
    }
    side
}
