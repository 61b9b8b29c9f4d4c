//! Whether training has made a network better than it began, which a run whose loss stands high is judged by.

use super::run::in_precision;
use super::{Trainer, evaluate};
use crate::LearnError;

impl Trainer {
    /// Ends a run whose loss stands high, with the `diagnosis` of that, where its network tells the held-out rows no better than the untrained
    /// one. The loss alone does not say: it is that of a batch, and so is the first, which may have been small by chance.
    ///
    /// Errors: [`LearnError::Diverged`], by every rank; of the engine's device; [`LearnError::RankLost`].
    pub(super) fn judge(&mut self, diagnosis: Option<String>) -> Result<(), LearnError> {
        let Some(diagnosis) = diagnosis else { return Ok(()) };
        let is_worthless = self.group.is_first() && self.is_no_better_than_untrained()?;
        if !self.group.agree((0.0, is_worthless))?.1 {
            return Ok(());
        }
        let diagnosis = in_precision(diagnosis, self.config.training.precision);
        Err(LearnError::Diverged { step: self.state.standing.step, diagnosis })
    }

    fn is_no_better_than_untrained(&mut self) -> Result<bool, LearnError> {
        let Self { engine, architecture, state, held_out, config, .. } = self;
        let layout = architecture.layout();
        let parameters = layout.first_parameters(architecture.activation.gain(), config.training.seed);
        let untrained = (&parameters[..], &layout.first_statistics()[..]);
        let mut error = |weights: (&[f32], &[f32])| {
            Ok::<f64, LearnError>(evaluate(engine.as_mut(), architecture, weights, held_out, 0)?.price_rmse)
        };
        let (before, now) = (error(untrained)?, error((state.shown(), &state.statistics))?);
        // One that says no number is no better either.
        Ok(now.is_nan() || now >= before)
    }
}
