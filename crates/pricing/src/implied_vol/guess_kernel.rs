//! The rational guess over the threads of a device: [`super::guess`] in CubeCL, where the mathematics is said.

use cubecl::prelude::*;

use super::kernel::{Reduced, SQRT_TAU, evaluate, mills_ratio};
use super::scalar::LOWEST_SCALE;
use crate::math::kernel::{exp, ln};

const SQRT_3: f64 = 1.732_050_807_568_877_2;
/// √(π/2), Mills' ratio at 0.
const MILLS_AT_ZERO: f64 = 1.253_314_137_315_500_3;
/// The control parameter that makes a rational cubic a straight line.
const STRAIGHT: f64 = 1e12;

/// A point of the inverse: total volatility, price, 1 − price and ds/dp.
#[derive(CubeType, Clone, Copy)]
struct Node {
    s: f64,
    price: f64,
    complement: f64,
    slope: f64,
}

#[cube]
fn node(k: f64, s: f64, #[comptime] upper: bool) -> Node {
    let point = evaluate(k, s, upper.runtime());
    let slope = SQRT_TAU * exp(0.5f64 * point.0 * point.0);
    let part = point.1 / slope;
    let rest = 1.0f64 - part;
    if comptime!(upper) {
        Node { s, price: rest, complement: part, slope }
    } else {
        Node { s, price: part, complement: rest, slope }
    }
}

/// The rational cubic over [0, width] at `offset`, with second derivative `curvature` at its right or left end.
#[cube]
fn cubic(
    width: f64,
    left: f64,
    right: f64,
    slopes: (f64, f64),
    curvature: f64,
    offset: f64,
    #[comptime] at_right: bool,
) -> f64 {
    let (left_slope, right_slope) = (slopes.0, slopes.1);
    let chord = (right - left) / width;
    let a = right_slope - chord;
    let b = chord - left_slope;
    let mut free = (0.5f64 * width * curvature + (right_slope - left_slope)) / b;
    if comptime!(at_right) {
        free = (0.5f64 * width * curvature + (right_slope - left_slope)) / a;
    }
    let monotone = (left_slope + right_slope) / chord;
    let convex = (right_slope - left_slope).abs() / min(a.abs(), b.abs());
    let least = select(a * b > 0.0f64, max(monotone, convex), monotone);
    let bounded = min(max(free, least), STRAIGHT);
    // False for NaN as well, which a straight piece of data gives.
    let r = select(bounded.abs() <= STRAIGHT, bounded, STRAIGHT);
    let t = offset / width;
    let u = 1.0f64 - t;
    let numerator = right * t * t * t
        + (r * right - width * right_slope) * t * t * u
        + (r * left + width * left_slope) * t * u * u
        + left * u * u * u;
    numerator / (1.0f64 + (r - 3.0f64) * t * u)
}

/// −Φ⁻¹(eˡ) for l below ln ½, to about 1e-9.
#[cube]
fn tail_quantile_of_log(l: f64, zero: u64) -> f64 {
    let t = (-2.0f64 * l).sqrt();
    let start = (2.515_517f64 + t * (0.802_853f64 + t * 0.010_328f64))
        / (1.0f64 + t * (1.432_788f64 + t * (0.189_269f64 + t * 0.001_308f64)));
    let a = max(t - start, 0.0f64);
    let ratio = mills_ratio(a);
    let g = ln(ratio / SQRT_TAU, zero) - 0.5f64 * a * a - l;
    let nu = g * ratio;
    a + nu / (1.0f64 + 0.5f64 * nu * (1.0f64 / ratio - a))
}

/// Below the lowest node: interpolates c Φ(−k/(√3 s))³.
#[cube]
fn lowest(k: f64, low: Node, row: Reduced, log_ratio: f64, zero: u64) -> f64 {
    let log_scale = ln(LOWEST_SCALE * k, zero) + 0.5f64 * k;
    let z = k / (SQRT_3 * low.s);
    let ratio = mills_ratio(z);
    let log_normal = ln(ratio / SQRT_TAU, zero) - 0.5f64 * z * z;
    let value = exp(log_scale + 3.0f64 * log_normal);
    let slope = std::f64::consts::TAU * z * z * exp(2.0f64 * log_normal + z * z + 0.125f64 * low.s * low.s);
    let curvature = slope * ((2.0f64 * z / ratio - 2.0f64 - 2.0f64 * z * z) / low.s + 0.25f64 * low.s) * low.slope;
    let f = cubic(low.price, 0.0f64.runtime(), value, (1.0f64.runtime(), slope), curvature, row.ratio, true);
    let log_f = select(f > 1e-300f64, ln(max(f, 1e-300f64), zero), log_ratio);
    k / (SQRT_3 * tail_quantile_of_log((log_f - log_scale) * (1.0f64 / 3.0f64), zero))
}

/// Above the highest node: interpolates Φ(−s/2) in the complement.
#[cube]
fn highest(k: f64, up: Node, row: Reduced, zero: u64) -> f64 {
    let half = 0.5f64 * up.s;
    let value = mills_ratio(half) * exp(-0.5f64 * half * half) / SQRT_TAU;
    let h = k / up.s;
    let slope = 0.5f64 * exp(0.5f64 * (h * h - k));
    let curvature = slope * (h * h / up.s) * up.slope;
    let slope_at_zero = 0.5f64 * exp(-0.5f64 * k);
    let f = cubic(up.complement, 0.0f64.runtime(), value, (slope_at_zero, slope), curvature, row.complement, true);
    let f = max(select(f > 0.0f64, f, slope_at_zero * row.complement), 1e-300f64);
    2.0f64 * tail_quantile_of_log(ln(f, zero), zero)
}

/// Where the steps start, and which objective is straightest there: 0 for 1/ln p, 1 for p, 2 for ln(1 − p).
#[cube]
pub(super) fn guess(row: Reduced, log_ratio: f64, zero: u64) -> (f64, u32) {
    let k = row.log_moneyness;
    let p = row.ratio;
    let root = (2.0f64 * k).sqrt();
    let at_root = mills_ratio(root);
    let centre_price = evaluate(k, root, false).1 / SQRT_TAU;
    let near = root * root * (0.5f64 * MILLS_AT_ZERO - root * (1.0f64 / 3.0f64 - root * MILLS_AT_ZERO / 8.0f64));
    let low = node(k, select(root < 0.02f64, near, root + at_root - MILLS_AT_ZERO), false);
    let up = node(k, root + MILLS_AT_ZERO + at_root, true);

    let slopes = (SQRT_TAU.runtime(), up.slope);
    let mut s = cubic(up.price - centre_price, root, up.s, slopes, 0.0f64.runtime(), p - centre_price, false);
    let mut objective = 1u32.runtime();
    if p < low.price {
        s = lowest(k, low, row, log_ratio, zero);
        objective = 0u32.runtime();
    } else if p < centre_price {
        let slopes = (low.slope, SQRT_TAU.runtime());
        s = cubic(centre_price - low.price, low.s, root, slopes, 0.0f64.runtime(), p - low.price, true);
    } else if p > up.price {
        s = highest(k, up, row, zero);
        objective = select(p > 0.5f64, 2u32, 1u32);
    }
    (s, objective)
}
