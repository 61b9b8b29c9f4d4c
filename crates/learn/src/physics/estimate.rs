//! What a residual says about the error, before any reference is asked.
//!
//! Formula  The error e of D obeys the pricing equation with the residual as its source and nothing at expiry, so that by the maximum
//!          principle |e(t)| ≤ ∫₀ᵗ max|R| dt′ in the equation's own clock t (the deviation s, under Heston √τ with R's rate). A price is
//!          off by that times √(FK) and the discount factor. The maxima are taken over a net of points: where it misses a peak the bound
//!          can fail, which is why its coverage is measured.

use zomma_pricing::black::Row;

use super::Solution;
use super::points::Points;
use super::problem::{Coordinates, forward};

/// Nodes of the clock.
const TIMES: usize = 49;
/// Nodes of the moneyness.
const ACROSS: usize = 129;
/// Nodes of what else there is.
const EXTRA: usize = 9;
/// |x| of what counts as typical.
const TYPICAL: f64 = 3.0;

/// The error of D as a function of the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorEstimate {
    clock: Vec<f64>,
    bound: Vec<f64>,
    typical: Vec<f64>,
}

impl ErrorEstimate {
    /// From the residual of a solution.
    pub fn new(solution: &Solution) -> Self {
        let problem = solution.problem();
        let extras = if problem.dimensions() > 2 { EXTRA } else { 1 };
        let mut places = Vec::with_capacity(TIMES * ACROSS * extras);
        for i in 0..TIMES {
            let share = i as f64 / (TIMES - 1) as f64;
            for j in 0..ACROSS {
                for n in 0..extras {
                    let unit = [j, n].map(|n| n as f64).into_iter().zip([ACROSS, EXTRA].map(|n| (n - 1) as f64));
                    let [across, extra] = unit.map(|(n, of)| n / of).collect::<Vec<f64>>()[..] else { continue };
                    places.push(problem.place(&[across, share, extra][..problem.dimensions()]));
                }
            }
        }
        let points = Points::new(&problem, places);
        let residuals = points.residuals(solution.network(), &solution.parameters);
        let rates: Vec<(Coordinates, f64)> =
            points.places.iter().zip(&residuals).map(|(place, r)| (*place, r.abs() * problem.rate(*place))).collect();
        let mut estimate = Self { clock: vec![0.0], bound: vec![0.0], typical: vec![0.0] };
        let mut before = None;
        for (i, slice) in rates.chunks_exact(ACROSS * extras).enumerate() {
            let clock = problem.clock(problem.time_at(i as f64 / (TIMES - 1) as f64));
            let most = slice.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
            let near = slice.iter().filter(|(place, _)| place.x.abs() <= TYPICAL).map(|(_, rate)| rate * rate);
            let (count, sum) = near.fold((0.0_f64, 0.0), |(count, sum), square| (count + 1.0, sum + square));
            let typical = (sum / count.max(1.0)).sqrt();
            // Before the first node the residual is taken to be as large as there.
            let (most_before, typical_before) = before.unwrap_or((most, typical));
            let last = estimate.clock.len() - 1;
            let step = 0.5 * (clock - estimate.clock[last]);
            estimate.bound.push(estimate.bound[last] + step * (most + most_before));
            estimate.typical.push(estimate.typical[last] + step * (typical + typical_before));
            estimate.clock.push(clock);
            before = Some((most, typical));
        }
        estimate
    }

    /// A row's bound, and what its error is like when residuals are as in the body on average: in currency. None for a row that is not
    /// of the model's world.
    pub fn of_row(&self, solution: &Solution, row: &Row) -> Option<[f64; 2]> {
        let problem = solution.problem();
        let clock = problem.clock(problem.of_row(row)?.time);
        let right = self.clock.partition_point(|node| *node < clock).clamp(1, self.clock.len() - 1);
        let (from, to) = (self.clock[right - 1], self.clock[right]);
        let share = ((clock - from) / (to - from)).min(1.0);
        let scale = (forward(row) * row.strike).sqrt() * (-row.risk_free_rate * row.expiry_years).exp();
        Some([&self.bound, &self.typical].map(|of| scale * (of[right - 1] + share * (of[right] - of[right - 1]))))
    }
}
