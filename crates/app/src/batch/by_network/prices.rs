//! Prices by a network of `zomma train` or `zomma quantize`.
//! American options are today's, a put the call with spot and strike, rate and yield exchanged.

use std::path::Path;

use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_learn::{LearnError, config::PricingModel, inference::Pricer, physics::problem::forward};
use zomma_pricing::{
    black::Row,
    valuation::{ModelName, Parameter, Results, Table},
};

use super::{is_black_scholes, unvalued, vanilla};

/// The parameters of a Heston network's inputs, in their order.
const HESTON: [Parameter; 5] = [Parameter::V0, Parameter::Kappa, Parameter::ThetaV, Parameter::SigmaV, Parameter::RhoV];

/// A network that learned prices.
#[derive(Debug)]
pub struct ByPrices {
    pricer: Pricer,
}

impl ByPrices {
    /// Reads a network's file, quantised or not.
    pub fn open(path: &Path) -> Result<Self, LearnError> {
        Ok(Self { pricer: Pricer::read(path)? })
    }

    /// Whether its rows are Heston's.
    pub fn is_heston(&self) -> bool {
        self.model() == PricingModel::Heston
    }

    /// What it learned, by name.
    pub fn learned(&self) -> &'static str {
        self.model().as_str()
    }

    /// Whether its rows are American options.
    pub fn is_american(&self) -> bool {
        self.model().is_american()
    }

    fn model(&self) -> PricingModel {
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
            _ => return None,
        };
        let bounds = |input: &str| {
            let at = self.model().input_names().iter().position(|name| *name == input)?;
            self.pricer.domain().bounds().get(at)
        };
        let [least, most] = bounds(input)?;
        let is_american = self.model().is_american();
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
        let mut results = unvalued(table);
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
        let model = table.model[row];
        let fits = if self.is_heston() { model == ModelName::Heston } else { is_black_scholes(model) };
        let style = if self.is_american() { ExerciseStyle::American } else { ExerciseStyle::European };
        let option = vanilla(table, row, style, fits)?;
        let Row { spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, .. } = option;
        if self.is_american() {
            let is_put = option.option_type == OptionType::Put;
            // The call that the row is.
            let (spot, unit) = if is_put { (strike, spot) } else { (spot, strike) };
            let (rate, income) =
                if is_put { (dividend_yield, risk_free_rate) } else { (risk_free_rate, dividend_yield) };
            inputs.extend([spot / unit, expiry_years, volatility, rate, income]);
            return Ok(Market::American { unit, exercise: spot - unit, is_put });
        }
        let moneyness = forward(&option) / strike;
        inputs.extend([moneyness, expiry_years]);
        match self.model() {
            // A pricer has no network of implied volatilities or of a table, and American options are through.
            PricingModel::BlackScholes
            | PricingModel::BlackScholesImpliedVolatility
            | PricingModel::Table
            | PricingModel::American => {
                inputs.push(volatility);
            }
            PricingModel::Heston => inputs.extend(
                // An absent column is no number, and refused as such.
                HESTON.map(|parameter| table.parameters[parameter as usize].get(row).copied().unwrap_or(f64::NAN)),
            ),
        }
        Ok(Market::European { moneyness, discounted_strike: strike * (-risk_free_rate * expiry_years).exp() })
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
