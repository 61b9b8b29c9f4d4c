//! What happens when memory runs out or a device is lost: retry smaller, on the next device, on the CPU, with the same results.
//!
//! A [`Runner`] stands between a caller's rows and the devices that it may use. It cuts the rows into pieces, has the broker of the
//! device admit each piece, and hands it to the caller's operation, which writes its rows of the result. A piece that fails is done
//! again as a whole: rows are neither lost nor doubled, and since every row is computed by itself the size of a piece changes no bit.
//!
//! | what happens | what is done |
//! |---|---|
//! | the broker has no room | wait; where the pools hold pages that are empty, they are given back first |
//! | memory runs out all the same | wait for the work in flight, clear the pools, halve the piece, down to [`RunnerConfig::rows_min`] |
//! | it runs out at that size, or the device is lost | the next device that the request allows |
//! | there is none | the CPU, where [`GpuConfig::cpu_fallback`](crate::GpuConfig) says so; else the error |
//! | any other failure | the error: a bug is not hidden by doing it elsewhere |
//!
//! Each step is logged (`info`) with the device and the sizes; [`Runner::notes`] says it once, for the user.

mod runner;
mod seat;
#[cfg(test)]
mod tests;

pub use runner::{Batch, Place, RecoveryStats, Runner, RunnerConfig};
pub use seat::broker_for;
