//! SVI: raw slices without butterfly or calendar arbitrage, on an SSVI backbone.
//!
//! In reading order:
//! - The smile: `raw` (w(k) and its derivatives), `forms` (natural and jump-wing parameters), `domain` (butterflies decided over all
//!   strikes), `ssvi` (the backbone and its fit).
//! - What is minimised: `target` (quotes as intervals of total variance), `wings` (the coordinates of the fits), `loss` (what a miss costs),
//!   `lanes` (eight values side by side), `moments` (sums from which derivatives are put together).
//! - The fit: `slice` (one expiry by itself), `retraction` (steps along its valley), `constraints`, `barrier` and `barrier_sums` (where and how
//!   arbitrage is kept out), `joint` and `choice` (all expiries at once, and which of them step), `held` (over which strikes) and `half_way` (between expiries too), `rise` and `repair` (the last word on arbitrage), `met` (how well quotes are met), `fit` (stage by stage).
//! - What comes of it: `query` (what the surface of an analysis answers), `surface` (SVI as one of the models, under any settings).

mod barrier;
mod barrier_sums;
mod choice;
pub(super) mod constraints;
mod domain;
pub(super) mod fit;
mod forms;
mod half_way;
mod held;
mod joint;
mod lanes;
pub(super) mod loss;
mod met;
mod moments;
mod query;
mod raw;
mod repair;
mod retraction;
mod rise;
pub(super) mod slice;
pub(super) mod ssvi;
pub mod surface;
#[cfg(test)]
mod surface_tests;
pub(super) mod target;
#[cfg(test)]
mod tests;
pub(super) mod wings;

pub use domain::{Butterfly, SsviButterfly, ssvi_butterfly};
pub use forms::{JumpWings, NaturalSvi, SviFormError};
pub use raw::Svi;
pub use ssvi::Ssvi;
