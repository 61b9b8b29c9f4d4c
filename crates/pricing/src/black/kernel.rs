//! Value and Greeks over the threads of a device: the formulae of this folder, one row a thread.
//!
//! Formula   x = ln(S/K) + (r − q)T, v = σ√T, h = x/v, t = v/2, d₁ = h + t, d₂ = h − t; S' = S e^(−qT), K' = K e^(−rT)
//!           E = √(S'K') exp(−(h² + t²)/2)/√(2π) = S'n(d₁) = K'n(d₂), so that every tail is E times a Mills ratio and every Greek but
//!           the first-order ones is E times a rational function of d₁ and d₂
//! Shapes    inputs [6][n] in the order of `RowColumns`, option types [n] (0 call, 1 put); outputs [19][n] in the order of
//!           `Greek::ALL` or [1][n]; flags [n], 1 where the row is the twin's
//! Domain    as the vectorised path: every other row, broken ones included, is flagged and left to the scalar twin, so that statuses
//!           and limits are one and the same on every device
//! Accuracy  tolerance.rs: device/black
//!
//! What rounding does to h is kept (in `h_low`) and taken into the exponential alone, where h²/2 makes it large.

use cubecl::prelude::*;

use super::scalar::{CLOSE_T, CLOSE_XT};
use crate::math::FRAC_1_SQRT_2PI;
use crate::math::kernel::{exp, exp_scaled, is_within, ln_ratio, mills, settle, two_product, two_sum};

/// Beyond this a tail is 0, and powers of the argument would overflow.
const ARGUMENT_MAX: f64 = 1e14;

/// What the formulae share.
#[derive(CubeType, Clone, Copy)]
struct Terms {
    value: f64,
    /// S·delta/V.
    elasticity: f64,
    /// S'n(d₁) = K'n(d₂).
    density: f64,
    /// S'N(ωd₁).
    spot_part: f64,
    /// K'N(ωd₂).
    strike_part: f64,
    d1: f64,
    d2: f64,
    /// σ√T.
    total_volatility: f64,
    root_expiry: f64,
}

/// amount·N(ωd) from its tail: the tail itself below the middle, else the rest.
#[cube]
fn part(amount: f64, tail: f64, signed_d: f64) -> f64 {
    select(signed_d > 0.0f64, amount - tail, tail)
}

/// Y(x − t) − Y(x + t) by its series in t; see the twin's function of this name.
#[cube]
fn mills_difference(x: f64, t: f64) -> f64 {
    let at = mills(x);
    let (xx, tt) = (x * x, t * t);
    let mut term = at.ratio * at.excess;
    let mut before = 1.0f64.runtime();
    let mut sum = term;
    #[unroll]
    for k in 0..12 {
        let n = comptime!((2 * k + 2) as f64);
        let next = tt * ((xx + comptime!(2.0 * n - 1.0)) * term - before) * comptime!(1.0 / (n * (n + 1.0)));
        before = tt * term;
        term = next;
        sum += term;
    }
    2.0f64 * t * sum
}

