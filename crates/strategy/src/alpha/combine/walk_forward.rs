//! Folds one behind the other: fitted to what is known at the fold's first row, applied to the fold.
//!
//! Definition  the first share of the rows is for training alone; the rest is cut into folds of equal length. A fold's training rows are those of all signals
//!             whose return is known at its first row, t + h ≤ t(first): returns that reach into the fold are left out (purged). Means and deviations of
//!             signals are the training rows'
//! Source      Pardo, The Evaluation and Optimization of Trading Strategies (2008); purging: López de Prado, Advances in Financial Machine Learning (2018), 7.4

use super::super::{
    AlphaError,
    error::{enough_rows, finite_where_present, in_order, in_range, same_length},
    evaluation::ForwardReturns,
    moments::mean_and_squares,
};
use super::{inverse_variance, ridge};

/// Training rows that a fold takes at least, for each signal.
const TRAINING_ROWS_A_SIGNAL: usize = 10;

/// How weights are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Ridge regression with this penalty on weights of standardised signals.
    Ridge(f64),
    /// Each signal's own forecast by the inverse variance of its errors.
    InverseVariance,
}

/// What is for training and how often is fitted anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Share of the rows before the first fold, between 0 and 1.
    pub train_fraction: f64,
    /// Folds.
    pub folds: usize,
}

/// One fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// Its rows.
    pub rows: std::ops::Range<usize>,
    /// Rows that it was fitted to.
    pub training_rows: usize,
    /// Weights of the standardised signals, in the return's unit.
    pub weights: Vec<f64>,
}

/// A combined signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Combined {
    /// By row; none before the first fold and where a signal is not there.
    pub values: Vec<Option<f64>>,
    /// The folds.
    pub folds: Vec<Fold>,
}

/// Joins signals to one.
///
/// # Errors
///
/// No signal, columns of two lengths, times that step back, a share or a number of folds out of range, a fold with fewer than ten training rows a signal,
/// and for ridge a penalty that is not above 0.
pub fn walk_forward(
    times_ns: &[i64],
    signals: &[&[Option<f64>]],
    returns: &ForwardReturns,
    method: Method,
    split: Split,
) -> Result<Combined, AlphaError> {
    check(times_ns, signals, returns)?;
    let Split { train_fraction, folds } = split;
    let rows = times_ns.len();
    in_range("train fraction", train_fraction, train_fraction > 0.0 && train_fraction < 1.0, "between 0 and 1")?;
    in_range("folds", folds, folds >= 1, "1 or more")?;
    if let Method::Ridge(penalty) = method {
        in_range("ridge penalty", penalty, penalty > 0.0 && penalty.is_finite(), "a number above 0")?;
    }
    let first = (train_fraction * rows as f64).ceil() as usize;
    enough_rows("the part behind the training rows", rows.saturating_sub(first), folds)?;
    let mut combined = Combined { values: vec![None; rows], folds: Vec::with_capacity(folds) };
    for fold in 0..folds {
        let bound = |at: usize| first + at * (rows - first) / folds;
        let range = bound(fold)..bound(fold + 1);
        let known_by = times_ns[range.start];
        let training: Vec<usize> = (0..range.start)
            .filter(|row| {
                returns.known_ns[*row] <= known_by && returns.values[*row].is_some() && all_there(signals, *row)
            })
            .collect();
        enough_rows("a fold's training", training.len(), TRAINING_ROWS_A_SIGNAL * signals.len())?;
        let y: Vec<f64> = training.iter().filter_map(|row| returns.values[*row]).collect();
        let columns: Vec<Standardised> =
            signals.iter().map(|signal| Standardised::of(training.iter().filter_map(|row| signal[*row]))).collect();
        let weights = match method {
            Method::Ridge(penalty) => ridge::weights(&columns, &y, penalty),
            Method::InverseVariance => inverse_variance::weights(&columns, &y),
        };
        for row in range.clone() {
            let terms = signals.iter().zip(&columns).zip(&weights);
            let sum = terms.map(|((signal, column), weight)| Some(weight * column.score(signal[row]?)));
            combined.values[row] = sum.sum();
        }
        combined.folds.push(Fold { rows: range, training_rows: training.len(), weights });
    }
    Ok(combined)
}

/// That columns fit each other.
pub(super) fn check(times_ns: &[i64], signals: &[&[Option<f64>]], returns: &ForwardReturns) -> Result<(), AlphaError> {
    in_order(times_ns)?;
    in_range("signals", signals.len(), !signals.is_empty(), "1 or more")?;
    for (at, signal) in signals.iter().enumerate() {
        same_length(&format!("signal {}", at + 1), times_ns.len(), signal.len())?;
        finite_where_present(&format!("signal {}", at + 1), signal)?;
    }
    same_length("the return", times_ns.len(), returns.values.len())
}

/// Whether every signal has a value.
pub(super) fn all_there(signals: &[&[Option<f64>]], row: usize) -> bool {
    signals.iter().all(|signal| signal[row].is_some())
}

/// A signal of training rows, with mean 0 and variance 1.
pub(super) struct Standardised {
    /// Its scores.
    pub scores: Vec<f64>,
    mean: f64,
    /// 0 where the signal did not vary in training: then it has no score but 0, and no weight.
    inverse_deviation: f64,
}

