//! What the Greeks say of a scenario: the Taylor polynomial about the market as it is.
//!
//! Formula   ΔV ≈ Δ$ x + ½ Γ$ x² + vega s + ½ vomma s² + vanna$ x s + theta t + charm$ x t + rho r; x the relative move of spot, s the
//!           shift of volatility, t the years that pass, r the shift of rate
//! Method    central differences of full revaluations, so that they are those of any model; steps by the smoothness of its engine

use std::cell::Cell;

use zomma_pricing::valuation::Kind;

use crate::{
    Portfolio, Scenario,
    portfolio::Part,
    revalue::{Outcome, add_part, part_values},
};

/// Derivatives of the value of one group of positions by the moves of a [`Scenario`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sensitivities {
    /// By the relative move of every spot: Σ shares × spot × delta.
    pub cash_delta: f64,
    /// The second: Σ shares × spot² × gamma.
    pub cash_gamma: f64,
    /// By the shift of every volatility, per 1.00.
    pub vega: f64,
    /// The second.
    pub vomma: f64,
    /// By spot and volatility.
    pub cash_vanna: f64,
    /// By calendar time, per year.
    pub theta: f64,
    /// By spot and calendar time.
    pub cash_charm: f64,
    /// By the shift of every rate, per 1.00.
    pub rho: f64,
    /// Rows that are in no figure: a step of the differences leaves them without a value.
    pub rows_failed: usize,
}

/// Steps of the differences: spot, volatility; then years and rate.
struct Steps {
    spot: f64,
    volatility: f64,
    days: f64,
    rate: f64,
}

impl Steps {
    /// Formulae are smooth to the last bits; what iterates or interpolates is not.
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Black(_) | Kind::Displaced(_) => Self { spot: 1e-4, volatility: 1e-4, days: 0.02, rate: 1e-4 },
            _ => Self { spot: 5e-3, volatility: 2e-3, days: 0.2, rate: 5e-4 },
        }
    }

    /// So many steps of spot, volatility, days and rate.
    fn scenario(&self, [spot, volatility, days, rate]: [f64; 4]) -> Scenario {
        Scenario {
            spot_change: spot * self.spot,
            volatility_shift: volatility * self.volatility,
            rate_shift: rate * self.rate,
            days: days * self.days,
        }
    }
}

