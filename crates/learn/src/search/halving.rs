//! Giving up early what others leave behind: asynchronous successive halving.
//!
//! Source     Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, "A system for massively parallel hyperparameter
//! tuning" (2020), algorithm 2, in the form that stops instead of pausing

use zomma_storage::studies::{Direction, Trial};

/// The rungs: at `first_step · reduction^r` a trial goes on only if it is in the best `1/reduction` of those that came as far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessiveHalving {
    /// The step of the first rung, from 1.
    pub first_step: i64,
    /// How many come to a rung for one that goes on, from 2.
    pub reduction: u32,
}

impl SuccessiveHalving {
    /// Whether the trial of this number should stop, after what it reported last.
    ///
    /// It is judged at each rung that its last report reached and the one before did not. NaN is worse than any number. The first few at a
    /// rung, less than `reduction`, go on only where they are the best so far.
    pub fn stops(&self, direction: Direction, trials: &[Trial], number: i64) -> bool {
        let Some(own) = trials.iter().find(|trial| trial.number == number) else { return false };
        let mut steps = own.reported.keys().rev();
        let Some(&last) = steps.next() else { return false };
        let before = steps.next().copied().unwrap_or(i64::MIN);
        self.rungs().take_while(|&rung| rung <= last).filter(|&rung| before < rung).any(|rung| {
            let Some(value) = at_rung(own, rung) else { return false };
            let mut values: Vec<f64> = trials.iter().filter_map(|trial| at_rung(trial, rung)).collect();
            values.sort_by(|a, b| worth(direction, *a).total_cmp(&worth(direction, *b)));
            let kept = (values.len() / self.reduction.max(2) as usize).max(1);
            value.is_nan() || worth(direction, value) > worth(direction, values[kept - 1])
        })
    }

    fn rungs(&self) -> impl Iterator<Item = i64> {
        let reduction = i64::from(self.reduction.max(2));
        std::iter::successors(Some(self.first_step.max(1)), move |rung| rung.checked_mul(reduction))
    }
}

/// What a trial reported first at the rung or after it.
fn at_rung(trial: &Trial, rung: i64) -> Option<f64> {
    trial.reported.range(rung..).next().map(|(_, value)| *value)
}

/// Smaller is better, NaN the worst.
fn worth(direction: Direction, value: f64) -> f64 {
    match direction {
        _ if value.is_nan() => f64::INFINITY,
        Direction::Minimize => value,
        Direction::Maximize => -value,
    }
}

#[cfg(test)]
mod tests {
    use zomma_storage::studies::{TrialId, TrialState};

    use super::*;

    const HALVING: SuccessiveHalving = SuccessiveHalving { first_step: 2, reduction: 3 };

    fn trial(number: i64, reported: &[(i64, f64)]) -> Trial {
        Trial {
            id: TrialId(number),
            number,
            state: TrialState::Running,
            parameters: Vec::new(),
            value: None,
            reported: reported.iter().copied().collect(),
            begun: None,
            ended: None,
        }
    }

    #[test]
    fn the_best_third_of_a_rung_goes_on() {
        let trials: Vec<_> = (0..9).map(|number| trial(number, &[(1, 9.0), (2, number as f64)])).collect();
        let stopped: Vec<_> = (0..9).filter(|&number| HALVING.stops(Direction::Minimize, &trials, number)).collect();
        assert_eq!(stopped, [3, 4, 5, 6, 7, 8]);
        let stopped: Vec<_> = (0..9).filter(|&number| HALVING.stops(Direction::Maximize, &trials, number)).collect();
        assert_eq!(stopped, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn between_rungs_nobody_stops() {
        let trials = vec![trial(0, &[(2, 0.0), (3, 0.0)]), trial(1, &[(2, 1.0), (3, 9.0)]), trial(2, &[(1, 9.0)])];
        assert!(!HALVING.stops(Direction::Minimize, &trials, 1), "judged at step 2 already");
        assert!(!HALVING.stops(Direction::Minimize, &trials, 2), "not at a rung yet");
        assert!(!HALVING.stops(Direction::Minimize, &trials, 7), "no such trial");
    }

    #[test]
    fn a_report_that_skips_a_rung_is_judged_there() {
        let trials = vec![trial(0, &[(1, 5.0), (2, 1.0), (7, 0.5)]), trial(1, &[(1, 5.0), (7, 0.7)])];
        assert!(HALVING.stops(Direction::Minimize, &trials, 1), "0.7 at rung 6 is behind 0.5");
        assert!(!HALVING.stops(Direction::Minimize, &trials, 0));
    }

    #[test]
    fn what_is_no_number_stops() {
        let trials = vec![trial(0, &[(2, f64::NAN)])];
        assert!(HALVING.stops(Direction::Minimize, &trials, 0));
        assert!(HALVING.stops(Direction::Maximize, &trials, 0));
    }
}
