//! Rows of any model and exercise style in one batch: each is valued by the engine of its kind, and keeps its place.
//!
//! A row says its model, its style and whether it stands on a forward; [`Kind`] is what follows from that, the engine that values it.
//! [`evaluate`] gathers the rows of each kind, values them as one batch of that engine, and puts the results back.

mod axis;
mod by_volatility;
mod closed_form;
#[cfg(test)]
mod closed_form_tests;
mod contracts;
mod dividends;
mod engines;
mod evaluate;
mod implied;
mod implied_contract;
#[cfg(test)]
mod implied_contract_tests;
mod kind;
mod model;
mod models;
mod order;
mod route;
mod settings;
#[cfg(test)]
mod sweep_tests;
mod table;
mod terms;
#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod test_rows;
#[cfg(test)]
mod tests;

pub use engines::{American, evaluate_american, evaluate_kind};
pub use evaluate::{Results, evaluate, evaluate_with};
pub use implied::{implied_volatility, implied_volatility_kind};
pub use kind::Kind;
pub use model::{ModelName, Parameter};
pub use order::Order;
pub use route::ContractEngine;
pub use settings::{Accuracy, Method, Settings};
pub use table::Table;
pub use terms::{
    BarrierTerms, BarrierType, MOST_TIMES, PayoffName, Terms, observation_dates, parse_dividends, parse_exercise_times,
};
