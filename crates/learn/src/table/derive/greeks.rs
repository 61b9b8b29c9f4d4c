//! Greeks of a row's option under Black–Scholes–Merton, or Black-76 where a forward is named: those of `zomma greeks`, in its raw units.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zomma_base::{OptionType, Status};
use zomma_pricing::black::{self, Greek, Model, RowColumns};

use super::Columns;
use crate::LearnError;

/// Rows that a thread values at a time.
const PART: usize = 8192;

/// The same number in every row, or a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NumberOr {
    /// In every row.
    Number(f64),
    /// A column.
    Column(String),
}

impl NumberOr {
    fn read(&self, from: &dyn Columns) -> Result<Vec<f64>, LearnError> {
        match self {
            Self::Number(number) => Ok(vec![*number; from.rows()]),
            Self::Column(name) => from.numbers(name),
        }
    }
}

fn zero() -> NumberOr {
    NumberOr::Number(0.0)
}

fn column(name: &str) -> NumberOr {
    NumberOr::Column(name.into())
}

/// Greeks of an option whose terms are columns, or the same in every row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreekDerivation {
    /// `call` or `put` for every row, or the column that says it.
    #[serde(default = "option_type")]
    pub option_type: String,
    /// The spot, unless there is a forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<NumberOr>,
    /// The forward: Black-76 then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<NumberOr>,
    /// The strike.
    #[serde(default = "strike")]
    pub strike: NumberOr,
    /// Years to expiry.
    #[serde(default = "expiry_years")]
    pub expiry_years: NumberOr,
    /// Volatility per √year.
    #[serde(default = "volatility")]
    pub volatility: NumberOr,
    /// Continuously compounded.
    #[serde(default = "zero")]
    pub risk_free_rate: NumberOr,
    /// Continuously compounded.
    #[serde(default = "zero")]
    pub dividend_yield: NumberOr,
    /// What is made: price, delta, gamma, vega, theta, and the others of `zomma greeks`.
    pub columns: Vec<String>,
    /// Put before the names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

fn option_type() -> String {
    "option_type".into()
}

fn strike() -> NumberOr {
    column("strike")
}

fn expiry_years() -> NumberOr {
    column("expiry_years")
}

fn volatility() -> NumberOr {
    column("volatility")
}

impl GreekDerivation {
    pub(super) fn check(&self) -> Result<(), LearnError> {
        self.greeks().map(|_| ())
    }

    fn greeks(&self) -> Result<Vec<Greek>, LearnError> {
        if self.columns.is_empty() {
            return Err(LearnError::bad("data.table.derive.columns", "an empty list", "one Greek or more"));
        }
        if let (Some(_), Some(_)) = (&self.spot, &self.forward) {
            return Err(LearnError::bad("data.table.derive.forward", "beside a spot", "a spot or a forward"));
        }
        let greek = |name: &String| {
            Greek::ALL.into_iter().find(|greek| greek.as_str() == name).ok_or_else(|| {
                let names: Vec<&str> = Greek::ALL.iter().map(|greek| greek.as_str()).collect();
                LearnError::bad("data.table.derive.columns", name, names.join(", "))
            })
        };
        self.columns.iter().map(greek).collect()
    }

    pub(super) fn derive(&self, from: &dyn Columns) -> Result<Vec<Vec<f64>>, LearnError> {
        let greeks = self.greeks()?;
        let (spot, model) = match (&self.spot, &self.forward) {
            (_, Some(forward)) => (forward.read(from)?, Model::Black76),
            (Some(spot), None) => (spot.read(from)?, Model::Bsm),
            (None, None) => (from.numbers("spot")?, Model::Bsm),
        };
        let (option_type, is_typed) = self.option_types(from)?;
        let [strike, expiry_years, volatility, risk_free_rate, dividend_yield] =
            [&self.strike, &self.expiry_years, &self.volatility, &self.risk_free_rate, &self.dividend_yield]
                .map(|of| of.read(from));
        let (strike, expiry_years, volatility) = (strike?, expiry_years?, volatility?);
        let (risk_free_rate, dividend_yield) = (risk_free_rate?, dividend_yield?);
        let rows = RowColumns {
            option_type: &option_type,
            spot: &spot,
            strike: &strike,
            expiry_years: &expiry_years,
            risk_free_rate: &risk_free_rate,
            dividend_yield: &dividend_yield,
            volatility: &volatility,
        };
        let count = spot.len();
        let parts: Vec<Range<usize>> = (0..count).step_by(PART).map(|at| at..count.min(at + PART)).collect();
        let valued: Vec<Vec<Vec<f64>>> = parts
            .into_par_iter()
            .map(|part| {
                let mut all = black::GreekColumns::zeros(part.len());
                let mut status = vec![Status::Ok; part.len()];
                black::greeks(&rows.part(part.clone()), model, &mut all, &mut status);
                let of = |greek: &Greek| {
                    let column = all.column(*greek).iter().zip(&status).zip(&is_typed[part.clone()]);
                    column.map(|((x, status), typed)| if status.is_ok() && *typed { *x } else { f64::NAN }).collect()
                };
                greeks.iter().map(of).collect()
            })
            .collect();
        let mut columns = vec![Vec::with_capacity(count); greeks.len()];
        for part in valued {
            columns.iter_mut().zip(part).for_each(|(column, part): (&mut Vec<f64>, _)| column.extend(part));
        }
        Ok(columns)
    }

    /// Call or put by row, and whether the row says it.
    fn option_types(&self, from: &dyn Columns) -> Result<(Vec<OptionType>, Vec<bool>), LearnError> {
        let of = |text: &str| match text {
            "call" => Some(OptionType::Call),
            "put" => Some(OptionType::Put),
            _ => None,
        };
        if let Some(all) = of(&self.option_type) {
            return Ok((vec![all; from.rows()], vec![true; from.rows()]));
        }
        let found: Vec<Option<OptionType>> =
            from.texts(&self.option_type)?.iter().map(|text| of(text.trim())).collect();
        let is_typed = found.iter().map(Option::is_some).collect();
        Ok((found.into_iter().map(|of| of.unwrap_or(OptionType::Call)).collect(), is_typed))
    }
}
