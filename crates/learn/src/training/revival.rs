//! What brings back an American network that says of every row that it is exercised.
//!
//! With the output `exercise` a row whose number is below −½ has no slope: its price is the exercise value whatever the number is. About the
//! boundary that is as it should be. Where a step too far has put every row of a batch there although their labels hold the option, the gradient is 0
//! and the run would end as it stands. The last bias is raised then, step by step, until some row has a slope again, and each time it is said; the
//! loss and its gradient are what they are, so that a run to which this never happens is the same to the bit.
//!
//! A small batch may be exercised rightly, and its loss be the labels' noise or rounding. So held-out rows judge, whose labels are exact: a
//! network is lost that exercises most of those that are held.

use super::evaluation::is_exercised;
use super::{Engine, State};
use crate::LearnError;
use crate::data::Rows;
use crate::network::{Architecture, HELD, Loss, OutputTransform, Precision};

/// Held-out rows that judge.
const JUDGES: usize = 256;

/// Whether a step's loss and the norm of its gradient may be those of a lost network. In f16 a gradient of 0 may be one that is too small.
pub(super) fn is_lost(architecture: &Architecture, precision: Precision, loss: Loss, norm: f64) -> bool {
    architecture.output == OutputTransform::Exercise && precision != Precision::F16 && norm == 0.0 && loss.price > 0.0
}

/// Whether the network exercises most of the held-out rows that are held; false where there are none, as at other ranks than the first.
///
/// Errors: of the engine's device.
pub(super) fn exercises_the_held(
    engine: &mut dyn Engine,
    architecture: &Architecture,
    state: &State,
    held_out: &Rows,
) -> Result<bool, LearnError> {
    let count = held_out.len().min(JUDGES);
    let inputs = architecture.features.inputs();
    let (rows, labels) = (&held_out.inputs[..count * inputs], &held_out.prices[..count]);
    let mut prices = vec![0.0; count];
    engine.prices((&state.parameters, &state.statistics), rows, &mut prices)?;
    let moneyness = rows.iter().step_by(inputs);
    let of_held =
        moneyness.zip(labels).zip(&prices).filter(|((moneyness, label), _)| !is_exercised(**moneyness, **label));
    let (mut held, mut exercised) = (0, 0);
    for ((moneyness, _), price) in of_held {
        held += 1;
        exercised += usize::from(is_exercised(*moneyness, *price));
    }
    Ok(2 * exercised > held)
}

/// What is said of it.
pub(super) fn told(step: u64) -> String {
    format!(
        "step {step}: the network exercises the options that are held, and nothing is learned from them: its last bias is raised; where this \
         comes again and again try a lower training.learning_rate or training.clip_norm"
    )
}

