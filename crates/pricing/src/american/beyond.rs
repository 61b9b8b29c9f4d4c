//! The price where the boundary's method does not go: two boundaries, long terms at high rates, volatilities far outside the usual.
//!
//! Method    the perpetual option where the end of the option is so little worth that it does not matter; else finite differences on grids that are
//!           refined until they are as near each other as the price is promised to be
//! Accuracy  tolerance.rs: american/beyond. What no grid reaches has no price

use zomma_base::Status;

use super::perpetual::Perpetual;
use super::put::has_one_boundary;
use super::{european_of_checked, exercise_value};
use crate::black::Row;
use crate::finite_difference::{Contract, Settings, solve};
use crate::tolerance::AMERICAN_PRICE_SHARE_OF_SPOT;

/// Cells in spot and steps in time of the grids that are tried, the coarsest first.
const GRIDS: [[usize; 2]; 3] = [[160, 40], [640, 160], [2560, 640]];
/// Greatest σ√T of a grid: beyond it the far end is out of reach and the stated error too small.
const GRID_DEVIATION_MAX: f64 = 6.0;

/// The value of a row whose fields are right, to 2e-4 of the spot.
///
/// Errors: `NotConverged` where that is not reached.
pub(super) fn price(row: &Row) -> Result<f64, Status> {
    let allowed = AMERICAN_PRICE_SHARE_OF_SPOT * row.spot;
    if has_one_boundary(row)
        && let Some(price) = Perpetual::price_within(row, allowed)
    {
        return Ok(price);
    }
    if row.volatility * row.expiry_years.sqrt() > GRID_DEVIATION_MAX {
        return Err(Status::NotConverged);
    }
    let contract = Contract::american(*row, &[]);
    for [space_steps, time_steps] in &GRIDS {
        let settings = Settings { space_steps: *space_steps, time_steps: *time_steps, ..Settings::default() };
        if let Ok(found) = solve(&contract, &settings)
            && found.error <= allowed
        {
            // The grid's error may leave what never exercising, or exercise now, gives already.
            return Ok(found.value.max(european_of_checked(row)).max(exercise_value(row)));
        }
    }
    Err(Status::NotConverged)
}
