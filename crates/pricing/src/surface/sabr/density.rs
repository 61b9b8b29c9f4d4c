//! The density of SABR's forward without arbitrage: Hagan, Kumar, Lesniewski and Woodward (2014), "Arbitrage-free SABR", solved as Le Floc'h
//! and Kennedy (2017) do in "Finite difference techniques for arbitrage-free SABR".
//!
//! The marginal density Q of the forward obeys ∂Q/∂t = ½ ∂²(D²E Q)/∂F² to the order of Hagan's expansion, with D² = (α² + 2αρνy + ν²y²) F^2β,
//! y = (F^(1−β) − f^(1−β))/(1−β), E = exp(ρναΓt) and Γ = (F^β − f^β)/(F − f), absorbed at both ends. In z = ∫dF/D the noise is one everywhere,
//! and on finite volumes of z mass and forward are kept to rounding. Time goes by Lawson and Swayne's extrapolation of implicit steps, which
//! damps what the point mass at the start would set ringing.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

/// Cells between the ends.
const CELLS: usize = 280;
/// Time steps, each of two implicit halves.
const STEPS: usize = 26;
/// How far the cells reach, in deviations of z.
const REACH: f64 = 6.5;
/// Nor further than these ln(F/f), unless zero itself is within reach.
const LOWEST: f64 = -7.0;
const HIGHEST: f64 = 4.0;
/// Zero counts as within reach where 1 − β is at least this: nearer to one, F = (…)^(1/(1−β)) is too steep there for numbers.
const LEAST_DISTANCE_FROM_ONE: f64 = 0.05;

/// Nodes of the density, for a forward of 1, with the point masses that the ends took.
#[derive(Clone, Debug, Default)]
pub(super) struct Density {
    /// Levels of the forward at the edges of the cells, ascending.
    pub(super) edges: Vec<f64>,
    /// Probability in each cell.
    pub(super) mass: Vec<f64>,
    /// Probabilities absorbed at the lowest level and at the highest.
    pub(super) at_ends: [f64; 2],
    /// Width of a cell in deviations of z.
    pub(super) step: f64,
}

/// Solves for `[α√t, ρ, ν√t, β]` and a forward of 1; none where the parameters leave no grid.
pub(super) fn solve(x: [f64; 4]) -> Option<Density> {
    solve_on(x, CELLS, STEPS, REACH)
}

/// [`solve`] on a grid of one's own.
pub(super) fn solve_on(x: [f64; 4], cells: usize, steps: usize, reach: f64) -> Option<Density> {
    let [density] = march([&Grid::new(x, cells, reach)?], steps);
    Some(density)
}

/// [`solve`] for several parameters near each other, four at a time where their grids have as many cells.
pub(super) fn solve_all(x: &[[f64; 4]]) -> Option<Vec<Density>> {
    let grids = x.iter().map(|x| Grid::new(*x, CELLS, REACH)).collect::<Option<Vec<Grid>>>()?;
    let mut found = Vec::with_capacity(grids.len());
    for four in grids.chunks(4) {
        match four {
            [a, b, c, d] if four.iter().all(|grid| grid.growth.len() == a.growth.len()) => {
                found.extend(march([a, b, c, d], STEPS));
            }
            _ => found.extend(four.iter().flat_map(|grid| march([grid], STEPS))),
        }
    }
    Some(found)
}

/// F(y) for a forward of 1.
fn forward_of(y: f64, beta: f64) -> f64 {
    let m = 1.0 - beta;
    if m < 1e-9 { y.exp() } else { (1.0 + m * y).max(0.0).powf(1.0 / m) }
}

/// The cells of one set of parameters.
struct Grid {
    /// Width in z.
    h: f64,
    /// The cell about the forward.
    start: usize,
    edges: Vec<f64>,
    /// ½ over the distance of neighbouring centres; at the ends, over the distance to the edge.
    conductance: Vec<f64>,
    /// 1/D.
    inverse_speed: Vec<f64>,
    /// ρναΓ.
    growth: Vec<f64>,
}

