//! The Black formulae over a block of rows without a branch: what [`super::scalar`] says, for the rows that need no special care.

use super::Greek;
use super::scalar::{CLOSE_T, CLOSE_XT};
use crate::math::{FRAC_1_SQRT_2PI, MultiplyAdd, exp_half_square, exp_moderate, ln_ratio, mills_parts};
use zomma_base::OptionType;

/// Rows in a block: its inputs and outputs stay in the first-level cache.
pub(crate) const BLOCK: usize = 64;

/// One block of inputs, columns as in [`super::RowColumns`].
#[derive(Clone, Copy)]
pub(crate) struct BlockRows<'a> {
    pub option_type: &'a [OptionType; BLOCK],
    pub spot: &'a [f64; BLOCK],
    pub strike: &'a [f64; BLOCK],
    pub expiry_years: &'a [f64; BLOCK],
    pub risk_free_rate: &'a [f64; BLOCK],
    pub dividend_yield: &'a [f64; BLOCK],
    pub volatility: &'a [f64; BLOCK],
}

/// Whether the formulae below hold for a row. They are exact to the contract in here; every other row, broken ones included, is the
/// twin's. The bounds keep products of polynomials and the discount factors inside the range of f64.
#[inline(always)]
pub(crate) fn is_usual(spot: f64, strike: f64, expiry: f64, rate: f64, dividend: f64, volatility: f64) -> bool {
    let v2 = volatility * volatility * expiry;
    (1e-50..=1e50).contains(&spot)
        & (1e-50..=1e50).contains(&strike)
        & (1e-12..=1e4).contains(&expiry)
        & ((rate * expiry).abs() <= 600.0)
        & ((dividend * expiry).abs() <= 600.0)
        & (volatility >= 1e-8)
        & (1e-20..=1e6).contains(&v2)
}

/// Whether every row of the block is usual.
#[inline(always)]
pub(crate) fn all_usual<const BLACK76: bool>(rows: &BlockRows<'_>) -> bool {
    let mut unusual = 0u64;
    for i in 0..BLOCK {
        let dividend = if BLACK76 { 0.0 } else { rows.dividend_yield[i] };
        unusual |= u64::from(!is_usual(
            rows.spot[i],
            rows.strike[i],
            rows.expiry_years[i],
            rows.risk_free_rate[i],
            dividend,
            rows.volatility[i],
        ));
    }
    unusual == 0
}

