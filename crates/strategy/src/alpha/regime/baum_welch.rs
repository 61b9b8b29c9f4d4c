//! Baum and Welch's algorithm: the model that makes the rows the likeliest, from a start without chance.
//!
//! Start       twice, and the better end counts: rows in equal groups by their distance from the median (regimes of variance), and by value (regimes of
//!             mean); each state stays with 0.9
//! End         the log likelihood gains less than 1e-9 of itself, or 1,000 rounds
//! Degenerate  a state whose variance falls below 1e-8 of all rows', or that holds fewer than five rows in expectation
//! Source      Baum, Petrie, Soules and Weiss, Annals of Mathematical Statistics 41 (1970); Rabiner (1989), equations 40 and 52 to 54

use super::super::{
    error::{enough_rows, finite_where_present, in_range},
    moments::mean_and_squares,
};
use super::{HiddenMarkov, RegimeError, filter::Forward};

const ROUNDS_MAX: usize = 1_000;
const GAIN_MIN: f64 = 1e-9;
const STAY: f64 = 0.9;
const VARIANCE_SHARE_MIN: f64 = 1e-8;
const STATE_ROWS_MIN: f64 = 5.0;
/// Rows with a value that each state takes at least.
const ROWS_A_STATE: usize = 25;

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The model, states by variance.
    pub model: HiddenMarkov,
    /// ln P(rows) under it.
    pub log_likelihood: f64,
    /// Rounds that it took.
    pub rounds: usize,
    /// Whether the likelihood had come to rest.
    pub converged: bool,
}

/// Fits a model of 2 to 4 states.
///
/// # Errors
///
/// Fewer than 25 rows with a value a state, values that are not finite or do not vary, another number of states, and a degenerate state from both starts.
pub fn fit(values: &[Option<f64>], states: usize) -> Result<Fit, RegimeError> {
    in_range("states", states, (2..=4).contains(&states), "2, 3 or 4")?;
    finite_where_present("the series", values)?;
    let there: Vec<f64> = values.iter().flatten().copied().collect();
    enough_rows("a regime model", there.len(), ROWS_A_STATE * states)?;
    let (count, mean, squares) = mean_and_squares(there.iter().copied());
    let overall = squares / count as f64;
    if overall.sqrt() <= 1e-12 * mean.abs() || overall == 0.0 {
        return Err(super::AlphaError::Constant { what: "the series".into() }.into());
    }
    let mut sorted = there.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[count / 2];
    let mut by_distance = there;
    by_distance.sort_by(|a, b| (a - median).abs().total_cmp(&(b - median).abs()));
    let ends = [by_distance, sorted].map(|groups| climb(start(&groups, states, overall), values, overall));
    match ends {
        [Ok(a), Ok(b)] => Ok(if b.log_likelihood > a.log_likelihood { b } else { a }),
        [Ok(fit), Err(_)] | [Err(_), Ok(fit)] => Ok(fit),
        [Err(error), Err(_)] => Err(error),
    }
}

/// A model of equal groups of rows.
fn start(rows: &[f64], states: usize, overall: f64) -> HiddenMarkov {
    let bounds: Vec<usize> = (0..=states).map(|group| group * rows.len() / states).collect();
    let moments = bounds.windows(2).map(|bound| mean_and_squares(rows[bound[0]..bound[1]].iter().copied()));
    // A group of one value that repeats may not start as degenerate: it can still grow.
    let of_group = |(count, mean, squares): (usize, f64, f64)| (mean, (squares / count as f64).max(1e-4 * overall));
    let (means, variances) = moments.map(of_group).unzip();
    let leave = (1.0 - STAY) / (states - 1) as f64;
    let row = |from: usize| (0..states).map(|to| if from == to { STAY } else { leave }).collect();
    HiddenMarkov {
        initial: vec![1.0 / states as f64; states],
        transition: (0..states).map(row).collect(),
        means,
        variances,
    }
}

