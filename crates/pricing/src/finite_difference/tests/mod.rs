mod american;
mod barriers;
mod dividends;
mod errors;
mod european;
mod forward_volatility;
mod implied;
mod report;
mod statuses;

use zomma_base::OptionType;

use super::*;
use crate::black::Row;

pub(super) fn row(
    option_type: OptionType,
    spot: f64,
    strike: f64,
    expiry_years: f64,
    rates: [f64; 2],
    volatility: f64,
) -> Row {
    let [risk_free_rate, dividend_yield] = rates;
    Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
}

pub(super) fn fine() -> Settings {
    Settings { space_steps: 800, time_steps: 400, ..Settings::default() }
}

pub(super) fn cash(time_years: f64, amount: f64) -> CashDividend {
    CashDividend { time_years, amount }
}

pub(super) const BOTH: [OptionType; 2] = [OptionType::Call, OptionType::Put];
