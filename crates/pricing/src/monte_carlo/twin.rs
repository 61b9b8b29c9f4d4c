//! The twin of the engine: one path after the other in plain f64, by the formulas as they are published.
//!
//! Source   as in the files of the lanes; the random numbers and their weights are the same, everything after them is written anew
//! Limits   no controls; for tests and as the specification

use zomma_base::{OptionType, Status};

use super::source::bridge::Bridge;
use super::source::shift::Shift;
use super::source::sobol::{DIMENSIONS, Scramble, coordinate};
use super::source::{Stream, quasi};
use super::{
    Average, Heston, Jumps, LocalVolatility, Market, Model, Monitoring, MonteCarloError, Payoff, Plan, Sampling,
    inverse_normal_cdf, philox,
};
use crate::math::{Plain, normal_cdf};

/// Discounted payoffs of every path, in the order of the paths (replication by replication).
///
/// # Errors
///
/// As [`prices`](super::prices), but for what only the paths can tell.
pub fn payoffs(market: &Market, model: &Model<'_>, payoff: &Payoff, plan: &Plan) -> Result<Vec<f64>, MonteCarloError> {
    plan.check()?;
    market.check()?;
    model.check()?;
    payoff.check(market)?;
    let every = payoff.every(plan.steps)?;
    let (replications, points) = plan.replications();
    let paths = (0..replications).flat_map(|replication| (0..points).map(move |point| (replication, point)));
    Ok(paths
        .map(|(replication, point)| {
            let (numbers, weight) = numbers(plan, factors(model), replication as u32, point as u64);
            let paid = paid(payoff, market, every, &path(market, model, plan.steps, &numbers));
            weight * market.discount_factor() * paid
        })
        .collect())
}

/// Factors of a step.
fn factors(model: &Model<'_>) -> usize {
    let jumping = |jumps: &Jumps| jumps.jump_intensity > 0.0;
    match model {
        Model::BlackScholes { .. } | Model::LocalVolatility(_) => 1,
        Model::Merton { jumps, .. } => {
            if jumping(jumps) {
                3
            } else {
                1
            }
        }
        Model::Heston(_) => 2,
        Model::Bates { jumps, .. } => {
            if jumping(jumps) {
                3
            } else {
                2
            }
        }
    }
}

/// The uniform numbers of one path, a row a step, and its weight.
fn numbers(plan: &Plan, factors: usize, replication: u32, point: u64) -> (Vec<[f64; 3]>, f64) {
    let (mut rows, mut weight) = (vec![[0.5; 3]; plan.steps], 1.0);
    let uniform = |step: usize, factor: usize, path: u64| {
        // Three factors take two pairs of words a step.
        let place = step * if factors == 3 { 4 } else { factors } + factor;
        philox::stream_uniforms(plan.seed, Stream::Main as u32, path, (place / 2) as u32)[place % 2]
    };
    match plan.sampling {
        Sampling::Independent => {
            for (step, row) in rows.iter_mut().enumerate() {
                (0..factors).for_each(|factor| row[factor] = uniform(step, factor, point));
            }
        }
        Sampling::Antithetic => {
            for (step, row) in rows.iter_mut().enumerate() {
                for (factor, number) in row.iter_mut().enumerate().take(factors) {
                    let u = uniform(step, factor, point / 2);
                    *number = if point.is_multiple_of(2) { u } else { 1.0 - u };
                }
            }
        }
        Sampling::Sobol { .. } => {
            for factor in 0..factors {
                // The bridge in its matrix form: the path at each place, then its steps.
                let mut path = vec![0.0; plan.steps];
                for (rank, rung) in Bridge::new(plan.steps).rungs().iter().enumerate() {
                    let dimension = rank * factors + factor;
                    let u = if dimension < DIMENSIONS {
                        Scramble::new(plan.seed, replication, dimension).uniform(coordinate(point as u32, dimension))
                    } else {
                        quasi::beyond(plan.seed, replication, point as u32, dimension)
                    };
                    let shift = if rank == 0 && quasi::SHIFTED[factor] {
                        Shift::new(plan.seed, replication, dimension, plan.replications().1)
                    } else {
                        None
                    };
                    let (u, by) = shift.map_or((u, 1.0), |shift| shift.at(u));
                    weight *= by;
                    let from = |end: Option<usize>| end.map_or(0.0, |end| path[end]);
                    let mean = rung.left_weight * from(rung.left) + rung.right_weight * from(rung.right);
                    path[rung.at] = mean + rung.deviation * inverse_normal_cdf::<Plain>(u);
                }
                let mut before = 0.0;
                for (row, at) in rows.iter_mut().zip(path) {
                    row[factor] = normal_cdf::<Plain>(at - before).min(1.0 - 0.5 * f64::EPSILON);
                    before = at;
                }
            }
        }
    }
    (rows, weight)
}

