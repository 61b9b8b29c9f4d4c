//! Values a request by a trained network instead of the models' own methods: forwards and discount factors here, the rest is the network's.
//! American options are today's, a put the call with spot and strike, rate and yield exchanged.

use anyhow::Context;
use std::path::Path;
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_learn::{config::PricingModel, inference::Pricer};
use zomma_pricing::valuation::{ModelName, Parameter, Results, Table};

/// The parameters of a Heston network's inputs, in their order.
const HESTON: [Parameter; 5] = [Parameter::V0, Parameter::Kappa, Parameter::ThetaV, Parameter::SigmaV, Parameter::RhoV];

/// A network that prices rows.
#[derive(Debug)]
pub struct ByNetwork {
    pricer: Pricer,
}

impl ByNetwork {
    /// Reads a network's file, quantised or not.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { pricer: Pricer::read(path).context("--network")? })
    }

    /// The model of rows that name none; a Black–Scholes network leaves it to the columns, whether bsm or black76.
    pub fn model(&self) -> Option<ModelName> {
        match self.learned() {
            // A pricer has no network of implied volatilities.
            PricingModel::BlackScholes | PricingModel::BlackScholesImpliedVolatility | PricingModel::American => None,
            PricingModel::Heston => Some(ModelName::Heston),
        }
    }

    /// The exercise style of rows that name none.
    pub fn exercise(&self) -> Option<ExerciseStyle> {
        self.learned().is_american().then_some(ExerciseStyle::American)
    }

    fn learned(&self) -> PricingModel {
        self.pricer.architecture().features.model
    }

    /// What a field may be, where a status says that the network did not learn its value.
    pub fn allowed(&self, status: Status) -> Option<String> {
        let input = match status {
            Status::BadStrike => "moneyness",
            Status::BadExpiry | Status::Expired => "expiry_years",
            Status::BadVolatility => "volatility",
            Status::BadV0 => "v0",
            Status::BadKappa => "kappa",
            Status::BadThetaV => "theta_v",
            Status::BadSigmaV => "sigma_v",
            Status::BadRhoV => "rho_v",
            Status::BadRate => "risk_free_rate",
            Status::BadYield => "dividend_yield",
            Status::BadModel => return Some(format!("the network learned {}", self.learned().as_str())),
            Status::BadExerciseStyle => {
                let style = if self.learned().is_american() { "American" } else { "European" };
                return Some(format!("the network learned {style} options"));
            }
            Status::BadPayoff => return Some("the network learned vanilla options".into()),
            Status::BadDividend => return Some("the network learned options without cash dividends".into()),
            _ => return None,
        };
        let bounds = |input: &str| {
            let at = self.learned().input_names().iter().position(|name| *name == input)?;
            self.pricer.domain().bounds().get(at)
        };
        let [least, most] = bounds(input)?;
        let is_american = self.learned().is_american();
        let shown = match input {
            "moneyness" if is_american => "spot over strike (of puts strike over spot)",
            "moneyness" => "forward over strike",
            input => input,
        };
        // What is a call's rate is a put's yield.
        let of_puts = match input {
            "risk_free_rate" => bounds("dividend_yield"),
            "dividend_yield" => bounds("risk_free_rate"),
            _ => None,
        };
        let of_puts = of_puts.filter(|puts| **puts != [*least, *most]);
        let of_puts =
            of_puts.map_or(String::new(), |[least, most]| format!(" of calls, from {least} to {most} of puts"));
        Some(format!("the network prices {shown} from {least} to {most}{of_puts}"))
    }

    /// The price of every row.
    pub fn evaluate(&self, table: &Table) -> Results {
        let mut results =
            Results { columns: vec![vec![f64::NAN; table.len()]], status: table.status.clone(), error: Vec::new() };
        let mut rows = Vec::new();
        let mut inputs = Vec::new();
        for row in 0..table.len() {
            if results.status[row].is_ok() {
                match self.row(table, row, &mut inputs) {
                    Ok(market) => rows.push((row, market)),
                    Err(fault) => results.status[row] = fault,
                }
            }
        }
        let (mut prices, mut status) = (vec![0.0; rows.len()], vec![Status::Ok; rows.len()]);
        self.pricer.prices(&inputs, &mut prices, &mut status);
        for (((row, market), call), status) in rows.into_iter().zip(prices).zip(status) {
            results.status[row] = market.field(status);
            results.columns[0][row] = market.price(table.option_type[row], call, &mut results.status[row]);
        }
        results
    }

    /// Adds a row's inputs, and says what makes its price of the network's.
    fn row(&self, table: &Table, row: usize, inputs: &mut Vec<f64>) -> Result<Market, Status> {
        let fits = match (self.learned(), table.model[row]) {
            (PricingModel::BlackScholes | PricingModel::American, ModelName::Bsm | ModelName::Black76) => true,
            (PricingModel::Heston, model) => model == ModelName::Heston,
            _ => false,
        };
        if !fits {
            return Err(Status::BadModel);
        }
        if let Some(terms) = table.terms_of(row) {
            return Err(if terms.dividends.is_empty() { Status::BadPayoff } else { Status::BadDividend });
        }
        if table.exercise[row] != self.exercise().unwrap_or(ExerciseStyle::European) {
            return Err(Status::BadExerciseStyle);
        }
        let above_zero = |x: f64, fault: Status| if x > 0.0 && x.is_finite() { Ok(x) } else { Err(fault) };
        let finite = |x: f64, fault: Status| if x.is_finite() { Ok(x) } else { Err(fault) };
        let on_forward = table.on_forward[row];
        let spot = above_zero(table.spot[row], if on_forward { Status::BadForward } else { Status::BadSpot })?;
        let strike = above_zero(table.strike[row], Status::BadStrike)?;
        let expiry = finite(table.expiry_years[row], Status::BadExpiry)?;
        above_zero(expiry, Status::Expired)?;
        let rate = finite(table.risk_free_rate[row], Status::BadRate)?;
        if self.learned().is_american() {
            // A forward grows at no rate: a yield that equals the rate.
            let dividend = if on_forward { rate } else { finite(table.dividend_yield[row], Status::BadYield)? };
            let is_put = table.option_type[row] == OptionType::Put;
            // The call that the row is.
            let (spot, unit) = if is_put { (strike, spot) } else { (spot, strike) };
            let (rate, dividend) = if is_put { (dividend, rate) } else { (rate, dividend) };
            inputs.extend([spot / unit, expiry, table.volatility[row], rate, dividend]);
            return Ok(Market::American { unit, exercise: spot - unit, is_put });
        }
        let carry = if on_forward { 0.0 } else { rate - finite(table.dividend_yield[row], Status::BadYield)? };
        let moneyness = spot * (carry * expiry).exp() / strike;
        inputs.extend([moneyness, expiry]);
        match self.learned() {
            PricingModel::BlackScholes | PricingModel::BlackScholesImpliedVolatility | PricingModel::American => {
                inputs.push(table.volatility[row]);
            }
            PricingModel::Heston => inputs.extend(
                // An absent column is no number, and refused as such.
                HESTON.map(|parameter| table.parameters[parameter as usize].get(row).copied().unwrap_or(f64::NAN)),
            ),
        }
        Ok(Market::European { moneyness, discounted_strike: strike * (-rate * expiry).exp() })
    }
}

