//! How much a signal told: information coefficients by horizon with bands, their decay, turnover, and what is left after cost.
//!
//! Signal and price are columns of one table. The return of a row is ahead of it, ln p(t + h) − ln p(t) with the price last known at t + h, so it
//! belongs to the judgement of a signal and never to the signal. Rows without a signal, a price or a return are left out and counted.

mod coefficient;
mod correlation;
mod decay;
mod forward;
mod long_run;
mod trading;

pub use coefficient::{Estimate, InformationCoefficient, information_coefficient, overlap_rows};
pub use correlation::{Correlation, pearson, spearman};
pub use decay::{Decay, HalfLife, decay};
pub use forward::{ForwardReturns, LONGEST_SILENCE_NS, Prices, forward_returns};
pub use long_run::{automatic_lag, long_run_variance};
pub use trading::{Cost, Trading, WARM_UP_ROWS, hit_rate, trading};
