//! The embedded back end: tables as Parquet files in a [`Place`](crate::place::Place), partitioned by UTC day.
//!
//! # Layout
//!
//! ```text
//! <root>/<table>/date=YYYY-MM-DD/<writer>-<sequence>.parquet    rows of that UTC day, sorted by (instrument, time)
//! <root>/<table>/date=YYYY-MM-DD/_replace.json                  while files of the partition are being replaced by others
//! <root>/_state/<rule>.json                                     how far a rule of aggregation has come
//! <root>/_state/dropped/<table>/YYYY-MM-DD.json                  a day that retention has dropped
//! ```
//!
//! A file's columns are [`Table::schema`](crate::table::Table::schema), in that order. Its metadata names the sort order, and its statistics (of
//! row groups and pages) and the Bloom filter on `instrument` let a reader leave out what it does not need. A file appears whole or not at all. What
//! begins with `.` or `_`, and what does not end in `.parquet`, is no data.
//!
//! # Which files are the table
//!
//! **A reader must ask [`files`], not list a folder.** While files are being replaced (compaction, thinning), old and new ones are in the
//! partition together; `_replace.json` names both, and says when the new ones are all there: until then they do not count, and from then on the old
//! ones do not. So whoever lists sees the one or the other, whole, at every moment and after a kill at any moment. A file that is gone when it
//! is opened has been replaced since: list again.
//!
//! # Which row is the last
//!
//! Each file's metadata has `zomma.written_ns`, when its writer began it. Of two rows with the same [`Table::key`](crate::table::Table::key) the
//! one of the later file counts ((`written_ns`, file name) decides). Within a file each key is there once, which `zomma.keys` = `unique` says: a writer
//! drops the earlier rows. A file that replaces others has their names in `zomma.replaces`, and the latest of their times.

pub(crate) mod check;
pub(crate) mod encode;
pub(crate) mod file;
pub(crate) mod layout;
mod listing;
pub(crate) mod merge;
pub(crate) mod newest;
pub(crate) mod object;
mod read;
mod readings;
mod replace;
pub(crate) mod rewrite;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod sort;
#[cfg(test)]
mod tests;
mod writer;

pub use check::conform;
pub use file::Filter;
pub use layout::{DataFile, partition};
pub use listing::{dates, files};
pub use read::{Scanned, read, scan};
pub use readings::{Reading, compacted, readings, remove};
pub use replace::Attempt;
pub(crate) use replace::take_up;
pub use writer::{Clock, Earlier, Writer, WriterSettings, Written};
