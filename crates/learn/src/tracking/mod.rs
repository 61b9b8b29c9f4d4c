//! What a run tells of itself, and to whom: a folder, an MLflow server, Weights & Biases.
//!
//! A run tells its [`Tracker`], which appends each [`Event`] to the [`Spool`] of the run's folder and returns. Every [`Sink`] has a thread of
//! its own (`courier`) that reads the spool and keeps how far it came beside it; nothing that trains waits for a server, and what was not
//! delivered when the process ended is delivered by [`sync`] later. Files, formats and what is guaranteed: docs/tracking.md.

mod courier;
mod event;
mod http;
mod local;
mod mlflow;
mod point;
mod record;
mod sink;
mod spool;
mod tracker;
mod wandb;

pub use event::{Artefact, Event, Point, RunState, Started};
pub use http::{is_address, shown_address};
pub use local::LocalSink;
pub use mlflow::{MlflowConfig, MlflowSink, Secret};
pub use point::{point, solution_point};
pub use record::RunRecord;
pub use sink::{Sink, SinkError};
pub use spool::Spool;
pub use tracker::{Left, Told, Tracker, sync};
pub use wandb::{WandbConfig, WandbServer, WandbSink};

/// Where a run's spool and the sinks' positions are, in the run's folder.
pub const FOLDER: &str = "tracking";
