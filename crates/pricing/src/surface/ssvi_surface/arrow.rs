//! The descent of an SSVI surface: a level for each slice and one shape for all. The levels meet only through the shape, so the normal
//! equations are an arrow, solved in as many steps as there are slices.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use rayon::prelude::*;

use super::family::{Family, Shape};
use crate::surface::{
    calibration::{Estimator, Normal, Objective, noise},
    linear::solve_small,
};

/// Quotes below which slices are not shared out among threads: sharing costs more than their tenths of a millisecond.
pub(super) const SERIAL_QUOTES: usize = 20_000;
/// Levels stay within these.
const LOG_THETA_RANGE: [f64; 2] = [-41.0, 7.0];
/// A step of a level's logarithm goes no further.
const LONGEST_STEP: f64 = 1.0;

/// A pull of one coordinate towards a value: weight·((x − towards)/scale)².
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull {
    pub(super) weight: f64,
    pub(super) towards: f64,
    pub(super) scale: f64,
}

/// What is minimised.
pub(super) struct Problem<'a> {
    pub(super) objectives: &'a [Objective],
    pub(super) family: Family,
    pub(super) estimator: Estimator,
    /// Towards which the logarithms of the levels are pulled.
    pub(super) level_pulls: Vec<Option<Pull>>,
    /// The same for ρ, the logarithm of the level of φ, and γ.
    pub(super) shape_pulls: [Pull; 3],
}

/// Where the descent is: `group[i]` is which of `log_theta` slice i has; none where it has no quotes.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) group: Vec<Option<usize>>,
    pub(super) log_theta: Vec<f64>,
    pub(super) shape: Shape,
    pub(super) cost: f64,
    pub(super) steps: usize,
    pub(super) has_settled: bool,
    /// Squared scale of the noise.
    pub(super) noise: f64,
}

impl State {
    pub(super) fn new(levels: &[Option<f64>], shape: Shape) -> Self {
        let mut log_theta = Vec::new();
        let group = levels
            .iter()
            .map(|level| {
                log_theta.push(level.as_ref()?.ln().clamp(LOG_THETA_RANGE[0], LOG_THETA_RANGE[1]));
                Some(log_theta.len() - 1)
            })
            .collect();
        Self { group, log_theta, shape, cost: f64::INFINITY, steps: 0, has_settled: false, noise: 1.0 }
    }

    /// Total variance at the money of slice `i`.
    pub(super) fn theta(&self, i: usize) -> Option<f64> {
        self.group[i].map(|group| self.log_theta[group].exp())
    }
}

/// The normal equations: by level its diagonal, gradient and coupling with the shape; and the shape's own.
struct Equations {
    cost: f64,
    weighted: f64,
    count: usize,
    levels: Vec<[f64; 5]>,
    matrix: [[f64; 3]; 3],
    gradient: [f64; 3],
}

