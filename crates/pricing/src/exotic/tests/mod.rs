mod american_digital;
mod barrier;
mod others;
mod statuses;

use zomma_base::OptionType;

use super::*;
use crate::black::Row;
use crate::finite_difference::Knock;

pub(super) const BOTH: [OptionType; 2] = [OptionType::Call, OptionType::Put];

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
