//! A convex quadratic programme whose rows touch few neighbouring variables, by Mehrotra's predictor and corrector.
//!
//! min ½ x′Hx + g′x under aᵢ·x ≥ bᵢ. A soft constraint may be missed by e at the price of weight·e: an exact penalty, so that it is met
//! wherever it can be. Every step is one banded Cholesky factorisation (Nocedal and Wright 2006, section 16.6; Gertz and Wright 2003).

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

/// A row couples variables at most this far apart.
pub(super) const REACH: usize = 5;
/// Lower band of a symmetric matrix: entry d of row i is the one in column i − d.
pub(super) type Band = [f64; REACH + 1];

/// a·x ≥ bound, where a has four entries from variable `start` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constraint {
    pub(super) start: usize,
    pub(super) row: [f64; 4],
    pub(super) bound: f64,
    /// What a miss by one costs; ∞ where it must hold.
    pub(super) weight: f64,
}

/// What is minimised, and under which constraints.
#[derive(Clone, Debug, Default)]
pub(super) struct Programme {
    pub(super) hessian: Vec<Band>,
    pub(super) gradient: Vec<f64>,
    pub(super) constraints: Vec<Constraint>,
}

impl Programme {
    /// Empties the programme and gives it `n` variables.
    pub(super) fn reset(&mut self, n: usize) {
        self.hessian.clear();
        self.hessian.resize(n, [0.0; REACH + 1]);
        self.gradient.clear();
        self.gradient.resize(n, 0.0);
        self.constraints.clear();
    }

    /// Adds ½ weight·(row·x + constant)² to the objective; `row` begins at variable `start` and has at most REACH + 1 entries.
    pub(super) fn add_square(&mut self, start: usize, row: &[f64], constant: f64, weight: f64) {
        for (i, &a) in row.iter().enumerate() {
            if a == 0.0 {
                continue;
            }
            self.gradient[start + i] += weight * a * constant;
            for (j, &b) in row[..=i].iter().enumerate() {
                self.hessian[start + i][i - j] += weight * a * b;
            }
        }
    }
}

/// How a solution came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) steps: usize,
    pub(super) settled: bool,
}

/// One constraint's slack, multiplier and miss. ν = weight − λ is the miss's own multiplier.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    slack: f64,
    multiplier: f64,
    miss: f64,
    spare: f64,
    /// a·x − b − slack + miss.
    residual: f64,
    inverse: f64,
    target: f64,
    by_slack: f64,
    by_multiplier: f64,
    by_miss: f64,
}

/// The solver's memory, kept from one programme to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Solver {
    states: Vec<State>,
    factor: Vec<Band>,
    dual: Vec<f64>,
    right: Vec<f64>,
}

/// Steps at most.
const MOST_STEPS: usize = 60;
/// Settled when the mean product of slack and multiplier, in units of what is minimised, is below this.
const SETTLED: f64 = 1e-7;
/// Share of the way to the nearest bound that a step goes.
const SHARE: f64 = 0.995;

impl Solver {
    /// Moves `x` to the minimum.
    pub(super) fn solve(&mut self, programme: &Programme, x: &mut [f64]) -> Outcome {
        let n = x.len();
        self.start(programme, x);
        self.factor.resize(n, [0.0; REACH + 1]);
        self.dual.resize(n, 0.0);
        self.right.resize(n, 0.0);
        let mut steps = 0;
        loop {
            let (gap, worst) = self.measure(programme, x);
            let scale = 1.0 + self.dual_scale(programme, x);
            let dual = self.dual.iter().zip(x.iter()).map(|(d, x)| (d * x).abs()).fold(0.0, f64::max);
            if gap < SETTLED && worst < 1e-9 && dual < 1e-6 * scale {
                return Outcome { steps, settled: true };
            }
            if steps == MOST_STEPS || !gap.is_finite() {
                return Outcome { steps, settled: false };
            }
            steps += 1;
            if !self.factorise(programme) {
                return Outcome { steps, settled: false };
            }
            // The predictor goes for complementarity zero.
            self.aim(0.0, false);
            self.direction(programme);
            let share = self.longest(programme).min(1.0);
            let after = self.gap_after(programme, share);
            let centring = (after / gap).powi(3).min(1.0);
            self.aim(centring * gap, true);
            self.direction(programme);
            let share = (SHARE * self.longest(programme)).min(1.0);
            for (x, step) in x.iter_mut().zip(&self.right) {
                *x += share * step;
            }
            for (state, constraint) in self.states.iter_mut().zip(&programme.constraints) {
                state.slack += share * state.by_slack;
                state.multiplier += share * state.by_multiplier;
                if constraint.weight < f64::INFINITY {
                    state.miss += share * state.by_miss;
                    state.spare -= share * state.by_multiplier;
                }
            }
        }
    }

