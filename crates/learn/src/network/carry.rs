//! Features of American options that are made of rate and yield, with their derivatives by a row's inputs m = S/K, T, σ, r, q.
//!
//! Formulae  a value over the strike is a function of ln m, s = σ√T, rT and qT: total rate rT, total yield qT, the standardised forward
//!           x/√(1 + (x/5)²) with x = (ln m + (r − q)T)/s, which is where a European option bends; and against the variance the shares
//!           r/(r + σ²) and q/(q + σ²), which alone say where a perpetual option is exercised

use super::features::BEND;
use super::{FeatureKind, MOST_INPUTS};

/// A feature, its derivatives by the inputs, and its second by the moneyness.
pub(super) struct Carried {
    pub value: f64,
    pub by: [f64; MOST_INPUTS],
    pub curvature: f64,
}

/// The value alone of a feature that [`FeatureKind::is_carried`].
#[inline]
pub(super) fn value(kind: FeatureKind, row: &[f64], s: f64) -> f64 {
    let [m, expiry, volatility, rate, dividend] = [row[0], row[1], row[2], row[3], row[4]];
    match kind {
        FeatureKind::TotalRate => rate * expiry,
        FeatureKind::TotalYield => dividend * expiry,
        FeatureKind::RateShare => share(rate, volatility).0,
        FeatureKind::YieldShare => share(dividend, volatility).0,
        _ => {
            let x = (m.ln() + (rate - dividend) * expiry) / s;
            x / (1.0 + (x / BEND).powi(2)).sqrt()
        }
    }
}

/// The same with its derivatives.
#[inline]
pub(super) fn carried(kind: FeatureKind, row: &[f64], (s, s_by): (f64, &[f64; MOST_INPUTS])) -> Carried {
    let [m, expiry, volatility, rate, dividend] = [row[0], row[1], row[2], row[3], row[4]];
    let mut by = [0.0; MOST_INPUTS];
    let mut curvature = 0.0;
    let value = match kind {
        FeatureKind::TotalRate => {
            (by[1], by[3]) = (rate, expiry);
            rate * expiry
        }
        FeatureKind::TotalYield => {
            (by[1], by[4]) = (dividend, expiry);
            dividend * expiry
        }
        FeatureKind::RateShare => {
            let (value, slopes) = share(rate, volatility);
            [by[3], by[2]] = slopes;
            value
        }
        FeatureKind::YieldShare => {
            let (value, slopes) = share(dividend, volatility);
            [by[4], by[2]] = slopes;
            value
        }
        _ => {
            let x = (m.ln() + (rate - dividend) * expiry) / s;
            let bent = 1.0 + (x / BEND).powi(2);
            let slope = 1.0 / (bent * bent.sqrt());
            let (by_k, by_s) = (slope / s, -slope * x / s);
            by = s_by.map(|by| by_s * by);
            by[0] = by_k / m;
            by[1] += by_k * (rate - dividend);
            (by[3], by[4]) = (by_k * expiry, -by_k * expiry);
            let second = -3.0 * x / (BEND * BEND) * slope / bent;
            curvature = (second / (s * s) - by_k) / (m * m);
            x / bent.sqrt()
        }
    };
    Carried { value, by, curvature }
}

/// r/(r + σ²), and its derivatives by r and σ.
#[inline]
fn share(rate: f64, volatility: f64) -> (f64, [f64; 2]) {
    let variance = volatility * volatility;
    let inverse = 1.0 / (rate + variance);
    let value = rate * inverse;
    (value, [variance * inverse * inverse, -2.0 * value * volatility * inverse])
}
