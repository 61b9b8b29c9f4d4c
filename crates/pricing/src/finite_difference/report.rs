//! How good a solution is: three nested grids, the order that they show, and what the scheme does to the modes of the finest.
//!
//! Formula   order = log₂ (V₂ − V₁)/(V₃ − V₂); error of V₃ = |V₃ − V₂|/(2^order − 1)
//! Method    The stiffest mode's eigenvalue is bounded by Gershgorin's circles: λ ≥ −2 max|L_ii|; amplification is |R(λ dt)|, R the
//!           scheme's stability function. Rannacher's is that of the Crank–Nicolson steps that follow its damping.

use zomma_base::Status;

use super::contract::Contract;
use super::settings::{Scheme, Settings};
use super::solve::{Estimate, extrapolate, finish, is_second_order, levels, with_scratch};

/// A solution and its quality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// From the two finest grids, at order two.
    pub estimate: Estimate,
    /// Values on the three grids, coarsest first, the last one with the settings' cells and steps.
    pub values: [f64; 3],
    /// The order observed; none where the differences are of different sign, or nothing.
    pub order: Option<f64>,
    /// Estimate of the finest value's error at the observed order, none without one.
    pub error: Option<f64>,
    /// On the finest grid.
    pub stability: Stability,
}

/// What the scheme does on a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability {
    /// Greatest |r − q| h/(σ² S): above 1 central differences lose their sign.
    pub peclet: f64,
    /// Nodes whose drift is differenced upwind for that reason.
    pub upwind_nodes: usize,
    /// What a step leaves of the stiffest mode: 0 is damped at once, near 1 it oscillates, above 1 it grows.
    pub amplification: f64,
    /// Whether every weight of a step is not negative, so that values cannot overshoot.
    pub monotone: bool,
    /// Steps that the explicit scheme needs.
    pub explicit_steps: f64,
    /// Steps that were taken.
    pub time_steps: usize,
}

impl Stability {
    /// Why the explicit scheme is refused here; none where it is not.
    pub fn explicit_refusal(&self) -> Option<String> {
        (self.explicit_steps > self.time_steps as f64).then(|| {
            format!(
                "forward Euler is stable with at least {:.0} time steps on this grid, and {} were asked for",
                self.explicit_steps, self.time_steps
            )
        })
    }
}

/// Solves on three grids. Errors: those of [`solve`](super::solve), and `BadVolatility` where the spot is certain and there is no grid.
pub fn report(contract: &Contract<'_>, settings: &Settings) -> Result<Report, Status> {
    settings.check()?;
    contract.check()?;
    let quarter = Settings {
        space_steps: settings.space_steps.div_ceil(2),
        time_steps: settings.time_steps.div_ceil(super::solve::time_refinement(settings.scheme)),
        ..*settings
    };
    with_scratch(|scratch| {
        if contract.row.volatility * contract.row.expiry_years.sqrt() < super::solve::LEAST_DEVIATION {
            return Err(Status::BadVolatility);
        }
        let is_smooth = is_second_order(contract);
        let levels = levels(contract, &quarter, &contract.row, scratch, [1, 2, 4])?;
        let strike = contract.row.strike;
        let values = levels.map(|level| level.estimate.value * strike);
        let [first, second] = [values[1] - values[0], values[2] - values[1]];
        let ratio = first / second;
        let order = (ratio.is_finite() && ratio > 0.0).then(|| ratio.log2());
        let stability = stability(contract, settings, scratch);
        Ok(Report {
            estimate: finish(contract, is_smooth, extrapolate(is_smooth, levels[1], levels[2]))?,
            values,
            order,
            error: order.filter(|order| *order > 0.1).map(|order| second.abs() / (order.exp2() - 1.0)),
            stability,
        })
    })
}

fn stability(contract: &Contract<'_>, settings: &Settings, scratch: &super::solve::Scratch) -> Stability {
    let operator = &scratch.stepper.operator;
    let longest = operator.longest_explicit_step();
    let time_steps: usize = scratch.stretches.iter().map(|s| s.steps).sum::<usize>()
        * super::solve::time_refinement(settings.scheme).pow(2);
    let step = contract.row.expiry_years / time_steps.max(1) as f64;
    Stability {
        peclet: operator.peclet,
        upwind_nodes: operator.upwind_nodes,
        amplification: amplification(settings.scheme, -2.0 * step / longest),
        monotone: match settings.scheme {
            Scheme::ImplicitEuler => true,
            Scheme::Explicit => step <= longest,
            Scheme::CrankNicolson | Scheme::Rannacher => step <= 2.0 * longest,
            // The second backward difference subtracts the value before last.
            Scheme::TrBdf2 => false,
        },
        explicit_steps: (contract.row.expiry_years / longest).ceil(),
        time_steps,
    }
}

/// |R(z)| of a scheme for a real z below zero.
fn amplification(scheme: Scheme, z: f64) -> f64 {
    match scheme {
        Scheme::Explicit => (1.0 + z).abs(),
        Scheme::ImplicitEuler => 1.0 / (1.0 - z),
        Scheme::CrankNicolson | Scheme::Rannacher => ((1.0 + 0.5 * z) / (1.0 - 0.5 * z)).abs(),
        Scheme::TrBdf2 => {
            let gamma = 2.0 - std::f64::consts::SQRT_2;
            let half = (1.0 + 0.5 * gamma * z) / (1.0 - 0.5 * gamma * z);
            let share = 1.0 / (gamma * (2.0 - gamma));
            let back = share * half - (1.0 - gamma) * (1.0 - gamma) * share;
            (back / (1.0 - 0.5 * gamma * z)).abs()
        }
    }
}
