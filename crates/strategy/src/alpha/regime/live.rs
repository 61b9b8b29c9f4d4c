//! The live indicator of a price: fitted to the first rows, filtered over all, given behind the first.
//!
//! Definition  rows are at a steady pace; returns ln p over every m-th row from the beginning of each session on, so that they do not overlap. The model is
//!             fitted to those of the training rows, its filter runs over all of them, and a row has the probabilities of the last of them
//! None where  the row is a training row, or stands before the session's first return. A return of which a price is missing tells nothing

use super::super::{
    AlphaError,
    error::{finite_where_present, in_range},
};
use super::{Fit, RegimeError, fit};

/// What is fitted and what is given.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRegime {
    /// The model of the training rows.
    pub fit: Fit,
    /// For each state the probability by row.
    pub probabilities: Vec<Vec<Option<f64>>>,
}

/// How returns are taken and states fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regimes {
    /// Rows that a return is over, m.
    pub return_rows: usize,
    /// States.
    pub states: usize,
    /// Rows from the first on that the model is fitted to.
    pub training_rows: usize,
}

/// The regimes of a price; `starts` are the rows behind a silence.
///
/// # Errors
///
/// A price that is not above 0, no rows a return, training rows beyond the last, and as of [`fit`].
pub fn live(prices: &[Option<f64>], starts: &[usize], regimes: Regimes) -> Result<LiveRegime, RegimeError> {
    let Regimes { return_rows, states, training_rows } = regimes;
    in_range("rows a return", return_rows, return_rows >= 1, "1 or more")?;
    in_range("training rows", training_rows, training_rows < prices.len(), "fewer than the rows")?;
    finite_where_present("price", prices)?;
    if let Some(row) = prices.iter().position(|price| price.is_some_and(|it| it <= 0.0)) {
        let value = prices[row].unwrap_or_default();
        return Err(
            AlphaError::BadValue { what: "price".into(), row: row + 1, value, allowed: "a price above 0" }.into()
        );
    }
    let mut bounds = vec![0];
    bounds.extend(starts.iter().copied().filter(|start| (1..prices.len()).contains(start)));
    bounds.push(prices.len());
    // The rows at which a return is known, and the return.
    let mut known = Vec::new();
    for session in bounds.windows(2) {
        known.extend((session[0] + return_rows..session[1]).step_by(return_rows).map(|row| {
            let return_of = prices[row].zip(prices[row - return_rows]).map(|(after, before)| (after / before).ln());
            (row, return_of)
        }));
    }
    let returns: Vec<Option<f64>> = known.iter().map(|(_, value)| *value).collect();
    let trained = known.partition_point(|(row, _)| *row < training_rows);
    let fit = fit(&returns[..trained], states)?;
    let filtered = fit.model.filtered(&returns)?;
    let mut probabilities = vec![vec![None; prices.len()]; states];
    for session in bounds.windows(2) {
        let first = known.partition_point(|(row, _)| *row < session[0]);
        let last = known.partition_point(|(row, _)| *row < session[1]);
        for at in first..last {
            let until = if at + 1 < last { known[at + 1].0 } else { session[1] };
            for (column, share) in probabilities.iter_mut().zip(&filtered[at]) {
                let given = known[at].0.max(training_rows)..until;
                column.get_mut(given).into_iter().flatten().for_each(|value| *value = Some(*share));
            }
        }
    }
    Ok(LiveRegime { fit, probabilities })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn prices(rows: usize) -> Vec<Option<f64>> {
        let mut random = SplitMix64::new(61);
        let mut level = 0.0;
        (0..rows)
            .map(|row| {
                level += if (row / 200) % 2 == 0 { 1e-4 } else { 1e-3 } * random.bell();
                (row % 53 != 9).then_some(100.0 * f64::exp(level))
            })
            .collect()
    }

    const REGIMES: Regimes = Regimes { return_rows: 4, states: 2, training_rows: 1_000 };

    #[test]
    fn the_wild_state_is_likely_where_the_price_is_wild_and_training_rows_have_none() {
        let found = live(&prices(2_400), &[], REGIMES).unwrap();
        let wild = &found.probabilities[1];
        assert!(wild[..1_000].iter().all(Option::is_none) && wild[1_000..].iter().all(Option::is_some));
        let right = (1_000..2_400).filter(|row| (wild[*row].unwrap_or(0.5) > 0.5) == ((row / 200) % 2 == 1)).count();
        assert!(right > 1_200, "{right}");
        for row in [1_000, 2_399] {
            let sum: f64 = found.probabilities.iter().filter_map(|column| column[row]).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn no_row_depends_on_later_ones_and_a_session_begins_anew() {
        let prices = prices(2_400);
        let all = live(&prices, &[1_502], REGIMES).unwrap();
        assert_eq!(all.probabilities[1][1_502..1_506], [None; 4]);
        assert!(all.probabilities[1][1_506].is_some() && all.probabilities[1][1_501].is_some());
        for rows in [1_001, 1_503, 2_000] {
            let part = live(&prices[..rows], &[1_502], REGIMES).unwrap();
            for (part, all) in part.probabilities.iter().zip(&all.probabilities) {
                assert_eq!(part[..], all[..rows]);
            }
        }
    }

    #[test]
    fn bad_input_is_named() {
        let prices = prices(100);
        let of = |regimes| live(&prices, &[], regimes).unwrap_err().to_string();
        assert!(of(Regimes { training_rows: 100, ..REGIMES }).contains("training rows = 100"));
        assert!(of(Regimes { return_rows: 0, training_rows: 50, ..REGIMES }).contains("rows a return"));
        assert!(of(Regimes { training_rows: 90, ..REGIMES }).contains("needed: 50"));
    }
}
