//! Where derivations read from.

use std::collections::BTreeMap;

use zomma_storage::shards::Shard;

use crate::LearnError;

/// A table whose rows are in their order.
pub trait Columns {
    /// How many rows.
    fn rows(&self) -> usize;

    /// A column's numbers; NaN where a cell is empty.
    ///
    /// Errors: where there is no such column, or it has no numbers.
    fn numbers(&self, name: &str) -> Result<Vec<f64>, LearnError>;

    /// A column of whole numbers to the last digit, None where a cell is empty or beyond `i64`; None of a column that counts with fractions.
    ///
    /// Errors: where there is no such column.
    fn whole_numbers(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, LearnError>;

    /// A column's text, numbers as they are printed; empty where a cell is.
    ///
    /// Errors: where there is no such column.
    fn texts(&self, name: &str) -> Result<Vec<String>, LearnError>;

    /// An error about a row, counted from 0.
    fn wrong(&self, row: usize, problem: String) -> LearnError;
}

/// A shard of all its row groups.
impl Columns for Shard {
    fn rows(&self) -> usize {
        self.groups().iter().sum()
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>, LearnError> {
        let mut all = Vec::new();
        for group in 0..self.groups().len() {
            all.extend(self.numbers(group, name)?);
        }
        Ok(all)
    }

    fn whole_numbers(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, LearnError> {
        let mut all = Vec::new();
        for group in 0..self.groups().len() {
            let Some(cells) = self.whole_numbers(group, name)? else { return Ok(None) };
            all.extend(cells);
        }
        Ok(Some(all))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, LearnError> {
        let mut all = Vec::new();
        for group in 0..self.groups().len() {
            all.extend(self.texts(group, name)?);
        }
        Ok(all)
    }

    fn wrong(&self, row: usize, problem: String) -> LearnError {
        LearnError::Shard { path: format!("{} row {}", self.path(), row + 1), reason: problem }
    }
}

/// A table and what was made of it so far.
pub(super) struct WithMade<'a> {
    pub from: &'a dyn Columns,
    pub made: &'a BTreeMap<String, Vec<f64>>,
}

impl Columns for WithMade<'_> {
    fn rows(&self) -> usize {
        self.from.rows()
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>, LearnError> {
        self.made.get(name).map_or_else(|| self.from.numbers(name), |made| Ok(made.clone()))
    }

    fn whole_numbers(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, LearnError> {
        if self.made.contains_key(name) { Ok(None) } else { self.from.whole_numbers(name) }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, LearnError> {
        self.from.texts(name)
    }

    fn wrong(&self, row: usize, problem: String) -> LearnError {
        self.from.wrong(row, problem)
    }
}
