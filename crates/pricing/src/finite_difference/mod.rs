//! Finite differences: options whose value is the solution of a partial differential equation, with cash dividends, early exercise,
//! barriers and a local volatility, on a non-uniform grid through spot and strike (see docs/finite-difference.md).
//!
//! [`solve`] values a [`Contract`] on two nested grids, extrapolates and states the error; [`report`] does so on three and shows
//! stability and the order observed. [`american_with_dividends`] and [`implied_volatility_with_dividends`] are the same for quotes on a
//! share that pays cash dividends. Units: prices and amounts in currency per share, times in ACT/365F years from now.

mod batch;
mod certain;
mod contract;
mod dividends;
mod events;
mod exercise;
mod forward_volatility;
mod grid;
mod heston;
mod implied;
mod jump;
mod lanes;
mod operator;
mod payoff;
mod report;
mod settings;
mod solve;
mod stepper;
#[cfg(test)]
mod tests;
mod tridiagonal;

pub use batch::{EstimateColumns, SensitivityColumns, price_batch, sensitivities_batch};
pub use contract::{Barrier, CashDividend, Contract, Exercise, Knock, LocalVolatility, Monitoring, Payoff};
pub use dividends::{Sensitivities, american_with_dividends, european_with_dividends, sensitivities};
pub use forward_volatility::{escrowed_spot, forward_volatility, spot_volatility};
pub use heston::{HestonEstimate, HestonReport, HestonSettings, report_heston, solve_heston};
pub use implied::{
    european_implied_volatility_with_dividends, implied_volatility_batch, implied_volatility_with_dividends,
};
pub use report::{Report, Stability, report};
pub use settings::{AmericanMethod, FarBoundary, Scheme, Settings};
pub use solve::{Estimate, solve};
