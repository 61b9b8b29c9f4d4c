//! The smile functions φ(θ) of SSVI, each within what keeps a surface free of arbitrage.

use serde::{Deserialize, Serialize};

use super::power::Power;

/// γ of the power laws: at ½ the bound on η is not smooth.
pub(super) const GAMMA_RANGE: [f64; 2] = [0.01, 0.499];

/// φ(θ), how fast a smile of level θ opens.
///
/// Every law here makes ψ(θ) = θφ(θ) a rising concave function with ψ(0) = 0, so 0 ≤ ψ′ ≤ φ, which is what theorem 4.1 of Gatheral and
/// Jacquier (2014) asks for absence of calendar arbitrage at every ρ. Against butterfly arbitrage theorem 4.2 there asks ψ(1 + |ρ|) < 4
/// and ψφ(1 + |ρ|) ≤ 4 at every θ: see [`Phi::most`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum Phi {
    /// φ(θ) = η θ^−γ (1 + θ)^(γ − 1), 0 < γ < ½ (equation 4.5 there).
    PowerLaw {
        /// Level.
        eta: f64,
        /// Power.
        gamma: f64,
    },
    /// φ(θ) = η θ^−γ, 0 < γ < ½, up to the level `cap`; beyond it ψ stays, since the plain power's wings grow past any bound.
    PlainPowerLaw {
        /// Level.
        eta: f64,
        /// Power.
        gamma: f64,
        /// The θ up to which the law holds.
        cap: f64,
    },
    /// φ(θ) = (1 − (1 − e^−λθ)/(λθ))/(λθ), the shape of a Heston surface (example 4.1 there).
    Heston {
        /// λ.
        lambda: f64,
    },
}

impl Phi {
    /// φ(θ).
    pub fn value(&self, theta: f64) -> f64 {
        self.psi(theta) / theta
    }

    /// ψ(θ) = θφ(θ).
    #[inline]
    pub fn psi(&self, theta: f64) -> f64 {
        match *self {
            Self::PowerLaw { eta, gamma } => eta * (theta / (1.0 + theta)).powf(1.0 - gamma),
            Self::PlainPowerLaw { eta, gamma, cap } => eta * theta.min(cap).powf(1.0 - gamma),
            Self::Heston { lambda } => heston(lambda * theta) / lambda,
        }
    }

    /// ψ, ψ′ and ψ″ at θ.
    pub fn psi_derivatives(&self, theta: f64) -> [f64; 3] {
        self.derivatives_of(theta, self.psi(theta))
    }

    /// ψ, ψ′ and ψ″ at a θ whose ψ is known.
    pub(super) fn derivatives_of(&self, theta: f64, psi: f64) -> [f64; 3] {
        match *self {
            Self::PowerLaw { gamma, .. } => {
                let inverse = 1.0 / (theta * (1.0 + theta));
                let slope = (1.0 - gamma) * psi * inverse;
                [psi, slope, -slope * (gamma + 2.0 * theta) * inverse]
            }
            Self::PlainPowerLaw { gamma, cap, .. } => {
                let slope = if theta > cap { 0.0 } else { (1.0 - gamma) * psi / theta };
                [psi, slope, -gamma * slope / theta]
            }
            Self::Heston { lambda } => {
                let [slope, bend] = heston_derivatives(lambda * theta);
                [psi, slope, lambda * bend]
            }
        }
    }

    /// The greatest multiple of this φ (by η, or by 1/λ) that theorem 4.2 allows at tilt ρ and every θ; arbitrage is excluded where it is
    /// at least one. For the power law sup ψφ/η² over θ is M(γ) = (1 − 2γ)^(1 − 2γ) (2 − 2γ)^−(2 − 2γ), at θ = 1 − 2γ, so
    /// η ≤ min(4/(1 + |ρ|), 2/√((1 + |ρ|)M)); a plain power is steepest at its cap; Heston's asks λ ≥ (1 + |ρ|)/4.
    pub fn most(&self, rho: f64) -> f64 {
        match *self {
            Self::PowerLaw { eta, gamma } => most_eta(rho, gamma, None)[0] / eta,
            Self::PlainPowerLaw { eta, gamma, cap } => most_eta(rho, gamma, Some(cap))[0] / eta,
            Self::Heston { lambda } => 4.0 * lambda / (1.0 + rho.abs()),
        }
    }

    /// Whether the parameters are in their domain.
    pub fn has_domain(&self) -> bool {
        let is_positive = |x: f64| x > 0.0 && x.is_finite();
        match *self {
            Self::PowerLaw { eta, gamma } => is_positive(eta) && gamma > 0.0 && gamma < 0.5,
            Self::PlainPowerLaw { eta, gamma, cap } => {
                is_positive(eta) && gamma > 0.0 && gamma < 0.5 && is_positive(cap)
            }
            Self::Heston { lambda } => is_positive(lambda),
        }
    }
}

