//! `zomma`, the one binary: what the user asked for, what came of it, and the exit code that says so.

mod analyze;
mod batch;
mod cli;
mod commands;
mod failure;
mod gpu_config;
mod logging;
mod output_file;
mod report;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    zomma_gpu::log_panics();
    let level = std::env::var_os(logging::VARIABLE).map(|level| level.to_string_lossy().into_owned());
    match logging::install(level.as_deref()).map_err(Into::into).and_then(|()| commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
