//! Heston's model on a grid in spot and variance: European, Bermudan and American exercise, barriers and cash dividends.
//!
//! Model     dS = (r − q)S dt + √v S dW, dv = κ(θ − v) dt + σᵥ√v dZ, d⟨W, Z⟩ = ρ dt; the spot falls by each cash dividend
//! Method    Alternating directions with a mixed derivative (adi.rs) on nodes dense around spot and strike and towards v = 0 (variance.rs),
//!           the equation itself at v = 0; two nested grids, extrapolated
//! Source    K. J. in 't Hout and S. Foulon, "ADI finite difference schemes for option pricing in the Heston model with correlation" (2010)
//! Accuracy  tolerance.rs: finite_difference heston

mod adi;
mod operator;
#[cfg(test)]
mod tests;
mod variance;

use std::cell::RefCell;

use zomma_base::Status;

use super::contract::{Contract, Knock};
use super::events::{Event, Stretch, plan};
use super::grid::{Extent, Map};
use super::payoff::UnitPayoff;
use super::solve::{
    Estimate, Level, ends_at_the_strike, extent, extrapolate, finish, paid, payoff_of, unit_of, unseen,
};
use crate::black::Row;
use crate::fourier::Heston;
use adi::Adi;

/// The first parameter that is bad, or too great for a grid.
fn check(parameters: &Heston) -> Result<(), Status> {
    parameters.check()?;
    let Heston { v0, kappa, theta_v, sigma_v, .. } = *parameters;
    let named =
        [(v0, Status::BadV0), (kappa, Status::BadKappa), (theta_v, Status::BadThetaV), (sigma_v, Status::BadSigmaV)];
    match named.into_iter().find(|(x, _)| *x >= MOST_PARAMETER) {
        Some((_, status)) => Err(status),
        None => Ok(()),
    }
}

/// Mean and deviation of the variance after `years`, and its mean over them.
fn moments(parameters: &Heston, years: f64) -> [f64; 3] {
    let Heston { v0, kappa, theta_v, sigma_v, .. } = *parameters;
    let gone = -(-kappa * years).exp_m1();
    let mean = v0 + (theta_v - v0) * gone;
    let variance = sigma_v * sigma_v / kappa * gone * (v0 * (1.0 - gone) + 0.5 * theta_v * gone);
    let average = theta_v + (v0 - theta_v) * gone / (kappa * years);
    [mean, variance.max(0.0).sqrt(), average.max(v0.min(theta_v))]
}

/// Parameters from here on are refused: the grid could not hold them.
const MOST_PARAMETER: f64 = 1e3;

/// Cells and steps of the finest grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HestonSettings {
    /// Cells in spot: 8 to 2,000.
    pub space_steps: usize,
    /// Cells in variance: 8 to 1,000.
    pub variance_steps: usize,
    /// Steps in time: 1 to 100,000.
    pub time_steps: usize,
    /// Deviations of ln S to the ends of the grid: 1 to 20.
    pub deviations: f64,
}

impl Default for HestonSettings {
    fn default() -> Self {
        Self { space_steps: 120, variance_steps: 60, time_steps: 40, deviations: 7.0 }
    }
}

impl HestonSettings {
    fn check(&self) -> Result<(), Status> {
        let fine = (8..=2_000).contains(&self.space_steps)
            && (8..=1_000).contains(&self.variance_steps)
            && (1..=100_000).contains(&self.time_steps)
            && (1.0..=20.0).contains(&self.deviations);
        if fine { Ok(()) } else { Err(Status::BadMethod) }
    }
}

/// A value under Heston's model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HestonEstimate {
    /// Value, error, delta, gamma and theta at v0.
    pub estimate: Estimate,
    /// ∂V/∂v0.
    pub variance_delta: f64,
    /// Values on the coarse grid and on the fine one.
    pub values: [f64; 2],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a solution needs, kept from one to the next.
#[derive(Default)]
struct Scratch {
    adi: Adi,
    events: Vec<(f64, Event)>,
    stretches: Vec<Stretch>,
}

/// Values a contract under Heston's model; the row's volatility and the contract's local one are ignored.
///
/// Errors: those of [`solve`](super::solve) but for volatility; `BadV0`, `BadKappa`, `BadThetaV`, `BadSigmaV`, `BadRhoV`; `BadVolatility`
/// where the variance is so small that the spot is certain; `BadMethod` for settings out of range or an early-exercise knock-in.
pub fn solve_heston(
    contract: &Contract<'_>,
    parameters: &Heston,
    settings: &HestonSettings,
) -> Result<HestonEstimate, Status> {
    settings.check()?;
    let contract = prepared(contract, parameters)?;
    let levels = SCRATCH.with_borrow_mut(|scratch| levels(&contract, parameters, settings, scratch, [1, 2]))?;
    let [coarse, fine] = levels;
    let strike = contract.row.strike;
    let variance_delta = strike * (fine.1 + (fine.1 - coarse.1) / 3.0);
    if !variance_delta.is_finite() {
        return Err(Status::Overflow);
    }
    // Beside v = 0, where Feller's condition is broken, the second order is as little sure for a European option.
    let estimate = finish(&contract, false, extrapolate(false, coarse.0, fine.0))?;
    Ok(HestonEstimate { estimate, variance_delta, values: levels.map(|level| level.0.estimate.value * strike) })
}

