//! Columns of a table as what a network is given: how each is scaled, and what the network's number is worth in units of the target. Fitted to
//! rows to learn from, and kept with the network.
//!
//! Formula  shown = (f((x − centre)/unit) − mean)/deviation
//!          standard: f(y) = y, mean and standard deviation; robust: f(y) = y, median and interquartile range over 1.349 (that of a normal
//!          distribution of deviation 1); log1p: f(y) = ln(1 + y); asinh: f(y) = asinh y with the median for the centre and the interquartile range
//!          over 1.349 for the unit, which leaves the middle as it is and draws both tails in; the last two with mean and deviation of f after it

use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::config::TableConfig;

/// Most inputs of a network of a table.
pub const MOST_COLUMNS: usize = 1024;

/// Interquartile range of a normal distribution of deviation 1.
const NORMAL_RANGE: f64 = 1.348_979_500_392_163_5;

/// How an input is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Less the mean, over the deviation.
    #[default]
    Standard,
    /// Less the median, over the interquartile range: what a few outliers do not move.
    Robust,
    /// Of ln(1 + x): for what is above −1 and has a long tail above.
    Log1p,
    /// Of asinh: for long tails on both sides.
    Asinh,
    /// As it is.
    None,
}

impl Scaling {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Robust => "robust",
            Self::Log1p => "log1p",
            Self::Asinh => "asinh",
            Self::None => "none",
        }
    }

    /// What is wrong with a number, where it cannot be scaled so.
    pub fn fault(self, x: f64) -> Option<&'static str> {
        (self == Self::Log1p && x <= -1.0).then_some("scaling log1p allows numbers above -1")
    }
}

/// An input with its scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputColumn {
    /// The column.
    pub name: String,
    /// How it is scaled.
    pub scaling: Scaling,
    /// Taken off before the function.
    pub centre: f64,
    /// Divided by before the function; above 0.
    pub unit: f64,
    /// Taken off after it.
    pub mean: f64,
    /// Divided by after it; above 0.
    pub deviation: f64,
    /// The least number among all rows to learn from.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl InputColumn {
    /// Fits a scale to numbers. A column that does not move is shown as 0.
    fn fit(name: &str, scaling: Scaling, mut numbers: Vec<f64>, [least, greatest]: [f64; 2]) -> Self {
        let mut column =
            Self { name: name.to_owned(), scaling, centre: 0.0, unit: 1.0, mean: 0.0, deviation: 1.0, least, greatest };
        match scaling {
            Scaling::None => {}
            Scaling::Standard => (column.mean, column.deviation) = mean_and_deviation(&numbers),
            Scaling::Robust => (column.mean, column.deviation) = median_and_range(&mut numbers),
            Scaling::Log1p | Scaling::Asinh => {
                if scaling == Scaling::Asinh {
                    (column.centre, column.unit) = median_and_range(&mut numbers);
                }
                numbers.iter_mut().for_each(|x| *x = column.curve(*x));
                (column.mean, column.deviation) = mean_and_deviation(&numbers);
            }
        }
        column
    }

    fn curve(&self, x: f64) -> f64 {
        let y = (x - self.centre) / self.unit;
        match self.scaling {
            Scaling::Log1p => y.ln_1p(),
            Scaling::Asinh => y.asinh(),
            Scaling::Standard | Scaling::Robust | Scaling::None => y,
        }
    }

    /// What the network is shown of a number.
    #[inline]
    pub fn show(&self, x: f64) -> f64 {
        (self.curve(x) - self.mean) / self.deviation
    }

    /// Whether a number is within what was learned.
    pub fn is_within(&self, x: f64) -> bool {
        (self.least..=self.greatest).contains(&x)
    }
}

/// The target with its scale: target = mean + deviation · the network's number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// The column.
    pub name: String,
    /// Its mean; 0 where the network's number is above 0 by its form.
    pub mean: f64,
    /// Its deviation, or root mean square where the mean is 0 by that; above 0.
    pub deviation: f64,
}

impl TargetColumn {
    /// Fits the scale to targets. `is_positive` where the network says nothing below 0.
    pub fn fit(name: &str, targets: &[f64], is_positive: bool) -> Self {
        let (mut mean, mut deviation) = mean_and_deviation(targets);
        if is_positive {
            deviation = deviation.hypot(mean);
            mean = 0.0;
        }
        Self { name: name.to_owned(), mean, deviation }
    }

    /// A target in the network's units.
    pub fn scaled(&self, target: f64) -> f64 {
        (target - self.mean) / self.deviation
    }

    /// What the network's number says.
    pub fn unscaled(&self, number: f64) -> f64 {
        self.mean + self.deviation * number
    }
}

/// What a network of a table is given and says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableColumns {
    /// The inputs in their order.
    pub inputs: Vec<InputColumn>,
    /// The target.
    pub target: TargetColumn,
}

impl TableColumns {
    /// Fits all scales to rows to learn from, inputs row by row; `bounds` are least and greatest of each input.
    ///
    /// Errors: [`LearnError::BadValue`] for a target that is the same in every row.
    pub fn fit(
        table: &TableConfig,
        (inputs, targets): (&[f64], &[f64]),
        bounds: &[[f64; 2]],
        is_positive: bool,
    ) -> Result<Self, LearnError> {
        let count = table.inputs.len();
        let input = |(j, name): (usize, &String)| {
            let numbers: Vec<f64> = inputs.iter().skip(j).step_by(count).copied().collect();
            InputColumn::fit(name, table.scaling(name), numbers, bounds[j])
        };
        if let Some(first) = targets.first().filter(|first| targets.iter().all(|target| target == *first)) {
            let allowed = format!("a column that differs between rows: it is {first} in all that scales are fitted to");
            return Err(LearnError::bad("data.table.target", &table.target, allowed));
        }
        Ok(Self {
            inputs: table.inputs.iter().enumerate().map(input).collect(),
            target: TargetColumn::fit(&table.target, targets, is_positive),
        })
    }

