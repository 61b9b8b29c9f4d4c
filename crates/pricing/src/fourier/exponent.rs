//! Λ(s) = ln E\[(S_T/F)^s\] at complex s, and its derivatives: what a model is to the methods of this module. φ(u) = e^{Λ(iu)} is the
//! characteristic function of ln(S_T/F); Λ(0) = Λ(1) = 0.

use super::complex::Complex;
use super::elementary::{Elementary, Std};

/// Λ(s) with its derivatives.
#[derive(Clone, Copy)]
pub(super) struct Gradient<const P: usize> {
    /// Λ
    pub value: Complex,
    /// ∂Λ/∂T
    pub expiry: Complex,
    /// ∂²Λ/∂T²
    pub expiry_twice: Complex,
    /// ∂Λ/∂p, in the order of [`super::Model::parameter_names`].
    pub parameters: [Complex; P],
}

/// A model with `P` parameters at one expiry. Implementations are `#[inline(always)]` and free of branches, as the loops over lanes need.
pub(super) trait Exponent<const P: usize>: Copy + Send + Sync {
    /// Λ(s), for s in the strip around 0 ≤ Re s ≤ 1 where the moments are finite, and continued from there along rays.
    fn value<E: Elementary>(&self, s: Complex) -> Complex;

    /// Λ(s) and all its derivatives.
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<P>;

    /// Λ(s) at real s, infinite where the moment is.
    fn moment(&self, s: f64) -> f64;

    /// What the measures that the derivatives by the parameters price with have more in their tails than Λ(s): one more jump, where
    /// there are jumps.
    fn excess(&self, _s: f64) -> f64 {
        0.0
    }

    /// An upper bound of Re Λ(`at` + iy) for all y ≥ `u`, where the moment `at` is finite.
    fn envelope(&self, at: f64, u: f64) -> f64;

    /// Whether the derivatives by the parameters keep their digits.
    fn has_gradient(&self) -> bool {
        true
    }

    /// Where ln(S_T/F) is, up to what decays, as |s| grows: it tells which way a contour turns. Given a number of normal jumps.
    fn shift(&self, jumps: Option<u32>) -> f64;

    /// The expected number λT of normal jumps, for models that have them.
    fn normal_jumps(&self) -> Option<f64> {
        None
    }

    /// Λ(s) given a number of normal jumps, less the logarithm of its probability; Λ(s) for models without them.
    fn given_jumps(&self, s: Complex, _jumps: u32) -> Complex {
        self.value::<Std>(s)
    }

    /// The derivatives of [`Exponent::given_jumps`] with that probability's logarithm.
    fn gradient_given_jumps(&self, s: Complex, _jumps: u32) -> Gradient<P> {
        self.gradient::<Std>(s)
    }

    /// Whether e^Λ has no gaps along a contour turned by so much: of many jumps, or where the factor e^(s·mean) of normal jumps grows,
    /// it vanishes and returns again and again, which would look like its end.
    fn may_turn(&self, _turn: f64) -> bool {
        true
    }
}
