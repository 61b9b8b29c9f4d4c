//! The dynamic loss scale of 16-bit training: gradients are computed times a power of two, which keeps small ones from becoming 0, and divided
//! by it before the step. It halves where a gradient overflows and doubles after so many good steps.
//!
//! Source  P. Micikevicius et al., "Mixed Precision Training" (2018), section 3.2

use serde::{Deserialize, Serialize};

use crate::config::TrainingConfig;

/// The greatest scale, 2⁴⁰.
pub(crate) const GREATEST: f64 = 1_099_511_627_776.0;
/// The least scale: a gradient that overflows at it overflows without a scale too.
const LEAST: f64 = 1.0;

/// The scale and how far it is from its next doubling. Part of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    value: f64,
    good_in_a_row: u64,
    overflows: u64,
}

impl LossScale {
    /// At the config's first scale, where its precision wants one.
    pub(super) fn first(config: &TrainingConfig) -> Option<Self> {
        config.first_loss_scale().map(|value| Self { value, good_in_a_row: 0, overflows: 0 })
    }

    /// What gradients are multiplied by: a power of two.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Steps skipped since their gradient was no number at a scale above 1.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Takes note of a gradient that is no number while the loss is one. Whether the scale is to blame, and was halved; at the least scale it
    /// is not.
    pub(super) fn overflowed(&mut self) -> bool {
        self.good_in_a_row = 0;
        if self.value <= LEAST {
            return false;
        }
        self.overflows += 1;
        self.value = (0.5 * self.value).max(LEAST);
        true
    }

    /// Takes note of a step that was taken; after `growth_steps` of them in a row the scale doubles.
    pub(super) fn succeeded(&mut self, growth_steps: u64) {
        self.good_in_a_row += 1;
        if self.good_in_a_row >= growth_steps {
            self.good_in_a_row = 0;
            self.value = (2.0 * self.value).min(GREATEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_after_good_steps_halves_on_overflow_and_stays_within_its_bounds() {
        let config: TrainingConfig = toml::from_str("steps = 1\nprecision = \"f16\"\nloss_scale = 4.0").unwrap();
        let mut scale = LossScale::first(&config).unwrap();
        (0..5).for_each(|_| scale.succeeded(3));
        assert_eq!((scale.value(), scale.overflows()), (8.0, 0));
        // Two good steps and an overflow: the count begins anew.
        assert!(scale.overflowed());
        (0..2).for_each(|_| scale.succeeded(3));
        assert_eq!((scale.value(), scale.overflows()), (4.0, 1));
        assert!(scale.overflowed() && scale.overflowed() && !scale.overflowed());
        assert_eq!((scale.value(), scale.overflows()), (1.0, 3));
        (0..100).for_each(|_| scale.succeeded(1));
        assert_eq!(scale.value(), GREATEST);
    }
}
