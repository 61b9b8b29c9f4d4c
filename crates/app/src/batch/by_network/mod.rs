//! Values a request by a trained network instead of the models' own methods: prices by a network that learned prices or an equation, implied
//! volatilities by one that learned these. Forwards and discount factors are computed here, the rest is the network's.

mod equation;
mod prices;
mod volatilities;

use std::path::Path;

use anyhow::Context;
use zomma_base::{ExerciseStyle, Status};
use zomma_learn::physics::Solution;
use zomma_pricing::{
    black::Row,
    valuation::{ModelName, Results, Table},
};

use self::{equation::ByEquation, prices::ByPrices, volatilities::ByVolatilities};
use super::{
    fields::{Field, Layout},
    request::Request,
};
use crate::failure::BadArguments;

/// A network that values rows.
#[derive(Debug)]
pub enum ByNetwork {
    /// Learned prices.
    Prices(Box<ByPrices>),
    /// Learned a pricing equation.
    Equation(Box<ByEquation>),
    /// Learned implied volatilities.
    Volatilities(Box<ByVolatilities>),
}

impl ByNetwork {
    /// Reads the file of a network that prices: of `zomma train`, of `zomma train pinn`, or quantised.
    pub fn of_prices(path: &Path) -> anyhow::Result<Self> {
        if Solution::is_at(path) {
            return Ok(Self::Equation(Box::new(ByEquation::open(path).context("--network")?)));
        }
        Ok(Self::Prices(Box::new(ByPrices::open(path).context("--network")?)))
    }

    /// Reads the file of a network that says implied volatilities.
    pub fn of_volatilities(path: &Path) -> anyhow::Result<Self> {
        Ok(Self::Volatilities(Box::new(ByVolatilities::open(path).context("--network")?)))
    }

    /// The model of rows that name none; a network of Black and Scholes leaves it to the columns, whether bsm or black76.
    pub fn model(&self) -> Option<ModelName> {
        let is_heston = match self {
            Self::Prices(network) => network.is_heston(),
            Self::Equation(network) => network.is_heston(),
            Self::Volatilities(_) => false,
        };
        is_heston.then_some(ModelName::Heston)
    }

    /// The exercise style of rows that name none; European where absent.
    pub fn exercise(&self) -> Option<ExerciseStyle> {
        let is_american = matches!(self, Self::Prices(network) if network.is_american());
        is_american.then_some(ExerciseStyle::American)
    }

    /// Refuses columns that say of rows what no row of this network can be.
    pub fn check(&self, layout: &Layout) -> Result<(), BadArguments> {
        match self {
            Self::Equation(network) if network.is_local_volatility() && layout.column(Field::Model).is_some() => {
                Err(BadArguments(
                    "--network: it learned a local volatility, which no row's model names: leave out the column model"
                        .into(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// What a field may be, where a status says that the network did not learn its value.
    pub fn allowed(&self, status: Status) -> Option<String> {
        match (status, self) {
            (Status::BadModel, Self::Prices(network)) => Some(format!("the network learned {}", network.learned())),
            (Status::BadModel, Self::Equation(network)) => Some(format!("the network learned {}", network.learned())),
            (Status::BadModel, Self::Volatilities(_)) => Some("the network learned black_scholes".into()),
            (Status::BadExerciseStyle, _) => {
                let style = if self.exercise().is_some() { "American" } else { "European" };
                Some(format!("the network learned {style} options"))
            }
            (Status::BadPayoff, _) => Some("the network learned vanilla options".into()),
            (Status::BadDividend, _) => Some("the network learned options without cash dividends".into()),
            (_, Self::Prices(network)) => network.allowed(status),
            (_, Self::Equation(network)) => network.allowed(status),
            (_, Self::Volatilities(network)) => network.allowed(status),
        }
    }

    /// The price or the implied volatility of every row.
    pub fn evaluate(&self, request: &Request) -> Results {
        match self {
            Self::Prices(network) => network.evaluate(&request.table),
            Self::Equation(network) => network.evaluate(&request.table),
            Self::Volatilities(network) => network.evaluate(request),
        }
    }
}

/// Results without any value yet: NaN and the status that each row came with.
fn unvalued(table: &Table) -> Results {
    Results { columns: vec![vec![f64::NAN; table.len()]], status: table.status.clone(), ..Results::default() }
}

/// A row as a vanilla option of an exercise style; of one on a forward the yield is the rate, so that spot and forward are one. Its volatility is the
/// table's, whatever that is.
fn vanilla(table: &Table, row: usize, style: ExerciseStyle, is_of_model: bool) -> Result<Row, Status> {
    if !is_of_model {
        return Err(Status::BadModel);
    }
    if let Some(terms) = table.terms_of(row) {
        return Err(if terms.dividends.is_empty() { Status::BadPayoff } else { Status::BadDividend });
    }
    if table.exercise[row] != style {
        return Err(Status::BadExerciseStyle);
    }
    let above_zero = |x: f64, fault: Status| if x > 0.0 && x.is_finite() { Ok(x) } else { Err(fault) };
    let finite = |x: f64, fault: Status| if x.is_finite() { Ok(x) } else { Err(fault) };
    let on_forward = table.on_forward[row];
    let spot = above_zero(table.spot[row], if on_forward { Status::BadForward } else { Status::BadSpot })?;
    let strike = above_zero(table.strike[row], Status::BadStrike)?;
    let expiry_years = finite(table.expiry_years[row], Status::BadExpiry)?;
    above_zero(expiry_years, Status::Expired)?;
    let risk_free_rate = finite(table.risk_free_rate[row], Status::BadRate)?;
    let dividend_yield = if on_forward { risk_free_rate } else { finite(table.dividend_yield[row], Status::BadYield)? };
    Ok(Row {
        option_type: table.option_type[row],
        spot,
        strike,
        expiry_years,
        risk_free_rate,
        dividend_yield,
        volatility: table.volatility[row],
    })
}

/// Whether a row is of Black and Scholes, on a spot or on a forward.
fn is_black_scholes(model: ModelName) -> bool {
    matches!(model, ModelName::Bsm | ModelName::Black76)
}
