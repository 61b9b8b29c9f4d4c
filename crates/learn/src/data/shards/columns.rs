//! Which columns are read, and how one row group becomes rows.

use std::sync::Arc;

use zomma_storage::shards::Shard;

use crate::LearnError;
use crate::config::{DataConfig, Range, TableConfig};
use crate::data::Rows;
use crate::table::Derived;

/// The column of the price.
pub const PRICE: &str = "price";
/// The column of the second derivative by the moneyness.
pub const GAMMA: &str = "price_by_moneyness_twice";

/// Greatest derivative that is learned: its square is a number in f32.
const MOST_DERIVATIVE: f64 = 1e18;

/// The column of the price's derivative by an input.
pub fn differential_name(input: &str) -> String {
    format!("{PRICE}_by_{input}")
}

/// The columns that are read: inputs, price, and what else of the labels is there.
#[derive(Clone, Debug)]
pub(super) struct ShardColumns {
    inputs: Vec<String>,
    /// What is learned: the price, or a table's target.
    target: String,
    ranges: Vec<Range>,
    table: Option<TableConfig>,
    /// Whether a column is made of others, in the order of what is read.
    derived: Vec<bool>,
    differentials: Vec<String>,
    has_gamma: bool,
    /// What a row's error counts.
    weight: Option<String>,
}

/// The rows of a row group before they are told apart: as many numbers as columns, each row's beside each other's.
pub(super) struct Group {
    columns: Vec<Vec<f64>>,
    /// When each row is, where the parts are told apart by time.
    pub times: Option<Vec<f64>>,
    /// What was made of the shard, and the group's first row in it; none where nothing is.
    made: Option<(Arc<Derived>, usize)>,
}

