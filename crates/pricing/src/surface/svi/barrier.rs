//! The barrier that keeps a constraint c ≥ 0: −ln(c/c₀) + c/c₀ − 1 below its reach c₀, nothing beyond it, and below an edge near zero the
//! parabola that continues it, so that a start outside is allowed and driven in.

use super::lanes::{self, LANES, Lanes};

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

    /// Whether the barrier is felt at any of eight values.
    #[inline(always)]
    pub(super) fn reaches_any(self, c: Lanes) -> bool {
        c.is_any_below(self.reach)
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

/// The sum of a barrier over many values, eight at a time. The logarithm is taken of products: no factor is below edge/reach, so that 64 of
/// them stay far from underflow.
pub(super) struct BarrierSum {
    barrier: Barrier,
    sum: Lanes,
    logarithms: f64,
    product: Lanes,
    factors: usize,
}

impl BarrierSum {
    /// Factors a lane before the logarithm is taken.
    const MOST_FACTORS: usize = 8;

    #[inline(always)]
    pub(super) fn new(barrier: Barrier) -> Self {
        Self { barrier, sum: Lanes::ZERO, logarithms: 0.0, product: Lanes::ONE, factors: 0 }
    }

    /// Adds the barrier at eight values.
    #[inline(always)]
    pub(super) fn add(&mut self, c: Lanes) {
        let Barrier { reach, edge } = self.barrier;
        let c = c.least(Lanes::splat(reach));
        let (edge, inverse_reach) = (Lanes::splat(edge), Lanes::splat(1.0 / reach));
        let beyond = (c.least(edge) - edge) * Lanes::splat(1.0 / self.barrier.edge);
        let parabola = beyond * (Lanes::splat(0.5) * beyond - Lanes::ONE);
        self.sum = self.sum + (c * inverse_reach - Lanes::ONE) + parabola;
        self.product = self.product * (c.greatest(edge) * inverse_reach);
        self.factors += 1;
        if self.factors == Self::MOST_FACTORS {
            self.take_logarithm();
        }
    }

    #[inline(always)]
    fn take_logarithm(&mut self) {
        self.logarithms += lanes::logarithm_of_product(&self.product);
        (self.product, self.factors) = (Lanes::ONE, 0);
    }

    /// The sum; not finite where a value was not.
    #[inline(always)]
    pub(super) fn finish(mut self) -> f64 {
        if self.factors > 0 {
            self.take_logarithm();
        }
        lanes::sums(&[self.sum])[0] - self.logarithms
    }
}

#[cfg(test)]
mod tests {
    use super::{Barrier, BarrierSum, LANES, Lanes};

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
        let halves = barrier.half_derivatives_of_lanes(many);
        let mut sum = BarrierSum::new(barrier);
        (0..20).for_each(|_| sum.add(many));
        let expected = 20.0 * many.0.into_iter().map(|c| barrier.value(c)).sum::<f64>();
        assert!((sum.finish() - expected).abs() < 1e-12 * expected);
        let mut sum = BarrierSum::new(barrier);
        sum.add(Lanes::splat(f64::NEG_INFINITY));
        assert!(!sum.finish().is_finite());
        for i in 0..LANES {
            let (first, second) = barrier.half_derivatives(many.0[i]);
            assert!((halves[0].0[i] - first).abs() < 1e-12 * (1.0 + first.abs()), "{i}");
            assert!((halves[1].0[i] - second).abs() < 1e-12 * (1.0 + second.abs()), "{i}");
        }
        for c in [1e-3, 0.05] {
            assert!((barrier.value(c + 1e-12) - barrier.value(c - 1e-12)).abs() < 1e-8);
        }
        assert!(barrier.reaches(0.0499) && !barrier.reaches(0.05));
    }
}
