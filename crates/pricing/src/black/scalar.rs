//! One European option in plain f64: the twin that specifies the batch path and the kernels.
//!
//! Formula   A = S e^(−qT), B = K e^(−rT), v = σ√T, h = ln(A/B)/v, t = v/2, d1 = h + t, d2 = h − t, V = ω(A N(ωd1) − B N(ωd2))
//! Method    Of A n(d1) = B n(d2) =: P the one with the smaller |d| is computed; tails are P Y(|d|) with Mills' ratio Y, so that every
//!           Greek is a polynomial times P, or a tail. The out-of-the-money value is a difference of Mills' ratios in a form that does
//!           not cancel, and the in-the-money one adds the intrinsic value of the forward.
//! Source    F. Black and M. Scholes (1973); F. Black (1976); P. Jäckel, "Let's Be Rational" (2015) for the small-v series
//! Domain    any f64: a row that is no option has a status. σ = 0 gives the limits (docs/numerics.md)
//! Accuracy  tolerance.rs: black/greeks, against 50 digits

use super::{Greek, Model, Row};
use crate::math::{FRAC_1_SQRT_2PI, Mills, Plain, ln_ratio, mills_parts};
use zomma_base::Status;

/// The quantities of one option, in the order of [`Greek::ALL`]. Phi under Black-76, and lambda where the value is 0, are absent: NaN.
pub type Quantities = [f64; 19];

/// Beyond this |d| the density is 0 in f64 (e^−800), whatever multiplies it.
const DENSITY_END: f64 = 40.0;

/// Up to this t = σ√T/2, and
pub(super) const CLOSE_T: f64 = 0.5;
/// up to this |h| t the two Mills' ratios are so close that their difference is taken by its series.
pub(super) const CLOSE_XT: f64 = 1.0;

/// What is wrong with the row: the first bad field in the order of [`Row`], [`Status::Ok`] where there is none.
pub fn check(row: &Row, model: Model) -> Status {
    let positive = |x: f64| x > 0.0 && x.is_finite();
    if !positive(row.spot) {
        return if model == Model::Bsm { Status::BadSpot } else { Status::BadForward };
    }
    if !positive(row.strike) {
        return Status::BadStrike;
    }
    if !row.expiry_years.is_finite() {
        return Status::BadExpiry;
    }
    if row.expiry_years <= 0.0 {
        return Status::Expired;
    }
    if !row.risk_free_rate.is_finite() {
        return Status::BadRate;
    }
    if model == Model::Bsm && !row.dividend_yield.is_finite() {
        return Status::BadYield;
    }
    if !(row.volatility >= 0.0 && row.volatility.is_finite()) {
        return Status::BadVolatility;
    }
    Status::Ok
}

