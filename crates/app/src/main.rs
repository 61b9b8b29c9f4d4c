//! `zomma`, the one binary: what the user asked for, what came of it, and the exit code that says so.

mod alpha;
mod analyze;
mod arbitrage;
mod batch;
mod bench;
mod book;
mod chain_days;
mod chain_reader;
mod cli;
mod commands;
mod config_file;
mod failure;
mod features;
mod feed;
mod gpu_config;
mod interrupt;
mod logging;
mod long_run;
mod onnx;
mod option_features;
mod output_file;
mod pinn;
mod quantize;
mod report;
mod runs;
mod sql;
mod store;
mod surface;
mod train;
mod tune;
mod watch;

use std::process::ExitCode;

use clap::Parser;

/// Counts nothing unless a profile asks for it.
#[global_allocator]
static ALLOCATOR: train::allocations::Counting = train::allocations::Counting;

fn main() -> ExitCode {
    quiet_device_select();
    let cli = cli::Cli::parse();
    zomma_gpu::log_panics();
    let level = std::env::var_os(logging::VARIABLE).map(|level| level.to_string_lossy().into_owned());
    match logging::install(level.as_deref()).map_err(Into::into).and_then(|()| commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// Mesa's device-select layer asks the desktop for its GPU, and complains on standard error where there is no desktop to ask.
fn quiet_device_select() {
    let absent = |name| std::env::var_os(name).is_none();
    if ["XDG_RUNTIME_DIR", "NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT"].into_iter().all(absent) {
        // SAFETY: the program has one thread yet, so that nobody reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
