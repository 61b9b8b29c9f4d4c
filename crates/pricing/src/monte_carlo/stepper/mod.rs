//! One step of a block of paths under each model.
//!
//! A path is x = ln(S/S₀). A stepper moves x and the variance; it also says what the variance of x was over the step (but for jumps),
//! which is what the chance of crossing a barrier in between depends on.

mod diffusion;
mod local;
mod poisson;
pub(super) mod quadratic_exponential;

pub(super) use diffusion::Diffusion;
pub(super) use local::Local;
pub(super) use poisson::JumpCounts;
pub(super) use quadratic_exponential::QuadraticExponential;

use super::lanes::{LANES, Lanes};
use super::source::Numbers;
use super::{Heston, Market, Model, MonteCarloError};
use crate::math::MultiplyAdd;

/// Volatility of variance up to which variance is taken to be certain: the scheme divides by it.
pub(super) const CERTAIN_SIGMA_V: f64 = 1e-8;

/// Where the paths of a block are.
pub(super) struct State {
    /// ln(S/S₀).
    pub x: Lanes,
    /// The same a step before.
    pub before: Lanes,
    /// The variance now, of a stochastic one.
    pub variance: Lanes,
    /// The variance of x over the last step.
    pub step_variance: Lanes,
    /// The Brownian motion of the spot, in units of a step's deviation: what a control path is made of.
    pub brownian: Lanes,
    /// Whether a path met a volatility that is none.
    pub bad_volatility: bool,
}

impl State {
    pub(super) fn new() -> Self {
        let zero = [0.0; LANES];
        Self { x: zero, before: zero, variance: zero, step_variance: zero, brownian: zero, bad_volatility: false }
    }
}

/// A step of each model.
pub(super) enum Stepper<'a> {
    Diffusion(Diffusion),
    QuadraticExponential(QuadraticExponential),
    Local(Local<'a>),
}

impl<'a> Stepper<'a> {
    /// Of a checked market and model.
    pub(super) fn new(market: &Market, model: &Model<'a>, steps: usize) -> Result<Self, MonteCarloError> {
        let step_years = market.expiry_years / steps as f64;
        let carry = market.risk_free_rate - market.dividend_yield;
        Ok(match *model {
            Model::BlackScholes { volatility } => {
                let variances = vec![volatility * volatility * step_years; steps];
                Self::Diffusion(Diffusion::new(carry * step_years, variances, None))
            }
            Model::Merton { volatility, jumps } => {
                let variances = vec![volatility * volatility * step_years; steps];
                Self::Diffusion(Diffusion::new(carry * step_years, variances, JumpCounts::new(&jumps, step_years)?))
            }
            Model::Heston(heston) => Self::heston(&heston, carry, step_years, steps, None),
            Model::Bates { heston, jumps } => {
                Self::heston(&heston, carry, step_years, steps, JumpCounts::new(&jumps, step_years)?)
            }
            Model::LocalVolatility(local) => Self::Local(Local::new(local, market, steps)),
        })
    }

    fn heston(heston: &Heston, carry: f64, step_years: f64, steps: usize, jumps: Option<JumpCounts>) -> Self {
        if heston.sigma_v > CERTAIN_SIGMA_V {
            return Self::QuadraticExponential(QuadraticExponential::new(heston, carry, step_years, jumps));
        }
        // ∫v over a step of v(t) = θ + (v₀ − θ)e^(−κt).
        let variances = (0..steps)
            .map(|step| {
                let start =
                    heston.theta_v + (heston.v0 - heston.theta_v) * (-heston.kappa * step_years * step as f64).exp();
                let shrink = -(-heston.kappa * step_years).exp_m1() / heston.kappa;
                heston.theta_v * step_years + (start - heston.theta_v) * shrink
            })
            .collect();
        Self::Diffusion(Diffusion::new(carry * step_years, variances, jumps))
    }

    /// Factors of a step.
    pub(super) fn factors(&self) -> usize {
        match self {
            Self::Diffusion(diffusion) => {
                if diffusion.jumps.is_some() {
                    3
                } else {
                    1
                }
            }
            Self::QuadraticExponential(scheme) => 2 + usize::from(scheme.jumps.is_some()),
            Self::Local(_) => 1,
        }
    }

    /// Puts paths at the start.
    #[inline(always)]
    pub(super) fn begin(&self, state: &mut State) {
        state.x = [0.0; LANES];
        if let Self::QuadraticExponential(scheme) = self {
            state.variance = [scheme.v0; LANES];
        }
    }

    /// A step.
    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, step: usize, numbers: &Numbers, state: &mut State) {
        state.before = state.x;
        match self {
            Self::Diffusion(diffusion) => diffusion.step::<M>(step, numbers, state),
            Self::QuadraticExponential(scheme) => scheme.step::<M>(numbers, state),
            Self::Local(local) => local.step::<M>(step, numbers, state),
        }
    }
}
