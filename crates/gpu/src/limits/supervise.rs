//! The run itself: groups made, guard set, command started inside; its use watched, signals passed on, and at the end nothing left.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::gpu_memory::{BytesByGpu, GpuMemory};
use super::group::{self, Group};
use super::guard::{Guard, Remains};
use super::plan::{GroupPlan, Hierarchy};
use super::process::{self, MARK, RunId};
use super::report::{self, By, Report, RunError};
use super::watch::{Crossing, Gauge};
use super::{Enforcement, Facts, Limit, OnExceed, Plan, Request, plan};
use crate::inventory::PciAddress;

/// How often the control group's own figures are read.
const TICK: Duration = Duration::from_millis(100);

/// How long processes that are ending anyhow may take, after the command itself, before they are told to.
const AFTERGLOW: Duration = Duration::from_millis(100);

/// The exit code of what was ended by SIGKILL, also where a shell or another run passes it on.
const KILLED_EXIT_CODE: u8 = 128 + 9;

/// What happens to a run.
#[derive(Debug)]
pub enum Event {
    /// A signal that the command should get too.
    Signal(i32),
    /// The command ended.
    Exited(io::Result<ExitStatus>),
    /// What the run holds on the GPUs.
    Gpu(Result<BytesByGpu, String>),
}

/// What to run, and how.
pub struct Job {
    /// The limits.
    pub request: Request,
    /// The machine.
    pub facts: Facts,
    /// The command with its arguments; standard streams, folder and variables as they should be.
    pub command: Command,
    /// Starts the guard.
    pub guard: Command,
    /// Asks what the run holds on the GPUs.
    pub gpu_memory: Box<dyn GpuMemory>,
    /// Time between two samples of what no control group counts.
    pub sample_interval: Duration,
    /// Whether a limit that is not hard is refused.
    pub require_hard: bool,
}

/// Runs a job to its end and gives its exit code: the command's own, 128 and the signal that ended it, or
/// [`EXCEEDED_EXIT_CODE`](super::EXCEEDED_EXIT_CODE). Signals come in through the channel that `events` receives from.
///
/// # Errors
///
/// A limit is not hard that must be; the command is not found or cannot be executed; the run cannot be set up.
pub fn run(
    job: Job,
    sender: Sender<Event>,
    events: &Receiver<Event>,
    report: &mut dyn FnMut(&Report),
) -> Result<u8, RunError> {
    let id = RunId::next().ok_or_else(|| RunError::Failed("/proc cannot be read".into()))?;
    let (plan, groups) = prepare(&job.request, job.facts.clone(), &id, report);
    let remains = Remains { id, groups };
    report(&Report::Plan { limits: plan.enforcements.clone() });
    let soft: Vec<Enforcement> = plan.soft().cloned().collect();
    if job.require_hard && !soft.is_empty() {
        remains.clear();
        return Err(RunError::NotHard(soft));
    }
    let guard = match Guard::start(job.guard, &remains) {
        Ok(guard) => Some(guard),
        Err(error) => {
            report(&Report::Unguarded { why: error.to_string() });
            None
        }
    };
    let mut command = job.command;
    command.envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command.env(MARK, remains.id.group_name());
    let program = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let ended = spawn(command, &program, &remains.groups).map(|child| {
        let handle = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        wait_for(child, sender.clone());
        watch_gpus(job.gpu_memory, &plan, remains.clone(), job.sample_interval, sender);
        let gpus = gauges(&job.request, &job.facts, &plan);
        let mut run = Running::new(&job.request, gpus, &remains, handle, job.sample_interval, report);
        let status = run.until_exit(events);
        run.end_the_rest(events);
        (status, run.exceeded, run.peaks())
    });
    if !remains.clear() {
        report(&Report::NotCleared { run: remains.id.group_name() });
    }
    if let Some(guard) = guard {
        guard.dismiss();
    }
    let (status, exceeded, (peak_cpu_memory_bytes, peak_gpu_memory_bytes)) = ended?;
    let status = status.map_err(|error| RunError::Failed(format!("{program}: cannot be waited for: {error}")))?;
    let exit_code = match exceeded {
        Some(_) if job.request.on_exceed == OnExceed::End => super::EXCEEDED_EXIT_CODE,
        _ => exit_code(status),
    };
    let seconds = started.elapsed().as_secs_f64();
    report(&Report::Ended { exit_code, exceeded, seconds, peak_cpu_memory_bytes, peak_gpu_memory_bytes });
    Ok(exit_code)
}

