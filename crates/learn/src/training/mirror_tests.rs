//! A run whose own folder is lost, damaged or behind goes on from its second place, to the bit; and what is said where that place is away.

use std::{
    fs,
    path::{Path, PathBuf},
};

use zomma_storage::{Place, place::S3Settings};

use super::mirror::Mirror;
use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::{Architecture, Native};
use crate::training::{Checkpoint, Ending, Engine, Outcome, Progress, RunFolder, Start, Trainer, Watch, holds_run};

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
steps = 40
batch = 101
warm_up = 5
evaluate_every = 4
checkpoint_every = 5
keep_best = 2
"#;

fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone())))
}

/// Leaves after a step, and keeps what it is warned of.
#[derive(Default)]
struct Eyes {
    step: u64,
    leaves_after: u64,
    /// The place that is gone after the first step: no folder can be made where a file lies.
    breaks: Option<PathBuf>,
    warnings: Vec<String>,
}

impl Eyes {
    fn leaving_after(step: u64) -> Self {
        Self { leaves_after: step, ..Self::default() }
    }
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
        if let Some(place) = self.breaks.take() {
            fs::remove_dir(&place).unwrap();
            fs::write(&place, "").unwrap();
        }
    }

    fn warn(&mut self, message: &str) {
        self.warnings.push(message.to_owned());
    }
}

fn place(path: &Path) -> Place {
    Place::create(path.to_str().unwrap(), &S3Settings::default()).unwrap()
}

/// Trains in `folder` with a second place until it is over or after a step.
fn sitting(
    folder: &Path,
    second: Option<&Path>,
    resume: bool,
    leaves_after: u64,
) -> Result<(Outcome, Vec<String>), LearnError> {
    let config = TrainConfig::parse(TINY).unwrap();
    let folder = RunFolder::open(folder)?;
    let start = Start { resume, checkpoints: second.map(place), ..Start::alone(folder) };
    let mut eyes = Eyes::leaving_after(leaves_after);
    let outcome = Trainer::new(config, start, &native)?.train(&mut eyes)?;
    Ok((outcome, eyes.warnings))
}

fn whole(folder: &Path) -> Vec<f32> {
    sitting(folder, None, false, u64::MAX).unwrap().0.network.unwrap().parameters
}

#[test]
fn a_run_whose_folder_is_lost_goes_on_from_the_second_place_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, run, second] = ["alone", "run", "second"].map(|name| folder.path().join(name));
    let wanted = whole(&alone);
    for leaves_after in [7, 23] {
        let resume = leaves_after > 7;
        let (outcome, warnings) = sitting(&run, Some(&second), resume, leaves_after).unwrap();
        assert_eq!(outcome.ending, Ending::Interrupted);
        let said = warnings.join("\n");
        assert_eq!(said.contains("stands farther than"), resume, "{said}");
        assert!(holds_run(&place(&second)).unwrap());
        fs::remove_dir_all(&run).unwrap();
    }
    let (outcome, _) = sitting(&run, Some(&second), true, u64::MAX).unwrap();
    assert_eq!(outcome.network.unwrap().parameters, wanted);
    for name in ["network.bin", "metrics.csv", "checkpoint.bin"] {
        assert!(fs::read(second.join(name)).unwrap() == fs::read(run.join(name)).unwrap(), "{name}");
    }
    // The looks of sittings before the last are in it too.
    assert_eq!(fs::read_to_string(run.join("metrics.csv")).unwrap().lines().count(), 1 + 10);
    let kept = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().flatten().map(|file| file.file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("best-")).collect();
        names.sort();
        names
    };
    assert_eq!(kept(&second), kept(&run));
    assert_eq!(kept(&run).len(), 2);
}

