//! Heston's exponent.
//!
//! Formula   ξ = κ − ρσs, a = s(1 − s), d² = ξ² + σ²a, Re d ≥ 0, h = (1 − e^(−dT))/(2d), p = (d − ξ)/σ² = a/(d + ξ), z = −σ²ph,
//!           D = −a h/(1 + z), C = κθ(−pT − 2 ln(1 + z)/σ²), Λ = C + v₀ D
//! Method    Algebraically the stable form ("little trap") of Albrecher, Mayer, Schoutens and Tistaert (2007), whose principal
//!           logarithm is continuous (Lord and Kahl 2010), rearranged so that nothing is divided by σ², d or u: the limits σ → 0,
//!           κ → 0, |ρ| = 1 need no case of their own. ln(1 + z)/σ² is −ph (ln(1 + z)/z).
//! Domain    all parameters that [`Heston::check`] lets pass
//! Source    S. Heston (1993); moments: L. Andersen and V. Piterbarg, "Moment explosions in stochastic volatility models" (2007)

use super::complex::{Complex, complex};
use super::elementary::{Elementary, Std};
use super::exponent::{Exponent, Gradient};
use super::model::Heston;

/// Heston's model at one expiry.
#[derive(Clone, Copy)]
pub(super) struct HestonExponent {
    pub model: Heston,
    pub expiry: f64,
}

/// What both the value and the derivatives are made of.
struct Parts {
    xi: Complex,
    a: Complex,
    d: Complex,
    /// e^(−dT)
    decay: Complex,
    h: Complex,
    p: Complex,
    /// p h
    ph: Complex,
    one_plus_z: Complex,
    /// ln(1 + z)/z, and its derivative.
    ratio: (Complex, Complex),
    /// C/(κθ)
    c: Complex,
    /// D
    big_d: Complex,
}

impl HestonExponent {
    #[inline(always)]
    fn parts<E: Elementary>(&self, s: Complex) -> Parts {
        let Heston { kappa, sigma_v: sigma, rho_v: rho, .. } = self.model;
        let t = self.expiry;
        let xi = complex(kappa - rho * sigma * s.re, -rho * sigma * s.im);
        let a = s * (Complex::ONE - s);
        // ξ² + σ²a with the squares of s gathered: at |ρ| = 1 they cancel.
        let square = complex(kappa * kappa, 0.0) + s.scale(sigma * (sigma - 2.0 * kappa * rho))
            - s.square().scale(sigma * sigma * (1.0 - rho) * (1.0 + rho));
        let d = square.sqrt();
        let w = d.scale(t);
        let fallen = (-w).exp_m1::<E>();
        let still = w.norm() < 1e-30;
        let h = complex(0.5 * t, 0.0).select(still, -fallen / Complex::ONE.select(still, d.scale(2.0)));
        let variance = sigma * sigma;
        let p = (a / (d + xi)).select(xi.re >= 0.0, (d - xi).scale(1.0 / variance));
        let ph = p * h;
        let z = ph.scale(-variance);
        let one_plus_z = Complex::ONE + z;
        let ratio = z.ln_1p_ratio::<E>();
        let c = (ph * ratio.0).scale(2.0) - p.scale(t);
        let big_d = -(a * h) / one_plus_z;
        Parts { xi, a, d, decay: fallen + Complex::ONE, h, p, ph, one_plus_z, ratio, c, big_d }
    }

    /// Whether E\[S_T^s\] is infinite.
    fn explodes(&self, s: f64) -> bool {
        let Heston { kappa, sigma_v: sigma, rho_v: rho, .. } = self.model;
        let xi = kappa - rho * sigma * s;
        let square =
            kappa * kappa + sigma * (sigma - 2.0 * kappa * rho) * s - sigma * sigma * (1.0 - rho) * (1.0 + rho) * s * s;
        let half = 0.5 * square.abs().sqrt() * self.expiry;
        let slope = 0.5 * self.expiry * xi;
        // The sign of cosh(dT/2) + (ξ/d) sinh(dT/2), which is 1 at T = 0 and crosses 0 but once.
        if square > 0.0 {
            slope < 0.0 && half + slope * half.tanh() <= 0.0
        } else if half == 0.0 {
            1.0 + slope <= 0.0
        } else {
            half >= std::f64::consts::FRAC_PI_2 + (slope / half).atan()
        }
    }
}

