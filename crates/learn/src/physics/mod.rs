//! Physics-informed networks: a network that solves a pricing equation by making its residual small, without any price to learn from.
//!
//! [`problem`] writes the equations in coordinates that scale, [`ansatz`] makes terminal and boundary values exact, [`jets`] differentiates
//! the network, [`points`] gathers residuals, `trainer` minimises them ([`lbfgs`]), `estimate` bounds the error that a residual
//! leaves, and `validation` compares what came of it with closed forms, Monte Carlo and finite differences. See docs/pinn.md.

mod activation;
pub mod ansatz;
mod config;
mod domain;
mod estimate;
mod example;
pub mod jets;
pub mod lbfgs;
pub mod points;
pub mod problem;
mod solution;
mod state;
mod trainer;
mod validation;
mod weighting;

pub use config::{
    Domain, EquationKind, HestonConfig, LocalVolatilityConfig, LossConfig, PinnConfig, PinnNetworkConfig,
    PinnTrainingConfig, ProblemConfig, SamplingConfig, Span, ValidationConfig, Weighting,
};
pub use estimate::ErrorEstimate;
pub use example::EXAMPLE;
pub use solution::Solution;
pub use state::{Phase, Round, Standing};
pub use trainer::{PinnEnding, PinnOutcome, PinnProgress, PinnTrainer, PinnWatch};
pub use validation::{
    Compared, Comparison, Coverage, KINK_DEVIATION, Reference, Spans, Validation, compare, finite_difference_value,
    references, test_rows, validate,
};
#[cfg(test)]
mod tests;
