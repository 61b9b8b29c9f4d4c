//! Whether training has made a network better than it began, which a run whose loss stands high is judged by.

use super::run::in_precision;
use super::{Trainer, evaluate};
use crate::LearnError;

/// A network whose held-out error is so many times the untrained one's has been harmed by its training: labels that nothing tells anything of leave
/// some per cent.
const HARMED: f64 = 1.25;
/// Of fewer steps than these the held-out error may stand higher on its way down.
const FEW_STEPS: u64 = 100;

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

    /// Ends a run of some length at its last look where the best network that it met tells the held-out rows clearly worse than the untrained one
    /// does, which a loss need not show: it may have stood as high from the first step on.
    ///
    /// Errors: [`LearnError::Diverged`], by every rank; of the engine's device; [`LearnError::RankLost`].
    pub(super) fn judge_the_best(&mut self) -> Result<(), LearnError> {
        let step = self.state.standing.step;
        if step < FEW_STEPS {
            return Ok(());
        }
        let errors = if self.group.is_first() { Some((self.untrained_error()?, self.best_error())) } else { None };
        // One that says no number is no better either; where nothing can be better nothing is judged.
        let is_harmed = errors.is_some_and(|(before, best)| before > 0.0 && (best.is_nan() || best > HARMED * before));
        if !self.group.agree((0.0, is_harmed))?.1 {
            return Ok(());
        }
        let says = errors.map(|(before, best)| {
            format!("the held-out error is {best:.3e} at best, and {before:.3e} by the untrained network")
        });
        let says = says.unwrap_or_else(|| "the held-out rows are told worse than by the untrained network".into());
        let diagnosis = format!(
            "{says}: the learning rate diverges; try a tenth of training.learning_rate, a longer training.warm_up, or training.clip_norm"
        );
        Err(LearnError::Diverged { step, diagnosis: in_precision(diagnosis, self.config.training.precision) })
    }

    /// The least held-out error met at a look that is kept; NaN where none was a number.
    fn best_error(&self) -> f64 {
        self.state.standing.best.iter().map(|kept| kept.price_rmse).fold(f64::NAN, f64::min)
    }

    fn untrained_error(&mut self) -> Result<f64, LearnError> {
        let Self { engine, architecture, held_out, config, .. } = self;
        let layout = architecture.layout();
        let parameters = layout.first_parameters(architecture.activation.gain(), config.training.seed);
        let untrained = (&parameters[..], &layout.first_statistics()[..]);
        Ok(evaluate(engine.as_mut(), architecture, untrained, held_out, 0)?.price_rmse)
    }

    fn is_no_better_than_untrained(&mut self) -> Result<bool, LearnError> {
        let before = self.untrained_error()?;
        let Self { engine, architecture, state, held_out, .. } = self;
        let shown = (state.shown(), &state.statistics[..]);
        let now = evaluate(engine.as_mut(), architecture, shown, held_out, 0)?.price_rmse;
        // One that says no number is no better either.
        Ok(now.is_nan() || now >= before)
    }
}

#[cfg(test)]
mod tests;
