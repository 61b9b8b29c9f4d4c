//! Labelled rows: points of the stated domain, and what `pricing` says of them.

mod labels;
mod points;
mod rows;
mod sampled;
pub mod shards;
mod source;

pub use points::{PointSet, uniform};
pub use rows::Rows;
pub use source::Source;
