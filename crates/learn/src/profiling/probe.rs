//! What is measured when training is over: each side of a step alone, so that what holds the other up is seen.

use super::Allocations;

/// A side of a step, alone on all threads: the least of some repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Alone {
    /// Nanoseconds a batch.
    pub nanoseconds: f64,
    /// Allocated for a batch.
    pub allocations: Allocations,
}

/// The sides of a step, measured alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// Rows of a batch.
    pub rows: usize,
    /// Batches of a step.
    pub accumulate: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Making the labels of a batch.
    pub labels: Alone,
    /// The engine's gradient of a batch.
    pub gradient: Alone,
    /// Nanoseconds of a gradient whatever its rows: where the line through two sizes of batch meets none.
    pub fixed_ns: f64,
    /// Floating point operations a nanosecond of a matrix product of each layer's shape on one thread, its numbers in the cache. Empty for
    /// engines whose layers are not seen.
    pub products: Vec<f64>,
    /// Numbers of a layer's parameters.
    pub parameters: Vec<usize>,
    /// Bytes that a thread keeps for a layer.
    pub workspace_bytes: Vec<usize>,
}
