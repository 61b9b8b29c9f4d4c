//! Implied volatility over the threads of a device: the twin's reduction, guess and steps, one row a thread.
//!
//! Method    three steps of the fourth order at most, each taken only where the last one was long; two are the rule
//! Shapes    inputs [5][n] forward, strike, expiry, discount factor, price or [6][n] spot, strike, expiry, rate, yield, price; option
//!           types [n] (0 call, 1 put); volatilities [n]; flags [n], 1 where the row is the twin's
//! Domain    rows well inside what a price determines. Whatever needs a verdict (no time value, at the maximum, undetermined, broken,
//!           an extreme input) is flagged and decided by the scalar twin, so that statuses are one and the same on every device
//! Accuracy  tolerance.rs: device/implied_vol

use cubecl::prelude::*;

use super::guess_kernel::guess;
use super::mills::{LEAST_ARGUMENT, MILLS};
use super::scalar::UNDETERMINED_RELATIVE_NOISE;
use crate::math::kernel::{Table, exp, is_up_to, is_within, ln, ln_ratio, polynomial, settle, two_product, two_sum};

/// ln √(2π).
const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;
pub(super) const SQRT_TAU: f64 = 2.506_628_274_631_000_7;
/// The least out-of-the-money value over the lesser of forward and strike that the kernel inverts.
const RATIO_MIN: f64 = 1e-290;
/// Keeps h = k/s a number at the money: far below what any s can tell from 0.
const LOG_MONEYNESS_MIN: f64 = 1e-200;
/// A row that comes within this factor of being undetermined is left to the twin.
const UNDETERMINED_MARGIN: f64 = 0.25;
/// A step longer than this share of s is followed by another.
const LONG_STEP: f64 = 1e-5;

/// A row without currency, time and side; see the twin's `Reduced`.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Reduced {
    /// |ln(forward/strike)|.
    pub log_moneyness: f64,
    /// Out-of-the-money value over the lesser of forward and strike.
    pub ratio: f64,
    /// 1 − ratio.
    pub complement: f64,
    /// What rounding may add to `ratio`.
    pub noise: f64,
}

/// A discounted amount as value and rest, and the error that may be left in it.
#[derive(CubeType, Clone, Copy)]
struct Leg {
    value: f64,
    rest: f64,
    noise: f64,
}

/// The distance from a positive x to its upper neighbour.
#[cube]
fn ulp(x: f64) -> f64 {
    f64::reinterpret(u64::reinterpret(x) + 1u64) - x
}

/// e^y − 1, to relative accuracy near 0.
#[cube]
fn exp_minus_one(y: f64) -> f64 {
    let sixth = 1.0f64 + y * (1.0f64 / 6.0f64);
    let series =
        1.0f64 + 0.5f64 * y * (1.0f64 + y * (1.0f64 / 3.0f64) * (1.0f64 + 0.25f64 * y * (1.0f64 + 0.2f64 * y * sixth)));
    select(y.abs() < 0.002f64, y * series, exp(y) - 1.0f64)
}

/// Mills' ratio at a ≥ −0.8.
#[cube]
pub(super) fn mills_ratio(a: f64) -> f64 {
    polynomial(a / (a + 5.0f64), comptime!(Table(&MILLS)))
}

/// The Black function at s over its vega, or its complement's; and d₁. See the twin's `evaluate`.
#[cube]
pub(super) fn evaluate(k: f64, s: f64, upper: bool) -> (f64, f64) {
    let h = k / s;
    let t = 0.5f64 * s;
    let d1 = t - h;
    let a2 = t + h;
    let a1 = max(select(upper, d1, -d1), LEAST_ARGUMENT);
    let gap = select(upper, 2.0f64 * h, s);
    let inverse = 1.0f64 / ((a1 + 5.0f64) * (a2 + 5.0f64));
    let v1 = a1 * ((a2 + 5.0f64) * inverse);
    let v2 = a2 * ((a1 + 5.0f64) * inverse);
    let mut value = comptime!(MILLS[28]).runtime();
    let mut quotient = 0.0f64.runtime();
    #[unroll]
    for i in 1..29 {
        quotient = quotient * v2 + value;
        value = value * v1 + comptime!(MILLS[28 - i as usize]);
    }
    let difference = quotient * (-5.0f64 * gap * inverse);
    (d1, select(upper, 2.0f64 * value - difference, difference))
}

