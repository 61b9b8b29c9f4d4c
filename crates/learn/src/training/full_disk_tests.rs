//! A run whose disk takes nothing for a while goes on, says so once, and comes to the same bits; and what stands in a folder after a stop.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::rescue::rescue;
use super::state::Standing;
use super::*;
use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::{Architecture, Native};

const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 200
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 42
batch = 101
warm_up = 5
evaluate_every = 4
checkpoint_every = 10
keep_best = 2
"#;

fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone())))
}

/// What is to be done after a step, with the folder.
type Then = Box<dyn FnMut(u64, &Path)>;

struct Eyes {
    folder: PathBuf,
    then: Then,
    leaves_after: u64,
    step: u64,
    warnings: Vec<String>,
}

impl Watch for Eyes {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        self.step >= self.leaves_after
    }

    fn stepped(&mut self, progress: &Progress) {
        self.step = progress.step;
        (self.then)(progress.step, &self.folder);
    }

    fn warn(&mut self, message: &str) {
        self.warnings.push(message.to_owned());
    }
}

/// A sitting in a folder: what came of it, what was said, and the run's state.
fn sitting(text: &str, folder: &Path, resume: bool, then: Then) -> (Result<Outcome, LearnError>, Vec<String>, State) {
    let config = TrainConfig::parse(text).unwrap();
    let start = Start { resume, ..Start::alone(RunFolder::open(folder).unwrap()) };
    let mut trainer = Trainer::new(config, start, &native).unwrap();
    let mut eyes = Eyes { folder: folder.into(), then, leaves_after: u64::MAX, step: 0, warnings: Vec::new() };
    let outcome = trainer.train(&mut eyes);
    (outcome, eyes.warnings, trainer.state().clone())
}

fn idle() -> Then {
    Box::new(|_, _| {})
}

/// Takes all writing of networks and of the checkpoint from a folder, or gives it back: where a folder lies no file can be made.
fn set_writable(folder: &Path, writable: bool) {
    let names = (1..=42).map(|step| format!("best-{step}.bin.tmp")).chain(["checkpoint.bin.tmp".to_owned()]);
    for path in names.map(|name| folder.join(name)) {
        let done = if writable { fs::remove_dir(&path) } else { fs::create_dir(&path) };
        done.unwrap();
    }
}

fn kept(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().flatten().map(|file| file.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("best-") && name.ends_with(".bin")).collect();
    names.sort();
    names
}

fn metrics(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_disk_that_is_full_for_a_while_ends_no_run_and_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, run] = ["alone", "run"].map(|name| folder.path().join(name));
    let (wanted, _, state) = sitting(TINY, &alone, false, idle());
    let then = Box::new(|step, folder: &Path| match step {
        11 => set_writable(folder, false),
        31 => set_writable(folder, true),
        // The checkpoint of step 10 and what it needs are still there.
        12..=30 => {
            let before = Checkpoint::read(&folder.join("checkpoint.bin")).unwrap().state.standing;
            assert_eq!(before.step, 10);
            before
                .best
                .iter()
                .for_each(|kept| drop(TrainedNetwork::read(&folder.join(format!("best-{}.bin", kept.step))).unwrap()));
        }
        _ => {}
    });
    let (outcome, warnings, found) = sitting(TINY, &run, false, then);
    assert_eq!(outcome.unwrap().network, wanted.unwrap().network);
    assert_eq!(found, state);
    let [failed, mended] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(failed.contains("best-12.bin: cannot be written") && failed.contains("training goes on"), "{failed}");
    assert!(mended.contains("is written now"), "{mended}");
    for name in ["checkpoint.bin", "network.bin", "metrics.csv"] {
        assert!(fs::read(run.join(name)).unwrap() == fs::read(alone.join(name)).unwrap(), "{name}");
    }
    assert_eq!(kept(&run), kept(&alone));
}

#[test]
fn a_disk_that_stays_full_leaves_the_old_checkpoint_which_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, run] = ["alone", "run"].map(|name| folder.path().join(name));
    let (wanted, ..) = sitting(TINY, &alone, false, idle());
    let then = Box::new(|step, folder: &Path| {
        if step == 11 {
            set_writable(folder, false);
        }
    });
    let (outcome, warnings, state) = sitting(TINY, &run, false, then);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
    assert_eq!((warnings.len(), state.standing.step), (1, 42), "{warnings:?}");
    set_writable(&run, true);
    assert_eq!(Checkpoint::read(&run.join("checkpoint.bin")).unwrap().state.standing.step, 10);
    let (outcome, ..) = sitting(TINY, &run, true, idle());
    assert_eq!(outcome.unwrap().network, wanted.unwrap().network);
}

