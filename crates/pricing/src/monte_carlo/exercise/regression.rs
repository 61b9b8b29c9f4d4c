//! Least squares by normal equations, summed tile by tile in their order and solved with pivoting.
//!
//! Method   variables scaled to one length; Cholesky with the largest remaining pivot; what depends on the others to 1e-11 is left out, so
//!          that a poor basis costs accuracy of the rule and never a number that is none
//! Source   N. J. Higham, Accuracy and Stability of Numerical Algorithms (2002), section 10.3

/// Square of a pivot, of a variable scaled to 1, below which it is left out.
const LEAST_PIVOT: f64 = 1e-11;

/// XᵀX and Xᵀy of some rows.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    n: usize,
    /// Rows.
    pub rows: usize,
    /// Lower triangle, [n][n].
    products: Vec<f64>,
    targets: Vec<f64>,
}

impl Normal {
    pub(super) fn new(n: usize) -> Self {
        Self { n, rows: 0, products: vec![0.0; n * n], targets: vec![0.0; n] }
    }

    /// One more row.
    pub(super) fn add(&mut self, row: &[f64], target: f64) {
        self.rows += 1;
        for (i, x) in row.iter().enumerate() {
            for (sum, other) in self.products[i * self.n..][..=i].iter_mut().zip(row) {
                *sum += x * other;
            }
        }
        for (sum, x) in self.targets.iter_mut().zip(row) {
            *sum += x * target;
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        self.rows += other.rows;
        self.products.iter_mut().zip(&other.products).for_each(|(a, b)| *a += b);
        self.targets.iter_mut().zip(&other.targets).for_each(|(a, b)| *a += b);
        self
    }

    /// Of all, in their order.
    pub(super) fn merge_all(parts: &[Self]) -> Option<Self> {
        match parts {
            [] => None,
            [one] => Some(one.clone()),
            _ => {
                let (left, right) = parts.split_at(parts.len().div_ceil(2));
                Self::merge_all(left).zip(Self::merge_all(right)).map(|(left, right)| left.merge(&right))
            }
        }
    }

    /// The coefficients; none where there are fewer than two rows a coefficient, or a sum is not a number.
    pub(super) fn solve(&self) -> Option<Vec<f64>> {
        let n = self.n;
        if self.rows < 2 * n || !self.products.iter().chain(&self.targets).all(|x| x.is_finite()) {
            return None;
        }
        let scale: Vec<f64> = (0..n)
            .map(|i| {
                let square = self.products[i * n + i];
                if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 }
            })
            .collect();
        let entry = |i: usize, j: usize| self.products[i.max(j) * n + i.min(j)] * scale[i] * scale[j];
        let mut left: Vec<f64> = (0..n).map(|i| entry(i, i)).collect();
        let mut order: Vec<usize> = Vec::with_capacity(n);
        // Row k of the factor belongs to variable order[k], column j to pivot j; `factor[i][j]` for every variable i.
        let mut factor = vec![0.0; n * n];
        let mut solved = Vec::with_capacity(n);
        for k in 0..n {
            let rest = (0..n).filter(|i| !order.contains(i));
            let Some(pivot) = rest.max_by(|a, b| left[*a].total_cmp(&left[*b]).then(b.cmp(a))) else { break };
            if left[pivot] <= LEAST_PIVOT {
                break;
            }
            let root = left[pivot].sqrt();
            factor[pivot * n + k] = root;
            for i in (0..n).filter(|i| !order.contains(i) && *i != pivot) {
                let dot: f64 = (0..k).map(|j| factor[i * n + j] * factor[pivot * n + j]).sum();
                factor[i * n + k] = (entry(i, pivot) - dot) / root;
                left[i] -= factor[i * n + k] * factor[i * n + k];
            }
            let dot: f64 = (0..k).map(|j| factor[pivot * n + j] * solved[j]).sum();
            solved.push((self.targets[pivot] * scale[pivot] - dot) / root);
            order.push(pivot);
        }
        let mut out = vec![0.0; n];
        for k in (0..order.len()).rev() {
            let dot: f64 = (k + 1..order.len()).map(|j| factor[order[j] * n + k] * out[order[j]]).sum();
            out[order[k]] = (solved[k] - dot) / factor[order[k] * n + k];
        }
        out.iter_mut().zip(scale).for_each(|(out, scale)| *out *= scale);
        out.iter().all(|x| x.is_finite()).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_come_back_and_dependent_variables_are_left_out() {
        let wanted = [2.0, -1.0, 0.5, 3.0];
        let mut parts = vec![Normal::new(6); 3];
        for i in 0..300 {
            let x = i as f64 / 300.0;
            // The fifth is the sum of two others, the last is nothing.
            let row = [1.0, x, x * x, (7.0 * x).sin(), 1.0 + x, 0.0];
            let target: f64 = row.iter().zip(wanted).map(|(x, w)| x * w).sum();
            parts[i % 3].add(&row, target);
        }
        let fit = Normal::merge_all(&parts).unwrap().solve().unwrap();
        for i in 0..20 {
            let x = i as f64 / 20.0;
            let row = [1.0, x, x * x, (7.0 * x).sin(), 1.0 + x, 0.0];
            let (got, exact): (f64, f64) =
                (row.iter().zip(&fit).map(|(x, c)| x * c).sum(), row.iter().zip(wanted).map(|(x, w)| x * w).sum());
            assert!((got - exact).abs() <= 1e-9, "{got} for {exact}");
        }
        assert_eq!(fit[5], 0.0);
        assert!(Normal::new(2).solve().is_none());
        let mut bad = Normal::new(1);
        (0..5).for_each(|_| bad.add(&[f64::INFINITY], 1.0));
        assert!(bad.solve().is_none());
    }
}
