//! Truncated Taylor series in log-moneyness and time, which carry a formula's derivatives along with its value.

use std::ops::{Add, Mul, Neg, Sub};

/// Place of the coefficient of kⁱtʲ, by i and j.
const PLACE: [[usize; 4]; 4] = [[0, 2, 5, 9], [1, 4, 8, 0], [3, 7, 0, 0], [6, 0, 0, 0]];

/// A function of k and t near a point, to third order: coefficients of 1, k, t, k², kt, t², k³, k²t, kt², t³ (of powers of the distance from
/// the point, so a second derivative is twice its coefficient).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jet([f64; 10]);

impl Jet {
    /// A number.
    pub(super) fn constant(value: f64) -> Self {
        Self::affine(value, 0.0, 0.0)
    }

    /// value + by_k·(k − k₀) + by_t·(t − t₀).
    pub(super) fn affine(value: f64, by_k: f64, by_t: f64) -> Self {
        Self([value, by_k, by_t, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    }

    /// A function of t alone with this value and these first two derivatives.
    pub(super) fn of_time([value, first, second]: [f64; 3]) -> Self {
        let mut jet = Self::affine(value, 0.0, first);
        jet.0[5] = 0.5 * second;
        jet
    }

    /// The value.
    pub(super) fn value(&self) -> f64 {
        self.0[0]
    }

    /// ∂ⁱ⁺ʲ/∂kⁱ∂tʲ, i + j ≤ 3.
    pub(super) fn partial(&self, i: usize, j: usize) -> f64 {
        const FACTORIAL: [f64; 4] = [1.0, 1.0, 2.0, 6.0];
        self.0[PLACE[i][j]] * FACTORIAL[i] * FACTORIAL[j]
    }

    /// f of this, where f and its first three derivatives at the value are `f`.
    pub(super) fn compose(&self, f: [f64; 4]) -> Self {
        let mut change = *self;
        change.0[0] = 0.0;
        let square = change * change;
        let cube = square * change;
        let mut sum = Self::constant(f[0]);
        for place in 1..10 {
            sum.0[place] = f[1] * change.0[place] + f[2] / 2.0 * square.0[place] + f[3] / 6.0 * cube.0[place];
        }
        sum
    }

    /// F(y, τ) where F's partial derivatives at the values of y and τ are `partials` (order of the coefficients above, derivatives and not
    /// coefficients).
    pub(super) fn of_two(partials: &[f64; 10], y: &Self, tau: &Self) -> Self {
        let (mut dy, mut dtau) = (*y, *tau);
        dy.0[0] = 0.0;
        dtau.0[0] = 0.0;
        let (yy, yt, tt) = (dy * dy, dy * dtau, dtau * dtau);
        let terms = [dy, dtau, yy, yt, tt, yy * dy, yy * dtau, tt * dy, tt * dtau];
        const DIVISORS: [f64; 9] = [1.0, 1.0, 2.0, 1.0, 2.0, 6.0, 2.0, 2.0, 6.0];
        let mut sum = Self::constant(partials[0]);
        for ((term, partial), divisor) in terms.iter().zip(&partials[1..]).zip(DIVISORS) {
            for (sum, term) in sum.0.iter_mut().zip(term.0) {
                *sum += partial / divisor * term;
            }
        }
        sum
    }

    /// eˣ.
    pub(super) fn exp(&self) -> Self {
        self.compose([self.0[0].exp(); 4])
    }

    /// ln x.
    pub(super) fn ln(&self) -> Self {
        let x = self.0[0];
        self.compose([x.ln(), 1.0 / x, -1.0 / (x * x), 2.0 / (x * x * x)])
    }

    /// xᵖ of x > 0.
    pub(super) fn powf(&self, power: f64) -> Self {
        let x = self.0[0];
        let value = x.powf(power);
        let first = power * value / x;
        let second = (power - 1.0) * first / x;
        self.compose([value, first, second, (power - 2.0) * second / x])
    }

    /// √x of x > 0.
    pub(super) fn sqrt(&self) -> Self {
        self.powf(0.5)
    }

    /// asinh x.
    pub(super) fn asinh(&self) -> Self {
        let x = self.0[0];
        let square = 1.0 + x * x;
        let root = square.sqrt();
        let cube = square * root;
        self.compose([x.asinh(), 1.0 / root, -x / cube, (2.0 * x * x - 1.0) / (cube * square)])
    }
}

impl Add for Jet {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Sub for Jet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl Neg for Jet {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.map(|c| -c))
    }
}

impl Mul<f64> for Jet {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|c| c * factor))
    }
}

