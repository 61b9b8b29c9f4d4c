//! The residual by nested dual numbers: an independent derivation, from the network's formula alone, of what jets and ansatz give.

use super::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What dual numbers are made of, and are.
trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    fn exp(self) -> Self;
    fn sqrt(self) -> Self;
    fn ln(self) -> Self;
}

impl Number for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
}

/// A value and its derivative along one direction.
#[derive(Clone, Copy)]
struct Dual<T>(T, T);

impl<T: Number> Add for Dual<T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl<T: Number> Sub for Dual<T> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }
}

impl<T: Number> Mul for Dual<T> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0, self.0 * other.1 + self.1 * other.0)
    }
}

impl<T: Number> Div for Dual<T> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let ratio = self.0 / other.0;
        Self(ratio, (self.1 - ratio * other.1) / other.0)
    }
}

impl<T: Number> Neg for Dual<T> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<T: Number> Number for Dual<T> {
    fn of(x: f64) -> Self {
        Self(T::of(x), T::of(0.0))
    }
    fn exp(self) -> Self {
        let e = self.0.exp();
        Self(e, e * self.1)
    }
    fn sqrt(self) -> Self {
        let root = self.0.sqrt();
        Self(root, self.1 / (root + root))
    }
    fn ln(self) -> Self {
        Self(self.0.ln(), self.1 / self.0)
    }
}

/// D of the Black–Scholes network at k and s, written out anew.
fn d<T: Number>(solution: &Solution, most_deviation: f64, k: T, s: T) -> T {
    let one = T::of(1.0);
    let x = k / s;
    let bent = x / (one + x * x / T::of(25.0)).sqrt();
    let mut values = vec![T::of(0.4) * bent, T::of(3.0 / most_deviation) * s - T::of(1.2)];
    let network = solution.network();
    let mut parameters = solution.parameters.iter().copied();
    for layer in 0..=network.depth {
        let units = if layer == network.depth { 1 } else { network.width };
        let weights: Vec<f64> = parameters.by_ref().take(units * values.len()).collect();
        let biases: Vec<f64> = parameters.by_ref().take(units).collect();
        let sum = |unit: usize| {
            let each = values.iter().enumerate().map(|(i, value)| T::of(weights[i * units + unit]) * *value);
            each.fold(T::of(biases[unit]), |sum, term| sum + term)
        };
        let tanh = |z: T| one - T::of(2.0) / ((z + z).exp() + one);
        values = (0..units).map(sum).map(|z| if layer == network.depth { z } else { tanh(z) }).collect();
    }
    let q = values[0] - ((one + x * x).sqrt() - one) + T::of(2.0) * s.ln();
    let y = one / (one + (-q).exp());
    let half = k * T::of(0.5);
    let h = (half.exp() - (-half).exp()) * T::of(0.5);
    (h * h + y).sqrt()
}

#[test]
fn the_residual_is_that_of_nested_dual_numbers() {
    let config = config(PLAIN, "[network]\nwidth = 9\ndepth = 3");
    let solution = Solution::untrained(config);
    let problem = solution.problem();
    let most_deviation = 1.05 * 1.5 * 3.0_f64.sqrt();
    let places = spread(&problem, 200, 11, 0);
    let points = Points::new(&problem, places.clone());
    for (place, found) in places.iter().zip(points.residuals(solution.network(), &solution.parameters)) {
        let (s, k) = (place.time, place.x * place.time);
        // Along k twice, and along s.
        let twice =
            d(&solution, most_deviation, Dual(Dual(k, 1.0), Dual(1.0, 0.0)), Dual(Dual(s, 0.0), Dual(0.0, 0.0)));
        let by_s = d(&solution, most_deviation, Dual(k, 0.0), Dual(s, 1.0));
        let wanted = by_s.1 - s * (twice.1.1 - 0.25 * by_s.0);
        // What cancels is of the size of D.
        let size = 1.0 + by_s.0 * (1.0 + 1.0 / s);
        assert!((found - wanted).abs() < 1e-11 * size, "{place:?}: {found} {wanted}");
    }
}
