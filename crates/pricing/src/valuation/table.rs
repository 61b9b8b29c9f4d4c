//! The rows of a batch, in columns of their own.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{ModelName, Parameter, Terms};
use crate::black::RowColumns;

/// Options of any model and style, as columns of one length. A row whose status is not `Ok` has placeholders and is not valued.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What moves the underlying.
    pub model: Vec<ModelName>,
    /// When the holder may exercise.
    pub exercise: Vec<ExerciseStyle>,
    /// Call or put.
    pub option_type: Vec<OptionType>,
    /// Whether `spot` holds the forward; always so under Black-76.
    pub on_forward: Vec<bool>,
    /// Spot or forward.
    pub spot: Vec<f64>,
    /// Strike.
    pub strike: Vec<f64>,
    /// Years to expiry.
    pub expiry_years: Vec<f64>,
    /// Continuously compounded.
    pub risk_free_rate: Vec<f64>,
    /// Continuously compounded; not read on a forward.
    pub dividend_yield: Vec<f64>,
    /// Per square root of a year; in currency under Bachelier; not read under Heston and Bates.
    pub volatility: Vec<f64>,
    /// By [`Parameter`]; a column that no row reads may be empty.
    pub parameters: [Vec<f64>; Parameter::ALL.len()],
    /// What a contract says beyond these; empty where no row has any.
    pub terms: Vec<Option<Arc<Terms>>>,
    /// What was wrong with a row before it was valued.
    pub status: Vec<Status>,
}

impl Table {
    /// Rows.
    pub fn len(&self) -> usize {
        self.status.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.status.is_empty()
    }

    /// A parameter of a row; NaN where there is no such column.
    pub fn parameter(&self, parameter: Parameter, row: usize) -> f64 {
        self.parameters[parameter as usize].get(row).copied().unwrap_or(f64::NAN)
    }

    /// What the contract of a row says beyond option type, strike and style.
    pub fn terms_of(&self, row: usize) -> Option<&Terms> {
        self.terms.get(row).and_then(Option::as_deref)
    }

    /// The columns that every model reads.
    pub fn columns(&self) -> RowColumns<'_> {
        RowColumns {
            option_type: &self.option_type,
            spot: &self.spot,
            strike: &self.strike,
            expiry_years: &self.expiry_years,
            risk_free_rate: &self.risk_free_rate,
            dividend_yield: &self.dividend_yield,
            volatility: &self.volatility,
        }
    }

    /// Adds rows. A parameter that one of the two has no column of is absent in its rows.
    pub fn append(&mut self, mut rows: Self) {
        let (before, after) = (self.len(), self.len() + rows.len());
        self.model.append(&mut rows.model);
        self.exercise.append(&mut rows.exercise);
        self.option_type.append(&mut rows.option_type);
        self.on_forward.append(&mut rows.on_forward);
        self.spot.append(&mut rows.spot);
        self.strike.append(&mut rows.strike);
        self.expiry_years.append(&mut rows.expiry_years);
        self.risk_free_rate.append(&mut rows.risk_free_rate);
        self.dividend_yield.append(&mut rows.dividend_yield);
        self.volatility.append(&mut rows.volatility);
        self.status.append(&mut rows.status);
        if !(self.terms.is_empty() && rows.terms.is_empty()) {
            self.terms.resize(before, None);
            self.terms.append(&mut rows.terms);
            self.terms.resize(after, None);
        }
        for (column, more) in self.parameters.iter_mut().zip(&mut rows.parameters) {
            if !(column.is_empty() && more.is_empty()) {
                column.resize(before, f64::NAN);
                column.append(more);
                column.resize(after, f64::NAN);
            }
        }
    }

    /// Copies of some rows, in the order given.
    pub fn gather(&self, rows: &[usize]) -> Self {
        let of = |column: &[f64]| rows.iter().map(|&row| column[row]).collect();
        Self {
            model: rows.iter().map(|&row| self.model[row]).collect(),
            exercise: rows.iter().map(|&row| self.exercise[row]).collect(),
            option_type: rows.iter().map(|&row| self.option_type[row]).collect(),
            on_forward: rows.iter().map(|&row| self.on_forward[row]).collect(),
            spot: of(&self.spot),
            strike: of(&self.strike),
            expiry_years: of(&self.expiry_years),
            risk_free_rate: of(&self.risk_free_rate),
            dividend_yield: of(&self.dividend_yield),
            volatility: of(&self.volatility),
            parameters: self
                .parameters
                .each_ref()
                .map(|column| if column.is_empty() { Vec::new() } else { of(column) }),
            terms: match self.terms.as_slice() {
                [] => Vec::new(),
                terms => rows.iter().map(|&row| terms[row].clone()).collect(),
            },
            status: rows.iter().map(|&row| self.status[row]).collect(),
        }
    }
}
