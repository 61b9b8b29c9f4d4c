//! The cubic B-splines on knots whose ends are fourfold, as rows of coefficients.

/// Cubic B-splines on ascending knots.
#[derive(Clone, Debug, Default)]
pub(super) struct Basis {
    /// The distinct knots.
    pub(super) knots: Vec<f64>,
    /// The same with the ends fourfold.
    extended: Vec<f64>,
}

impl Basis {
    /// Lays the basis on `knots`, ascending.
    pub(super) fn lay(&mut self, knots: &[f64]) {
        self.knots.clear();
        self.knots.extend_from_slice(knots);
        self.extended.clear();
        let (first, last) = (knots[0], knots[knots.len() - 1]);
        self.extended.extend([first; 3]);
        self.extended.extend_from_slice(knots);
        self.extended.extend([last; 3]);
    }

    /// How many B-splines there are.
    pub(super) fn len(&self) -> usize {
        self.knots.len() + 2
    }

    /// The mean of the three inner knots of B-spline `j`: the coefficients of x itself (Greville 1964).
    pub(super) fn abscissa(&self, j: usize) -> f64 {
        (self.extended[j + 1] + self.extended[j + 2] + self.extended[j + 3]) / 3.0
    }

    /// The interval of `x`: i with knot i ≤ x < knot i + 1, the ends' intervals beyond the knots.
    pub(super) fn interval(&self, x: f64) -> usize {
        self.knots.partition_point(|&knot| knot <= x).clamp(1, self.knots.len() - 1) - 1
    }

    /// Values at `x` of the four B-splines from number `interval` on that are not zero there (de Boor 1972).
    pub(super) fn values(&self, x: f64, interval: usize) -> [f64; 4] {
        let t = &self.extended;
        let at = interval + 3;
        let mut values = [1.0, 0.0, 0.0, 0.0];
        for degree in 1..4 {
            let mut carried = 0.0;
            for r in 0..degree {
                let (high, low) = (t[at + r + 1], t[at + 1 + r - degree]);
                let share = values[r] / (high - low);
                values[r] = carried + (high - x) * share;
                carried = (x - low) * share;
            }
            values[degree] = carried;
        }
        values
    }

    /// Second derivative at knot `i` as a combination of the three B-splines from number i on.
    pub(super) fn bend(&self, i: usize) -> [f64; 3] {
        let t = &self.extended;
        let outer = 6.0 / (t[i + 4] - t[i + 2]);
        let (low, high) = (outer / (t[i + 4] - t[i + 1]), outer / (t[i + 5] - t[i + 2]));
        [low, -(low + high), high]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis() -> Basis {
        let mut basis = Basis::default();
        basis.lay(&[0.5, 0.7, 0.75, 0.9, 1.0, 1.3, 1.35, 2.0]);
        basis
    }

    /// The coefficients of x² and x³ are the second and third symmetric means of a B-spline's inner knots (Marsden 1970).
    #[test]
    fn cubics_are_met_exactly() {
        let basis = basis();
        let means = |j: usize| {
            let [a, b, c] = std::array::from_fn(|i| basis.extended[j + 1 + i]);
            [1.0, basis.abscissa(j), (a * b + b * c + a * c) / 3.0, a * b * c]
        };
        for x in [0.5, 0.6, 0.7, 0.74, 0.95, 1.0, 1.32, 1.9, 2.0] {
            let interval = basis.interval(x);
            let values = basis.values(x, interval);
            for power in 0..4 {
                let sum: f64 = (0..4).map(|r| values[r] * means(interval + r)[power]).sum();
                assert!((sum - x.powi(power as i32)).abs() < 1e-13, "x^{power} at {x}: {sum}");
            }
        }
        for (i, &knot) in basis.knots.iter().enumerate() {
            let bend = basis.bend(i);
            for (power, expected) in [0.0, 0.0, 2.0, 6.0 * knot].into_iter().enumerate() {
                let sum: f64 = (0..3).map(|r| bend[r] * means(i + r)[power]).sum();
                assert!((sum - expected).abs() < 1e-9, "bend of x^{power} at {knot}: {sum}");
            }
        }
    }
}