/// Value and all Greeks of one option, or what is wrong with it.
///
/// Errors: the status of the first bad field; [`Status::Expired`] where T ≤ 0; [`Status::Overflow`] where a quantity is not representable.
pub fn greeks(row: &Row, model: Model) -> Result<Quantities, Status> {
    match check(row, model) {
        Status::Ok => {}
        status => return Err(status),
    }
    let omega = row.option_type.sign();
    let (spot, strike, expiry, rate) = (row.spot, row.strike, row.expiry_years, row.risk_free_rate);
    // A zero may come with a sign, which would turn that of d₁.
    let volatility = row.volatility.abs();
    let dividend = match model {
        Model::Bsm => row.dividend_yield,
        // The forward grows at no rate: a yield that equals the rate.
        Model::Black76 => rate,
    };
    let carry = (rate - dividend) * expiry;
    let a = spot * (-dividend * expiry).exp();
    let b = strike * (-rate * expiry).exp();
    let root = expiry.sqrt();
    let v = volatility * root;
    let state = State::new(a, b, log_ratio(spot, strike) + carry, v);
    let State { d1, d2, p, .. } = state;

    // ω A N(ωd1) and ω B N(ωd2): what S·delta and −K·dual_delta are.
    let spot_part = omega * if omega * d1 < 0.0 { state.tail1 } else { a - state.tail1 };
    let strike_part = omega * if omega * d2 < 0.0 { state.tail2 } else { b - state.tail2 };
    let out_of_the_money = omega * state.h <= 0.0;
    let value = if out_of_the_money { state.otm } else { state.otm + omega * (a - b) };
    if !(value.is_finite() && spot_part.is_finite() && strike_part.is_finite()) {
        return Err(Status::Overflow);
    }
    let delta = spot_part / spot;
    let lambda = if v == 0.0 && out_of_the_money {
        f64::NAN
    } else if out_of_the_money && d1 * d2 >= 0.0 {
        // The density cancels: the elasticity outlives the value.
        omega * (state.mills1 / state.otm_over_p)
    } else {
        spot_part / value
    };

    let mut q = [0.0; 19];
    let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
    set(Greek::Price, value);
    set(Greek::Delta, delta);
    set(Greek::DualDelta, -strike_part / strike);
    set(Greek::Rho, if model == Model::Bsm { expiry * strike_part } else { -expiry * value });
    set(Greek::Phi, if model == Model::Bsm { -expiry * spot_part } else { f64::NAN });
    set(Greek::Lambda, lambda);
    // Under Black-76 what is carried is r V: as a difference of its parts it would cancel.
    let carried = if model == Model::Bsm { dividend * spot_part - rate * strike_part } else { rate * value };
    set(Greek::Theta, carried);
    set(Greek::Charm, dividend * delta);
    if p == 0.0 {
        return representable(q, model);
    }

    // From here on everything is the density times a polynomial. Where v = 0 the forward is at the strike: the limits, some infinite.
    let (d1_over_v, d2_over_sigma, d1_over_sigma) =
        if v == 0.0 { (0.5, -0.5 * root, 0.5 * root) } else { (d1 / v, d2 / volatility, d1 / volatility) };
    let w = d1 * d2;
    let vega = p * root;
    let gamma = p / (spot * v) / spot;
    let drift = if v == 0.0 { carry / v } else { carry / v - 0.5 * d2 };
    let drift = if carry == 0.0 { -0.5 * d2 } else { drift };
    let spread = if carry == 0.0 { -0.5 * w } else { d1_over_v * carry - 0.5 * w };
    set(Greek::Gamma, gamma);
    set(Greek::DualGamma, p / (strike * v) / strike);
    set(Greek::Vega, vega);
    set(Greek::Theta, carried - 0.5 * p * volatility / root);
    set(Greek::Charm, (dividend * spot_part - p * drift / expiry) / spot);
    set(Greek::Vanna, -p * d2_over_sigma / spot);
    set(Greek::Vomma, vega * d1 * d2_over_sigma);
    set(Greek::Veta, vega * (dividend + (spread - 0.5) / expiry));
    set(Greek::Vera, if model == Model::Bsm { -expiry * p * d1_over_sigma } else { -expiry * vega });
    set(Greek::Speed, -gamma / spot * (d1_over_v + 1.0));
    set(Greek::Zomma, gamma * (w - 1.0) / volatility);
    set(Greek::Color, gamma * (dividend + (spread + 0.5) / expiry));
    let ultima = if v == 0.0 {
        // d1 d2 = −v²/4 and d1² + d2² = v²/2, so that σ² cancels.
        -0.25 * vega * expiry
    } else {
        vega * (w * (w - 1.0) - (d1 * d1 + d2 * d2)) / volatility / volatility
    };
    set(Greek::Ultima, ultima);
    representable(q, model)
}

/// Refuses quantities that are not numbers: products of extreme inputs can leave the range of f64 on the way.
fn representable(q: Quantities, model: Model) -> Result<Quantities, Status> {
    let absent = |greek: Greek| greek == Greek::Lambda || greek == Greek::Phi && model == Model::Black76;
    let broken = Greek::ALL.into_iter().any(|greek| q[greek as usize].is_nan() && !absent(greek));
    if broken { Err(Status::Overflow) } else { Ok(q) }
}

