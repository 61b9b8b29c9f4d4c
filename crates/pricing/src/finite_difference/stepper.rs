//! Rolls values back from expiry to now: an operator, a list of stretches and events, and a scheme.
//!
//! Method    One factorisation serves a whole stretch, since half a step of backward Euler and a step of Crank–Nicolson invert the same
//!           matrix, and so do both halves of TR-BDF2. Nothing is allocated once the scratch has grown to the grid.
//! Source    R. Rannacher (1984); M. B. Giles and R. Carter, "Convergence analysis of Crank–Nicolson and Rannacher time-marching" (2006);
//!           R. E. Bank et al. (1985) for TR-BDF2

use zomma_base::{OptionType, Status};

use super::contract::LocalVolatility;
use super::events::{Event, Stretch};
use super::exercise::Penalty;
use super::jump::before_dividend;
use super::operator::{End, Operator};
use super::payoff::{Affine, UnitPayoff};
use super::settings::{AmericanMethod, FarBoundary, Scheme, Settings};
use super::tridiagonal::{Factors, From};

/// An end of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edge {
    /// A barrier: the value there.
    Knocked(f64),
    /// Nothing is there: the value is affine.
    Far(Affine),
}

/// The problem in units of the strike.
#[derive(Clone, Copy)]
pub(super) struct Unit<'a> {
    pub payoff: UnitPayoff,
    pub rate: f64,
    pub dividend_yield: f64,
    pub volatility: f64,
    /// The function, and the strike that turns units into spots.
    pub local: Option<(LocalVolatility<'a>, f64)>,
    /// At any time.
    pub american: bool,
    /// Values at barriers that end the grid, from below and from above.
    pub knocked: [Option<f64>; 2],
    /// Barriers watched at dates, and the rebate.
    pub watched: [Option<f64>; 2],
    pub rebate: f64,
    /// Whether the barrier is watched at expiry too.
    pub watched_at_expiry: bool,
}

/// Grid, values and all scratch.
#[derive(Default)]
pub(super) struct Stepper {
    pub nodes: Vec<f64>,
    pub values: Vec<f64>,
    pub operator: Operator,
    payoff: Vec<f64>,
    right: Vec<f64>,
    first: Vec<f64>,
    factors: Factors,
    /// k for which `factors` are.
    factored: f64,
    penalty: Penalty,
    edges: Vec<Edge>,
}

/// Steps after expiry, and after an event, whose place two half steps of backward Euler take.
const DAMPED: [usize; 2] = [2, 1];
/// γ of TR-BDF2, with which both halves invert the same matrix.
pub(super) const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;

impl Stepper {
    /// Fills `values` with those of now, for the `nodes` that stand. Each stretch has its steps times `refinement`.
    pub fn roll_back(
        &mut self,
        unit: &Unit<'_>,
        stretches: &[Stretch],
        refinement: usize,
        settings: &Settings,
    ) -> Result<(), Status> {
        self.start(unit);
        self.assemble(unit, settings, stretches.first().map_or(0.0, |s| s.begin + s.length));
        // The boundary of American exercise moves like a square root after expiry and after a dividend: steps that grow with the root of
        // time keep the second order. Crank–Nicolson would not damp the last of them.
        let graded = unit.american && settings.scheme == Scheme::TrBdf2;
        let behind = |u: f64| if graded { u * u } else { u };
        let mut fresh = DAMPED[0];
        for stretch in stretches {
            let steps = stretch.steps * refinement;
            for i in 0..steps {
                // Shares of the stretch that are behind before this step and after it.
                let [before, after] = [i, i + 1].map(|i| behind(i as f64 / steps as f64));
                let step = stretch.length * (after - before);
                let end = stretch.begin + stretch.length * (1.0 - before);
                if unit.local.is_some() {
                    self.assemble(unit, settings, end - 0.5 * step);
                }
                if settings.scheme == Scheme::Rannacher && i < fresh {
                    self.theta_step(unit, settings, 0.5 * step, 1.0)?;
                    self.theta_step(unit, settings, 0.5 * step, 1.0)?;
                } else {
                    self.step(unit, settings, step)?;
                }
            }
            if steps > 0 {
                fresh = 0;
            }
            if let Some(event) = stretch.event {
                self.happen(unit, event);
                fresh = fresh.max(DAMPED[1]);
            }
        }
        Ok(())
    }

