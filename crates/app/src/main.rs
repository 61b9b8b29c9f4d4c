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
mod predict;
mod quantize;
mod report;
mod runs;
mod sql;
mod stdin;
mod store;
mod surface;
mod train;
mod tune;
mod watch;

use std::{io::Write, path::Path, process::ExitCode};

use clap::Parser;

/// Counts nothing unless a profile asks for it.
#[global_allocator]
static ALLOCATOR: train::allocations::Counting = train::allocations::Counting;

fn main() -> ExitCode {
    quiet_device_select();
    let cli = cli::Cli::parse();
    zomma_gpu::log_panics();
    let level = std::env::var_os(logging::VARIABLE).map(|level| level.to_string_lossy().into_owned());
    let code = match logging::install(level.as_deref()).map_err(Into::into).and_then(|()| commands::run(cli)) {
        Ok(()) => 0,
        Err(error) => failure::report(&error),
    };
    if zomma_gpu::is_driver_stuck() {
        leave(code);
    }
    ExitCode::from(code)
}

/// Ends the program without the exit handlers of the libraries that it loaded: they may wait for a call that never comes back.
fn leave(code: u8) -> ! {
    // Standard error is not buffered; where standard output is gone there is nobody to tell.
    let _ = std::io::stdout().flush();
    signal_hook::low_level::exit(i32::from(code))
}

/// Mesa's device-select layer asks the desktop for its GPU, and complains on standard error where there is no desktop to ask: where
/// `XDG_RUNTIME_DIR` is no absolute path, as Wayland's library has it.
fn quiet_device_select() {
    let absent = |name| std::env::var_os(name).is_none();
    let has_desktop = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).is_absolute());
    if !has_desktop && ["NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT"].into_iter().all(absent) {
        // SAFETY: the program has one thread yet, so that nobody reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
