//! American options on one share in batches that share its dividends: rows of one type and expiry side by side in lanes, blocks of them over
//! the threads of the current rayon pool. Row i depends on row i alone.

use rayon::prelude::*;
use zomma_base::Status;

use super::contract::{CashDividend, Contract};
use super::dividends::{Sensitivities, american_with_dividends, bumps, sensitivities};
use super::lanes::{self, LANES};
use super::settings::Settings;
use super::solve::Estimate;
use crate::black::{Row, RowColumns};
use crate::math::Target;

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

impl EstimateColumns<'_> {
    fn fit(&self, n: usize) -> bool {
        [&self.value, &self.error, &self.delta, &self.gamma, &self.theta].iter().all(|column| column.len() == n)
    }

    fn put(&mut self, i: usize, estimate: &Estimate) {
        self.value[i] = estimate.value;
        self.error[i] = estimate.error;
        self.delta[i] = estimate.delta;
        self.gamma[i] = estimate.gamma;
        self.theta[i] = estimate.theta;
    }
}

/// Columns of [`sensitivities_batch`].
#[derive(Debug)]
pub struct SensitivityColumns<'a> {
    /// Value, delta, gamma and theta.
    pub estimate: EstimateColumns<'a>,
    /// ∂V/∂σ per 1.00.
    pub vega: &'a mut [f64],
    /// ∂V/∂r per 1.00.
    pub rho: &'a mut [f64],
    /// ∂V/∂q per 1.00.
    pub phi: &'a mut [f64],
}

/// What a row without a value gets.
const NOTHING: Estimate =
    Estimate { value: f64::NAN, error: f64::NAN, delta: f64::NAN, gamma: f64::NAN, theta: f64::NAN };

/// [`american_with_dividends`] for every row; one whose status is not `Ok` has NaN.
///
/// # Panics
/// Where the columns and `status` are not of one length.
pub fn price_batch(
    rows: &RowColumns<'_>,
    dividends: &[CashDividend],
    settings: &Settings,
    mut out: EstimateColumns<'_>,
    status: &mut [Status],
) {
    assert!(fit(rows, status.len()) && out.fit(status.len()), "columns of one length");
    let together = |rows: &[Row]| lanes::solve_lanes(rows, rows, dividends, settings, Target::best()).to_vec();
    let alone = |row: &Row| american_with_dividends(row, dividends, settings);
    for (i, result) in each(rows, dividends, settings, together, alone) {
        status[i] = result.err().unwrap_or(Status::Ok);
        out.put(i, &result.unwrap_or(NOTHING));
    }
}

/// [`sensitivities`] for every row; one whose status is not `Ok` has NaN.
///
/// # Panics
/// Where the columns and `status` are not of one length.
pub fn sensitivities_batch(
    rows: &RowColumns<'_>,
    dividends: &[CashDividend],
    settings: &Settings,
    mut out: SensitivityColumns<'_>,
    status: &mut [Status],
) {
    let n = status.len();
    let more = [&out.vega, &out.rho, &out.phi].iter().all(|column| column.len() == n);
    assert!(fit(rows, n) && out.estimate.fit(n) && more, "columns of one length");
    let together = |rows: &[Row]| sensitivities_in_lanes(rows, dividends, settings);
    let alone = |row: &Row| sensitivities(&Contract::american(*row, dividends), settings);
    for (i, result) in each(rows, dividends, settings, together, alone) {
        status[i] = result.err().unwrap_or(Status::Ok);
        let nothing = Sensitivities { estimate: NOTHING, vega: f64::NAN, rho: f64::NAN, phi: f64::NAN };
        let got = result.unwrap_or(nothing);
        out.estimate.put(i, &got.estimate);
        (out.vega[i], out.rho[i], out.phi[i]) = (got.vega, got.rho, got.phi);
    }
}

/// A block of rows and their bumps, on the rows' own grids.
fn sensitivities_in_lanes(
    rows: &[Row],
    dividends: &[CashDividend],
    settings: &Settings,
) -> Vec<Result<Sensitivities, Status>> {
    let at = |moved: &[Row]| lanes::solve_lanes(moved, rows, dividends, settings, Target::best());
    let bumps: Vec<_> = rows.iter().map(bumps).collect();
    let estimates = at(rows);
    let mut slopes = [[Ok(0.0); 3]; LANES];
    for which in 0..3 {
        let [first, second] = [0, 1].map(|i| at(&bumps.iter().map(|bump| bump[which].rows[i]).collect::<Vec<_>>()));
        for (lane, bump) in bumps.iter().enumerate() {
            slopes[lane][which] = match (estimates[lane], first[lane], second[lane]) {
                (Ok(here), Ok(first), Ok(second)) => Ok(bump[which].slope(here.value, [first.value, second.value])),
                (Err(status), ..) | (_, Err(status), _) | (.., Err(status)) => Err(status),
            };
        }
    }
    let one = |lane: usize| {
        let [vega, rho, phi] = slopes[lane];
        Sensitivities::new(estimates[lane]?, [vega?, rho?, phi?])
    };
    (0..rows.len()).map(one).collect()
}

fn fit(rows: &RowColumns<'_>, n: usize) -> bool {
    let given = [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
    given.iter().all(|column| column.len() == n) && rows.option_type.len() == n
}

/// The results of all rows: `together` values up to [`LANES`] rows of one type and expiry, `alone` one.
fn each<T: Send>(
    rows: &RowColumns<'_>,
    dividends: &[CashDividend],
    settings: &Settings,
    together: impl Fn(&[Row]) -> Vec<Result<T, Status>> + Sync,
    alone: impl Fn(&Row) -> Result<T, Status> + Sync,
) -> Vec<(usize, Result<T, Status>)> {
    let work = lanes::divide(rows.spot.len(), |i| rows.row(i), dividends, settings);
    let blocks = work.together().flat_map(|group| group.chunks(LANES)).collect::<Vec<_>>();
    let laned = blocks.into_par_iter().flat_map_iter(|block| {
        let members: Vec<Row> = block.iter().map(|&i| rows.row(i)).collect();
        block.iter().copied().zip(together(&members)).collect::<Vec<_>>()
    });
    let alone = work.alone().par_iter().map(|&i| (i, alone(&rows.row(i))));
    laned.chain(alone).collect()
}
