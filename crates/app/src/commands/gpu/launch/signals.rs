//! Signals that the launcher is sent go on to its ranks.

use std::{fs, thread};

use anyhow::Context;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use zomma_gpu::group::launch::SignalSender;

/// What is passed on. Job control is not: a stopped launcher leaves its ranks running.
const PASSED_ON: [Signal; 6] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// From here on, signals go to `ranks` for as long as the program runs.
pub fn forward(ranks: &SignalSender) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("signals")?;
    let ignored = ignored();
    for passed in PASSED_ON {
        // `nohup` has a reason to ignore SIGHUP, a shell to ignore SIGINT of what it runs in the background.
        if ignored >> (passed.as_raw() - 1) & 1 == 1 {
            continue;
        }
        let _inside = runtime.enter();
        let mut arrivals = signal(SignalKind::from_raw(passed.as_raw())).context("signals")?;
        let ranks = ranks.clone();
        runtime.spawn(async move {
            while arrivals.recv().await.is_some() {
                ranks.send(passed);
            }
        });
    }
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(())
}

/// The signals that whoever started this program had it ignore, a bit each.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
