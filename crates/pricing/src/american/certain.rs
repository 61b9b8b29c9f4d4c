//! American options whose spot follows its drift all but certainly: σ√T below what the boundary's method resolves, or two boundaries that are
//! many deviations away.
//!
//! Formula   with no volatility V = max over t ≤ T of ω(S e^(−qt) − K e^(−rt)). Exercise pays where ω(S − K) ≥ 0 and ω(qS − rK) ≥ 0, and
//!           ln(S/K) moves by (r − q)t: an option in that region is exercised now; one whose path stays out of it is the European one; one
//!           whose path enters it is exercised there, at t = ln(qS/(rK))/(q − r), where V ~ S^α K^(1−α), α = r/(r − q)
//! Method    the European option is exact at its volatility. What is exercised later gains ½σ² t S² gamma to the first order in σ², since
//!           gamma S² e^(−rs) is the same all along the path
//! Accuracy  exact but for the chance of nine deviations; where exercise is later, of (σ√T)⁴ of the strike (tests::certain). Nearer to the
//!           edge of the region than nine deviations nothing is said: V has no limit there that its Greeks would tend to alike

use zomma_base::Status;

use super::greeks::exercised;
use super::{european_of_checked, exercise_value};
use crate::black::{Greek, Model, Row, scalar};

/// Deviations of the spot at expiry that a path keeps from what would change the answer: the chance of more is 1e-19.
const DEVIATIONS: f64 = 9.0;
/// Up to this σ√T the terms beyond σ² of an exercise later are below 1e-12 of the strike, and a certain option is taken for one before a boundary is
/// sought.
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
    /// After so many years.
    Later(f64),
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
        return Some(later(row, (edge - start) / carry));
    }
    None
}

/// An option that is exercised after `years`.
fn later(row: &Row, years: f64) -> Certain {
    let when = When::Later(years);
    Certain { price: Later::new(row, years).price(), when }
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
            When::Later(years) => Later::new(row, years).greeks(),
        }
    }
}

/// An option that is exercised when its path enters the region.
struct Later<'a> {
    row: &'a Row,
    years: f64,
    /// ω S e^(−qt) and ω K e^(−rt) at the time of exercise.
    spot_part: f64,
    strike_part: f64,
    /// S² gamma without volatility.
    bend: f64,
}

impl<'a> Later<'a> {
    fn new(row: &'a Row, years: f64) -> Self {
        let omega = row.option_type.sign();
        let spot_part = omega * row.spot * (-row.dividend_yield * years).exp();
        let strike_part = omega * row.strike * (-row.risk_free_rate * years).exp();
        let bend = row.dividend_yield * spot_part / (row.risk_free_rate - row.dividend_yield);
        Self { row, years, spot_part, strike_part, bend }
    }

    /// ½σ², and what it multiplies: t S² gamma.
    fn gain(&self) -> (f64, f64) {
        (0.5 * self.row.volatility * self.row.volatility, self.years * self.bend)
    }

    fn price(&self) -> f64 {
        let (half_variance, gain) = self.gain();
        self.spot_part - self.strike_part + half_variance * gain
    }

    fn greeks(&self) -> Result<[f64; 19], Status> {
        let Self { years: t, bend, spot_part, strike_part, .. } = *self;
        let Row { spot, strike, risk_free_rate: r, dividend_yield: q, volatility, .. } = *self.row;
        let (half_variance, gain) = self.gain();
        // Derivatives of t and of ln|S² gamma| by ln S, r and q.
        let away = q - r;
        let power = -r / away;
        let by_log_spot = 1.0 / away;
        let by_rate = (t - 1.0 / r) / away;
        let by_yield = (1.0 / q - t) / away;
        let gain_by_log_spot = bend * by_log_spot + gain * power;
        let gain_twice = 2.0 * power * bend * by_log_spot + gain * power * power;
        let gain_by_rate = bend * by_rate + gain * (1.0 / away - q * by_rate);
        let gain_by_yield = bend * by_yield + gain * (1.0 / q - t - q * by_yield - 1.0 / away);

        let price = self.price();
        let delta = (spot_part + half_variance * gain_by_log_spot) / spot;
        let gain_bend = gain_twice - gain_by_log_spot;
        let gamma = (bend + half_variance * gain_bend) / spot / spot;
        let mut found = [0.0; 19];
        let mut set = |greek: Greek, x: f64| found[greek as usize] = x;
        set(Greek::Price, price);
        set(Greek::Delta, delta);
        set(Greek::Gamma, gamma);
        set(Greek::Vega, volatility * gain);
        set(Greek::Rho, t * strike_part + half_variance * gain_by_rate);
        set(Greek::Phi, -t * spot_part + half_variance * gain_by_yield);
        set(Greek::Vanna, volatility * gain_by_log_spot / spot);
        set(Greek::Vomma, gain);
        set(Greek::Vera, volatility * gain_by_rate);
        set(Greek::Speed, bend * (power - 2.0) / spot / spot / spot);
        set(Greek::Zomma, volatility * gain_bend / spot / spot);
        set(Greek::DualDelta, (price - spot * delta) / strike);
        set(Greek::DualGamma, gamma * (spot / strike) * (spot / strike));
        set(Greek::Lambda, if price > 0.0 { spot * delta / price } else { f64::NAN });
        let is_sound = |greek: &Greek| *greek == Greek::Lambda || found[*greek as usize].is_finite();
        if Greek::ALL.iter().all(is_sound) { Ok(found) } else { Err(Status::Overflow) }
    }
}

/// What [`of`] would say of an exercise later at any volatility: for tests, where other methods go too.
#[cfg(test)]
pub(super) fn exercised_later(row: &Row) -> Certain {
    let edge = (row.risk_free_rate / row.dividend_yield).ln();
    later(row, (edge - (row.spot / row.strike).ln()) / (row.risk_free_rate - row.dividend_yield))
}
