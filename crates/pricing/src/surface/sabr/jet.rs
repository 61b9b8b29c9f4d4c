//! A value with its first and second derivative by one variable, so that formulae differentiate themselves.

use std::ops::{Add, Mul};

/// f, f′ and f″ at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jet(pub [f64; 3]);

impl Jet {
    pub(super) fn constant(value: f64) -> Self {
        Self([value, 0.0, 0.0])
    }

    /// The variable itself, at `value`.
    pub(super) fn variable(value: f64) -> Self {
        Self([value, 1.0, 0.0])
    }

    /// e^(rate·k) at `k`.
    pub(super) fn exponential(rate: f64, k: f64) -> Self {
        let value = if rate == 0.0 { 1.0 } else { (rate * k).exp() };
        Self([value, rate * value, rate * rate * value])
    }

    pub(super) fn scale(self, by: f64) -> Self {
        Self(self.0.map(|part| by * part))
    }

    /// `outer`, given as [f, f′, f″] at this value, of this.
    pub(super) fn inside(self, [f, slope, bend]: [f64; 3]) -> Self {
        let [_, d, dd] = self.0;
        Self([f, slope * d, bend * d * d + slope * dd])
    }

    pub(super) fn reciprocal(self) -> Self {
        let inverse = 1.0 / self.0[0];
        let square = inverse * inverse;
        self.inside([inverse, -square, 2.0 * square * inverse])
    }
}

impl Add for Jet {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Mul for Jet {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let ([a, da, dda], [b, db, ddb]) = (self.0, other.0);
        Self([a * b, da * b + a * db, dda * b + 2.0 * da * db + a * ddb])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_differentiates_itself() {
        // x e^(2x) / (1 + x²) and its derivatives at 0.7, by hand: with u = x e^(2x), v = 1 + x².
        let k = 0.7_f64;
        let x = Jet::variable(k);
        let ours = x * Jet::exponential(2.0, k) * (Jet::constant(1.0) + x * x).reciprocal();
        let e = (2.0 * k).exp();
        let (u, du, ddu) = (k * e, (1.0 + 2.0 * k) * e, (4.0 + 4.0 * k) * e);
        let (v, dv, ddv) = (1.0 + k * k, 2.0 * k, 2.0);
        let first = (du * v - u * dv) / (v * v);
        let second = (ddu * v - u * ddv) / (v * v) - 2.0 * dv * first / v;
        for (ours, theirs) in ours.0.into_iter().zip([u / v, first, second]) {
            assert!((ours / theirs - 1.0).abs() < 1e-13, "{ours} {theirs}");
        }
    }
}
