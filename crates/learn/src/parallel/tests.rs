//! Ranks as threads over real sockets: what they learn together, and what is left when one of them dies.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use zomma_gpu::group::{collective::Membership, preflight::Transport};

use super::*;
use crate::config::TrainConfig;
use crate::network::{Architecture, Native};
use crate::training::{Checkpoint, Engine, Outcome, Progress, RunFolder, Start, State, Trainer, Watch};

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
steps = 20
batch = 301
learning_rate = 0.01
warm_up = 5
ema = 0.9
evaluate_every = 8
checkpoint_every = 1000
"#;

fn config(changes: &[(&str, &str)]) -> TrainConfig {
    let change = |text: String, (from, to): &(&str, &str)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    TrainConfig::parse(&changes.iter().fold(TINY.to_owned(), change)).unwrap()
}

fn native(config: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone()).in_precision(config.training.precision)))
}

/// Counts steps, and may wish to leave after some of them. Time stands still.
#[derive(Default)]
struct Eyes {
    steps: AtomicU64,
    leaves_after: Option<u64>,
}

impl Watch for &Eyes {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        self.leaves_after.is_some_and(|steps| self.steps.load(Ordering::Relaxed) >= steps)
    }

    fn stepped(&mut self, progress: &Progress) {
        self.steps.store(progress.step, Ordering::Relaxed);
    }

    fn warn(&mut self, message: &str) {
        panic!("{message}");
    }
}

/// A rank that dies, as if killed, when it is about to begin its next call after so many.
struct Mortal {
    ring: Option<Ring>,
    calls_left: usize,
}

impl Mortal {
    fn ring(&mut self) -> &mut Ring {
        match (self.calls_left.checked_sub(1), &mut self.ring) {
            (Some(left), Some(ring)) => {
                self.calls_left = left;
                ring
            }
            // Not a panic of its own, which would be printed.
            _ => resume_unwind(Box::new("killed")),
        }
    }
}

impl Collective for Mortal {
    fn rank(&self) -> usize {
        self.ring.as_ref().map_or(0, Collective::rank)
    }

    fn world_size(&self) -> usize {
        self.ring.as_ref().map_or(1, Collective::world_size)
    }

    fn begin_sum(&mut self, piece: Vec<f32>) {
        self.ring().begin_sum(piece);
    }

    fn end_sum(&mut self) -> Result<Vec<f32>, LearnError> {
        self.ring().end_sum()
    }

    fn sum(&mut self, numbers: &mut [f64]) -> Result<(), LearnError> {
        self.ring().sum(numbers)
    }

