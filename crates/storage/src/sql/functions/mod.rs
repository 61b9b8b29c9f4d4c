//! Our functions in SQL: prices, Greeks, implied volatilities, years, vwap, realised volatility, surfaces.
//!
//! A null argument gives null. A row that cannot be valued gives null too, never NaN; `greeks(…)['status']` and
//! `implied_volatility_status(…)` say why. An argument of a wrong type is an error of planning that names it.

mod aggregates;
mod arguments;
mod black;
mod implied_volatility;
mod realised;
mod scalar;
mod surface;
#[cfg(test)]
mod tests;
mod years;

pub use arguments::{Argument, Kind};

use datafusion::{
    logical_expr::{AggregateUDF, ScalarUDF},
    prelude::SessionContext,
};

use aggregates::Aggregate;
use scalar::Scalar;

/// Whether a function gives a value of each row or one of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A value a row.
    Row,
    /// One value of all rows of a group, or of a window.
    Aggregate,
}

/// What is said of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// What it gives a value of.
    pub shape: Shape,
    /// What it takes, in order.
    pub arguments: Vec<Argument>,
    /// What it returns: float, text, struct.
    pub returns: &'static str,
    /// Unit of that.
    pub unit: &'static str,
    /// What it is.
    pub about: String,
    /// A call that works; columns in it are of our tables.
    pub example: String,
}

impl FunctionInfo {
    /// `name(argument, …)`.
    pub fn signature(&self) -> String {
        arguments::signature(&self.name, &self.arguments)
    }
}

fn scalars() -> impl Iterator<Item = Scalar> {
    let ours = black::functions().into_iter().chain(implied_volatility::functions());
    ours.chain([years::function(), surface::function()])
}

fn aggregates() -> [Aggregate; 2] {
    [aggregates::vwap(), realised::function()]
}

/// Every function of ours.
pub fn functions() -> Vec<FunctionInfo> {
    let of_rows = scalars().map(|function| function.info().clone());
    of_rows.chain(aggregates().iter().map(|function| function.info().clone())).collect()
}

/// Makes them known to a session.
pub(super) fn register(context: &SessionContext) {
    for function in scalars() {
        context.register_udf(ScalarUDF::from(function));
    }
    for function in aggregates() {
        context.register_udaf(AggregateUDF::from(function));
    }
}
