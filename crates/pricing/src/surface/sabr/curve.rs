//! Hagan's expansions in numbers without units: the forward is 1, and time is in α√t and ν√t.

use super::{distance::Distance, jet::Jet, lanes::TERMS};

/// Parameters that no unit of money or time is left in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// α F^(β−1) √t.
    pub(super) level: f64,
    pub(super) rho: f64,
    /// ν√t.
    pub(super) vol_of_vol: f64,
    pub(super) beta: f64,
    distance: Distance,
}

/// Order of the parameters in gradients.
pub(super) const LEVEL: usize = 0;
pub(super) const RHO: usize = 1;
pub(super) const VOL_OF_VOL: usize = 2;
pub(super) const BETA: usize = 3;

impl Curve {
    pub(super) fn new([level, rho, vol_of_vol, beta]: [f64; 4]) -> Self {
        Self { level, rho, vol_of_vol, beta, distance: Distance::new(rho) }
    }

    /// Black's total deviation σ√t at k = ln(strike/forward), with its derivatives by k: Hagan et al. (2002), equation 2.17a.
    pub(super) fn lognormal(&self, k: f64) -> Jet {
        let Self { level: a, rho, vol_of_vol: n, beta, .. } = *self;
        let m = 1.0 - beta;
        let x = Jet::variable(k);
        let square = x * x;
        // (fK)^(−(1−β)/2)
        let power = Jet::exponential(-0.5 * m, k);
        let z = (x * Jet::exponential(0.5 * m, k)).scale(-n / a);
        let spread = Jet::constant(1.0) + square.scale(m * m / 24.0) + (square * square).scale(m.powi(4) / 1920.0);
        let correction = (power * power).scale(m * m * a * a / 24.0)
            + power.scale(0.25 * rho * beta * n * a)
            + Jet::constant(1.0 + (2.0 - 3.0 * rho * rho) * n * n / 24.0);
        (power * correction * (spread * self.ratio(z)).reciprocal()).scale(a)
    }

    /// Bachelier's total deviation σ√t over the forward at k = ln(strike/forward), with its derivatives by k: equation A.59 there.
    pub(super) fn normal(&self, k: f64) -> Jet {
        let Self { level: a, rho, vol_of_vol: n, beta, .. } = *self;
        let m = 1.0 - beta;
        let x = Jet::variable(k);
        let square = x * x;
        let quartic = square * square;
        // (fK)^(β/2) and (fK)^(−(1−β)/2)
        let backbone = Jet::exponential(0.5 * beta, k);
        let power = Jet::exponential(-0.5 * m, k);
        let away = Jet([-k.exp_m1(), -k.exp(), -k.exp()]);
        let z = (away * Jet::exponential(-0.5 * beta, k)).scale(n / a);
        let above = Jet::constant(1.0) + square.scale(1.0 / 24.0) + quartic.scale(1.0 / 1920.0);
        let below = Jet::constant(1.0) + square.scale(m * m / 24.0) + quartic.scale(m.powi(4) / 1920.0);
        let correction = (power * power).scale(-beta * (2.0 - beta) * a * a / 24.0)
            + power.scale(0.25 * rho * beta * n * a)
            + Jet::constant(1.0 + (2.0 - 3.0 * rho * rho) * n * n / 24.0);
        (backbone * above * correction * (below * self.ratio(z)).reciprocal()).scale(a)
    }

    /// The first terms of the series of x(z)/z, and of its derivative by ρ.
    pub(super) fn first_terms(&self) -> [[f64; TERMS]; 2] {
        self.distance.first_terms()
    }

    /// The value of [`Self::lognormal`] alone.
    pub(super) fn lognormal_deviation(&self, k: f64) -> f64 {
        self.lognormal_gradient(k).0
    }

    fn ratio(&self, z: Jet) -> Jet {
        let ratio = self.distance.at(z.0[0]);
        z.inside([ratio.value, ratio.by_z, ratio.by_zz])
    }

    /// [`Self::lognormal`] at `k` with its gradient by (level, ρ, vol of vol, β).
    #[inline]
    pub(super) fn lognormal_gradient(&self, k: f64) -> (f64, [f64; 4]) {
        let Self { level: a, rho, vol_of_vol: n, beta, .. } = *self;
        let m = 1.0 - beta;
        let (power, spread, log_spread_by_m) = if m == 0.0 {
            (1.0, 1.0, 0.0)
        } else {
            let (squares, in_m) = (k * k, m * m);
            let spread = 1.0 + in_m * squares / 24.0 + in_m * in_m * squares * squares / 1920.0;
            let by_m = m * squares / 12.0 + in_m * m * squares * squares / 480.0;
            ((-0.5 * m * k).exp(), spread, by_m / spread)
        };
        let by_n = -k / (a * power);
        let z = n * by_n;
        let ratio = self.distance.at(z);
        let ap = a * power;
        let parts = [m * m / 24.0, 0.25 * rho * beta * n, (2.0 - 3.0 * rho * rho) / 24.0];
        let correction = 1.0 + (parts[0] * ap + parts[1]) * ap + parts[2] * n * n;
        let inverse = 1.0 / (ratio.value * correction);
        let deviation = ap * correction * correction * inverse / spread;
        let log_by_z = -ratio.by_z * correction * inverse;
        // 1/correction
        let over = ratio.value * inverse;
        let log = [
            1.0 / a - log_by_z * z / a + (2.0 * parts[0] * ap + parts[1]) * power * over,
            -ratio.by_rho * correction * inverse + (0.25 * beta * n * ap - 0.25 * rho * n * n) * over,
            log_by_z * by_n + (0.25 * rho * beta * ap + 2.0 * parts[2] * n) * over,
            // Every factor k/2 comes from the power, and m falls where β rises.
            0.5 * k * (1.0 - log_by_z * z)
                + log_spread_by_m
                + ((-m / 12.0 * ap + 0.25 * rho * n) * ap + 0.5 * k * (2.0 * parts[0] * ap + parts[1]) * ap) * over,
        ];
        (deviation, log.map(|by| deviation * by))
    }