impl ShardColumns {
    /// As the first shard has them. The others must have the same.
    ///
    /// Errors: [`LearnError::Storage`] for a column that must be there.
    pub(super) fn of(config: &DataConfig, first: &Shard) -> Result<Self, LearnError> {
        let (inputs, target, mut differentials) = match &config.table {
            Some(table) => (table.inputs.clone(), table.target.clone(), Vec::new()),
            None => {
                let inputs: Vec<String> = config.model.input_names().iter().map(|name| (*name).to_owned()).collect();
                let differentials = inputs.iter().map(|name| differential_name(name)).collect();
                (inputs, PRICE.to_owned(), differentials)
            }
        };
        let missing = |name: &str, why: &str| LearnError::Shard {
            path: first.path().to_owned(),
            reason: format!("has no column {name}{why}; it has {}", first.columns().join(", ")),
        };
        let time = config.table.as_ref().and_then(|table| table.split_by.as_ref());
        let is_derived = |name: &str| config.table.as_ref().is_some_and(|table| table.is_derived(name));
        let weight = config.table.as_ref().and_then(|table| table.weight.clone());
        for name in inputs.iter().chain([&target]).chain(time).chain(&weight) {
            if !first.has(name) && !is_derived(name) {
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
        let ranges = config.ordered_ranges();
        let derived = inputs.iter().map(|name| is_derived(name)).collect();
        let table = config.table.clone();
        Ok(Self { inputs, target, ranges, table, derived, differentials, has_gamma, weight })
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
        if self.weight.is_some() {
            rows.weights = vec![1.0; count];
        }
        rows
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let gamma = self.has_gamma.then_some(GAMMA);
        let differentials = self.differentials.iter().map(String::as_str);
        let inputs = self.inputs.iter().map(String::as_str);
        inputs.chain([self.target.as_str()]).chain(differentials).chain(gamma).chain(self.weight.as_deref())
    }

    /// What a table's config makes of a whole shard, whose rows are in their order; none where it makes nothing.
    ///
    /// Errors: those of [`Derived::of`].
    pub(super) fn derive(&self, shard: &Shard) -> Result<Option<Arc<Derived>>, LearnError> {
        let Some(table) = self.table.as_ref().filter(|_| self.derived.contains(&true)) else { return Ok(None) };
        Derived::of(&table.derive, shard).map(|made| Some(Arc::new(made)))
    }

    /// Decodes a row group, whose first row is `begin` in its shard, with what was made of that.
    ///
    /// Errors: [`LearnError::Storage`] for a column that is missing or cannot be read.
    pub(super) fn decode(
        &self,
        shard: &Shard,
        (group, begin): (usize, u64),
        made: Option<&Arc<Derived>>,
    ) -> Result<Group, LearnError> {
        let begin = begin as usize;
        let rows = shard.groups().get(group).copied().unwrap_or(0);
        let column = |(place, name): (usize, &str)| -> Result<Vec<f64>, LearnError> {
            let is_derived = self.derived.get(place).copied().unwrap_or(false);
            let derived = made.filter(|_| is_derived).and_then(|made| made.column(name));
            match derived.and_then(|all| all.get(begin..begin + rows)) {
                Some(numbers) => Ok(numbers.to_vec()),
                None => Ok(shard.numbers(group, name)?),
            }
        };
        let columns = self.names().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
        let made = made.map(|made| (Arc::clone(made), begin));
        Ok(Group { columns, times: self.times(shard, group)?, made })
    }

    /// When each row of a row group is, where the parts are told apart by time.
    ///
    /// Errors: [`LearnError::Storage`] for a column that cannot be read.
    pub(super) fn times(&self, shard: &Shard, group: usize) -> Result<Option<Vec<f64>>, LearnError> {
        let time = self.table.as_ref().and_then(|table| table.split_by.as_deref());
        Ok(time.map(|name| shard.numbers(group, name)).transpose()?)
    }

    /// Whether a row is early in its file, before its windows are full: no fault, and not to be learned.
    pub(super) fn is_warming(&self, group: &Group, row: usize) -> bool {
        group.made.as_ref().is_some_and(|(made, begin)| made.is_warming(begin + row))
    }

    /// What a table's row has in a column that cannot be scaled as it shall, and why.
    fn unscaled(&self, group: &Group, row: usize) -> Option<(&str, f64, &'static str)> {
        let table = self.table.as_ref()?;
        self.inputs.iter().zip(&group.columns).find_map(|(name, column)| {
            table.scaling(name).fault(column[row]).map(|why| (name.as_str(), column[row], why))
        })
    }

    /// A row's weight where it is none that can be. Weights are the last column.
    fn weight_below_0(&self, group: &Group, row: usize) -> Option<f64> {
        self.weight.as_ref()?;
        group.columns.last().map(|column| column[row]).filter(|weight| *weight < 0.0)
    }

    /// What is wrong with a row: the first column that is no number or, of the inputs, outside its range, or a label that no option has.
    pub(super) fn fault(&self, group: &Group, row: usize) -> Option<String> {
        let numbers = || group.columns.iter().map(|column| column[row]);
        if let Some((name, value)) = self.names().zip(numbers()).find(|(_, value)| !value.is_finite()) {
            return Some(format!("column {name} is {}", shown(value)));
        }
        let name = self.table.as_ref().and_then(|table| table.split_by.as_deref());
        if let (Some(name), Some(times)) = (name, &group.times)
            && !times[row].is_finite()
        {
            return Some(format!("column {name} is {}", shown(times[row])));
        }
        if let (Some(name), Some(value)) = (&self.weight, self.weight_below_0(group, row)) {
            return Some(format!("column {name} is {value}; a weight is 0 or more"));
        }
        if let Some((name, value, why)) = self.unscaled(group, row) {
            return Some(format!("column {name} is {value}; {why}"));
        }
        let inputs = self.inputs.iter().zip(numbers()).zip(&self.ranges);
        let outside = inputs.into_iter().find(|((_, value), range)| !(range.min..=range.max).contains(value)).map(
            |((name, value), range)| {
                format!("column {name} is {value}; data.ranges.{name} allows {} to {}", range.min, range.max)
            },
        );
        outside.or_else(|| self.impossible(group, row))
    }

    /// What of a row's labels no model of prices can say: a price beyond its bounds, a derivative that f32 has no number for.
    fn impossible(&self, group: &Group, row: usize) -> Option<String> {
        if self.table.is_some() {
            return None;
        }
        let (moneyness, price) = (group.columns[0][row], group.columns[self.inputs()][row]);
        let [least, most] = price_bounds(moneyness);
        if !(least..=most).contains(&price) {
            return Some(format!(
                "column {PRICE} is {price}; a call over its strike is from {least} to {most} at moneyness {moneyness}, a hundredth allowed for"
            ));
        }
        let labels = self.names().zip(&group.columns).skip(self.inputs() + 1);
        let huge = |(_, column): &(&str, &Vec<f64>)| column[row].abs() > MOST_DERIVATIVE;
        let (name, column) = labels.into_iter().find(huge)?;
        Some(format!(
            "column {name} is {}; a derivative is from -{MOST_DERIVATIVE:e} to {MOST_DERIVATIVE:e}",
            column[row]
        ))
    }

    /// Whether a row can be learned; the same as [`Self::fault`] finding nothing.
    pub(super) fn is_sound(&self, group: &Group, row: usize) -> bool {
        let is_within = |(column, range): (&Vec<f64>, &Range)| (range.min..=range.max).contains(&column[row]);
        let checked = if self.table.is_some() { 0 } else { self.inputs() };
        group.columns.iter().zip(&self.ranges).all(is_within)
            && group.columns[checked..].iter().all(|column| column[row].is_finite())
            && group.times.as_ref().is_none_or(|times| times[row].is_finite())
            && self.weight_below_0(group, row).is_none()
            && self.unscaled(group, row).is_none()
            && self.impossible(group, row).is_none()
            && !self.is_warming(group, row)
    }

    /// A row's inputs.
    pub(super) fn inputs_of<'a>(&self, group: &'a Group, row: usize) -> impl Iterator<Item = f64> + use<'a> {
        group.columns.iter().take(self.inputs()).map(move |column| column[row])
    }

