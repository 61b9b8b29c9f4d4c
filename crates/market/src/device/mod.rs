//! L2 books of many instruments kept on a device, with the features that are found there: changes of levels go up, a matrix of features comes down.
//!
//! A [`Recorder`] keeps the whole books on the CPU, as [`book`](crate::book) does, and tells what changed of the best `levels` levels of each
//! instrument: an [`UpdateBatch`]. [`DeviceBooks`] holds those levels as a structure of arrays on the device, applies each instrument's changes in
//! their order, a thread an instrument, and finds the features of all instruments in the same launch. [`FeatureGrid`] puts the two together and gives
//! rows at the times that it is asked for.
//!
//! # The rule for deeper levels
//!
//! The device holds as many levels as are looked at, and no more. A level that comes into view when nearer ones go is sent by the recorder, whose book
//! is whole; one that is pushed out of view is dropped by the device without being told. So what the device holds after each of the venue's messages
//! is the top of the whole book, and no status is needed for an incomplete one.
//!
//! # What it equals
//!
//! Every number is that of [`FeatureSet`](crate::features::FeatureSet): prices and sizes are 64-bit integers, sums of them are exact, and the divisions that follow are
//! the same IEEE operations in the same order, so the CPU's path and a device whose divisions are correctly rounded give the same bits. A window of
//! order flow is the sum of the flows between rows, which the device finds event by event: windows must be whole numbers of the rows' pace.
//!
//! # What happens when a device fails
//!
//! A checkpoint of the books and the batches since are kept on the CPU. What a device lost is made anew from them, on the device, on the next one or
//! on the CPU: see [`Runner`](zomma_gpu::recovery::Runner).

mod arrays;
mod batch;
mod books;
mod columns;
mod grid;
mod integrated;
mod kernel;
mod kernel_parts;
mod kernel_states;
mod launch;
mod plan;
mod recorder;
#[cfg(test)]
mod tests;
mod trades;
mod windows;

pub use arrays::BookArrays;
pub use batch::{Gather, UpdateBatch};
pub use books::{DeviceBooks, Matrix};
pub use grid::{FeatureGrid, GridError, GridRow};
pub use plan::{Plan, PlanError};
pub use recorder::{Cut, Recorder, TablesRoom};
