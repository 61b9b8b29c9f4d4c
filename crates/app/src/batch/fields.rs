//! Which column of the input is which field, and what is said where one is missing.

use anyhow::bail;

use super::Verb;
use crate::failure::{BadArguments, shown};

/// The fields that the verbs read, by their column names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Field {
    Model,
    OptionType,
    ExerciseStyle,
    Spot,
    Forward,
    Strike,
    ExpiryYears,
    Expiry,
    RiskFreeRate,
    DividendYield,
    Volatility,
    Price,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 12] = [
        Self::Model,
        Self::OptionType,
        Self::ExerciseStyle,
        Self::Spot,
        Self::Forward,
        Self::Strike,
        Self::ExpiryYears,
        Self::Expiry,
        Self::RiskFreeRate,
        Self::DividendYield,
        Self::Volatility,
        Self::Price,
    ];

    /// The column name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::OptionType => "option_type",
            Self::ExerciseStyle => "exercise_style",
            Self::Spot => "spot",
            Self::Forward => "forward",
            Self::Strike => "strike",
            Self::ExpiryYears => "expiry_years",
            Self::Expiry => "expiry",
            Self::RiskFreeRate => "risk_free_rate",
            Self::DividendYield => "dividend_yield",
            Self::Volatility => "volatility",
            Self::Price => "price",
        }
    }

    /// What a cell may hold, in words.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::Model => "bsm, black76",
            Self::OptionType => "call, put",
            Self::ExerciseStyle => "european (american is not valued by this verb)",
            Self::Spot | Self::Forward | Self::Strike | Self::ExpiryYears => "a finite number above zero",
            Self::Expiry => "an ISO date or date-time after the valuation time",
            Self::RiskFreeRate | Self::DividendYield => "a finite number",
            Self::Volatility | Self::Price => "a finite number at or above zero",
        }
    }

    /// Whether the cells are numbers.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Model | Self::OptionType | Self::ExerciseStyle | Self::Expiry)
    }
}

/// Column names listed in a message.
const NAMES_MAX: usize = 30;

/// The input's columns, resolved.
#[derive(Debug)]
pub struct Layout {
    /// Names, as the input has them.
    pub names: Vec<String>,
    /// Index of the column of each field, by `Field as usize`.
    column_of: [Option<usize>; 12],
    /// Input columns that a result column of the same name replaces.
    pub replaced: Vec<String>,
    /// Whether each input column is copied to the output.
    pub copied: Vec<bool>,
    /// Names of the numeric result columns.
    pub results: Vec<&'static str>,
}

impl Layout {
    /// Resolves the columns; a missing or doubled one is an error that names it and says what was found.
    pub fn of(names: &[String], verb: Verb, valuation_time: Option<jiff::Timestamp>) -> anyhow::Result<Self> {
        let mut column_of = [None; 12];
        for field in Field::ALL {
            let mut at = names.iter().enumerate().filter(|(_, name)| name.as_str() == field.as_str()).map(|(i, _)| i);
            column_of[field as usize] = at.next();
            if let Some(second) = at.next() {
                bail!("column {} stands twice in the header (the second is column {})", field.as_str(), second + 1);
            }
        }
        let results = verb.result_columns();
        let is_result = |name: &String| name == "status" || results.contains(&name.as_str());
        let replaced = names.iter().filter(|name| is_result(name)).cloned().collect();
        let copied = names.iter().map(|name| !is_result(name)).collect();
        let layout = Self { names: names.to_vec(), column_of, replaced, copied, results };
        layout.require(verb, valuation_time)?;
        Ok(layout)
    }

    /// The column of a field.
    pub fn column(&self, field: Field) -> Option<usize> {
        self.column_of[field as usize]
    }

    /// Whether a column holds the numbers of a field.
    pub fn is_number(&self, column: usize) -> bool {
        Field::ALL.into_iter().any(|field| field.is_number() && self.column(field) == Some(column))
    }

    fn has(&self, field: Field) -> bool {
        self.column(field).is_some()
    }

    fn require(&self, verb: Verb, valuation_time: Option<jiff::Timestamp>) -> anyhow::Result<()> {
        let last = if verb == Verb::ImpliedVolatility { Field::Price } else { Field::Volatility };
        let mut missing: Vec<&str> = [Field::OptionType, Field::Strike, Field::RiskFreeRate, last]
            .into_iter()
            .filter(|&field| !self.has(field))
            .map(Field::as_str)
            .collect();
        if !self.has(Field::Spot) && !self.has(Field::Forward) {
            missing.push("spot or forward");
        }
        if !self.has(Field::ExpiryYears) && !self.has(Field::Expiry) {
            missing.push("expiry_years or expiry");
        }
        if !missing.is_empty() {
            let hint = self.delimiter_hint();
            bail!("missing column {}; found [{}]{hint}", missing.join(", "), self.found());
        }
        if !self.has(Field::ExpiryYears) && valuation_time.is_none() {
            bail!(BadArguments(
                "a column expiry (and no expiry_years) needs --valuation-time, since no clock is read: \
                 --valuation-time 2019-04-25T15:45 (New York), or with an offset or Z"
                    .into()
            ));
        }
        Ok(())
    }

    /// The input's columns, as they may stand in a message: of a binary file taken for CSV, they can be anything.
    fn found(&self) -> String {
        let mut names: Vec<String> = self.names.iter().take(NAMES_MAX).map(|name| shown(name)).collect();
        if self.names.len() > NAMES_MAX {
            names.push(format!("and {} more", self.names.len() - NAMES_MAX));
        }
        names.join(", ")
    }

    /// A header that is one cell with another delimiter inside is most likely just that.
    fn delimiter_hint(&self) -> String {
        match self.names.as_slice() {
            [only] => [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")]
                .into_iter()
                .find(|(delimiter, _)| only.contains(*delimiter))
                .map(|(_, word)| format!("; the cells seem to be separated by {word}: commas are needed"))
                .unwrap_or_default(),
            _ => String::new(),
        }
    }
}
