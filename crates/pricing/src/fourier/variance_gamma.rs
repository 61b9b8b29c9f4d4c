//! The exponent of variance gamma.
//!
//! Formula  g(s) = −θs − σ²s²/2, Λ = (T/ν)(s ln(1 + νg(1)) − ln(1 + νg(s))), written with ln(1 + z)/z so that ν → 0 is Black–Scholes
//! Source   D. Madan, P. Carr and E. Chang (1998)

use super::complex::{Complex, complex};
use super::elementary::{Elementary, Std};
use super::exponent::{Exponent, Gradient};
use super::model::VarianceGamma;

/// Variance gamma at one expiry.
#[derive(Clone, Copy)]
pub(super) struct VarianceGammaExponent {
    pub model: VarianceGamma,
    pub expiry: f64,
}

impl VarianceGammaExponent {
    #[inline(always)]
    fn g(&self, s: Complex) -> Complex {
        let VarianceGamma { volatility, vg_theta, .. } = self.model;
        -(s * (s.scale(0.5 * volatility * volatility) + complex(vg_theta, 0.0)))
    }
}

impl Exponent<3> for VarianceGammaExponent {
    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        self.gradient::<E>(s).value
    }

    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<3> {
        let VarianceGamma { volatility, vg_nu, .. } = self.model;
        let (g, g_one) = (self.g(s), self.g(Complex::ONE));
        let (z, z_one) = (g.scale(vg_nu), g_one.scale(vg_nu));
        let ((ratio, slope), (ratio_one, slope_one)) = (z.ln_1p_ratio::<E>(), z_one.ln_1p_ratio::<E>());
        let inverse = Complex::ONE / (Complex::ONE + z);
        let inverse_one = Complex::ONE / (Complex::ONE + z_one);
        let expiry = s * g_one * ratio_one - g * ratio;
        let t = self.expiry;
        Gradient {
            value: expiry.scale(t),
            expiry,
            expiry_twice: Complex::ZERO,
            parameters: [
                (s * (s * inverse - inverse_one)).scale(volatility * t),
                (s * (inverse - inverse_one)).scale(t),
                (s * g_one.square() * slope_one - g.square() * slope).scale(t),
            ],
        }
    }

    fn moment(&self, s: f64) -> f64 {
        let s = complex(s, 0.0);
        if 1.0 + self.model.vg_nu * self.g(s).re <= 0.0 { f64::INFINITY } else { self.value::<Std>(s).re }
    }

    fn envelope(&self, at: f64, u: f64) -> f64 {
        self.value::<Std>(complex(at, u)).re
    }

    fn shift(&self, _jumps: Option<u32>) -> f64 {
        let g = self.g(Complex::ONE).re;
        self.expiry * g * complex(self.model.vg_nu * g, 0.0).ln_1p_ratio::<Std>().0.re
    }
}