/// The first `N` quantities of [`Greek::ALL`] for every row of a block; the numbers of an unusual row mean nothing.
#[inline(always)]
pub(crate) fn evaluate<M: MultiplyAdd, const BLACK76: bool, const N: usize>(
    rows: &BlockRows<'_>,
    out: &mut [[f64; BLOCK]; N],
) {
    // One index runs over every column: as zipped iterators the formulae would drown.
    #[allow(clippy::needless_range_loop)]
    for i in 0..BLOCK {
        let dividend = if BLACK76 { rows.risk_free_rate[i] } else { rows.dividend_yield[i] };
        let (spot, strike, expiry) = (rows.spot[i], rows.strike[i], rows.expiry_years[i]);
        let (rate, volatility) = (rows.risk_free_rate[i], rows.volatility[i]);
        // The sign bit of ω: 1 for a put (OptionType is 0 or 1 by its representation).
        let omega_bit = (rows.option_type[i] as u64) << 63;

        let carry = if BLACK76 { 0.0 } else { (rate - dividend) * expiry };
        let rate_discount = exp_moderate::<M>(-rate * expiry);
        let a = spot * if BLACK76 { rate_discount } else { exp_moderate::<M>(-dividend * expiry) };
        let b = strike * rate_discount;
        let root = expiry.sqrt();
        let v = volatility * root;
        let v_inverse = 1.0 / v;
        let h = (ln_ratio::<M>(spot, strike) + carry) * v_inverse;
        let d1 = M::multiply_add(v, 0.5, h);
        let d2 = M::multiply_add(v, -0.5, h);

        let (least, x) = if h <= 0.0 { (a, d1) } else { (b, d2) };
        let e = exp_half_square::<M>(x);
        let p = FRAC_1_SQRT_2PI * least * e.mantissa * e.scale[0] * e.scale[1];

        let m1 = mills_parts::<M>(d1.abs());
        let m2 = mills_parts::<M>(d2.abs());
        let q_inverse = 1.0 / (m1.q * m2.q);
        let mills1 = m1.p * (m2.q * q_inverse);
        let mills2 = m2.p * (m1.q * q_inverse);
        let (tail1, tail2) = (p * mills1, p * mills2);
        // Y1 Y2 (v − |r1 − r2|), over one denominator.
        let excess = M::multiply_add(m1.r, m2.p, -(m2.r * m1.p)).abs();
        let apart = M::multiply_add(m1.p * m2.p, v, -excess) * q_inverse;
        let close = mills_difference_over_v::<M>(h.abs(), 0.25 * v * v) * v;
        let is_close = (v <= 2.0 * CLOSE_T) & (v * h.abs() <= 2.0 * CLOSE_XT);
        let same_side = d1 * d2 >= 0.0;
        let otm_over_p = if is_close { close } else { apart };
        let otm = if is_close | same_side { p * otm_over_p } else { least - tail1 - tail2 };

        let signed = |x: f64| f64::from_bits(x.to_bits() ^ omega_bit);
        let spot_part = signed(if signed(d1) < 0.0 { tail1 } else { a - tail1 });
        let strike_part = signed(if signed(d2) < 0.0 { tail2 } else { b - tail2 });
        let in_the_money = signed(h) > 0.0;
        let value = otm + if in_the_money { signed(a - b) } else { 0.0 };
        out[Greek::Price as usize][i] = value;
        if N == 1 {
            continue;
        }

        let spot_inverse = 1.0 / spot;
        let delta = spot_part * spot_inverse;
        let p_over_v = p * v_inverse;
        let gamma = p_over_v * spot_inverse * spot_inverse;
        let vega = p * root;
        let carried = if BLACK76 { rate * value } else { M::multiply_add(dividend, spot_part, -(rate * strike_part)) };
        let theta = M::multiply_add(-0.5 * p_over_v * volatility, volatility, carried);
        out[Greek::Delta as usize][i] = delta;
        out[Greek::Gamma as usize][i] = gamma;
        out[Greek::Vega as usize][i] = vega;
        out[Greek::Theta as usize][i] = theta;
        out[Greek::Rho as usize][i] = if BLACK76 { -expiry * value } else { expiry * strike_part };
        if N == 6 {
            continue;
        }

        let sigma_inverse = root * v_inverse;
        let expiry_inverse = expiry_inverse(v_inverse, volatility);
        let strike_inverse = 1.0 / strike;
        let w = d1 * d2;
        let carry_over_v = carry * v_inverse;
        let drift = M::multiply_add(-0.5, d2, carry_over_v);
        let spread = M::multiply_add(d1, carry_over_v, -0.5 * w);
        let gamma_over_sigma = gamma * sigma_inverse;
        let vega_over_sigma = vega * sigma_inverse;
        let squares = M::multiply_add(d1, d1, d2 * d2);
        out[Greek::Phi as usize][i] = if BLACK76 { f64::NAN } else { -expiry * spot_part };
        out[Greek::Vanna as usize][i] = -p * d2 * sigma_inverse * spot_inverse;
        out[Greek::Charm as usize][i] =
            M::multiply_add(dividend, spot_part, -(p * drift * expiry_inverse)) * spot_inverse;
        out[Greek::Vomma as usize][i] = vega_over_sigma * w;
        out[Greek::Veta as usize][i] = vega * M::multiply_add(spread - 0.5, expiry_inverse, dividend);
        out[Greek::Vera as usize][i] = -expiry * if BLACK76 { vega } else { p * d1 * sigma_inverse };
        out[Greek::Speed as usize][i] = -gamma * spot_inverse * M::multiply_add(d1, v_inverse, 1.0);
        out[Greek::Zomma as usize][i] = gamma_over_sigma * (w - 1.0);
        out[Greek::Color as usize][i] = gamma * M::multiply_add(spread + 0.5, expiry_inverse, dividend);
        out[Greek::Ultima as usize][i] = vega_over_sigma * sigma_inverse * M::multiply_add(w, w - 1.0, -squares);
        out[Greek::DualDelta as usize][i] = -strike_part * strike_inverse;
        out[Greek::DualGamma as usize][i] = p_over_v * strike_inverse * strike_inverse;
        if N == 18 {
            continue;
        }
        // Out of the money the density cancels, and the elasticity outlives the value.
        let mills_only = same_side & !in_the_money;
        out[Greek::Lambda as usize][i] =
            if mills_only { signed(mills1) } else { spot_part } / if mills_only { otm_over_p } else { value };
    }
}

/// (Y(x − t) − Y(x + t))/2t by the series of [`super::scalar::mills_difference`] in t² = tt; ten terms reach 1e-16 where t ≤ [`CLOSE_T`].
#[inline(always)]
fn mills_difference_over_v<M: MultiplyAdd>(x: f64, tt: f64) -> f64 {
    let parts = mills_parts::<M>(x);
    let xx = x * x;
    let mut term = parts.r / parts.q;
    let mut before = 1.0;
    let mut sum = term;
    for k in 0..10 {
        let n = f64::from(2 * k + 2);
        let next = tt * (1.0 / (n * (n + 1.0))) * M::multiply_add(xx + (2.0 * n - 1.0), term, -before);
        before = tt * term;
        term = next;
        sum += term;
    }
    sum
}

/// 1/T = (σ/(σ√T))².
#[inline(always)]
fn expiry_inverse(v_inverse: f64, volatility: f64) -> f64 {
    let root_inverse = volatility * v_inverse;
    root_inverse * root_inverse
}
