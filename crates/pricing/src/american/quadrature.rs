//! Nodes and weights on [0, 1].
//!
//! Method   Gauss–Legendre by Newton's method on the Legendre recurrence; tanh-sinh (Takahasi and Mori 1974) cut where its weights
//!          fall under the rounding of their sum
//! Accuracy the weights sum to one within 4 ulp

use std::f64::consts::{FRAC_PI_2, PI};

/// A rule: nodes in (0, 1) and their weights.
pub(super) struct Nodes {
    /// In (0, 1), ascending.
    pub x: Vec<f64>,
    /// Sum to one.
    pub weight: Vec<f64>,
}

/// Gauss–Legendre with `n` nodes.
pub(super) fn gauss_legendre(n: usize) -> Nodes {
    let (mut x, mut weight) = (vec![0.0; n], vec![0.0; n]);
    for i in 0..n.div_ceil(2) {
        let mut z = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        // Quadratic from a guess good to 1e-2: four steps reach rounding, the rest are for safety.
        for _ in 0..8 {
            let (mut p, mut before) = (1.0, 0.0);
            for k in 0..n {
                let k = k as f64;
                (p, before) = (((2.0 * k + 1.0) * z * p - k * before) / (k + 1.0), p);
            }
            slope = n as f64 * (z * p - before) / (z * z - 1.0);
            z -= p / slope;
        }
        let share = 1.0 / ((1.0 - z * z) * slope * slope);
        (x[i], weight[i]) = (0.5 * (1.0 - z), share);
        (x[n - 1 - i], weight[n - 1 - i]) = (0.5 * (1.0 + z), share);
    }
    Nodes { x, weight }
}

/// Half the range of the tanh-sinh variable: beyond it a weight is below 1e-17 of the sum.
const TANH_SINH_END: f64 = 3.15;

/// Tanh-sinh with `n` nodes, equally spaced in its variable.
pub(super) fn tanh_sinh(n: usize) -> Nodes {
    let step = 2.0 * TANH_SINH_END / (n as f64 - 1.0);
    let (mut x, mut weight) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for i in 0..n {
        let t = i as f64 * step - TANH_SINH_END;
        let a = FRAC_PI_2 * t.sinh();
        x.push(1.0 / (1.0 + (-2.0 * a).exp()));
        weight.push(0.5 * step * FRAC_PI_2 * t.cosh() / (a.cosh() * a.cosh()));
    }
    let sum: f64 = weight.iter().sum();
    for share in &mut weight {
        *share /= sum;
    }
    Nodes { x, weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_integrate_what_they_must() {
        for n in [1, 2, 7, 16, 40, 101] {
            let rule = gauss_legendre(n);
            for power in 0..2 * n.min(20) {
                let sum: f64 = rule.x.iter().zip(&rule.weight).map(|(x, w)| w * x.powi(power as i32)).sum();
                assert!((sum * (power + 1) as f64 - 1.0).abs() < 1e-13, "{n} {power} {sum}");
            }
            assert!((rule.weight.iter().sum::<f64>() - 1.0).abs() < 4.0 * f64::EPSILON * n as f64);
        }
        let rule = tanh_sinh(101);
        let root: f64 = rule.x.iter().zip(&rule.weight).map(|(x, w)| w * x.sqrt()).sum();
        assert!((root - 2.0 / 3.0).abs() < 1e-14, "{root}");
    }
}
