//! `zomma gpu launch`: run N ranks of a command across the GPUs.

mod plan;
mod preflight;
mod report;
mod signals;

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use zomma_gpu::group::{
    guard::Guard,
    launch::{LaunchError, Launcher, Policy},
    output::{Sink, Style, Terminal},
    selection::DeviceChoice,
    status::{GroupEnd, RankStatus},
};

use crate::{
    commands,
    failure::{BadArguments, ExitWith, StdoutFailed},
};
use plan::Plan;
use report::Report;

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Each rank gets the variables that torchrun sets (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, …), runs on CPUs near its
GPU, and writes lines that begin with [rank N]. Before they start, an all-reduce over what joins them must give every sum right.
The first rank to fail ends the others; the exit code is its own, or 128 and the signal's number.

Example:
  $ zomma gpu launch -- python train.py                       one rank for each GPU
  $ zomma gpu launch -n 4 --restarts 2 -- python train.py     four ranks, started anew twice at most
  $ zomma gpu launch --topology                               what joins the GPUs, and where ranks would run
  $ zomma gpu launch --preflight-only -n 4                    whether four ranks can talk, and how fast
  $ zomma gpu launch -n 8 --nnodes 2 --node-rank 1 --master-addr 10.0.0.1 -- ./train";

/// Arguments of `zomma gpu launch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct LaunchArgs {
    /// Ranks on this machine; as many as chosen GPUs where absent.
    #[arg(short = 'n', long = "ranks", value_name = "N", value_parser = parse_ranks)]
    ranks: Option<usize>,
    /// GPUs in the order of local ranks, by their place in `zomma gpu list`: `all`, `none`, or such as 0,2.
    #[arg(long, value_name = "LIST", default_value = "all")]
    devices: DeviceChoice,
    /// Let more ranks than GPUs share them; each then sees its own alone.
    #[arg(long)]
    oversubscribe: bool,
    /// Each rank sees its own GPU alone, as device 0, and has LOCAL_RANK 0.
    #[arg(long)]
    virtual_local_rank: bool,
    /// Let ranks run on any CPU.
    #[arg(long)]
    no_pin: bool,
    /// Start the whole group anew this often when a rank fails.
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    restarts: u32,
    /// Seconds between asking ranks to end and ending them.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds, allow_negative_numbers = true)]
    grace_seconds: Duration,
    /// Where rank 0 runs; 127.0.0.1 where absent.
    #[arg(long, value_name = "HOST")]
    master_addr: Option<String>,
    /// Port at which ranks meet; a free one where absent, 29500 with several nodes.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    master_port: Option<u16>,
    /// Machines in the group; `launch` is run on each, with the same -n.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_ranks)]
    nnodes: usize,
    /// Which of them this is, from 0.
    #[arg(long, value_name = "I", default_value_t = 0)]
    node_rank: usize,
    /// The run's name, TORCHELASTIC_RUN_ID; the same on all nodes.
    #[arg(long, value_name = "NAME")]
    run_id: Option<String>,
    /// What the preflight goes over; `none` skips it.
    #[arg(long, value_enum, default_value_t = CollectiveChoice::Auto)]
    collective: CollectiveChoice,
    /// Do the preflight and nothing else.
    #[arg(long, conflicts_with = "command")]
    preflight_only: bool,
    /// Size of the preflight's all-reduce; 64 MiB on GPUs and 4 on CPUs where absent.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    preflight_mib: Option<u32>,
    /// Seconds that ranks of the preflight wait for one another.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds, allow_negative_numbers = true)]
    preflight_seconds: Duration,
    /// Print what joins the GPUs and where each rank runs; without a COMMAND that is all.
    #[arg(long)]
    topology: bool,
    /// Leave out the [rank N] before each line.
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    raw: bool,
    /// Print no line of any rank.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Also write each rank's output to DIR/attempt_0/rank_0.stdout.log, ….
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Print one JSON object for each thing that happens, lines of ranks among them.
    #[arg(long)]
    json: bool,
    /// What each rank runs.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What the preflight goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CollectiveChoice {
    /// NCCL where each rank has an NVIDIA GPU of its own and the library is there, else TCP.
    Auto,
    /// NCCL on the GPUs.
    Nccl,
    /// TCP between the CPUs.
    Tcp,
    /// No preflight.
    None,
}

