//! Training of seconds: what is learned from the equation alone, and that a stopped run goes on as if it had not been.

use super::*;
use crate::training::RunFolder;

/// Stops after so many steps.
struct Patience(u64);

impl PinnWatch for Patience {
    fn seconds(&self) -> f64 {
        0.0
    }
    fn should_stop(&self) -> bool {
        self.0 == 0
    }
    fn stepped(&mut self, _: &PinnProgress) {
        self.0 = self.0.saturating_sub(1);
    }
    fn warn(&mut self, message: &str) {
        panic!("{message}");
    }
}

fn trained(config: &PinnConfig) -> Solution {
    let mut trainer = PinnTrainer::new(config.clone(), None, false).unwrap();
    trainer.train(&mut Patience(u64::MAX)).unwrap().solution.unwrap()
}

const TINY: &str = "[network]\nwidth = 12\ndepth = 2\n[sampling]\npoints = 512\nheld_out = 512\n\
    [training]\nadam_rounds = 1\nadam_steps = 60\nrounds = 4\nsteps = 120\nmemory = 30\n\
    [validation]\noptions = 512\ncompared = 4\npaths = 4096\n";

#[test]
fn black_scholes_is_learned_from_its_equation_and_the_estimate_covers_the_error() {
    let found = validate(&trained(&config(PLAIN, TINY)));
    let (before, after) = (&found.untrained, &found.trained);
    // Before training nothing is known; a tiny network of seconds is a hundred times better.
    assert!(before.price > 0.1 && after.price < 5e-3, "{before:?} {after:?}");
    assert!(after.delta < 1e-2 && after.gamma < 6e-2 && after.theta < 6e-2, "{after:?}");
    assert!(before.gamma > 0.5 && after.rows == 512, "{before:?}");
    let coverage = found.coverage;
    assert!(coverage.bound > 0.99 && coverage.bound_mean >= coverage.error_mean, "{coverage:?}");
    assert!(coverage.bound_over_error > 1.0 && coverage.bound_over_error < 1e4, "{coverage:?}");
    assert_eq!((found.compared.len(), found.stress.len()), (4, 6));
    for one in &found.compared {
        assert!((one.finite_difference - one.reference).abs() < 0.05, "{one:?}");
        assert!((one.monte_carlo - one.reference).abs() < 5.0 * one.standard_error, "{one:?}");
    }
}

#[test]
fn local_volatility_is_learned_as_finite_differences_say() {
    let text = TINY.replace("options = 512", "options = 64").replace("width = 12\ndepth = 2", "width = 16\ndepth = 3");
    let found = validate(&trained(&config(LOCAL, &text)));
    let (before, after) = (&found.untrained, &found.trained);
    assert!(before.price > 0.05 && after.price < 6e-3 && after.delta < 2e-2, "{before:?} {after:?}");
    assert!(found.coverage.bound > 0.95, "{:?}", found.coverage);
}

#[test]
fn heston_is_learned_as_the_series_says() {
    let found = validate(&trained(&config(HESTON, TINY)));
    let (before, after) = (&found.untrained, &found.trained);
    assert!(before.price > 0.05 && after.price < 1.5e-2 && after.delta < 3e-2, "{before:?} {after:?}");
}

#[test]
fn a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[network]\nwidth = 5\ndepth = 1\n[loss]\nweighting = \"ntk\"\nweight_decay = 1e-9\n[sampling]\npoints = 128\n\
        held_out = 64\n[training]\nadam_rounds = 2\nadam_steps = 10\nrounds = 2\nsteps = 10\n";
    let config = config(PLAIN, text);
    let open = |name: &str| Some(RunFolder::open(&folder.path().join(name)).unwrap());
    let whole = PinnTrainer::new(config.clone(), open("whole"), false).unwrap().train(&mut Patience(u64::MAX)).unwrap();
    let mut outcome = None;
    // Left in every round: of Adam, between, of L-BFGS.
    for (i, steps) in [4, 17, 6, 14, u64::MAX].into_iter().enumerate() {
        // The first sitting ends before there is anything to go on from.
        let mut trainer = PinnTrainer::new(config.clone(), open("parts"), i > 1).unwrap();
        outcome = Some(trainer.train(&mut Patience(steps)).unwrap());
        assert_eq!(outcome.as_ref().unwrap().solution.is_none(), steps != u64::MAX);
    }
    let (whole, parts) = (whole.solution.unwrap(), outcome.unwrap().solution.unwrap());
    assert_eq!(whole, parts);
    let read = Solution::read(&folder.path().join("parts/network.bin")).unwrap();
    assert_eq!(read, parts);
    // A run is not overwritten, and another's is not gone on with.
    let error = PinnTrainer::new(config.clone(), open("parts"), false).unwrap_err().to_string();
    assert!(error.contains("--resume"), "{error}");
    let other = PinnConfig::parse(&format!("[problem]\n{PLAIN}\n{}", text.replace("width = 5", "width = 6"))).unwrap();
    let error = PinnTrainer::new(other, open("parts"), true).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    std::fs::write(folder.path().join("parts/checkpoint.bin"), "rubbish").unwrap();
    let error = PinnTrainer::new(config, open("parts"), true).unwrap_err().to_string();
    assert!(error.contains("not a checkpoint"), "{error}");
}

#[test]
fn training_ends_when_the_held_out_residual_is_small_or_stands_still() {
    let text = TINY.replace("memory = 30", "memory = 30\ntolerance = 0.5");
    let mut trainer = PinnTrainer::new(config(PLAIN, &text), None, false).unwrap();
    let outcome = trainer.train(&mut Patience(u64::MAX)).unwrap();
    let rounds = outcome.solution.unwrap().standing.rounds;
    assert_eq!((outcome.ending, rounds.len()), (PinnEnding::Converged, 1));
    // A rate that moves nothing.
    let text = "[sampling]\npoints = 64\nheld_out = 64\n[training]\nlearning_rate = 1e-300\nadam_rounds = 1\nadam_steps = 1\n\
        rounds = 50\nsteps = 1\npatience = 3\ntolerance = 0.0\n[network]\nwidth = 2\ndepth = 1\n[loss]\ngradient_penalty = 1.0";
    let mut trainer = PinnTrainer::new(config(PLAIN, text), None, false).unwrap();
    let outcome = trainer.train(&mut Patience(u64::MAX)).unwrap();
    assert_eq!(outcome.ending, PinnEnding::StoodStill);
}

/// At prices of 0 and of the bound the equation holds and nothing of the payoff is met: a small residual is no convergence.
#[test]
fn a_rate_that_drives_prices_to_their_bounds_is_diagnosed_and_not_taken_for_convergence() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [(PLAIN, "tanh", 3.0), (PLAIN, "silu", 1.0), (LOCAL, "tanh", 10.0), (HESTON, "silu", 3.0)];
    for (i, (problem, activation, rate)) in cases.into_iter().enumerate() {
        let text = format!(
            "[network]\nwidth = 10\ndepth = 2\nactivation = \"{activation}\"\n[sampling]\npoints = 512\nheld_out = 512\n\
             [training]\nadam_rounds = 2\nadam_steps = 100\nlearning_rate = {rate}\nrounds = 1\nsteps = 10"
        );
        let run = RunFolder::open(&folder.path().join(i.to_string())).unwrap();
        let network = run.network();
        let error = PinnTrainer::new(config(problem, &text), Some(run), false).unwrap().train(&mut Patience(u64::MAX));
        let error = error.map(drop).unwrap_err().to_string();
        assert!(error.contains("stopped at step") && error.contains("diverged: near expiry"), "{problem} {error}");
        assert!(!network.exists());
    }
}
