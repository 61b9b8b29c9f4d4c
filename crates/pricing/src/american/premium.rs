//! The premium for early exercise over a known boundary, with its first two derivatives by spot, in plain f64.
//!
//! Formula  ∫ r K e^(−rs) N(−d₋(s, S/B(u))) − q S e^(−qs) N(−d₊(s, S/B(u))) ds over s in [0, T], u = T − s (Kim 1990)
//!          S ∂/∂S: −∫ (G/v)(r − q b) + q (S/K) e^(−qs) N(−d₊) ds, and S² ∂²/∂S²: ∫ (G/v)((d₋/v)(r − q b) + r) ds,
//!          G = e^(−rs) n(d₋), b = B(u)/K, v = σ√s

use super::accuracy::Tables;
use super::boundary::{FLOOR_SHARE, Terms, density, log_boundary};
use crate::math::{Plain, normal_cdf};

/// Shares of the put's strike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Premium {
    pub value: f64,
    /// S ∂/∂S.
    pub delta: f64,
    /// S² ∂²/∂S².
    pub gamma: f64,
}

/// The premium at `log_spot` = ln(S/K) above the boundary; `y` is −ln(B/X) at the nodes.
pub(super) fn premium(terms: &Terms, tables: &Tables, y: &[f64], log_spot: f64) -> Premium {
    let &Terms { rate, dividend, deviation, log_end } = terms;
    let n = y.len();
    let squares: Vec<f64> = y.iter().map(|y| y * y).collect();
    let spot = log_spot.exp();
    let points = &tables.premium;
    let mut premium = Premium::default();
    for (k, sin) in points.sin.iter().enumerate() {
        let floor = FLOOR_SHARE * points.cos[k] * y[n - 1];
        let (inner, _) = log_boundary(&tables.premium_weight[k * n..][..n], &squares, floor);
        let s = sin * sin;
        let v = deviation * sin;
        let d_minus = (log_spot - log_end + inner + (rate - dividend) * s) / v - 0.5 * v;
        let discount = (-rate * s).exp();
        let stock = dividend * spot * (-dividend * s).exp() * normal_cdf::<Plain>(-d_minus - v);
        let density = density(d_minus) * discount / v;
        let gain = density * (rate - dividend * (log_end - inner).exp());
        let share = points.weight[k];
        premium.value += share * (rate * discount * normal_cdf::<Plain>(-d_minus) - stock);
        premium.delta -= share * (gain + stock);
        premium.gamma += share * (gain * d_minus / v + density * rate);
    }
    premium
}
