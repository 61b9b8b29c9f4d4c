//! The shapes of SSVI in a box of coordinates that holds no arbitrage, and what each coordinate does to ψ.

use super::phi::{GAMMA_RANGE, Phi, heston, heston_derivatives, most_eta};

/// Which φ(θ) an SSVI surface has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SsviLaw {
    /// [`Phi::PowerLaw`].
    #[default]
    PowerLaw,
    /// [`Phi::PlainPowerLaw`].
    PlainPowerLaw,
    /// [`Phi::Heston`].
    Heston,
}

/// Coordinates of a shape: ρ, the level of φ, and γ. The level is a share of the greatest that is free of arbitrage, so that a box holds
/// all of these and no other; or, where a family is loose, η or 4/λ itself.
pub(super) type Shape = [f64; 3];

/// A law with what its coordinates mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) law: SsviLaw,
    /// The θ up to which a plain power holds.
    pub(super) cap: f64,
    /// Without conditions against arbitrage.
    pub(super) is_loose: bool,
}

/// Least and greatest tilt.
const MOST_RHO: f64 = 0.999;
/// Least and greatest share of the greatest level.
const SHARE_RANGE: [f64; 2] = [1e-4, 1.0 - 1e-9];

impl Family {
    /// The box.
    pub(super) fn range(&self) -> [Shape; 2] {
        let gamma = match (self.law, self.is_loose) {
            (SsviLaw::Heston, _) => [0.0, 0.0],
            (_, false) => GAMMA_RANGE,
            (_, true) => [-1.0, 1.5],
        };
        let share = if self.is_loose { [SHARE_RANGE[0], 1e4] } else { SHARE_RANGE };
        [0, 1].map(|end| [[-MOST_RHO, MOST_RHO][end], share[end], gamma[end]])
    }

    /// Shapes to start from: an index's skew, a steep one, none, and the other way.
    pub(super) fn starts(&self) -> [Shape; 4] {
        match self.law {
            SsviLaw::Heston => [[-0.6, 0.9, 0.0], [-0.9, 0.5, 0.0], [0.0, 0.5, 0.0], [0.6, 0.9, 0.0]],
            _ => [[-0.6, 0.6, 0.42], [-0.85, 0.9, 0.45], [0.0, 0.4, 0.3], [0.6, 0.6, 0.42]],
        }
    }

    /// The typical shape: an index's.
    pub(super) fn typical(&self) -> Shape {
        self.starts()[0]
    }

    /// The greatest level at ρ and γ, and the derivatives of its logarithm by ρ and γ.
    fn most(&self, [rho, _, gamma]: Shape) -> [f64; 3] {
        if self.is_loose {
            return [1.0, 0.0, 0.0];
        }
        match self.law {
            SsviLaw::PowerLaw => most_eta(rho, gamma, None),
            SsviLaw::PlainPowerLaw => most_eta(rho, gamma, Some(self.cap)),
            SsviLaw::Heston => {
                let tilt = 1.0 + rho.abs();
                [1.0 / tilt, -rho.signum() / tilt, 0.0]
            }
        }
    }

    /// φ at `shape`.
    pub(super) fn phi(&self, shape: Shape) -> Phi {
        let level = shape[1] * self.most(shape)[0];
        let gamma = shape[2];
        match self.law {
            SsviLaw::PowerLaw => Phi::PowerLaw { eta: level, gamma },
            SsviLaw::PlainPowerLaw => Phi::PlainPowerLaw { eta: level, gamma, cap: self.cap },
            SsviLaw::Heston => Phi::Heston { lambda: 0.25 / level },
        }
    }

    /// The shape of `phi` at tilt ρ, brought into the box; none where it is of another law.
    pub(super) fn shape(&self, rho: f64, phi: &Phi) -> Option<Shape> {
        let [low, high] = self.range();
        let (level, gamma) = match (*phi, self.law) {
            (Phi::PowerLaw { eta, gamma }, SsviLaw::PowerLaw)
            | (Phi::PlainPowerLaw { eta, gamma, .. }, SsviLaw::PlainPowerLaw) => (eta, gamma),
            (Phi::Heston { lambda }, SsviLaw::Heston) => (0.25 / lambda, 0.0),
            _ => return None,
        };
        let mut shape = [rho.clamp(low[0], high[0]), level, gamma.clamp(low[2], high[2])];
        shape[1] = (level / self.most(shape)[0]).clamp(low[1], high[1]);
        Some(shape)
    }