#[cube]
fn terms(
    spot: f64,
    strike: f64,
    expiry: f64,
    rate: f64,
    dividend: f64,
    volatility: f64,
    sign: f64,
    zero: u64,
) -> Terms {
    let root_expiry = expiry.sqrt();
    let v = settle(volatility * root_expiry, zero);
    let discounted_spot = spot * exp(-(dividend * expiry));
    let discounted_strike = strike * exp(-(rate * expiry));

    let carry = two_sum(rate, -dividend, zero);
    let drift = two_product(carry.0, expiry, zero);
    let x = two_sum(ln_ratio(spot, strike, zero), drift.0, zero);
    let x_low = x.1 + (drift.1 + carry.1 * expiry);
    let quotient = x.0 / v;
    let h = settle(max(min(quotient, ARGUMENT_MAX), -ARGUMENT_MAX), zero);
    let back = two_product(h, v, zero);
    let h_low = (((x.0 - back.0) - back.1) + x_low) / v;

    let t = 0.5f64 * v;
    let h_square = two_product(h, h, zero);
    let t_square = two_product(t, t, zero);
    let square = two_sum(h_square.0, t_square.0, zero);
    let lost = square.1 + (h_square.1 + t_square.1);
    // A clamped h has no rest: its exponential is 0 all the same.
    let tail = select(h.abs() < 1e6f64, -(0.5f64 * lost) - h * h_low, 0.0f64);
    let e = exp_scaled(-(0.5f64 * square.0), tail);
    let scale = FRAC_1_SQRT_2PI * discounted_spot.sqrt() * discounted_strike.sqrt();
    let density = scale * e.mantissa * e.low * e.high;

    let d1 = h + t + h_low;
    let d2 = h - t + h_low;
    let first = mills(d1.abs());
    let second = mills(d2.abs());
    let spot_tail = density * first.ratio;
    let strike_tail = density * second.ratio;
    // The out-of-the-money value over E: Y1 Y2 (v − |r1 − r2|) with Y = 1/(|d| + r), whose excesses r are small where the ratios
    // nearly cancel.
    let mut over_density = first.ratio * second.ratio * (v - (first.excess - second.excess).abs());
    let same_side = d1 * d2 >= 0.0f64;
    let close = t <= CLOSE_T && t * h.abs() <= CLOSE_XT;
    if close {
        over_density = mills_difference(h.abs(), t);
    }
    let least = select(h > 0.0f64, discounted_strike, discounted_spot);
    let time_value = select(same_side || close, density * over_density, least - spot_tail - strike_tail);
    let in_the_money = sign * h > 0.0f64;
    let value = time_value + select(in_the_money, sign * (discounted_spot - discounted_strike), 0.0f64);
    let spot_part = part(discounted_spot, spot_tail, sign * d1);
    // Out of the money the density cancels, and the elasticity outlives the value.
    let mills_only = same_side && !in_the_money;
    let elasticity = select(mills_only, first.ratio, spot_part) / select(mills_only, over_density, value);
    Terms {
        value,
        elasticity: sign * elasticity,
        density,
        spot_part,
        strike_part: part(discounted_strike, strike_tail, sign * d2),
        d1,
        d2,
        total_volatility: v,
        root_expiry,
    }
}

/// Whether the formulae hold for a row to the contract: the domain of the vectorised path.
#[cube]
pub(crate) fn is_usual(spot: f64, strike: f64, expiry: f64, rate: f64, dividend: f64, volatility: f64) -> bool {
    is_within(spot, 1e-50f64, 1e50f64)
        && is_within(strike, 1e-50f64, 1e50f64)
        && is_within(expiry, 1e-12f64, 1e4f64)
        && is_within((rate * expiry).abs(), 0.0f64, 600.0f64)
        && is_within((dividend * expiry).abs(), 0.0f64, 600.0f64)
        && is_within(volatility, 1e-8f64, 1e150f64)
        && is_within(volatility * volatility * expiry, 1e-20f64, 1e6f64)
}