/// A discounted amount: amount·exp(−rate·T), or amount·rate where the rate is the discount factor itself. The noise is twice the
/// twin's, since the exponential here is a little less exact.
#[cube]
fn leg(amount: f64, rate: f64, expiry: f64, zero: u64, #[comptime] exponential: bool) -> Leg {
    if comptime!(exponential) {
        let exponent = two_product(-rate, expiry, zero);
        let product = two_product(amount, exp(exponent.0), zero);
        let none = exponent.0 == 0.0f64;
        Leg {
            value: select(none, amount, product.0),
            rest: select(none, 0.0f64, product.1 + product.0 * exponent.1),
            noise: select(none, 0.0f64, 2.0f64 * ulp(product.0)),
        }
    } else {
        let product = two_product(amount, rate, zero);
        Leg { value: product.0, rest: product.1, noise: 0.0f64.runtime() }
    }
}

/// The time value of a price over the lesser of forward and strike.
#[cube]
fn reduce(call: bool, forward: Leg, strike: Leg, log_forward_over_strike: f64, price: f64, zero: u64) -> Reduced {
    let above = log_forward_over_strike > 0.0f64;
    let lesser = select(above, strike.value, forward.value);
    let lesser_rest = select(above, strike.rest, forward.rest);
    let greater = select(above, forward.value, strike.value);
    let greater_rest = select(above, forward.rest, strike.rest);
    let in_the_money = above == call && log_forward_over_strike != 0.0f64;

    let first = two_sum(price, -greater, zero);
    let second = two_sum(first.0, lesser, zero);
    let lost = first.1 + second.1 - greater_rest + lesser_rest;
    let exact = two_sum(second.0, lost, zero);
    let time_value = select(in_the_money, exact.0, price);
    let rest = select(in_the_money, exact.1, 0.0f64);
    let noise = 0.5f64 * ulp(price) + select(in_the_money, forward.noise + strike.noise, 0.0f64);
    Reduced {
        log_moneyness: max(log_forward_over_strike.abs(), LOG_MONEYNESS_MIN),
        ratio: time_value / lesser,
        complement: ((lesser - time_value) + (lesser_rest - rest)) / lesser,
        noise: noise / lesser,
    }
}

/// One Householder step of the third order from s; `objective` as the guess gives it.
#[cube]
fn step(row: Reduced, s: f64, objective: u32, log_ratio: f64, log_complement: f64, zero: u64) -> (f64, f64) {
    let k = row.log_moneyness;
    let upper = row.ratio > 0.5f64;
    let point = evaluate(k, s, upper);
    let (d1, w) = (point.0, point.1);
    let half_square = 0.5f64 * d1 * d1;
    let above = (ln(w, zero) - LOG_SQRT_TAU - half_square) - log_complement;
    let below = ln(w / (row.ratio * SQRT_TAU), zero) - half_square;
    let residual = select(upper, above, below);
    let slope = select(upper, -1.0f64, 1.0f64) / w;

    let h = k / s;
    let per_s = h / s;
    let h2 = h * per_s - 0.25f64 * s;
    let h3 = h2 * h2 - 3.0f64 * per_s * per_s - 0.25f64;
    let l2 = h2 - slope;
    let l3 = h3 - 3.0f64 * h2 * slope + 2.0f64 * slope * slope;
    let log_model = log_ratio + residual;
    let q = slope / log_model;

    let inverse_log = objective == 0u32;
    let price = objective == 1u32;
    let nu_log = -residual / slope;
    let nu_outside = select(inverse_log, nu_log * (log_model / log_ratio), nu_log);
    let nu = select(price, exp_minus_one(-residual) / slope, nu_outside);
    let a2 = select(price, h2, select(inverse_log, l2 - 2.0f64 * q, l2));
    let a3 = select(price, h3, select(inverse_log, l3 - 6.0f64 * q * l2 + 6.0f64 * q * q, l3));
    let raw = nu * (1.0f64 + 0.5f64 * a2 * nu) / (1.0f64 + nu * (a2 + a3 * nu * (1.0f64 / 6.0f64)));
    (max(min(raw, s), -0.5f64 * s), half_square)
}

