//! Starts the ranks of one attempt and sees them to their end: signals passed on, all ended when one fails, none left behind.
//!
//! Each rank leads a process group of its own, so that what it starts ends with it, and is pinned by its thread of birth: a child
//! inherits the affinity of the thread that makes it. No code of ours runs between fork and exec.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::environment::Variables;
use super::guard::{Guard, MARK};
use super::output::{Sink, Stream, pump};
use super::status::{GroupEnd, RankEnd, RankStatus};

/// Once all ranks have ended, how long their output may still be held open by what they left behind.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// One rank to start.
#[derive(Debug, Clone)]
pub struct RankCommand {
    /// Its rank in the group.
    pub rank: usize,
    /// What to run.
    pub program: OsString,
    /// With which arguments.
    pub arguments: Vec<OsString>,
    /// Variables to set or take away.
    pub variables: Variables,
    /// CPUs to run on; none where ranks are not pinned.
    pub cpus: Option<Vec<u32>>,
}

/// How an attempt ends.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether the first rank that fails ends the others.
    pub fail_fast: bool,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The longest that the attempt may take.
    pub time_limit: Option<Duration>,
}

/// Why a group did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A rank's command cannot be run.
    #[error("{}: {error}", program.display())]
    Spawn {
        /// The command.
        program: OsString,
        /// The system's words.
        error: io::Error,
    },
    /// A rank cannot be put on its CPUs.
    #[error("rank {rank}: cannot run on CPUs {cpus}: {error}; --no-pin lets it run anywhere")]
    Pin {
        /// Which rank.
        rank: usize,
        /// Its CPUs.
        cpus: String,
        /// The system's words.
        error: io::Error,
    },
}

/// What happens while ranks run.
#[derive(Debug)]
enum Event {
    /// The rank at this place has ended; it is not reaped yet, so its process group is still its own.
    Ended(usize, RankStatus),
    /// A stream of a rank has ended.
    Read,
    /// Lines cannot be written any more.
    OutputFailed(io::Error),
    /// The launcher was sent this signal.
    Signal(Signal),
}

/// The way in for signals that the launcher is sent.
#[derive(Debug, Clone)]
pub struct SignalSender(Sender<Event>);

impl SignalSender {
    /// Passes a signal on: to all ranks, and if it is one that ends a process, to the end of the group; the second such one ends it
    /// at once.
    pub fn send(&self, signal: Signal) {
        // No receiver: nothing runs any more.
        let _ = self.0.send(Event::Signal(signal));
    }
}

/// Starts attempts, one after another.
#[derive(Debug)]
pub struct Launcher {
    sender: Sender<Event>,
    events: Receiver<Event>,
    guard: Guard,
    mark: String,
}

impl Launcher {
    /// Ranks live no longer than `guard`'s pipe; `mark` is what the guard knows them by.
    #[must_use]
    pub fn new(guard: Guard, mark: String) -> Self {
        let (sender, events) = channel();
        Self { sender, events, guard, mark }
    }

    /// Where the launcher's own signals go.
    #[must_use]
    pub fn signals(&self) -> SignalSender {
        SignalSender(self.sender.clone())
    }

    /// Runs all ranks once, to their end.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] where a rank cannot be started; those before it have been ended then.
    pub fn run(
        &mut self,
        commands: &[RankCommand],
        policy: &Policy,
        sink: &Arc<dyn Sink>,
    ) -> Result<GroupEnd, LaunchError> {
        let mut attempt = Attempt { ranks: Vec::with_capacity(commands.len()), reading: 0, ending_since: None };
        for command in commands {
            match self.start(command, attempt.ranks.len(), sink) {
                Ok(rank) => {
                    self.guard.add(rank.group);
                    attempt.reading += 2;
                    attempt.ranks.push(rank);
                }
                Err(error) => {
                    attempt.kill();
                    self.wait_for_all(&mut attempt);
                    self.reap(&mut attempt);
                    return Err(error);
                }
            }
        }
        Ok(self.supervise(attempt, policy))
    }

