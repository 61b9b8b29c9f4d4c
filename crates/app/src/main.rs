//! `zomma`, the one binary: what the user asked for, what came of it, and the exit code that says so.

mod analyze;
mod batch;
mod cli;
mod commands;
mod failure;
mod output_file;
mod report;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
