//! Runs the preflight: a process of this very program for each rank, in the places of the real ones.

use std::{
    ffi::OsString,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use zomma_gpu::{
    group::{
        environment::Visibility,
        launch::{Launcher, Policy, RankCommand},
        nccl,
        output::{Sink, Stream},
        preflight::{RankAnswer, RankObservation, Transport, judge},
        status::RankStatus,
    },
    inventory::Vendor,
};

use super::{
    CollectiveChoice, LaunchArgs,
    plan::{Plan, free_port},
    report::Report,
};
use crate::failure::{BadArguments, ExitWith};

/// Between asking ranks of the preflight to end and ending them: they have nothing to save.
const GRACE: Duration = Duration::from_millis(500);
/// What a process takes to start, beyond waiting for the others.
const START: Duration = Duration::from_secs(5);

/// Does what `--collective` says; an error where ranks cannot trust what joins them.
pub fn run(args: &LaunchArgs, plan: &Plan, launcher: &mut Launcher, report: &Report) -> anyhow::Result<()> {
    let Some(transport) = transport(args, plan, report)? else { return Ok(()) };
    let mebibytes = args.preflight_mib.unwrap_or(match transport {
        Transport::Nccl => 64,
        Transport::Tcp => 4,
    });
    let bytes = mebibytes as usize * (1 << 20);
    let commands = commands(args, plan, transport, bytes)?;
    let answers = Arc::new(Answers::default());
    let sink: Arc<dyn Sink> = Arc::clone(&answers) as _;
    // Ranks wait once to meet and then for one another; whoever takes longer than that hangs.
    let time_limit = Some(args.preflight_seconds * 2 + START);
    let end = launcher.run(&commands, &Policy { fail_fast: false, grace: GRACE, time_limit }, &sink);
    let end = end.context("preflight")?;
    if let Some(signal) = end.signal {
        let words = format!("ended by {}", RankStatus::Signaled(signal));
        return Err(ExitWith { code: end.exit_code(), message: Some(words) }.into());
    }
    let seen: Vec<RankObservation> =
        end.ranks.into_iter().map(|end| RankObservation { answer: answers.of(end.rank), end }).collect();
    let verdict = judge(transport, plan.shape.world_size(), bytes, &seen);
    report.preflight(&verdict, args.preflight_only)?;
    if verdict.correct {
        return Ok(());
    }
    anyhow::bail!("preflight: {}", verdict.faults.join("; "))
}

/// What the preflight goes over; none where there is nothing to join, or it is not wanted.
fn transport(args: &LaunchArgs, plan: &Plan, report: &Report) -> anyhow::Result<Option<Transport>> {
    let world_size = plan.shape.world_size();
    let nvidia = plan.ranks.iter().all(|rank| rank.gpu.as_ref().is_some_and(|gpu| gpu.vendor == Vendor::Nvidia));
    match args.collective {
        CollectiveChoice::None if args.preflight_only => {
            anyhow::bail!(BadArguments("--preflight-only and --collective none leave nothing to do".into()))
        }
        CollectiveChoice::None => Ok(None),
        // One rank has nobody to talk to; asked for by itself it is still told so.
        _ if world_size == 1 && !args.preflight_only => Ok(None),
        CollectiveChoice::Tcp => Ok(Some(Transport::Tcp)),
        CollectiveChoice::Nccl if !nvidia => {
            anyhow::bail!(BadArguments("--collective nccl: every rank needs an NVIDIA GPU".into()))
        }
        CollectiveChoice::Nccl if !plan.has_a_gpu_a_rank() => {
            anyhow::bail!(BadArguments("--collective nccl: NCCL takes one rank a GPU, not several".into()))
        }
        CollectiveChoice::Nccl => {
            nccl::available()?;
            Ok(Some(Transport::Nccl))
        }
        CollectiveChoice::Auto if nvidia && plan.has_a_gpu_a_rank() => match nccl::available() {
            Ok(()) => Ok(Some(Transport::Nccl)),
            Err(fault) => {
                report.note(&format!("{fault}: the preflight goes over TCP and says nothing about the GPUs"));
                Ok(Some(Transport::Tcp))
            }
        },
        CollectiveChoice::Auto => Ok(Some(Transport::Tcp)),
    }
}

fn commands(args: &LaunchArgs, plan: &Plan, transport: Transport, bytes: usize) -> anyhow::Result<Vec<RankCommand>> {
    let program: OsString = std::env::current_exe().context("preflight")?.into();
    // Its own port, so that nothing of it is in the way of the ranks; several nodes have only the one that they agreed on.
    let port = match plan.shape.nodes {
        1 => free_port(&plan.shape.master_addr)?,
        _ => plan.shape.master_port,
    };
    let transport = match transport {
        Transport::Nccl => "nccl",
        Transport::Tcp => "tcp",
    };
    let seconds = args.preflight_seconds.as_secs_f64().to_string();
    let arguments = ["gpu", "rank", "check", "--transport", transport, "--bytes"].map(OsString::from).into_iter();
    let arguments: Vec<OsString> =
        arguments.chain([bytes.to_string(), "--limit-seconds".into(), seconds].map(OsString::from)).collect();
    let rank = |local_rank: usize| RankCommand {
        rank: plan.shape.rank(local_rank),
        program: program.clone(),
        arguments: arguments.clone(),
        variables: plan.variables(local_rank, port, Visibility::Own),
        cpus: plan.ranks[local_rank].pin.as_ref().map(|pin| pin.cpus.clone()),
    };
    Ok((0..plan.ranks.len()).map(rank).collect())
}

/// What ranks of the preflight say.
#[derive(Default)]
struct Answers(Mutex<Vec<(usize, RankAnswer)>>);

impl Answers {
    fn of(&self, rank: usize) -> Option<RankAnswer> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.iter().find(|(of, _)| *of == rank).map(|(_, answer)| answer.clone())
    }
}

impl Sink for Answers {
    fn line(&self, rank: usize, stream: Stream, line: &[u8]) -> io::Result<()> {
        // NCCL may print lines of its own: only an answer is one.
        if let (Stream::Stdout, Ok(answer)) = (stream, serde_json::from_slice(line)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((rank, answer));
        }
        Ok(())
    }
}