/// The value alone.
///
/// Errors: as [`greeks`].
pub fn price(row: &Row, model: Model) -> Result<f64, Status> {
    greeks(row, model).map(|quantities| quantities[Greek::Price as usize])
}

/// ln(a/b) to relative accuracy, also for subnormal and huge arguments.
fn log_ratio(a: f64, b: f64) -> f64 {
    let moderate = |x: f64| (1e-300..=1e300).contains(&x);
    if moderate(a) && moderate(b) { ln_ratio::<Plain>(a, b) } else { a.ln() - b.ln() }
}

/// What all quantities are made of.
struct State {
    d1: f64,
    d2: f64,
    h: f64,
    /// A n(d1) = B n(d2).
    p: f64,
    /// Y(|d1|).
    mills1: f64,
    /// A N(−|d1|).
    tail1: f64,
    /// B N(−|d2|).
    tail2: f64,
    /// Value of the out-of-the-money one of call and put.
    otm: f64,
    /// The same over p.
    otm_over_p: f64,
}

impl State {
    fn new(a: f64, b: f64, m: f64, v: f64) -> Self {
        let h = if m == 0.0 { 0.0 } else { (m / v).clamp(-1e14, 1e14) };
        let t = 0.5 * v;
        let (d1, d2) = (h + t, h - t);
        let (m1, m2) = (mills_parts::<Plain>(d1.abs().min(1e14)), mills_parts::<Plain>(d2.abs().min(1e14)));
        let (mills1, mills2) = (m1.p / m1.q, m2.p / m2.q);
        // The density at the smaller |d|: its exponent's error is then covered by the sensitivities at every v.
        let (least, x) = if h <= 0.0 { (a, d1) } else { (b, d2) };
        let p = if x.abs() > DENSITY_END {
            0.0
        } else {
            // In two halves, so that a product that is normal does not pass through a subnormal density.
            let half = (-0.25 * x * x).exp();
            FRAC_1_SQRT_2PI * half * least * half
        };
        let (tail1, tail2) = (p * mills1, p * mills2);
        let same_side = d1 * d2 >= 0.0;
        let otm_over_p = if t <= CLOSE_T && t * h.abs() <= CLOSE_XT {
            mills_difference(h.abs(), t)
        } else if same_side {
            // Y1 Y2 (|d1| − |d2| + r1 − r2) with Y = 1/(x + r): the excesses r are small where the ratios nearly cancel.
            mills1 * mills2 * (v - (m1.r / m1.p - m2.r / m2.p).abs())
        } else {
            f64::NAN
        };
        let otm = if otm_over_p.is_nan() { least - tail1 - tail2 } else { p * otm_over_p };
        Self { d1, d2, h, p, mills1, tail1, tail2, otm, otm_over_p }
    }
}

/// Y(x − t) − Y(x + t) by its series in t, where t ≤ [`CLOSE_T`] and x t ≤ [`CLOSE_XT`]: Σ 2 t^(2k+1)/(2k+1)! M(2k+1), M(n) = ∫ u^n e^(−xu − u²/2) du, by
/// M(n+2) = (x² + 2n + 1) M(n) − n(n−1) M(n−2) and M(1) = 1 − x Y(x).
pub(super) fn mills_difference(x: f64, t: f64) -> f64 {
    let Mills { q, r, .. } = mills_parts::<Plain>(x);
    let (xx, tt) = (x * x, t * t);
    let mut term = r / q;
    let mut before = 1.0;
    let mut sum = term;
    for k in 0..12 {
        let n = f64::from(2 * k + 2);
        let next = tt * ((xx + (2.0 * n - 1.0)) * term - before) / (n * (n + 1.0));
        before = tt * term;
        term = next;
        sum += term;
    }
    2.0 * t * sum
}
