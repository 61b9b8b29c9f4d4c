//! American options on a share that pays cash dividends: value and Greeks, one at a time and in batches that share the dividends.
//!
//! Model     Between dividends the spot is lognormal with the row's yield; at each date it falls by the amount, not below zero
//! Source    E. G. Haug, J. Haug and A. Lewis, "Back to basics: a new approach to the discrete dividend problem" (2003);
//!           M. H. Vellekoop and J. W. Nieuwenhuis, "Efficient pricing of derivatives on assets with discrete dividends" (2006)
//! Accuracy  tolerance.rs: finite_difference

use rayon::prelude::*;
use zomma_base::Status;

use super::contract::{CashDividend, Contract};
use super::settings::Settings;
use super::solve::{Estimate, solve, solve_checked, with_scratch};
use crate::black::{Row, RowColumns};

/// Value of an American option on a share whose spot falls by each cash dividend, floored at zero.
///
/// Errors: those of [`solve`].
pub fn american_with_dividends(row: &Row, dividends: &[CashDividend], settings: &Settings) -> Result<Estimate, Status> {
    solve(&Contract::american(*row, dividends), settings)
}

/// Value of a European option on the same share. Errors: those of [`solve`].
pub fn european_with_dividends(row: &Row, dividends: &[CashDividend], settings: &Settings) -> Result<Estimate, Status> {
    solve(&Contract { dividends, ..Contract::european(*row) }, settings)
}

/// An estimate with the Greeks that a grid does not hold: by central differences on one grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivities {
    /// Value, delta, gamma and theta.
    pub estimate: Estimate,
    /// ∂V/∂σ per 1.00. With a local volatility the row's own does nothing: 0.
    pub vega: f64,
    /// ∂V/∂r per 1.00.
    pub rho: f64,
    /// ∂V/∂q per 1.00.
    pub phi: f64,
}

/// Change of a rate or yield; of the volatility, relative to it.
const BUMPS: [f64; 2] = [1e-4, 1e-2];

/// Value and first-order Greeks of any contract: seven solutions on one grid.
///
/// Errors: those of [`solve`]. Without volatility vega is that of a hundredth of a percent.
pub fn sensitivities(contract: &Contract<'_>, settings: &Settings) -> Result<Sensitivities, Status> {
    with_scratch(|scratch| {
        settings.check()?;
        contract.check()?;
        let row = contract.row;
        let mut at = |row: Row| solve_checked(&Contract { row, ..*contract }, settings, &contract.row, scratch);
        let estimate = at(row)?;
        let mut slope = |up: Row, down: Row, between: f64| Ok((at(up)?.value - at(down)?.value) / between);
        let h = BUMPS[0];
        let [up, down] = [h, -h].map(|h| Row { risk_free_rate: row.risk_free_rate + h, ..row });
        let rho = slope(up, down, 2.0 * h)?;
        let [up, down] = [h, -h].map(|h| Row { dividend_yield: row.dividend_yield + h, ..row });
        let phi = slope(up, down, 2.0 * h)?;
        let h = BUMPS[1] * row.volatility;
        let vega = if contract.local_volatility.is_some() || h == 0.0 {
            0.0
        } else {
            slope(
                Row { volatility: row.volatility + h, ..row },
                Row { volatility: row.volatility - h, ..row },
                2.0 * h,
            )?
        };
        let finite = [vega, rho, phi].iter().all(|x| x.is_finite());
        if finite { Ok(Sensitivities { estimate, vega, rho, phi }) } else { Err(Status::Overflow) }
    })
}

/// Columns that a batch fills: each of the length of the rows.
#[derive(Debug)]
pub struct EstimateColumns<'a> {
    /// Values.
    pub value: &'a mut [f64],
    /// Their stated errors.
    pub error: &'a mut [f64],
    /// ∂V/∂S.
    pub delta: &'a mut [f64],
    /// ∂²V/∂S².
    pub gamma: &'a mut [f64],
    /// −∂V/∂T.
    pub theta: &'a mut [f64],
}

/// [`american_with_dividends`] for rows on one share, over the threads of the current rayon pool. Row i depends on row i alone; one whose
/// status is not `Ok` has NaN.
///
/// # Panics
/// Where the columns and `status` are not of one length.
pub fn price_batch(
    rows: &RowColumns<'_>,
    dividends: &[CashDividend],
    settings: &Settings,
    out: EstimateColumns<'_>,
    status: &mut [Status],
) {
    let n = status.len();
    let EstimateColumns { value, error, delta, gamma, theta } = out;
    let given = [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
    let fit = given.iter().all(|c| c.len() == n) && rows.option_type.len() == n;
    assert!(fit && [&value, &error, &delta, &gamma, &theta].iter().all(|c| c.len() == n), "columns of one length");
    let outputs = value.par_iter_mut().zip(error).zip(delta).zip(gamma).zip(theta).zip(status);
    outputs.enumerate().for_each(|(i, (((((value, error), delta), gamma), theta), status))| {
        let nothing = Estimate { value: f64::NAN, error: f64::NAN, delta: f64::NAN, gamma: f64::NAN, theta: f64::NAN };
        let (got, code) = match american_with_dividends(&rows.row(i), dividends, settings) {
            Ok(estimate) => (estimate, Status::Ok),
            Err(code) => (nothing, code),
        };
        (*value, *error, *delta, *gamma, *theta, *status) =
            (got.value, got.error, got.delta, got.gamma, got.theta, code);
    });
}
