//! A portfolio under scenarios: every position is valued again in the moved market, not extrapolated by its Greeks.
//!
//! [`Portfolio`] holds positions of any model and style that `zomma-pricing` values. A [`Scenario`] moves spots, volatilities, rates and
//! time; [`Axes`] crosses such moves to a grid, and [`stress`] names days that happened. [`revalue`] gives the value of each group of
//! positions in each scenario, and [`Sensitivities`] what the Greeks would have said instead.

#[cfg(test)]
mod any_bits;
pub mod device;
mod portfolio;
mod revalue;
mod scenario;
mod sensitivities;
mod shock;
pub mod stress;
#[cfg(test)]
mod tests;

pub use portfolio::Portfolio;
pub use revalue::{Outcome, revalue, revalue_rest, row_values};
pub use scenario::{Axes, Scenario};
pub use sensitivities::Sensitivities;
pub use shock::{VOLATILITY_FLOOR, moved};
