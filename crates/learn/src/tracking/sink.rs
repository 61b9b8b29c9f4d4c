//! Who is told of a run.

use super::{Artefact, Point, RunState, Started};

/// Why something could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nobody is there, or he is busy: later it may go.
    #[error("{0}")]
    Away(String),
    /// Somebody is there, and fails on this: it may be for ever.
    #[error("{0}")]
    Failing(String),
    /// It will not go, however often it is tried.
    #[error("{0}")]
    Refused(String),
}

/// One who is told of a run, on a thread of his own that may wait. Calls come in the order of the run: `started` or `attach`, then the rest.
pub trait Sink: Send {
    /// Its name, that of the file with its position.
    fn name(&self) -> &'static str;

    /// Where it tells it: a position there is none anywhere else. An address stands here without what proves who one is. Experiment and
    /// project are the run's own and no part of it.
    fn destination(&self) -> String {
        String::new()
    }

    /// Whether a position that names no destination, of a program that kept none, can be that of this one.
    fn is_own(&self, _run: &Started) -> bool {
        true
    }

    /// Whether it keeps nothing between processes and is told everything from the beginning again. Only then `metrics` gets steps twice
    /// when a run that went on does them again.
    fn rereads(&self) -> bool {
        false
    }

    /// A run began. What it is called there, for [`Self::attach`].
    ///
    /// Errors: then it is called again with the same run, and must not begin a second one.
    fn started(&mut self, run: &Started) -> Result<String, SinkError>;

    /// In another process: the run that `started` called so.
    fn attach(&mut self, _run: &str) {}

    /// It goes on after `step` steps.
    ///
    /// Errors: then it is called again.
    fn resumed(&mut self, step: u64) -> Result<(), SinkError>;

    /// Numbers, by rising steps. `again` where some of them may have been delivered before: they must not be there twice.
    ///
    /// Errors: then it is called again, with `again`.
    fn metrics(&mut self, points: &[Point], again: bool) -> Result<(), SinkError>;

    /// A file of the run's folder.
    ///
    /// Errors: where nobody is there it is called again; a file that is refused is said and passed by, one that the other side fails on too, and
    /// is tried again by the next process, a few times.
    fn artefact(&mut self, file: &Artefact) -> Result<(), SinkError>;

    /// Nothing more comes for now, of a run that may have no end: what is only in memory is written.
    ///
    /// Errors: what is lost then is read again by the next process.
    fn rests(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// The run ended.
    ///
    /// Errors: then it is called again.
    fn ended(&mut self, at_ms: i64, state: RunState, summary: &[(&str, f64)]) -> Result<(), SinkError>;
}
