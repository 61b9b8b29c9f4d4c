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

use super::terms::{Terms, finite, weighted};
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
    let terms = Terms::new(row)?;
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
    let parts = Parts::new(row, &terms, level, eta);
    let strike_above = row.strike > level;
    let [a, b, c, d] = parts.abcd();
    let call = row.option_type == OptionType::Call;
    let value = match (knock, direction) {
        (Knock::In, _) => {
            let option = match (direction, call, strike_above) {
                (Direction::Down, true, true) | (Direction::Up, false, false) => c,
                (Direction::Down, true, false) | (Direction::Up, false, true) => a - b + d,
                (Direction::Up, true, true) | (Direction::Down, false, false) => a,
                (Direction::Up, true, false) | (Direction::Down, false, true) => b - c + d,
            };
            option + rebate * parts.never_touched()
        }
        (Knock::Out, _) => {
            let option = match (direction, call, strike_above) {
                (Direction::Down, true, true) | (Direction::Up, false, false) => a - c,
                (Direction::Down, true, false) | (Direction::Up, false, true) => b - d,
                (Direction::Up, true, true) | (Direction::Down, false, false) => 0.0,
                (Direction::Up, true, false) | (Direction::Down, false, true) => a - b + c - d,
            };
            option.max(0.0) + if rebate > 0.0 { rebate * parts.at_the_touch()? } else { 0.0 }
        }
    };
    finite(value.max(0.0))
}

/// What the terms are made of.
struct Parts {
    terms: Terms,
    strike: f64,
    /// φ: 1 for a call.
    phi: f64,
    eta: f64,
    /// ln(H/S)
    log: f64,
    /// μ + 1/2 = b/σ²
    drift: f64,
    x1: f64,
    x2: f64,
    y1: f64,
    y2: f64,
}

impl Parts {
    fn new(row: &Row, terms: &Terms, level: f64, eta: f64) -> Self {
        let (spot, strike) = (row.spot, row.strike);
        let log = (level / spot).ln();
        let x2 = terms.d1(spot, level);
        Self {
            terms: *terms,
            strike,
            phi: row.option_type.sign(),
            eta,
            log,
            drift: terms.carry / (terms.volatility * terms.volatility),
            x1: terms.d1(spot, strike),
            x2,
            y1: terms.d1(spot, strike) + 2.0 * log / terms.deviation,
            y2: x2 + 2.0 * log / terms.deviation,
        }
    }

    /// The terms A, B (of the strike and of the barrier) and their reflections C, D.
    fn abcd(&self) -> [f64; 4] {
        let Parts { phi, eta, .. } = *self;
        let plain = |x: f64| self.pair(0.0, 0.0, phi, phi * x, phi * (x - self.terms.deviation));
        // (H/S)^(2(μ+1)) and (H/S)^(2μ)
        let [spot_power, cash_power] = [2.0 * self.drift + 1.0, 2.0 * self.drift - 1.0].map(|p| p * self.log);
        let mirrored = |y: f64| self.pair(spot_power, cash_power, phi, eta * y, eta * (y - self.terms.deviation));
        [plain(self.x1), plain(self.x2), mirrored(self.y1), mirrored(self.y2)]
    }

    /// φ (S e^((b−r)T) e^p N(x) − K e^(−rT) e^p' N(x')).
    fn pair(&self, spot_power: f64, cash_power: f64, phi: f64, x: f64, x_less: f64) -> f64 {
        let Terms { spot, discount, growth, .. } = self.terms;
        phi * (spot * growth * discount * weighted(spot_power, x)
            - self.strike * discount * weighted(cash_power, x_less))
    }

    /// One unit at expiry where the barrier was never touched: E.
    fn never_touched(&self) -> f64 {
        let Parts { eta, .. } = *self;
        let deviation = self.terms.deviation;
        let mirrored = weighted((2.0 * self.drift - 1.0) * self.log, eta * (self.y2 - deviation));
        self.terms.discount * (weighted(0.0, eta * (self.x2 - deviation)) - mirrored).max(0.0)
    }

    /// One unit at the touch: F.
    fn at_the_touch(&self) -> Result<f64, Status> {
        let variance = self.terms.volatility * self.terms.volatility;
        let mu = self.drift - 0.5;
        let square = mu * mu + 2.0 * self.terms.rate / variance;
        if square < 0.0 {
            return Err(Status::BadMethod);
        }
        let lambda = square.sqrt();
        // Of the roots μ ± λ of x² − 2μx − 2r/σ² the one that adds, and the other by their product: at small volatilities they cancel.
        let adds = if mu < 0.0 { mu - lambda } else { mu + lambda };
        let other = if adds == 0.0 { 0.0 } else { -2.0 * self.terms.rate / variance / adds };
        let [above, below] = if mu < 0.0 { [other, adds] } else { [adds, other] };
        let deviation = self.terms.deviation;
        let z = self.log / deviation + lambda * deviation;
        let less = self.log / deviation - lambda * deviation;
        Ok(weighted(above * self.log, self.eta * z) + weighted(below * self.log, self.eta * less))
    }
}
