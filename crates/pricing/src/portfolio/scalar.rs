//! One row after the other in plain f64: the twin that specifies the batch path and the kernels.
//!
//! Formula   Σ quantity × multiplier × f over the rows that have a value, f each quantity of `black::scalar`, and spot × delta
//! Method    compensated summation in the order of the rows (A. Neumaier, 1974)
//! Accuracy  of the sums, 2⁻⁵² × Σ|terms|; of the terms, see `black`

use zomma_base::Status;

use super::sums::{Compensated, Sums, Totals};
use super::{PositionColumns, QUANTITIES, Shock};
use crate::black::{Greek, Model, scalar};

/// The terms of one row: every quantity times the shares, spot × delta in the place of lambda, 0 for an absent phi.
pub(super) fn terms(rows: &PositionColumns<'_>, i: usize, shock: Shock) -> Result<[f64; QUANTITIES], Status> {
    let row = rows.row(i, shock)?;
    let model = rows.model[i];
    let mut terms = scalar::greeks(&row, model)?;
    let shares = rows.shares(i)?;
    terms[Greek::Lambda as usize] = row.spot * terms[Greek::Delta as usize];
    if model == Model::Black76 {
        terms[Greek::Phi as usize] = 0.0;
    }
    for term in &mut terms {
        // Nothing times an infinite Greek is nothing.
        *term = if shares == 0.0 { 0.0 } else { shares * *term };
    }
    Ok(terms)
}

/// Sums by group and in total: as [`sums`](super::sums), one row after the other.
pub fn sums(rows: &PositionColumns<'_>, groups: usize, shock: Shock) -> Totals {
    rows.assert_whole(groups);
    let mut by_group = vec![Sums::default(); groups];
    let mut compensated = vec![Compensated::default(); groups];
    for i in 0..rows.len() {
        let group = rows.group[i] as usize;
        match terms(rows, i, shock) {
            Ok(terms) => {
                compensated[group].add(&terms);
                by_group[group].add(&[0.0; QUANTITIES], 1, rows.model[i]);
            }
            Err(status) => by_group[group].count_failed(status),
        }
    }
    for (group, sums) in by_group.iter_mut().zip(&compensated) {
        group.add(&sums.value(), 0, Model::Bsm);
    }
    Totals::of(by_group)
}