/// Runs it.
pub fn run(args: &LaunchArgs) -> anyhow::Result<()> {
    if args.command.is_empty() && !args.preflight_only && !args.topology {
        let message = "a command is needed: zomma gpu launch -n N -- COMMAND; or --topology, or --preflight-only";
        anyhow::bail!(BadArguments(message.into()));
    }
    let report = Report::new(args.json);
    let mark = fresh_mark();
    let mut plan = Plan::make(args, &mark)?;
    plan.notes.iter().for_each(|note| report.note(note));
    if args.topology {
        report.plan(&plan)?;
        if args.command.is_empty() && !args.preflight_only {
            return Ok(());
        }
    }
    if let Some(folder) = &args.log_dir {
        fs::create_dir_all(folder).with_context(|| format!("--log-dir {}", folder.display()))?;
    }
    let guard = guard(&mark).context("the guard that ends ranks with their launcher cannot be started")?;
    let mut launcher = Launcher::new(guard, mark);
    signals::forward(&launcher.signals())?;
    preflight::run(args, &plan, &mut launcher, &report)?;
    if args.preflight_only {
        return Ok(());
    }
    let ended = attempts(args, &mut plan, &mut launcher, &report)?;
    if let Some(error) = ended.output_error {
        return Err(StdoutFailed(error).into());
    }
    if ended.code == 0 {
        return Ok(());
    }
    Err(ExitWith { code: ended.code, message: Some(ended.words) }.into())
}

/// How the last attempt ended.
struct Ended {
    output_error: Option<io::Error>,
    /// Whether a signal to the launcher ended it.
    told_to: bool,
    code: u8,
    words: String,
}

impl Ended {
    fn of(end: GroupEnd) -> Self {
        let failed = end.failed().map(|rank| rank.in_words()).unwrap_or_default();
        let words = end.signal.map_or(failed, |signal| format!("ended by {}", RankStatus::Signaled(signal)));
        Self { code: end.exit_code(), told_to: end.signal.is_some(), words, output_error: end.output_error }
    }
}

/// Runs the group, and again while a rank fails and restarts are left.
fn attempts(args: &LaunchArgs, plan: &mut Plan, launcher: &mut Launcher, report: &Report) -> anyhow::Result<Ended> {
    let policy = Policy { fail_fast: true, grace: args.grace_seconds, time_limit: None };
    loop {
        let attempt = plan.shape.restart_count;
        let sink = terminal(args, plan)?;
        let commands = plan.commands(&args.command);
        let end = launcher.run(&commands, &policy, &sink).map_err(not_started)?;
        report.end(attempt, &end)?;
        let ended = Ended::of(end);
        let may_restart = ended.output_error.is_none() && !ended.told_to && ended.code != 0;
        if !may_restart || attempt == plan.shape.restarts_max {
            return Ok(ended);
        }
        plan.restart(args)?;
        report.note(&format!("{}; restart {} of {}", ended.words, plan.shape.restart_count, plan.shape.restarts_max));
    }
}

fn terminal(args: &LaunchArgs, plan: &Plan) -> anyhow::Result<Arc<dyn Sink>> {
    let style = match (args.json, args.raw, args.quiet) {
        (true, ..) => Style::Json,
        (_, true, _) => Style::Raw,
        (.., true) => Style::Quiet,
        _ => Style::Prefixed,
    };
    let terminal = Terminal::new(style, Box::new(io::stdout()), Box::new(io::stderr()));
    let Some(folder) = &args.log_dir else { return Ok(Arc::new(terminal)) };
    let folder = folder.join(format!("attempt_{}", plan.shape.restart_count));
    let ranks = (0..plan.ranks.len()).map(|local_rank| plan.shape.rank(local_rank));
    Ok(Arc::new(terminal.with_logs(&folder, ranks).context("--log-dir")?))
}

/// A command that cannot be run has the exit codes that shells give it.
fn not_started(error: LaunchError) -> anyhow::Error {
    let code = match &error {
        LaunchError::Spawn { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
        LaunchError::Spawn { .. } => 126,
        _ => 1,
    };
    ExitWith { code, message: Some(error.to_string()) }.into()
}

/// Starts this very program as the guard of what bears the mark.
fn guard(mark: &str) -> io::Result<Guard> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["gpu", "rank", "guard", "--mark", mark]);
    Guard::start(command)
}

/// A name that no other launch has: process, time, and chance where the system gives any.
fn fresh_mark() -> String {
    let mut chance = [0; 8];
    // Without chance, process and time still tell launches of one machine apart.
    let _ = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut chance));
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}-{:016x}", std::process::id(), time.as_nanos(), u64::from_le_bytes(chance))
}

fn parse_ranks(text: &str) -> Result<usize, String> {
    commands::parse_threads(text)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "seconds from 0 to 86400".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["-1", "nan", "inf", "1e9", "soon"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_launches_never_share_a_mark() {
        assert_ne!(fresh_mark(), fresh_mark());
    }
}
