//! The logarithm of the spot at expiry under Heston, with its derivatives: the quadratic-exponential scheme of the engine, differentiated step
//! by step.
//!
//! Scheme    as `stepper::quadratic_exponential`. The normal numbers of the spot are independent of the variance's path, so that one of them
//!           does for all steps: x = Σ drift + √(Σ K₃v + K₄v′)·z, the same law. A root of every step would have a derivative without variance
//!           wherever the variance has died out; this one has not, since v₀ > 0
//! Branches  the scheme changes branch at ψ = 1.5 and corrects no moment that does not exist: a derivative along the path does not see what
//!           moves from one branch to the other. Both branches have the same mean and variance, so that what is missed is of third order in the
//!           variance of a step; the test holds the mean of many against the characteristic function's gradient
//! Source    L. Andersen (2008), as there; pathwise derivatives: M. Broadie and P. Glasserman, "Estimating security price derivatives using
//!           simulation", Management Science 42 (1996)

use super::dual::Dual;
use crate::math::MultiplyAdd;
use crate::monte_carlo::Heston;
use crate::monte_carlo::inverse_normal_cdf;
use crate::monte_carlo::stepper::quadratic_exponential::{
    INVERSE_CRITICAL, LEAST_INVERSE, LEAST_MEAN, LEAST_MOMENT, MOST_INVERSE,
};

/// Years to expiry, v₀, κ, θ, σ, ρ.
type Number = Dual<6>;

/// The scheme's constants of a step, with their derivatives.
pub(super) struct Scheme {
    v0: Number,
    shrink: Number,
    mean: Number,
    spread: Number,
    square: Number,
    k0: Number,
    k1: Number,
    k2: Number,
    k3: Number,
    moment: Number,
}

/// Where a path ends: the drift of ln(S/F) and the variance about it.
pub(super) struct End {
    pub drift: Number,
    pub variance: Number,
}

impl Scheme {
    #[inline(always)]
    pub(super) fn new(heston: &Heston, expiry_years: f64, steps: usize) -> Self {
        let parameter = |value, place| Number::parameter(value, place);
        let step_years = parameter(expiry_years, 0) * (1.0 / steps as f64);
        let v0 = parameter(heston.v0, 1);
        let kappa = parameter(heston.kappa, 2);
        let theta_v = parameter(heston.theta_v, 3);
        let sigma_v = parameter(heston.sigma_v, 4);
        let rho_v = parameter(heston.rho_v, 5);
        let decay = -(kappa * step_years);
        let shrink = decay.through(decay.value.exp(), decay.value.exp());
        let gone = decay.through(-decay.value.exp_m1(), -decay.value.exp());
        let variance_per_speed = sigma_v.square() / kappa;
        let half_step = step_years * 0.5;
        let lean = rho_v / sigma_v;
        let pull = half_step * (kappa * lean + -0.5);
        let k3 = half_step * (-rho_v.square() + 1.0);
        let k2 = pull + lean;
        Self {
            v0,
            shrink,
            mean: theta_v * gone,
            spread: variance_per_speed * shrink * gone,
            square: theta_v * variance_per_speed * gone.square() * 0.5,
            k0: -(lean * kappa * theta_v * step_years),
            k1: pull - lean + k3 * 0.5,
            k2,
            k3,
            moment: k2 + k3 * 0.5,
        }
    }

    /// A path from one uniform number a step.
    #[inline(always)]
    pub(super) fn path<M: MultiplyAdd>(&self, uniforms: &[f64], opposite: bool) -> End {
        let mut v = self.v0;
        let mut drift = Number::constant(0.0);
        let mut variances = Number::constant(0.0);
        for u in uniforms {
            let (next, corrected) = self.step::<M>(v, if opposite { 1.0 - u } else { *u });
            drift = drift + corrected + self.k2 * next - self.k3 * v * 0.5;
            variances = variances + v + next;
            v = next;
        }
        End { drift, variance: self.k3 * variances }
    }

    /// The next variance, and −ln E[e^(A v′)].
    #[inline(always)]
    fn step<M: MultiplyAdd>(&self, v: Number, u: f64) -> (Number, Number) {
        let m = v * self.shrink + self.mean;
        let m = if m.value < LEAST_MEAN { Number::constant(LEAST_MEAN) } else { m };
        let square = v * self.spread + self.square;
        let inverse = m.square() / square;
        let inverse = if inverse.value > LEAST_INVERSE && inverse.value < MOST_INVERSE {
            inverse
        } else {
            // Also where the variance of the step is 0.
            Number::constant(if inverse.value <= LEAST_INVERSE { LEAST_INVERSE } else { MOST_INVERSE })
        };
        let plain = || self.k0 + self.k1 * v;
        if inverse.value >= INVERSE_CRITICAL {
            let w = inverse * 2.0;
            let less = w + -1.0;
            let b_square = less + (w * less).sqrt();
            let a = m / (b_square + 1.0);
            let next = a * (b_square.sqrt() + inverse_normal_cdf::<M>(u)).square();
            let aa = self.moment * a;
            let root = aa * -2.0 + 1.0;
            let drift = if root.value >= LEAST_MOMENT { root.ln::<M>() * 0.5 - aa * b_square / root } else { plain() };
            return (next, drift);
        }
        let below = inverse + 1.0;
        let p = (-inverse + 1.0) / below;
        let alive = inverse * 2.0 / below;
        let mean = m / alive;
        let next = if u <= p.value { Number::constant(0.0) } else { (alive * (1.0 / (1.0 - u))).ln::<M>() * mean };
        let scaled = self.moment * mean;
        let above = -scaled + 1.0;
        let drift = if above.value >= LEAST_MOMENT { (above / (-(p * scaled) + 1.0)).ln::<M>() } else { plain() };
        (next, drift)
    }
}
