//! American options that outlive the chance of waiting: by expiry the spot has been at the boundary of exercise or never will be, so that the end of
//! the option is worth nothing and its value is the perpetual option's.
//!
//! Formula   V = ω(S* − K)(S/S*)^β, S* = Kβ/(β − 1), ½σ²β(β − 1) + (r − q)β − r = 0 (McKean 1965; Merton 1973). With L = ln(S/S*), ∂V/∂β = V·L and
//!           ∂L/∂β = 1/(β(β − 1)), which give the Greeks by σ, r and q through those of β; those by time are 0
//! Accuracy  the strategy of exercise at S* earns V times the chance of being there before expiry under the measure whose density is the martingale
//!           e^(−rt) S^β, where ln S moves at λ = √(μ² + 2rσ²), μ = r − q − σ²/2, towards S*. So V·(1 − N((|L| − λT)/(σ√T))) ≤ American ≤ V: at nine
//!           deviations all digits

use zomma_base::Status;

use super::{european_of_checked, exercise_value};
use crate::black::{Greek, Row};
use crate::math::{Plain, normal_cdf};

/// Deviations by which the boundary is passed before expiry: the chance of more is 1e-19.
const DEVIATIONS: f64 = 9.0;
/// Beyond it, at volatilities below 1e-25, powers of β leave the range of numbers.
const BETA_MAX: f64 = 1e50;

/// How the logarithm of the spot moves.
struct Motion {
    /// σ².
    variance: f64,
    /// μ = r − q − σ²/2.
    drift: f64,
    /// λ; no number where rates below 0 leave none.
    speed: f64,
}

impl Motion {
    fn of(row: &Row) -> Self {
        let Row { risk_free_rate: rate, dividend_yield, volatility, .. } = *row;
        let variance = volatility * volatility;
        let drift = rate - dividend_yield - 0.5 * variance;
        Self { variance, drift, speed: (drift * drift + 2.0 * rate * variance).sqrt() }
    }
}

/// A perpetual option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Perpetual {
    /// ∂ ln V/∂ ln S.
    beta: f64,
    /// ½σ²(2β − 1) + r − q, the slope of the equation of β: −λ where the spot comes down to the boundary, else λ.
    slope: f64,
    /// ln(S/S*).
    log_spot: f64,
    /// V.
    value: f64,
}

impl Perpetual {
    /// The option whose boundary is above the spot (a call's) or below (a put's; the lower one of a put with two is above). Nothing is said of
    /// whether the row is that option.
    pub fn of(row: &Row, boundary_is_above: bool) -> Self {
        let rate = row.risk_free_rate;
        let Motion { variance, drift, speed } = Motion::of(row);
        let towards = if boundary_is_above { speed } else { -speed };
        // Of both forms the one that adds: the roots' product is −2r/σ².
        let beta = if towards * drift > 0.0 { 2.0 * rate / (towards + drift) } else { (towards - drift) / variance };
        let log_spot = (row.spot / row.strike).ln() + (-1.0 / beta).ln_1p();
        let value = row.option_type.sign() * row.strike / (beta - 1.0) * (beta * log_spot).exp();
        Self { beta, slope: towards, log_spot, value }
    }

    /// Of a row with one boundary, where its expiry does not matter.
    pub fn instead_of(row: &Row) -> Option<Self> {
        let omega = row.option_type.sign();
        let deviation = row.volatility * row.expiry_years.sqrt();
        // Most rows do not get this far by expiry, and need no logarithm to be told so.
        let way = Motion::of(row).speed * row.expiry_years;
        let gets_far = way > DEVIATIONS * deviation;
        if !gets_far {
            return None;
        }
        let perpetual = Self::of(row, omega > 0.0);
        if !perpetual.is_one() {
            return None;
        }
        let distance = (-omega * perpetual.log_spot).max(0.0);
        let is_known = distance == 0.0 || perpetual.value.is_finite();
        (is_known && way - distance > DEVIATIONS * deviation).then_some(perpetual)
    }

    /// Whether the equation has a boundary: a call's β is above 1, a put's below 0.
    fn is_one(&self) -> bool {
        self.beta != 0.0 && self.beta.abs() < BETA_MAX && self.log_spot.is_finite()
    }

