//! Nothing of a group outlives its launcher, however that ends: a guard process waits for the launcher's end of a pipe to close, which
//! the kernel sees to even after SIGKILL, and then ends what is left.
//!
//! It knows ranks by their process groups, which the launcher tells it, and by a mark in their environment, which also finds
//! descendants in groups of their own and ranks that the launcher had no time to tell of. One that changes both its group and its
//! environment escapes.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The variable that marks everything that a launcher started.
pub const MARK: &str = "ZOMMA_LAUNCH_ID";
/// A process that forks while it is being ended is found in one of the next rounds.
const ROUNDS: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The launcher's side: as long as it lives, the group may.
#[derive(Debug)]
pub struct Guard {
    process: Child,
    /// None once closed.
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts `command`, which must call [`watch`] on its standard input.
    ///
    /// # Errors
    ///
    /// The system's refusal to start it.
    pub fn start(mut command: Command) -> io::Result<Self> {
        // In a group of its own it does not get the terminal's Ctrl-C; with nothing of ours open it keeps no reader of ours waiting.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Where this launcher is itself a rank of another, that one's guard must leave ours its work.
        let mut process = command.env_remove(MARK).spawn()?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Tells of a rank that runs.
    pub(super) fn add(&mut self, group: Pid) {
        self.say(&format!("+{}\n", group.as_raw_nonzero()));
    }

    /// Tells that a rank's process group is gone, and its number free for others.
    pub(super) fn remove(&mut self, group: Pid) {
        self.say(&format!("-{}\n", group.as_raw_nonzero()));
    }

    fn say(&mut self, words: &str) {
        // A guard that was killed can hear nothing; the group runs on without one.
        let _ = self.pipe.as_mut().map(|pipe| pipe.write_all(words.as_bytes()));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        // It ends by itself, having ended what the ranks left behind.
        let _ = self.process.wait();
    }
}

/// The guard's side: hears of ranks from `pipe` until it closes, then ends all of them and all that bear the mark.
pub fn watch(pipe: impl Read, mark: &str, proc: &Path) {
    let mut groups: Vec<Pid> = Vec::new();
    for line in BufReader::new(pipe).lines() {
        // A broken pipe is a closed one.
        let Ok(line) = line else { break };
        let number = |rest: &str| rest.parse().ok().and_then(Pid::from_raw);
        if let Some(group) = line.strip_prefix('+').and_then(number) {
            groups.push(group);
        } else if let Some(group) = line.strip_prefix('-').and_then(number) {
            groups.retain(|known| *known != group);
        }
    }
    for group in groups {
        // Whatever has gone by itself is gone.
        let _ = kill_process_group(group, Signal::KILL);
    }
    for _ in 0..ROUNDS {
        let marked = marked(mark, proc);
        if marked.is_empty() {
            return;
        }
        for process in marked {
            let _ = kill_process(process, Signal::KILL);
        }
        thread::sleep(PAUSE);
    }
}

/// Processes whose environment bears the mark. Those that have ended have none, nor have those of other users for us.
fn marked(mark: &str, proc: &Path) -> Vec<Pid> {
    let wanted = format!("{MARK}={mark}");
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let number = |name: &str| name.parse().ok().and_then(Pid::from_raw);
    let processes = entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path())));
    let bears_mark = |folder: &Path| {
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    processes.filter(|(_, folder)| bears_mark(folder)).map(|(process, _)| process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_whole_or_not_at_all() {
        let proc = tempfile::tempdir().unwrap();
        for (process, environment) in [
            ("10", "A=1\0ZOMMA_LAUNCH_ID=x-1\0B=2\0"),
            ("11", "ZOMMA_LAUNCH_ID=x-12\0"),
            ("12", "NOT_ZOMMA_LAUNCH_ID=x-1\0"),
            ("self", "ZOMMA_LAUNCH_ID=x-1\0"),
        ] {
            fs::create_dir(proc.path().join(process)).unwrap();
            fs::write(proc.path().join(process).join("environ"), environment).unwrap();
        }
        fs::create_dir(proc.path().join("13")).unwrap();
        assert_eq!(marked("x-1", proc.path()), [Pid::from_raw(10).unwrap()]);
    }

    #[test]
    fn what_bears_the_mark_ends_when_the_pipe_closes() {
        let mark = format!("guard-test-{}", std::process::id());
        let mut marked = Command::new("sleep").arg("600").env(MARK, &mark).spawn().unwrap();
        let mut told = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let mut gone = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let words = format!("+{}\n+{}\nrubbish\n-{}\n", told.id(), gone.id(), gone.id());
        watch(words.as_bytes(), &mark, Path::new("/proc"));
        assert!(!marked.wait().unwrap().success() && !told.wait().unwrap().success());
        assert_eq!(gone.try_wait().unwrap(), None);
        gone.kill().unwrap();
        gone.wait().unwrap();
    }
}
