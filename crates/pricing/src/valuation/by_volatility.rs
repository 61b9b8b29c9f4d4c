//! The Greeks by volatility that the Fourier series does not make: vomma, veta and ultima, by differences of its own vega and theta.
//!
//! Method    five points of the fourth order, a fortieth of the volatility apart (under Heston and Bates of √v0)
//! Accuracy  1e-5 of the Greek or 1e-4 of spot (ultima 1e-3 and 1e-2), whichever is more (tests of this folder)

use zomma_base::Status;

use super::{Parameter, Table};
use crate::black::Greek;

/// Places in units of a step, and their weights for the first and the second derivative.
const PLACES: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];
const FIRST: [f64; 5] = [1.0 / 12.0, -8.0 / 12.0, 0.0, 8.0 / 12.0, -1.0 / 12.0];
const SECOND: [f64; 5] = [-1.0 / 12.0, 16.0 / 12.0, -30.0 / 12.0, 16.0 / 12.0, -1.0 / 12.0];

/// A step, as a share of the volatility: the series is good to some 1e-9 of spot, and so small a step would show it.
const SHARE: f64 = 0.025;

/// Puts vomma, veta and ultima into the columns of all quantities; NaN where a moved row has no value. `greeks` values a table.
pub(super) fn add(table: &Table, all: &mut [Vec<f64>], greeks: impl Fn(&Table) -> (Vec<Vec<f64>>, Vec<Status>)) {
    let rows = table.len();
    let [vomma, veta, ultima] = [Greek::Vomma, Greek::Veta, Greek::Ultima].map(|greek| greek as usize);
    let step = |row: usize| {
        let volatility = if table.model[row].has_volatility() {
            table.volatility[row]
        } else {
            table.parameter(Parameter::V0, row).sqrt()
        };
        // Where there is no volatility there is no step.
        if volatility > 0.0 { SHARE * volatility } else { f64::NAN }
    };
    let steps: Vec<f64> = (0..rows).map(step).collect();
    let mut sums = [vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]];
    for ((place, first), second) in PLACES.into_iter().zip(FIRST).zip(SECOND) {
        let moved = (place != 0.0).then(|| greeks(&scaled(table, 1.0 + SHARE * place)));
        for row in 0..rows {
            let [vega, theta] = [Greek::Vega, Greek::Theta].map(|greek| match &moved {
                Some((columns, status)) if status[row].is_ok() => columns[greek as usize][row],
                Some(_) => f64::NAN,
                None => all[greek as usize][row],
            });
            sums[0][row] += first * vega / steps[row];
            sums[1][row] += first * theta / steps[row];
            sums[2][row] += second * vega / (steps[row] * steps[row]);
        }
    }
    let finite = |x: f64| if x.is_finite() { x } else { f64::NAN };
    for (greek, sums) in [vomma, veta, ultima].into_iter().zip(sums) {
        for (out, sum) in all[greek].iter_mut().zip(sums) {
            *out = finite(sum);
        }
    }
}

/// The table with every volatility times `factor`; √v0 in its place where a model reads that.
fn scaled(table: &Table, factor: f64) -> Table {
    let mut moved = table.clone();
    moved.volatility.iter_mut().for_each(|volatility| *volatility *= factor);
    moved.parameters[Parameter::V0 as usize].iter_mut().for_each(|v0| *v0 *= factor * factor);
    moved
}
