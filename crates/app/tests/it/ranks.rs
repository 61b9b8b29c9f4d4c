//! `zomma gpu launch … -- zomma train`: ranks that train one network, that die and go on, and that leave together.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use zomma_learn::training::{Checkpoint, State};

use crate::program::{Run, arg, run, table, zomma};

/// A network of seconds; a look at every step, so that metrics.csv tells how far the first rank came.
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
steps = 120
batch = 256
learning_rate = 0.01
warm_up = 20
evaluate_every = 1
checkpoint_every = 1000000
"#;

struct Group {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Group {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tiny.toml");
        fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A launch of ranks that leave their process ids behind, with more arguments of `zomma train`.
    fn launch(&self, ranks: usize, flags: &[&str], more: &str) -> Command {
        let ids = self.folder.path();
        let train = format!(
            "exec {} train {} -o {} {more}",
            env!("CARGO_BIN_EXE_zomma"),
            arg(&self.config),
            arg(&self.output())
        );
        let script = format!("echo $$ > {0}/$RANK.tmp; mv {0}/$RANK.tmp {0}/$RANK.pid; {train}", arg(ids));
        let mut command = zomma();
        let ranks = ranks.to_string();
        command.args(["gpu", "launch", "-n", &ranks, "--devices", "none", "--collective", "none"]);
        command.args(flags).args(["--", "sh", "-c", &script]);
        command
    }

    fn run(&self, ranks: usize, flags: &[&str], more: &str) -> Run {
        Run::of(&self.launch(ranks, flags, more).output().unwrap())
    }