    /// The price of a row with one boundary, where the chance of reaching expiry leaves no more than `allowed` open.
    pub fn price_within(row: &Row, allowed: f64) -> Option<f64> {
        let omega = row.option_type.sign();
        let perpetual = Self::of(row, omega > 0.0);
        if !perpetual.is_one() {
            return None;
        }
        if perpetual.is_exercised(row) {
            return Some(exercise_value(row));
        }
        if !perpetual.value.is_finite() {
            return None;
        }
        let way = perpetual.slope.abs() * row.expiry_years - perpetual.log_spot.abs();
        let deviation = row.volatility * row.expiry_years.sqrt();
        let late = normal_cdf::<Plain>(-way / deviation);
        let least = (perpetual.value * (1.0 - late)).max(exercise_value(row)).max(european_of_checked(row));
        (perpetual.value - least <= allowed).then_some(0.5 * (perpetual.value + least))
    }

    /// Whether the spot is at the boundary or beyond: exercise now is best.
    pub fn is_exercised(&self, row: &Row) -> bool {
        row.option_type.sign() * self.log_spot >= 0.0
    }

    /// V, where it is not exercised.
    pub fn price(&self) -> f64 {
        self.value
    }

    /// All Greeks in the order of [`Greek::ALL`], of the row that this was made of, where it is not exercised.
    ///
    /// Errors: `Overflow` where one is not representable.
    pub fn greeks(&self, row: &Row) -> Result<[f64; 19], Status> {
        let Self { beta, slope, log_spot, value } = *self;
        let Row { spot, strike, volatility, .. } = *row;
        // Derivatives of beta: those of its equation ½σ²·product + (r − q)β − r by σ, r and q, over −slope.
        let (product, product_slope) = (beta * (beta - 1.0), 2.0 * beta - 1.0);
        let by_vol = -volatility * product / slope;
        let by_rate = (1.0 - beta) / slope;
        let by_yield = beta / slope;
        let variance = volatility * volatility;
        let slope_by_vol = volatility * product_slope + variance * by_vol;
        let twice = (-product - volatility * product_slope * by_vol - by_vol * slope_by_vol) / slope;
        let slope_twice = product_slope + 4.0 * volatility * by_vol + variance * twice;
        let bend = -2.0 * product_slope * by_vol - volatility * (2.0 * by_vol * by_vol + product_slope * twice);
        let thrice = (bend - 2.0 * twice * slope_by_vol - by_vol * slope_twice) / slope;
        let by_vol_and_rate = (-by_vol - by_rate * slope_by_vol) / slope;
        // Derivatives of the value by beta.
        let log_slope = 1.0 / product;
        let first = value * log_spot;
        let second = value * (log_spot * log_spot + log_slope);
        let third =
            value * (log_spot * (log_spot * log_spot + 3.0 * log_slope) - product_slope * log_slope * log_slope);

        let delta = beta * value / spot;
        let gamma = product * value / spot / spot;
        let mut found = [0.0; 19];
        let mut set = |greek: Greek, x: f64| found[greek as usize] = x;
        set(Greek::Price, value);
        set(Greek::Delta, delta);
        set(Greek::Gamma, gamma);
        set(Greek::Vega, first * by_vol);
        set(Greek::Rho, first * by_rate);
        set(Greek::Phi, first * by_yield);
        set(Greek::Vanna, by_vol * (value + beta * first) / spot);
        set(Greek::Vomma, second * by_vol * by_vol + first * twice);
        set(Greek::Vera, second * by_vol * by_rate + first * by_vol_and_rate);
        set(Greek::Ultima, third * by_vol.powi(3) + 3.0 * second * by_vol * twice + first * thrice);
        set(Greek::Speed, product * (beta - 2.0) * value / spot / spot / spot);
        set(Greek::Zomma, by_vol * (product_slope * value + product * first) / spot / spot);
        set(Greek::DualDelta, (1.0 - beta) * value / strike);
        set(Greek::DualGamma, gamma * (spot / strike) * (spot / strike));
        set(Greek::Lambda, if value > 0.0 { beta } else { f64::NAN });
        let is_sound = |greek: &Greek| *greek == Greek::Lambda || found[*greek as usize].is_finite();
        if Greek::ALL.iter().all(is_sound) { Ok(found) } else { Err(Status::Overflow) }
    }
}