/// Plans and makes the groups. What the kernel refuses is taken from the facts, and planned again without.
fn prepare(request: &Request, mut facts: Facts, id: &RunId, report: &mut dyn FnMut(&Report)) -> (Plan, Vec<Group>) {
    let mut swept = false;
    loop {
        let plan = plan(request, &facts);
        if !std::mem::replace(&mut swept, true) {
            let runs = group::sweep(&plan.groups);
            if runs > 0 {
                report(&Report::Swept { runs });
            }
        }
        let mut made: Vec<Group> = Vec::new();
        let fault = plan.groups.iter().find_map(|wanted| match Group::make(wanted, id) {
            Ok(group) => {
                made.push(group);
                None
            }
            Err(error) => Some((wanted, error.to_string())),
        });
        let Some((wanted, why)) = fault else { return (plan, made) };
        made.iter().for_each(|group| _ = group.remove());
        block(&mut facts, wanted, why);
    }
}

/// Notes that a group cannot be made. Each call leaves fewer ways, so that planning comes to an end.
fn block(facts: &mut Facts, wanted: &GroupPlan, why: String) {
    let cgroups = &mut facts.cgroups;
    match wanted.hierarchy {
        Hierarchy::V2 => {
            if let Some(place) = cgroups.v2.iter_mut().find(|place| place.path == wanted.parent) {
                // Without controllers it may still hold the processes together.
                place.enabled.clear();
                place.can_enable.clear();
            }
            if wanted.controllers.is_empty() {
                cgroups.v2.retain(|place| place.path != wanted.parent);
            }
            cgroups.v2_obstacle = Some(why);
        }
        Hierarchy::V1Memory => {
            cgroups.v1_memory = None;
            cgroups.v1_obstacle = Some(why);
        }
        Hierarchy::V1Freezer => cgroups.v1_freezer = None,
    }
}

/// Starts the command inside the groups: it is in them before its first instruction.
fn spawn(mut command: Command, program: &str, groups: &[Group]) -> Result<Child, RunError> {
    let doors = groups
        .iter()
        .map(Group::door)
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| RunError::Failed(format!("{program}: no way into its control groups: {error}")))?;
    let join = move || {
        for door in &doors {
            // Only a number comes back from here, and the kernel's own would look like one of the command's.
            rustix::io::write(door, b"0").map_err(|_| report::NOT_JOINED)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only writes to files that are open already; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(join) };
    command.spawn().map_err(|error| RunError::of_spawn(program, &error))
}

fn wait_for(mut child: Child, sender: Sender<Event>) {
    // Nobody listens any more where the run was given up; there is nothing to tell then.
    thread::spawn(move || sender.send(Event::Exited(child.wait())));
}

