//! The density of SABR's forward without arbitrage: Hagan, Kumar, Lesniewski and Woodward (2014), "Arbitrage-free SABR", solved as Le Floc'h
//! and Kennedy (2017) do in "Finite difference techniques for arbitrage-free SABR".
//!
//! The marginal density Q of the forward obeys ∂Q/∂t = ½ ∂²(D²E Q)/∂F² to the order of Hagan's expansion, with D² = (α² + 2αρνy + ν²y²) F^2β,
//! y = (F^(1−β) − f^(1−β))/(1−β), E = exp(ρναΓt) and Γ = (F^β − f^β)/(F − f), absorbed at both ends. In z = ∫dF/D the noise is one everywhere,
//! and on finite volumes of z mass and forward are kept to rounding. Time goes by Lawson and Swayne's extrapolation of implicit steps, which
//! damps what the point mass at the start would set ringing.

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

/// F(y) for a forward of 1.
fn forward_of(y: f64, beta: f64) -> f64 {
    let m = 1.0 - beta;
    if m < 1e-9 { y.exp() } else { (1.0 + m * y).max(0.0).powf(1.0 / m) }
}

pub(super) fn solve_on([a, rho, n, beta]: [f64; 4], cells: usize, steps: usize, reach: f64) -> Option<Density> {
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
    // 1/D and ρναΓ by cell
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
    // Fluxes: ½ over the distance of centres; to an end, over the distance to its edge.
    let mut conductance = vec![0.0; count + 1];
    conductance[0] = 0.5 / (forward[0] - lowest);
    for j in 1..count {
        conductance[j] = 0.5 / (forward[j] - forward[j - 1]);
    }
    conductance[count] = 0.5 / (highest - forward[count - 1]);
    let mut solver = Implicit::new(h, &conductance, &inverse_speed, &growth, steps);
    let mut state = State { density: vec![0.0; count], ends: [0.0; 2] };
    state.density[start] = 1.0 / h;
    for _ in 0..steps {
        let half = solver.step(&state);
        let whole = solver.step(&half);
        solver.skip();
        // (√2 + 1) of the second less √2 of the first.
        let mix = |second: f64, first: f64| second + std::f64::consts::SQRT_2 * (second - first);
        for (j, value) in state.density.iter_mut().enumerate() {
            *value = mix(whole.density[j], half.density[j]);
        }
        state.ends = std::array::from_fn(|i| mix(whole.ends[i], half.ends[i]));
    }
    // Extrapolated steps may leave a trace below zero where there is nothing.
    let mass = state.density.iter().map(|density| (h * density).max(0.0)).collect();
    Some(Density { edges, mass, at_ends: state.ends.map(|mass| mass.max(0.0)), step: h })
}

/// Density by cell and the probability absorbed at both ends.
struct State {
    density: Vec<f64>,
    ends: [f64; 2],
}

/// One implicit step of (1 − √½) of a time step after another.
struct Implicit<'a> {
    h: f64,
    step: f64,
    conductance: &'a [f64],
    /// 1/(D E) now, what a step divides it by, and what the rest of a time step does.
    inverse: Vec<f64>,
    per_step: Vec<f64>,
    per_rest: Vec<f64>,
    upper: Vec<f64>,
}

impl<'a> Implicit<'a> {
    fn new(h: f64, conductance: &'a [f64], inverse_speed: &[f64], growth: &[f64], steps: usize) -> Self {
        let step = (1.0 - std::f64::consts::FRAC_1_SQRT_2) / steps as f64;
        let rest = 1.0 / steps as f64 - 2.0 * step;
        Self {
            h,
            step,
            conductance,
            inverse: inverse_speed.to_vec(),
            per_step: growth.iter().map(|growth| (-growth * step).exp()).collect(),
            per_rest: growth.iter().map(|growth| (-growth * rest).exp()).collect(),
            upper: vec![0.0; growth.len()],
        }
    }

    /// The state a step later. The unknowns are u = D E θ, in which the matrix is symmetric.
    fn step(&mut self, from: &State) -> State {
        for (inverse, factor) in self.inverse.iter_mut().zip(&self.per_step) {
            *inverse *= factor;
        }
        let count = self.inverse.len();
        let ratio = self.step / self.h;
        let mut u = vec![0.0; count];
        let mut before = 0.0;
        let mut before_upper = 0.0;
        for j in 0..count {
            let (left, right) = (ratio * self.conductance[j], ratio * self.conductance[j + 1]);
            let inner_left = if j == 0 { 0.0 } else { left };
            let pivot = 1.0 / (self.inverse[j] + left + right - inner_left * before_upper);
            before = (from.density[j] + inner_left * before) * pivot;
            before_upper = right * pivot;
            u[j] = before;
            self.upper[j] = before_upper;
        }
        for j in (0..count - 1).rev() {
            u[j] += self.upper[j] * u[j + 1];
        }
        let ends = [
            from.ends[0] + self.step * self.conductance[0] * u[0],
            from.ends[1] + self.step * self.conductance[count] * u[count - 1],
        ];
        for (u, inverse) in u.iter_mut().zip(&self.inverse) {
            *u *= inverse;
        }
        State { density: u, ends }
    }

    /// On to the end of the time step, which the two implicit steps do not reach.
    fn skip(&mut self) {
        for (inverse, factor) in self.inverse.iter_mut().zip(&self.per_rest) {
            *inverse *= factor;
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
    fn without_vol_of_vol_the_density_is_lognormal() {
        let density = solve([0.2, 0.0, 0.0, 1.0]).expect("inside the ranges");
        for (edges, mass) in density.edges.windows(2).zip(&density.mass) {
            let below = |forward: f64| normal_cdf::<Plain>((forward.ln() + 0.02) / 0.2);
            let exact = below(edges[1]) - below(edges[0]);
            assert!((mass - exact).abs() < 3e-5, "{mass} {exact} at {edges:?}");
        }
    }
}