/// The volatility of a price, and whether it is one: what needs a verdict is the twin's.
#[cube]
pub(crate) fn volatility_of(
    spot: f64,
    strike: f64,
    expiry: f64,
    rate: f64,
    dividend: f64,
    price: f64,
    call: bool,
    zero: u64,
    #[comptime] on_spot: bool,
) -> (f64, bool) {
    let mut usual = is_within(spot, 1e-50f64, 1e50f64)
        && is_within(strike, 1e-50f64, 1e50f64)
        && is_within(expiry, 1e-12f64, 1e4f64);
    let mut log = ln_ratio(spot, strike, zero);
    let mut growth = rate;
    if comptime!(on_spot) {
        usual = usual
            && is_within((rate * expiry).abs(), 0.0f64, 100.0f64)
            && is_within((dividend * expiry).abs(), 0.0f64, 100.0f64);
        let carry = two_product(rate - dividend, expiry, zero);
        let sum = two_sum(log, carry.0, zero);
        log = sum.0 + (carry.1 + sum.1);
        growth = dividend;
    } else {
        usual = usual && is_within(rate, 1e-50f64, 1e50f64);
    }
    let forward = leg(spot, growth, expiry, zero, on_spot);
    let discounted_strike = leg(strike, rate, expiry, zero, on_spot);
    usual = usual && is_within(price, 1e-200f64, 1e100f64);

    let row = reduce(call, forward, discounted_strike, log, price, zero);
    usual = usual && is_within(row.ratio, RATIO_MIN, 1.0f64) && is_within(row.complement, 1e-15f64, 1.0f64);
    let log_ratio = ln(row.ratio, zero);
    let log_complement = ln(row.complement, zero);
    let start = guess(row, log_ratio, zero);
    let objective = start.1;
    let mut s = start.0;
    let mut long = true;
    let mut half_square = 0.0f64.runtime();
    #[unroll]
    for _ in 0..3 {
        let (move_by, at) = step(row, s, objective, log_ratio, log_complement, zero);
        s = select(long, s + move_by, s);
        half_square = select(long, at, half_square);
        long = long && move_by.abs() > LONG_STEP * s;
    }
    // The noise of s is that of the price over vega.
    let spread = settle(row.noise * SQRT_TAU * exp(half_square), zero);
    let determined = is_up_to(spread, UNDETERMINED_MARGIN * UNDETERMINED_RELATIVE_NOISE * s);
    let volatility = s / expiry.sqrt();
    let good = usual && determined && !long && is_within(volatility, 1e-100f64, 1e100f64);
    (volatility, good)
}

/// Inverts one batch.
#[cube(launch_unchecked)]
pub(super) fn invert(
    input: &Array<f64>,
    option_type: &Array<u32>,
    output: &mut Array<f64>,
    flags: &mut Array<u32>,
    rows: u32,
    zero: u64,
    #[comptime] on_spot: bool,
) {
    let n = rows as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let price = input[comptime!(if on_spot { 5usize } else { 4usize }) * n + i];
        let (volatility, good) = volatility_of(
            input[i],
            input[n + i],
            input[2 * n + i],
            input[3 * n + i],
            input[4 * n + i],
            price,
            option_type[i] == 0u32,
            zero,
            on_spot,
        );
        output[i] = volatility;
        flags[i] = select(good, 0u32, 1u32);
    }
}

/// The CUDA sources of this file.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    for (name, on_spot) in [("implied_vol_bsm", true), ("implied_vol_black", false)] {
        let client = session.client().clone();
        let kernel = invert::Invert::<R>::new(settings(), client, array(), array(), array(), array(), (), (), on_spot);
        out.push((name.into(), source(kernel)));
    }
}
