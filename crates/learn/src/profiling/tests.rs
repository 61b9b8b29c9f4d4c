//! Runs in which one stage is slow: it must be named.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::LearnError;
use crate::config::{TrainConfig, TrainingConfig};
use crate::network::{Architecture, Batch, Loss, LossScales, Native};
use crate::training::{Engine, Progress, RunFolder, Start, Trainer, Watch};

/// A clock that moves by what is told to be slow, and by a microsecond for whatever is measured: busy machines change nothing.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Meter for Clock {
    fn nanoseconds(&self) -> u64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }
}

/// What is slow in a run.
#[derive(Clone, Copy, Default)]
struct Delays {
    a_gradient: Duration,
    a_row: Duration,
    a_look: Duration,
    a_step: Duration,
}

struct SlowEngine(Native, Delays, Clock);

impl Engine for SlowEngine {
    fn name(&self) -> String {
        "slow".into()
    }

    fn profile(&mut self, profiler: Option<Arc<Profiler>>) {
        self.0.profile(profiler);
    }

    fn gradient(
        &mut self,
        weights: (&[f32], &mut [f32]),
        batch: &Batch<'_>,
        scales: &LossScales,
        step: u64,
        gradient: &mut [f32],
    ) -> Result<Loss, LearnError> {
        self.2.pass(self.1.a_gradient + self.1.a_row * batch.prices.len() as u32);
        Engine::gradient(&mut self.0, weights, batch, scales, step, gradient)
    }

    fn prices(&mut self, weights: (&[f32], &[f32]), inputs: &[f64], prices: &mut [f64]) -> Result<(), LearnError> {
        self.2.pass(self.1.a_look);
        Engine::prices(&mut self.0, weights, inputs, prices)
    }

    fn differentials(
        &mut self,
        weights: (&[f32], &[f32]),
        inputs: &[f64],
        out: (&mut [f64], &mut [f64]),
    ) -> Result<(), LearnError> {
        self.2.pass(self.1.a_look);
        Engine::differentials(&mut self.0, weights, inputs, out)
    }
}

struct SlowWatch(Clock, Duration);

impl Watch for SlowWatch {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        false
    }

    fn stepped(&mut self, _progress: &Progress) {
        self.0.pass(self.1);
    }

    fn warn(&mut self, _message: &str) {}
}

const BLACK_SCHOLES: &str = "model = \"black_scholes\"\nheld_out = 16\nsamples = 256\n[data.ranges]\n\
    moneyness = { min = 0.7, max = 1.4 }\nexpiry_years = { min = 0.1, max = 1.0 }\nvolatility = { min = 0.1, max = 0.5 }";

/// Trains some steps, and the report.
fn profiled(network: &str, data: &str, delays: Delays, change: fn(&mut TrainingConfig)) -> (Verdict, String) {
    let text = format!("[network]\n{network}\n[data]\n{data}\n[training]\nsteps = 25\nbatch = 256");
    let mut config = TrainConfig::parse(&text).unwrap();
    change(&mut config.training);
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::open(&folder.path().join("run")).unwrap();
    let clock = Clock::default();
    let of_engine = clock.clone();
    let make = move |_: &TrainConfig, architecture: &Architecture| -> Result<Box<dyn Engine + Send>, LearnError> {
        Ok(Box::new(SlowEngine(Native::new(architecture.clone()), delays, of_engine.clone())))
    };
    let mut trainer = Trainer::new(config, Start::alone(run), &make).unwrap();
    let profiler = Arc::new(Profiler::new(Box::new(clock.clone())));
    trainer.profile(Arc::clone(&profiler));
    trainer.train(&mut SlowWatch(clock, delays.a_step)).unwrap();
    let probe = trainer.probe().unwrap().unwrap();
    (verdict(&Evidence::of(&profiler, &probe)), report("run", "slow", &profiler, &probe))
}

const SMALL: &str = "width = 4\ndepth = 1";

#[test]
fn a_delay_of_every_gradient_is_named_launch_and_one_of_every_row_compute() {
    let every = Delays { a_gradient: Duration::from_millis(8), ..Delays::default() };
    let (found, report) = profiled(SMALL, BLACK_SCHOLES, every, |_| {});
    assert_eq!(found.bottleneck(), Bottleneck::Launch, "{report}");
    let rows = Delays { a_row: Duration::from_micros(40), ..Delays::default() };
    let (found, report) = profiled(SMALL, BLACK_SCHOLES, rows, |_| {});
    assert_eq!(found.bottleneck(), Bottleneck::Compute, "{report}");
}

#[test]
fn slow_looks_and_watchers_are_named() {
    let look = Delays { a_look: Duration::from_millis(20), ..Delays::default() };
    let (found, report) = profiled(SMALL, BLACK_SCHOLES, look, |training| training.evaluate_every = 1);
    assert_eq!(found.bottleneck(), Bottleneck::Looks, "{report}");
    let step = Delays { a_step: Duration::from_millis(8), ..Delays::default() };
    let (found, report) = profiled(SMALL, BLACK_SCHOLES, step, |_| {});
    assert_eq!(found.bottleneck(), Bottleneck::Watching, "{report}");
}

#[test]
fn wide_layers_are_named_by_their_arithmetic_with_their_rate() {
    let (_, report) = profiled("width = 128\ndepth = 3", BLACK_SCHOLES, Delays::default(), |_| {});
    for words in ["matrix products: ", "layer 3", "backward", "labels alone"] {
        assert!(report.contains(words), "{words}: {report}");
    }
}
