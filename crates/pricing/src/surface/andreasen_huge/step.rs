//! One implicit step of Dupire's forward equation, ∂c/∂t = ½ σ²(x) x² ∂²c/∂x² in the moneyness x (Dupire 1994; Andreasen and Huge 2011,
//! equation 6): (I − τ D L) c = c₀, with D = ½ σ² x² and L the second difference.
//!
//! What is solved for is the time value u = c − c₀: (I − τ D L) u = τ D q₀ with q₀ = L c₀ ≥ 0, then q = L c = u/(τ D) ≥ 0. The matrix has
//! ones as row sums and nothing positive off its diagonal, so its inverse has no negative entry: u ≥ 0 and q ≥ 0 for any σ and any τ,
//! which is the absence of calendar and of butterfly arbitrage. Pivots are sums of positive terms, so that each u has small relative error
//! however small it is.

use super::grid::Grid;

/// Prices at the nodes at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prices {
    /// Out-of-the-money price over the forward: puts below the money, calls from it on.
    pub(super) out_of_the_money: Vec<f64>,
    /// Second derivative by the moneyness, which is the density; zero at both ends.
    pub(super) bends: Vec<f64>,
}

/// The share of the probability that is as wide as the grid from the start.
///
/// Without it an implicit step's tail falls below the least number of double precision within some hundred deviations, and a strike out
/// there has no volatility. It is below what a price in double precision at the money resolves.
const WIDE_SHARE: f64 = 1e-15;

impl Prices {
    /// Today's: intrinsic values, but for a 1e-15th of the probability that is as wide as the grid.
    pub(super) fn today(grid: &Grid) -> Self {
        let count = grid.len();
        let mut bends = vec![0.0; count];
        let intrinsic = |i: usize| (1.0 - grid.nodes[i]).max(0.0);
        // Only the two nodes about the forward see the kink.
        for (i, bend) in bends.iter_mut().enumerate().skip(grid.money - 1).take(2) {
            let [below, here, above] = [i - 1, i, i + 1].map(intrinsic);
            *bend = (grid.lower[i] * (below - here) + grid.upper[i] * (above - here)).max(0.0);
        }
        let kink = Self { out_of_the_money: vec![0.0; count], bends };
        let [low, high] = grid.range;
        let deviation = 0.15 * (high - low);
        let diffusion = vec![0.5 * deviation * deviation; count];
        let wide = Step::new(grid, &diffusion, 1.0).advance(&kink);
        let blend =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (1.0 - WIDE_SHARE) * a + WIDE_SHARE * b).collect();
        Self {
            out_of_the_money: blend(&kink.out_of_the_money, &wide.out_of_the_money),
            bends: blend(&kink.bends, &wide.bends),
        }
    }
}

/// The matrix I − τ D L, factored.
pub(super) struct Step<'a> {
    grid: &'a Grid,
    /// D = ½ σ² x² at the nodes.
    diffusion: Vec<f64>,
    tau: f64,
    /// τ D L below and above the diagonal.
    lower: Vec<f64>,
    upper: Vec<f64>,
    inverse_pivots: Vec<f64>,
}

impl<'a> Step<'a> {
    /// `half_square` is ½σ² at the nodes; `tau` the length of the step.
    pub(super) fn new(grid: &'a Grid, half_square: &[f64], tau: f64) -> Self {
        let count = grid.len();
        let diffusion: Vec<f64> = (0..count).map(|i| half_square[i] * grid.nodes[i] * grid.nodes[i]).collect();
        let lower: Vec<f64> = (0..count).map(|i| tau * diffusion[i] * grid.lower[i]).collect();
        let upper: Vec<f64> = (0..count).map(|i| tau * diffusion[i] * grid.upper[i]).collect();
        let mut inverse_pivots = vec![1.0; count];
        // What a pivot is above the entry right of it: 1 in the first row.
        let mut excess = 1.0;
        for i in 1..count {
            excess = 1.0 + lower[i] * excess * inverse_pivots[i - 1];
            inverse_pivots[i] = 1.0 / (upper[i] + excess);
        }
        Self { grid, diffusion, tau, lower, upper, inverse_pivots }
    }

    /// Solves (I − τ D L) y = r in place, for `N` right-hand sides at once.
    pub(super) fn solve<const N: usize>(&self, r: &mut [[f64; N]]) {
        let count = r.len();
        for i in 1..count {
            let factor = self.lower[i] * self.inverse_pivots[i - 1];
            let before = r[i - 1];
            for (right, before) in r[i].iter_mut().zip(before) {
                *right += factor * before;
            }
        }
        for i in (0..count).rev() {
            let after = if i + 1 < count { r[i + 1] } else { [0.0; N] };
            for (right, after) in r[i].iter_mut().zip(after) {
                *right = (*right + self.upper[i] * after) * self.inverse_pivots[i];
            }
        }
    }

    /// Time values u that the step adds to `before`.
    pub(super) fn time_values(&self, before: &Prices) -> Vec<[f64; 1]> {
        let mut u: Vec<[f64; 1]> =
            (0..self.grid.len()).map(|i| [self.tau * self.diffusion[i] * before.bends[i]]).collect();
        self.solve(&mut u);
        u
    }

    /// Prices after the step.
    pub(super) fn advance(&self, before: &Prices) -> Prices {
        let u = self.time_values(before);
        let out_of_the_money = before.out_of_the_money.iter().zip(&u).map(|(o, u)| o + u[0]).collect();
        let bends = (0..u.len()).map(|i| u[i][0] / (self.tau * self.diffusion[i])).collect();
        Prices { out_of_the_money, bends }
    }

    /// ∂c/∂τ = (I − τ D L)⁻¹ D q and ∂²c/∂τ² = 2 (I − τ D L)⁻¹ D L ∂c/∂τ of the prices after the step.
    pub(super) fn time_derivatives(&self, after: &Prices) -> [Vec<f64>; 2] {
        let count = self.grid.len();
        let mut first: Vec<[f64; 1]> = (0..count).map(|i| [self.diffusion[i] * after.bends[i]]).collect();
        self.solve(&mut first);
        let mut second = vec![[0.0]; count];
        for i in 1..count - 1 {
            let bend = self.grid.lower[i] * (first[i - 1][0] - first[i][0])
                + self.grid.upper[i] * (first[i + 1][0] - first[i][0]);
            second[i] = [2.0 * self.diffusion[i] * bend];
        }
        self.solve(&mut second);
        [first, second].map(|column| column.into_iter().map(|[value]| value).collect())
    }
}
