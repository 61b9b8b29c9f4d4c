//! `zomma bench`: what this machine and its devices do, CPU against GPU in one run.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use zomma_gpu::{DeviceKind, choose};

use crate::bench::{Bench, Comparison, Interrupted, Report, Section, Stop, read_report, render, render_comparison};
use crate::gpu_config::{GpuConfigArgs, named_device};
use crate::{
    commands,
    failure::{self, BadArguments, ExitWith},
    output_file::AtomicFile,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns: the rate at the median call with half the interquartile range, on one core, on all cores and on the device;
the device's rate over that of all cores; the first call with its compilation; whether the results agree with an
independent one. Device rates of `kernels` and of the rolling statistics have the copies to and from the host in them;
those of `matmul`, `network`, `memory` and of what is called \"data there\" are of data that stays on the device. A
software Vulkan device is used only if named; with --device cpu there is no column of a device.

Example:
  $ zomma bench -o before.json
  $ zomma bench kernels memory --device cuda:1
  $ zomma bench --compare before.json
  $ zomma bench --quick --json | jq '.lines[] | [.task, .size, .all_cores.rate, .unit]'

Exit codes: 0 done, 1 a result was wrong or the work failed, 2 bad arguments, 130 Ctrl-C, which ends the run after the
call in progress and prints what there is; a second one ends the program.";

/// Arguments of `zomma bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct BenchArgs {
    /// What to measure; everything where absent.
    #[arg(value_name = "SECTION", value_enum)]
    sections: Vec<Section>,
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Small sizes and few runs: a look within seconds.
    #[arg(long)]
    quick: bool,
    /// Print JSON and no table.
    #[arg(long)]
    json: bool,
    /// Also write the JSON to a file, for --compare.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compare each line with that of an earlier run.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Compare although the earlier run was made on another machine, device or build.
    #[arg(long, requires = "compare")]
    across_machines: bool,
    /// Threads of the column "all cores"; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
}

/// Runs it.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let settings = args.gpu.load()?;
    let named = || named_device(&settings);
    let chosen = choose(&settings.config.device).map_err(|error| BadArguments(format!("{}: {error}", named())))?;
    if let Some(note) = chosen.note() {
        eprintln!("zomma: {note}");
    }
    let device = (chosen.kind() != DeviceKind::Cpu).then_some(&chosen);
    if let Some(device) = device {
        // A device that cannot be opened is told of before minutes are spent on the processor.
        device.open().with_context(named)?;
    }
    let mut report = Report::begin(jiff::Timestamp::now(), args.quick, device);
    let earlier = match &args.compare {
        Some(path) => {
            let then = read_report(path)?;
            let other_machine = Comparison::allowed(path, &then, &report, args.across_machines)?;
            Some((path, then, other_machine))
        }
        None => None,
    };
    let cannot_write = |path: &PathBuf| format!("cannot write {}", path.display());
    let output = match &args.output {
        // Opened now, so that a folder that is not there is told of before minutes are spent.
        Some(path) => Some((path, AtomicFile::create(path).with_context(|| cannot_write(path))?)),
        None => None,
    };

    let mut sections = args.sections.clone();
    if sections.is_empty() {
        sections = vec![Section::Matmul, Section::Network, Section::Data, Section::Memory, Section::Kernels];
    }
    sections.sort_unstable();
    sections.dedup();
    let progress = progress();
    let mut bench = Bench::new(args.quick, device, progress.clone(), Stop::on_interrupt())?;
    let measured = sections.iter().try_for_each(|section| section.run(&mut bench));
    progress.finish_and_clear();
    report.lines = bench.into_lines();

    if let Err(error) = measured {
        if !args.json && !report.lines.is_empty() {
            commands::print(&render(&report))?;
        }
        let done = report.lines.len();
        let message = format!("after {done} line{}: {}", if done == 1 { "" } else { "s" }, failure::words(&error));
        // What shells show for a program that Ctrl-C ended.
        let code = if error.is::<Interrupted>() { 130 } else { 1 };
        bail!(ExitWith { code, message: Some(message) });
    }
    let comparison = earlier.map(|(path, then, other)| Comparison::new(path, &then, &report, other));
    let json = || -> anyhow::Result<String> {
        let mut value = serde_json::to_value(&report)?;
        if let Some(comparison) = &comparison {
            value["comparison"] = json!(comparison);
        }
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    };
    if let Some((path, mut file)) = output {
        let text = json()?;
        file.write_all(text.as_bytes()).and_then(|()| file.commit()).with_context(|| cannot_write(path))?;
    }
    if args.json {
        commands::print(&json()?)?;
    } else {
        commands::print(&render(&report))?;
        if let Some(comparison) = &comparison {
            commands::print(&render_comparison(comparison))?;
        }
    }
    match report.wrong() {
        0 => Ok(()),
        1 => bail!("1 line has a wrong result or a failed device"),
        wrong => bail!("{wrong} lines have a wrong result or a failed device"),
    }
}

/// What is being measured, on a terminal only.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    // The template is a constant of this program; without it the bar keeps its own.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} done, {elapsed}: {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
