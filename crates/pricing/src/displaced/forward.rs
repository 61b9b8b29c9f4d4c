//! An undiscounted European option on a forward: its value and derivatives by forward, volatility, time and strike.
//!
//! Formula   normal: d = (F − K)/s, s = σ√T, U = ω(F − K) N(ωd) + s n(d); displaced: Black's on F + δ and K + δ
//! Method    the out-of-the-money value is s n(d) (1 − |d| Y(|d|)) with Mills' ratio Y in a form that does not cancel
//! Source    L. Bachelier (1900); M. Rubinstein, "Displaced Diffusion Option Pricing" (1983)

use zomma_base::Status;

use crate::black::{Greek, Model, Row, scalar};
use crate::math::{FRAC_1_SQRT_2PI, Mills, Plain, mills_parts};

/// Derivatives of the undiscounted value U, by their names in [`Greek`] at a rate and a yield of zero.
pub(super) struct Undiscounted {
    pub value: f64,
    /// U_F
    pub delta: f64,
    /// U_FF
    pub gamma: f64,
    /// U_σ
    pub vega: f64,
    /// −U_T
    pub theta: f64,
    /// U_Fσ
    pub vanna: f64,
    /// −U_FT
    pub charm: f64,
    /// U_σσ
    pub vomma: f64,
    /// −U_σT
    pub veta: f64,
    /// U_FFF
    pub speed: f64,
    /// U_FFσ
    pub zomma: f64,
    /// −U_FFT
    pub color: f64,
    /// U_σσσ
    pub ultima: f64,
    /// U_K
    pub dual_delta: f64,
    /// U_KK
    pub dual_gamma: f64,
}

/// Bachelier's. `row` is checked, but for the forward, which is `forward`.
pub(super) fn normal(row: &Row, forward: f64) -> Undiscounted {
    let omega = row.option_type.sign();
    // A zero may come with a sign, which would turn that of d.
    let (expiry, volatility) = (row.expiry_years, row.volatility.abs());
    let root = expiry.sqrt();
    let s = volatility * root;
    let money = forward - row.strike;
    let d = if money == 0.0 { 0.0 } else { (money / s).clamp(-1e14, 1e14) };
    let n = FRAC_1_SQRT_2PI * (-0.5 * d * d).exp();
    let Mills { p, q, r } = mills_parts::<Plain>(d.abs());
    let tail = n * p / q;
    let out_of_the_money = omega * money <= 0.0;
    let otm = s * n * (r / q);
    let value = if out_of_the_money { otm } else { otm + omega * money };
    let delta = omega * if omega * d < 0.0 { tail } else { 1.0 - tail };
    // A factor of d, which is 0 at the money, takes the place of the limit of 0 × ∞ where s is 0.
    let times = |factor: f64, x: f64| if factor == 0.0 || n == 0.0 { 0.0 } else { factor * x };
    let gamma = if n == 0.0 { 0.0 } else { n / s };
    let vega = root * n;
    let dd = d * d;
    Undiscounted {
        value,
        delta,
        gamma,
        vega,
        theta: -0.5 * volatility * n / root,
        vanna: times(-d, root * n / s),
        charm: 0.5 * d * n / expiry,
        vomma: times(dd, vega / volatility),
        veta: -0.5 * n * (1.0 + dd) / root,
        speed: times(-d, n / s / s),
        zomma: times(dd - 1.0, gamma / volatility),
        color: times(1.0 - dd, 0.5 * gamma / expiry),
        ultima: times(dd * (dd - 3.0), vega / volatility / volatility),
        dual_delta: -delta,
        dual_gamma: gamma,
    }
}

/// Black's on the displaced forward and strike.
pub(super) fn displaced(row: &Row, forward: f64, displacement: f64) -> Result<Undiscounted, Status> {
    let moved = Row { spot: forward + displacement, strike: row.strike + displacement, risk_free_rate: 0.0, ..*row };
    let q = scalar::greeks(&moved, Model::Black76).map_err(|status| match status {
        Status::BadForward | Status::BadStrike => Status::BadDisplacement,
        other => other,
    })?;
    let get = |greek: Greek| q[greek as usize];
    Ok(Undiscounted {
        value: get(Greek::Price),
        delta: get(Greek::Delta),
        gamma: get(Greek::Gamma),
        vega: get(Greek::Vega),
        theta: get(Greek::Theta),
        vanna: get(Greek::Vanna),
        charm: get(Greek::Charm),
        vomma: get(Greek::Vomma),
        veta: get(Greek::Veta),
        speed: get(Greek::Speed),
        zomma: get(Greek::Zomma),
        color: get(Greek::Color),
        ultima: get(Greek::Ultima),
        dual_delta: get(Greek::DualDelta),
        dual_gamma: get(Greek::DualGamma),
    })
}
