//! One slice of an SSVI surface in three parameters, and its total variance as time moves them.

use serde::{Deserialize, Serialize};

use super::joins::butterfly_room;
use crate::{
    math::{Kernel, MultiplyAdd, Target, dispatch},
    surface::{
        many::BLOCK,
        smile::{Smile, Variance},
        svi::Svi,
    },
};

/// An SSVI slice (Gatheral and Jacquier 2014, equation 4.1): w(k) = θ/2 (1 + ρφk + √((φk + ρ)² + 1 − ρ²)) with ψ = θφ, so
/// w(k) = ½ (θ + ρψk + √(ψ²k² + 2ρψθk + θ²)). At the money w = θ and w′ = ρψ; the wings rise with slopes ψ(1 ∓ ρ)/2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SsviSmile {
    /// Total variance at the money, above zero.
    pub theta: f64,
    /// Tilt, in (−1, 1).
    pub rho: f64,
    /// θφ: the slopes of both wings together, above zero.
    pub psi: f64,
}

impl SsviSmile {
    /// The slice of level θ whose wings rise with these slopes: p = ψ(1 − ρ)/2 to the left, q = ψ(1 + ρ)/2 to the right.
    pub fn from_wings(theta: f64, [left, right]: [f64; 2]) -> Self {
        Self { theta, rho: (right - left) / (right + left), psi: right + left }
    }

    /// Slopes of the wings: limits of −w′ at k → −∞ and of w′ at k → ∞.
    pub fn wings(&self) -> [f64; 2] {
        [0.5 * self.psi * (1.0 - self.rho), 0.5 * self.psi * (1.0 + self.rho)]
    }

    /// φ = ψ/θ.
    pub fn phi(&self) -> f64 {
        self.psi / self.theta
    }

    /// Whether the parameters are in their domain.
    pub fn has_domain(&self) -> bool {
        let is_positive = |x: f64| x > 0.0 && x.is_finite();
        is_positive(self.theta) && is_positive(self.psi) && self.rho.abs() < 1.0
    }

    /// How much room there is to the conditions against butterfly arbitrage that an [`super::EssviSurface`] asks for, as a share of what they
    /// allow: the least of them, negative where one is broken. They are sufficient, and wider than ψ²(1 + |ρ|) ≤ 4θ of Gatheral and Jacquier
    /// (2014, theorem 4.2) wherever the steeper wing is below 1.5.
    pub fn butterfly_room(&self) -> f64 {
        let [left, right] = self.wings();
        butterfly_room([self.theta, left, right])
    }

    /// The slice as raw SVI (Gatheral and Jacquier 2014, section 4).
    pub fn to_svi(&self) -> Svi {
        let rest = 1.0 - self.rho * self.rho;
        let inverse_phi = self.theta / self.psi;
        Svi {
            a: 0.5 * self.theta * rest,
            b: 0.5 * self.psi,
            rho: self.rho,
            m: -self.rho * inverse_phi,
            sigma: rest.sqrt() * inverse_phi,
        }
    }

    /// θ, ψ and the slope at the money ρψ: the coordinates in which slices are joined.
    pub(super) fn coordinates(&self) -> [f64; 3] {
        [self.theta, self.psi, self.rho * self.psi]
    }
}

impl Smile for SsviSmile {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        Motion { at: self.coordinates(), speed: [0.0; 3], acceleration: [0.0; 3] }.variance(k).smile()
    }

    fn total_variance(&self, k: f64) -> f64 {
        total_variance(self.coordinates(), k)
    }
}

/// w(k) of θ, ψ and ρψ.
#[inline(always)]
pub(super) fn total_variance([theta, psi, tilt]: [f64; 3], k: f64) -> f64 {
    let root = (psi * psi * k * k + 2.0 * tilt * theta * k + theta * theta).sqrt();
    0.5 * (theta + tilt * k + root)
}

/// w at points each of which has its own θ, ψ and ρψ, by columns: of [`BLOCK`] points at most.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) theta: [f64; BLOCK],
    pub(super) psi: [f64; BLOCK],
    pub(super) tilt: [f64; BLOCK],
}

impl Columns {
    pub(super) const EMPTY: Self = Self { theta: [f64::NAN; BLOCK], psi: [0.0; BLOCK], tilt: [0.0; BLOCK] };

    pub(super) fn total_variances(&self, k: &[f64], out: &mut [f64]) {
        dispatch(Target::best(), Totals { columns: self, k, out });
    }
}

struct Totals<'a> {
    columns: &'a Columns,
    k: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Totals<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Columns { theta, psi, tilt } = self.columns;
        for ((((out, k), theta), psi), tilt) in self.out.iter_mut().zip(self.k).zip(theta).zip(psi).zip(tilt) {
            *out = total_variance([*theta, *psi, *tilt], *k);
        }
    }
}

