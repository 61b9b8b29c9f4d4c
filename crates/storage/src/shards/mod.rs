//! Shards: a table of numbers too long for memory, as Parquet files side by side in a folder or a bucket, each read whole and checked.
//!
//! # Layout
//!
//! ```text
//! <place>/rows-000000.parquet   columns of float64 without compression, as labelled by whoever wrote them
//! <place>/rows-000001.parquet
//! <place>/manifest.json         written last: the columns, and of each shard its rows, bytes and checksum (XXH64)
//! ```
//!
//! A shard of ours says in its metadata whose rows it has (`zomma.shards`). Where such shards lie without a manifest, whoever wrote them was
//! stopped, and [`ShardSet::open`] refuses them. Files of other programs need no manifest: all that end in `.parquet` are the table then, in the order
//! of their names. What begins with `.` or `_` is no data.

mod manifest;
mod set;
mod shard;
#[cfg(test)]
mod tests;
mod writer;

pub use manifest::{MANIFEST, Manifest, ShardEntry};
pub use set::{ShardFile, ShardSet};
pub use shard::Shard;
pub use writer::{ShardWriter, shard_name};