/// The greatest η of a power law, and the derivatives of its logarithm by ρ and γ.
pub(super) fn most_eta(rho: f64, gamma: f64, cap: Option<f64>) -> [f64; 3] {
    let (tilt, sign) = (1.0 + rho.abs(), rho.signum());
    let (wide, by_wide, narrow, by_narrow) = match cap {
        None => {
            let (a, b) = (1.0 - 2.0 * gamma, 2.0 - 2.0 * gamma);
            // ln M and its derivative by γ.
            let log_most = a * a.ln() - b * b.ln();
            (0.0, 0.0, -0.5 * log_most, -(b / a).ln())
        }
        Some(cap) => ((gamma - 1.0) * cap.ln(), cap.ln(), (gamma - 0.5) * cap.ln(), cap.ln()),
    };
    let wings = 4.0_f64.ln() - tilt.ln() + wide;
    let density = 2.0_f64.ln() - 0.5 * tilt.ln() + narrow;
    if wings < density { [wings.exp(), -sign / tilt, by_wide] } else { [density.exp(), -0.5 * sign / tilt, by_narrow] }
}

/// Below this the closed forms of h and its derivatives lose more digits than the series.
const SERIES_END: f64 = 0.7;
/// h(x)/x by powers of x: (−1)ⁿ/(n + 2)!. What is left out is below 1e-17 up to [`SERIES_END`].
const SERIES: [f64; 14] = {
    let mut terms = [0.5; 14];
    let mut n = 1;
    while n < terms.len() {
        terms[n] = -terms[n - 1] / (n + 2) as f64;
        n += 1;
    }
    terms
};

/// h(x) = 1 − (1 − e^−x)/x.
#[inline]
pub(super) fn heston(x: f64) -> f64 {
    if x < SERIES_END {
        // Odd and even terms apart, so that neither waits for the other.
        let square = x * x;
        let (mut even, mut odd) = (0.0, 0.0);
        for pair in SERIES.chunks_exact(2).rev() {
            even = even * square + pair[0];
            odd = odd * square + pair[1];
        }
        x * (even + x * odd)
    } else {
        1.0 - (1.0 - (-x).exp()) / x
    }
}

/// h′ and h″.
pub(super) fn heston_derivatives(x: f64) -> [f64; 2] {
    if x < SERIES_END {
        let (mut slope, mut bend) = (0.0, 0.0);
        for (n, term) in SERIES.iter().enumerate().rev() {
            let order = n as f64 + 1.0;
            slope = slope * x + order * term;
            if n > 0 {
                bend = bend * x + order * n as f64 * term;
            }
        }
        [slope, bend]
    } else {
        let decay = (-x).exp();
        let square = x * x;
        [(1.0 - decay * (1.0 + x)) / square, (decay * (square + 2.0 * x + 2.0) - 2.0) / (square * x)]
    }
}

/// A φ made ready for many θ.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PreparedPhi {
    PowerLaw(Power),
    PlainPowerLaw(Power, f64),
    Heston { lambda: f64, inverse: f64 },
}

impl PreparedPhi {
    pub(super) fn new(phi: &Phi) -> Self {
        match *phi {
            Phi::PowerLaw { eta, gamma } => Self::PowerLaw(Power::new(eta, 1.0 - gamma)),
            Phi::PlainPowerLaw { eta, gamma, cap } => Self::PlainPowerLaw(Power::new(eta, 1.0 - gamma), cap),
            Phi::Heston { lambda } => Self::Heston { lambda, inverse: 1.0 / lambda },
        }
    }