/// Every step of the differences: spot, volatility, days, rate.
const STEPS: [[f64; 4]; 17] = [
    [0.0, 0.0, 0.0, 0.0],
    [1.0, 0.0, 0.0, 0.0],
    [-1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, -1.0, 0.0, 0.0],
    [1.0, 1.0, 0.0, 0.0],
    [1.0, -1.0, 0.0, 0.0],
    [-1.0, 1.0, 0.0, 0.0],
    [-1.0, -1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, -1.0, 0.0],
    [1.0, 0.0, 1.0, 0.0],
    [1.0, 0.0, -1.0, 0.0],
    [-1.0, 0.0, 1.0, 0.0],
    [-1.0, 0.0, -1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [0.0, 0.0, 0.0, -1.0],
];

impl Sensitivities {
    /// Of each group of a portfolio.
    pub fn of(portfolio: &Portfolio) -> Vec<Self> {
        let mut all = vec![Self::default(); portfolio.groups()];
        for part in portfolio.parts() {
            for (sum, part) in all.iter_mut().zip(Self::of_part(part, portfolio.groups())) {
                sum.add(&part);
            }
        }
        all
    }

    /// Of a part. A row that a step of the differences leaves without a value is left out of every step: a difference of a value and of
    /// nothing would be as large as the value.
    fn of_part(part: &Part, groups: usize) -> Vec<Self> {
        let failed = Cell::new(false);
        let found = Self::differences(part, groups, &failed);
        if !failed.get() {
            return found;
        }
        let mut gone = vec![false; part.row.len()];
        for scenario in STEPS.map(|step| Steps::of(part.kind).scenario(step)) {
            for (gone, status) in gone.iter_mut().zip(part_values(part, &scenario, 0.0).1) {
                *gone |= !status.is_ok();
            }
        }
        let mut found = Self::differences(&part.without(&gone), groups, &failed);
        for (&group, _) in part.group.iter().zip(&gone).filter(|(_, gone)| **gone) {
            found[group as usize].rows_failed += 1;
        }
        found
    }

    /// `failed` is set where a row has no value at a step.
    fn differences(part: &Part, groups: usize, failed: &Cell<bool>) -> Vec<Self> {
        let steps = Steps::of(part.kind);
        let at = |spot: f64, volatility: f64, days: f64, rate: f64| {
            let mut outcome = Outcome::zero(groups);
            // Derivatives know no floor but zero: one above would stop the step down.
            add_part(part, &steps.scenario([spot, volatility, days, rate]), 0.0, &mut outcome);
            failed.set(failed.get() || outcome.all_failed() > 0);
            outcome.value
        };
        let here = at(0.0, 0.0, 0.0, 0.0);
        let spot = [at(1.0, 0.0, 0.0, 0.0), at(-1.0, 0.0, 0.0, 0.0)];
        let volatility = [at(0.0, 1.0, 0.0, 0.0), at(0.0, -1.0, 0.0, 0.0)];
        let corners =
            [at(1.0, 1.0, 0.0, 0.0), at(1.0, -1.0, 0.0, 0.0), at(-1.0, 1.0, 0.0, 0.0), at(-1.0, -1.0, 0.0, 0.0)];
        let time = [at(0.0, 0.0, 1.0, 0.0), at(0.0, 0.0, -1.0, 0.0)];
        let spot_and_time =
            [at(1.0, 0.0, 1.0, 0.0), at(1.0, 0.0, -1.0, 0.0), at(-1.0, 0.0, 1.0, 0.0), at(-1.0, 0.0, -1.0, 0.0)];
        let rate = [at(0.0, 0.0, 0.0, 1.0), at(0.0, 0.0, 0.0, -1.0)];
        let (x, s, t, r) = (steps.spot, steps.volatility, steps.days / 365.0, steps.rate);
        (0..groups)
            .map(|g| {
                let slope = |pair: &[Vec<f64>; 2], h: f64| (pair[0][g] - pair[1][g]) / (2.0 * h);
                let bend = |pair: &[Vec<f64>; 2], h: f64| (pair[0][g] - 2.0 * here[g] + pair[1][g]) / (h * h);
                let cross = |four: &[Vec<f64>; 4], h: f64, k: f64| {
                    (four[0][g] - four[1][g] - four[2][g] + four[3][g]) / (4.0 * h * k)
                };
                Self {
                    cash_delta: slope(&spot, x),
                    cash_gamma: bend(&spot, x),
                    vega: slope(&volatility, s),
                    vomma: bend(&volatility, s),
                    cash_vanna: cross(&corners, x, s),
                    theta: slope(&time, t),
                    cash_charm: cross(&spot_and_time, x, t),
                    rho: slope(&rate, r),
                    rows_failed: 0,
                }
            })
            .collect()
    }

    fn add(&mut self, other: &Self) {
        self.cash_delta += other.cash_delta;
        self.cash_gamma += other.cash_gamma;
        self.vega += other.vega;
        self.vomma += other.vomma;
        self.cash_vanna += other.cash_vanna;
        self.theta += other.theta;
        self.cash_charm += other.cash_charm;
        self.rho += other.rho;
        self.rows_failed += other.rows_failed;
    }

    /// The profit that the Greeks give for a scenario.
    pub fn profit(&self, scenario: &Scenario) -> f64 {
        let (x, s, t, r) = (scenario.spot_change, scenario.volatility_shift, scenario.years(), scenario.rate_shift);
        self.cash_delta * x
            + 0.5 * self.cash_gamma * x * x
            + self.vega * s
            + 0.5 * self.vomma * s * s
            + self.cash_vanna * x * s
            + self.theta * t
            + self.cash_charm * x * t
            + self.rho * r
    }
}
