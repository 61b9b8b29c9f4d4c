//! A smooth curve through the rates that parity gives, for the expiries whose own parity cannot tell a rate.
//!
//! Formula    r(T) = β0 + β1 (1 − e^{−T})/T + β2 ((1 − e^{−T})/T − e^{−T}), Nelson and Siegel's with a decay of one year
//! Method     Bayesian least squares: each rate weighs with its error, β0 has a prior of 0 ± 5 %, β1 and β2 of 0 ± 2 %, so one
//!            rate gives a flat curve, two a sloped one, and rates with large errors hardly any. Outliers lose weight by
//!            Cauchy's function over ten rounds.
//! Units      rates continuously compounded, expiries in ACT/365F years
//! Domain     T ≥ 0; beyond the longest expiry the formula flattens by itself

/// A rate with its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct RatePoint {
    /// Years to expiry.
    pub years: f64,
    /// Continuously compounded.
    pub rate: f64,
    /// One standard error.
    pub error: f64,
}

/// The fitted curve.
#[derive(Clone, Debug)]
pub(super) struct RateCurve {
    beta: [f64; 3],
    covariance: [[f64; 3]; 3],
    scatter: f64,
}

/// Prior standard deviations of β0, β1, β2.
const PRIOR: [f64; 3] = [0.05, 0.02, 0.02];
/// Parity rates of neighbouring expiries differ by at least this, however small their errors look.
const SCATTER_MIN: f64 = 2e-4;

fn basis(years: f64) -> [f64; 3] {
    let slope = if years < 1e-6 { 1.0 } else { -(-years).exp_m1() / years };
    [1.0, slope, slope - (-years).exp()]
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl RateCurve {
    /// Fits the curve. `None` where no point is usable.
    pub fn fit(points: &[RatePoint]) -> Option<Self> {
        let points: Vec<RatePoint> = points
            .iter()
            .copied()
            .filter(|p| {
                p.years > 0.0 && p.rate.is_finite() && p.rate.abs() < 1.0 && p.error.is_finite() && p.error > 0.0
            })
            .collect();
        if points.is_empty() {
            return None;
        }
        let mut curve = Self { beta: [0.0; 3], covariance: [[0.0; 3]; 3], scatter: SCATTER_MIN };
        let mut robust = vec![1.0; points.len()];
        for _ in 0..10 {
            let mut normal = [[0.0; 3]; 3];
            let mut right = [0.0; 3];
            for (index, prior) in PRIOR.iter().enumerate() {
                normal[index][index] = 1.0 / (prior * prior);
            }
            for (point, weight) in points.iter().zip(&robust) {
                let weight = weight / (point.error * point.error + curve.scatter * curve.scatter);
                let row = basis(point.years);
                for i in 0..3 {
                    right[i] += weight * row[i] * point.rate;
                    for j in 0..3 {
                        normal[i][j] += weight * row[i] * row[j];
                    }
                }
            }
            curve.covariance = invert(&normal);
            curve.beta = std::array::from_fn(|i| dot(&curve.covariance[i], &right));
            let (mut weights, mut squares) = (0.0, 0.0);
            for (point, weight) in points.iter().zip(&mut robust) {
                let residual = point.rate - curve.rate(point.years);
                let variance = point.error * point.error + SCATTER_MIN * SCATTER_MIN;
                *weight = 1.0 / (1.0 + residual * residual / (4.0 * variance));
                let precision = *weight / variance;
                weights += precision;
                squares += precision * (residual * residual - point.error * point.error).max(0.0);
            }
            curve.scatter = (squares / weights).sqrt().max(SCATTER_MIN);
        }
        Some(curve)
    }

    /// Rate at an expiry.
    pub fn rate(&self, years: f64) -> f64 {
        dot(&self.beta, &basis(years))
    }

    /// One standard error of the rate at an expiry: that of the curve and the scatter of single expiries about it.
    pub fn error(&self, years: f64) -> f64 {
        let row = basis(years);
        let spread: [f64; 3] = std::array::from_fn(|i| dot(&self.covariance[i], &row));
        (dot(&row, &spread) + self.scatter * self.scatter).sqrt()
    }
}

/// Inverse of a symmetric positive definite matrix (the prior keeps it so) by cofactors.
fn invert(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |i: usize, j: usize| {
        let (a, b) = ((i + 1) % 3, (i + 2) % 3);
        let (c, d) = ((j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum::<f64>();
    std::array::from_fn(|i| std::array::from_fn(|j| cofactor(j, i) / determinant))
}

/// Rate by linear interpolation between given points `(years, rate)`, flat outside them. `None` where there are none.
pub(super) fn given_rate(points: &[[f64; 2]], years: f64) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    if years <= first[0] {
        return Some(first[1]);
    }
    for pair in points.windows(2) {
        let [[t0, r0], [t1, r1]] = [pair[0], pair[1]];
        if years <= t1 {
            return Some(if t1 > t0 { r0 + (r1 - r0) * (years - t0) / (t1 - t0) } else { r1 });
        }
    }
    Some(last[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(years: f64, rate: f64, error: f64) -> RatePoint {
        RatePoint { years, rate, error }
    }

    #[test]
    fn one_rate_gives_a_flat_curve() {
        let curve = RateCurve::fit(&[point(0.5, 0.024, 1e-4)]).unwrap();
        assert!((curve.rate(0.5) - 0.024).abs() < 2e-5);
        assert!((curve.rate(0.05) - 0.024).abs() < 4e-3, "{}", curve.rate(0.05));
    }

    #[test]
    fn an_outlier_with_a_small_error_is_outvoted() {
        let mut points: Vec<RatePoint> = (1..=20).map(|i| point(0.1 * f64::from(i), 0.025, 2e-4)).collect();
        points[7].rate = 0.3;
        let curve = RateCurve::fit(&points).unwrap();
        for i in 0..20 {
            assert!((curve.rate(0.1 * f64::from(i)) - 0.025).abs() < 3e-4);
        }
    }

    #[test]
    fn noisy_short_rates_follow_the_long_ones() {
        let points =
            [point(0.003, 0.4, 0.2), point(0.02, -0.05, 0.03), point(0.5, 0.0252, 3e-4), point(1.0, 0.025, 2e-4)];
        let curve = RateCurve::fit(&points).unwrap();
        assert!((curve.rate(0.003) - 0.0255).abs() < 3e-3, "{}", curve.rate(0.003));
        assert!(curve.error(0.003) > curve.error(0.75));
    }

    #[test]
    fn nothing_usable_gives_none() {
        assert!(RateCurve::fit(&[]).is_none());
        assert!(RateCurve::fit(&[point(0.5, f64::NAN, 1e-4), point(0.5, 0.02, 0.0)]).is_none());
    }

    #[test]
    fn given_rates_interpolate_and_stay_flat_outside() {
        let points = [[0.25, 0.01], [1.25, 0.02]];
        assert_eq!(given_rate(&points, 0.0), Some(0.01));
        assert_eq!(given_rate(&points, 0.75), Some(0.015));
        assert_eq!(given_rate(&points, 9.0), Some(0.02));
        assert_eq!(given_rate(&[[1.0, 0.03]], 0.1), Some(0.03));
        assert_eq!(given_rate(&[], 0.1), None);
    }
}
