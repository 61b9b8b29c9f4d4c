//! American and European options on a share that pays cash dividends.

use zomma_base::Status;

use super::contract::{CashDividend, Contract};
use super::settings::Settings;
use super::solve::{Estimate, solve};
use crate::black::Row;

/// Value of an American option on a share whose spot falls by each cash dividend (the spot model), floored at zero.
///
/// Errors: those of [`solve`].
pub fn american_with_dividends(row: &Row, dividends: &[CashDividend], settings: &Settings) -> Result<Estimate, Status> {
    solve(&Contract::american(*row, dividends), settings)
}
