//! What the rows before a row, and the row itself, say of a price: technical indicators and volatilities. Windows of rows want
//! rows at a steady pace, windows of time a column of it; every file begins anew, and every value of `by` has windows of its own. No row is looked at before its time.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Columns, TimeUnit, series_feature::SeriesFeature, time::instants};
use crate::LearnError;

/// Features of a column of prices in the order of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesDerivation {
    /// The column of prices, each above 0.
    pub of: String,
    /// A column, such as a symbol, each of whose values is a series of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// A column of time that must not fall from row to row of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What the time counts, for windows of time.
    #[serde(default)]
    pub time_unit: TimeUnit,
    /// What is made, such as `rsi:14`, `return:10`, `realised_volatility:60`; `return:5min` of a window of time.
    pub columns: Vec<String>,
    /// Put before the names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// One series: its features, and when its last row was.
struct Series {
    features: Vec<SeriesFeature>,
    last_time: i64,
}

impl SeriesDerivation {
    pub(super) fn check(&self) -> Result<(), LearnError> {
        if self.columns.is_empty() {
            return Err(LearnError::bad("data.table.derive.columns", "an empty list", "one feature or more"));
        }
        let is_timed = self.series()?.features.iter().any(SeriesFeature::is_timed);
        if is_timed && self.time.is_none() {
            let wanted = "the column of time that windows such as 5min are of".into();
            return Err(LearnError::Missing { key: "data.table.derive.time".into(), wanted });
        }
        Ok(())
    }

    fn series(&self) -> Result<Series, LearnError> {
        let feature = |text: &String| {
            SeriesFeature::parse(text)
                .map_err(|problem| LearnError::bad("data.table.derive.columns", text, format!("it {problem}")))
        };
        let features = self.columns.iter().map(feature).collect::<Result<_, _>>()?;
        Ok(Series { features, last_time: i64::MIN })
    }

    /// The columns, and in `warming` which rows lack a value since a window is not full. A price that is none, or not above 0, is passed over and its
    /// row has no values; one without a time has none of windows of time.
    pub(super) fn derive(&self, from: &dyn Columns, warming: &mut Vec<bool>) -> Result<Vec<Vec<f64>>, LearnError> {
        let prices = from.numbers(&self.of)?;
        let by = self.by.as_deref().map(|name| from.texts(name)).transpose()?;
        let times = self.time.as_deref().map(|name| instants(from, name, self.time_unit)).transpose()?;
        let mut columns = vec![vec![f64::NAN; prices.len()]; self.columns.len()];
        *warming = vec![false; prices.len()];
        let mut all: HashMap<&str, Series> = HashMap::new();
        for (row, price) in prices.iter().enumerate() {
            let key = by.as_ref().map_or("", |by| by[row].as_str());
            let series = match all.entry(key) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => new.insert(self.series()?),
            };
            let time = times.as_ref().and_then(|times| times[row]);
            if let (Some(name), Some(time)) = (&self.time, time) {
                if time < series.last_time {
                    let [time, last] = [time, series.last_time].map(|time| self.time_unit.shown(time));
                    let problem = format!("column {name} is {time} after {last}: rows must be in the order of time");
                    return Err(from.wrong(row, problem));
                }
                series.last_time = time;
            }
            if !(price.is_finite() && *price > 0.0) {
                continue;
            }
            for ((column, feature), name) in columns.iter_mut().zip(&mut series.features).zip(&self.columns) {
                // A row without a time is in no window of it.
                if feature.is_timed() && time.is_none() {
                    continue;
                }
                let value = feature.push((time, *price));
                if let Some(most) = feature.exceeded() {
                    let problem = format!(
                        "the window of {name} has more than {most} rows; allowed: a shorter span, or rows farther apart \
                         (zomma features --every)"
                    );
                    return Err(from.wrong(row, problem));
                }
                match value {
                    Some(value) => column[row] = value,
                    None => warming[row] = true,
                }
            }
        }
        Ok(columns)
    }
}
