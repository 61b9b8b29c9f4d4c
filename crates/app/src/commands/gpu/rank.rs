//! `zomma gpu rank`: what `zomma gpu launch` starts of this program itself. Not for people.

use std::{io, panic, path::Path, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use zomma_gpu::group::{
    collective::Membership,
    guard,
    preflight::{self, PreflightError, RankAnswer, Transport},
};

use crate::commands;

/// Arguments of `zomma gpu rank`.
#[derive(Debug, Args)]
pub struct RankArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Wait for the launcher's end, then end what it left.
    Guard {
        /// What the launcher's processes bear in their environment.
        #[arg(long)]
        mark: String,
    },
    /// One rank of a preflight: its answer is a line of JSON on standard output.
    Check {
        /// What the numbers go over.
        #[arg(long, value_enum)]
        transport: TransportName,
        /// Size of the all-reduce.
        #[arg(long)]
        bytes: usize,
        /// The longest wait for another rank.
        #[arg(long)]
        limit_seconds: f64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransportName {
    Nccl,
    Tcp,
}

/// Runs it.
pub fn run(args: &RankArgs) -> anyhow::Result<()> {
    match &args.part {
        Part::Guard { mark } => {
            guard::watch(io::stdin().lock(), mark, Path::new("/proc"));
            Ok(())
        }
        Part::Check { transport, bytes, limit_seconds } => {
            let transport = match transport {
                TransportName::Nccl => Transport::Nccl,
                TransportName::Tcp => Transport::Tcp,
            };
            let limit = Duration::try_from_secs_f64(*limit_seconds)?;
            let answer = match check(transport, *bytes, limit) {
                Ok(report) => RankAnswer::Report(report),
                Err(message) => RankAnswer::Failed(message),
            };
            commands::print(&format!("{}\n", serde_json::to_string(&answer)?))
        }
    }
}

fn check(transport: Transport, bytes: usize, limit: Duration) -> Result<preflight::RankReport, String> {
    let checked = panic::catch_unwind(|| {
        let membership = Membership::from_variables(|name| std::env::var(name).ok(), limit)?;
        preflight::check(&membership, transport, bytes)
    });
    match checked {
        Ok(answer) => answer.map_err(|error: PreflightError| error.to_string()),
        // cudarc panics where a library that it has loaded lacks a function.
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(words.unwrap_or("a library failed without words").to_string())
        }
    }
}
