//! The CPU path: blocks of rows through the branch-free loop, the few that need care through the twin.

use super::lanes::{self, BLOCK, BlockRows};
use super::{Greek, Model, RowColumns, scalar};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};
use zomma_base::{OptionType, Status};

/// The first `N` quantities of [`Greek::ALL`] of every row, with the instructions of one target, on this thread.
///
/// `out` and `status` have the length of the columns.
pub fn evaluate<const N: usize>(
    target: Target,
    rows: &RowColumns<'_>,
    model: Model,
    out: [&mut [f64]; N],
    status: &mut [Status],
) {
    match model {
        Model::Bsm => dispatch(target, Blocks::<'_, '_, false, N> { rows, out, status }),
        Model::Black76 => dispatch(target, Blocks::<'_, '_, true, N> { rows, out, status }),
    }
}

struct Blocks<'a, 'r, const BLACK76: bool, const N: usize> {
    rows: &'a RowColumns<'r>,
    out: [&'a mut [f64]; N],
    status: &'a mut [Status],
}

impl<const BLACK76: bool, const N: usize> Kernel for Blocks<'_, '_, BLACK76, N> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(mut self) {
        let n = self.rows.spot.len();
        let mut results = [[0.0; BLOCK]; N];
        for start in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - start);
            let mut padding = Padding::new();
            let block = match full_block(self.rows, start) {
                Some(block) => block,
                None => padding.fill(self.rows, start),
            };
            lanes::evaluate::<M, BLACK76, N>(&block, &mut results);
            self.status[start..start + count].fill(Status::Ok);
            for (out, result) in self.out.iter_mut().zip(&results) {
                out[start..start + count].copy_from_slice(&result[..count]);
            }
            if !lanes::all_usual::<BLACK76>(&block) {
                redo_unusual::<BLACK76, N>(self.rows, start..start + count, &mut self.out, self.status);
            }
        }
    }
}

/// Gives the rows of a range that are not usual to the twin.
#[cold]
#[inline(never)]
fn redo_unusual<const BLACK76: bool, const N: usize>(
    rows: &RowColumns<'_>,
    range: std::ops::Range<usize>,
    out: &mut [&mut [f64]; N],
    status: &mut [Status],
) {
    let model = if BLACK76 { Model::Black76 } else { Model::Bsm };
    for i in range {
        let row = rows.row(i);
        let dividend = if BLACK76 { 0.0 } else { row.dividend_yield };
        let (rate, expiry) = (row.risk_free_rate, row.expiry_years);
        if lanes::is_usual(row.spot, row.strike, expiry, rate, dividend, row.volatility) {
            continue;
        }
        let result = scalar::greeks(&row, model);
        status[i] = result.err().unwrap_or(Status::Ok);
        let quantities = result.unwrap_or([f64::NAN; Greek::ALL.len()]);
        for (out, quantity) in out.iter_mut().zip(quantities) {
            out[i] = quantity;
        }
    }
}

/// The block that starts at a row, where a whole one is left.
#[inline(always)]
fn full_block<'a>(rows: &RowColumns<'a>, start: usize) -> Option<BlockRows<'a>> {
    Some(BlockRows {
        option_type: rows.option_type[start..].first_chunk()?,
        spot: rows.spot[start..].first_chunk()?,
        strike: rows.strike[start..].first_chunk()?,
        expiry_years: rows.expiry_years[start..].first_chunk()?,
        risk_free_rate: rows.risk_free_rate[start..].first_chunk()?,
        dividend_yield: rows.dividend_yield[start..].first_chunk()?,
        volatility: rows.volatility[start..].first_chunk()?,
    })
}

/// Room for the last rows, filled up with an option that is as usual as can be.
struct Padding {
    option_type: [OptionType; BLOCK],
    columns: [[f64; BLOCK]; 6],
}

impl Padding {
    #[inline(always)]
    fn new() -> Self {
        Self {
            option_type: [OptionType::Call; BLOCK],
            columns: [[1.0; BLOCK], [1.0; BLOCK], [1.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK], [0.2; BLOCK]],
        }
    }

    #[inline(never)]
    fn fill(&mut self, rows: &RowColumns<'_>, start: usize) -> BlockRows<'_> {
        let sources =
            [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
        let rest = &rows.option_type[start..];
        self.option_type[..rest.len()].copy_from_slice(rest);
        for (column, source) in self.columns.iter_mut().zip(sources) {
            column[..source.len() - start].copy_from_slice(&source[start..]);
        }
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.columns;
        let option_type = &self.option_type;
        BlockRows { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}