impl Problem<'_> {
    fn slice(&self, i: usize, log_theta: f64, shape: Shape, square_scale: f64) -> Normal<4> {
        let mut normal = Normal::new(self.estimator, square_scale);
        accumulate(&self.objectives[i], &self.family, log_theta, shape, |miss, by| normal.add(miss, by));
        if let Some(Pull { weight, towards, scale }) = self.level_pulls.get(i).copied().flatten() {
            normal.pull(weight, (log_theta - towards) / scale, &[1.0 / scale, 0.0, 0.0, 0.0]);
        }
        normal
    }

    fn evaluate(&self, state: &State) -> Equations {
        let part = |i: usize| {
            state.group[i].map(|group| (group, self.slice(i, state.log_theta[group], state.shape, state.noise)))
        };
        let n = self.objectives.len();
        let quotes: usize = self.objectives.iter().map(|objective| objective.points.len()).sum();
        let parts: Vec<Option<(usize, Normal<4>)>> = if quotes < SERIAL_QUOTES {
            (0..n).map(part).collect()
        } else {
            (0..n).into_par_iter().with_min_len(4).map(part).collect()
        };
        let mut shape_pull: Normal<4> = Normal::new(self.estimator, state.noise);
        let (log_level, by_level) = self.family.log_level(state.shape);
        let rows = [[1.0, 0.0, 0.0], by_level, [0.0, 0.0, 1.0]];
        for ((pull, value), row) in
            self.shape_pulls.into_iter().zip([state.shape[0], log_level, state.shape[2]]).zip(rows)
        {
            let [rho, share, gamma] = row.map(|by| by / pull.scale);
            shape_pull.pull(pull.weight, (value - pull.towards) / pull.scale, &[0.0, rho, share, gamma]);
        }
        let mut sum = Equations {
            cost: 0.0,
            weighted: 0.0,
            count: 0,
            levels: vec![[0.0; 5]; state.log_theta.len()],
            matrix: [[0.0; 3]; 3],
            gradient: [0.0; 3],
        };
        for (group, normal) in
            parts.into_iter().flatten().map(|(group, it)| (Some(group), it)).chain([(None, shape_pull)])
        {
            sum.cost += normal.cost;
            sum.weighted += normal.weighted();
            sum.count += normal.count;
            if let Some(group) = group {
                let level = &mut sum.levels[group];
                let own = [normal.hessian[0][0], normal.gradient[0]];
                let coupling = [1, 2, 3].map(|i| normal.hessian[i][0]);
                for (to, from) in level.iter_mut().zip(own.into_iter().chain(coupling)) {
                    *to += from;
                }
            }
            for i in 0..3 {
                sum.gradient[i] += normal.gradient[i + 1];
                for j in 0..=i {
                    sum.matrix[i][j] += normal.hessian[i + 1][j + 1];
                }
            }
        }
        if !sum.cost.is_finite() || !sum.gradient.iter().all(|g| g.is_finite()) {
            sum.cost = f64::INFINITY;
        }
        sum
    }

    /// Descends until a step gains less than `tolerance` of the cost, or `most_steps` are made.
    pub(super) fn descend(&self, mut state: State, most_steps: usize, tolerance: f64) -> State {
        let mut equations = self.evaluate(&state);
        let mut damping = 1e-3;
        state.has_settled = false;
        for _ in 0..most_steps {
            if !equations.cost.is_finite() {
                break;
            }
            let mut is_scale_settled = true;
            if self.estimator.is_likelihood() {
                (state.noise, is_scale_settled) = noise::em_step(state.noise, equations.weighted, equations.count);
                equations = self.evaluate(&state);
            }
            state.steps += 1;
            let Some((next, found)) = self.step(&state, &equations, &mut damping) else {
                state.has_settled = is_scale_settled;
                if is_scale_settled {
                    break;
                }
                damping = 1e-3;
                continue;
            };
            let gain = equations.cost - found.cost;
            (state, equations) = (next, found);
            damping = (0.2 * damping).max(1e-12);
            if is_scale_settled && gain <= tolerance * equations.cost.abs() {
                state.has_settled = true;
                break;
            }
        }
        state.cost = equations.cost;
        state
    }

    /// The first damped step that lowers the cost.
    fn step(&self, state: &State, equations: &Equations, damping: &mut f64) -> Option<(State, Equations)> {
        const TRIES: usize = 12;
        let [low, high] = self.family.range();
        for _ in 0..TRIES {
            let grow = 1.0 + *damping;
            // The levels eliminated, what is left is the shape's.
            let mut matrix = equations.matrix;
            let mut gradient = equations.gradient;
            for i in 0..3 {
                matrix[i][i] *= grow;
            }
            for &[own, slope, a, b, c] in &equations.levels {
                let inverse = if own > 0.0 { 1.0 / (own * grow) } else { 0.0 };
                let coupling = [a, b, c];
                for i in 0..3 {
                    gradient[i] -= coupling[i] * inverse * slope;
                    for j in 0..=i {
                        matrix[i][j] -= coupling[i] * inverse * coupling[j];
                    }
                }
            }
            for i in 0..3 {
                for j in 0..i {
                    matrix[j][i] = matrix[i][j];
                }
            }
            for i in 0..3 {
                let is_held = low[i] >= high[i]
                    || (state.shape[i] <= low[i] && gradient[i] > 0.0)
                    || (state.shape[i] >= high[i] && gradient[i] < 0.0);
                if is_held || matrix[i][i] <= 0.0 {
                    gradient[i] = 0.0;
                    for j in 0..3 {
                        matrix[i][j] = 0.0;
                        matrix[j][i] = 0.0;
                    }
                    matrix[i][i] = 1.0;
                }
            }
            let change = solve_small(matrix, gradient);
            let mut next = state.clone();
            next.shape = std::array::from_fn(|i| (state.shape[i] - change[i]).clamp(low[i], high[i]));
            let moved: [f64; 3] = std::array::from_fn(|i| next.shape[i] - state.shape[i]);
            for (log_theta, &[own, slope, a, b, c]) in next.log_theta.iter_mut().zip(&equations.levels) {
                if own > 0.0 {
                    let step = (slope + a * moved[0] + b * moved[1] + c * moved[2]) / (own * grow);
                    *log_theta = (*log_theta - step.clamp(-LONGEST_STEP, LONGEST_STEP))
                        .clamp(LOG_THETA_RANGE[0], LOG_THETA_RANGE[1]);
                }
            }
            if next.shape == state.shape && next.log_theta == state.log_theta {
                return None;
            }
            let found = self.evaluate(&next);
            if found.cost < equations.cost {
                return Some((next, found));
            }
            *damping = (*damping * 8.0).max(1e-6);
        }
        None
    }

    /// Descends with levels that never fall: neighbours that would become one (pool adjacent violators).
    pub(super) fn descend_rising(&self, state: State, most_steps: usize, tolerance: f64) -> State {
        let mut state = self.descend(state, most_steps, tolerance);
        while let Some(pooled) = pool(&state) {
            state = self.descend(pooled, most_steps, tolerance);
        }
        state
    }
}

