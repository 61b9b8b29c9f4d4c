//! Watches a run for what makes it worthless: gradients that are no numbers or nothing, and losses that do not come down.

use serde::{Deserialize, Serialize};

/// Share of the running loss that a step keeps.
const KEPT: f64 = 0.98;
/// A running loss stands high where it is this many times above the first, and for long after [`HIGH_STEPS`] steps. It may be the first that
/// is out of the way: of few rows, or of rows some of which are rare, losses scatter.
const HIGH: f64 = 2.0;
const HIGH_STEPS: u64 = 300;

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Steps skipped because the loss or the gradient was no number. What a loss scale does to a gradient is not counted here.
    pub skipped: u64,
    skipped_in_a_row: u64,
    nothing_in_a_row: u64,
    first: Option<f64>,
    running: f64,
    high_in_a_row: u64,
}

impl Guard {
    /// Takes note of a step's loss and the norm of its gradient. Whether the step may be taken; or why training must end.
    pub fn allows(&mut self, loss: f64, norm: f64, most_skipped: u64) -> Result<bool, String> {
        if !(loss.is_finite() && norm.is_finite()) {
            self.skipped += 1;
            self.skipped_in_a_row += 1;
            if self.skipped_in_a_row < most_skipped {
                return Ok(false);
            }
            let what = if loss.is_finite() { "gradient" } else { "loss" };
            return Err(format!(
                "the {what} was no number for {} steps in a row: try a lower training.learning_rate, a longer \
                 training.warm_up, or training.clip_norm",
                self.skipped_in_a_row
            ));
        }
        self.skipped_in_a_row = 0;
        self.nothing_in_a_row = if norm == 0.0 { self.nothing_in_a_row + 1 } else { 0 };
        if self.nothing_in_a_row >= most_skipped {
            return Err(format!(
                "the gradient was 0 for {} steps in a row: every row is saturated and nothing is learned any more, which a \
                 learning rate that diverges does; try a tenth of training.learning_rate or training.clip_norm",
                self.nothing_in_a_row
            ));
        }
        self.first.get_or_insert(loss);
        self.running = if self.running == 0.0 { loss } else { KEPT * self.running + (1.0 - KEPT) * loss };
        self.high_in_a_row = if self.is_high() { self.high_in_a_row + 1 } else { 0 };
        Ok(true)
    }

    fn is_high(&self) -> bool {
        self.first.is_some_and(|first| self.running > HIGH * first)
    }

    /// What a loss that stands high for long is a sign of; the count begins anew.
    pub fn high_for_long(&mut self) -> Option<String> {
        if self.high_in_a_row < HIGH_STEPS {
            return None;
        }
        self.high_in_a_row = 0;
        self.high()
    }

    /// What a loss that stands high is a sign of.
    pub fn high(&self) -> Option<String> {
        let first = self.first.filter(|_| self.is_high())?;
        Some(format!(
            "the loss is {:.3e} and was {first:.3e} before the first step, and the held-out rows are told no better than by the untrained \
             network: the learning rate diverges; try a tenth of training.learning_rate, a longer training.warm_up, or training.clip_norm",
            self.running
        ))
    }

    /// The loss, averaged over some fifty steps.
    pub fn running_loss(&self) -> f64 {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_bad_steps_are_skipped_and_many_in_a_row_end_it() {
        let mut guard = Guard::default();
        assert_eq!(guard.allows(1.0, 1.0, 3), Ok(true));
        assert_eq!(guard.allows(f64::NAN, 1.0, 3), Ok(false));
        assert_eq!(guard.allows(1.0, f64::INFINITY, 3), Ok(false));
        assert_eq!(guard.allows(1.0, 1.0, 3), Ok(true));
        assert_eq!((0..2).map(|_| guard.allows(1.0, f64::NAN, 3)).collect::<Vec<_>>(), [Ok(false), Ok(false)]);
        assert!(guard.allows(1.0, f64::NAN, 3).unwrap_err().contains("the gradient was no number for 3 steps"));
        assert_eq!(guard.skipped, 5);
    }

    #[test]
    fn a_gradient_of_nothing_ends_it() {
        let mut guard = Guard::default();
        assert_eq!([0.0, 0.0, 1.0, 0.0, 0.0].map(|norm| guard.allows(1.0, norm, 3)), [const { Ok(true) }; 5]);
        assert!(guard.allows(1.0, 0.0, 3).unwrap_err().contains("saturated"));
    }

    #[test]
    fn a_loss_that_stays_above_the_first_is_high_and_a_spike_is_not() {
        let mut guard = Guard::default();
        for step in 0..2000 {
            let spike = if step % 500 == 0 { 100.0 } else { 0.5 };
            assert_eq!(guard.allows(spike / 2.0, 1.0, 3), Ok(true));
            assert_eq!(guard.high_for_long(), None);
        }
        let mut guard = Guard::default();
        let mut high = (0..1000).filter_map(|step| {
            assert_eq!(guard.allows(if step == 0 { 1.0 } else { 50.0 }, 1.0, 3), Ok(true));
            guard.high_for_long().map(|why| (step, why))
        });
        let ((first, why), (second, _)) = (high.next().unwrap(), high.next().unwrap());
        assert!((300..310).contains(&first) && why.contains("learning rate diverges"), "{first} {why}");
        assert_eq!(second, first + HIGH_STEPS);
    }

    #[test]
    fn where_a_loss_stands_is_known_before_it_stands_there_for_long() {
        let high = |losses: &[f64]| {
            let mut guard = Guard::default();
            losses.iter().for_each(|loss| assert_eq!(guard.allows(*loss, 1.0, 3), Ok(true)));
            guard.high()
        };
        assert!(high(&[&[1.0][..], &[50.0; 100]].concat()).unwrap().contains("learning rate diverges"));
        for fine in [&[][..], &[1.0], &[1.0, 50.0], &[1.0, 0.1, 0.1]] {
            assert_eq!(high(fine), None, "{fine:?}");
        }
    }
}
