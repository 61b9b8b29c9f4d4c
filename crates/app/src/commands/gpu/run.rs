//! `zomma gpu run`: run a command within limits of memory and compute.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::Command,
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::Cause,
};
use zomma_gpu::{
    DeviceRequest,
    config::{Settings, read_share, size},
    inventory::{Gpu, Inventory, Sources},
    limits::{
        Facts, OnExceed, Request,
        gpu_memory::{AllMemory, GpuMemory, KernelMemory, NvmlMemory},
        guard,
        report::Report,
        supervise::{self, Event, Job},
        visible::{self, NoSuchGpu},
    },
    nvml::Nvml,
};

use crate::{
    failure::{BadArguments, ExitWith},
    gpu_config::{GpuConfigArgs, named_device},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Before the command starts, standard error says what each limit is worth here: hard (the kernel
refuses what goes beyond), cooperative (software that keeps to it does), observed (use is
sampled, and the command ended when it is beyond), or not in force; and why it is no stronger.
A hard limit is one of control groups: it holds against a command that cannot write its own
group. As root, or in a folder of groups that its user owns, a command that sets out to can
lift it. docs/gpu-limits.md explains each.

Exit codes: the command's own; 128 + n where signal n ended it; 124 it was ended for going
beyond a limit; 125 the run could not be set up; 126 the command cannot be executed; 127 it is
not found; 2 bad arguments, a device that is not there, and --require-hard.

Example:
  $ zomma gpu run --memory 4GiB --sm 50% --cpu-memory 8GiB -- python3 train.py
  zomma gpu run: GPU memory 4GiB: observed: NVML by process (no MPS daemon at /tmp/nvidia-mps)
  zomma gpu run: GPU compute 50%: not in force: no MPS daemon at /tmp/nvidia-mps
  zomma gpu run: CPU memory 8GiB: hard: cgroup v2 memory.max";

/// Arguments of `zomma gpu run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct RunArgs {
    /// Memory that the command may hold on each GPU, such as 4GiB or 512MB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Share of each GPU's multiprocessors, such as 50%.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    sm: Option<f64>,
    /// Memory of the processor that the command may hold, such as 8GiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    cpu_memory: Option<u64>,
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Time between SIGTERM and SIGKILL when the command is ended, such as 10s or 500ms.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    grace: Duration,
    /// Share of a limit from which use is warned of.
    #[arg(long, value_name = "SHARE", default_value = "90%", value_parser = parse_share)]
    warn_at: f64,
    /// What happens beyond a limit.
    #[arg(long, value_enum, default_value_t = Beyond::End)]
    on_exceed: Beyond,
    /// Refuse to run where a limit cannot be hard.
    #[arg(long)]
    require_hard: bool,
    /// Say what happens as lines of JSON on standard error.
    #[arg(long)]
    json: bool,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// What happens beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Beyond {
    /// It is said, and the command goes on.
    Warn,
    /// The command and all that it started are ended.
    End,
}

/// Runs it.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    if args.memory.is_none() && args.sm.is_none() && args.cpu_memory.is_none() {
        return Err(BadArguments("no limit: name one with --memory, --sm or --cpu-memory".into()).into());
    }
    if args.require_hard && args.on_exceed == Beyond::Warn {
        return Err(BadArguments("--require-hard with --on-exceed warn: what only warns is not hard".into()).into());
    }
    let settings = args.gpu.load()?;
    let device = device(args, &settings)?;
    let asks_gpu = limits_gpu(args) || device != DeviceRequest::Auto;
    let timeout = Duration::from_secs_f64(settings.config.call_timeout_seconds);
    let (gpus, nvml) = if asks_gpu { look(timeout, device) } else { (Vec::new(), Err("not asked".to_owned())) };
    let variable = |name: &str| std::env::var(name).ok();
    let facts = Facts::gather(Path::new("/"), variable, &gpus, nvml.as_ref().err().cloned());
    match visible::named(&facts, &device) {
        Ok(_) => {}
        // Where nothing of a GPU is limited, the command may well run on a software device.
        Err(NoSuchGpu::Software { .. }) if !limits_gpu(args) => {}
        Err(error) => return Err(BadArguments(format!("{}: {error}", named_device(&settings))).into()),
    }
    let job = Job {
        request: Request {
            gpu_memory_bytes: args.memory,
            gpu_compute_share: args.sm,
            cpu_memory_bytes: args.cpu_memory,
            device,
            memory_fraction: settings.config.memory_fraction,
            on_exceed: if args.on_exceed == Beyond::End { OnExceed::End } else { OnExceed::Warn },
            warn_at: args.warn_at,
            grace: args.grace,
        },
        facts,
        command: command(&args.command)?,
        guard: guard_command(),
        gpu_memory: gpu_memory(nvml.ok()),
        sample_interval: Duration::from_secs_f64(settings.config.sample_interval_seconds),
        require_hard: args.require_hard,
    };
    let (sender, events) = channel();
    pass_signals_on(sender.clone()).context("signals cannot be received")?;
    let json = args.json;
    let outcome = supervise::run(job, sender, &events, &mut |report| say(report, json));
    match outcome {
        Ok(0) => Ok(()),
        Ok(code) => Err(ExitWith { code, message: None }.into()),
        Err(error) => Err(ExitWith { code: error.exit_code(), message: Some(format!("gpu run: {error}")) }.into()),
    }
}