/// The quantities of a usual row in the order of `Greek::ALL`; of a Black-76 row phi means nothing.
#[cube]
pub(crate) fn quantities(
    spot: f64,
    strike: f64,
    expiry: f64,
    rate: f64,
    dividend: f64,
    volatility: f64,
    sign: f64,
    zero: u64,
    out: &mut Array<f64>,
    #[comptime] black_76: bool,
    #[comptime] price_only: bool,
) {
    let t = terms(spot, strike, expiry, rate, dividend, volatility, sign, zero);
    let price = t.value;
    out[0] = price;

    if comptime!(!price_only) {
        let v = t.total_volatility;
        let (d1, d2) = (t.d1, t.d2);
        // A division costs as much as nine products: five reciprocals serve all Greeks.
        let spot_inverse = 1.0f64 / spot;
        let strike_inverse = 1.0f64 / strike;
        let v_inverse = 1.0f64 / v;
        let volatility_inverse = t.root_expiry * v_inverse;
        let half_per_expiry = 0.5f64 / expiry;
        let per_spot = t.density * spot_inverse;
        let delta = sign * (t.spot_part * spot_inverse);
        let gamma = per_spot * (spot_inverse * v_inverse);
        let vega = t.density * t.root_expiry;
        let vega_per_volatility = vega * volatility_inverse;
        let carry = rate - dividend;
        // ∂d₁/∂T
        let d1_slope = carry * v_inverse - d2 * half_per_expiry;
        let product = d1 * d2;
        // The density's part of theta, P σ/(2√T).
        let decay = t.density * v * half_per_expiry;
        out[1] = delta;
        out[2] = gamma;
        out[3] = vega;
        out[4] = sign * (dividend * t.spot_part - rate * t.strike_part) - decay;
        out[5] = sign * expiry * t.strike_part;
        out[6] = -(sign * expiry * t.spot_part);
        out[7] = -(per_spot * d2 * volatility_inverse);
        out[8] = dividend * delta - per_spot * d1_slope;
        out[9] = vega_per_volatility * product;
        out[10] = vega * ((dividend + d1 * d1_slope) - half_per_expiry);
        out[11] = -(t.density * expiry * (d1 * volatility_inverse));
        out[12] = -(gamma * spot_inverse * (1.0f64 + d1 * v_inverse));
        out[13] = gamma * ((product - 1.0f64) * volatility_inverse);
        out[14] = gamma * ((dividend + d1 * d1_slope) + half_per_expiry);
        out[15] = -(vega_per_volatility * ((product * (1.0f64 - product) + d1 * d1 + d2 * d2) * volatility_inverse));
        out[16] = -(sign * (t.strike_part * strike_inverse));
        out[17] = t.density * strike_inverse * (strike_inverse * v_inverse);
        out[18] = t.elasticity;
        if comptime!(black_76) {
            // The carried parts are r V: as a difference they would cancel.
            out[4] = rate * price - decay;
            out[5] = -(expiry * price);
            out[11] = -(expiry * vega);
        }
    }
}

/// Values one batch: the price alone, or the price and all Greeks.
#[cube(launch_unchecked)]
pub(crate) fn value(
    input: &Array<f64>,
    option_type: &Array<u32>,
    output: &mut Array<f64>,
    flags: &mut Array<u32>,
    rows: u32,
    zero: u64,
    #[comptime] black_76: bool,
    #[comptime] price_only: bool,
) {
    let n = rows as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let spot = input[i];
        let strike = input[n + i];
        let expiry = input[2 * n + i];
        let rate = input[3 * n + i];
        let mut dividend = input[4 * n + i];
        if comptime!(black_76) {
            dividend = rate;
        }
        let volatility = input[5 * n + i];
        let sign = select(option_type[i] == 0u32, 1.0f64, -1.0f64);
        let usual = is_usual(spot, strike, expiry, rate, dividend, volatility);
        flags[i] = select(usual, 0u32, 1u32);

        let mut row = Array::<f64>::new(19usize);
        quantities(spot, strike, expiry, rate, dividend, volatility, sign, zero, &mut row, black_76, price_only);
        #[unroll]
        for quantity in 0..comptime!(if price_only { 1usize } else { 19usize }) {
            output[quantity * n + i] = row[quantity];
        }
    }
}

/// The CUDA sources of this file.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    for (name, black_76, price_only) in
        [("price", false, true), ("greeks", false, false), ("greeks_black76", true, false)]
    {
        let client = session.client().clone();
        let kernel = value::Value::<R>::new(
            settings(),
            client,
            array(),
            array(),
            array(),
            array(),
            (),
            (),
            black_76,
            price_only,
        );
        out.push((name.into(), source(kernel)));
    }
}
