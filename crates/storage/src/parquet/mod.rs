//! The embedded back end: tables as Parquet files in a [`Place`](crate::place::Place), partitioned by UTC day.
//!
//! # Layout
//!
//! ```text
//! <root>/<table>/date=YYYY-MM-DD/<writer>-<sequence>.parquet    rows of that UTC day, sorted by (instrument, time)
//! <root>/<table>/date=YYYY-MM-DD/_replace.json                  while files of the partition are being replaced by others
//! <root>/_state/<rule>.json                                     how far a rule of aggregation has come
//! ```
//!
//! A file's columns are [`Table::schema`](crate::table::Table::schema), in that order. Its metadata names the sort order, and its statistics (of
//! row groups and pages) and the Bloom filter on `instrument` let a reader leave out what it does not need. A file appears whole or not at all. What
//! begins with `.` or `_`, and what does not end in `.parquet`, is no data.
//!
//! # Which files are the table
//!
//! **A reader must ask [`files`], not list a folder.** While files are being replaced (compaction, thinning), old and new ones are in the
//! partition together; `_replace.json` names both. Where all new ones are there, the old ones no longer count; where one is missing, the new ones
//! do not count yet. So whoever lists sees the one or the other, whole, at every moment and after a kill at any moment. A file that is gone when it
//! is opened has been replaced since: list again.
//!
//! # Which row is the last
//!
//! Each file's metadata has `zomma.written_ns`, when its writer began it. Of two rows with the same [`Table::key`](crate::table::Table::key) the
//! one of the later file counts ((`written_ns`, file name) decides), and within a file the later row.

mod layout;

pub use layout::{DataFile, dates, files, partition};
