//! Lookback options on the greatest or least spot until expiry, watched always.
//!
//! Formula   V(M) = ω(S e^((b−r)T) N(ωd1) − M e^(−rT) N(ωd2)) + S e^(−rT) (σ²/2b) ω (e^(bT) N(ωd1) − (S/M)^(−2b/σ²) N(ωd1 − 2ωb√T/σ))
//!           is what a right to ω(extreme − M) costs, M the extreme so far (or the strike beyond it)
//! Method    The last bracket over b is a difference that vanishes with b: near zero it is taken from the polynomial through its values
//!           at ±3 and ±6 thousandths of σ/2√T and its limit σ√T (n(d1) + ωd1 N(ωd1))
//! Source    M. B. Goldman, H. B. Sosin and M. A. Gatto (1979); A. Conze and Viswanathan (1991); Haug (2007), section 4.15
//! Accuracy  tolerance.rs: exotic lookback, of the spot

use zomma_base::{OptionType, Status};

use super::number::Number;
use super::terms::{Terms, density, finite, probability, weighted};
use crate::black::Row;

/// A call pays S − least, a put greatest − S; the row's strike does not matter.
///
/// `extreme` is the least spot so far (call) or the greatest (put); the spot itself counts. Errors: those of the module; `BadSpot` where
/// `extreme` is not finite or not above zero.
pub fn floating_lookback(row: &Row, extreme: f64) -> Result<f64, Status> {
    floating_lookback_in(row, extreme)
}

/// A call pays max(greatest − K, 0), a put max(K − least, 0).
///
/// `extreme` is the greatest spot so far (call) or the least (put); the spot itself counts. Errors: as [`floating_lookback`].
pub fn fixed_lookback(row: &Row, extreme: f64) -> Result<f64, Status> {
    fixed_lookback_in(row, extreme)
}

/// [`floating_lookback`] in any numbers, of which the extreme is fixed.
pub(crate) fn floating_lookback_in<N: Number>(row: &Row, extreme: f64) -> Result<N, Status> {
    let (terms, extreme) = seen::<N>(&Row { strike: row.spot, ..*row }, extreme, row.option_type.opposite_extreme())?;
    let extreme = N::constant(extreme);
    let forward = terms.spot * terms.growth * terms.discount;
    let cash = extreme * terms.discount;
    let value = match row.option_type {
        OptionType::Call => beyond(&terms, extreme, -1.0) + forward - cash,
        OptionType::Put => beyond(&terms, extreme, 1.0) - forward + cash,
    };
    finite(value.at_least_zero())
}

/// [`fixed_lookback`] in any numbers, of which the extreme is fixed. A strike at the extreme moves away from it, out of the money.
pub(crate) fn fixed_lookback_in<N: Number>(row: &Row, extreme: f64) -> Result<N, Status> {
    let sign = row.option_type.sign();
    let (terms, extreme) = seen::<N>(row, extreme, sign)?;
    let level = if sign * (row.strike - extreme) >= 0.0 { terms.strike } else { N::constant(extreme) };
    let certain = (level - terms.strike) * terms.discount * sign;
    finite((certain + beyond(&terms, level, sign)).at_least_zero())
}

/// The terms, and the extreme that counts the spot: the greatest where `sign` is above zero.
fn seen<N: Number>(row: &Row, extreme: f64, sign: f64) -> Result<(Terms<N>, f64), Status> {
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
fn beyond<N: Number>(terms: &Terms<N>, level: N, omega: f64) -> N {
    let d1 = terms.d1(terms.spot, level);
    let d2 = d1 - terms.deviation;
    let forward = terms.spot * terms.growth * terms.discount * probability(d1 * omega);
    let cash = level * terms.discount * probability(d2 * omega);
    (forward - cash) * omega + terms.spot * terms.discount * ratchet(terms, level, omega)
}

/// Half a step of the polynomial, in units of 2b√T/σ.
const STEP: f64 = 3e-3;

/// The bracket over 2b/σ².
fn ratchet<N: Number>(terms: &Terms<N>, level: N, omega: f64) -> N {
    let log = (terms.spot / level).ln();
    let deviation = terms.deviation;
    let (half, reach) = (deviation * 0.5, log / deviation);
    // Where 2b√T/σ = k, so that 2b/σ² = k/(σ√T) and b T = k σ√T/2: in k the bracket bends alike at any volatility.
    let at = |k: N, carried: N| {
        let [grown, back] = [log + carried, log - carried].map(|way| (way / deviation + half) * omega);
        (weighted(carried, grown) - weighted(-k * reach, back)) * omega * deviation / k
    };
    let carried = terms.carry * terms.years;
    let k = carried * 2.0 / deviation;
    if k.value().abs() >= STEP {
        return at(k, carried);
    }
    let d1 = reach + half;
    let limit = deviation * (density(d1) + d1 * probability(d1 * omega) * omega);
    // Newton's form through 0, ±1, ±2 steps, by even and odd differences.
    let u = k * (1.0 / STEP);
    let near = |steps: f64| at(N::constant(steps * STEP), half * (steps * STEP));
    let [even1, even2] = [1.0, 2.0].map(|i| (near(i) + near(-i)) * 0.5 - limit);
    let [odd1, odd2] = [1.0, 2.0].map(|i| (near(i) - near(-i)) * 0.5);
    let fourth = (even2 - even1 * 4.0) * (1.0 / 12.0);
    let third = (odd2 - odd1 * 2.0) * (1.0 / 6.0);
    limit + u * (odd1 - third + u * (even1 - fourth + u * (third + u * fourth)))
}