#[test]
fn between_checkpoints_no_more_networks_lie_there_than_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("keep_best = 2", "keep_best = 1").replace("checkpoint_every = 10", "checkpoint_every = 20");
    // One that the checkpoint needs and one that is the best now.
    let then = Box::new(|step, folder: &Path| {
        let most = if step < 20 { 1 } else { 2 };
        assert!(kept(folder).len() <= most, "{step}: {:?}", kept(folder));
    });
    sitting(&text, folder.path(), false, then).0.unwrap();
    assert_eq!(kept(folder.path()).len(), 1);
}

#[test]
fn a_finished_run_that_is_resumed_looks_no_more_and_one_that_is_given_more_steps_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _, state) = sitting(TINY, folder.path(), false, idle());
    let rows: Vec<u64> = (1..=10).map(|look| 4 * look).chain([42]).collect();
    assert_eq!(metrics(folder.path()), rows);
    let (again, _, found) = sitting(TINY, folder.path(), true, idle());
    assert_eq!((again.unwrap().network, found), (first.unwrap().network, state.clone()));
    assert_eq!(metrics(folder.path()), rows);
    // Killed after the last look and before the last checkpoint: the row is taken again, not twice.
    let mut before = Checkpoint::read(&folder.path().join("checkpoint.bin")).unwrap();
    before.state.standing.finished = false;
    fs::write(folder.path().join("checkpoint.bin"), before.to_bytes().unwrap()).unwrap();
    sitting(TINY, folder.path(), true, idle()).0.unwrap();
    assert_eq!(metrics(folder.path()), rows);
    let longer = TINY.replace("steps = 42", "steps = 47");
    let (outcome, _, found) = sitting(&longer, folder.path(), true, idle());
    assert_eq!((outcome.unwrap().ending, found.standing.step), (Ending::Finished, 47));
    assert_eq!(metrics(folder.path()), [rows, vec![44, 47]].concat());
}

#[test]
fn a_warm_up_longer_than_the_run_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY.replace("warm_up = 5", "warm_up = 42000");
    let (outcome, warnings, _) = sitting(&text, folder.path(), false, idle());
    outcome.unwrap();
    let [said] = &warnings[..] else { panic!("{warnings:?}") };
    // The cosine falls meanwhile: the product is greatest near the middle.
    assert!(
        said.contains("training.warm_up is 42000 and the run has 42 steps") && said.contains("e-7 at most"),
        "{said}"
    );
}

#[test]
fn a_resume_before_the_first_checkpoint_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig::parse(TINY).unwrap();
    let start = Start { resume: true, ..Start::alone(RunFolder::open(folder.path()).unwrap()) };
    let error = Trainer::new(config, start, &native).map(drop).unwrap_err().to_string();
    assert!(error.contains("checkpoint.bin") && error.contains("begin without --resume"), "{error}");
}

#[test]
fn a_rescued_checkpoint_names_no_network_that_was_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (_, _, state) = sitting(TINY, &run, false, idle());
    let path = run.join("checkpoint.bin");
    let Checkpoint { architecture, config, .. } = Checkpoint::read(&path).unwrap();
    // As another rank stands where the first one was killed before it wrote the best network and the last checkpoint.
    let lost = state.standing.best[0].step;
    fs::remove_file(run.join(format!("best-{lost}.bin"))).unwrap();
    fs::remove_file(&path).unwrap();
    // What a second place has of them is not copied over.
    assert!(!rescue(&RunFolder::open(&run).unwrap(), &architecture, &config, &state).unwrap());
    // A second survivor finds the first one's checkpoint, which is as far and names as few.
    assert!(!rescue(&RunFolder::open(&run).unwrap(), &architecture, &config, &state).unwrap());
    let mut before = state.clone();
    before.standing.step -= 1;
    assert!(!rescue(&RunFolder::open(&run).unwrap(), &architecture, &config, &before).unwrap());
    let standing = Checkpoint::read(&path).unwrap().state.standing;
    assert!(state.standing.finished && !standing.finished);
    let steps = |standing: &Standing| standing.best.iter().map(|kept| kept.step).collect::<Vec<_>>();
    assert_eq!(steps(&standing), steps(&state.standing)[1..]);
    let (outcome, ..) = sitting(TINY, &run, true, idle());
    assert!(outcome.unwrap().network.is_some());
    // One that was whole and went on: its later networks took the places of those before.
    let longer = TINY.replace("steps = 42", "steps = 62");
    sitting(&longer, &run, true, idle()).0.unwrap();
    let whole = Checkpoint::read(&path).unwrap().state.standing;
    assert_eq!((whole.step, whole.best.len()), (62, 2));
    assert!(rescue(&RunFolder::open(&run).unwrap(), &architecture, &config, &state).unwrap());
}
