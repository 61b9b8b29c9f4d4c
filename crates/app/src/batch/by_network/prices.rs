//! Prices by a network of `zomma train` or `zomma quantize`.

use std::path::Path;

use zomma_base::{OptionType, Status};
use zomma_learn::{LearnError, config::PricingModel, inference::Pricer, physics::problem::forward};
use zomma_pricing::{
    black::Row,
    valuation::{ModelName, Parameter, Results, Table},
};

use super::{european, is_black_scholes, unvalued};

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
            _ => return None,
        };
        let at = self.model().input_names().iter().position(|name| *name == input)?;
        let [least, most] = self.pricer.domain().bounds()[at];
        let shown = if input == "moneyness" { "forward over strike" } else { input };
        Some(format!("the network prices {shown} from {least} to {most}"))
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
            results.status[row] = status;
            results.columns[0][row] = market.price(table.option_type[row], call, &mut results.status[row]);
        }
        results
    }

    /// Adds a row's inputs, and says what makes its price of the network's.
    fn row(&self, table: &Table, row: usize, inputs: &mut Vec<f64>) -> Result<Market, Status> {
        let model = table.model[row];
        let fits = if self.is_heston() { model == ModelName::Heston } else { is_black_scholes(model) };
        let option = european(table, row, fits)?;
        let Row { strike, expiry_years, risk_free_rate, .. } = option;
        let moneyness = forward(&option) / strike;
        inputs.extend([moneyness, expiry_years]);
        match self.model() {
            // A pricer has no network of implied volatilities or of a table.
            PricingModel::BlackScholes | PricingModel::BlackScholesImpliedVolatility | PricingModel::Table => {
                inputs.push(option.volatility);
            }
            PricingModel::Heston => inputs.extend(
                // An absent column is no number, and refused as such.
                HESTON.map(|parameter| table.parameters[parameter as usize].get(row).copied().unwrap_or(f64::NAN)),
            ),
        }
        Ok(Market { moneyness, discounted_strike: strike * (-risk_free_rate * expiry_years).exp() })
    }
}

/// What makes a price of the undiscounted call over the strike.
struct Market {
    moneyness: f64,
    discounted_strike: f64,
}

impl Market {
    /// NaN where the status is not ok, or becomes it.
    fn price(&self, option_type: OptionType, call: f64, status: &mut Status) -> f64 {
        let unit = match option_type {
            OptionType::Call => call,
            // The call less its intrinsic value is the put, but for rounding, which is not shown as a negative price.
            OptionType::Put => (call - (self.moneyness - 1.0)).max(0.0),
        };
        let price = unit * self.discounted_strike;
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
