//! Local volatility by Euler's scheme on the logarithm.
//!
//! Formula   x(t + h) = x(t) + (r − q − σ²/2)h + σ√h·z with σ = σ(S, t) at the step's start: the discounted spot stays a martingale
//! Accuracy  weak order 1: the bias is about proportional to the step (docs/monte-carlo.md)

use super::State;
use crate::math::{MultiplyAdd, exp};
use crate::monte_carlo::Market;
use crate::monte_carlo::lanes::{LANES, Lanes};
use crate::monte_carlo::local_volatility::{LocalVolatility, VolatilityFunction, VolatilityGrid};
use crate::monte_carlo::model::MOST_VOLATILITY;
use crate::monte_carlo::source::Numbers;

/// Steps of a local volatility.
pub(in crate::monte_carlo) struct Local<'a> {
    pub(super) spot: f64,
    step_years: f64,
    carry: f64,
    volatility: Rows<'a>,
}

/// The volatility at the start of each step.
enum Rows<'a> {
    Function(&'a VolatilityFunction<'a>),
    /// The grid's row of each step.
    Grid(&'a VolatilityGrid, Vec<Vec<f64>>),
}

impl<'a> Local<'a> {
    pub(super) fn new(local: &'a LocalVolatility<'a>, market: &Market, steps: usize) -> Self {
        let step_years = market.expiry_years / steps as f64;
        let volatility = match local {
            LocalVolatility::Function(function) => Rows::Function(*function),
            LocalVolatility::Grid(grid) => {
                Rows::Grid(grid, (0..steps).map(|step| grid.row(step as f64 * step_years)).collect())
            }
        };
        let carry = (market.risk_free_rate - market.dividend_yield) * step_years;
        Self { spot: market.spot, step_years, carry, volatility }
    }

    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, step: usize, numbers: &Numbers, state: &mut State) {
        let mut volatilities: Lanes = [0.0; LANES];
        match &self.volatility {
            Rows::Function(function) => {
                let years = step as f64 * self.step_years;
                for (volatility, x) in volatilities.iter_mut().zip(&state.x) {
                    *volatility = function(self.spot * exp::<M>(*x), years);
                }
            }
            Rows::Grid(grid, rows) => {
                let log_spot = self.spot.ln();
                for (volatility, x) in volatilities.iter_mut().zip(&state.x) {
                    *volatility = grid.at(&rows[step], log_spot + x);
                }
            }
        }
        for volatility in &mut volatilities {
            if !(0.0..=MOST_VOLATILITY).contains(volatility) {
                state.bad_volatility = true;
                *volatility = 0.0;
            }
        }
        let z = &numbers.z[0];
        for i in 0..LANES {
            let variance = volatilities[i] * volatilities[i] * self.step_years;
            state.step_variance[i] = variance;
            state.x[i] += M::multiply_add(variance.sqrt(), z[i], M::multiply_add(-0.5, variance, self.carry));
        }
        state.brownian = *z;
    }
}