    /// Adds a row of a group to rows.
    pub(super) fn push(&self, group: &Group, row: usize, rows: &mut Rows) {
        let mut numbers = group.columns.iter().map(|column| column[row]);
        rows.inputs.extend(numbers.by_ref().take(self.inputs()));
        rows.prices.extend(numbers.by_ref().take(1));
        rows.differentials.extend(numbers.by_ref().take(self.differentials.len()));
        rows.gammas.extend(numbers.by_ref().take(usize::from(self.has_gamma)));
        rows.weights.extend(numbers);
    }
}

/// Least and greatest price of a call of strike 1 that is taken for one: intrinsic value and forward (of American options spot), and a hundredth
/// of the greater of them and the strike beyond, for prices of markets.
fn price_bounds(moneyness: f64) -> [f64; 2] {
    let allowance = 0.01 * moneyness.max(1.0);
    [(moneyness - 1.0).max(0.0) - allowance, moneyness + allowance]
}

/// A number that is none.
fn shown(value: f64) -> String {
    if value.is_nan() { "empty or NaN".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_price_are_intrinsic_value_and_forward_with_a_hundredth() {
        let is_possible =
            |moneyness: f64, price: f64| (price_bounds(moneyness)[0]..=price_bounds(moneyness)[1]).contains(&price);
        for (moneyness, price) in [(0.9, 0.0), (0.9, -0.009), (0.9, 0.9), (2.0, 0.985), (2.0, 2.0)] {
            assert!(is_possible(moneyness, price), "{moneyness} {price}");
        }
        for (moneyness, price) in [(0.9, -5.0), (0.9, 0.92), (2.0, 0.97), (2.0, 2.03), (1.0, 1e300)] {
            assert!(!is_possible(moneyness, price), "{moneyness} {price}");
        }
    }
}
