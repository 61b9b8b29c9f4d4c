//! Where a training run's time goes: spans of its stages and of the engine's layers, a trace of its first steps, and the word for what holds
//! it up, with the evidence.
//!
//! A loop without a [`Profiler`] asks one `Option` a stage and nothing else. See docs/training-profile.md.

mod probe;
mod profiler;
mod report;
mod stage;
mod trace;
mod verdict;

#[cfg(test)]
mod tests;

pub use probe::{Alone, Probe};
pub(crate) use profiler::Laps;
pub use profiler::{Allocations, LayerTotals, Meter, Profiler, Span, StageTotals};
pub use report::report;
pub use stage::Stage;
pub use verdict::{Bottleneck, Evidence, Verdict, verdict};