    fn start(&self, command: &RankCommand, place: usize, sink: &Arc<dyn Sink>) -> Result<Rank, LaunchError> {
        let mut child = spawn(command, &self.mark)?;
        // A number that the kernel gave to a child is a valid one.
        let group = Pid::from_child(&child);
        let last_error = Arc::new(Mutex::new(None));
        let streams: [(Stream, Option<Box<dyn io::Read + Send>>); 2] = [
            (Stream::Stdout, child.stdout.take().map(|pipe| Box::new(pipe) as _)),
            (Stream::Stderr, child.stderr.take().map(|pipe| Box::new(pipe) as _)),
        ];
        for (stream, pipe) in streams {
            let Some(pipe) = pipe else { continue };
            let (sender, sink, rank) = (self.sender.clone(), Arc::clone(sink), command.rank);
            // Only the last words on standard error say why a rank failed.
            let last = if stream == Stream::Stderr { Arc::clone(&last_error) } else { Arc::default() };
            thread::spawn(move || {
                // Nobody listens once the launcher has given up waiting.
                if let Err(error) = pump(rank, stream, pipe, &*sink, &last) {
                    let _ = sender.send(Event::OutputFailed(error));
                }
                let _ = sender.send(Event::Read);
            });
        }
        let sender = self.sender.clone();
        thread::spawn(move || sender.send(Event::Ended(place, wait(group))));
        Ok(Rank { rank: command.rank, group, child, started: Instant::now(), ended: None, last_error })
    }

    fn supervise(&mut self, mut attempt: Attempt, policy: &Policy) -> GroupEnd {
        let mut end = GroupEnd::default();
        let started = Instant::now();
        while attempt.is_running() {
            let due = match (attempt.ending_since, policy.time_limit) {
                (Some(since), _) => Some(since + policy.grace),
                (None, Some(limit)) => Some(started + limit),
                (None, None) => None,
            };
            match self.next_event(due) {
                None if attempt.ending_since.is_some() => attempt.kill(),
                None => {
                    end.timed_out = true;
                    attempt.end_by(Signal::TERM);
                }
                Some(Event::Ended(place, status)) => {
                    attempt.ended(place, status);
                    if status != RankStatus::Exited(0) && attempt.ending_since.is_none() {
                        end.first_failure.get_or_insert(place);
                        if policy.fail_fast {
                            attempt.end_by(Signal::TERM);
                        }
                    }
                }
                Some(Event::Read) => attempt.reading -= 1,
                Some(Event::OutputFailed(error)) => {
                    end.output_error.get_or_insert(error);
                    if attempt.ending_since.is_none() {
                        attempt.end_by(Signal::TERM);
                    }
                }
                Some(Event::Signal(signal)) if !is_deadly(signal) => attempt.signal(signal),
                Some(Event::Signal(signal)) if end.signal.is_none() => {
                    end.signal = Some(signal.as_raw());
                    attempt.end_by(signal);
                }
                // Asked twice: no more grace.
                Some(Event::Signal(_)) => attempt.kill(),
            }
        }
        self.wait_for_all(&mut attempt);
        self.reap(&mut attempt);
        end.ranks = attempt.ranks.into_iter().map(Rank::into_end).collect();
        end
    }

    /// The next thing that happens, or none when `due` comes first.
    fn next_event(&self, due: Option<Instant>) -> Option<Event> {
        let received = match due {
            Some(due) => self.events.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => self.events.recv().map_err(RecvTimeoutError::from),
        };
        // It cannot be disconnected: this launcher holds a sender itself.
        received.ok()
    }

