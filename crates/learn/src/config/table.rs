//! `[data.table]`: a table of one's own as what is learned from; which columns are inputs, how they are scaled, and which is the target.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DataConfig, PricingModel, number};
use crate::LearnError;
use crate::network::{MOST_COLUMNS, Scaling};
use crate::table::Derivation;

/// Columns of the shards, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// What the network is given.
    pub inputs: Vec<String>,
    /// What it shall say.
    pub target: String,
    /// A column, 0 or more, of what a row's error counts in the loss, over the column's mean; every row as much as another where absent. Held-out
    /// rows are measured without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// How inputs are scaled before the network sees them, fitted to rows to learn from.
    #[serde(default)]
    pub scaling: Scaling,
    /// Inputs that are scaled otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scaling_of: BTreeMap<String, Scaling>,
    /// A column of time: the last rows by it are held out, and nothing after them is learned. By a hash of the rows where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_by: Option<String>,
    /// What is left out before each of the two parts that are held out, in the units of `split_by`: as long as a target looks ahead, so that no row
    /// to learn from has seen what it is tested on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gap: f64,
    /// Columns that are made of the table's: inputs may name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derive: Vec<Derivation>,
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

impl TableConfig {
    /// How an input is scaled.
    pub fn scaling(&self, input: &str) -> Scaling {
        self.scaling_of.get(input).copied().unwrap_or(self.scaling)
    }

    /// Whether a column is made of others.
    pub fn is_derived(&self, column: &str) -> bool {
        self.derive.iter().any(|derivation| derivation.names().iter().any(|name| name == column))
    }

    /// Errors: [`LearnError::BadValue`] by key.
    pub(super) fn check(&self, data: &DataConfig) -> Result<(), LearnError> {
        let Self { inputs, target, weight, scaling_of, split_by, gap, derive, .. } = self;
        let count = inputs.len();
        if !(1..=MOST_COLUMNS).contains(&count) {
            let allowed = format!("1 to {MOST_COLUMNS} columns");
            return Err(LearnError::bad("data.table.inputs", format!("{count} columns"), allowed));
        }
        for (i, input) in inputs.iter().enumerate() {
            if input.is_empty() || inputs[..i].contains(input) {
                return Err(LearnError::bad(
                    "data.table.inputs",
                    format!("{input:?}"),
                    "each column once, by its name",
                ));
            }
        }
        if target.is_empty() || inputs.contains(target) {
            let allowed = "a column that is no input: what is learned must not be given";
            return Err(LearnError::bad("data.table.target", format!("{target:?}"), allowed));
        }
        if let Some(weight) =
            weight.as_ref().filter(|weight| weight.is_empty() || inputs.contains(weight) || *weight == target)
        {
            let allowed = "a column that is neither input nor target";
            return Err(LearnError::bad("data.table.weight", format!("{weight:?}"), allowed));
        }
        let mut made = Vec::new();
        for derivation in derive {
            derivation.check()?;
            for name in derivation.names() {
                if made.contains(&name) || name == *target || Some(&name) == weight.as_ref() {
                    let allowed = "each derived column once, and none of the target's name or the weight's; prefix tells them apart";
                    return Err(LearnError::bad("data.table.derive.columns", name, allowed));
                }
                made.push(name);
            }
        }
        if let Some(unknown) = scaling_of.keys().find(|name| !inputs.contains(name)) {
            return Err(LearnError::bad("data.table.scaling_of", unknown, "a column of data.table.inputs"));
        }
        match split_by {
            Some(_) => number("data.table.gap", *gap, 0.0, 1e18)?,
            None if *gap != 0.0 => return Err(LearnError::bad("data.table.gap", gap, "only with data.table.split_by")),
            None => {}
        }
        if split_by.is_some() && !data.held_out_shards.is_empty() {
            let allowed = "split_by or held_out_shards, not both";
            return Err(LearnError::bad("data.held_out_shards", data.held_out_shards.join(", "), allowed));
        }
        if data.shards.is_none() {
            let wanted = "where the table's Parquet files lie, a folder or s3://bucket/prefix".into();
            return Err(LearnError::Missing { key: "data.shards".into(), wanted });
        }
        if data.noise_half_spread > 0.0 {
            let allowed = "0 for tables, whose targets are no prices";
            return Err(LearnError::bad("data.noise_half_spread", data.noise_half_spread, allowed));
        }
        Ok(())
    }
}

/// Whether `[data]` has a table where its model wants one, and only there.
pub(super) fn check(data: &DataConfig) -> Result<(), LearnError> {
    match (data.model, &data.table) {
        (PricingModel::Table, Some(table)) => table.check(data),
        (PricingModel::Table, None) => {
            let wanted = "the columns to learn from: inputs = [\"…\"], target = \"…\"".into();
            Err(LearnError::Missing { key: "data.table".into(), wanted })
        }
        (_, Some(table)) => {
            let allowed = "only with data.model = \"table\"";
            Err(LearnError::bad("data.table", format!("of target {:?}", table.target), allowed))
        }
        (_, None) => Ok(()),
    }
}
