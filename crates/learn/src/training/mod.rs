//! The loop: draws rows, computes a loss and its gradient, shortens it, takes a step, averages, looks at the held-out rows, keeps the best
//! and where it stands. Nothing here reads a clock or the environment: see [`Watch`].

mod adam;
mod beginning;
mod checkpoint;
pub(crate) mod container;
mod engine;
mod evaluation;
mod folder;
#[cfg(test)]
mod full_disk_tests;
mod guard;
mod implied_volatility;
mod kept_files;
mod loss_scale;
mod metrics;
mod mirror;
#[cfg(test)]
mod mirror_tests;
mod model_file;
mod probe;
mod rescue;
mod revival;
mod run;
mod schedule;
mod state;
mod untrained;

pub use adam::Adam;
pub use checkpoint::{Checkpoint, VERSION};
pub(crate) use container::{fnv, write_whole};
pub use engine::{Engine, MakeEngine};
pub use evaluation::{Evaluation, ExerciseErrors, evaluate};
pub use folder::RunFolder;
pub use implied_volatility::{Quotes, volatility_status};
pub(crate) use loss_scale::GREATEST as GREATEST_LOSS_SCALE;
pub use loss_scale::LossScale;
pub use mirror::holds_run;
pub use model_file::{TrainedNetwork, checksum, checksum_f64};
pub use run::{Ending, Outcome, Progress, Start, Trainer, Watch};
pub use schedule::learning_rate;
pub use state::State;

#[cfg(test)]
mod tests;
