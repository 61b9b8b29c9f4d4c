//! Bachelier and displaced diffusion: European options on a forward that is normal, or lognormal once moved by a constant.
//!
//! Both are Black's formula with another distribution of the forward: `forward` values undiscounted options on it, [`scalar`] takes
//! that to spot, rate and yield by the chain rule, [`batch`] does rows. Greeks, units and statuses are those of [`crate::black`].

pub mod batch;
mod forward;
pub mod scalar;
#[cfg(test)]
mod tests;

pub use batch::{greeks_into, price};

/// How the forward moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Bachelier: dF = σ dW, σ in currency per square root of a year. Spot, forward and strike may be at or below zero.
    Normal,
    /// Displaced diffusion: d(F + δ) = σ (F + δ) dW. Forward and strike may be below zero, F + δ and K + δ not.
    Displaced,
}

/// What the rows' `spot` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underlying {
    /// The spot; the forward is S e^((r−q)T).
    Spot,
    /// The forward: S-derivatives are F-derivatives, `dividend_yield` is ignored, rho = −T·V, phi is absent, as under Black-76.
    Forward,
}

/// Which formula a batch of rows asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// How the forward moves.
    pub distribution: Distribution,
    /// What the rows' `spot` holds.
    pub underlying: Underlying,
}
