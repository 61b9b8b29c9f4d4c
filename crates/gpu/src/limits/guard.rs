//! The guard: a process of its own that outlives a killed supervisor, ends what is left of the run and removes its groups.
//!
//! It reads one line, the run, and then waits for the pipe to close: with the word `done` before that, the supervisor has ended the
//! run itself; without, the supervisor was killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::process::{self, RunId};

/// What the supervisor writes when it has cleared up itself.
const DONE: &str = "done";

/// How long marked processes are looked for and killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// What is to be ended: a run's groups, and where there are none its marked processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// The run.
    pub id: RunId,
    /// Its groups, the one that tells the members first.
    pub groups: Vec<Group>,
}

impl Remains {
    /// The processes of the run.
    pub fn members(&self) -> Vec<u32> {
        match self.groups.first() {
            Some(group) => group.members(),
            None => process::marked(&self.id),
        }
    }

    /// Sends a signal to each process of the run; to how many.
    pub fn signal(&self, signal: Signal) -> usize {
        let sent = |pid: &u32| process::signal_if(*pid, signal, || self.members().contains(pid));
        self.members().into_iter().filter(sent).count()
    }

    /// Kills what runs and removes the groups; whether nothing is left.
    pub fn clear(&self) -> bool {
        let killed = if self.groups.is_empty() {
            let until = Instant::now() + KILL_LIMIT;
            loop {
                if self.signal(Signal::KILL) == 0 {
                    break true;
                }
                if Instant::now() > until {
                    break false;
                }
                sleep(Duration::from_millis(10));
            }
        } else {
            // Each is tried, whatever came of the one before.
            self.groups.iter().filter(|group| !group.kill()).count() == 0
        };
        let removed = self.groups.iter().filter(|group| !group.remove()).count() == 0;
        killed && removed
    }
}

/// The guard as its supervisor sees it.
#[derive(Debug)]
pub struct Guard {
    process: Child,
}

impl Guard {
    /// Starts `command`, which must call [`serve`] with its standard input, in a process group of its own: no key of the
    /// terminal and no signal to the run's group reaches it.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn start(mut command: Command, remains: &Remains) -> std::io::Result<Self> {
        command.process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let mut line = serde_json::to_string(remains).map_err(std::io::Error::other)?;
        line.push('\n');
        if let Some(pipe) = process.stdin.as_mut() {
            pipe.write_all(line.as_bytes())?;
        }
        Ok(Self { process })
    }

    /// Lets it go: everything has been ended and removed.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.process.stdin.take() {
            // It may have been killed; then there is nobody to dismiss.
            let _ = writeln!(pipe, "{DONE}");
        }
        let _ = self.process.wait();
    }
}

/// What the guard does: reads the run from `input`, waits for its end, and clears up unless that was done.
///
/// # Errors
///
/// Where the first line is no run, or something of it cannot be ended.
pub fn serve(input: impl Read) -> Result<(), String> {
    let mut lines = BufReader::new(input).lines();
    let first = lines.next().ok_or("no run named")?.map_err(|error| error.to_string())?;
    let remains: Remains = serde_json::from_str(&first).map_err(|error| format!("no run: {error}"))?;
    if lines.map_while(Result::ok).any(|line| line == DONE) {
        return Ok(());
    }
    if remains.clear() { Ok(()) } else { Err(format!("{}: not all could be ended", remains.id.group_name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dismissed_guard_touches_nothing_and_rubbish_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("group");
        std::fs::create_dir(&path).unwrap();
        let id = RunId { pid: u32::MAX, start_ticks: 1, namespace: 1, run: 0 };
        let group = Group { hierarchy: crate::limits::plan::Hierarchy::V2, path: path.clone() };
        let line = serde_json::to_string(&Remains { id, groups: vec![group] }).unwrap();
        assert_eq!(serve(format!("{line}\ndone\n").as_bytes()), Ok(()));
        assert!(path.exists());
        assert_eq!(serve(format!("{line}\n").as_bytes()), Ok(()));
        assert!(!path.exists(), "without the word the group goes");
        assert!(serve(&b""[..]).is_err());
        assert!(serve(&b"{}\n"[..]).unwrap_err().starts_with("no run"));
    }
}
