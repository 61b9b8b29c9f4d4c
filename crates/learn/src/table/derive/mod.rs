//! Columns that Zomma makes of a table's own: parts of the time, Greeks, indicators and volatilities of a price. What a config derives for training
//! is derived by the same code where its network predicts.

mod columns;
mod greeks;
mod series;
mod series_feature;
mod time;
mod timed_feature;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use columns::Columns;
pub use greeks::{GreekDerivation, NumberOr};
pub use series::SeriesDerivation;
pub use time::{TimeDerivation, TimeUnit};

use crate::LearnError;

/// Columns that are made of others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Derivation {
    /// Parts of the time.
    Time(TimeDerivation),
    /// Greeks of a row's option.
    Greeks(GreekDerivation),
    /// What a window of rows says of a price.
    Series(SeriesDerivation),
}

impl Derivation {
    /// The columns that it makes, by their names in the table.
    pub fn names(&self) -> Vec<String> {
        let (prefix, columns): (&str, Vec<&str>) = match self {
            Self::Time(of) => (&of.prefix, of.columns.iter().map(String::as_str).collect()),
            Self::Greeks(of) => (&of.prefix, of.columns.iter().map(String::as_str).collect()),
            Self::Series(of) => (&of.prefix, of.columns.iter().map(String::as_str).collect()),
        };
        columns.into_iter().map(|column| format!("{prefix}{column}")).collect()
    }

    /// Errors: [`LearnError::BadValue`] by key, where it makes nothing, or what is not there.
    pub fn check(&self) -> Result<(), LearnError> {
        match self {
            Self::Time(of) => of.check(),
            Self::Greeks(of) => of.check(),
            Self::Series(of) => of.check(),
        }
    }
}

/// What was made of a table, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derived {
    columns: BTreeMap<String, Vec<f64>>,
    /// Rows whose windows are not full yet; empty where there is none.
    warming: Vec<bool>,
}

impl Derived {
    /// Makes all columns of a table whose rows are in their order, each from the table's columns and those made before it. NaN where a row has none.
    ///
    /// Errors: [`LearnError::BadValue`] as of [`Derivation::check`]; those of `from` for a column that is missing; rows that are not in their order.
    pub fn of(derivations: &[Derivation], from: &dyn Columns) -> Result<Self, LearnError> {
        let mut made = Self::default();
        for derivation in derivations {
            let seen = columns::WithMade { from, made: &made.columns };
            let mut warming = Vec::new();
            let columns = match derivation {
                Derivation::Time(of) => of.derive(&seen)?,
                Derivation::Greeks(of) => of.derive(&seen)?,
                Derivation::Series(of) => of.derive(&seen, &mut warming)?,
            };
            if made.warming.is_empty() {
                made.warming = warming;
            } else {
                made.warming.iter_mut().zip(warming).for_each(|(all, one)| *all |= one);
            }
            made.columns.extend(derivation.names().into_iter().zip(columns));
        }
        Ok(made)
    }

    /// A column that was made.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.get(name).map(Vec::as_slice)
    }

    /// Whether a window of the row is not full yet: it is early in its file, and at no fault.
    pub fn is_warming(&self, row: usize) -> bool {
        self.warming.get(row).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
