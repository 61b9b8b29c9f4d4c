//! Long-term tables: partitioned Parquet, object stores, PostgreSQL with TimescaleDB, SQL with our functions in it.
//!
//! Everything that waits is an asynchronous function; [`block_on`] is for the program's outermost layer.

mod block_on;
pub mod error;
pub mod parquet;
pub mod place;
pub mod rules;
pub mod sql;
pub mod table;

pub use block_on::block_on;
pub use error::StorageError;
pub use place::Place;