    /// ψ(θ).
    #[inline]
    pub(super) fn psi(&self, theta: f64) -> f64 {
        match self {
            Self::PowerLaw(power) => power.value(theta / (1.0 + theta)),
            Self::PlainPowerLaw(power, cap) => power.value(theta.min(*cap)),
            Self::Heston { lambda, inverse } => inverse * heston(lambda * theta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [Phi; 4] = [
        Phi::PowerLaw { eta: 1.1, gamma: 0.4 },
        Phi::PowerLaw { eta: 0.3, gamma: 0.1 },
        Phi::PlainPowerLaw { eta: 0.8, gamma: 0.45, cap: 0.5 },
        Phi::Heston { lambda: 2.3 },
    ];

    fn levels() -> impl Iterator<Item = f64> {
        (-60..=20).map(|i| 10.0_f64.powf(0.1 * f64::from(i)))
    }

    #[test]
    fn the_published_forms() {
        for theta in levels() {
            let x = 2.3 * theta;
            let forms = [
                (LAWS[0], 1.1 * theta.powf(-0.4) * (1.0 + theta).powf(-0.6), 1e-13),
                (LAWS[2], 0.8 * theta.min(0.5).powf(0.55) / theta, 1e-13),
                // The closed form of Heston's cancels for small θ.
                (LAWS[3], (1.0 - (1.0 - (-x).exp()) / x) / x, 1e-13 + 1e-15 / (x * x)),
            ];
            for (law, published, tolerance) in forms {
                assert!((law.value(theta) / published - 1.0).abs() < tolerance, "{law:?} at {theta}");
            }
        }
        // Its limit at θ → 0.
        assert!((LAWS[3].value(1e-12) - 0.5).abs() < 1e-11);
    }

    #[test]
    fn derivatives_agree_with_differences_on_both_sides_of_every_join() {
        for law in LAWS {
            for theta in levels() {
                if matches!(law, Phi::PlainPowerLaw { cap, .. } if (theta / cap - 1.0).abs() < 1e-2) {
                    continue;
                }
                let h = 1e-5 * theta;
                let [_, slope, bend] = law.psi_derivatives(theta);
                let (up, down) = (law.psi_derivatives(theta + h), law.psi_derivatives(theta - h));
                let scale = law.psi(theta) / theta;
                assert!(((up[0] - down[0]) / (2.0 * h) - slope).abs() < 1e-7 * scale, "{law:?} at {theta}");
                let bend_scale = scale / theta;
                assert!(((up[1] - down[1]) / (2.0 * h) - bend).abs() < 1e-7 * bend_scale, "{law:?} at {theta}");
            }
        }
        let x = 0.7;
        let at = |x: f64| [heston(x), heston_derivatives(x)[0], heston_derivatives(x)[1]];
        let (below, above) = (at(x * (1.0 - 1e-12)), at(x * (1.0 + 1e-12)));
        assert!(below.iter().zip(above).all(|(a, b)| (a - b).abs() < 1e-11), "{below:?} {above:?}");
    }

    #[test]
    fn prepared_it_is_the_same() {
        for law in LAWS {
            let prepared = PreparedPhi::new(&law);
            for theta in levels() {
                assert!((prepared.psi(theta) / law.psi(theta) - 1.0).abs() < 2e-15, "{law:?} at {theta}");
            }
        }
    }

    #[test]
    fn theorem_4_1_holds_at_every_tilt() {
        for law in LAWS {
            for theta in levels() {
                let [psi, slope, bend] = law.psi_derivatives(theta);
                assert!(slope >= 0.0 && slope <= psi / theta * (1.0 + 1e-12) && bend <= 1e-12, "{law:?} at {theta}");
            }
        }
    }

    #[test]
    fn the_bound_is_the_greatest_that_theorem_4_2_allows() {
        for law in LAWS {
            for rho in [-0.95, -0.5, 0.0, 0.3, 0.9_f64] {
                let most = law.most(rho);
                let scaled = match law {
                    Phi::PowerLaw { eta, gamma } => Phi::PowerLaw { eta: most * eta, gamma },
                    Phi::PlainPowerLaw { eta, gamma, cap } => Phi::PlainPowerLaw { eta: most * eta, gamma, cap },
                    Phi::Heston { lambda } => Phi::Heston { lambda: lambda / most },
                };
                // Finer levels than a tenth of a decade, the limits, and the cap.
                let theta = (-6000..=12000).map(|i| 10.0_f64.powf(1e-3 * f64::from(i))).chain([0.5]);
                let steepest = theta
                    .map(|theta| {
                        let psi = scaled.psi(theta);
                        (psi * (1.0 + rho.abs())).max(psi * psi / theta * (1.0 + rho.abs()))
                    })
                    .fold(0.0, f64::max);
                assert!(steepest <= 4.0 * (1.0 + 1e-12), "{law:?} {rho}: {steepest}");
                assert!(steepest > 4.0 * (1.0 - 1e-5), "{law:?} {rho}: {steepest}");
            }
        }
    }

    #[test]
    fn the_slopes_of_the_bound_agree_with_differences() {
        for (rho, gamma) in [(-0.6, 0.3), (0.4, 0.45), (-0.9, 0.05), (0.2, 0.48)] {
            for cap in [None, Some(0.3), Some(4.0)] {
                let h = 1e-6;
                let log = |rho: f64, gamma: f64| most_eta(rho, gamma, cap)[0].ln();
                let [_, by_rho, by_gamma] = most_eta(rho, gamma, cap);
                assert!(((log(rho + h, gamma) - log(rho - h, gamma)) / (2.0 * h) - by_rho).abs() < 1e-7);
                assert!(((log(rho, gamma + h) - log(rho, gamma - h)) / (2.0 * h) - by_gamma).abs() < 1e-7);
            }
        }
    }
}
