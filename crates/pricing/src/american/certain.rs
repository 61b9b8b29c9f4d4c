//! American options whose spot follows its drift all but certainly: σ√T below what the boundary's method resolves, or two boundaries that are
//! many deviations away.
//!
//! Formula   with no volatility V = max over t ≤ T of ω(S e^(−qt) − K e^(−rt)). Exercise pays where ω(S − K) ≥ 0 and ω(qS − rK) ≥ 0, and
//!           ln(S/K) moves by (r − q)t: an option in that region is exercised now; one whose path stays out of it is the European one; one
//!           whose path enters it is exercised there, at t = ln(qS/(rK))/(q − r), where V ~ S^α K^(1−α), α = r/(r − q)
//! Method    the European option is exact at its volatility; what is exercised later is the perpetual option of that boundary (`perpetual`)
//! Accuracy  exact but for the chance of nine deviations. Nearer to the edge of the region than nine deviations nothing is said: V has no limit
//!           there that its Greeks would tend to alike

use zomma_base::Status;

use super::greeks::exercised;
use super::perpetual::Perpetual;
use super::{european_of_checked, exercise_value};
use crate::black::{Model, Row, scalar};

/// Deviations of the spot at expiry that a path keeps from what would change the answer: the chance of more is 1e-19.
const DEVIATIONS: f64 = 9.0;
/// Up to this σ√T a certain option is taken for one before a boundary is sought.
pub(super) const DEVIATION_MAX: f64 = 1e-3;

/// An option of which it is certain when it is exercised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certain {
    /// Its value.
    pub price: f64,
    when: When,
}

/// When it is exercised.
#[derive(Clone, Copy, Debug)]
enum When {
    Now,
    /// At expiry, or never.
    AtExpiry,
    /// Before expiry, when the spot comes to the boundary.
    Later(Perpetual),
}

/// Log-moneyness ln(S/K) at which exercise pays, from the lower to the upper; none where the upper is below.
struct Region {
    lower: f64,
    upper: f64,
}

impl Region {
    fn of(row: &Row) -> Self {
        let omega = row.option_type.sign();
        let (rate, dividend) = (row.risk_free_rate, row.dividend_yield);
        let none = Self { lower: f64::INFINITY, upper: f64::NEG_INFINITY };
        let mut region = if omega > 0.0 {
            Self { lower: 0.0, upper: f64::INFINITY }
        } else {
            Self { lower: f64::NEG_INFINITY, upper: 0.0 }
        };
        let ratio = rate / dividend;
        if dividend == 0.0 {
            return if omega * rate <= 0.0 { region } else { none };
        }
        if omega * dividend > 0.0 {
            if ratio > 0.0 {
                region.lower = region.lower.max(ratio.ln());
            }
        } else if ratio > 0.0 {
            region.upper = region.upper.min(ratio.ln());
        } else {
            return none;
        }
        region
    }
}

/// When an option whose fields are right is certain to be exercised, and its value; None where that is not certain.
pub(super) fn of(row: &Row) -> Option<Certain> {
    let deviation = row.volatility * row.expiry_years.sqrt();
    let margin = DEVIATIONS * deviation;
    let start = (row.spot / row.strike).ln();
    let carry = row.risk_free_rate - row.dividend_yield;
    let end = start + carry * row.expiry_years;
    if !(start.is_finite() && end.is_finite()) {
        return None;
    }
    let Region { lower, upper } = Region::of(row);
    if start - lower > margin && upper - start > margin {
        return Some(Certain { price: exercise_value(row), when: When::Now });
    }
    if lower > upper || lower - start.max(end) > margin || start.min(end) - upper > margin {
        return Some(Certain { price: european_of_checked(row), when: When::AtExpiry });
    }
    // What lies inside, or too near an edge, is not about to enter: it may be leaving on the other side.
    let edge = if lower - start > margin {
        lower
    } else if start - upper > margin {
        upper
    } else {
        return None;
    };
    let enters = |edge: f64| (end - edge) / (edge - start) > 0.0 && (end - edge).abs() > margin;
    if deviation < DEVIATION_MAX && edge.is_finite() && upper - lower > 2.0 * margin && enters(edge) {
        return Some(later(Perpetual::of(row, edge > start)));
    }
    None
}

/// The same of a row with one boundary whose expiry does not matter.
pub(super) fn without_end(row: &Row) -> Option<Certain> {
    let perpetual = Perpetual::instead_of(row)?;
    Some(if perpetual.is_exercised(row) {
        Certain { price: exercise_value(row), when: When::Now }
    } else {
        later(perpetual)
    })
}

fn later(perpetual: Perpetual) -> Certain {
    Certain { price: perpetual.price(), when: When::Later(perpetual) }
}

impl Certain {
    /// Whether exercise now is best.
    pub fn is_exercised(&self) -> bool {
        matches!(self.when, When::Now)
    }

    /// All Greeks in the order of [`Greek::ALL`], of the row that this was made of.
    ///
    /// Errors: `Overflow` where one is not representable.
    pub fn greeks(&self, row: &Row) -> Result<[f64; 19], Status> {
        match self.when {
            When::Now => Ok(exercised(row)),
            When::AtExpiry => scalar::greeks(row, Model::Bsm),
            When::Later(perpetual) => perpetual.greeks(row),
        }
    }
}
