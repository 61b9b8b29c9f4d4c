//! Lookback options on the greatest or least spot until expiry, watched always.
//!
//! Formula   V(M) = ω(S e^((b−r)T) N(ωd1) − M e^(−rT) N(ωd2)) + S e^(−rT) (σ²/2b) ω (e^(bT) N(ωd1) − (S/M)^(−2b/σ²) N(ωd1 − 2ωb√T/σ))
//!           is what a right to ω(extreme − M) costs, M the extreme so far (or the strike beyond it)
//! Method    The last bracket over b is a difference that vanishes with b: near zero it is taken from the polynomial through its values
//!           at ±1 and ±2 thousandths of σ²/2 and its limit σ√T (n(d1) + ωd1 N(ωd1))
//! Source    M. B. Goldman, H. B. Sosin and M. A. Gatto (1979); A. Conze and Viswanathan (1991); Haug (2007), section 4.15
//! Accuracy  tolerance.rs: exotic lookback, of the spot

use zomma_base::{OptionType, Status};

use super::terms::{Terms, finite, weighted};
use crate::black::Row;
use crate::math::{Plain, normal_cdf, normal_pdf};

/// A call pays S − least, a put greatest − S; the row's strike does not matter.
///
/// `extreme` is the least spot so far (call) or the greatest (put); the spot itself counts. Errors: those of the module; `BadSpot` where
/// `extreme` is not finite or not above zero.
pub fn floating_lookback(row: &Row, extreme: f64) -> Result<f64, Status> {
    let (terms, extreme) = seen(&Row { strike: row.spot, ..*row }, extreme, row.option_type.opposite_extreme())?;
    let forward = terms.spot * terms.growth * terms.discount;
    let cash = extreme * terms.discount;
    let value = match row.option_type {
        OptionType::Call => beyond(&terms, extreme, -1.0) + forward - cash,
        OptionType::Put => beyond(&terms, extreme, 1.0) - forward + cash,
    };
    finite(value.max(0.0))
}

/// A call pays max(greatest − K, 0), a put max(K − least, 0).
///
/// `extreme` is the greatest spot so far (call) or the least (put); the spot itself counts. Errors: as [`floating_lookback`].
pub fn fixed_lookback(row: &Row, extreme: f64) -> Result<f64, Status> {
    let sign = row.option_type.sign();
    let (terms, extreme) = seen(row, extreme, sign)?;
    let level = if sign > 0.0 { extreme.max(row.strike) } else { extreme.min(row.strike) };
    finite((sign * (level - row.strike) * terms.discount + beyond(&terms, level, sign)).max(0.0))
}

/// The terms, and the extreme that counts the spot: the greatest where `sign` is above zero.
fn seen(row: &Row, extreme: f64, sign: f64) -> Result<(Terms, f64), Status> {
    let terms = Terms::new(row)?;
    if !(extreme.is_finite() && extreme > 0.0) {
        return Err(Status::BadSpot);
    }
    Ok((terms, if sign > 0.0 { extreme.max(row.spot) } else { extreme.min(row.spot) }))
}

/// The side that a floating strike looks at.
trait OppositeExtreme {
    fn opposite_extreme(self) -> f64;
}

impl OppositeExtreme for OptionType {
    fn opposite_extreme(self) -> f64 {
        -self.sign()
    }
}

/// The right to ω(extreme − level) at expiry, the extreme being at the level or short of it now.
fn beyond(terms: &Terms, level: f64, omega: f64) -> f64 {
    let d1 = terms.d1(terms.spot, level);
    let d2 = d1 - terms.deviation;
    let forward = terms.spot * terms.growth * terms.discount * normal_cdf::<Plain>(omega * d1);
    let cash = level * terms.discount * normal_cdf::<Plain>(omega * d2);
    omega * (forward - cash) + terms.spot * terms.discount * ratchet(terms, level, omega)
}

/// Half a step of the polynomial, in units of 2b/σ².
const STEP: f64 = 1e-3;

/// The bracket over 2b/σ².
fn ratchet(terms: &Terms, level: f64, omega: f64) -> f64 {
    let log = (terms.spot / level).ln();
    let deviation = terms.deviation;
    // Where 2b/σ² = k: b T = k σ²T/2 and d1 moves with it.
    let d1 = |k: f64| log / deviation + 0.5 * (k + 1.0) * deviation;
    let at = |k: f64| {
        let d1 = d1(k);
        let grown = weighted(0.5 * k * deviation * deviation, omega * d1);
        omega * (grown - weighted(-k * log, omega * (d1 - k * deviation))) / k
    };
    let k = 2.0 * terms.carry / (terms.volatility * terms.volatility);
    if k.abs() >= STEP {
        return at(k);
    }
    let limit = deviation * (normal_pdf::<Plain>(d1(0.0)) + omega * d1(0.0) * normal_cdf::<Plain>(omega * d1(0.0)));
    // Newton's form through 0, ±1, ±2 steps, by even and odd differences.
    let u = k / STEP;
    let [even1, even2] = [1.0, 2.0].map(|i| 0.5 * (at(i * STEP) + at(-i * STEP)) - limit);
    let [odd1, odd2] = [1.0, 2.0].map(|i| 0.5 * (at(i * STEP) - at(-i * STEP)));
    let (fourth, third) = ((even2 - 4.0 * even1) / 12.0, (odd2 - 2.0 * odd1) / 6.0);
    limit + u * (odd1 - third + u * (even1 - fourth + u * (third + u * fourth)))
}