/// Whether a limit of a GPU is asked for.
fn limits_gpu(args: &RunArgs) -> bool {
    args.memory.is_some() || args.sm.is_some()
}

/// The GPU that is meant. Without a limit of a GPU only the flag names one, to be shown to the command alone.
fn device(args: &RunArgs, settings: &Settings) -> Result<DeviceRequest, BadArguments> {
    match settings.config.device {
        DeviceRequest::CPU if limits_gpu(args) => {
            Err(BadArguments(format!("{}: {}", named_device(settings), NoSuchGpu::Cpu)))
        }
        DeviceRequest::CPU => Ok(DeviceRequest::Auto),
        device if limits_gpu(args) || args.gpu.device.is_some() => Ok(device),
        _ => Ok(DeviceRequest::Auto),
    }
}

/// Runs the guard of a run.
pub fn guard() -> anyhow::Result<()> {
    guard::serve(io::stdin().lock()).map_err(anyhow::Error::msg)
}

/// The GPUs of this machine, and NVML or why there is none. The drivers say which GPU a named device is; else nobody needs them.
fn look(limit: Duration, device: DeviceRequest) -> (Vec<Gpu>, Result<Nvml, String>) {
    let nvml = Nvml::open(limit);
    let sources = Sources { drivers: device != DeviceRequest::Auto, limit, ..Sources::default() };
    let inventory = Inventory::with_nvml(&sources, nvml.as_ref());
    (inventory.gpus, nvml.map_err(|fault| fault.to_string()))
}

fn gpu_memory(nvml: Option<Nvml>) -> Box<dyn GpuMemory> {
    let mut ways: Vec<Box<dyn GpuMemory>> = vec![Box::new(KernelMemory::new(Path::new("/")))];
    if let Some(nvml) = nvml {
        ways.push(Box::new(NvmlMemory::new(nvml)));
    }
    Box::new(AllMemory(ways))
}

fn command(words: &[OsString]) -> anyhow::Result<Command> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// This very binary again, even where the file has been replaced since.
fn guard_command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["gpu", "run-guard"]);
    command
}

/// Passes on what others send to this process. What the terminal sends, it sends to the command too: that is not said twice.
fn pass_signals_on(sender: Sender<Event>) -> io::Result<()> {
    let passed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
    let mut signals = SignalsInfo::<WithOrigin>::new(passed)?;
    thread::spawn(move || {
        for origin in signals.forever() {
            // The run is over where nobody listens.
            if !matches!(origin.cause, Cause::Kernel) && sender.send(Event::Signal(origin.signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// One line for people, or one object a line for machines. Standard error may be closed; the run goes on all the same.
fn say(report: &Report, json: bool) {
    let text = match (json, report) {
        (true, _) => serde_json::to_string(report).unwrap_or_else(|error| error.to_string()),
        (false, Report::Ended { exceeded: None, .. }) => return,
        (false, report) => {
            let lines: Vec<String> = report.to_string().lines().map(|line| format!("zomma gpu run: {line}")).collect();
            lines.join("\n")
        }
    };
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn parse_size(text: &str) -> Result<u64, String> {
    match size::parse(text) {
        Ok(0) => Err("0: nothing runs without memory; allowed from 1 byte on".into()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    read_share(text)
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "allowed is a share in (0, 1], such as 50% or 0.5".to_owned())
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let allowed = || "allowed are times from 0s to 1h, such as 10s, 500ms or 2m".to_owned();
    let time: Duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| allowed())?,
        Err(_) => {
            text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()).ok_or_else(allowed)?
        }
    };
    if time <= Duration::from_secs(3600) { Ok(time) } else { Err(allowed()) }
}