    /// [`Self::normal`] at `k` with its gradient by (level, ρ, vol of vol).
    #[inline]
    pub(super) fn normal_gradient(&self, k: f64) -> (f64, [f64; 3]) {
        let Self { level: a, rho, vol_of_vol: n, beta, .. } = *self;
        let m = 1.0 - beta;
        let (square, power) = (k * k, (-0.5 * m * k).exp());
        let above = 1.0 + square / 24.0 + square * square / 1920.0;
        let below = 1.0 + m * m * square / 24.0 + m.powi(4) * square * square / 1920.0;
        let backbone = (0.5 * beta * k).exp();
        let by_n = -k.exp_m1() / (a * backbone);
        let z = n * by_n;
        let ratio = self.distance.at(z);
        let ap = a * power;
        let parts = [-beta * (2.0 - beta) / 24.0, 0.25 * beta * n, (2.0 - 3.0 * rho * rho) / 24.0];
        let correction = 1.0 + (parts[0] * ap + parts[1] * rho) * ap + parts[2] * n * n;
        let deviation = a * backbone * above * correction / (below * ratio.value);
        let log_by_z = -ratio.by_z / ratio.value;
        let log = [
            (1.0 - log_by_z * z) / a + (2.0 * parts[0] * ap + parts[1] * rho) * power / correction,
            -ratio.by_rho / ratio.value + (parts[1] * ap - 0.25 * rho * n * n) / correction,
            log_by_z * by_n + (0.25 * rho * beta * ap + 2.0 * parts[2] * n) / correction,
        ];
        (deviation, log.map(|by| deviation * by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [[f64; 4]; 6] = [
        [0.2, -0.7, 1.1, 1.0],
        [0.05, 0.3, 0.8, 0.5],
        [0.3, -0.95, 0.4, 0.0],
        [0.01, -0.5, 2.5, 1.0],
        [0.2, 0.0, 1e-7, 0.7],
        [0.2, -0.4, 0.0, 0.3],
    ];

    #[test]
    fn derivatives_by_log_moneyness_agree_with_differences() {
        for case in CASES {
            let curve = Curve::new(case);
            for k in [-0.5, -0.11, -1e-3, 0.0, 1e-9, 0.04, 0.3] {
                for f in [Curve::lognormal, Curve::normal] {
                    let h = 1e-4;
                    let [up, at, down] = [k + h, k, k - h].map(|k| f(&curve, k).0);
                    let by_k = (up[0] - down[0]) / (2.0 * h);
                    let by_kk = (up[1] - down[1]) / (2.0 * h);
                    // Third derivatives reach (ν/α)³: the differences are off by h² of them.
                    let tolerance = 1e-7 * (1.0 + (case[2] / case[0]).powi(3)) * case[0] + 1e-9;
                    assert!((at[1] - by_k).abs() < tolerance, "{} {by_k} at {k} of {case:?}", at[1]);
                    let tolerance = tolerance * (1.0 + case[2] / case[0]);
                    assert!((at[2] - by_kk).abs() < tolerance, "{} {by_kk} at {k} of {case:?}", at[2]);
                }
            }
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for case in CASES {
            for k in [-0.5, -0.1, 0.0, 1e-6, 0.2] {
                let (value, gradient) = Curve::new(case).lognormal_gradient(k);
                assert!((value / Curve::new(case).lognormal(k).0[0] - 1.0).abs() < 1e-13);
                let normal = [case[0], case[1], case[2], 0.0];
                let (of_normal, normal_gradient) = Curve::new(normal).normal_gradient(k);
                assert!((of_normal / Curve::new(normal).normal(k).0[0] - 1.0).abs() < 1e-13);
                for i in 0..4 {
                    let h = 1e-6 * case[i].abs().max(1e-3);
                    let at = |from: [f64; 4], step: f64| {
                        let mut moved = from;
                        moved[i] += step;
                        Curve::new(moved)
                    };
                    let numeric = (at(case, h).lognormal(k).0[0] - at(case, -h).lognormal(k).0[0]) / (2.0 * h);
                    assert!(
                        (gradient[i] - numeric).abs() < 3e-7 * (1.0 + numeric.abs()),
                        "{i}: {} {numeric} at {k} of {case:?}",
                        gradient[i]
                    );
                    if i < 3 {
                        let numeric = (at(normal, h).normal(k).0[0] - at(normal, -h).normal(k).0[0]) / (2.0 * h);
                        assert!((normal_gradient[i] - numeric).abs() < 3e-7 * (1.0 + numeric.abs()));
                    }
                }
            }
        }
    }
}
