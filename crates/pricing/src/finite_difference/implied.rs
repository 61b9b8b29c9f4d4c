//! The volatility of an American price on a share that pays cash dividends.
//!
//! Method    Secant steps inside a bracket that every value narrows, from the volatility of the European option on the spot less the
//!           dividends' present value; the grid stands still while the volatility is near the one it was made for, so that the value is
//!           smooth in it
//! Accuracy  that of the value over vega: the volatility returned gives the price to the grid's error (docs/finite-difference.md)

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::contract::{CashDividend, Contract};
use super::settings::Settings;
use super::solve::{Scratch, solve_checked, with_scratch};
use crate::black::{Row, RowColumns};
use crate::implied_vol::{implied_volatility_bsm_row, reduced_vega};

/// Relative change of the volatility at which the search ends.
const TOLERANCE: f64 = 1e-7;
const MOST_STEPS: usize = 60;
/// Total volatilities between which one is sought.
const TOTAL_RANGE: [f64; 2] = [1e-4, 6.0];
/// The grid is made anew where the volatility has left it by this factor.
const NEAR: f64 = 1.3;

/// The volatility at which [`american_with_dividends`](super::american_with_dividends) gives `price`; the row's own is ignored.
///
/// Errors: those of [`solve`](super::solve) by field; `BadPrice`; `BelowIntrinsic` below the certain value (that of no volatility, at
/// least the exercise value) and `AboveMaximum` at or above what any volatility gives; `Undetermined` where the time value is less than
/// the value's rounding, or nothing on the grid moves with the volatility; `NotConverged`.
pub fn implied_volatility_with_dividends(
    row_without_vol: &Row,
    dividends: &[CashDividend],
    price: f64,
    settings: &Settings,
) -> Result<f64, Status> {
    settings.check()?;
    let row = Row { volatility: 0.0, ..*row_without_vol };
    Contract::american(row, dividends).check()?;
    if !(price.is_finite() && price >= 0.0) {
        return Err(Status::BadPrice);
    }
    with_scratch(|scratch| {
        let mut problem = Problem { row, dividends, settings, scratch, shape: 0.0 };
        let certain = problem.value(0.0)?;
        let rounding = 64.0 * f64::EPSILON * row.spot.max(row.strike);
        if price < certain - rounding {
            return Err(Status::BelowIntrinsic);
        }
        if price <= certain + rounding {
            return Err(Status::Undetermined);
        }
        let most = match row.option_type {
            OptionType::Call => row.spot * (-row.dividend_yield * row.expiry_years).exp().max(1.0),
            OptionType::Put => row.strike * (-row.risk_free_rate * row.expiry_years).exp().max(1.0),
        };
        if price >= most {
            return Err(Status::AboveMaximum);
        }
        problem.search(price, certain)
    })
}

/// [`implied_volatility_with_dividends`] for rows on one share, over the threads of the current rayon pool. The rows' volatilities are
/// ignored; a row whose status is not `Ok` has NaN.
///
/// # Panics
/// Where the columns, `price`, `out` and `status` are not of one length.
pub fn implied_volatility_batch(
    rows: &RowColumns<'_>,
    price: &[f64],
    dividends: &[CashDividend],
    settings: &Settings,
    out: &mut [f64],
    status: &mut [Status],
) {
    let n = out.len();
    let given = [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, price];
    let fit = given.iter().all(|c| c.len() == n) && rows.option_type.len() == n && rows.volatility.len() == n;
    assert!(fit && status.len() == n, "columns of one length");
    out.par_iter_mut().zip(status).enumerate().for_each(|(i, (out, status))| {
        (*out, *status) = match implied_volatility_with_dividends(&rows.row(i), dividends, price[i], settings) {
            Ok(volatility) => (volatility, Status::Ok),
            Err(code) => (f64::NAN, code),
        };
    });
}

struct Problem<'a> {
    row: Row,
    dividends: &'a [CashDividend],
    settings: &'a Settings,
    scratch: &'a mut Scratch,
    /// The volatility that the grid suits.
    shape: f64,
}

impl Problem<'_> {
    fn value(&mut self, volatility: f64) -> Result<f64, Status> {
        let row = Row { volatility, ..self.row };
        let shape = Row { volatility: self.shape, ..self.row };
        let contract = Contract::american(row, self.dividends);
        solve_checked(&contract, self.settings, &shape, self.scratch).map(|estimate| estimate.value)
    }

    fn search(&mut self, price: f64, certain: f64) -> Result<f64, Status> {
        let root_years = self.row.expiry_years.sqrt();
        let [mut low, mut high] = TOTAL_RANGE.map(|total| total / root_years);
        let european = implied_volatility_bsm_row(&self.escrowed(), price).ok();
        let first = european.unwrap_or_else(|| self.start(price, certain)).clamp(low, high);
        let mut volatility = first;
        let mut before: Option<(f64, f64)> = None;
        for _ in 0..MOST_STEPS {
            if !(volatility < NEAR * self.shape && volatility * NEAR > self.shape) {
                self.shape = volatility;
                before = None;
            }
            let excess = self.value(volatility)? - price;
            if excess == 0.0 {
                return Ok(volatility);
            }
            if excess > 0.0 {
                high = high.min(volatility);
            } else {
                low = low.max(volatility);
            }
            let slope = match before {
                Some((v, e)) if (excess - e) * (volatility - v) > 0.0 => (excess - e) / (volatility - v),
                _ => self.vega(volatility),
            };
            before = Some((volatility, excess));
            let next = volatility - excess / slope;
            let next = if next > low && next < high { next } else { 0.5 * (low + high.min(4.0 * low.max(volatility))) };
            if (next - volatility).abs() <= TOLERANCE * volatility {
                return Ok(next);
            }
            if high - low <= TOLERANCE * low {
                // The ends of the range themselves: no volatility inside gives the price.
                let [least, most] = TOTAL_RANGE.map(|total| total / root_years);
                let inside = low > least && high < most;
                return if inside { Ok(next) } else { Err(Status::Undetermined) };
            }
            volatility = next;
        }
        Err(Status::NotConverged)
    }

    /// The row on the spot less what the dividends are worth now.
    fn escrowed(&self) -> Row {
        let row = &self.row;
        let paid: f64 = self
            .dividends
            .iter()
            .filter(|d| d.time_years < row.expiry_years)
            .map(|d| d.amount * (-row.risk_free_rate * d.time_years).exp())
            .sum();
        Row { spot: (row.spot - paid).max(0.05 * row.spot), ..*row }
    }

    /// A first volatility where the price has no European one: the one whose at-the-money time value is the price's own.
    fn start(&self, price: f64, certain: f64) -> f64 {
        let row = &self.row;
        let value = (price - certain).max(1e-4 * row.strike);
        let moneyness = (row.spot / row.strike).ln().abs();
        (2.5 * value / row.spot.min(row.strike)).max(0.25 * moneyness) / row.expiry_years.sqrt()
    }

    /// European ∂V/∂σ on the escrowed spot, not below a share of the greatest so that a step from the flat part stays finite.
    fn vega(&self, volatility: f64) -> f64 {
        let row = self.escrowed();
        let forward = row.spot * (-row.dividend_yield * row.expiry_years).exp();
        let strike = row.strike * (-row.risk_free_rate * row.expiry_years).exp();
        let root_years = row.expiry_years.sqrt();
        let scale = forward.min(strike) * root_years;
        let vega = scale * reduced_vega((forward / strike).ln().abs(), volatility * root_years);
        if vega > 1e-3 * scale { vega } else { 1e-3 * scale }
    }
}
