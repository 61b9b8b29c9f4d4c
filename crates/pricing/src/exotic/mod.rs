//! Exotic options that have a closed form under Black–Scholes–Merton: single barriers, digitals of both
//! exercise styles, geometric Asians and lookbacks (see
//! docs/finite-difference.md, "Exotics").
//!
//! Every function takes a [`Row`](crate::black::Row), whose fields mean what they mean there, and what the row does not hold. What has no
//! closed form (two barriers, dates, cash dividends, early exercise) is [`finite_difference`](crate::finite_difference)'s.
//!
//! Errors of all of them: the first bad field of the row (`BadSpot` … `Expired`, `BadRate`, `BadYield`, `BadVolatility`), and `Overflow`
//! where the value is not representable. No volatility is `BadVolatility` but for digitals, whose limit is that of Black's formula.

mod american_digital;
mod asian;
mod barrier;
mod digital;
mod lookback;
mod number;
mod terms;
#[cfg(test)]
mod tests;

pub use american_digital::{american_asset_or_nothing, american_cash_or_nothing};
pub(crate) use american_digital::{american_asset_or_nothing_in, american_cash_or_nothing_in};
pub use asian::{geometric_asian, geometric_asian_at};
pub(crate) use asian::{geometric_asian_at_in, geometric_asian_in};
pub(crate) use barrier::barrier_in;
pub use barrier::{Direction, SingleBarrier, barrier};
pub use digital::{asset_or_nothing, cash_or_nothing};
pub(crate) use digital::{asset_or_nothing_in, cash_or_nothing_in};
pub use lookback::{fixed_lookback, floating_lookback};
pub(crate) use lookback::{fixed_lookback_in, floating_lookback_in};
pub(crate) use number::{Jet, Number};
