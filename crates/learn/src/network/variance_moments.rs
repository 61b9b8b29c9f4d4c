//! Moments of Heston's integrated variance V = ∫₀ᵀ v dt, and of what it has in common with the logarithm of the spot: pure numbers that say
//! how far a smile bends and leans, with their derivatives by the parameters.
//!
//! Formulae  with b(u) = (1 − e^(−κu))/κ and E\[v_t\] = θ + (v₀ − θ)e^(−κt):  s² = E\[V\], Var\[V\] = σ² D, D = ∫ E\[v_t\] b(T − t)² dt, and the
//!           covariance of V with the spot's martingale part ρσ C, C = ∫ E\[v_t\] b(T − t) dt
//!           ν = σ√D/s² (V's deviation over its mean), λ = ρσC/s³ (to first order in σ a third of the
//!           skewness of ln S)
//! Method    with y = κT all integrals over t are functions of y alone: C = T²(θ(g − h) + v₀h), D = T³(θ(p − q) + v₀q); below y = 1/2 by their
//!           power series, since the closed forms cancel
//! Scaling   time in units of T leaves (m, v₀T, κT, θT, σT, ρ): s, ν, λ, κT and v₀'s share are pure numbers, which is one input less to learn
//! Source    the representation V − E\[V\] = ∫ σ√v_t b(T − t) dW_t; L. Bergomi and J. Guyon, "Stochastic volatility's orderly smiles" (2012)

use super::MOST_INPUTS;

/// Below this y the power series are used.
pub(crate) const SERIES_BELOW: f64 = 0.5;
/// Terms of a power series: the last is below 1e-17 at y = 1/2.
const TERMS: usize = 16;

/// The factor of (−y)^m in g, h, p and q.
pub(crate) const SERIES: [[f64; 4]; TERMS] = {
    let mut table = [[0.0; 4]; TERMS];
    let (mut m, mut factorial, mut power) = (0, 2.0, 4.0);
    while m < TERMS {
        // (m + 2)!, (m + 3)!, 2^(m + 2)
        let above = factorial * (m as f64 + 3.0);
        table[m] = [
            1.0 / factorial,
            (m as f64 + 1.0) / factorial,
            (power - 2.0) / above,
            2.0 * (power - m as f64 - 3.0) / above,
        ];
        (factorial, power) = (above, 2.0 * power);
        m += 1;
    }
    table
};

/// ∫b, ∫e^(−κt)b(T−t), ∫b² and ∫e^(−κt)b(T−t)² over a life of 1, and their derivatives by y = κT.
fn integrals(y: f64) -> ([f64; 4], [f64; 4]) {
    if y < SERIES_BELOW {
        let (mut value, mut slope) = ([0.0; 4], [0.0; 4]);
        for row in SERIES.iter().rev() {
            for i in 0..4 {
                slope[i] = value[i] - y * slope[i];
                value[i] = row[i] - y * value[i];
            }
        }
        // The polynomials are in −y.
        return (value, slope.map(|by| -by));
    }
    let e = (-y).exp();
    let f = (1.0 - e) / y;
    let g = (1.0 - f) / y;
    let h = (f - e) / y;
    let twice = (1.0 - e * e) / (2.0 * y);
    let inverse = 1.0 / (y * y);
    let p = (1.0 - 2.0 * f + twice) * inverse;
    let q = (f * (1.0 + e) - 2.0 * e) * inverse;
    let by = [
        (h - g) / y,
        (e - 2.0 * h) / y,
        (2.0 * h + (e * e - twice) / y) * inverse - 2.0 * p / y,
        (e * (2.0 - f) - h * (1.0 + e)) * inverse - 2.0 * q / y,
    ];
    ([g, h, p, q], by)
}

/// A number and its derivatives by a row's inputs: moneyness, T, v₀, κ, θ, σ, ρ.
pub(super) type WithSlopes = (f64, [f64; MOST_INPUTS]);

/// ν and λ of a row, and v₀'s share of s².
#[derive(Clone, Copy, Debug)]
pub(super) struct VarianceMoments {
    /// ν
    pub deviation: WithSlopes,
    /// λ
    pub skewness: WithSlopes,
    /// v₀(1 − e^(−κT))/κ over s²
    pub share: WithSlopes,
}

