//! `zomma gpu`: finds the GPUs, lends them, watches them.

mod bench;
mod config;
mod health;
mod launch;
mod list;
mod rank;
mod run;
mod serve;

use clap::{Args, Subcommand};

/// Arguments of `zomma gpu`.
#[derive(Debug, Args)]
pub struct GpuArgs {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs of `zomma gpu`.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Every GPU of this machine, and what can drive it.
    List(list::ListArgs),
    /// Whether each GPU can be trusted.
    Health(health::HealthArgs),
    /// Serve metrics and health over HTTP.
    Serve(serve::ServeArgs),
    /// Run a command within limits of memory and compute.
    Run(run::RunArgs),
    /// Ends what a killed `run` left; started by it alone.
    #[command(hide = true)]
    RunGuard,
    /// Run N ranks of a command across the GPUs.
    Launch(launch::LaunchArgs),
    /// What `launch` starts of this program itself.
    #[command(hide = true)]
    Rank(rank::RankArgs),
    /// Show the configuration in force, and where each value comes from.
    Config(config::ConfigArgs),
    /// Measure what the resource manager costs.
    Bench(bench::BenchArgs),
}

/// Runs it.
pub fn run(args: &GpuArgs) -> anyhow::Result<()> {
    match &args.verb {
        Verb::List(args) => list::run(args),
        Verb::Health(args) => health::run(args),
        Verb::Serve(args) => serve::run(args),
        Verb::Run(args) => run::run(args),
        Verb::RunGuard => run::guard(),
        Verb::Launch(args) => launch::run(args),
        Verb::Rank(args) => rank::run(args),
        Verb::Config(args) => config::run(args),
        Verb::Bench(args) => bench::run(args),
    }
}
