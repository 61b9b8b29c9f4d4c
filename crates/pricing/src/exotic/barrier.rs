//! European options with one barrier that is watched always, and a rebate.
//!
//! Formula   Sums of six terms A … F: the vanilla, the vanilla beyond the barrier, their reflections at it, the rebate paid at expiry and
//!           the rebate paid at the touch
//! Method    Each power (H/S)^(2μ) is taken together with the normal probability that it multiplies, so that small volatilities neither
//!           overflow nor lose the product
//! Source    R. C. Merton (1973); E. Reiner and M. Rubinstein, "Breaking down the barriers" (1991); E. G. Haug, "The Complete Guide to
//!           Option Pricing Formulas", 2nd edition (2007), section 4.17.1
//! Accuracy  tolerance.rs: exotic barrier, of the spot: differences of terms of its size

use zomma_base::{OptionType, Status};

use super::number::Number;
use super::terms::{Terms, density, finite, probability, weighted};
use crate::black::Row;
use crate::finite_difference::Knock;

/// On which side of the spot the barrier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Below it.
    Down,
    /// Above it.
    Up,
}

/// A barrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingleBarrier {
    /// Currency per share.
    pub level: f64,
    /// Which side.
    pub direction: Direction,
    /// Whether a touch ends the option or starts it.
    pub knock: Knock,
    /// Paid at the touch that ends it, or at expiry where nothing started it.
    pub rebate: f64,
}

/// Value of a European option with a barrier.
///
/// Errors: those of the module; `BadBarrier`; `BadRebate`; `BarrierHit` where the spot is at the barrier or beyond; `BadMethod` for a
/// rebate at the touch where a rate is so far below zero that its formula turns complex (r < −μ²σ²/2).
pub fn barrier(row: &Row, barrier: &SingleBarrier) -> Result<f64, Status> {
    barrier_in(row, barrier)
}

/// [`barrier`] in any numbers. Where the strike is at the barrier the derivatives are those of strikes further out of the money.
pub(crate) fn barrier_in<N: Number>(row: &Row, barrier: &SingleBarrier) -> Result<N, Status> {
    let terms = Terms::<N>::new(row)?;
    let SingleBarrier { level, direction, knock, rebate } = *barrier;
    if !(level.is_finite() && level > 0.0) {
        return Err(Status::BadBarrier);
    }
    if !(rebate.is_finite() && rebate >= 0.0) {
        return Err(Status::BadRebate);
    }
    // η: 1 where the barrier is below.
    let (hit, eta) = match direction {
        Direction::Down => (row.spot <= level, 1.0),
        Direction::Up => (row.spot >= level, -1.0),
    };
    if hit {
        return Err(Status::BarrierHit);
    }
    let call = row.option_type == OptionType::Call;
    let parts = Parts::new(&terms, row.option_type, level, eta);
    let strike_above = row.strike > level || call && row.strike == level;
    let [a, b, c, d] = parts.abcd();
    let value = match (knock, direction) {
        (Knock::In, _) => {
            let option = match (direction, call, strike_above) {
                (Direction::Down, true, true) | (Direction::Up, false, false) => c,
                (Direction::Down, true, false) | (Direction::Up, false, true) => a - b + d,
                (Direction::Up, true, true) | (Direction::Down, false, false) => a,
                (Direction::Up, true, false) | (Direction::Down, false, true) => b - c + d,
            };
            option + parts.never_touched() * rebate
        }
        (Knock::Out, _) => {
            let option = match (direction, call, strike_above) {
                (Direction::Down, true, true) | (Direction::Up, false, false) => a - c,
                (Direction::Down, true, false) | (Direction::Up, false, true) => b - d,
                (Direction::Up, true, true) | (Direction::Down, false, false) => N::constant(0.0),
                (Direction::Up, true, false) | (Direction::Down, false, true) => a - b + c - d,
            };
            let option = option.at_least_zero();
            if rebate > 0.0 { option + touch(&terms, N::constant(level), eta)? * rebate } else { option }
        }
    };
    finite(value.at_least_zero())
}

/// What the terms are made of.
struct Parts<N> {
    terms: Terms<N>,
    /// φ: 1 for a call.
    phi: f64,
    eta: f64,
    /// ln(H/S)
    log: N,
    /// b/σ²
    drift: N,
    x1: N,
    x2: N,
    y1: N,
    y2: N,
}

impl<N: Number> Parts<N> {
    fn new(terms: &Terms<N>, option_type: OptionType, level: f64, eta: f64) -> Self {
        let level = N::constant(level);
        let log = (level / terms.spot).ln();
        let [x1, x2] = [terms.strike, level].map(|strike| terms.d1(terms.spot, strike));
        let back = log * 2.0 / terms.deviation;
        Self {
            terms: *terms,
            phi: option_type.sign(),
            eta,
            log,
            drift: terms.carry / terms.variance,
            x1,
            x2,
            y1: x1 + back,
            y2: x2 + back,
        }
    }