fn watch_gpus(
    mut memory: Box<dyn GpuMemory>,
    plan: &Plan,
    remains: Remains,
    interval: Duration,
    sender: Sender<Event>,
) {
    if !plan.watched_gpus.is_empty() {
        thread::spawn(move || {
            while sender.send(Event::Gpu(memory.used(&remains.members()))).is_ok() {
                thread::sleep(interval);
            }
        });
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    // A code has eight bits; the kernel gives no other.
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// A gauge for each GPU whose memory is watched, with its place in the inventory.
fn gauges(request: &Request, facts: &Facts, plan: &Plan) -> BTreeMap<PciAddress, (usize, Gauge)> {
    let watched = facts.gpus.iter().filter(|gpu| plan.watched_gpus.contains(&gpu.index));
    let gauge = |bytes| Gauge::new(bytes, request.warn_at);
    watched.filter_map(|gpu| Some((gpu.pci?, (gpu.index, gauge(request.gpu_memory_bytes?))))).collect()
}

/// A run while its command lives.
struct Running<'a> {
    request: &'a Request,
    remains: &'a Remains,
    handle: Option<OwnedFd>,
    report: &'a mut dyn FnMut(&Report),
    cpu: Option<Gauge>,
    cpu_interval: Duration,
    cpu_seen: Option<Instant>,
    gpus: BTreeMap<PciAddress, (usize, Gauge)>,
    gpu_blind: bool,
    exceeded: Option<Limit>,
    kernel_killed: u64,
    kill_at: Option<Instant>,
}

impl<'a> Running<'a> {
    fn new(
        request: &'a Request,
        gpus: BTreeMap<PciAddress, (usize, Gauge)>,
        remains: &'a Remains,
        handle: Option<OwnedFd>,
        sample_interval: Duration,
        report: &'a mut dyn FnMut(&Report),
    ) -> Self {
        let counted = remains.groups.iter().any(|group| group.memory_bytes().is_some());
        Self {
            request,
            remains,
            handle,
            report,
            cpu: request.cpu_memory_bytes.map(|bytes| Gauge::new(bytes, request.warn_at)),
            cpu_interval: if counted { TICK.min(sample_interval) } else { sample_interval },
            cpu_seen: None,
            gpus,
            gpu_blind: false,
            exceeded: None,
            kernel_killed: 0,
            kill_at: None,
        }
    }

    /// Watches until the command itself ends.
    fn until_exit(&mut self, events: &Receiver<Event>) -> io::Result<ExitStatus> {
        loop {
            match events.recv_timeout(TICK.min(self.cpu_interval)) {
                Ok(Event::Exited(status)) => {
                    self.see_kernel();
                    self.see_uncounted(&status);
                    return status;
                }
                Ok(Event::Signal(signal)) => self.forward(signal),
                Ok(Event::Gpu(sample)) => self.see_gpus(sample),
                // The sender that waits for the command outlives this loop: a timeout is all there is.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.see_kernel();
            self.see_cpu();
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.kill_at = None;
                self.remains.signal(Signal::KILL);
            }
        }
    }

    /// Ends what the command left running: SIGTERM, the grace, and SIGKILL in [`Remains::clear`]. A signal cuts the grace short.
    fn end_the_rest(&mut self, events: &Receiver<Event>) {
        let left = self.wait_until_empty(events, AFTERGLOW);
        if left == 0 {
            return;
        }
        (self.report)(&Report::Leftover { processes: left });
        self.tell_to_end();
        self.wait_until_empty(events, self.request.grace);
        self.see_kernel();
    }

    /// How many processes are left when none is, the time is up, or a signal came.
    fn wait_until_empty(&self, events: &Receiver<Event>, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        loop {
            let left = self.remains.members().len();
            if left == 0 || Instant::now() >= until {
                return left;
            }
            if let Ok(Event::Signal(_)) = events.recv_timeout(Duration::from_millis(10)) {
                return left;
            }
        }
    }

    fn forward(&self, signal: i32) {
        if let (Some(handle), Some(signal)) = (&self.handle, Signal::from_named_raw(signal)) {
            // A command that has just ended needs no signal.
            let _ = pidfd_send_signal(handle, signal);
        }
    }

    fn tell_to_end(&self) -> usize {
        let told = self.remains.signal(Signal::TERM);
        // One that is stopped must go on to hear it.
        self.remains.signal(Signal::CONT);
        told
    }

    /// What the kernel ended at a limit of ours.
    fn see_kernel(&mut self) {
        let killed: u64 = self.remains.groups.iter().map(Group::killed_by_limit).sum();
        if killed > self.kernel_killed {
            self.kernel_killed = killed;
            let limit_bytes = self.request.cpu_memory_bytes.unwrap_or(0);
            self.exceed(Limit::CpuMemory, None, None, limit_bytes, By::Kernel);
        }
    }

    /// What the kernel ended in a group below ours that is gone with its count: a run inside this one.
    fn see_uncounted(&mut self, status: &io::Result<ExitStatus>) {
        let killed = status.as_ref().is_ok_and(|&status| exit_code(status) == KILLED_EXIT_CODE);
        if killed && self.kernel_killed == 0 && self.remains.groups.iter().any(Group::was_at_limit) {
            self.exceed(Limit::CpuMemory, None, None, self.request.cpu_memory_bytes.unwrap_or(0), By::Kernel);
        }
    }

    fn see_cpu(&mut self) {
        let due = self.cpu_seen.is_none_or(|seen| seen.elapsed() >= self.cpu_interval);
        let Some(gauge) = self.cpu.as_mut().filter(|_| due) else { return };
        self.cpu_seen = Some(Instant::now());
        let counted = self.remains.groups.iter().find_map(Group::memory_bytes);
        let used =
            counted.unwrap_or_else(|| self.remains.members().into_iter().filter_map(process::resident_bytes).sum());
        let crossing = gauge.see(used);
        let limit_bytes = gauge.limit_bytes();
        self.cross(crossing, Limit::CpuMemory, None, used, limit_bytes);
    }

    fn see_gpus(&mut self, sample: Result<BytesByGpu, String>) {
        let used = match sample {
            Ok(used) => used,
            Err(why) => {
                if !std::mem::replace(&mut self.gpu_blind, true) {
                    (self.report)(&Report::Unseen { limit: Limit::GpuMemory, why });
                }
                return;
            }
        };
        self.gpu_blind = false;
        let see = |(pci, (index, gauge)): (&PciAddress, &mut (usize, Gauge))| {
            let bytes = used.get(pci).copied().unwrap_or(0);
            (gauge.see(bytes), *index, bytes, gauge.limit_bytes())
        };
        let seen: Vec<_> = self.gpus.iter_mut().map(see).collect();
        for (crossing, index, bytes, limit_bytes) in seen {
            self.cross(crossing, Limit::GpuMemory, Some(index), bytes, limit_bytes);
        }
    }

    fn cross(
        &mut self,
        crossing: Option<Crossing>,
        limit: Limit,
        gpu: Option<usize>,
        used_bytes: u64,
        limit_bytes: u64,
    ) {
        match crossing {
            None => {}
            // The run is being ended: nobody can do anything about a warning any more.
            Some(Crossing::Warning) if self.exceeded.is_some() && self.request.on_exceed == OnExceed::End => {}
            Some(Crossing::Warning) => (self.report)(&Report::Warning { limit, gpu, used_bytes, limit_bytes }),
            Some(Crossing::Limit) => self.exceed(limit, gpu, Some(used_bytes), limit_bytes, By::Watch),
        }
    }

    fn exceed(&mut self, limit: Limit, gpu: Option<usize>, used_bytes: Option<u64>, limit_bytes: u64, by: By) {
        (self.report)(&Report::Exceeded { limit, gpu, used_bytes, limit_bytes, by });
        if self.exceeded.is_none() {
            self.exceeded = Some(limit);
            if self.request.on_exceed == OnExceed::End {
                let processes = self.tell_to_end();
                if processes > 0 {
                    let grace_seconds = self.request.grace.as_secs_f64();
                    (self.report)(&Report::Ending { processes, grace_seconds });
                }
                self.kill_at = Some(Instant::now() + self.request.grace);
            }
        }
    }

    /// The greatest use of the processor's memory, and of the GPU that had most in use.
    fn peaks(&self) -> (Option<u64>, Option<u64>) {
        let gpu = self.gpus.values().filter_map(|(_, gauge)| gauge.peak_bytes()).max();
        // What the kernel refuses comes and goes between two samples; the group remembers.
        let kept = self.remains.groups.iter().filter_map(Group::peak_memory_bytes).max();
        (self.cpu.as_ref().and_then(|cpu| cpu.peak_bytes().max(kept)), gpu)
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