impl Grid {
    fn new([a, rho, n, beta]: [f64; 4], cells: usize, reach: f64) -> Option<Self> {
        if ![a, rho, n, beta].iter().all(|x| x.is_finite()) || a <= 0.0 || n < 0.0 || rho.abs() >= 1.0 {
            return None;
        }
        let n = n.max(1e-6);
        let m = 1.0 - beta;
        // y of a level, z of y and y of z; z in units of √t.
        let y_of = |log: f64| if m < 1e-9 { log } else { (m * log).exp_m1() / m };
        let z_of = |y: f64| {
            let u = n * y / a;
            let root = (1.0 + 2.0 * rho * u + u * u).sqrt();
            // ln((√ + u + ρ)/(1 + ρ)), without cancellation on either side
            if u + rho >= 0.0 {
                ((root + u + rho) / (1.0 + rho)).ln() / n
            } else {
                -((root - u - rho) / (1.0 - rho)).ln() / n
            }
        };
        let y_at = |z: f64| {
            let half = (0.5 * n * z).sinh();
            a / n * ((n * z).sinh() + 2.0 * rho * half * half)
        };
        let at_zero = if m < LEAST_DISTANCE_FROM_ONE { f64::NEG_INFINITY } else { z_of(-1.0 / m) };
        let low = if at_zero >= -reach { at_zero } else { (-reach).max(z_of(y_of(LOWEST))) };
        let high = reach.min(z_of(y_of(HIGHEST)));
        if !(low < 0.0 && high > 0.0 && low.is_finite() && high.is_finite()) {
            return None;
        }
        // The forward is the centre of a cell, and the lower end the edge of one.
        let whole = (-low / ((high - low) / cells as f64)).round().max(1.0);
        let h = -low / (whole + 0.5);
        let count = whole as usize + 1 + ((high / h - 0.5).ceil().max(1.0) as usize);
        if count > 20 * cells {
            return None;
        }
        let edge = |j: usize| low + h * j as f64;
        let level = |z: f64| if z <= at_zero { 0.0 } else { forward_of(y_at(z), beta) };
        let start = whole as usize;
        let mut forward = Vec::with_capacity(count);
        let mut edges = Vec::with_capacity(count + 1);
        let mut inverse_speed = Vec::with_capacity(count);
        let mut growth = Vec::with_capacity(count);
        let lowest = level(low);
        edges.push(lowest);
        for j in 0..count {
            let y = y_at(edge(j) + 0.5 * h);
            let f = if j == start { 1.0 } else { forward_of(y, beta) };
            edges.push(level(edge(j + 1)));
            let u = n * y / a;
            let power = f.powf(beta);
            inverse_speed.push(1.0 / (a * (1.0 + 2.0 * rho * u + u * u).sqrt() * power));
            let gamma = if j == start || (f - 1.0).abs() < 1e-12 { beta } else { (power - 1.0) / (f - 1.0) };
            growth.push(rho * n * a * gamma);
            forward.push(f);
        }
        let highest = edges[count];
        if !(highest.is_finite() && inverse_speed.iter().all(|speed| speed.is_finite() && *speed > 0.0)) {
            return None;
        }
        let mut conductance = vec![0.0; count + 1];
        conductance[0] = 0.5 / (forward[0] - lowest);
        for j in 1..count {
            conductance[j] = 0.5 / (forward[j] - forward[j - 1]);
        }
        conductance[count] = 0.5 / (highest - forward[count - 1]);
        Some(Self { h, start, edges, conductance, inverse_speed, growth })
    }
}

/// The densities at the end of time. The grids have as many cells each.
fn march<const L: usize>(grids: [&Grid; L], steps: usize) -> [Density; L] {
    let mut solver = Implicit::new(grids, steps);
    let mut state = State { density: vec![[0.0; L]; solver.inverse.len()], ends: [[0.0; L]; 2] };
    for (l, grid) in grids.iter().enumerate() {
        state.density[grid.start][l] = 1.0 / grid.h;
    }
    let (mut half, mut whole) = (state.clone(), state.clone());
    // (√2 + 1) of the second less √2 of the first.
    let mix = |second: f64, first: f64| second + std::f64::consts::SQRT_2 * (second - first);
    for _ in 0..steps {
        solver.step(&state, &mut half);
        solver.step(&half, &mut whole);
        solver.skip();
        for ((value, whole), half) in state.density.iter_mut().zip(&whole.density).zip(&half.density) {
            *value = std::array::from_fn(|l| mix(whole[l], half[l]));
        }
        state.ends = std::array::from_fn(|i| std::array::from_fn(|l| mix(whole.ends[i][l], half.ends[i][l])));
    }
    std::array::from_fn(|l| Density {
        edges: grids[l].edges.clone(),
        // Extrapolated steps may leave a trace below zero where there is nothing.
        mass: state.density.iter().map(|density| (grids[l].h * density[l]).max(0.0)).collect(),
        at_ends: state.ends.map(|mass| mass[l].max(0.0)),
        step: grids[l].h,
    })
}

/// Density by cell and the probability absorbed at both ends, of L problems.
#[derive(Clone)]
struct State<const L: usize> {
    density: Vec<[f64; L]>,
    ends: [[f64; L]; 2],
}

/// One implicit step of (1 − √½) of a time step after another, of L problems at once: each waits on divisions.
struct Implicit<const L: usize> {
    /// Step over width times conductance.
    flow: Vec<[f64; L]>,
    h: [f64; L],
    /// 1/(D E) now, what a step divides it by, and what the rest of a time step does.
    inverse: Vec<[f64; L]>,
    per_step: Vec<[f64; L]>,
    per_rest: Vec<[f64; L]>,
    upper: Vec<[f64; L]>,
}

