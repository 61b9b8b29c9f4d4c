//! The server back end: the same tables in PostgreSQL, with TimescaleDB's hypertables where the extension is and tables partitioned by UTC day
//! where it is not.
//!
//! # How a table is kept
//!
//! Everything is in the schema `zomma`. **Times are `bigint`, nanoseconds since the Unix epoch**: `timestamptz` ends at the microsecond, and a feed
//! counts nanoseconds; a time and a remainder in two columns would make every comparison, key and partition bound a pair. Views named `<table>_utc`
//! show every time as `timestamptz` too. Text sorts by bytes (`COLLATE "C"`), the same on every server.
//!
//! One unique index on [`Table::key`](crate::table::Table::key), instrument first, tells rows apart and finds an instrument's rows. It is what rows
//! cost: with instrument first a row takes three to four times as long as without an index, with time first twice as long; but then an instrument's
//! day would be a scan of everybody's day (docs/storage-postgres.md has the figures).
//!
//! # Once and only once
//!
//! A batch goes in under a name ([`Writer::append`]), in one transaction with its rows. A commit whose answer was lost is tried again, and the name
//! says that it was done. [`Sink`] puts a [`Spool`] of files in front, for when the server is away. A row bears the number of the transaction that put
//! it in, and a name stands beside the same number: so what a batch put in, and nothing has replaced since, can be told and taken away ([`Writer::remove`]).
//!
//! The server's address, where a URL leaves part of it out, comes from the `PG…` variables and `~/.pgpass`, as with `psql`: the driver reads them.

mod aggregate;
mod batches;
mod connect;
mod decode;
mod encode;
mod explain;
mod failure;
mod layout;
mod migrate;
mod retain;
mod scan;
mod sink;
mod spool;
#[cfg(test)]
mod tests;
mod timescale;
mod writer;

pub use aggregate::{Aggregated, aggregate, aggregate_dry_run};
pub use batches::{Reading, Removed};
pub use connect::{Database, Settings, is_postgres};
pub use explain::{Plan, explain};
pub use layout::{Layout, Partition, partitions};
pub use migrate::{Migrated, migrate};
pub use retain::{Retained, retain, thin};
pub use scan::{Request, Scan, scan};
pub use sink::{Accepted, CaughtUp, Sink};
pub use spool::{Spool, Spooled};
pub use writer::{Appended, Writer};