/// What makes a price of the network's.
enum Market {
    /// Of the undiscounted call over the strike.
    European { moneyness: f64, discounted_strike: f64 },
    /// Of an American call over its strike, which is a put's spot.
    American { unit: f64, exercise: f64, is_put: bool },
}

impl Market {
    /// The row's field at fault, where the network names that of the call.
    fn field(&self, status: Status) -> Status {
        match (self, status) {
            (Self::American { is_put: true, .. }, Status::BadRate) => Status::BadYield,
            (Self::American { is_put: true, .. }, Status::BadYield) => Status::BadRate,
            (_, status) => status,
        }
    }

    /// NaN where the status is not ok, or becomes it.
    fn price(&self, option_type: OptionType, call: f64, status: &mut Status) -> f64 {
        let price = match *self {
            // What exercise pays is not lost to rounding; NaN stays NaN.
            Self::American { unit, exercise, .. } => {
                let price = call * unit;
                if price < exercise { exercise } else { price }
            }
            Self::European { moneyness, discounted_strike } => {
                let unit = match option_type {
                    OptionType::Call => call,
                    // The call less its intrinsic value is the put, but for rounding, which is not shown as a negative price.
                    OptionType::Put => (call - (moneyness - 1.0)).max(0.0),
                };
                unit * discounted_strike
            }
        };
        if !status.is_ok() {
            return f64::NAN;
        }
        if !price.is_finite() {
            *status = Status::Overflow;
            return f64::NAN;
        }
        price
    }
}
