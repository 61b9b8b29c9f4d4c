//! Studies of hyperparameter searches, in SQLite or PostgreSQL, in the schema that Optuna keeps (version 12, Alembic `v3.2.0.a`: Optuna 3.2
//! and later), so that Optuna and its dashboard open what a search left, and a search goes on with what Optuna began.
//!
//! What is written is written: an answer comes after the commit, and SQLite syncs each commit to the disk. A worker that died leaves its trial
//! `RUNNING`; [`Studies::fail_silent`] finds it by its last heartbeat.

mod distribution;
mod error;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod trial;

pub use distribution::Distribution;
pub use error::StudyError;
pub use store::{Asked, Finish, Studies, StudyId, check_address};
pub use trial::{Direction, Parameter, Trial, TrialId, TrialState};