impl Exponent<5> for HestonExponent {
    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        let parts = self.parts::<E>(s);
        parts.c.scale(self.model.kappa * self.model.theta_v) + parts.big_d.scale(self.model.v0)
    }

    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<5> {
        let Heston { v0, kappa, theta_v: theta, sigma_v: sigma, rho_v: rho } = self.model;
        let t = self.expiry;
        let Parts { xi, a, d, decay, h, p, ph, one_plus_z, ratio, c, big_d } = self.parts::<E>(s);
        let variance = sigma * sigma;
        let still = d.norm() == 0.0;
        let over_d = Complex::ONE / Complex::ONE.select(still, d);
        // ∂h/∂d = (T²/2) f'(dT), f(w) = (1 − e^−w)/w: by its series where w is small.
        let w = d.scale(t);
        let mut series = complex(-7.0 / 40_320.0, 0.0);
        for coefficient in [6.0 / 5040.0, -5.0 / 720.0, 4.0 / 120.0, -3.0 / 24.0, 2.0 / 6.0, -1.0 / 2.0] {
            series = complex(coefficient, 0.0) + w * series;
        }
        let h_d = series.scale(0.5 * t * t).select(w.norm() < 1e-3, (decay.scale(0.5 * t) - h) * over_d);
        // The derivative of Λ where ξ, or σ², alone moves.
        let along = |d_x: Complex, p_x: Complex, moved: Complex| {
            let h_x = h_d * d_x;
            let ph_x = p_x * h + p * h_x;
            let z_x = -(moved + ph_x.scale(variance));
            let c_x = (ph_x * ratio.0 + ph * ratio.1 * z_x).scale(2.0) - p_x.scale(t);
            let big_d_x = -(a * h_x + big_d * z_x) / one_plus_z;
            c_x.scale(kappa * theta) + big_d_x.scale(v0)
        };
        let p_over_d = p * over_d;
        let by_xi = along(xi * over_d, -p_over_d, Complex::ZERO);
        let by_variance = along((a * over_d).scale(0.5), -(p * p_over_d).scale(0.5), ph);
        let s_by_xi = s * by_xi;
        let value = c.scale(kappa * theta) + big_d.scale(v0);
        let riccati = (big_d.square().scale(variance) - a).scale(0.5) - xi * big_d;
        Gradient {
            value,
            expiry: big_d.scale(kappa * theta) + riccati.scale(v0),
            expiry_twice: riccati * (complex(kappa * theta, 0.0) + (big_d.scale(variance) - xi).scale(v0)),
            parameters: [
                big_d,
                c.scale(theta) + by_xi,
                c.scale(kappa),
                by_variance.scale(2.0 * sigma) - s_by_xi.scale(rho),
                s_by_xi.scale(-sigma),
            ],
        }
    }

    fn moment(&self, s: f64) -> f64 {
        if self.explodes(s) {
            return f64::INFINITY;
        }
        self.value::<Std>(complex(s, 0.0)).re
    }

    fn envelope(&self, at: f64, u: f64) -> f64 {
        // |φ| falls in u.
        self.value::<Std>(complex(at, u)).re
    }

    /// The derivative by κ loses ε/(κ + d) in terms that cancel.
    fn has_gradient(&self) -> bool {
        self.model.kappa + self.model.sigma_v >= 1e-6
    }

    fn shift(&self, _jumps: Option<u32>) -> f64 {
        let Heston { v0, kappa, theta_v: theta, sigma_v: sigma, rho_v: rho } = self.model;
        if sigma > 0.0 { -rho * (v0 + kappa * theta * self.expiry) / sigma } else { 0.0 }
    }
}