impl VarianceMoments {
    /// Of a row of Heston's inputs and its s.
    pub(super) fn new(row: &[f64], (s, s_by): WithSlopes) -> Self {
        let [expiry, v0, kappa, theta, sigma, rho] = [row[1], row[2], row[3], row[4], row[5], row[6]];
        let ([g, h, p, q], [g_y, h_y, p_y, q_y]) = integrals(kappa * expiry);
        let square = expiry * expiry;
        let cube = square * expiry;
        let c = square * (theta * (g - h) + v0 * h);
        let d = cube * (theta * (p - q) + v0 * q);
        let c_y = square * (theta * (g_y - h_y) + v0 * h_y);
        let d_y = cube * (theta * (p_y - q_y) + v0 * q_y);
        let slopes = |value: f64, order: f64, by_y: f64, by_v0: f64, by_theta: f64| {
            [0.0, order * value / expiry + kappa * by_y, by_v0, expiry * by_y, by_theta, 0.0, 0.0, 0.0]
        };
        let c_by = slopes(c, 2.0, c_y, square * h, square * (g - h));
        let d_by = slopes(d, 3.0, d_y, cube * q, cube * (p - q));
        let nu = sigma * d.sqrt() / (s * s);
        let by_s = |order: f64, j: usize| order * s_by[j] / s;
        let mut nu_by: [f64; MOST_INPUTS] = std::array::from_fn(|j| nu * (0.5 * d_by[j] / d - by_s(2.0, j)));
        nu_by[5] = nu / sigma;
        let unit = sigma * c / (s * s * s);
        let lambda = rho * unit;
        let mut lambda_by: [f64; MOST_INPUTS] = std::array::from_fn(|j| lambda * (c_by[j] / c - by_s(3.0, j)));
        (lambda_by[5], lambda_by[6]) = (lambda / sigma, unit);
        // ∫e^(−κt) dt = T(1 − yg), whose derivative by y is −Th.
        let today = expiry * (1.0 - kappa * expiry * g);
        let share = v0 * today / (s * s);
        let today_by = slopes(v0 * today, 1.0, -v0 * expiry * h, today, 0.0);
        let share_by = std::array::from_fn(|j| today_by[j] / (s * s) - share * by_s(2.0, j));
        Self { deviation: (nu, nu_by), skewness: (lambda, lambda_by), share: (share, share_by) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PricingModel;
    use crate::network::Features;

    /// The defining integrals by Simpson's rule.
    fn by_simpson(row: &[f64]) -> [f64; 3] {
        let [t, v0, kappa, theta] = [row[1], row[2], row[3], row[4]];
        let parts = 4000;
        let step = t / f64::from(parts);
        let (mut s2, mut c, mut d) = (0.0, 0.0, 0.0);
        for i in 0..=parts {
            let at = f64::from(i) * step;
            let weight = step / 3.0 * if i == 0 || i == parts { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            let v = theta + (v0 - theta) * (-kappa * at).exp();
            let b = -(-kappa * (t - at)).exp_m1() / kappa;
            s2 += weight * v;
            c += weight * v * b;
            d += weight * v * b * b;
        }
        [s2, c, d]
    }

    #[test]
    fn moments_are_the_integrals_of_their_definition() {
        for row in [
            [1.0, 0.02, 0.04, 0.3, 0.09, 0.5, -0.7],
            [1.0, 0.5, 0.04, 0.999, 0.09, 0.5, -0.7],
            [1.0, 0.5, 0.04, 1.001, 0.09, 0.5, -0.7],
            [1.0, 3.0, 0.3, 5.0, 0.01, 1.0, 0.2],
            [1.0, 1.0, 0.01, 40.0, 0.5, 0.1, -0.9],
        ] {
            let features = Features::unscaled(PricingModel::Heston, Vec::new());
            let found = VarianceMoments::new(&row, features.total_volatility(&row));
            let [s2, c, d] = by_simpson(&row);
            let wanted = [row[5] * d.sqrt() / s2, row[6] * row[5] * c / s2.powf(1.5)];
            for (found, wanted) in [found.deviation.0, found.skewness.0].into_iter().zip(wanted) {
                assert!((found / wanted - 1.0).abs() < 1e-9, "{row:?}: {found} {wanted}");
            }
            let share = row[2] * -(-row[3] * row[1]).exp_m1() / row[3] / s2;
            assert!((found.share.0 / share - 1.0).abs() < 1e-9, "{row:?}");
        }
    }

    #[test]
    fn the_power_series_meet_the_closed_forms() {
        let (below, above) = (integrals(SERIES_BELOW.next_down()), integrals(SERIES_BELOW));
        for (below, above) in below.0.iter().zip(above.0).chain(below.1.iter().zip(above.1)) {
            assert!((below - above).abs() < 1e-13, "{below} {above}");
        }
        let (values, slopes) = integrals(0.0);
        for (found, wanted) in values.into_iter().zip([0.5, 0.5, 1.0 / 3.0, 1.0 / 3.0]) {
            assert!((found - wanted).abs() < 1e-15);
        }
        // −1/6, −1/3, −1/4 and −(2/24)(8 − 4).
        for (found, wanted) in slopes.into_iter().zip([-1.0 / 6.0, -1.0 / 3.0, -0.25, -1.0 / 3.0]) {
            assert!((found - wanted).abs() < 1e-15, "{found} {wanted}");
        }
    }

    #[test]
    fn time_in_other_units_changes_no_moment() {
        let features = Features::unscaled(PricingModel::Heston, Vec::new());
        let of = |row: [f64; 7]| {
            let found = VarianceMoments::new(&row, features.total_volatility(&row));
            [found.deviation.0, found.skewness.0, found.share.0]
        };
        let a = of([1.0, 2.0, 0.04, 1.5, 0.09, 0.5, -0.7]);
        let b = of([1.0, 1.0, 0.08, 3.0, 0.18, 1.0, -0.7]);
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14), "{a:?} {b:?}");
    }
}