    fn gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, LearnError> {
        self.ring().gather(bytes)
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn ring(rank: usize, world_size: usize, master_port: u16) -> Result<Ring, LearnError> {
    patient((rank, world_size), master_port, Duration::from_secs(60))
}

fn patient((rank, world_size): (usize, usize), master_port: u16, time_limit: Duration) -> Result<Ring, LearnError> {
    let membership = Membership {
        rank,
        world_size,
        master_addr: "127.0.0.1".into(),
        master_port,
        run_id: "test".into(),
        time_limit,
    };
    Ring::join(&membership, Transport::Tcp)
}

/// What a rank came back with.
struct Came {
    outcome: Result<Outcome, LearnError>,
    state: State,
}

/// How a test's ranks train: from the beginning or on, and each with eyes of its own. None for a rank that died.
struct Job<'a> {
    config: &'a TrainConfig,
    folder: &'a Path,
    resume: bool,
    eyes: &'a [Eyes],
    /// Which rank dies after how many calls.
    dies: Option<(usize, usize)>,
}

impl Job<'_> {
    fn run(&self) -> Vec<Option<Came>> {
        let port = free_port();
        let rank = |rank: usize| {
            let calls_left = self.dies.filter(|(dies, _)| *dies == rank).map_or(usize::MAX, |(_, calls)| calls);
            let ring = ring(rank, self.eyes.len(), port).unwrap();
            let group = Group::meet(Box::new(Mortal { ring: Some(ring), calls_left }), self.config).unwrap();
            let folder = match rank {
                0 => RunFolder::open(self.folder).unwrap(),
                _ => RunFolder::of_another_rank(self.folder),
            };
            let start = Start { folder, resume: self.resume, group, place: None, checkpoints: None };
            let trainer = Trainer::new(self.config.clone(), start, &native);
            let mut trainer = trainer.unwrap();
            let outcome = trainer.train(&mut &self.eyes[rank]);
            Came { outcome, state: trainer.state().clone() }
        };
        thread::scope(|scope| {
            // One thread a rank, as ranks that share a machine have: then layers are sent as they are finished.
            let alone =
                |at: usize| rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| rank(at));
            let spawn = |at: usize| scope.spawn(move || catch_unwind(AssertUnwindSafe(|| alone(at))).ok());
            let ranks: Vec<_> = (0..self.eyes.len()).map(spawn).collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }
}

fn eyes(ranks: usize) -> Vec<Eyes> {
    (0..ranks).map(|_| Eyes::default()).collect()
}

/// The state of a config that so many ranks have trained from its beginning to its end; it is the same at all.
fn trained(config: &TrainConfig, ranks: usize) -> State {
    let folder = tempfile::tempdir().unwrap();
    let job = Job { config, folder: folder.path(), resume: false, eyes: &eyes(ranks), dies: None };
    let came: Vec<Came> = job.run().into_iter().map(Option::unwrap).collect();
    for (rank, one) in came.iter().enumerate() {
        assert_eq!(one.outcome.as_ref().unwrap().network.is_some(), rank == 0);
        assert_eq!(one.state, came[0].state, "rank {rank}");
    }
    assert_eq!(Checkpoint::read(&folder.path().join("checkpoint.bin")).unwrap().state, came[0].state);
    came[0].state.clone()
}

/// Root mean square of a difference over that of the numbers.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let apart: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (apart / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

/// What is rounded to f16 on the way is of the mean over the whole batch, however its rows are cut: the loss scale overflows at the same steps. Where
/// it was of a part's own mean two ranks were apart by 1e-2, and overflowed once more.
#[test]
fn in_f16_ranks_and_accumulated_batches_overflow_where_one_batch_does() {
    let f16 = |batch: &str, more: &str| {
        let more = format!("ema = 0.9\nprecision = \"f16\"\nloss_scale = 1048576.0{more}");
        config(&[("batch = 301", batch), ("ema = 0.9", &more)])
    };
    let alone = trained(&f16("batch = 300", ""), 1);
    let scale = alone.standing.loss_scale.unwrap();
    assert!(scale.overflows() > 0, "{scale:?}");
    for (batch, more, ranks) in
        [("batch = 300", "", 2), ("batch = 150", "\naccumulate = 2", 1), ("batch = 150", "\naccumulate = 2", 2)]
    {
        let state = trained(&f16(batch, more), ranks);
        assert_eq!(state.standing.loss_scale, Some(scale), "{batch}{more}, {ranks} ranks");
        let apart = distance(&state.parameters, &alone.parameters);
        assert!(apart < 1e-3, "{batch}{more}, {ranks} ranks: {apart}");
    }
}

#[test]
fn one_two_and_three_ranks_learn_the_same_rows_to_rounding() {
    for changes in [&[][..], &[("held_out", "samples = 700\nheld_out")], &[("ema = 0.9", "ema = 0.9\naccumulate = 2")]]
    {
        let config = config(changes);
        let alone = {
            let folder = tempfile::tempdir().unwrap();
            let mut trainer =
                Trainer::new(config.clone(), Start::alone(RunFolder::open(folder.path()).unwrap()), &native).unwrap();
            trainer.train(&mut &Eyes::default()).unwrap();
            trainer.state().clone()
        };
        // What a tenth of one row's weight does in as many steps: far more than rounding.
        let others = {
            let mut other = config.clone();
            other.training.batch = 300;
            trained(&other, 1)
        };
        assert!(distance(&others.parameters, &alone.parameters) > 1e-4);
        for ranks in [2, 3] {
            let state = trained(&config, ranks);
            assert_eq!((state.standing.step, state.standing.drawn), (20, alone.standing.drawn));
            let apart = distance(&state.parameters, &alone.parameters);
            assert!(apart < 1e-5, "{changes:?}, {ranks} ranks: {apart}");
            assert_eq!(trained(&config, ranks), state, "another run of {ranks} ranks");
        }
    }
}

#[test]
fn many_buckets_are_one_gradient() {
    // 200,000 parameters: three buckets and a rest.
    let changes = [("width = 8", "width = 440"), ("steps = 20", "steps = 2"), ("batch = 301", "batch = 258")];
    let config = config(&[&changes[..], &[("warm_up = 5", "warm_up = 2")]].concat());
    assert!(distance(&trained(&config, 2).parameters, &trained(&config, 1).parameters) < 1e-5);
}

#[test]
fn whatever_call_a_rank_dies_at_at_most_one_step_is_lost_and_the_run_ends_the_same() {
    // No look but the last: one that a death falls into is not made again.
    let changes =
        [("evaluate_every = 8", "evaluate_every = 1000"), ("steps = 20", "steps = 4"), ("warm_up = 5", "warm_up = 4")];
    let config = config(&changes);
    for ranks in [2, 3] {
        let whole = trained(&config, ranks);
        // Three calls to meet and to agree; two a step; four for the last look and the end.
        for (rank, calls) in (2..14).step_by(ranks - 1).map(|calls| (calls % ranks, calls)) {
            let folder = tempfile::tempdir().unwrap();
            let watched = eyes(ranks);
            let job = Job {
                config: &config,
                folder: folder.path(),
                resume: false,
                eyes: &watched,
                dies: Some((rank, calls)),
            };
            for (at, came) in job.run().into_iter().enumerate() {
                match came {
                    None => assert_eq!(at, rank, "{calls}"),
                    // The last calls of a run may come after the others have all that they need.
                    Some(Came { outcome: Ok(_), state }) => assert_eq!(state.parameters, whole.parameters),
                    Some(Came { outcome: Err(error), .. }) => {
                        assert!(matches!(error, LearnError::RankLost { .. }), "{calls}: {error}");
                        assert!(error.to_string().contains("the checkpoint is written"), "{calls}: {error}");
                    }
                }
            }
            let done = watched.iter().map(|eyes| eyes.steps.load(Ordering::Relaxed)).max().unwrap();
            let kept = Checkpoint::read(&folder.path().join("checkpoint.bin")).unwrap().state.standing.step;
            assert!(kept + 1 >= done, "rank {rank} died at call {calls} when {done} steps were done; {kept} are kept");
            let again = Job { config: &config, folder: folder.path(), resume: true, eyes: &eyes(ranks), dies: None };
            for came in again.run() {
                assert_eq!(came.unwrap().state.parameters, whole.parameters, "rank {rank} died at call {calls}");
            }
        }
    }
}

#[test]
fn a_wish_of_any_rank_to_leave_is_every_rank_s() {
    let config = config(&[]);
    let folder = tempfile::tempdir().unwrap();
    let watched = [Eyes::default(), Eyes { leaves_after: Some(7), ..Eyes::default() }];
    let job = Job { config: &config, folder: folder.path(), resume: false, eyes: &watched, dies: None };
    for came in job.run() {
        assert_eq!(came.unwrap().outcome.unwrap().ending, crate::training::Ending::Interrupted);
    }
    let kept = Checkpoint::read(&folder.path().join("checkpoint.bin")).unwrap().state;
    // Said after seven steps, and heard with the eighth.
    assert_eq!(kept.standing.step, 8);
    let again = Job { config: &config, folder: folder.path(), resume: true, eyes: &eyes(2), dies: None };
    assert_eq!(again.run()[1].as_ref().unwrap().state, trained(&config, 2));
}

#[test]
fn a_rate_that_diverges_ends_every_rank_with_the_diagnosis() {
    let changes = [("learning_rate = 0.01", "learning_rate = 1000.0"), ("steps = 20", "steps = 1000")];
    let config = config(&changes);
    let folder = tempfile::tempdir().unwrap();
    let job = Job { config: &config, folder: folder.path(), resume: false, eyes: &eyes(2), dies: None };
    let said: Vec<String> = job.run().into_iter().map(|came| came.unwrap().outcome.unwrap_err().to_string()).collect();
    assert!(said[0].contains("stopped at step") && said[0].contains("learning_rate"), "{}", said[0]);
    assert_eq!(said[0], said[1]);
}

#[test]
fn ranks_of_other_configs_and_batches_too_small_are_refused_by_name() {
    let meet = |configs: [TrainConfig; 2]| {
        let port = free_port();
        let configs = &configs;
        thread::scope(|scope| {
            let meet = move |rank: usize| Group::meet(Box::new(ring(rank, 2, port)?), &configs[rank]).map(|_| ());
            let ranks = [0, 1].map(|rank| scope.spawn(move || meet(rank).unwrap_err().to_string()));
            ranks.map(|rank| rank.join().unwrap())
        })
    };
    for said in meet([config(&[]), config(&[("batch = 301", "batch = 64")])]) {
        assert!(said.contains("rank 1 has another config: training.batch is 64 there and 301 at rank 0"), "{said}");
    }
    for said in meet([config(&[("batch = 301", "batch = 1")]), config(&[("batch = 301", "batch = 1")])]) {
        assert!(said.contains("training.batch: 1 is not allowed: 2 or more with 2 ranks"), "{said}");
    }
}

#[test]
fn a_first_rank_that_cannot_begin_says_why_to_all() {
    let config = config(&[]);
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let said: Vec<String> = thread::scope(|scope| {
        let (config, folder) = (&config, folder.path());
        let begin = move |rank: usize| {
            let group = Group::meet(Box::new(ring(rank, 2, port).unwrap()), config).unwrap();
            let folder = if rank == 0 { RunFolder::open(folder).unwrap() } else { RunFolder::of_another_rank(folder) };
            // Nothing is there to be resumed.
            let start = Start { folder, resume: true, group, place: None, checkpoints: None };
            Trainer::new(config.clone(), start, &native).err().unwrap().to_string()
        };
        let ranks = [0, 1].map(|rank| scope.spawn(move || begin(rank)));
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(
        said.iter().all(|said| said.contains("checkpoint.bin: there is no checkpoint to go on from yet")),
        "{said:?}"
    );
}

#[test]
fn a_rank_that_is_busy_for_longer_than_the_limit_is_waited_for() {
    for world_size in [2, 3] {
        let port = free_port();
        let limit = Duration::from_secs(1);
        let sums: Vec<Vec<f32>> = thread::scope(|scope| {
            let train = move |rank: usize| {
                let mut ring = patient((rank, world_size), port, limit).unwrap();
                for busy in 0..world_size {
                    if rank == busy {
                        thread::sleep(Duration::from_millis(2500));
                    }
                    // More than the buffers of a socket take, so that others wait in the middle of it.
                    ring.begin_sum(vec![1.0; 3 << 20]);
                    assert!(ring.end_sum().unwrap().iter().all(|sum| *sum == world_size as f32));
                }
                ring.gather(vec![rank as u8]).unwrap().concat().into_iter().map(f32::from).collect()
            };
            let ranks: Vec<_> = (0..world_size).map(|rank| scope.spawn(move || train(rank))).collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        });
        assert!(sums.iter().all(|sum| sum.iter().map(|rank| *rank as usize).eq(0..world_size)));
    }
}