impl Mul for Jet {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([
            a[0] * b[0],
            a[0] * b[1] + a[1] * b[0],
            a[0] * b[2] + a[2] * b[0],
            a[0] * b[3] + a[1] * b[1] + a[3] * b[0],
            a[0] * b[4] + a[1] * b[2] + a[2] * b[1] + a[4] * b[0],
            a[0] * b[5] + a[2] * b[2] + a[5] * b[0],
            a[0] * b[6] + a[1] * b[3] + a[3] * b[1] + a[6] * b[0],
            a[0] * b[7] + a[1] * b[4] + a[2] * b[3] + a[3] * b[2] + a[4] * b[1] + a[7] * b[0],
            a[0] * b[8] + a[1] * b[5] + a[2] * b[4] + a[4] * b[2] + a[5] * b[1] + a[8] * b[0],
            a[0] * b[9] + a[2] * b[5] + a[5] * b[2] + a[9] * b[0],
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exponents of (k, t) of each coefficient.
    const POWERS: [(usize, usize); 10] =
        [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)];

    /// A formula that uses every operation.
    fn formula(k: Jet, t: Jet) -> Jet {
        let scaled = (k * t.powf(-0.4)).asinh();
        (scaled * scaled + t.sqrt() * 0.3 - k * 0.2 + Jet::constant(1.0)).ln().exp() + (-(k * t)).exp()
    }

    fn at(k: f64, t: f64) -> Jet {
        formula(Jet::affine(k, 1.0, 0.0), Jet::affine(t, 0.0, 1.0))
    }

    #[test]
    fn partials_are_differences_of_the_order_below() {
        const H: f64 = 1e-5;
        for (k, t) in [(0.3, 0.7), (-0.4, 0.2), (0.0, 1.0)] {
            let jet = at(k, t);
            for (i, j) in POWERS.into_iter().filter(|(i, j)| i + j > 0) {
                let numeric = if i > 0 {
                    (at(k + H, t).partial(i - 1, j) - at(k - H, t).partial(i - 1, j)) / (2.0 * H)
                } else {
                    (at(k, t + H).partial(i, j - 1) - at(k, t - H).partial(i, j - 1)) / (2.0 * H)
                };
                let ours = jet.partial(i, j);
                assert!((ours - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{i}{j}: {ours} and {numeric}");
            }
        }
    }

    #[test]
    fn a_function_of_two_series_is_the_formula_written_out() {
        let (y, tau) = (Jet::affine(0.3, 1.5, -0.2).exp(), Jet::of_time([0.4, 2.0, -1.0]));
        // y²τ + 3τ.
        let (a, b) = (y.value(), tau.value());
        let partials = [a * a * b + 3.0 * b, 2.0 * a * b, a * a + 3.0, 2.0 * b, 2.0 * a, 0.0, 0.0, 2.0, 0.0, 0.0];
        let direct = y * y * tau + tau * 3.0;
        let composed = Jet::of_two(&partials, &y, &tau);
        for (ours, theirs) in composed.0.into_iter().zip(direct.0) {
            assert!((ours - theirs).abs() < 1e-12 * (1.0 + theirs.abs()), "{composed:?} {direct:?}");
        }
    }
}