fn climb(mut model: HiddenMarkov, values: &[Option<f64>], overall: f64) -> Result<Fit, RegimeError> {
    let mut forward = model.forward(values);
    let mut rounds = 0;
    loop {
        rounds += 1;
        let before = forward.log_likelihood;
        let held = improve(&mut model, values, &forward);
        refuse_degenerate(&model, &held, overall)?;
        forward = model.forward(values);
        let log_likelihood = forward.log_likelihood;
        let converged = log_likelihood - before <= GAIN_MIN * (1.0 + before.abs());
        if converged || rounds == ROUNDS_MAX {
            return Ok(Fit { model: by_variance(&model), log_likelihood, rounds, converged });
        }
    }
}

/// One round; the expected rows of each state.
fn improve(model: &mut HiddenMarkov, values: &[Option<f64>], forward: &Forward) -> Vec<f64> {
    let states = model.states();
    let rows = values.len();
    // ahead[k]: P(rows behind | state k) over the scales.
    let mut ahead = vec![1.0; states];
    let mut moves = vec![vec![0.0; states]; states];
    let mut smoothed = vec![Vec::new(); rows];
    for row in (0..rows).rev() {
        let shares: Vec<f64> = forward.filtered[row].iter().zip(&ahead).map(|(share, ahead)| share * ahead).collect();
        let total: f64 = shares.iter().sum();
        smoothed[row] = shares.iter().map(|share| share / total).collect();
        if row == 0 {
            break;
        }
        let onward: Vec<f64> = forward.scaled_densities[row]
            .iter()
            .zip(&ahead)
            .map(|(density, ahead)| density * ahead / forward.scales[row])
            .collect();
        for (from, counts) in moves.iter_mut().enumerate() {
            for (to, count) in counts.iter_mut().enumerate() {
                *count += forward.filtered[row - 1][from] * model.transition[from][to] * onward[to];
            }
        }
        ahead = model.transition.iter().map(|row| row.iter().zip(&onward).map(|(a, b)| a * b).sum()).collect();
    }
    let mut held = vec![0.0; states];
    for state in 0..states {
        let seen = || values.iter().zip(&smoothed).filter_map(|(value, shares)| Some(((*value)?, shares[state])));
        held[state] = seen().map(|(_, share)| share).sum();
        let mean = seen().map(|(value, share)| value * share).sum::<f64>() / held[state];
        model.means[state] = mean;
        model.variances[state] =
            seen().map(|(value, share)| share * (value - mean) * (value - mean)).sum::<f64>() / held[state];
        let left: f64 = moves[state].iter().sum();
        if left > 0.0 {
            model.transition[state] = moves[state].iter().map(|count| count / left).collect();
        }
    }
    model.initial.clone_from(&smoothed[0]);
    held
}

fn refuse_degenerate(model: &HiddenMarkov, held: &[f64], overall: f64) -> Result<(), RegimeError> {
    let states = model.states();
    let sound =
        |state: &usize| model.variances[*state] >= VARIANCE_SHARE_MIN * overall && held[*state] >= STATE_ROWS_MIN;
    match (0..states).find(|state| !sound(state)) {
        None => Ok(()),
        Some(state) => {
            let variance = model.variances[state];
            let calmer = model.variances.iter().filter(|other| **other < variance).count();
            Err(RegimeError::DegenerateState { state: calmer + 1, states, variance, overall, rows: held[state] })
        }
    }
}