    /// Values at expiry.
    fn start(&mut self, unit: &Unit<'_>) {
        let n = self.nodes.len();
        self.values.clear();
        for i in 0..n {
            self.values.push(unit.payoff.mean(self.nodes[i], cell(&self.nodes, i)));
        }
        self.payoff.clear();
        let best = |s: f64| if unit.american { unit.payoff.at_best(s) } else { unit.payoff.at(s) };
        self.payoff.extend(self.nodes.iter().map(|&s| best(s)));
        self.right.resize(n, 0.0);
        self.first.resize(n, 0.0);
        self.factored = f64::NAN;
        let far = |s: f64, knocked: Option<f64>| match knocked {
            Some(value) => Edge::Knocked(value),
            None => Edge::Far(unit.payoff.affine(s)),
        };
        self.edges.clear();
        self.edges.extend([far(self.nodes[0], unit.knocked[0]), far(self.nodes[n - 1], unit.knocked[1])]);
        if unit.watched_at_expiry {
            self.watch(unit);
        }
        self.set_ends();
    }

    fn assemble(&mut self, unit: &Unit<'_>, settings: &Settings, time: f64) {
        let end = |edge: Edge| match (edge, settings.far_boundary) {
            (Edge::Far(_), FarBoundary::ZeroGamma) => End::ZeroGamma,
            _ => End::Dirichlet,
        };
        let ends = [end(self.edges[0]), end(self.edges[1])];
        let growth = [unit.rate, unit.rate - unit.dividend_yield];
        self.factored = f64::NAN;
        match unit.local {
            None => self.operator.assemble(&self.nodes, |_| unit.volatility, growth, ends),
            Some((function, strike)) => {
                let at = |s: f64| {
                    let sigma = function(s * strike, time);
                    if sigma.is_finite() && sigma > 0.0 { sigma.min(MOST_LOCAL) } else { 0.0 }
                };
                self.operator.assemble(&self.nodes, at, growth, ends);
            }
        }
    }

    /// One step of the scheme.
    fn step(&mut self, unit: &Unit<'_>, settings: &Settings, step: f64) -> Result<(), Status> {
        match settings.scheme {
            Scheme::ImplicitEuler => self.theta_step(unit, settings, step, 1.0),
            Scheme::CrankNicolson | Scheme::Rannacher => self.theta_step(unit, settings, step, 0.5),
            Scheme::Explicit => {
                if step > self.operator.longest_explicit_step() {
                    return Err(Status::BadMethod);
                }
                self.operator.advance(&self.values, step, &mut self.right);
                self.discount_edges(unit, step);
                std::mem::swap(&mut self.values, &mut self.right);
                self.set_ends();
                if unit.american {
                    self.at_least_payoff();
                }
                Ok(())
            }
            Scheme::TrBdf2 => {
                self.first.copy_from_slice(&self.values);
                self.theta_step(unit, settings, GAMMA * step, 0.5)?;
                let share = 1.0 / (GAMMA * (2.0 - GAMMA));
                let before = (1.0 - GAMMA) * (1.0 - GAMMA) * share;
                for ((right, v), first) in self.right.iter_mut().zip(&self.values).zip(&self.first) {
                    *right = share * v - before * first;
                }
                self.invert(unit, settings, 0.5 * GAMMA * step, (1.0 - GAMMA) * step)
            }
        }
    }

    /// (1 − θ dt L) V' = (1 + (1 − θ) dt L) V.
    fn theta_step(&mut self, unit: &Unit<'_>, settings: &Settings, step: f64, theta: f64) -> Result<(), Status> {
        if theta == 1.0 {
            self.right.copy_from_slice(&self.values);
        } else {
            self.operator.advance(&self.values, (1.0 - theta) * step, &mut self.right);
        }
        self.invert(unit, settings, theta * step, step)
    }

    /// Solves (1 − kL) V = right, with the ends after another `step`.
    fn invert(&mut self, unit: &Unit<'_>, settings: &Settings, k: f64, step: f64) -> Result<(), Status> {
        self.discount_edges(unit, step);
        std::mem::swap(&mut self.values, &mut self.right);
        if settings.far_boundary == FarBoundary::Affine {
            self.set_ends();
        } else {
            self.set_barriers();
        }
        // Calls are exercised from above, puts from below.
        let from = match unit.payoff.option_type {
            OptionType::Call => From::High,
            OptionType::Put => From::Low,
        };
        let method = if unit.exercised_from_one_side() || settings.american != AmericanMethod::BrennanSchwartz {
            settings.american
        } else {
            AmericanMethod::Penalty
        };
        if unit.american && method == AmericanMethod::Penalty {
            let settled = self.penalty.solve(&self.operator, k, from, &mut self.values, &self.payoff);
            return if settled { Ok(()) } else { Err(Status::NotConverged) };
        }
        if self.factored != k {
            self.factors.factor(&self.operator, k, from, |_| 0.0);
            self.factored = k;
        }
        let least = (unit.american && method == AmericanMethod::BrennanSchwartz).then_some(self.payoff.as_slice());
        self.factors.solve(&mut self.values, least);
        if unit.american && method == AmericanMethod::Projection {
            self.at_least_payoff();
        }
        Ok(())
    }

