//! Radial functions of the plane, and sums of them with their derivatives.

#![allow(clippy::needless_range_loop, reason = "lanes read as their formulae do with indices")]

use crate::math::{self, MultiplyAdd, Plain, Target, dispatch, exp_moderate};

/// A radial function, by u = r²/2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kernel {
    /// Hardy's multiquadric √(1 + r²), with its sign turned: conditionally positive definite of order one.
    Multiquadric,
    /// Matérn's of smoothness 5/2: (1 + a + a²/3) e⁻ᵃ, a = √5 r.
    Matern,
}

impl Kernel {
    /// The function of two points whose distances are divided by `lengths`.
    #[inline]
    pub(super) fn value(self, x: [f64; 2], y: [f64; 2], lengths: [f64; 2]) -> f64 {
        let [a, b] = [(x[0] - y[0]) / lengths[0], (x[1] - y[1]) / lengths[1]];
        let u = 0.5 * (a * a + b * b);
        match self {
            Self::Multiquadric => multiquadric::<Plain>(u)[0],
            Self::Matern => matern::<Plain>(u)[0],
        }
    }

    /// Σ coefficient·φ(at − centre) and its partial derivatives at `at`, in the order of [`Jet::of_two`](crate::surface::jet::Jet::of_two).
    pub(super) fn sum(self, centres: &[[f64; 2]], coefficients: &[f64], at: [f64; 2], lengths: [f64; 2]) -> [f64; 10] {
        let inverse = lengths.map(|length| 1.0 / length);
        let mut sum = [0.0; 10];
        let (radial, sums) = (self, &mut sum);
        dispatch(Target::best(), Sum { radial, centres, coefficients, at, inverse, sums });
        let [p, q] = inverse;
        let scales = [1.0, p, q, p * p, p * q, q * q, p * p * p, p * p * q, p * q * q, q * q * q];
        for (sum, scale) in sum.iter_mut().zip(scales) {
            *sum *= scale;
        }
        sum
    }
}

/// The function and its first three derivatives by u.
#[inline(always)]
fn multiquadric<M: MultiplyAdd>(u: f64) -> [f64; 4] {
    let square = M::multiply_add(2.0, u, 1.0);
    let root = square.sqrt();
    let inverse = 1.0 / root;
    let cube = inverse * inverse * inverse;
    [-root, -inverse, cube, -3.0 * cube * inverse * inverse]
}

/// The same; the third derivative grows as 1/r, which the cube of the distance outweighs.
#[inline(always)]
fn matern<M: MultiplyAdd>(u: f64) -> [f64; 4] {
    let a = (10.0 * u).sqrt();
    // Beyond 700 the function is zero to any digit.
    let near = if a < 700.0 { a } else { 700.0 };
    let decay = exp_moderate::<M>(-near);
    let third = decay / if a > 1e-30 { a } else { 1e-30 };
    [(1.0 + a * (1.0 + a / 3.0)) * decay, -5.0 / 3.0 * (1.0 + a) * decay, 25.0 / 3.0 * decay, -125.0 / 3.0 * third]
}

/// The sums, of distances already divided by the lengths.
struct Sum<'a> {
    radial: Kernel,
    centres: &'a [[f64; 2]],
    coefficients: &'a [f64],
    at: [f64; 2],
    inverse: [f64; 2],
    sums: &'a mut [f64; 10],
}

impl math::Kernel for Sum<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        match self.radial {
            Kernel::Multiquadric => self.add::<M>(multiquadric::<M>),
            Kernel::Matern => self.add::<M>(matern::<M>),
        }
    }
}

impl Sum<'_> {
    #[inline(always)]
    fn add<M: MultiplyAdd>(self, radial: impl Fn(f64) -> [f64; 4]) {
        const LANES: usize = 8;
        let mut sums = [[0.0; LANES]; 10];
        let mut lane = [[0.0; LANES]; 3];
        for (centres, coefficients) in self.centres.chunks(LANES).zip(self.coefficients.chunks(LANES)) {
            // A short last chunk leaves old centres in its lanes, with nothing to add.
            lane[2] = [0.0; LANES];
            for (i, (centre, coefficient)) in centres.iter().zip(coefficients).enumerate() {
                lane[0][i] = (self.at[0] - centre[0]) * self.inverse[0];
                lane[1][i] = (self.at[1] - centre[1]) * self.inverse[1];
                lane[2][i] = *coefficient;
            }
            for i in 0..LANES {
                let [a, b, c] = [lane[0][i], lane[1][i], lane[2][i]];
                let [f, f1, f2, f3] = radial(0.5 * M::multiply_add(a, a, b * b));
                let (ca, cb) = (c * a, c * b);
                let (aa, bb) = (a * a, b * b);
                let terms = [
                    c * f,
                    f1 * ca,
                    f1 * cb,
                    c * M::multiply_add(f2, aa, f1),
                    f2 * ca * b,
                    c * M::multiply_add(f2, bb, f1),
                    ca * M::multiply_add(f3, aa, 3.0 * f2),
                    cb * M::multiply_add(f3, aa, f2),
                    ca * M::multiply_add(f3, bb, f2),
                    cb * M::multiply_add(f3, bb, 3.0 * f2),
                ];
                for j in 0..10 {
                    sums[j][i] += terms[j];
                }
            }
        }
        *self.sums = sums.map(|lanes| lanes.iter().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_the_derivatives_they_say() {
        let centres = [[0.0, 0.0], [0.3, -0.2], [-1.0, 2.0]];
        let coefficients = [1.0, -0.4, 0.7];
        for kernel in [Kernel::Multiquadric, Kernel::Matern] {
            let at = |y: f64, t: f64| kernel.sum(&centres, &coefficients, [y, t], [0.7, 1.9]);
            let (y, t, h) = (0.17, 0.4, 1e-5);
            let ours = at(y, t);
            // (derivative, of which one, by which).
            let by = [
                (1, 0, 0),
                (2, 0, 1),
                (3, 1, 0),
                (4, 1, 1),
                (4, 2, 0),
                (5, 2, 1),
                (6, 3, 0),
                (7, 3, 1),
                (8, 5, 0),
                (9, 5, 1),
            ];
            for (i, of, direction) in by {
                let (dy, dt) = if direction == 0 { (h, 0.0) } else { (0.0, h) };
                let numeric = (at(y + dy, t + dt)[of] - at(y - dy, t - dt)[of]) / (2.0 * h);
                assert!((ours[i] - numeric).abs() < 1e-7, "{kernel:?} {i}: {} {numeric}", ours[i]);
            }
            assert!(at(0.0, 0.0).iter().all(|x| x.is_finite()));
            let plain: f64 =
                centres.iter().zip(coefficients).map(|(x, c)| c * kernel.value(*x, [y, t], [0.7, 1.9])).sum();
            assert!((plain - ours[0]).abs() < 1e-14);
        }
    }

    #[test]
    fn matern_has_its_known_value() {
        // Rasmussen and Williams (2006), equation 4.17, at r = 1: (1 + √5 + 5/3) e^{−√5}.
        let expected = (1.0 + 5.0_f64.sqrt() + 5.0 / 3.0) * (-(5.0_f64.sqrt())).exp();
        assert!((Kernel::Matern.value([0.0; 2], [0.6, 1.6], [1.0, 2.0]) - expected).abs() < 1e-15);
    }
}
