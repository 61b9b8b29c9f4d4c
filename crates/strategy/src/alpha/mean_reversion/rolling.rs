//! The score of a series against the Ornstein–Uhlenbeck process of the rows behind it.
//!
//! Definition  at row n: the process is fitted to the last `window` rows, n among them, and z is row n's score in it
//! None where  the window is not full or reaches over a silence, the row is not there, or its rows do not return to a level: counted by outcome
//! Sign        above 0 where the series is above its level; as a signal of where it goes it points down, so the signal is −z

use super::super::{AlphaError, error::in_range};
use super::ornstein_uhlenbeck::{Fitted, PAIRS_MIN, fit};

/// Scores by row, and how many rows have none and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RollingScores {
    /// By row.
    pub z_scores: Vec<Option<f64>>,
    /// Rows whose window is not full, has too few values, or does not vary.
    pub too_little: usize,
    /// Rows whose window does not return to a level.
    pub not_mean_reverting: usize,
    /// Rows whose window swings.
    pub oscillating: usize,
}

/// Scores of a series at a steady pace; `starts` are the rows behind a silence, over which no window reaches.
///
/// # Errors
///
/// A window of fewer than eleven rows, and as of [`fit`] where a value is not finite.
pub fn rolling_z_scores(
    values: &[Option<f64>],
    starts: &[usize],
    step_seconds: f64,
    window: usize,
) -> Result<RollingScores, AlphaError> {
    in_range("window", window, window > PAIRS_MIN, "11 rows or more")?;
    let mut scores = RollingScores {
        z_scores: Vec::with_capacity(values.len()),
        too_little: 0,
        not_mean_reverting: 0,
        oscillating: 0,
    };
    let (mut begin, mut next) = (0, starts.iter().copied().peekable());
    for (row, value) in values.iter().enumerate() {
        while let Some(start) = next.next_if(|start| *start <= row) {
            begin = start;
        }
        let fitted = if row + 1 < begin + window {
            Err(AlphaError::TooFewRows { what: "a window".into(), found: row + 1 - begin, needed: window })
        } else {
            fit(&values[row + 1 - window..=row], step_seconds)
        };
        let (score, counted) = match (fitted, value) {
            (Err(error @ (AlphaError::BadValue { .. } | AlphaError::BadParameter { .. })), _) => return Err(error),
            (Ok(Fitted::MeanReverting(process)), Some(value)) => (Some(process.z_score(*value)), None),
            (Ok(Fitted::NotMeanReverting(..)), Some(_)) => (None, Some(&mut scores.not_mean_reverting)),
            (Ok(Fitted::Oscillating(..)), Some(_)) => (None, Some(&mut scores.oscillating)),
            (Err(_), _) | (Ok(_), None) => (None, Some(&mut scores.too_little)),
        };
        if let Some(count) = counted {
            *count += 1;
        }
        scores.z_scores.push(score);
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn walk(rows: usize) -> Vec<Option<f64>> {
        let mut random = SplitMix64::new(8);
        let mut value = 0.0;
        (0..rows)
            .map(|row| {
                value = 0.9 * value + random.bell();
                (row % 37 != 5).then_some(50.0 + value)
            })
            .collect()
    }

    #[test]
    fn each_row_is_the_fit_of_its_window_and_no_later_row_counts() {
        let values = walk(300);
        let all = rolling_z_scores(&values, &[], 1.0, 60).unwrap();
        for row in [59, 130, 299] {
            let expected = match fit(&values[row - 59..=row], 1.0).unwrap() {
                Fitted::MeanReverting(process) => values[row].map(|value| process.z_score(value)),
                _ => None,
            };
            assert_eq!(all.z_scores[row], expected);
        }
        for rows in [60, 150, 299] {
            let prefix = rolling_z_scores(&values[..rows], &[], 1.0, 60).unwrap();
            assert_eq!(prefix.z_scores[..], all.z_scores[..rows]);
        }
        let there = all.z_scores.iter().flatten().count();
        assert_eq!(there + all.too_little + all.not_mean_reverting + all.oscillating, 300);
        assert!(there > 150);
    }

    #[test]
    fn no_window_reaches_over_a_silence_and_short_ones_are_refused() {
        let values = walk(200);
        let scores = rolling_z_scores(&values, &[100], 1.0, 50).unwrap();
        assert!(scores.z_scores[100..149].iter().all(Option::is_none));
        assert!(scores.z_scores[149..].iter().any(Option::is_some));
        assert!(matches!(
            rolling_z_scores(&values, &[], 1.0, 10),
            Err(AlphaError::BadParameter { name: "window", .. })
        ));
    }
}