    /// Ends what is left of every rank's process group, then reads their output to its end.
    fn wait_for_all(&mut self, attempt: &mut Attempt) {
        while attempt.is_running() {
            if let Some(Event::Ended(place, status)) = self.next_event(None) {
                attempt.ended(place, status);
            }
        }
        attempt.kill();
        let until = Instant::now() + OUTPUT_LIMIT;
        while attempt.reading > 0 {
            match self.next_event(Some(until)) {
                Some(Event::Read) => attempt.reading -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn reap(&mut self, attempt: &mut Attempt) {
        for rank in &mut attempt.ranks {
            // It has ended already: this only frees its number, and cannot fail for a child of ours.
            let _ = rank.child.wait();
            self.guard.remove(rank.group);
        }
    }
}

/// One start of all ranks.
struct Attempt {
    ranks: Vec<Rank>,
    /// Streams that have not ended.
    reading: usize,
    /// When the ranks were first asked to end.
    ending_since: Option<Instant>,
}

impl Attempt {
    fn is_running(&self) -> bool {
        self.ranks.iter().any(|rank| rank.ended.is_none())
    }

    fn ended(&mut self, place: usize, status: RankStatus) {
        let asked = self.ending_since.is_some();
        let rank = &mut self.ranks[place];
        rank.ended = Some(Ended { status, asked, after: rank.started.elapsed() });
    }

    /// Sends a signal to everything that ranks have started.
    fn signal(&self, signal: Signal) {
        for rank in &self.ranks {
            // A group that is gone needs no signal.
            let _ = kill_process_group(rank.group, signal);
        }
    }

    /// Asks all ranks to end; one that was stopped is woken to hear it.
    fn end_by(&mut self, signal: Signal) {
        self.ending_since.get_or_insert_with(Instant::now);
        self.signal(signal);
        self.signal(Signal::CONT);
    }

    fn kill(&mut self) {
        self.ending_since.get_or_insert_with(Instant::now);
        self.signal(Signal::KILL);
    }
}

/// One rank that was started.
struct Rank {
    rank: usize,
    group: Pid,
    child: Child,
    started: Instant,
    ended: Option<Ended>,
    last_error: Arc<Mutex<Option<String>>>,
}

struct Ended {
    status: RankStatus,
    /// Whether it had been asked to.
    asked: bool,
    after: Duration,
}

impl Rank {
    fn into_end(self) -> RankEnd {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended =
            self.ended.unwrap_or(Ended { status: RankStatus::Lost, asked: false, after: self.started.elapsed() });
        RankEnd {
            rank: self.rank,
            status: ended.status,
            ended_by_launcher: ended.asked,
            seconds: ended.after.as_secs_f64(),
            last_error_line: last,
        }
    }
}

/// Starts one rank from a thread that runs on its CPUs.
fn spawn(rank: &RankCommand, mark: &str) -> Result<Child, LaunchError> {
    let mut command = Command::new(&rank.program);
    command.args(&rank.arguments).env(MARK, mark);
    for (name, value) in &rank.variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut start = || command.spawn().map_err(|error| LaunchError::Spawn { program: rank.program.clone(), error });
    let Some(cpus) = &rank.cpus else { return start() };
    let pinned = || {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|&cpu| set.set(cpu as usize));
        sched_setaffinity(None, &set).map_err(|error| LaunchError::Pin {
            rank: rank.rank,
            cpus: super::cpus::format_cpu_list(cpus),
            error: error.into(),
        })?;
        start()
    };
    thread::scope(|scope| match scope.spawn(pinned).join() {
        Ok(started) => started,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Waits for a rank's end and leaves it to be reaped later, so that its process group cannot become another's in the meantime.
fn wait(group: Pid) -> RankStatus {
    loop {
        match waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let code = status.exit_status().map(RankStatus::Exited);
                return code
                    .or_else(|| status.terminating_signal().map(RankStatus::Signaled))
                    .unwrap_or(RankStatus::Lost);
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => return RankStatus::Lost,
        }
    }
}

/// Whether a signal asks a process to end.
fn is_deadly(signal: Signal) -> bool {
    [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].contains(&signal)
}

/// Ranks of an end that are hung: those that the launcher had to end.
#[must_use]
pub fn hung(end: &GroupEnd) -> BTreeSet<usize> {
    end.ranks.iter().filter(|rank| rank.ended_by_launcher).map(|rank| rank.rank).collect()
}

#[cfg(test)]
mod tests;
