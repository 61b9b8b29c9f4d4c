//! The barrier that keeps a constraint c ≥ 0: −ln(c/c₀) + c/c₀ − 1 below its reach c₀, nothing beyond it, and below an edge near zero the
//! parabola that continues it, so that a start outside is allowed and driven in.

use super::lanes::{LANES, Lanes};
use crate::math::{MultiplyAdd, ln};

/// One barrier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barrier {
    reach: f64,
    edge: f64,
}

impl Barrier {
    pub(super) fn new(reach: f64, edge: f64) -> Self {
        Self { reach, edge }
    }

    /// Whether the barrier is felt at `c`.
    #[inline(always)]
    pub(super) fn reaches(self, c: f64) -> bool {
        c < self.reach
    }

    /// The barrier at `c`.
    #[inline(always)]
    pub(super) fn value(self, c: f64) -> f64 {
        if c >= self.reach {
            return 0.0;
        }
        let linear = c / self.reach - 1.0;
        if c > self.edge {
            return linear - (c / self.reach).ln();
        }
        let beyond = (c - self.edge) / self.edge;
        linear - (self.edge / self.reach).ln() - beyond + 0.5 * beyond * beyond
    }

    /// The barrier at eight values; not finite where one of them is not.
    #[inline(always)]
    pub(super) fn value_of_lanes<M: MultiplyAdd>(self, c: Lanes) -> Lanes {
        let (edge, inverse_edge, inverse_reach) =
            (Lanes::splat(self.edge), Lanes::splat(1.0 / self.edge), Lanes::splat(1.0 / self.reach));
        let inner = c.greatest(edge) * inverse_reach;
        let mut log = inner;
        for i in 0..LANES {
            log.0[i] = ln::<M>(inner.0[i]);
        }
        let beyond = (c.least(edge) - edge) * inverse_edge;
        let value = c * inverse_reach - Lanes::ONE - log - beyond + Lanes::splat(0.5) * beyond * beyond;
        let mut out = value;
        for i in 0..LANES {
            out.0[i] = if c.0[i] >= self.reach { 0.0 } else { value.0[i] };
        }
        out
    }

    /// [`Barrier::half_derivatives`] at eight values.
    #[inline(always)]
    pub(super) fn half_derivatives_of_lanes(self, c: Lanes) -> [Lanes; 2] {
        let edge = Lanes::splat(self.edge);
        let inverse = Lanes::ONE / c.greatest(edge);
        let square = inverse * inverse;
        let slope = Lanes::splat(1.0 / self.reach) - inverse + (c.least(edge) - edge) * square;
        let half = Lanes::splat(0.5);
        let mut out = [half * slope, half * square];
        for part in &mut out {
            for i in 0..LANES {
                part.0[i] = if c.0[i] >= self.reach { 0.0 } else { part.0[i] };
            }
        }
        out
    }

    /// Half the first and half the second derivative at `c`.
    #[inline(always)]
    pub(super) fn half_derivatives(self, c: f64) -> (f64, f64) {
        if c >= self.reach {
            return (0.0, 0.0);
        }
        if c > self.edge {
            return (0.5 * (1.0 / self.reach - 1.0 / c), 0.5 / (c * c));
        }
        let inverse = 1.0 / self.edge;
        let slope = 1.0 / self.reach - inverse + (c - self.edge) * inverse * inverse;
        (0.5 * slope, 0.5 * inverse * inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::{Barrier, LANES, Lanes};
    use crate::math::Plain;

    #[test]
    fn derivatives_agree_with_differences_and_pieces_join() {
        let barrier = Barrier::new(0.05, 1e-3);
        for c in [-0.01, 0.0, 5e-4, 2e-3, 0.03, 0.049, 0.06_f64] {
            let h = 1e-7;
            let slope = (barrier.value(c + h) - barrier.value(c - h)) / (2.0 * h);
            let bend = (barrier.half_derivatives(c + h).0 - barrier.half_derivatives(c - h).0) / h;
            let (first, second) = barrier.half_derivatives(c);
            assert!((2.0 * first - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{c}: {first} {slope}");
            assert!((2.0 * second - bend).abs() < 1e-4 * (1.0 + bend.abs()), "{c}: {second} {bend}");
        }
        let many = Lanes([-0.01, 0.0, 5e-4, 2e-3, 0.03, 0.049, 0.06, 1e-3]);
        let (values, halves) = (barrier.value_of_lanes::<Plain>(many), barrier.half_derivatives_of_lanes(many));
        for i in 0..LANES {
            let (value, (first, second)) = (barrier.value(many.0[i]), barrier.half_derivatives(many.0[i]));
            assert!((values.0[i] - value).abs() < 1e-12 * (1.0 + value), "{i}");
            assert!((halves[0].0[i] - first).abs() < 1e-12 * (1.0 + first.abs()), "{i}");
            assert!((halves[1].0[i] - second).abs() < 1e-12 * (1.0 + second.abs()), "{i}");
        }
        for c in [1e-3, 0.05] {
            assert!((barrier.value(c + 1e-12) - barrier.value(c - 1e-12)).abs() < 1e-8);
        }
        assert!(barrier.reaches(0.0499) && !barrier.reaches(0.05));
    }
}
