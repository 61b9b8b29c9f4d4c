//! Which column of the input is which field, and what is said where one is missing.

use std::sync::Arc;

use anyhow::bail;
use zomma_base::ExerciseStyle;
use zomma_pricing::valuation::{ModelName, Parameter};

use super::{Verb, schedule::Schedule};
use crate::failure::{BadArguments, shown};

/// The fields that the verbs read, by their column names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    LogMoneyness,
    Payoff,
    CashAmount,
    BarrierType,
    Barrier,
    BarrierUpper,
    Rebate,
    ObservationDates,
    Extreme,
    ExerciseTimes,
    Dividends,
    Underlying,
    /// What a model reads beside these.
    Parameter(Parameter),
}

/// The fields that are no parameters of a model.
const OF_EVERY_MODEL: [Field; 24] = [
    Field::Model,
    Field::OptionType,
    Field::ExerciseStyle,
    Field::Spot,
    Field::Forward,
    Field::Strike,
    Field::ExpiryYears,
    Field::Expiry,
    Field::RiskFreeRate,
    Field::DividendYield,
    Field::Volatility,
    Field::Price,
    Field::LogMoneyness,
    Field::Payoff,
    Field::CashAmount,
    Field::BarrierType,
    Field::Barrier,
    Field::BarrierUpper,
    Field::Rebate,
    Field::ObservationDates,
    Field::Extreme,
    Field::ExerciseTimes,
    Field::Dividends,
    Field::Underlying,
];
/// Those that say of a contract what is not of every option.
const OF_TERMS: [Field; 4] = [Field::Payoff, Field::BarrierType, Field::ExerciseTimes, Field::Dividends];
/// How many fields there are.
const COUNT: usize = OF_EVERY_MODEL.len() + Parameter::ALL.len();

impl Field {
    /// Every field.
    pub fn all() -> impl Iterator<Item = Self> {
        OF_EVERY_MODEL.into_iter().chain(Parameter::ALL.into_iter().map(Self::Parameter))
    }

    /// Its place among them.
    fn index(self) -> usize {
        match self {
            Self::Model => 0,
            Self::OptionType => 1,
            Self::ExerciseStyle => 2,
            Self::Spot => 3,
            Self::Forward => 4,
            Self::Strike => 5,
            Self::ExpiryYears => 6,
            Self::Expiry => 7,
            Self::RiskFreeRate => 8,
            Self::DividendYield => 9,
            Self::Volatility => 10,
            Self::Price => 11,
            Self::LogMoneyness => 12,
            Self::Payoff => 13,
            Self::CashAmount => 14,
            Self::BarrierType => 15,
            Self::Barrier => 16,
            Self::BarrierUpper => 17,
            Self::Rebate => 18,
            Self::ObservationDates => 19,
            Self::Extreme => 20,
            Self::ExerciseTimes => 21,
            Self::Dividends => 22,
            Self::Underlying => 23,
            Self::Parameter(parameter) => OF_EVERY_MODEL.len() + parameter as usize,
        }
    }

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
            Self::LogMoneyness => "log_moneyness",
            Self::Payoff => "payoff",
            Self::CashAmount => "cash_amount",
            Self::BarrierType => "barrier_type",
            Self::Barrier => "barrier",
            Self::BarrierUpper => "barrier_upper",
            Self::Rebate => "rebate",
            Self::ObservationDates => "observation_dates",
            Self::Extreme => "extreme",
            Self::ExerciseTimes => "exercise_times",
            Self::Dividends => "dividends",
            Self::Underlying => "underlying",
            Self::Parameter(parameter) => parameter.as_str(),
        }
    }

    /// What a cell may hold, in words.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::Model => "bsm, black76, bachelier, displaced, heston, bates, merton, kou, variance_gamma",
            Self::OptionType => "call, put",
            Self::ExerciseStyle => {
                "european; american and bermudan under bsm, black76 and heston, of vanilla and digital payoffs without a barrier that starts them"
            }
            Self::Spot | Self::Forward | Self::Strike | Self::ExpiryYears => "a finite number above zero",
            Self::Expiry => "an ISO date or date-time after the valuation time",
            Self::RiskFreeRate | Self::DividendYield | Self::LogMoneyness => "a finite number",
            Self::Volatility | Self::Price => "a finite number at or above zero",
            Self::Payoff => {
                "vanilla; cash_or_nothing, asset_or_nothing, geometric_asian, arithmetic_asian, fixed_lookback, floating_lookback under bsm, \
                 black76 and, where they can be simulated or solved, heston, bates, merton (docs/valuation.md)"
            }
            Self::BarrierType => {
                "down_and_out, down_and_in, up_and_out, up_and_in, double_out, double_in, of vanilla and digital payoffs under bsm, black76, \
                 heston; single ones under bates and merton"
            }
            Self::CashAmount => "a finite number at or above zero",
            Self::Rebate => "a finite number at or above zero; none at a knock-out that is simulated",
            Self::Barrier | Self::BarrierUpper => {
                "a finite number above zero, barrier below barrier_upper, and the spot not there yet"
            }
            Self::ObservationDates => {
                "a whole number from 1 to 16384; arithmetic_asian needs it, and so do Asians and lookbacks that are simulated"
            }
            Self::Extreme => "a finite number above zero, where the lookback is watched always",
            Self::ExerciseTimes => "years from now up to expiry, apart by semicolons (0.25;0.5), of a bermudan row",
            Self::Dividends => {
                "time_years:amount, apart by semicolons (0.25:1.2;0.5:1.2), before expiry, on a spot, worth less than it"
            }
            Self::Underlying => "a name of the dividends file",
            Self::Parameter(parameter) => parameter.allowed(),
        }
    }

    /// Whether the cells are numbers.
    pub fn is_number(self) -> bool {
        !matches!(
            self,
            Self::Model
                | Self::OptionType
                | Self::ExerciseStyle
                | Self::Expiry
                | Self::Payoff
                | Self::BarrierType
                | Self::ExerciseTimes
                | Self::Dividends
                | Self::Underlying
        )
    }
}