    /// Logarithm of the level of φ, and its derivatives by the coordinates.
    pub(super) fn log_level(&self, shape: Shape) -> (f64, Shape) {
        let [most, by_rho, by_gamma] = self.most(shape);
        ((shape[1] * most).ln(), [by_rho, 1.0 / shape[1], by_gamma])
    }

    /// ψ at θ, its derivative by ln θ, and those by the coordinates.
    #[inline]
    pub(super) fn psi(&self, theta: f64, shape: Shape) -> [f64; 5] {
        let (log_level, [by_rho, by_share, by_gamma]) = self.log_level(shape);
        let level = log_level.exp();
        let gamma = shape[2];
        match self.law {
            SsviLaw::PowerLaw | SsviLaw::PlainPowerLaw => {
                let (log_base, elasticity) = match self.law {
                    SsviLaw::PowerLaw => ((theta / (1.0 + theta)).ln(), (1.0 - gamma) / (1.0 + theta)),
                    _ if theta > self.cap => (self.cap.ln(), 0.0),
                    _ => (theta.ln(), 1.0 - gamma),
                };
                let psi = level * ((1.0 - gamma) * log_base).exp();
                [psi, elasticity * psi, by_rho * psi, by_share * psi, (by_gamma - log_base) * psi]
            }
            SsviLaw::Heston => {
                let lambda = 0.25 / level;
                let x = lambda * theta;
                let slope = heston_derivatives(x)[0];
                let psi = heston(x) / lambda;
                // A greater level is a smaller λ.
                let by_log_level = psi - theta * slope;
                [psi, theta * slope, by_rho * by_log_level, by_share * by_log_level, 0.0]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut all = Vec::new();
        for law in [SsviLaw::PowerLaw, SsviLaw::PlainPowerLaw, SsviLaw::Heston] {
            for is_loose in [false, true] {
                all.push(Family { law, cap: 0.5, is_loose });
            }
        }
        all
    }

    #[test]
    fn slopes_of_psi_agree_with_differences() {
        for family in families() {
            for shape in [[-0.6, 0.5, 0.3], [0.3, 0.9, 0.45]] {
                for theta in [1e-5, 0.02, 0.3, 2.0_f64] {
                    let ours = family.psi(theta, shape);
                    assert!((ours[0] / family.phi(shape).psi(theta) - 1.0).abs() < 1e-13);
                    let h = 1e-6;
                    let by_log = |h: f64| family.psi(theta * h.exp(), shape)[0];
                    assert!(((by_log(h) - by_log(-h)) / (2.0 * h) - ours[1]).abs() < 1e-7 * ours[0], "{family:?}");
                    for i in 0..3 {
                        let moved = |h: f64| {
                            let mut moved = shape;
                            moved[i] += h;
                            family.psi(theta, moved)[0]
                        };
                        if family.law != SsviLaw::Heston || i < 2 {
                            let numeric = (moved(h) - moved(-h)) / (2.0 * h);
                            assert!((numeric - ours[2 + i]).abs() < 1e-6 * ours[0], "{family:?} {i} at {theta}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_corner_of_the_box_is_free_of_arbitrage_and_reads_back() {
        for family in families() {
            let [low, high] = family.range();
            for corner in 0..8 {
                let shape: Shape = std::array::from_fn(|i| if corner >> i & 1 == 0 { low[i] } else { high[i] });
                let phi = family.phi(shape);
                assert!(family.is_loose || phi.has_domain() && phi.most(shape[0]) >= 1.0, "{phi:?}");
                let back = family.shape(shape[0], &phi).expect("the same law");
                assert!(back.iter().zip(shape).all(|(x, y)| (x - y).abs() < 1e-9 * y.abs().max(1.0)));
            }
        }
    }
}