/// ln(S/S₀) and the variance of its step (but for jumps), step by step.
fn path(market: &Market, model: &Model<'_>, steps: usize, numbers: &[[f64; 3]]) -> Vec<(f64, f64)> {
    let h = market.expiry_years / steps as f64;
    let carry = (market.risk_free_rate - market.dividend_yield) * h;
    let (mut x, mut v) = (0.0, 0.0);
    if let Model::Heston(heston) | Model::Bates { heston, .. } = model {
        v = heston.v0;
    }
    let mut out = Vec::with_capacity(steps);
    for (step, row) in numbers.iter().enumerate() {
        let z = inverse_normal_cdf::<Plain>(row[0]);
        let jumped = |jumps: &Jumps| {
            let count = poisson(row[2], jumps.jump_intensity * h);
            let mean = count * jumps.jump_mean - jumps.compensator() * h;
            (mean, count * jumps.jump_std * jumps.jump_std)
        };
        let step_variance = match model {
            Model::BlackScholes { volatility } => {
                let variance = volatility * volatility * h;
                x += carry - 0.5 * variance + variance.sqrt() * z;
                variance
            }
            Model::Merton { volatility, jumps } => {
                let (mean, square) = jumped(jumps);
                let variance = volatility * volatility * h;
                x += carry - 0.5 * variance + mean + (variance + square).sqrt() * z;
                variance
            }
            Model::LocalVolatility(local) => {
                let (spot, years) = (market.spot * x.exp(), step as f64 * h);
                let volatility = match local {
                    LocalVolatility::Function(function) => function(spot, years),
                    LocalVolatility::Grid(grid) => grid.volatility(spot, years),
                };
                let variance = volatility * volatility * h;
                x += carry - 0.5 * variance + variance.sqrt() * z;
                variance
            }
            Model::Heston(heston) => {
                let (next, drift, square) = quadratic_exponential(heston, h, v, row[1]);
                x += carry + drift + square.sqrt() * z;
                let variance = 0.5 * h * (v + next);
                v = next;
                variance
            }
            Model::Bates { heston, jumps } => {
                let (mean, jump_square) = jumped(jumps);
                let (next, drift, square) = quadratic_exponential(heston, h, v, row[1]);
                x += carry + drift + mean + (square + jump_square).sqrt() * z;
                let variance = 0.5 * h * (v + next);
                v = next;
                variance
            }
        };
        out.push((x, step_variance));
    }
    out
}

/// Andersen's scheme, equations 17 to 30 and 33 to 40: the next variance, and mean (but for the carry) and variance of what x rises by.
fn quadratic_exponential(heston: &Heston, h: f64, v: f64, u: f64) -> (f64, f64, f64) {
    let Heston { kappa, theta_v, sigma_v, rho_v, .. } = *heston;
    let e = (-kappa * h).exp();
    let m = theta_v + (v - theta_v) * e;
    let square = v * sigma_v * sigma_v * e / kappa * (1.0 - e)
        + theta_v * sigma_v * sigma_v / (2.0 * kappa) * (1.0 - e) * (1.0 - e);
    let psi = square / (m * m);
    let k1 = 0.5 * h * (kappa * rho_v / sigma_v - 0.5) - rho_v / sigma_v;
    let k2 = 0.5 * h * (kappa * rho_v / sigma_v - 0.5) + rho_v / sigma_v;
    let k3 = 0.5 * h * (1.0 - rho_v * rho_v);
    let k4 = k3;
    let a_moment = k2 + 0.5 * k4;
    let (next, log_mean) = if psi <= 1.5 {
        let b_square = 2.0 / psi - 1.0 + (2.0 / psi).sqrt() * (2.0 / psi - 1.0).sqrt();
        let a = m / (1.0 + b_square);
        let root = 1.0 - 2.0 * a_moment * a;
        let next = a * (b_square.sqrt() + inverse_normal_cdf::<Plain>(u)).powi(2);
        (next, (root > 1e-6).then(|| a_moment * b_square * a / root - 0.5 * root.ln()))
    } else {
        let p = (psi - 1.0) / (psi + 1.0);
        let beta = (1.0 - p) / m;
        let next = if u <= p { 0.0 } else { ((1.0 - p) / (1.0 - u)).ln() / beta };
        let exists = 1.0 - a_moment / beta > 1e-6;
        (next, exists.then(|| (p + beta * (1.0 - p) / (beta - a_moment)).ln()))
    };
    let k0 = match log_mean {
        Some(log_mean) => -log_mean - (k1 + 0.5 * k3) * v,
        None => -rho_v * kappa * theta_v * h / sigma_v,
    };
    (next, k0 + k1 * v + k2 * next, k3 * v + k4 * next)
}