/// The state with every stretch of falling levels made one; none where no level falls.
fn pool(state: &State) -> Option<State> {
    let mut new_group = vec![0; state.log_theta.len()];
    // Mean of the logarithms so far, and how many there are, of each new group.
    let mut pooled: Vec<(f64, f64)> = Vec::new();
    for (group, &log_theta) in state.log_theta.iter().enumerate() {
        match pooled.last_mut() {
            Some((sum, count)) if log_theta < *sum / *count => {
                *sum += log_theta;
                *count += 1.0;
            }
            _ => pooled.push((log_theta, 1.0)),
        }
        new_group[group] = pooled.len() - 1;
    }
    if pooled.len() == state.log_theta.len() {
        return None;
    }
    Some(State {
        group: state.group.iter().map(|group| group.map(|group| new_group[group])).collect(),
        log_theta: pooled.into_iter().map(|(sum, count)| sum / count).collect(),
        ..state.clone()
    })
}

/// Hands each miss of a slice's quotes, and its gradient by ln θ and the coordinates of the shape, to `add`.
#[inline]
pub(super) fn accumulate(
    objective: &Objective,
    family: &Family,
    log_theta: f64,
    shape: Shape,
    mut add: impl FnMut(f64, &[f64; 4]),
) {
    let theta = log_theta.exp();
    let rho = shape[0];
    let [psi, psi_by_log_theta, psi_by_rho, psi_by_share, psi_by_gamma] = family.psi(theta, shape);
    let tilt = rho * psi;
    for (i, point) in objective.points.iter().enumerate() {
        let k = point.k;
        let root = (psi * psi * k * k + 2.0 * tilt * theta * k + theta * theta).sqrt();
        let inverse = 1.0 / root;
        let [miss, slope] = objective.miss(i, 0.5 * (theta + tilt * k + root));
        let half = 0.5 * slope;
        let by_log_theta = half * theta * (1.0 + (tilt * k + theta) * inverse);
        let by_tilt = half * k * (1.0 + theta * inverse);
        let by_psi = half * psi * k * k * inverse + rho * by_tilt;
        add(
            miss,
            &[
                by_log_theta + by_psi * psi_by_log_theta,
                by_psi * psi_by_rho + psi * by_tilt,
                by_psi * psi_by_share,
                by_psi * psi_by_gamma,
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{SliceQuotes, calibration::Settings, ssvi_surface::family::SsviLaw};

    #[test]
    fn slopes_of_the_misses_agree_with_differences() {
        let k: Vec<f64> = (-8..=6).map(|i| 0.05 * f64::from(i)).collect();
        let quotes = SliceQuotes {
            expiry_years: 0.4,
            forward: 100.0,
            bid_volatility: vec![0.19; k.len()],
            mid_volatility: vec![0.2; k.len()],
            ask_volatility: vec![0.21; k.len()],
            open_interest: Vec::new(),
            log_moneyness: k,
        };
        let objective = Objective::new(&quotes, &Settings::default());
        for law in [SsviLaw::PowerLaw, SsviLaw::PlainPowerLaw, SsviLaw::Heston] {
            let family = Family { law, cap: 1.0, is_loose: false };
            let at = [0.02_f64.ln(), -0.5, 0.6, if law == SsviLaw::Heston { 0.0 } else { 0.3 }];
            let misses = |x: [f64; 4]| {
                let mut all = Vec::new();
                accumulate(&objective, &family, x[0], [x[1], x[2], x[3]], |miss, by| all.push((miss, *by)));
                all
            };
            let here = misses(at);
            for j in 0..4 {
                let h = 1e-6;
                let moved = |h: f64| {
                    let mut x = at;
                    x[j] += h;
                    misses(x)
                };
                for ((up, down), (_, by)) in moved(h).iter().zip(moved(-h)).zip(&here) {
                    let numeric = (up.0 - down.0) / (2.0 * h);
                    let is_free = law != SsviLaw::Heston || j < 3;
                    assert!(!is_free || (numeric - by[j]).abs() < 1e-5 * (1.0 + numeric.abs()), "{law:?} {j}");
                }
            }
        }
    }
}
