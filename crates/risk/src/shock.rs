//! A position in the moved market.

use zomma_pricing::valuation::{ModelName, Parameter, Table};

use crate::Scenario;

/// No volatility is shifted below this, or below itself where it is lower already: per square root of a year.
pub const VOLATILITY_FLOOR: f64 = 0.01;

/// A volatility after a shift, not below a floor, or below itself where it is lower already.
#[inline(always)]
pub(crate) fn shifted(volatility: f64, shift: f64, floor: f64) -> f64 {
    let floor = if volatility < floor { volatility } else { floor };
    let moved = volatility + shift;
    if shift < 0.0 && moved < floor { floor } else { moved }
}

/// Puts the rows of `table`, moved, into `out`, which holds a copy of them.
///
/// A shift of volatility is one of Black's, at the money: a normal volatility moves by the shift times the forward's size, a displaced one
/// by the shift times spot / (spot + displacement); under Heston and Bates the roots of variance now and in the long run move by it.
/// Years that have passed leave an expiry at or below zero: [`settled`] says what that is worth.
pub(crate) fn shock(table: &Table, scenario: &Scenario, floor: f64, out: &mut Table) {
    let factor = 1.0 + scenario.spot_change;
    let years = scenario.years();
    let shift = scenario.volatility_shift;
    for row in 0..table.len() {
        out.spot[row] = table.spot[row] * factor;
        out.expiry_years[row] = table.expiry_years[row] - years;
        out.risk_free_rate[row] = table.risk_free_rate[row] + scenario.rate_shift;
        let volatility = table.volatility[row];
        out.volatility[row] = match table.model[row] {
            ModelName::Bachelier => {
                let size = table.spot[row].abs();
                let floor = volatility.min(floor * size);
                (volatility + shift * size).max(floor)
            }
            ModelName::Displaced => {
                let displaced = table.spot[row] + table.parameter(Parameter::Displacement, row);
                shifted(volatility, shift * table.spot[row] / displaced, floor)
            }
            ModelName::Heston | ModelName::Bates => {
                for parameter in [Parameter::V0, Parameter::ThetaV] {
                    let root = shifted(table.parameter(parameter, row).sqrt(), shift, floor);
                    out.parameters[parameter as usize][row] = root * root;
                }
                volatility
            }
            _ => shifted(volatility, shift, floor),
        };
    }
}

/// Value of a row whose expiry has passed: that of exercise at the moved spot.
pub(crate) fn settled(moved: &Table, row: usize) -> f64 {
    (moved.option_type[row].sign() * (moved.spot[row] - moved.strike[row])).max(0.0)
}