impl Standardised {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let (count, mean, squares) = mean_and_squares(values.iter().copied());
        let deviation = (squares / count as f64).sqrt();
        let inverse_deviation = if deviation > 1e-12 * mean.abs() { 1.0 / deviation } else { 0.0 };
        let scores = values.iter().map(|value| (value - mean) * inverse_deviation).collect();
        Self { scores, mean, inverse_deviation }
    }

    fn score(&self, value: f64) -> f64 {
        (value - self.mean) * self.inverse_deviation
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::{
        evaluation::{Prices, forward_returns, information_coefficient},
        least_squares::regress,
    };
    use super::*;
    use crate::random::SplitMix64;

    /// A walk, two signals that tell of its next step (the second less), and one that does not.
    pub struct World {
        pub times: Vec<i64>,
        pub signals: Vec<Vec<Option<f64>>>,
        pub prices: Vec<Option<f64>>,
    }

    pub fn world(rows: usize) -> World {
        let mut random = SplitMix64::new(41);
        let mut level = 0.0;
        let mut world = World { times: (0..rows as i64).collect(), signals: vec![Vec::new(); 3], prices: Vec::new() };
        for row in 0..rows {
            world.prices.push(Some(f64::exp(1e-4 * level)));
            let [a, b, c] = [random.bell(), random.bell(), random.bell()];
            for (column, value) in world.signals.iter_mut().zip([5.0 + 3.0 * a, b, c]) {
                column.push((row % 97 != 13).then_some(value));
            }
            level += 0.3 * a + 0.15 * b + random.bell();
        }
        world
    }

    fn joined(world: &World, rows: usize, method: Method, split: Split) -> (Combined, ForwardReturns) {
        let prices = Prices::new(&world.times[..rows], &world.prices[..rows], 1_000).unwrap();
        let returns = forward_returns(&prices, 0, 3).unwrap();
        let signals: Vec<&[Option<f64>]> = world.signals.iter().map(|signal| &signal[..rows]).collect();
        (walk_forward(&world.times[..rows], &signals, &returns, method, split).unwrap(), returns)
    }

    const SPLIT: Split = Split { train_fraction: 0.5, folds: 4 };

    #[test]
    fn the_sum_tells_more_than_each_part_and_noise_has_little_weight() {
        let world = world(6_000);
        for method in [Method::Ridge(0.1), Method::InverseVariance] {
            let (combined, returns) = joined(&world, 6_000, method, SPLIT);
            let told = |signal: &[Option<f64>]| {
                let behind: Vec<Option<f64>> =
                    signal.iter().enumerate().map(|(row, value)| value.filter(|_| row >= 3_000)).collect();
                information_coefficient(&world.times, &behind, &returns).unwrap().pearson.value
            };
            let together = told(&combined.values);
            assert!(world.signals.iter().all(|signal| told(signal) < together), "{method:?}");
            for fold in &combined.folds {
                assert!(fold.weights[2].abs() < 0.3 * fold.weights[0], "{fold:?}");
            }
            assert_eq!(combined.values.iter().position(Option::is_some), Some(3_000));
        }
    }

    #[test]
    fn a_small_penalty_is_least_squares_on_the_rows_that_are_known() {
        let world = world(2_000);
        let (combined, returns) = joined(&world, 2_000, Method::Ridge(1e-12), Split { train_fraction: 0.5, folds: 1 });
        let fold = &combined.folds[0];
        // Returns of 997 on are not known at row 1,000; every 97th row has no signal.
        let training: Vec<usize> = (0..998).filter(|row| row % 97 != 13).collect();
        assert_eq!(fold.training_rows, training.len());
        let column = |signal: &[Option<f64>]| training.iter().filter_map(|row| signal[*row]).collect::<Vec<f64>>();
        let [one, y] = [vec![1.0; training.len()], column(&returns.values)];
        let signals: Vec<Vec<f64>> = world.signals.iter().map(|signal| column(signal)).collect();
        let plain = regress("it", &y, &[&one, &signals[0], &signals[1], &signals[2]]).unwrap();
        for (at, signal) in signals.iter().enumerate() {
            let (count, _, squares) = mean_and_squares(signal.iter().copied());
            let expected = plain.coefficients[at + 1] * (squares / count as f64).sqrt();
            assert!((fold.weights[at] - expected).abs() < 1e-10, "{at}: {} {expected}", fold.weights[at]);
        }
    }

    #[test]
    fn no_value_depends_on_later_rows() {
        let world = world(2_000);
        for method in [Method::Ridge(0.1), Method::InverseVariance] {
            // The same folds, of which the last end early: shares that give the same bounds.
            let (all, _) = joined(&world, 2_000, method, SPLIT);
            let (part, _) = joined(&world, 1_500, method, Split { train_fraction: 1_000.0 / 1_500.0, folds: 2 });
            assert_eq!(part.values[..], all.values[..1_500]);
        }
    }

    #[test]
    fn bad_input_is_named() {
        let world = world(300);
        let prices = Prices::new(&world.times, &world.prices, 1_000).unwrap();
        let returns = forward_returns(&prices, 0, 3).unwrap();
        let of = |signals: &[&[Option<f64>]], split| {
            walk_forward(&world.times, signals, &returns, Method::Ridge(0.1), split).unwrap_err()
        };
        let one: &[Option<f64>] = &world.signals[0];
        assert!(matches!(of(&[], SPLIT), AlphaError::BadParameter { name: "signals", .. }));
        assert!(matches!(of(&[&one[..9]], SPLIT), AlphaError::Length { .. }));
        assert!(matches!(of(&[one], Split { folds: 0, ..SPLIT }), AlphaError::BadParameter { name: "folds", .. }));
        assert!(matches!(of(&[one], Split { train_fraction: 0.01, folds: 1 }), AlphaError::TooFewRows { .. }));
        let zero = walk_forward(&world.times, &[one], &returns, Method::Ridge(0.0), SPLIT).unwrap_err();
        assert!(matches!(zero, AlphaError::BadParameter { name: "ridge penalty", .. }));
    }
}
