//! Weights that learn row by row: exponentiated gradient with weights of both signs.
//!
//! Definition  forecast ŷ = Σ (w⁺ᵢ − w⁻ᵢ) zᵢ of the standardised return. When the return of a row is known, w±ᵢ ← w±ᵢ exp(∓ηₜ (ŷ − y) zᵢ), scaled to the sum 1, with
//!             ηₜ = η / √t at the t-th of them. Signals and returns are standardised by what was known at their time and cut at ±5
//! Given       a row's forecast uses returns that are known at its time alone; out of it comes ŷ times the deviation of the returns so far
//! Source      Kivinen and Warmuth, "Exponentiated gradient versus gradient descent for linear predictors", Information and Computation 132 (1997), EG±

use std::collections::VecDeque;

use super::super::{AlphaError, error::in_range, evaluation::ForwardReturns, moments::RunningMoments};
use super::walk_forward::{Combined, Fold, all_there, check};

/// Rows with all signals, and known returns, before the first forecast.
const WARM_UP_ROWS: u64 = 30;
/// Scores are cut at this.
const SCORE_MAX: f64 = 5.0;

/// How fast it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnlineGradient {
    /// η.
    pub learning_rate: f64,
}

impl Default for OnlineGradient {
    fn default() -> Self {
        Self { learning_rate: 0.1 }
    }
}

/// Joins signals to one, learning on the way; the one fold holds the last weights.
///
/// # Errors
///
/// No signal, columns of two lengths, times that step back, and a rate that is not above 0.
pub fn online(
    times_ns: &[i64],
    signals: &[&[Option<f64>]],
    returns: &ForwardReturns,
    OnlineGradient { learning_rate }: OnlineGradient,
) -> Result<Combined, AlphaError> {
    check(times_ns, signals, returns)?;
    in_range("learning rate", learning_rate, learning_rate > 0.0 && learning_rate.is_finite(), "a number above 0")?;
    let width = signals.len();
    let mut weights = [vec![0.5 / width as f64; width], vec![0.5 / width as f64; width]];
    let mut moments = vec![RunningMoments::default(); width];
    let mut of_return = RunningMoments::default();
    let mut pending: VecDeque<(usize, Vec<f64>)> = VecDeque::new();
    let (mut learnt, mut values) = (0_u64, Vec::with_capacity(times_ns.len()));
    for row in 0..times_ns.len() {
        let is_known = |(known, _): &(usize, Vec<f64>)| returns.known_ns[*known] <= times_ns[row];
        while pending.front().is_some_and(is_known) {
            let Some((known, scores)) = pending.pop_front() else { break };
            let Some(value) = returns.values[known] else { continue };
            of_return.add(value);
            let Some(target) = of_return.score(value).filter(|_| of_return.count() > WARM_UP_ROWS) else { continue };
            learnt += 1;
            let rate = learning_rate / (learnt as f64).sqrt();
            let error = forecast(&weights, &scores) - target.clamp(-SCORE_MAX, SCORE_MAX);
            for (sign, side) in [-1.0, 1.0].into_iter().zip(&mut weights) {
                side.iter_mut()
                    .zip(&scores)
                    .for_each(|(weight, score)| *weight *= f64::exp(sign * rate * error * score));
            }
            let total: f64 = weights.iter().flatten().sum();
            weights.iter_mut().flatten().for_each(|weight| *weight /= total);
        }
        let mut value = None;
        if all_there(signals, row) {
            let scores = signals.iter().zip(&mut moments).filter_map(|(signal, moments)| {
                let value = signal[row]?;
                moments.add(value);
                // What has not varied yet tells nothing.
                Some(moments.score(value).unwrap_or(0.0).clamp(-SCORE_MAX, SCORE_MAX))
            });
            let scores: Vec<f64> = scores.collect();
            value = (learnt > 0).then(|| forecast(&weights, &scores) * of_return.deviation());
            if moments[0].count() >= WARM_UP_ROWS {
                pending.push_back((row, scores));
            }
        }
        values.push(value);
    }
    let fold = Fold {
        rows: 0..times_ns.len(),
        training_rows: usize::try_from(learnt).unwrap_or(usize::MAX),
        weights: (0..width).map(|at| (weights[0][at] - weights[1][at]) * of_return.deviation()).collect(),
    };
    Ok(Combined { values, folds: vec![fold] })
}

fn forecast(weights: &[Vec<f64>; 2], scores: &[f64]) -> f64 {
    scores.iter().enumerate().map(|(at, score)| (weights[0][at] - weights[1][at]) * score).sum()
}

#[cfg(test)]
mod tests {
    use super::super::super::evaluation::{Prices, forward_returns, information_coefficient};
    use super::super::walk_forward::tests::world;
    use super::*;

    #[test]
    fn it_learns_which_signal_tells_and_no_row_depends_on_later_ones() {
        let world = world(6_000);
        let given = |rows: usize| {
            let prices = Prices::new(&world.times[..rows], &world.prices[..rows], 1_000).unwrap();
            let returns = forward_returns(&prices, 0, 3).unwrap();
            let signals: Vec<&[Option<f64>]> = world.signals.iter().map(|signal| &signal[..rows]).collect();
            (online(&world.times[..rows], &signals, &returns, OnlineGradient::default()).unwrap(), returns)
        };
        let (all, returns) = given(6_000);
        let told =
            |signal: &[Option<f64>]| information_coefficient(&world.times, signal, &returns).unwrap().pearson.value;
        let together = told(&all.values);
        assert!(together > told(&world.signals[1]) && together > 3.0 * told(&world.signals[2]).abs(), "{together}");
        let weights = &all.folds[0].weights;
        assert!(weights[0] > weights[1] && weights[1] > weights[2].abs(), "{weights:?}");
        for rows in [100, 1_111, 4_000] {
            assert_eq!(given(rows).0.values[..], all.values[..rows]);
        }
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        let world = world(100);
        let prices = Prices::new(&world.times, &world.prices, 1_000).unwrap();
        let returns = forward_returns(&prices, 0, 3).unwrap();
        let found = online(&world.times, &[&world.signals[0]], &returns, OnlineGradient { learning_rate: 0.0 });
        assert!(matches!(found, Err(AlphaError::BadParameter { name: "learning rate", .. })));
    }
}