    fn start(&self, ranks: usize, flags: &[&str], more: &str) -> Child {
        self.launch(ranks, flags, more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn id(&self, rank: usize) -> Option<String> {
        let id = fs::read_to_string(self.folder.path().join(format!("{rank}.pid"))).ok()?;
        Some(id.trim().to_owned())
    }

    /// The last step that the first rank has told of.
    fn step(&self) -> u64 {
        let metrics = fs::read_to_string(self.output().join("metrics.csv")).unwrap_or_default();
        let whole = metrics.rfind('\n').map_or("", |end| &metrics[..end]);
        whole.lines().last().and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    fn checkpoint(&self) -> State {
        Checkpoint::read(&self.output().join("checkpoint.bin")).unwrap().state
    }
}

fn signal(id: &str, signal: &str) {
    assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
}

/// Whether a process is gone, or only not yet fetched by its parent.
fn has_ended(id: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{id}/stat")).ok();
    state.is_none_or(|state| state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {what} after two minutes");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What the first rank printed as JSON.
fn figures(out: &str) -> Value {
    let text: String = out.lines().filter_map(|line| line.strip_prefix("[rank 0] ")).collect();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn two_ranks_learn_what_one_does_and_the_first_alone_speaks() {
    let together = Group::new(&TINY.replace("evaluate_every = 1", "evaluate_every = 40"));
    let said = together.run(2, &[], "--json").ok();
    let found = figures(&said.out);
    assert!(!said.out.contains("[rank 1]") && !said.err.contains("[rank 1]"), "{}{}", said.out, said.err);
    assert!(said.err.contains("2 ranks"), "{}", said.err);
    assert_eq!((found["steps"].as_u64(), found["samples"].as_u64()), (Some(120), Some(120 * 256)));
    let output = together.folder.path().join("alone");
    let alone = run(&["train", arg(&together.config), "-o", arg(&output), "--json"]).ok();
    let alone: Value = serde_json::from_str(&alone.out).unwrap();
    // Rounding, which 120 steps of a rate of 0.01 have made larger.
    let rmse = |found: &Value| found["price_rmse"].as_f64().unwrap();
    assert!((rmse(&found) / rmse(&alone) - 1.0).abs() < 0.01, "{found} {alone}");
    let metrics = |folder: &Path| fs::read_to_string(folder.join("metrics.csv")).unwrap();
    let steps = |text: String| table(&text).iter().map(|row| row["step"].clone()).collect::<Vec<_>>();
    assert_eq!(steps(metrics(&together.output())), steps(metrics(&output)));
    // The same once more, to the last bit.
    let again = Group::new(&fs::read_to_string(&together.config).unwrap());
    assert_eq!(figures(&again.run(2, &[], "--json").ok().out)["parameters_checksum"], found["parameters_checksum"]);
}

/// Kills one rank after another; `ZOMMA_RANK_KILLS` says how often instead of five times.
#[test]
#[cfg(target_os = "linux")]
fn a_rank_that_is_killed_costs_a_step_at_most_and_the_group_goes_on() {
    let kills: u64 = std::env::var("ZOMMA_RANK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(5);
    let text = TINY.replace("steps = 120", &format!("steps = {}", 60 + 30 * kills));
    let whole = Group::new(&text);
    whole.run(2, &[], "").ok();
    let group = Group::new(&text);
    let mut child = group.start(2, &["--restarts", "1000"], "");
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = lines.inspect(|line| println!("{line}"));
    let (mut lost_most, mut slowest) = (0, Duration::ZERO);
    for kill in 0..kills {
        // On for a while from where it stood, each time another while, and then a rank goes.
        let mut steps = said.by_ref().filter(|line| line.starts_with("[rank 0] step "));
        assert!(steps.nth(10 + (kill % 13) as usize).is_some(), "the run ended before kill {kill}");
        let rank = (kill / 2 % 2) as usize;
        let other = group.id(1 - rank).unwrap();
        // Every other time the launcher sees nothing until the rest has ended: the ranks must find out by themselves.
        let blind = kill % 2 == 0;
        let killed = Instant::now();
        if blind {
            signal(&child.id().to_string(), "-STOP");
        }
        signal(&group.id(rank).unwrap(), "-KILL");
        let mut reached = None;
        if blind {
            wait_for("end of the other rank", || has_ended(&other));
            reached = Some(group.step());
            signal(&child.id().to_string(), "-CONT");
        }
        let from = said.by_ref().find_map(|line| line.split_once("goes on after step ")?.1.parse::<u64>().ok());
        let from = from.unwrap_or_else(|| panic!("kill {kill}: the group did not go on"));
        slowest = slowest.max(killed.elapsed());
        if let Some(reached) = reached {
            assert!(from + 1 >= reached, "kill {kill} of rank {rank}: {reached} steps were done, {from} are kept");
            lost_most = lost_most.max(reached.saturating_sub(from));
        }
    }
    println!("{kills} kills: at most {lost_most} steps lost, going again after {:.2} s at most", slowest.as_secs_f64());
    said.by_ref().for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_eq!(group.checkpoint().parameters, whole.checkpoint().parameters);
}

#[test]
fn an_interrupt_of_one_rank_is_every_rank_s_and_the_run_goes_on_later() {
    let whole = Group::new(TINY);
    whole.run(2, &[], "").ok();
    let group = Group::new(TINY);
    let child = group.start(2, &[], "");
    wait_for("step", || group.step() > 20);
    signal(&group.id(1).unwrap(), "-INT");
    let stopped = Run::of(&child.wait_with_output().unwrap());
    stopped.refused(130, &["[rank 0] zomma: stopped after step", "--resume"]);
    group.run(2, &[], "").refused(1, &["checkpoint.bin", "--resume"]);
    group.run(2, &[], "--resume").ok();
    let (mut found, wanted) = (group.checkpoint(), whole.checkpoint());
    found.standing.seconds = wanted.standing.seconds;
    assert_eq!(found, wanted);
}

#[test]
fn a_rank_that_stands_still_is_given_up_and_what_was_learned_is_kept() {
    let group = Group::new(&TINY.replace("steps = 120", "steps = 100000000"));
    let child = group.start(2, &[], "--rank-seconds 3");
    wait_for("step", || group.step() > 20);
    signal(&group.id(1).unwrap(), "-STOP");
    let said = Run::of(&child.wait_with_output().unwrap());
    said.refused(
        1,
        &["[rank 0] zomma: the group cannot go on: rank 1", "nothing for 3 s", "the checkpoint is written"],
    );
    assert!(group.checkpoint().standing.step > 20);
}

#[test]
fn what_does_not_fit_together_or_diverges_ends_every_rank_with_the_reason() {
    let group = Group::new(TINY);
    let other = group.folder.path().join("1.toml");
    fs::write(group.folder.path().join("0.toml"), TINY).unwrap();
    fs::write(&other, TINY.replace("width = 8", "width = 9")).unwrap();
    let script = format!(
        "exec {} train {}/$RANK.toml -o {}",
        env!("CARGO_BIN_EXE_zomma"),
        arg(group.folder.path()),
        arg(&group.output())
    );
    let start = ["gpu", "launch", "-n", "2", "--devices", "none", "--collective", "none", "--", "sh", "-c"];
    let said = run(&[&start[..], &[&script]].concat());
    said.refused(1, &["rank 1 has another config: network.width is 9 there and 8 at rank 0"]);
    let diverging =
        TINY.replace("learning_rate = 0.01", "learning_rate = 1000.0").replace("steps = 120", "steps = 5000");
    let said = Group::new(&diverging).run(2, &[], "");
    said.refused(1, &["[rank 0] zomma: stopped at step", "[rank 1] zomma: stopped at step", "training.learning_rate"]);
    Group::new(&TINY.replace("batch = 256", "batch = 1")).run(2, &[], "").refused(2, &["training.batch: 1", "2 ranks"]);
}
