//! Search for hyperparameters: what may be tried, what is tried next, and what is given up early.
//!
//! Trials lie in [`zomma_storage::studies`]. A suggestion is a function of the seed, the trial's number and the trials before it, so that a
//! search can be retraced.

mod config;
mod halving;
mod parzen;
mod sampler;
mod space;
mod worker;

pub use config::{Objective, SearchConfig, TUNE_EXAMPLE, TuneConfig};
pub use halving::SuccessiveHalving;
pub use sampler::Sampler;
pub use space::{Space, SpaceError};
pub use worker::{Follower, Observer, Search, TuneError};
