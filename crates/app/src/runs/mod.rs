//! Runs of training and what is known of them: told while they train, read, compared and shown afterwards.

mod compare;
mod ending;
mod facts;
mod figures;
mod folder;
mod measure;
mod page;
mod session;
mod sinks;
mod solution_session;
mod telling;

pub use compare::{Comparison, comparison_page};
pub use folder::{KnownRun, find};
use measure::Measure;
pub use page::write_report;
pub use session::{Session, Tracked};
pub use sinks::sync;
pub use solution_session::{SolutionSession, TrackedSolution};