    fn discount_edges(&mut self, unit: &Unit<'_>, step: f64) {
        let growth = [(-unit.dividend_yield * step).exp(), (-unit.rate * step).exp()];
        for edge in &mut self.edges {
            if let Edge::Far(affine) = edge {
                affine.discount(growth);
            }
        }
        if unit.american {
            self.exercise_edges(unit);
        }
    }

    fn exercise_edges(&mut self, unit: &Unit<'_>) {
        let spots = [self.nodes[0], self.nodes[self.nodes.len() - 1]];
        for (edge, spot) in self.edges.iter_mut().zip(spots) {
            if let Edge::Far(affine) = edge
                && unit.payoff.at(spot) > affine.at(spot)
            {
                *affine = unit.payoff.affine(spot);
            }
        }
    }

    fn edge_value(&self, which: usize) -> f64 {
        let spot = if which == 0 { self.nodes[0] } else { self.nodes[self.nodes.len() - 1] };
        match self.edges[which] {
            Edge::Knocked(value) => value,
            Edge::Far(affine) => affine.at(spot),
        }
    }

    /// Puts the given values at both ends.
    fn set_ends(&mut self) {
        let last = self.values.len() - 1;
        (self.values[0], self.values[last]) = (self.edge_value(0), self.edge_value(1));
    }

    fn set_barriers(&mut self) {
        let last = self.values.len() - 1;
        for (which, i) in [(0, 0), (1, last)] {
            if let Edge::Knocked(value) = self.edges[which] {
                self.values[i] = value;
            }
        }
    }

    fn at_least_payoff(&mut self) {
        self.values.iter_mut().zip(&self.payoff).for_each(|(v, p)| *v = v.max(*p));
        self.set_barriers();
    }

    fn happen(&mut self, unit: &Unit<'_>, event: Event) {
        match event {
            Event::Dividend(amount) => {
                let low = self.edges[0];
                let beyond = |s: f64| match low {
                    Edge::Knocked(value) => value,
                    Edge::Far(affine) => affine.at(s),
                };
                before_dividend(&self.nodes, &self.values, amount, beyond, &mut self.right);
                std::mem::swap(&mut self.values, &mut self.right);
                let floored = self.nodes[0] == 0.0;
                for (i, edge) in self.edges.iter_mut().enumerate() {
                    // At a spot of zero there is nothing left to fall.
                    if let Edge::Far(affine) = edge
                        && !(i == 0 && floored)
                    {
                        affine.intercept -= affine.slope * amount;
                    }
                }
                if unit.american {
                    self.exercise_edges(unit);
                    self.at_least_payoff();
                }
                self.set_barriers();
            }
            Event::Exercise => {
                self.exercise_edges(unit);
                self.at_least_payoff();
            }
            Event::Watch => self.watch(unit),
        }
    }

    /// The rebate beyond the watched barriers; in the cell that a barrier divides, in proportion.
    fn watch(&mut self, unit: &Unit<'_>) {
        for i in 0..self.nodes.len() {
            let [from, to] = cell(&self.nodes, i);
            let alive = unit.alive(from, to);
            self.values[i] = alive * self.values[i] + (1.0 - alive) * unit.rebate;
        }
        let spots = [self.nodes[0], self.nodes[self.nodes.len() - 1]];
        for (edge, spot) in self.edges.iter_mut().zip(spots) {
            if unit.knocks(spot) {
                *edge = Edge::Far(Affine { slope: 0.0, intercept: unit.rebate });
            }
        }
    }
}

/// Local volatilities above this are read as this: diffusion weights stay finite.
const MOST_LOCAL: f64 = 100.0;

/// The cell of a node, from the middle between it and the node before to that between it and the next.
pub(super) fn cell(nodes: &[f64], i: usize) -> [f64; 2] {
    let next = nodes[(i + 1).min(nodes.len() - 1)];
    [0.5 * (nodes[i.max(1) - 1] + nodes[i]), 0.5 * (nodes[i] + next)]
}

impl Unit<'_> {
    /// The share of a cell that is between the watched barriers.
    pub fn alive(&self, from: f64, to: f64) -> f64 {
        // The end nodes of a grid that rounding has folded have cells that end before they begin.
        let low = self.watched[0].map_or(from, |b| b.min(to).max(from));
        let high = self.watched[1].map_or(to, |b| b.min(to).max(from));
        if to > from { ((high - low) / (to - from)).max(0.0) } else { 1.0 }
    }

    /// Whether a spot is at a watched barrier or beyond.
    pub fn knocks(&self, spot: f64) -> bool {
        self.watched[0].is_some_and(|b| spot <= b) || self.watched[1].is_some_and(|b| spot >= b)
    }

    /// Whether the exercised spots are those below (above) one boundary: the delta of a put stays within −1 and 0, that of a call within
    /// 0 and 1, where neither rate nor yield is negative.
    fn exercised_from_one_side(&self) -> bool {
        self.payoff.is_vanilla() && self.rate >= 0.0 && self.dividend_yield >= 0.0
    }
}