    /// What is wrong with columns that come from a file.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=MOST_COLUMNS).contains(&self.inputs.len()) {
            return Err(format!("is given {} columns; allowed: 1 to {MOST_COLUMNS}", self.inputs.len()));
        }
        let is_scale = |numbers: [f64; 2], divisors: [f64; 2]| {
            numbers.iter().all(|x| x.is_finite()) && divisors.iter().all(|x| *x > 0.0 && x.is_finite())
        };
        let is_good = |column: &InputColumn| {
            is_scale([column.centre, column.mean], [column.unit, column.deviation]) && column.least <= column.greatest
        };
        if let Some(bad) = self.inputs.iter().find(|column| !is_good(column)) {
            return Err(format!("has no scale for its column {}", bad.name));
        }
        if !is_scale([self.target.mean, 0.0], [self.target.deviation, 1.0]) {
            return Err(format!("has no scale for its target {}", self.target.name));
        }
        Ok(())
    }
}

/// Mean and standard deviation, in two passes; 1 for a deviation that is nothing beside the mean.
fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    (mean, if deviation > 1e-12 * mean.abs() && deviation.is_normal() { deviation } else { 1.0 })
}

/// Median, and interquartile range in deviations of a normal distribution; the standard deviation where a half of the numbers are the same.
fn median_and_range(numbers: &mut [f64]) -> (f64, f64) {
    if numbers.is_empty() {
        return (0.0, 1.0);
    }
    numbers.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (numbers.len() - 1) as f64;
        let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
        below + (place - place.floor()) * (above - below)
    };
    let (median, range) = (at(0.5), (at(0.75) - at(0.25)) / NORMAL_RANGE);
    let is_range = range > 1e-12 * median.abs() && range.is_normal();
    (median, if is_range { range } else { mean_and_deviation(numbers).1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fitted(scaling: Scaling, numbers: &[f64]) -> InputColumn {
        InputColumn::fit("x", scaling, numbers.to_vec(), [0.0, 1.0])
    }

    #[test]
    fn scales_by_hand() {
        // 1 to 9 and an outlier: mean 54.5, median 5.5, quartiles 3.25 and 7.75.
        let numbers: Vec<f64> = (1..=9).map(f64::from).chain([500.0]).collect();
        let standard = fitted(Scaling::Standard, &numbers);
        let deviation = (numbers.iter().map(|x| (x - 54.5f64).powi(2)).sum::<f64>() / 10.0).sqrt();
        assert!((standard.mean - 54.5).abs() < 1e-12 && (standard.deviation - deviation).abs() < 1e-12);
        let robust = fitted(Scaling::Robust, &numbers);
        assert!((robust.mean - 5.5).abs() < 1e-12 && (robust.deviation - 4.5 / NORMAL_RANGE).abs() < 1e-12);
        let asinh = fitted(Scaling::Asinh, &numbers);
        assert!((asinh.centre - 5.5).abs() < 1e-12 && (asinh.unit - robust.deviation).abs() < 1e-12);
        let log = fitted(Scaling::Log1p, &numbers);
        let logs: f64 = numbers.iter().map(|x| (1.0 + x).ln()).sum::<f64>() / 10.0;
        assert!((log.mean - logs).abs() < 1e-12);
        assert_eq!(fitted(Scaling::None, &numbers).show(7.25), 7.25);
        assert!(Scaling::Log1p.fault(-1.0).is_some() && Scaling::Asinh.fault(-1.0).is_none());
    }

    proptest! {
        #[test]
        fn what_is_shown_has_mean_0_and_deviation_1_and_keeps_its_order(
            numbers in proptest::collection::vec(-0.9..1e4f64, 20..60), at in 0usize..4
        ) {
            let scaling = [Scaling::Standard, Scaling::Robust, Scaling::Log1p, Scaling::Asinh][at];
            let column = fitted(scaling, &numbers);
            let shown: Vec<f64> = numbers.iter().map(|x| column.show(*x)).collect();
            if scaling != Scaling::Robust {
                let (mean, deviation) = mean_and_deviation(&shown);
                prop_assert!(mean.abs() < 1e-9 && (deviation - 1.0).abs() < 1e-9, "{mean} {deviation}");
            }
            for (i, x) in numbers.iter().enumerate() {
                for (j, y) in numbers.iter().enumerate() {
                    prop_assert!(x > y || shown[i] <= shown[j]);
                }
            }
        }

        #[test]
        fn a_target_comes_back(targets in proptest::collection::vec(-1e3..1e3f64, 2..40), positive: bool) {
            let column = TargetColumn::fit("y", &targets, positive);
            for target in targets {
                prop_assert!((column.unscaled(column.scaled(target)) - target).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_column_that_does_not_move_is_shown_as_0() {
        for scaling in [Scaling::Standard, Scaling::Robust, Scaling::Log1p, Scaling::Asinh] {
            assert!(fitted(scaling, &[3.5; 40]).show(3.5).abs() < 1e-12, "{scaling:?}");
        }
    }
}