/// The same model, states numbered by variance.
fn by_variance(model: &HiddenMarkov) -> HiddenMarkov {
    let mut order: Vec<usize> = (0..model.states()).collect();
    order.sort_by(|a, b| model.variances[*a].total_cmp(&model.variances[*b]));
    let pick = |of: &[f64]| -> Vec<f64> { order.iter().map(|state| of[*state]).collect() };
    HiddenMarkov {
        initial: pick(&model.initial),
        transition: order.iter().map(|state| pick(&model.transition[*state])).collect(),
        means: pick(&model.means),
        variances: pick(&model.variances),
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::model;
    use super::*;
    use crate::random::SplitMix64;

    /// `regimes` of golden/alpha.py: calm and wild stretches of fifty rows in turn.
    fn stretches(rows: usize) -> Vec<Option<f64>> {
        let mut random = SplitMix64::new(23);
        let calm = |row: usize| (row / 50).is_multiple_of(2);
        (0..rows)
            .map(|row| Some(if calm(row) { 0.2 + 0.5 * random.bell() } else { -0.1 + 2.0 * random.bell() }))
            .collect()
    }

    #[test]
    fn as_hmmlearn_has_it() {
        // golden/alpha.py: GaussianHMM of hmmlearn 0.3.3, its parameters set, then fitted.
        let values = stretches(300);
        let set = model();
        assert!((set.log_likelihood(&values).unwrap() + 440.8285892825569).abs() < 1e-9);
        assert_eq!(set.likeliest_path(&values).unwrap().iter().sum::<usize>(), 141);
        assert!((set.filtered(&values).unwrap()[299][1] - 0.9060094356797945).abs() < 1e-9);
        let found = fit(&values, 2).unwrap();
        assert!(found.converged, "{found:?}");
        assert!((found.log_likelihood + 436.2907026561632).abs() < 1e-4, "{found:?}");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 2e-3 * (1.0 + b.abs()), "{a} {b}");
        near(found.model.variances[0], 0.2740402276723358);
        near(found.model.variances[1], 3.4663955666394397);
        near(found.model.transition[0][0], 0.9726064332920494);
        near(found.model.stay_rows(1), 1.0 / (1.0 - 0.9765362997836348));
    }

    #[test]
    fn the_filter_tells_stretches_apart_and_the_same_rows_give_the_same_model() {
        let values = stretches(1_000);
        let found = fit(&values, 2).unwrap();
        assert_eq!(found, fit(&values, 2).unwrap());
        let filtered = found.model.filtered(&values).unwrap();
        let right = filtered.iter().enumerate().filter(|(row, shares)| (shares[1] > 0.5) == ((row / 50) % 2 == 1));
        assert!(right.count() > 930);
        // Rows that are missing cost little.
        let holes: Vec<Option<f64>> =
            values.iter().enumerate().map(|(row, value)| value.filter(|_| row % 9 != 4)).collect();
        let with_holes = fit(&holes, 2).unwrap();
        assert!((with_holes.model.variances[1] / found.model.variances[1] - 1.0).abs() < 0.1);
    }

    #[test]
    fn regimes_of_mean_are_found_too() {
        let mut random = SplitMix64::new(77);
        let values: Vec<Option<f64>> =
            (0..900).map(|row| Some([-4.0, 0.0, 4.0][(row / 30) % 3] + random.bell())).collect();
        let found = fit(&values, 3).unwrap();
        let mut means = found.model.means.clone();
        means.sort_by(f64::total_cmp);
        assert!(means.iter().zip([-4.0, 0.0, 4.0]).all(|(found, truth)| (found - truth).abs() < 0.4), "{means:?}");
        assert!(found.model.variances.is_sorted());
    }

    #[test]
    fn degenerate_states_and_bad_input_are_refused_by_name() {
        // Two thirds of the rows are exactly 0, as returns of a price in ticks are.
        let mut random = SplitMix64::new(5);
        let ticks: Vec<Option<f64>> =
            (0..300).map(|row| Some(if row % 3 == 0 { random.bell() } else { 0.0 })).collect();
        let error = fit(&ticks, 2).unwrap_err();
        assert!(matches!(error, RegimeError::DegenerateState { state: 1, states: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("fewer states"), "{error}");
        assert!(matches!(fit(&ticks, 5), Err(RegimeError::Input(super::super::AlphaError::BadParameter { .. }))));
        assert!(matches!(
            fit(&ticks[..49], 2),
            Err(RegimeError::Input(super::super::AlphaError::TooFewRows { found: 49, needed: 50, .. }))
        ));
        assert!(matches!(fit(&[Some(2.0); 80], 2), Err(RegimeError::Input(super::super::AlphaError::Constant { .. }))));
    }
}
