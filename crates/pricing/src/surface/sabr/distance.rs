//! x(z)/z, the ratio of the two distances from the forward in Hagan's formulae, with derivatives and without cancellation at z = 0.
//!
//! x(z) = ln((√(1 − 2ρz + z²) + z − ρ)/(1 − ρ)) has x′(z) = 1/√(1 − 2ρz + z²), the generating function of Legendre's polynomials, so that
//! x(z)/z = Σ Pₙ(ρ) zⁿ/(n + 1).

use crate::math::{Plain, ln};

/// Terms of the series, and where it stands in for the closed form: 0.1²⁰ is below rounding.
const TERMS: usize = 20;
const SERIES_BELOW: f64 = 0.1;
/// 1/(n + 1).
const INVERSE: [f64; TERMS] = {
    let mut inverse = [1.0; TERMS];
    let mut n = 1;
    while n < TERMS {
        inverse[n] = 1.0 / (n + 1) as f64;
        n += 1;
    }
    inverse
};

/// g(z) = x(z)/z and its derivatives g′(z), g″(z) and ∂g/∂ρ. |ρ| < 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    pub(super) value: f64,
    pub(super) by_z: f64,
    pub(super) by_zz: f64,
    pub(super) by_rho: f64,
}

/// g at any number of z for one ρ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distance {
    rho: f64,
    /// Pₙ(ρ)/(n + 1).
    series: [f64; TERMS],
    /// Pₙ′(ρ)/(n + 1).
    series_by_rho: [f64; TERMS],
    inverse: [f64; 2],
}

impl Distance {
    pub(super) fn new(rho: f64) -> Self {
        let (mut p, mut slope) = ([0.0; TERMS], [0.0; TERMS]);
        (p[0], p[1], slope[1]) = (1.0, rho, 1.0);
        for n in 1..TERMS - 1 {
            let order = n as f64;
            // Bonnet's recursion, and (n + 1) Pₙ = P′ₙ₊₁ − ρ P′ₙ.
            p[n + 1] = ((2.0 * order + 1.0) * rho * p[n] - order * p[n - 1]) * INVERSE[n];
            slope[n + 1] = (order + 1.0) * p[n] + rho * slope[n];
        }
        for n in 0..TERMS {
            p[n] *= INVERSE[n];
            slope[n] *= INVERSE[n];
        }
        Self { rho, series: p, series_by_rho: slope, inverse: [1.0 / (1.0 - rho), 1.0 / (1.0 + rho)] }
    }

    /// The first terms of the series and of its derivative by ρ.
    pub(super) fn first_terms<const N: usize>(&self) -> [[f64; N]; 2] {
        [std::array::from_fn(|n| self.series[n]), std::array::from_fn(|n| self.series_by_rho[n])]
    }

    #[inline]
    pub(super) fn at(&self, z: f64) -> Ratio {
        if z.abs() < SERIES_BELOW { self.near(z) } else { self.far(z) }
    }

    fn near(&self, z: f64) -> Ratio {
        let (mut value, mut by_z, mut half_by_zz, mut by_rho) = (0.0, 0.0, 0.0, 0.0);
        for n in (0..TERMS).rev() {
            half_by_zz = half_by_zz * z + by_z;
            by_z = by_z * z + value;
            value = value * z + self.series[n];
            by_rho = by_rho * z + self.series_by_rho[n];
        }
        Ratio { value, by_z, by_zz: 2.0 * half_by_zz, by_rho }
    }

    #[inline]
    fn far(&self, z: f64) -> Ratio {
        let rho = self.rho;
        let square = 1.0 - 2.0 * rho * z + z * z;
        let root = square.sqrt();
        let slope = 1.0 / root;
        // (√ + z − ρ)(√ − z + ρ) = 1 − ρ²: the sum without cancellation on either side.
        let (x, by_rho) = if z >= rho {
            let sum = root + z - rho;
            (ln::<Plain>(sum * self.inverse[0]), self.inverse[0] - (1.0 + z * slope) / sum)
        } else {
            let sum = root - z + rho;
            (-ln::<Plain>(sum * self.inverse[1]), self.inverse[1] - (1.0 - z * slope) / sum)
        };
        let over = 1.0 / z;
        let value = x * over;
        let by_z = (slope - value) * over;
        let bend = -(z - rho) * slope / square;
        Ratio { value, by_z, by_zz: (bend - 2.0 * by_z) * over, by_rho: by_rho * over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_closed_form_meet() {
        for rho in [-0.999, -0.7, -0.1, 0.0, 0.4, 0.95] {
            let distance = Distance::new(rho);
            for z in [-SERIES_BELOW, SERIES_BELOW] {
                let (near, far) = (distance.near(z), distance.far(z));
                let pairs = [(near.value, far.value), (near.by_z, far.by_z), (near.by_rho, far.by_rho)];
                for (near, far) in pairs {
                    assert!((near - far).abs() < 2e-13, "{near} {far} at {rho}");
                }
                assert!((near.by_zz - far.by_zz).abs() < 5e-12, "{near:?} {far:?} at {rho}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for rho in [-0.95, -0.3, 0.0, 0.8] {
            for z in [-30.0, -2.0, -0.3, -0.05, 0.0, 0.02, 0.5, 4.0, 50.0] {
                let at = Distance::new(rho).at(z);
                let h = 1e-5 * (1.0 + z.abs());
                let (up, down) = (Distance::new(rho).at(z + h), Distance::new(rho).at(z - h));
                let (more, less) = (Distance::new(rho + 1e-6).at(z), Distance::new(rho - 1e-6).at(z));
                let pairs = [
                    (at.by_z, (up.value - down.value) / (2.0 * h)),
                    (at.by_zz, (up.by_z - down.by_z) / (2.0 * h)),
                    (at.by_rho, (more.value - less.value) / 2e-6),
                ];
                for (ours, theirs) in pairs {
                    assert!((ours - theirs).abs() < 1e-8 * (1.0 + theirs.abs()), "{ours} {theirs} at {z}, {rho}");
                }
            }
        }
    }
}