/// Whether columns of these names say of contracts what is not of every option: some of their rows are valued on a grid.
pub fn names_terms(names: &[String]) -> bool {
    OF_TERMS.iter().any(|field| names.iter().any(|name| name == field.as_str()))
}

/// What the user said for rows that do not say it themselves.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The model.
    pub model: Option<ModelName>,
    /// The exercise style.
    pub exercise: Option<ExerciseStyle>,
    /// Instant of valuation.
    pub valuation_time: Option<jiff::Timestamp>,
    /// Cash dividends of rows that have none of their own.
    pub dividends: Option<Arc<Schedule>>,
}

/// Column names listed in a message.
const NAMES_MAX: usize = 30;

/// The input's columns, resolved.
#[derive(Debug)]
pub struct Layout {
    /// Names, as the input has them.
    pub names: Vec<String>,
    /// Index of the column of each field, by its place.
    column_of: [Option<usize>; COUNT],
    /// Input columns that a result column of the same name replaces.
    pub replaced: Vec<String>,
    /// Whether each input column is copied to the output.
    pub copied: Vec<bool>,
    /// Names of the numeric result columns.
    pub results: Vec<&'static str>,
}

impl Layout {
    /// Resolves the columns; a missing or doubled one is an error that names it and says what was found.
    pub fn of(names: &[String], verb: Verb, results: Vec<&'static str>, defaults: &Defaults) -> anyhow::Result<Self> {
        let mut column_of = [None; COUNT];
        for field in Field::all() {
            let mut at = names.iter().enumerate().filter(|(_, name)| name.as_str() == field.as_str()).map(|(i, _)| i);
            column_of[field.index()] = at.next();
            if let Some(second) = at.next() {
                bail!("column {} stands twice in the header (the second is column {})", field.as_str(), second + 1);
            }
        }
        let is_result = |name: &String| name == "status" || results.contains(&name.as_str());
        let replaced = names.iter().filter(|name| is_result(name)).cloned().collect();
        let copied = names.iter().map(|name| !is_result(name)).collect();
        let layout = Self { names: names.to_vec(), column_of, replaced, copied, results };
        layout.require(verb, defaults)?;
        Ok(layout)
    }

    /// The column of a field.
    pub fn column(&self, field: Field) -> Option<usize> {
        self.column_of[field.index()]
    }

    /// Whether a column holds the numbers of a field.
    pub fn is_number(&self, column: usize) -> bool {
        Field::all().any(|field| field.is_number() && self.column(field) == Some(column))
    }

    /// Whether a column says of contracts what is not of every option.
    pub fn has_terms(&self) -> bool {
        // A level without a side is a fault that is to be found.
        OF_TERMS.iter().chain(&[Field::Barrier, Field::BarrierUpper]).any(|&field| self.has(field))
    }

    fn has(&self, field: Field) -> bool {
        self.column(field).is_some()
    }

    fn require(&self, verb: Verb, defaults: &Defaults) -> anyhow::Result<()> {
        let mut missing =
            if verb == Verb::Query { self.missing_points() } else { self.missing_options(verb, defaults) };
        if !self.has(Field::ExpiryYears) && !self.has(Field::Expiry) {
            missing.push("expiry_years or expiry");
        }
        if defaults.dividends.as_ref().is_some_and(|schedule| schedule.by_underlying()) && !self.has(Field::Underlying)
        {
            missing.push("underlying (which --dividends names)");
        }
        if !missing.is_empty() {
            let hint = self.delimiter_hint();
            bail!("missing column {}; found [{}]{hint}", missing.join(", "), self.found());
        }
        if !self.has(Field::ExpiryYears) && defaults.valuation_time.is_none() {
            bail!(BadArguments(
                "a column expiry (and no expiry_years) needs --valuation-time, since no clock is read: \
                 --valuation-time 2019-04-25T15:45 (New York), or with an offset or Z"
                    .into()
            ));
        }
        Ok(())
    }

    /// What points of a surface lack.
    fn missing_points(&self) -> Vec<&'static str> {
        if self.has(Field::Strike) || self.has(Field::LogMoneyness) {
            Vec::new()
        } else {
            vec!["strike or log_moneyness"]
        }
    }

    /// What options lack, but for their expiry.
    fn missing_options(&self, verb: Verb, defaults: &Defaults) -> Vec<&'static str> {
        let of_rows = self.has(Field::Model);
        let model = defaults.model.unwrap_or_default();
        let mut needed = vec![Field::OptionType, Field::Strike, Field::RiskFreeRate];
        if verb == Verb::ImpliedVolatility {
            needed.push(Field::Price);
        } else if !of_rows {
            // Rows that name their models need what their models read; which, only the rows say.
            needed.extend(model.parameters().iter().copied().map(Field::Parameter));
            if model.has_volatility() {
                needed.push(Field::Volatility);
            }
        }
        let mut missing: Vec<&str> = needed.into_iter().filter(|&field| !self.has(field)).map(Field::as_str).collect();
        if !self.has(Field::Spot) && !self.has(Field::Forward) {
            missing.push("spot or forward");
        }
        missing
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_that_are_allowed_are_those_there_are() {
        assert_eq!(Field::Model.allowed(), ModelName::ALL.map(ModelName::as_str).join(", "));
        for (place, field) in Field::all().enumerate() {
            assert_eq!(field.index(), place, "{}", field.as_str());
        }
    }
}
