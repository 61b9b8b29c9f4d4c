//! The barrier that keeps a constraint c ≥ 0: −ln(c/c₀) + c/c₀ − 1 below its reach c₀, nothing beyond it, and below an edge near zero the
//! parabola that continues it, so that a start outside is allowed and driven in.

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
    use super::Barrier;

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
        for c in [1e-3, 0.05] {
            assert!((barrier.value(c + 1e-12) - barrier.value(c - 1e-12)).abs() < 1e-8);
        }
        assert!(barrier.reaches(0.0499) && !barrier.reaches(0.05));
    }
}