/// Values on three nested grids and the order that they show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HestonReport {
    /// Coarsest first; the last has the settings' cells and steps.
    pub values: [f64; 3],
    /// log₂ of the ratio of their differences; none where those are of different sign, or nothing.
    pub order: Option<f64>,
}

/// Solves on three grids. Errors: those of [`solve_heston`].
pub fn report_heston(
    contract: &Contract<'_>,
    parameters: &Heston,
    settings: &HestonSettings,
) -> Result<HestonReport, Status> {
    settings.check()?;
    let contract = prepared(contract, parameters)?;
    let half = HestonSettings {
        space_steps: settings.space_steps.div_ceil(2),
        variance_steps: settings.variance_steps.div_ceil(2),
        time_steps: settings.time_steps.div_ceil(2),
        ..*settings
    };
    let levels = SCRATCH.with_borrow_mut(|scratch| levels(&contract, parameters, &half, scratch, [1, 2, 4]))?;
    let values = levels.map(|level| level.0.estimate.value * contract.row.strike);
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Status::Overflow);
    }
    let ratio = (values[1] - values[0]) / (values[2] - values[1]);
    Ok(HestonReport { values, order: (ratio.is_finite() && ratio > 0.0).then(|| ratio.log2()) })
}

/// The contract, checked, with the volatility that sets the width of its grid.
fn prepared<'a>(contract: &Contract<'a>, parameters: &Heston) -> Result<Contract<'a>, Status> {
    let contract = Contract { row: Row { volatility: 1.0, ..contract.row }, local_volatility: None, ..*contract };
    contract.check()?;
    check(parameters)?;
    let years = contract.row.expiry_years;
    let [_, _, average] = moments(parameters, years);
    let volatility = average.max(0.25 * parameters.v0.max(parameters.theta_v)).sqrt();
    let width = volatility * years.sqrt();
    if width.is_nan() || width <= LEAST_DEVIATION {
        return Err(Status::BadVolatility);
    }
    Ok(Contract { row: Row { volatility, ..contract.row }, ..contract })
}

/// Nested grids, each with the coarsest one's cells times a power of two: what each says, and its ∂V/∂v0.
fn levels<const N: usize>(
    contract: &Contract<'_>,
    parameters: &Heston,
    settings: &HestonSettings,
    scratch: &mut Scratch,
    refinements: [usize; N],
) -> Result<[(Level, f64); N], Status> {
    let problem = Problem { parameters, settings };
    let Some(barrier) = contract.barrier.filter(|b| b.knock == Knock::In) else {
        return problem.on_grids(contract, payoff_of(contract), scratch, refinements);
    };
    // In = the option itself + an out of (rebate − payoff) that pays nothing when it is touched.
    let plain = Contract { barrier: None, ..*contract };
    let whole = problem.on_grids(&plain, payoff_of(contract), scratch, refinements)?;
    let out = super::Barrier { rebate: 0.0, knock: Knock::Out, ..barrier };
    let constant = barrier.rebate / contract.row.strike;
    let payoff = UnitPayoff { constant, factor: -1.0, ..payoff_of(contract) };
    let part = problem.on_grids(&Contract { barrier: Some(out), ..*contract }, payoff, scratch, refinements)?;
    Ok(std::array::from_fn(|i| (super::solve::sum(whole[i].0, part[i].0), whole[i].1 + part[i].1)))
}

/// Below this σ√T the spot is taken for certain.
const LEAST_DEVIATION: f64 = 1e-5;

/// Deviations of the variance at expiry by which the one that sets the ends of the grid is above its mean.
const SPREAD: f64 = 2.0;

struct Problem<'a> {
    parameters: &'a Heston,
    settings: &'a HestonSettings,
}

impl Problem<'_> {
    fn on_grids<const N: usize>(
        &self,
        contract: &Contract<'_>,
        payoff: UnitPayoff,
        scratch: &mut Scratch,
        refinements: [usize; N],
    ) -> Result<[(Level, f64); N], Status> {
        let row = &contract.row;
        let spot = row.spot / row.strike;
        let unit = unit_of(contract, payoff);
        plan(contract, self.settings.time_steps.div_ceil(2), &mut scratch.events, &mut scratch.stretches);
        // The tails of the spot are those of the greater variances: so many mean deviations away is not far where the variance is uncertain.
        let [_, deviation, _] = moments(self.parameters, row.expiry_years);
        let tails = (1.0 + SPREAD * deviation / (row.volatility * row.volatility)).sqrt();
        let deviations = self.settings.deviations * tails;
        let (extent, unit): (Extent, _) = extent(contract, deviations, unit, row, paid(&scratch.events))?;
        let mut anchors = vec![1.0];
        anchors.extend(unit.watched.iter().flatten());
        let must = ends_at_the_strike(contract);
        let map = Map::new(&extent, &anchors, self.settings.space_steps.div_ceil(2), must);
        let variances = variance::map(self.parameters, row.expiry_years, self.settings.variance_steps.div_ceil(2));
        let mut out = [(Level::default(), 0.0); N];
        for (out, refinement) in out.iter_mut().zip(refinements) {
            let adi = &mut scratch.adi;
            let at = map.nodes(refinement, spot, &mut adi.spots);
            let level = variances.nodes(refinement, &mut adi.variances);
            adi.roll_back(&unit, self.parameters, &scratch.stretches, refinement);
            *out = adi.read(&unit, [at, level], refinement);
            out.0.estimate.error = unseen(contract, &map, &unit, out.0.estimate.value);
        }
        Ok(out)
    }
}
