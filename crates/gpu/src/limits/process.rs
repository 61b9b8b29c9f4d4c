//! Processes by number: when they began (so that a number used again is not mistaken), what they hold, how they are told to end.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// The variable that marks every process of a run, for machines without a control group to hold them.
pub const MARK: &str = "ZOMMA_RUN_ID";

/// A run's name: the process that supervises it, when that began, in which namespace its number counts, and which of its runs it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunId {
    /// The supervisor.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub start_ticks: u64,
    /// Its namespace of process numbers.
    pub namespace: u64,
    /// Which of the supervisor's runs, from 0.
    pub run: u32,
}

impl RunId {
    /// The name of the next run that this process supervises. `None` where `/proc` does not tell.
    pub fn next() -> Option<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let pid = std::process::id();
        let (start_ticks, namespace) = (start_ticks(Path::new("/"), pid)?, pid_namespace()?);
        Some(Self { pid, start_ticks, namespace, run: RUNS.fetch_add(1, Ordering::Relaxed) })
    }

    /// As a name of a control group: `zomma-4711-123456-4026531836-0`.
    pub fn group_name(&self) -> String {
        format!("zomma-{}-{}-{}-{}", self.pid, self.start_ticks, self.namespace, self.run)
    }

    /// Reads [`RunId::group_name`].
    pub fn of_group_name(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("zomma-")?.split('-');
        let id = Self {
            pid: numbers.next()?.parse().ok()?,
            start_ticks: numbers.next()?.parse().ok()?,
            namespace: numbers.next()?.parse().ok()?,
            run: numbers.next()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(id)
    }

    /// Whether its supervisor is known to be gone: never so for one of another namespace, whose numbers say nothing here.
    pub fn is_dead(&self) -> bool {
        Some(self.namespace) == pid_namespace() && start_ticks(Path::new("/"), self.pid) != Some(self.start_ticks)
    }
}

fn pid_namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// When a process began, in clock ticks since boot; `None` where there is no such process, or a dead one that nobody has waited for.
pub fn start_ticks(root: &Path, pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(root.join("proc").join(pid.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything; fields 3 (state) and 22 (start) of the whole come after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Every process that carries the mark of this run.
pub fn marked(id: &RunId) -> Vec<u32> {
    let mark = format!("{MARK}={}", id.group_name());
    let carries = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    all().filter(carries).collect()
}

/// Numbers of all processes.
fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Sends a signal to a process if `still` says, once the process is held fast, that it is the one meant. Whether it was sent.
pub fn signal_if(pid: u32, signal: Signal, still: impl FnOnce() -> bool) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    still() && pidfd_send_signal(handle, signal).is_ok()
}

/// Memory of a process that no file backs, in bytes: what it holds, and what it shares with others, counted in full.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line[name.len()..].split_whitespace().next()?.parse().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_so_that_its_death_is_seen() {
        let own = RunId::next().unwrap();
        assert_ne!(RunId::next().unwrap().group_name(), own.group_name(), "two runs of one process are two");
        assert_eq!(RunId::of_group_name(&own.group_name()), Some(own.clone()));
        assert!(!own.is_dead());
        assert!(RunId { start_ticks: own.start_ticks + 1, ..own.clone() }.is_dead(), "the number was used again");
        assert!(RunId { pid: u32::MAX, ..own.clone() }.is_dead());
        assert!(!RunId { pid: u32::MAX, namespace: own.namespace + 1, ..own }.is_dead(), "not ours to judge");
        for name in ["zomma", "zomma-1", "zomma-1-2-3", "zomma-1-2-3-x", "zomma-1-2-3-4-5", "desk-1-2-3-4"] {
            assert_eq!(RunId::of_group_name(name), None, "{name}");
        }
    }

    #[test]
    fn start_is_read_past_any_name() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        let fields: Vec<String> = (3..=52).map(|field| field.to_string()).collect();
        fs::write(root.path().join("proc/7/stat"), format!("7 (a) b (c)) {}\n", fields.join(" "))).unwrap();
        assert_eq!(start_ticks(root.path(), 7), Some(22));
        assert_eq!(start_ticks(root.path(), 8), None);
    }

    #[test]
    fn a_supervisor_that_was_killed_and_never_waited_for_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let start_ticks = start_ticks(Path::new("/"), pid).unwrap();
        let id = RunId { pid, start_ticks, ..RunId::next().unwrap() };
        assert!(!id.is_dead());
        child.kill().unwrap();
        let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        while !state().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(id.is_dead(), "{}", state());
        child.wait().unwrap();
    }

    #[test]
    fn this_process_holds_some_memory() {
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident_bytes(u32::MAX), None);
    }
}