    fn start(&mut self, programme: &Programme, x: &[f64]) {
        self.states.clear();
        for constraint in &programme.constraints {
            let excess = dot(constraint, x) - constraint.bound;
            let slack = excess.max(0.1);
            let soft = constraint.weight < f64::INFINITY;
            let multiplier = (1.0 / slack).min(0.5 * constraint.weight);
            self.states.push(State {
                slack,
                multiplier,
                miss: if soft { (-excess).max(0.1) } else { 0.0 },
                spare: if soft { constraint.weight - multiplier } else { 0.0 },
                ..State::default()
            });
        }
    }

    /// Fills the residuals; the mean complementarity and the largest primal residual.
    fn measure(&mut self, programme: &Programme, x: &[f64]) -> (f64, f64) {
        let n = x.len();
        for i in 0..n {
            let mut sum = programme.gradient[i] + programme.hessian[i][0] * x[i];
            for d in 1..=REACH.min(i) {
                sum += programme.hessian[i][d] * x[i - d];
            }
            for d in 1..=REACH.min(n - 1 - i) {
                sum += programme.hessian[i + d][d] * x[i + d];
            }
            self.dual[i] = sum;
        }
        let (mut gap, mut count, mut worst) = (0.0, 0_usize, 0.0_f64);
        for (state, constraint) in self.states.iter_mut().zip(&programme.constraints) {
            state.residual = dot(constraint, x) - constraint.bound - state.slack + state.miss;
            worst = worst.max(state.residual.abs());
            gap += state.slack * state.multiplier + state.miss * state.spare;
            count += 1 + usize::from(constraint.weight < f64::INFINITY);
            let window = window_mut(&mut self.dual, constraint.start);
            for r in 0..4 {
                window[r] -= constraint.row[r] * state.multiplier;
            }
        }
        (gap / count.max(1) as f64, worst)
    }

    /// The size of the terms whose sum the dual residual is.
    fn dual_scale(&self, programme: &Programme, x: &[f64]) -> f64 {
        programme.gradient.iter().zip(x).map(|(g, x)| (g * x).abs()).fold(0.0, f64::max)
    }

    /// H + A′D⁻¹A and its factor.
    fn factorise(&mut self, programme: &Programme) -> bool {
        self.factor.copy_from_slice(&programme.hessian);
        for (state, constraint) in self.states.iter_mut().zip(&programme.constraints) {
            let soft = if constraint.weight < f64::INFINITY { state.miss / state.spare } else { 0.0 };
            let inverse = 1.0 / (state.slack / state.multiplier + soft);
            state.inverse = inverse;
            let row = &constraint.row;
            for i in 0..4 {
                if row[i] == 0.0 {
                    continue;
                }
                let scaled = inverse * row[i];
                let band = &mut self.factor[constraint.start + i];
                for j in 0..=i {
                    band[i - j] += scaled * row[j];
                }
            }
        }
        cholesky(&mut self.factor)
    }