/// θ, ψ and ρψ at one time, and their first and second derivatives by years.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    pub(super) at: [f64; 3],
    pub(super) speed: [f64; 3],
    pub(super) acceleration: [f64; 3],
}

impl Motion {
    /// w and its derivatives at `k`: with R the root of Q = ψ²k² + 2ρψθk + θ², those of ½ (θ + ρψk + R).
    pub(super) fn variance(&self, k: f64) -> Variance {
        let [theta, psi, tilt] = self.at;
        let [theta_1, psi_1, tilt_1] = self.speed;
        let [theta_2, psi_2, tilt_2] = self.acceleration;
        let square = k * k;
        let root = (psi * psi * square + 2.0 * tilt * theta * k + theta * theta).sqrt();
        let by_k = psi * psi * k + tilt * theta;
        let by_kt = 2.0 * psi * psi_1 * k + tilt_1 * theta + tilt * theta_1;
        let by_t = psi * psi_1 * square + (tilt_1 * theta + tilt * theta_1) * k + theta * theta_1;
        let by_tt = (psi_1 * psi_1 + psi * psi_2) * square
            + (tilt_2 * theta + 2.0 * tilt_1 * theta_1 + tilt * theta_2) * k
            + (theta_1 * theta_1 + theta * theta_2);
        let inverse = 1.0 / root;
        let (slope, rate) = (by_k * inverse, by_t * inverse);
        Variance {
            total: 0.5 * (theta + tilt * k + root),
            by_k: 0.5 * (tilt + slope),
            by_kk: 0.5 * theta * theta * (psi - tilt) * (psi + tilt) * inverse * inverse * inverse,
            by_t: 0.5 * (theta_1 + tilt_1 * k + rate),
            by_kt: 0.5 * (tilt_1 + (by_kt - slope * rate) * inverse),
            by_tt: 0.5 * (theta_2 + tilt_2 * k + (by_tt - rate * rate) * inverse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::Ssvi;

    const SLICE: SsviSmile = SsviSmile { theta: 0.04, rho: -0.7, psi: 0.11 };

    #[test]
    fn the_published_form_in_any_of_its_writings() {
        let SsviSmile { theta, rho, .. } = SLICE;
        let phi = SLICE.phi();
        for step in -40..=40 {
            let k = 0.05 * f64::from(step);
            let published = 0.5 * theta * (1.0 + rho * phi * k + ((phi * k + rho).powi(2) + 1.0 - rho * rho).sqrt());
            for ours in [
                SLICE.total_variance(k),
                SLICE.to_svi().total_variance(k),
                SsviSmile::from_wings(theta, SLICE.wings()).total_variance(k),
            ] {
                assert!((ours - published).abs() < 1e-15, "{ours} and {published} at {k}");
            }
            // The wings' product form: (w + pk)(w − qk) = θw.
            let [left, right] = SLICE.wings();
            assert!(((published + left * k) * (published - right * k) - theta * published).abs() < 1e-15);
            let (ours, raw) = (SLICE.derivatives(k), SLICE.to_svi().derivatives(k));
            assert!(ours.iter().zip(raw).all(|(x, y)| (x - y).abs() < 1e-13), "{ours:?} and {raw:?}");
        }
        assert_eq!(SLICE.total_variance(0.0), theta);
    }

    #[test]
    fn it_is_the_slice_of_the_backbone() {
        let shape = Ssvi { rho: -0.7, eta: 0.9, gamma: 0.4 };
        let theta = 0.03;
        let slice = SsviSmile { theta, rho: shape.rho, psi: theta * shape.phi(theta) };
        for k in [-1.0, -0.2, 0.0, 0.1, 0.7] {
            assert!((slice.total_variance(k) - shape.total_variance(k, theta)).abs() < 1e-15);
        }
    }

    #[test]
    fn derivatives_by_time_are_those_of_the_total_variance() {
        let motion = |t: f64| Motion {
            at: [0.04 + 0.05 * t + 0.02 * t * t, 0.1 + 0.08 * t - 0.03 * t * t, -0.06 - 0.02 * t + 0.01 * t * t],
            speed: [0.05 + 0.04 * t, 0.08 - 0.06 * t, -0.02 + 0.02 * t],
            acceleration: [0.04, -0.06, 0.02],
        };
        let (t, h) = (0.3, 1e-4);
        for k in [-0.8, -0.1, 0.0, 0.2, 0.9] {
            let at = motion(t).variance(k);
            let (up, down) = (motion(t + h).variance(k), motion(t - h).variance(k));
            let pairs = [
                ((up.total - down.total) / (2.0 * h), at.by_t),
                ((up.by_t - down.by_t) / (2.0 * h), at.by_tt),
                ((up.by_k - down.by_k) / (2.0 * h), at.by_kt),
            ];
            for (numeric, ours) in pairs {
                assert!((numeric - ours).abs() < 1e-8, "{ours} and {numeric} at {k}");
            }
        }
    }
}
