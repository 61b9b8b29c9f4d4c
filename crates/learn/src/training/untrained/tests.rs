//! What a run's end is judged by.

use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::{Architecture, Native};
use crate::training::{Ending, Engine, Outcome, Progress, RunFolder, Start, Trainer, Watch};

const SMALL: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 1000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
batch = 64
evaluate_every = 1000
checkpoint_every = 1000
"#;

fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone())))
}

#[derive(Default)]
struct Eyes(Vec<String>);

impl Watch for Eyes {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        false
    }

    fn stepped(&mut self, _: &Progress) {}

    fn warn(&mut self, message: &str) {
        self.0.push(message.into());
    }
}

/// A run, begun as `prepare` leaves it: what came of it and what was said on the way.
fn run(more: &str, prepare: impl FnOnce(&mut Trainer)) -> (Result<Outcome, LearnError>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig::parse(&format!("{SMALL}{more}")).unwrap();
    let mut trainer = Trainer::new(config, Start::alone(RunFolder::open(folder.path()).unwrap()), &native).unwrap();
    prepare(&mut trainer);
    let mut eyes = Eyes::default();
    let ended = trainer.train(&mut eyes);
    (ended, eyes.0)
}

/// As if the first batch had been told nearly right by chance: every loss stands high from then on.
fn with_a_lucky_first_batch(trainer: &mut Trainer) {
    assert_eq!(trainer.state.standing.guard.allows(1e-12, 1.0, 3), Ok(true));
}

#[test]
fn held_out_rows_acquit_a_run_whose_loss_stands_high() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig::parse(&format!("{SMALL}steps = 400\nlearning_rate = 0.005")).unwrap();
    let mut trainer = Trainer::new(config, Start::alone(RunFolder::open(folder.path()).unwrap()), &native).unwrap();
    with_a_lucky_first_batch(&mut trainer);
    let mut eyes = Eyes::default();
    let outcome = trainer.train(&mut eyes).unwrap();
    // The loss is high to the end, so that it was the held-out rows that spoke.
    assert!(trainer.state.standing.guard.high().is_some());
    assert_eq!((outcome.ending, eyes.0), (Ending::Finished, Vec::<String>::new()));
    let untrained = trainer.untrained_error().unwrap();
    assert!(outcome.network.unwrap().evaluation.unwrap().price_rmse < 0.5 * untrained);
}

#[test]
fn held_out_rows_condemn_a_run_whose_loss_stands_high_and_that_learned_nothing() {
    let (ended, _) =
        run("steps = 400\nlearning_rate = 300.0\nwarm_up = 1\nbad_steps = 10000", with_a_lucky_first_batch);
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("the loss is") && error.contains("told no better than by the untrained"), "{error}");
}

/// A rate by which every row is saturated at the first steps; many steps without a gradient are allowed, so that nothing but the loss and the
/// held-out rows can speak. As if the first loss had been so great that none after it is high: the loss says nothing, the held-out rows do.
#[test]
fn a_rate_that_leaves_a_network_worse_than_untrained_ends_the_run_whatever_its_loss_was() {
    let quiet = |trainer: &mut Trainer| assert_eq!(trainer.state.standing.guard.allows(1e9, 1.0, 3), Ok(true));
    let (ended, _) = run("steps = 120\nlearning_rate = 300.0\nwarm_up = 1\nbad_steps = 10000", quiet);
    let Err(LearnError::Diverged { step, diagnosis }) = ended else { panic!("{ended:?}") };
    assert_eq!(step, 120);
    for words in
        ["the held-out error is", "by the untrained network", "the learning rate diverges", "training.learning_rate"]
    {
        assert!(diagnosis.contains(words), "{diagnosis}");
    }
    // Few steps say nothing yet.
    let (ended, _) = run("steps = 20\nlearning_rate = 300.0\nwarm_up = 1\nbad_steps = 10000", quiet);
    assert_eq!(ended.unwrap().ending, Ending::Finished);
    // Nor does one that learns end by it.
    let (ended, said) = run("steps = 120\nlearning_rate = 0.005\nwarm_up = 20", quiet);
    assert_eq!((ended.unwrap().ending, said), (Ending::Finished, Vec::new()));
}