    /// The right-hand side of every constraint's row for complementarity `gap`, with the predictor's second order where `corrected`.
    fn aim(&mut self, gap: f64, corrected: bool) {
        for state in &mut self.states {
            let (mut by_slack, mut by_miss) = (gap, gap);
            if corrected {
                by_slack -= state.by_slack * state.by_multiplier;
                by_miss += state.by_miss * state.by_multiplier;
            }
            // What slack·multiplier and miss·spare are to change by.
            by_slack -= state.slack * state.multiplier;
            by_miss -= state.miss * state.spare;
            state.by_slack = by_slack;
            state.by_miss = by_miss;
            let soft = if state.spare > 0.0 { by_miss / state.spare } else { 0.0 };
            state.target = by_slack / state.multiplier - soft - state.residual;
        }
    }

    /// Solves for the step: of x in `right`, of the rest in the states.
    fn direction(&mut self, programme: &Programme) {
        for (right, dual) in self.right.iter_mut().zip(&self.dual) {
            *right = -dual;
        }
        for (state, constraint) in self.states.iter().zip(&programme.constraints) {
            let pull = state.inverse * state.target;
            let window = window_mut(&mut self.right, constraint.start);
            for r in 0..4 {
                window[r] += constraint.row[r] * pull;
            }
        }
        back_substitute(&self.factor, &mut self.right);
        for (state, constraint) in self.states.iter_mut().zip(&programme.constraints) {
            let moved = dot(constraint, &self.right);
            state.by_multiplier = state.inverse * (state.target - moved);
            state.by_slack = (state.by_slack - state.slack * state.by_multiplier) / state.multiplier;
            state.by_miss =
                if state.spare > 0.0 { (state.by_miss + state.miss * state.by_multiplier) / state.spare } else { 0.0 };
        }
    }

    /// The longest step that keeps everything above zero.
    fn longest(&self, programme: &Programme) -> f64 {
        let mut inverse = 1e-3_f64;
        for (state, constraint) in self.states.iter().zip(&programme.constraints) {
            inverse = inverse.max(-state.by_slack / state.slack).max(-state.by_multiplier / state.multiplier);
            if constraint.weight < f64::INFINITY {
                inverse = inverse.max(-state.by_miss / state.miss).max(state.by_multiplier / state.spare);
            }
        }
        1.0 / inverse
    }

    fn gap_after(&self, programme: &Programme, share: f64) -> f64 {
        let (mut gap, mut count) = (0.0, 0_usize);
        for (state, constraint) in self.states.iter().zip(&programme.constraints) {
            gap += (state.slack + share * state.by_slack) * (state.multiplier + share * state.by_multiplier);
            count += 1;
            if constraint.weight < f64::INFINITY {
                gap += (state.miss + share * state.by_miss) * (state.spare - share * state.by_multiplier);
                count += 1;
            }
        }
        gap / count.max(1) as f64
    }
}

fn window_mut(values: &mut [f64], start: usize) -> &mut [f64] {
    &mut values[start..start + 4]
}

fn dot(constraint: &Constraint, x: &[f64]) -> f64 {
    let window = &x[constraint.start..constraint.start + 4];
    let row = &constraint.row;
    row[0] * window[0] + row[1] * window[1] + row[2] * window[2] + row[3] * window[3]
}

/// Puts the lower Cholesky factor in place of the matrix, the inverse of its diagonal on the diagonal; false where the matrix is not
/// positive definite.
fn cholesky(band: &mut [Band]) -> bool {
    for i in 0..band.len() {
        let reach = REACH.min(i);
        for d in (0..=reach).rev() {
            let j = i - d;
            let mut sum = band[i][d];
            // Columns that rows i and j share.
            for e in d + 1..=reach {
                sum -= band[i][e] * band[j][e - d];
            }
            if d > 0 {
                band[i][d] = sum * band[j][0];
            } else {
                // A diagonal that rounding has eaten holds its variable still.
                if !sum.is_finite() {
                    return false;
                }
                if sum <= 1e-14 * band[i][0].abs() {
                    sum = band[i][0].abs().max(1e-300) * 1e14;
                }
                band[i][0] = 1.0 / sum.sqrt();
            }
        }
    }
    true
}