#[test]
fn a_damaged_or_older_checkpoint_of_the_folder_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, run, second] = ["alone", "run", "second"].map(|name| folder.path().join(name));
    let wanted = whole(&alone);
    sitting(&run, Some(&second), false, 7).unwrap();
    let older = fs::read(run.join("checkpoint.bin")).unwrap();
    sitting(&run, Some(&second), true, 23).unwrap();
    for bytes in [&older[..], &older[..older.len() / 2]] {
        fs::write(run.join("checkpoint.bin"), bytes).unwrap();
        let (_, warnings) = sitting(&run, Some(&second), true, 0).unwrap();
        assert!(warnings.join("\n").contains("stands farther than"), "{warnings:?}");
        assert_eq!(Checkpoint::read(&run.join("checkpoint.bin")).unwrap().state.standing.step, 23);
    }
    // The other way round the folder's own counts.
    fs::write(second.join("checkpoint.bin"), &older).unwrap();
    let (outcome, warnings) = sitting(&run, Some(&second), true, u64::MAX).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(outcome.network.unwrap().parameters, wanted);
}

#[test]
fn a_second_place_with_a_run_of_another_kind_or_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [run, second, other] = ["run", "second", "other"].map(|name| folder.path().join(name));
    sitting(&run, Some(&second), false, 7).unwrap();
    let refused = |run: &Path, resume: bool, words: &str| {
        let error = sitting(run, Some(&second), resume, 0).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(second.to_str().unwrap()), "{error}");
    };
    refused(&other, false, "a run is here already");
    for name in
        fs::read_dir(&second).unwrap().flatten().filter(|f| f.file_name().to_string_lossy().starts_with("best-"))
    {
        fs::remove_file(name.path()).unwrap();
    }
    refused(&other, true, "is missing");
    let bytes = fs::read(second.join("checkpoint.bin")).unwrap();
    fs::write(second.join("checkpoint.bin"), &bytes[..bytes.len() - 9]).unwrap();
    refused(&other, true, "cut off or damaged");
    // The folder's own is whole.
    let (_, warnings) = sitting(&run, Some(&second), true, 8).unwrap();
    assert!(warnings.join("\n").contains("going on from the folder's own checkpoint"), "{warnings:?}");
}

#[test]
fn a_place_that_is_away_is_told_and_the_end_is_an_error_that_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, run, second] = ["alone", "run", "second"].map(|name| folder.path().join(name));
    let wanted = whole(&alone);
    let start = Start { checkpoints: Some(place(&second)), ..Start::alone(RunFolder::open(&run).unwrap()) };
    let mut eyes = Eyes { breaks: Some(second.clone()), ..Eyes::leaving_after(u64::MAX) };
    let mut trainer = Trainer::new(TrainConfig::parse(TINY).unwrap(), start, &native).unwrap();
    let error = trainer.train(&mut eyes).unwrap_err();
    assert!(matches!(&error, LearnError::Place { place, .. } if place == second.to_str().unwrap()), "{error}");
    drop(trainer);
    assert!(
        eyes.warnings.iter().all(|warning| warning.contains("has not the newest checkpoint")),
        "{:?}",
        eyes.warnings
    );
    assert!(run.join("network.bin").exists());
    fs::remove_file(&second).unwrap();
    let (outcome, _) = sitting(&run, Some(&second), true, u64::MAX).unwrap();
    assert_eq!(outcome.network.unwrap().parameters, wanted);
    assert!(fs::read(second.join("network.bin")).unwrap() == fs::read(run.join("network.bin")).unwrap());
}

#[test]
fn whoever_asked_to_stop_does_not_wait_for_a_bucket_that_takes_connections_and_answers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    sitting(&run, None, false, 7).unwrap();
    let bucket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", bucket.local_addr().unwrap());
    let variables = [
        ("ZOMMA_S3_ENDPOINT", endpoint.as_str()),
        ("ZOMMA_S3_ALLOW_HTTP", "true"),
        ("ZOMMA_S3_ACCESS_KEY_ID", "key"),
        ("ZOMMA_S3_SECRET_ACCESS_KEY", "secret"),
        ("ZOMMA_S3_REGION", "us-east-1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let second = Place::open("s3://zomma/runs/tiny", &S3Settings::from_variables(variables).unwrap()).unwrap();
    let run = RunFolder::open(&run).unwrap();
    let mirror = Mirror::start(&run, second).unwrap();
    mirror.tell();
    let (_asked, _) = bucket.accept().unwrap();
    let error = mirror.finish(&run, &|| true).unwrap_err().to_string();
    assert!(error.contains("s3://zomma/runs/tiny: has not taken the newest checkpoint within 100ms"), "{error}");
    // The try goes on by itself: nobody waits for it.
    drop(mirror);
}
