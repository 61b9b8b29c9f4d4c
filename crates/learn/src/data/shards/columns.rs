//! Which columns are read, and how one row group becomes rows.

use zomma_storage::shards::Shard;

use crate::LearnError;
use crate::config::{DataConfig, Range};
use crate::data::Rows;

/// The column of the price.
pub const PRICE: &str = "price";
/// The column of the second derivative by the moneyness.
pub const GAMMA: &str = "price_by_moneyness_twice";

/// The column of the price's derivative by an input.
pub fn differential_name(input: &str) -> String {
    format!("{PRICE}_by_{input}")
}

/// The columns that are read: inputs, price, and what else of the labels is there.
#[derive(Clone, Debug)]
pub(super) struct ShardColumns {
    inputs: &'static [&'static str],
    ranges: Vec<Range>,
    differentials: Vec<String>,
    has_gamma: bool,
}

/// The rows of a row group before they are told apart: as many numbers as columns, each row's beside each other's.
pub(super) struct Group {
    columns: Vec<Vec<f64>>,
}

impl ShardColumns {
    /// As the first shard has them. The others must have the same.
    ///
    /// Errors: [`LearnError::Storage`] for a column that must be there.
    pub(super) fn of(config: &DataConfig, first: &Shard) -> Result<Self, LearnError> {
        let inputs = config.model.input_names();
        let mut differentials: Vec<String> = inputs.iter().map(|name| differential_name(name)).collect();
        let missing = |name: &str, why: &str| LearnError::Shard {
            path: first.path().to_owned(),
            reason: format!("has no column {name}{why}; it has {}", first.columns().join(", ")),
        };
        for name in inputs.iter().copied().chain([PRICE]) {
            if !first.has(name) {
                return Err(missing(name, ""));
            }
        }
        if let Some(absent) = differentials.iter().find(|name| !first.has(name)) {
            if config.differentials {
                return Err(missing(absent, ", which data.differentials = true wants"));
            }
            differentials.clear();
        }
        let has_gamma = !differentials.is_empty() && first.has(GAMMA);
        Ok(Self { inputs, ranges: config.ordered_ranges(), differentials, has_gamma })
    }

    /// How many inputs a row has.
    pub(super) fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Room for `count` rows with the labels that there are.
    pub(super) fn rows(&self, count: usize) -> Rows {
        let mut rows = Rows::zeros(count, self.inputs());
        if self.differentials.is_empty() {
            rows.differentials = Vec::new();
        }
        if !self.has_gamma {
            rows.gammas = Vec::new();
        }
        rows
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let gamma = self.has_gamma.then_some(GAMMA);
        let differentials = self.differentials.iter().map(String::as_str);
        self.inputs.iter().copied().chain([PRICE]).chain(differentials).chain(gamma)
    }

    /// Decodes a row group.
    ///
    /// Errors: [`LearnError::Storage`] for a column that is missing or cannot be read.
    pub(super) fn decode(&self, shard: &Shard, group: usize) -> Result<Group, LearnError> {
        let columns = self.names().map(|name| shard.numbers(group, name)).collect::<Result<Vec<_>, _>>()?;
        Ok(Group { columns })
    }

    /// What is wrong with a row: the first column that is no number or, of the inputs, outside its range.
    pub(super) fn fault(&self, group: &Group, row: usize) -> Option<String> {
        let numbers = || group.columns.iter().map(|column| column[row]);
        if let Some((name, value)) = self.names().zip(numbers()).find(|(_, value)| !value.is_finite()) {
            let what = if value.is_nan() { "empty or NaN".to_owned() } else { value.to_string() };
            return Some(format!("column {name} is {what}"));
        }
        let inputs = self.inputs.iter().zip(numbers()).zip(&self.ranges);
        inputs.into_iter().find(|((_, value), range)| !(range.min..=range.max).contains(value)).map(
            |((name, value), range)| {
                format!("column {name} is {value}; data.ranges.{name} allows {} to {}", range.min, range.max)
            },
        )
    }

    /// Whether a row can be learned; the same as [`Self::fault`] finding nothing.
    pub(super) fn is_sound(&self, group: &Group, row: usize) -> bool {
        let is_within = |(column, range): (&Vec<f64>, &Range)| (range.min..=range.max).contains(&column[row]);
        group.columns.iter().zip(&self.ranges).all(is_within)
            && group.columns[self.inputs()..].iter().all(|column| column[row].is_finite())
    }

    /// Adds a row of a group to rows.
    pub(super) fn push(&self, group: &Group, row: usize, rows: &mut Rows) {
        let mut numbers = group.columns.iter().map(|column| column[row]);
        rows.inputs.extend(numbers.by_ref().take(self.inputs()));
        rows.prices.extend(numbers.by_ref().take(1));
        rows.differentials.extend(numbers.by_ref().take(self.differentials.len()));
        rows.gammas.extend(numbers);
    }
}
