//! Regimes: a hidden Markov model of Gaussian states, and how likely each state is now.
//!
//! Definition  a chain of 2 to 4 states with transition matrix A that is not seen; a row in state k is drawn from N(μₖ, σₖ²). States are numbered by variance,
//!             the calmest first. A row that is not there tells nothing: the chain steps on
//! Filtered    P(state n | rows up to n), the live indicator: no later row counts. Viterbi's path is the likeliest of all at once, so its earlier states know
//!             later rows: for looking back alone
//! No look     ahead: the model knows the rows that it was fitted to; its filter is a signal behind them alone
//! Source      Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE 77 (1989), sections III and V (scaling); Hamilton, Econometrica 57 (1989)

mod baum_welch;
mod filter;
mod live;
mod viterbi;

pub use baum_welch::{Fit, fit};
pub use live::{LiveRegime, Regimes, live};

use thiserror::Error;

use super::AlphaError;

/// Why there is no model.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RegimeError {
    /// Of the rows or of a parameter.
    #[error(transparent)]
    Input(#[from] AlphaError),
    /// A state shrank onto single rows or onto one value that repeats: its likelihood has no bound, and it is no regime.
    #[error(
        "state {state} of {states} is degenerate: its variance is {variance:e} of {overall:e}, held by {rows:.1} rows; ask for fewer states, or for rows \
         further apart where the value often does not change"
    )]
    DegenerateState {
        /// The state, from 1, by variance.
        state: usize,
        /// States asked for.
        states: usize,
        /// Its variance.
        variance: f64,
        /// The variance of all rows.
        overall: f64,
        /// Expected rows in it.
        rows: f64,
    },
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct HiddenMarkov {
    /// Probability of each state at the first row.
    pub initial: Vec<f64>,
    /// Probability of going from a state (row) to a state (column).
    pub transition: Vec<Vec<f64>>,
    /// Mean of each state.
    pub means: Vec<f64>,
    /// Variance of each state.
    pub variances: Vec<f64>,
}

impl HiddenMarkov {
    /// States.
    pub fn states(&self) -> usize {
        self.means.len()
    }

    /// Mean rows that the chain stays in a state, 1 / (1 − A); infinite where it never leaves.
    pub fn stay_rows(&self, state: usize) -> f64 {
        1.0 / (1.0 - self.transition[state][state])
    }

    /// Log density of a value in each state; 0 for a row that is not there.
    fn log_densities(&self, value: Option<f64>) -> Vec<f64> {
        let density = |(mean, variance): (&f64, &f64)| {
            value.map_or(0.0, |value| {
                -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + (value - mean) * (value - mean) / variance)
            })
        };
        self.means.iter().zip(&self.variances).map(density).collect()
    }
}
