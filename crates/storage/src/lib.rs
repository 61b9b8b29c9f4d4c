//! Long-term tables: partitioned Parquet, object stores, PostgreSQL with TimescaleDB, SQL with our functions in it.
//!
//! Everything that waits is an asynchronous function; [`block_on`] is for the program's outermost layer.

mod block_on;
pub mod compact;
pub mod convert;
pub mod digest;
pub mod downsample;
pub mod error;
pub mod inventory;
mod named_files;
pub mod parquet;
pub mod place;
pub mod postgres;
pub mod replicate;
pub mod retention;
pub mod rules;
pub mod shards;
pub mod sql;
pub mod studies;
pub mod table;
pub mod thin;
pub mod unfinished;
pub mod verify;

pub use block_on::block_on;
pub use error::StorageError;
pub use place::Place;