/// Solves L L′ y = v in place.
fn back_substitute(band: &[Band], v: &mut [f64]) {
    let n = v.len();
    for i in 0..n {
        let mut sum = v[i];
        for d in 1..=REACH.min(i) {
            sum -= band[i][d] * v[i - d];
        }
        v[i] = sum * band[i][0];
    }
    for i in (0..n).rev() {
        let mut sum = v[i];
        for d in 1..=REACH.min(n - 1 - i) {
            sum -= band[i + d][d] * v[i + d];
        }
        v[i] = sum * band[i][0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// min Σ(xᵢ − i)² over eight variables, which ends at i where nothing binds.
    fn nearest() -> Programme {
        let mut programme = Programme::default();
        programme.reset(8);
        for i in 0..8 {
            let mut row = [0.0; 1];
            row[0] = 1.0;
            programme.add_square(i, &row, -(i as f64), 2.0);
        }
        programme
    }

    fn constraint(start: usize, row: [f64; 4], bound: f64, weight: f64) -> Constraint {
        Constraint { start, row, bound, weight }
    }

    fn solve(programme: &Programme) -> Vec<f64> {
        let mut x = vec![1.0; 8];
        let outcome = Solver::default().solve(programme, &mut x);
        assert!(outcome.settled && outcome.steps < 30, "{outcome:?}");
        x
    }

    fn assert_near(x: &[f64], expected: &[f64]) {
        for (i, (ours, theirs)) in x.iter().zip(expected).enumerate() {
            assert!((ours - theirs).abs() < 1e-5, "variable {i}: {ours} {theirs}");
        }
    }

    #[test]
    fn constraints_that_do_not_bind_change_nothing() {
        let mut programme = nearest();
        programme.constraints.push(constraint(2, [1.0, 1.0, 1.0, 1.0], 3.0, f64::INFINITY));
        programme.constraints.push(constraint(0, [0.0, -1.0, 0.0, 0.0], -5.0, 10.0));
        assert_near(&solve(&programme), &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn a_hard_constraint_is_met_at_the_nearest_point() {
        let mut programme = nearest();
        // The sum of variables 2 to 5 is 14; it must be 18: each moves by one.
        programme.constraints.push(constraint(2, [1.0; 4], 18.0, f64::INFINITY));
        assert_near(&solve(&programme), &[0.0, 1.0, 3.0, 4.0, 5.0, 6.0, 6.0, 7.0]);
    }

    #[test]
    fn a_soft_constraint_moves_a_variable_by_its_weight_at_most() {
        let mut programme = nearest();
        // Variable 0 is wanted at 10 but pulls back by 2x: a weight of 6 moves it to 3. Variable 4 is wanted at 5, which 2·1 < 6 reaches.
        programme.constraints.push(constraint(0, [1.0, 0.0, 0.0, 0.0], 10.0, 6.0));
        programme.constraints.push(constraint(4, [1.0, 0.0, 0.0, 0.0], 5.0, 6.0));
        assert_near(&solve(&programme), &[3.0, 1.0, 2.0, 3.0, 5.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn contradicting_soft_constraints_are_missed_where_it_costs_least() {
        let mut programme = nearest();
        programme.constraints.push(constraint(3, [1.0, 0.0, 0.0, 0.0], 9.0, 100.0));
        programme.constraints.push(constraint(3, [-1.0, 0.0, 0.0, 0.0], -8.0, 1000.0));
        assert_near(&solve(&programme)[3..4], &[8.0]);
    }

    #[test]
    fn the_factor_of_a_band_solves_its_system() {
        let n = 12;
        let entry = |i: usize, j: usize| {
            let d = i.abs_diff(j);
            if d == 0 {
                9.0 + i as f64
            } else if d <= REACH {
                ((3 * i.min(j) + d) as f64).sin()
            } else {
                0.0
            }
        };
        let mut band: Vec<Band> =
            (0..n).map(|i| std::array::from_fn(|d| if d <= i { entry(i, i - d) } else { 0.0 })).collect();
        let truth: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
        let mut v: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * truth[j]).sum()).collect();
        assert!(cholesky(&mut band));
        back_substitute(&band, &mut v);
        for i in 0..n {
            assert!((v[i] - truth[i]).abs() < 1e-12, "{i}: {} {}", v[i], truth[i]);
        }
    }
}