impl<const L: usize> Implicit<L> {
    fn new(grids: [&Grid; L], steps: usize) -> Self {
        let step = (1.0 - std::f64::consts::FRAC_1_SQRT_2) / steps as f64;
        let rest = 1.0 / steps as f64 - 2.0 * step;
        let count = grids[0].growth.len();
        let table = |count: usize, of: &dyn Fn(&Grid, usize) -> f64| -> Vec<[f64; L]> {
            (0..count).map(|j| std::array::from_fn(|l| of(grids[l], j))).collect()
        };
        Self {
            flow: table(count + 1, &|grid, j| step / grid.h * grid.conductance[j]),
            h: std::array::from_fn(|l| grids[l].h),
            inverse: table(count, &|grid, j| grid.inverse_speed[j]),
            per_step: table(count, &|grid, j| (-grid.growth[j] * step).exp()),
            per_rest: table(count, &|grid, j| (-grid.growth[j] * rest).exp()),
            upper: vec![[0.0; L]; count],
        }
    }

    /// The state a step later, into `to`. The unknowns are u = D E θ, in which the matrix is symmetric.
    fn step(&mut self, from: &State<L>, to: &mut State<L>) {
        let count = self.inverse.len();
        let (mut u, mut before_upper) = ([0.0; L], [0.0; L]);
        let mut left = self.flow[0];
        // The lowest cell flows to the end, where u is zero.
        let mut from_below = [0.0; L];
        for j in 0..count {
            let (right, inverse) = (&self.flow[j + 1], &mut self.inverse[j]);
            for l in 0..L {
                inverse[l] *= self.per_step[j][l];
                let pivot = 1.0 / (inverse[l] + left[l] + right[l] - from_below[l] * before_upper[l]);
                u[l] = (from.density[j][l] + from_below[l] * u[l]) * pivot;
                before_upper[l] = right[l] * pivot;
            }
            (to.density[j], self.upper[j]) = (u, before_upper);
            (left, from_below) = (*right, *right);
        }
        let highest = u;
        for j in (0..count).rev() {
            let value = &mut to.density[j];
            for l in 0..L {
                if j + 1 < count {
                    u[l] = value[l] + self.upper[j][l] * u[l];
                }
                value[l] = u[l] * self.inverse[j][l];
            }
        }
        for l in 0..L {
            to.ends[0][l] = from.ends[0][l] + self.h[l] * self.flow[0][l] * u[l];
            to.ends[1][l] = from.ends[1][l] + self.h[l] * self.flow[count][l] * highest[l];
        }
    }

    /// On to the end of the time step, which the two implicit steps do not reach.
    fn skip(&mut self) {
        for (inverse, factor) in self.inverse.iter_mut().zip(&self.per_rest) {
            for l in 0..L {
                inverse[l] *= factor[l];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Plain, normal_cdf};

    const CASES: [[f64; 4]; 6] = [
        [0.35, -0.1, 1.0, 0.25],
        [0.2, -0.7, 1.0, 1.0],
        [0.01, -0.6, 0.9, 1.0],
        [0.25, 0.0, 0.0, 0.5],
        [0.3, -0.9, 2.0, 1.0],
        [0.001, -0.4, 1.5, 0.0],
    ];

    #[test]
    fn mass_and_forward_are_kept() {
        for case in CASES {
            let density = solve(case).expect("inside the ranges");
            let [low, high] = density.at_ends;
            // Nothing below zero was cut off, or the mass would be above one.
            let mass = density.mass.iter().sum::<f64>() + low + high;
            assert!((mass - 1.0).abs() < 1e-12, "{mass} of {case:?}");
            assert!(density.edges.windows(2).all(|pair| pair[1] > pair[0]));
        }
    }

    #[test]
    fn four_at_a_time_are_each_what_one_is() {
        let near =
            [[0.2, -0.7, 1.0, 1.0], [0.200001, -0.7, 1.0, 1.0], [0.2, -0.69999, 1.0, 1.0], [0.2, -0.7, 0.99999, 1.0]];
        let together = solve_all(&near).expect("inside the ranges");
        for (x, density) in near.iter().zip(&together) {
            let alone = solve(*x).expect("inside the ranges");
            assert_eq!(alone.mass.len(), density.mass.len());
            for (ours, theirs) in density.mass.iter().zip(&alone.mass) {
                assert!((ours - theirs).abs() < 1e-15, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn without_vol_of_vol_the_density_is_lognormal() {
        let density = solve([0.2, 0.0, 0.0, 1.0]).expect("inside the ranges");
        for (edges, mass) in density.edges.windows(2).zip(&density.mass) {
            let below = |forward: f64| normal_cdf::<Plain>((forward.ln() + 0.02) / 0.2);
            let exact = below(edges[1]) - below(edges[0]);
            assert!((mass - exact).abs() < 3e-5, "{mass} {exact} at {edges:?}");
        }
    }
}