/// The number of jumps that a uniform number stands for.
fn poisson(u: f64, expected: f64) -> f64 {
    let (mut probability, mut sum, mut count) = ((-expected).exp(), 0.0, 0.0);
    loop {
        sum += probability;
        if u <= sum || (count > expected && probability < 1e-17) {
            return count;
        }
        count += 1.0;
        probability *= expected / count;
    }
}

/// What a path pays.
fn paid(payoff: &Payoff, market: &Market, every: usize, path: &[(f64, f64)]) -> f64 {
    let sign = payoff.option_type().sign();
    let spot = |x: f64| market.spot * x.exp();
    let looks: Vec<f64> = path.iter().skip(every - 1).step_by(every).map(|step| step.0).collect();
    let end = spot(path[path.len() - 1].0);
    let over = |x: f64, strike: f64| (sign * (x - strike)).max(0.0);
    match *payoff {
        Payoff::European { strike, .. } => over(end, strike),
        Payoff::Digital { strike, .. } => {
            if sign * (end - strike) > 0.0 {
                1.0
            } else {
                0.0
            }
        }
        Payoff::Asian { strike, average, .. } => {
            let n = looks.len() as f64;
            let mean = match average {
                Average::Arithmetic => looks.iter().map(|x| spot(*x)).sum::<f64>() / n,
                Average::Geometric => spot(looks.iter().sum::<f64>() / n),
            };
            over(mean, strike)
        }
        Payoff::Barrier { strike, barrier, kind, rebate, monitoring, .. } => {
            let side = if kind.is_up() { 1.0 } else { -1.0 };
            let away = |x: f64| side * ((barrier / market.spot).ln() - x);
            let untouched = match monitoring {
                Monitoring::Dates(_) => {
                    if looks.iter().all(|x| away(*x) > 0.0) {
                        1.0
                    } else {
                        0.0
                    }
                }
                Monitoring::Continuous => {
                    let mut before = 0.0;
                    path.iter()
                        .map(|(x, variance)| {
                            let (from, to) = (away(before), away(*x));
                            before = *x;
                            if from > 0.0 && to > 0.0 { -(-2.0 * from * to / variance).exp_m1() } else { 0.0 }
                        })
                        .product()
                }
            };
            let alive = if kind.is_out() { untouched } else { 1.0 - untouched };
            alive * over(end, strike) + (1.0 - alive) * rebate
        }
        Payoff::Lookback { option_type, strike, .. } => {
            let largest = looks.iter().fold(0.0f64, |a, x| a.max(*x));
            let smallest = looks.iter().fold(0.0f64, |a, x| a.min(*x));
            match (option_type, strike) {
                (OptionType::Call, Some(strike)) => over(spot(largest), strike),
                (OptionType::Put, Some(strike)) => over(spot(smallest), strike),
                (OptionType::Call, None) => end - spot(smallest),
                (OptionType::Put, None) => spot(largest) - end,
            }
        }
    }
}

/// Mean of the twin's payoffs; [`Status::Overflow`] where it is not a number.
///
/// # Errors
///
/// As [`payoffs`].
pub fn mean(market: &Market, model: &Model<'_>, payoff: &Payoff, plan: &Plan) -> Result<f64, MonteCarloError> {
    let payoffs = payoffs(market, model, payoff, plan)?;
    let mean = payoffs.iter().sum::<f64>() / payoffs.len() as f64;
    if mean.is_finite() { Ok(mean) } else { Err(Status::Overflow.into()) }
}
