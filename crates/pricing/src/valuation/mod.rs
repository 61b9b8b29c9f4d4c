//! Rows of any model and exercise style in one batch: each is valued by the engine of its kind, and keeps its place.
//!
//! A row says its model, its style and whether it stands on a forward; [`Kind`] is what follows from that, the engine that values it.
//! [`evaluate`] gathers the rows of each kind, values them as one batch of that engine, and puts the results back.

mod evaluate;
mod kind;
mod model;
mod order;
mod table;
#[cfg(test)]
mod tests;

pub use evaluate::{Results, evaluate, evaluate_kind, evaluate_with};
pub use kind::{Kind, Method, Settings};
pub use model::{ModelName, Parameter};
pub use order::Order;
pub use table::Table;
