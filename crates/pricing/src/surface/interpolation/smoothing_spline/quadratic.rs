//! Least squares under linear inequalities, by a primal-dual interior point.

use crate::surface::interpolation::dense::{Cholesky, dot};

/// min ½ xᵀHx − bᵀx over Gx ≥ h.
pub(super) struct Quadratic {
    /// H, positive definite, both triangles.
    pub(super) hessian: Vec<Vec<f64>>,
    /// b.
    pub(super) linear: Vec<f64>,
    /// Rows of G, scaled so that what is slack is about one.
    pub(super) rows: Vec<Vec<f64>>,
    /// h.
    pub(super) least: Vec<f64>,
}

impl Quadratic {
    /// The least point without the inequalities.
    pub(super) fn unconstrained(&self) -> Option<Vec<f64>> {
        Some(Cholesky::new(self.linear.len(), |i, j| self.hessian[i][j])?.solve(&self.linear))
    }

    /// The least point, strictly inside the inequalities by what the last barrier leaves (Mehrotra's predictor and corrector, "On the
    /// implementation of a primal-dual interior point method", 1992); none where sixty steps do not find it.
    pub(super) fn solve(&self) -> Option<Vec<f64>> {
        const STEPS: usize = 60;
        const FEASIBLE: f64 = 1e-9;
        const GAP: f64 = 1e-9;
        let (n, m) = (self.linear.len(), self.rows.len());
        let mut x = self.unconstrained()?;
        let mut slack: Vec<f64> = (0..m).map(|i| (dot(&self.rows[i], &x) - self.least[i]).max(0.1)).collect();
        let mut dual = vec![1.0; m];
        for _ in 0..STEPS {
            let product = |v: &[f64]| -> Vec<f64> { self.rows.iter().map(|row| dot(row, v)).collect() };
            let transposed = |v: &[f64]| {
                let mut sum = vec![0.0; n];
                for (row, v) in self.rows.iter().zip(v) {
                    sum.iter_mut().zip(row).for_each(|(sum, g)| *sum += v * g);
                }
                sum
            };
            let gap = dot(&slack, &dual) / m as f64;
            let primal: Vec<f64> =
                product(&x).iter().zip(&slack).zip(&self.least).map(|((gx, s), h)| gx - s - h).collect();
            let pushed = transposed(&dual);
            let steep: Vec<f64> = (0..n).map(|i| dot(&self.hessian[i], &x) - self.linear[i] - pushed[i]).collect();
            let scale = 1.0 + self.linear.iter().fold(0.0_f64, |most, b| most.max(b.abs()));
            let far = primal.iter().fold(0.0_f64, |most, r| most.max(r.abs()));
            let tilt = steep.iter().fold(0.0_f64, |most, r| most.max(r.abs())) / scale;
            if gap < GAP && far < FEASIBLE && tilt < 1e-7 {
                return x.iter().all(|x| x.is_finite()).then_some(x);
            }
            let weights: Vec<f64> = slack.iter().zip(&dual).map(|(s, z)| z / s).collect();
            let mut matrix = self.hessian.clone();
            for (row, weight) in self.rows.iter().zip(&weights) {
                for i in 0..n {
                    let scaled = weight * row[i];
                    if scaled != 0.0 {
                        matrix[i][..=i].iter_mut().zip(row).for_each(|(sum, g)| *sum += scaled * g);
                    }
                }
            }
            let factor = Cholesky::new(n, |i, j| if i == j { matrix[i][i] * (1.0 + 1e-13) } else { matrix[i][j] })?;
            let direction = |complement: &[f64]| {
                let right: Vec<f64> = (0..m).map(|i| complement[i] / slack[i] + weights[i] * primal[i]).collect();
                let back = transposed(&right);
                let right: Vec<f64> = steep.iter().zip(&back).map(|(r, back)| -r - back).collect();
                let dx = factor.solve(&right);
                let ds: Vec<f64> = product(&dx).iter().zip(&primal).map(|(gx, r)| gx + r).collect();
                let dz: Vec<f64> = (0..m).map(|i| -complement[i] / slack[i] - weights[i] * ds[i]).collect();
                (dx, ds, dz)
            };
            let plain: Vec<f64> = slack.iter().zip(&dual).map(|(s, z)| s * z).collect();
            let (_, ds, dz) = direction(&plain);
            let (primal_step, dual_step) = (longest(&slack, &ds), longest(&dual, &dz));
            let after: f64 =
                (0..m).map(|i| (slack[i] + primal_step * ds[i]) * (dual[i] + dual_step * dz[i])).sum::<f64>()
                    / m as f64;
            let centring = (after / gap).powi(3) * gap;
            let corrected: Vec<f64> = (0..m).map(|i| plain[i] + ds[i] * dz[i] - centring).collect();
            let (dx, ds, dz) = direction(&corrected);
            // One step for both: the problem is quadratic.
            let step = 0.99 * longest(&slack, &ds).min(longest(&dual, &dz));
            x.iter_mut().zip(&dx).for_each(|(x, d)| *x += step * d);
            slack.iter_mut().zip(&ds).for_each(|(s, d)| *s += step * d);
            dual.iter_mut().zip(&dz).for_each(|(z, d)| *z += step * d);
        }
        None
    }
}

/// The longest step in (0, 1/0.99] along which no part falls below zero.
fn longest(from: &[f64], by: &[f64]) -> f64 {
    from.iter().zip(by).filter(|(_, by)| **by < 0.0).fold(1.0 / 0.99, |most, (x, by)| most.min(-x / by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_worked_by_hand_comes_out() {
        // Nocedal and Wright, Numerical Optimization (2nd ed.), example 16.4: min (x − 1)² + (y − 2.5)² under five lines; (1.4, 1.7).
        let problem = Quadratic {
            hessian: vec![vec![2.0, 0.0], vec![0.0, 2.0]],
            linear: vec![2.0, 5.0],
            rows: vec![vec![1.0, -2.0], vec![-1.0, -2.0], vec![-1.0, 2.0], vec![1.0, 0.0], vec![0.0, 1.0]],
            least: vec![-2.0, -6.0, -2.0, 0.0, 0.0],
        };
        let x = problem.solve().expect("feasible");
        assert!((x[0] - 1.4).abs() < 1e-7 && (x[1] - 1.7).abs() < 1e-7, "{x:?}");
    }

    #[test]
    fn what_cannot_be_met_is_refused_and_what_does_not_bind_does_not_matter() {
        let with = |least: Vec<f64>| Quadratic {
            hessian: vec![vec![1.0]],
            linear: vec![0.5],
            rows: vec![vec![1.0], vec![-1.0]],
            least,
        };
        assert!(with(vec![1.0, 1.0]).solve().is_none());
        assert!((with(vec![-9.0, -9.0]).solve().expect("feasible")[0] - 0.5).abs() < 1e-8);
    }
}
