//! Long-term tables: partitioned Parquet, object stores, PostgreSQL with TimescaleDB, SQL with our functions in it.

pub mod studies;
pub mod table;
