//! A position in the moved market.

use std::sync::Arc;

use zomma_pricing::valuation::{ModelName, Parameter, PayoffName, Table, Terms};

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

/// The dates of a contract `years` later; dividends that are paid and exercise dates that are past are gone. Observation dates and averages
/// begin anew: what was seen on the way is not known.
fn later(terms: &Terms, years: f64) -> Terms {
    let mut dividends = terms.dividends.to_vec();
    dividends.iter_mut().for_each(|dividend| dividend.time_years -= years);
    dividends.retain(|dividend| dividend.time_years >= 0.0);
    let times = terms.exercise_times.as_ref();
    let exercise_times = times.map(|times| times.iter().map(|time| time - years).filter(|&time| time >= 0.0).collect());
    Terms { dividends: dividends.into(), exercise_times, ..terms.clone() }
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
    if years != 0.0 {
        for terms in out.terms.iter_mut().flatten() {
            if !terms.dividends.is_empty() || terms.exercise_times.is_some() {
                *terms = Arc::new(later(terms, years));
            }
        }
    }
    for row in 0..table.len() {
        out.spot[row] = table.spot[row] * factor;
        out.expiry_years[row] = table.expiry_years[row] - years;
        out.risk_free_rate[row] = table.risk_free_rate[row] + scenario.rate_shift;
        let volatility = table.volatility[row];
        out.volatility[row] = match table.model[row] {
            ModelName::Bachelier => {
                let size = table.spot[row].abs();
                shifted(volatility, shift * size, floor * size)
            }
            ModelName::Displaced => {
                let displaced = table.spot[row] + table.parameter(Parameter::Displacement, row);
                shifted(volatility, shift * table.spot[row] / displaced, floor)
            }
            ModelName::Heston | ModelName::Bates => {
                for parameter in [Parameter::V0, Parameter::ThetaV] {
                    let root = shifted(table.parameter(parameter, row).sqrt(), shift, floor);
                    // Without a floor a root may fall below zero, which is no variance.
                    out.parameters[parameter as usize][row] = if root < 0.0 { f64::NAN } else { root * root };
                }
                volatility
            }
            _ => shifted(volatility, shift, floor),
        };
    }
}

/// The rows of a table in the moved market, without a floor for volatility: one that falls below zero is none, and its row has no value. What each
/// move does stands with [`Scenario`]; under Bachelier, displaced, Heston and Bates a shift of volatility is one of Black's, at the money.
pub fn moved(table: &Table, scenario: &Scenario) -> Table {
    let mut out = table.clone();
    shock(table, scenario, f64::NEG_INFINITY, &mut out);
    out
}

/// Value of a row whose expiry has passed: that of exercise at the moved spot, if its barrier lets it; none where it hangs on the way
/// there.
pub(crate) fn settled(moved: &Table, row: usize) -> Option<f64> {
    let (spot, strike) = (moved.spot[row], moved.strike[row]);
    let inside = moved.option_type[row].sign() * (spot - strike);
    let Some(terms) = moved.terms_of(row) else { return Some(inside.max(0.0)) };
    let exercised = match terms.payoff {
        PayoffName::Vanilla => inside.max(0.0),
        PayoffName::CashOrNothing if inside > 0.0 => terms.cash,
        PayoffName::AssetOrNothing if inside > 0.0 => spot,
        PayoffName::CashOrNothing | PayoffName::AssetOrNothing => 0.0,
        PayoffName::ArithmeticAsian
        | PayoffName::GeometricAsian
        | PayoffName::FixedLookback
        | PayoffName::FloatingLookback => return None,
    };
    let Some(barrier) = &terms.barrier else { return Some(exercised) };
    let touched = match (barrier.kind.is_double(), barrier.kind.is_up()) {
        (true, _) => spot <= barrier.level || spot >= barrier.upper,
        (false, true) => spot >= barrier.level,
        (false, false) => spot <= barrier.level,
    };
    // Out and touched, or in and never: the rebate.
    Some(if touched == barrier.kind.is_out() { barrier.rebate } else { exercised })
}

/// What a row is worth whose barrier the moved spot has touched: the rebate of one that ends; none of one that starts.
pub(crate) fn ended(moved: &Table, row: usize) -> Option<f64> {
    let barrier = moved.terms_of(row)?.barrier?;
    barrier.kind.is_out().then_some(barrier.rebate)
}

/// Takes the barriers away.
pub(crate) fn without_barriers(table: &mut Table) {
    for terms in table.terms.iter_mut().flatten() {
        *terms = Arc::new(Terms { barrier: None, ..Terms::clone(terms) });
    }
}