    /// The terms A, B (of the strike and of the barrier) and their reflections C, D.
    fn abcd(&self) -> [N; 4] {
        let Parts { phi, eta, .. } = *self;
        let still = N::constant(0.0);
        let plain = |x: N| self.pair([still; 2], phi, x * phi, (x - self.terms.deviation) * phi);
        // (H/S)^(2(μ+1)) and (H/S)^(2μ)
        let powers = [1.0, -1.0].map(|by| (self.drift * 2.0 + by) * self.log);
        let mirrored = |y: N| self.pair(powers, phi, y * eta, (y - self.terms.deviation) * eta);
        [plain(self.x1), plain(self.x2), mirrored(self.y1), mirrored(self.y2)]
    }

    /// φ (S e^((b−r)T) e^p N(x) − K e^(−rT) e^p' N(x')).
    fn pair(&self, [spot_power, cash_power]: [N; 2], phi: f64, x: N, x_less: N) -> N {
        let Terms { spot, strike, discount, growth, .. } = self.terms;
        (spot * growth * discount * weighted(spot_power, x) - strike * discount * weighted(cash_power, x_less)) * phi
    }

    /// One unit at expiry where the barrier was never touched: E.
    fn never_touched(&self) -> N {
        let Parts { eta, .. } = *self;
        let deviation = self.terms.deviation;
        let mirrored = weighted((self.drift * 2.0 + -1.0) * self.log, (self.y2 - deviation) * eta);
        let plain = probability((self.x2 - deviation) * eta);
        self.terms.discount * (plain - mirrored).at_least_zero()
    }
}

/// Up to this λ²(|ln(H/S)| + σ√T)² the value of a touch is taken from its series in λ².
const NEAR: f64 = 1e-3;

/// One unit of currency paid by expiry when the spot first touches a level: F. η is 1 where the level is below the spot.
///
/// F = (H/S)^μ ((H/S)^λ N(η(x + λσ√T)) + (H/S)^−λ N(η(x − λσ√T))), x = ln(H/S)/(σ√T), which is even in λ. Errors: `BadMethod` where λ² is
/// below zero (and not next to it), so that the formula turns complex.
pub(super) fn touch<N: Number>(terms: &Terms<N>, level: N, eta: f64) -> Result<N, Status> {
    let Terms { carry, rate, variance, deviation, years, .. } = *terms;
    let log = (level / terms.spot).ln();
    // μσ² and λ²σ⁴: where the volatility is small they keep their size.
    let drift = carry - variance * 0.5;
    let square = drift * drift + rate * variance * 2.0;
    let reach = log.value().abs() + deviation.value();
    let lambda = square.value() / (variance.value() * variance.value());
    if lambda.abs() * reach * reach < NEAR {
        return Ok(touch_by_series(log, deviation, drift / variance, square / (variance * variance), eta));
    }
    if square.value() < 0.0 {
        return Err(Status::BadMethod);
    }
    let root = square.sqrt();
    // μ + λ and μ − λ multiply to −2r/σ²: of the two the one that would cancel is taken from the other.
    let [plus, minus] = if drift.value() >= 0.0 {
        [(drift + root) / variance, -rate * 2.0 / (drift + root)]
    } else {
        [-rate * 2.0 / (drift - root), (drift - root) / variance]
    };
    let way = root * years;
    Ok(weighted(plus * log, (log + way) / deviation * eta) + weighted(minus * log, (log - way) / deviation * eta))
}

/// The same to λ⁶, with L = ln(H/S) and v = σ√T:
/// 2 (H/S)^μ Σ λ²ⁱ/(2i)! (L²ⁱ N(ηL/v) + ηv n(L/v) pᵢ), pᵢ = 0, L, L³ − Lv², L⁵ − L³v² + 3Lv⁴.
fn touch_by_series<N: Number>(log: N, deviation: N, mu: N, square: N, eta: f64) -> N {
    let at = log / deviation;
    let (inside, edge) = (probability(at * eta), density(at) * deviation * eta);
    let (l, w) = (log * log, deviation * deviation);
    let second = inside * l + edge * log;
    let fourth = inside * l * l + edge * log * (l - w);
    let sixth = inside * l * l * l + edge * log * (l * l - l * w + w * w * 3.0);
    let even = inside + square * (second * 0.5 + square * (fourth * (1.0 / 24.0) + square * sixth * (1.0 / 720.0)));
    (mu * log).exp() * even * 2.0
}
