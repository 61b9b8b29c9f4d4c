//! SQL over our tables and over files, with our functions in it. It reads and never writes.
//!
//! The five tables of a place are found under their names ([`crate::table`]) with a column `date` besides, the UTC day of `time`. Predicates on
//! `time` and on `date` decide which days' files are opened, and the statistics in the files which parts of them are read. A file is named
//! by the session, or in quotes by the query: `FROM 'chain.csv'`. Of rows with one key the newest is seen alone. Of a PostgreSQL server the same tables are asked for, without `date`.

mod bounds;
mod contested;
mod damage;
mod error;
mod explain;
mod files;
mod functions;
mod newest;
#[cfg(test)]
mod newest_tests;
mod place_table;
mod postgres_table;
mod session;
mod statement;
#[cfg(test)]
mod tests;

pub use error::{Position, SqlError};
pub use explain::{Explained, Read, Share};
pub use functions::{Argument, FunctionInfo, Kind, Shape, functions};
pub use session::{Answer, Kept, NamedPlace, Outcome, Session, Settings, TableInfo};
pub use statement::Explain;