/// Raises the last bias by what the first parameters' numbers stand above the boundary.
pub(super) fn lift(architecture: &Architecture, parameters: &mut [f32]) {
    architecture.layout().out_bias.of_mut(parameters).iter_mut().for_each(|bias| *bias += HELD as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LearnError;
    use crate::config::{AMERICAN_EXAMPLE, TrainConfig};
    use crate::network::{Features, Native};
    use crate::training::{Engine, Progress, RunFolder, Start, Trainer, Watch};

    fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
        Ok(Box::new(Native::new(architecture.clone())))
    }

    fn config(seed: u64, steps: u64) -> TrainConfig {
        let text = AMERICAN_EXAMPLE
            .replace("output = \"bounds\"", "output = \"exercise\"")
            .replace("minutes = 10.0 ", &format!("steps = {steps} "))
            .replace("samples = 400000", "samples = 20000")
            .replace("held_out = 65536", "held_out = 500")
            .replace("checkpoint_every = 10000\nseed = 1", &format!("checkpoint_every = 10000\nseed = {seed}"));
        TrainConfig::parse(&text).unwrap()
    }

    #[derive(Default)]
    struct Eyes {
        losses: Vec<f64>,
        leaves_after: usize,
        nothing: Vec<u64>,
        said: Vec<String>,
    }

    impl Watch for Eyes {
        fn seconds(&self) -> f64 {
            0.0
        }

        fn should_stop(&self) -> bool {
            self.losses.len() >= self.leaves_after
        }

        fn stepped(&mut self, progress: &Progress) {
            self.losses.push(progress.loss.price);
            if progress.gradient_norm == 0.0 {
                self.nothing.push(progress.step);
            }
        }

        fn warn(&mut self, message: &str) {
            self.said.push(message.into());
        }
    }

    /// Eight halves below, whatever the row: raised until rows have a slope, and learning from then on.
    #[test]
    fn a_network_that_says_of_every_row_that_it_is_exercised_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut small = config(1, 300);
        (small.network.width, small.data.samples) = (16, Some(2000));
        let mut trainer = Trainer::new(small, Start::alone(RunFolder::open(folder.path()).unwrap()), &native).unwrap();
        let layout = trainer.architecture.layout();
        layout.out_weight.of_mut(&mut trainer.state.parameters).fill(0.0);
        layout.out_bias.of_mut(&mut trainer.state.parameters)[0] = -8.0 * HELD as f32;
        let mut eyes = Eyes { leaves_after: usize::MAX, ..Eyes::default() };
        trainer.train(&mut eyes).unwrap();
        assert!(eyes.nothing.starts_with(&[1, 2, 3, 4, 5, 6, 7, 8]), "{:?}", eyes.nothing);
        // Each time it is said.
        let lifts = eyes.said.iter().filter(|said| said.contains("its last bias is raised")).count();
        assert_eq!(lifts, eyes.nothing.len(), "{:?}", eyes.said);
        let last = eyes.losses.iter().rev().take(20).sum::<f64>() / 20.0;
        assert!(last < 0.1 * eyes.losses[0], "{} {last}", eyes.losses[0]);
    }

    /// The same network and the same batch, and held-out rows all of which are rightly exercised: it stays as it is.
    #[test]
    fn a_network_that_exercises_what_is_to_be_exercised_is_left_alone() {
        let last_bias = |are_exercised: bool| {
            let folder = tempfile::tempdir().unwrap();
            let mut small = config(1, 300);
            (small.network.width, small.data.samples) = (16, Some(2000));
            let start = Start::alone(RunFolder::open(folder.path()).unwrap());
            let mut trainer = Trainer::new(small, start, &native).unwrap();
            let layout = trainer.architecture.layout();
            layout.out_weight.of_mut(&mut trainer.state.parameters).fill(0.0);
            layout.out_bias.of_mut(&mut trainer.state.parameters)[0] = -8.0 * HELD as f32;
            if are_exercised {
                let rows = &mut trainer.held_out;
                let inputs = rows.inputs.len() / rows.prices.len();
                rows.prices
                    .iter_mut()
                    .zip(rows.inputs.chunks_exact(inputs))
                    .for_each(|(price, row)| *price = row[0] - 1.0);
            }
            let mut eyes = Eyes { leaves_after: 1, ..Eyes::default() };
            trainer.train(&mut eyes).unwrap();
            assert_eq!(eyes.nothing, [1]);
            (layout.out_bias.of(&trainer.state.parameters)[0], eyes.said)
        };
        assert_eq!(last_bias(true), (-8.0 * HELD as f32, Vec::new()));
        let (lifted, said) = last_bias(false);
        assert!(lifted == -7.0 * HELD as f32 && said.len() == 1 && said[0].contains("step 1: "), "{lifted} {said:?}");
    }

    #[test]
    fn nothing_else_is_taken_for_a_lost_network() {
        let config = config(1, 300);
        let features = Features::unscaled(config.data.model, config.network.features(&config.data));
        let exercise = Architecture::new(&config.network, features);
        let bounds = Architecture { output: OutputTransform::Bounds, ..exercise.clone() };
        let wrong = Loss { price: 1.0, differential: 0.0 };
        assert!(is_lost(&exercise, Precision::F32, wrong, 0.0) && is_lost(&exercise, Precision::Bf16, wrong, 0.0));
        for (architecture, precision, loss, norm) in [
            (&bounds, Precision::F32, wrong, 0.0),
            (&exercise, Precision::F16, wrong, 0.0),
            (&exercise, Precision::F32, Loss::default(), 0.0),
            (&exercise, Precision::F32, wrong, 1e-30),
            (&exercise, Precision::F32, wrong, f64::NAN),
        ] {
            assert!(!is_lost(architecture, precision, loss, norm), "{precision:?} {loss:?} {norm}");
        }
    }
}
