//! The control groups of one run: made, asked, emptied and removed.
//!
//! Under version 2 the run has a group with a child: limits stand on the group, processes live in the child, so that a run inside
//! a run finds a place below the outer limits.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::plan::{GroupPlan, Hierarchy};
use super::process::{self, RunId};

/// The child in which the processes of a version 2 group live.
const LEAF: &str = "command";

/// How long killed processes may take to vanish.
const VANISH_LIMIT: Duration = Duration::from_secs(5);

/// One control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its hierarchy.
    pub hierarchy: Hierarchy,
    /// Its folder.
    pub path: PathBuf,
}

/// Why a group could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct GroupError {
    /// The hierarchy that does not work.
    pub hierarchy: Hierarchy,
    /// The file at fault.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl Group {
    /// Makes the group that was planned. What was made before a failure is removed.
    ///
    /// # Errors
    ///
    /// The file that the kernel refuses, and why.
    pub fn make(plan: &GroupPlan, id: &RunId) -> Result<Self, GroupError> {
        let group = Self { hierarchy: plan.hierarchy, path: plan.parent.join(id.group_name()) };
        let made = group.set_up(plan);
        if made.is_err() {
            group.remove();
        }
        made.map(|()| group)
    }

    fn set_up(&self, plan: &GroupPlan) -> Result<(), GroupError> {
        let fault =
            |path: &Path, source: io::Error| GroupError { hierarchy: self.hierarchy, path: path.into(), source };
        let write = |path: PathBuf, text: &str| write_now(&path, text).map_err(|error| fault(&path, error));
        for controller in &plan.controllers {
            let given = fs::read_to_string(plan.parent.join("cgroup.subtree_control")).unwrap_or_default();
            if !given.split_whitespace().any(|found| found == *controller) {
                write(plan.parent.join("cgroup.subtree_control"), &format!("+{controller}"))?;
            }
        }
        fs::create_dir(&self.path).map_err(|error| fault(&self.path, error))?;
        for (file, text, needed) in &plan.settings {
            let path = self.path.join(file);
            if *needed || path.exists() {
                write(path, text)?;
            }
        }
        if self.hierarchy == Hierarchy::V2 {
            for controller in &plan.controllers {
                write(self.path.join("cgroup.subtree_control"), &format!("+{controller}"))?;
            }
            fs::create_dir(self.path.join(LEAF)).map_err(|error| fault(&self.path, error))?;
        }
        Ok(())
    }

    /// The file into which a process writes `0` to come in.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn door(&self) -> io::Result<File> {
        let folder = if self.hierarchy == Hierarchy::V2 { self.path.join(LEAF) } else { self.path.clone() };
        OpenOptions::new().write(true).open(folder.join("cgroup.procs"))
    }

    /// The processes inside, those of groups below it too.
    pub fn members(&self) -> Vec<u32> {
        let mut members: Vec<u32> = Vec::new();
        walk(&self.path, &mut |folder| {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            members.extend(procs.lines().filter_map(|line| line.trim().parse::<u32>().ok()).filter(|pid| *pid != 0));
        });
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Memory in use in bytes, without the file cache that the kernel would give up first.
    pub fn memory_bytes(&self) -> Option<u64> {
        let (usage, inactive) = match self.hierarchy {
            Hierarchy::V2 => ("memory.current", "inactive_file"),
            Hierarchy::V1Memory => ("memory.usage_in_bytes", "total_inactive_file"),
            Hierarchy::V1Freezer => return None,
        };
        let usage: u64 = fs::read_to_string(self.path.join(usage)).ok()?.trim().parse().ok()?;
        Some(usage.saturating_sub(counter(&self.path, "memory.stat", inactive).unwrap_or(0)))
    }

    /// The most memory that was ever in use in bytes, with the file cache, as the kernel counts it against a limit.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let file = match self.hierarchy {
            Hierarchy::V2 => "memory.peak",
            Hierarchy::V1Memory => "memory.max_usage_in_bytes",
            Hierarchy::V1Freezer => return None,
        };
        fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok()
    }

    /// Whether this group, and not one around or below it, came to its own limit of memory.
    pub fn was_at_limit(&self) -> bool {
        match self.hierarchy {
            Hierarchy::V2 => counter(&self.path, "memory.events.local", "oom").unwrap_or(0) > 0,
            Hierarchy::V1Memory => {
                let number =
                    |file: &str| -> Option<u64> { fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok() };
                // Some kernels do not count the failure that ends a process, but its use had come near the limit.
                let near = || Some(number("memory.max_usage_in_bytes")? >= number("memory.limit_in_bytes")? / 8 * 7);
                let counted =
                    ["memory.failcnt", "memory.memsw.failcnt"].into_iter().filter_map(number).any(|hits| hits > 0);
                counted || near() == Some(true)
            }
            Hierarchy::V1Freezer => false,
        }
    }

    /// How many processes the kernel ended while this group was at its own limit.
    pub fn killed_by_limit(&self) -> u64 {
        if !self.was_at_limit() {
            return 0;
        }
        match self.hierarchy {
            Hierarchy::V2 => counter(&self.path, "memory.events", "oom_kill").unwrap_or(0),
            Hierarchy::V1Memory => {
                // Version 1 counts a killed process in its own group alone.
                let mut killed = 0;
                walk(&self.path, &mut |folder| {
                    killed += counter(folder, "memory.oom_control", "oom_kill").unwrap_or(0)
                });
                killed
            }
            Hierarchy::V1Freezer => 0,
        }
    }

    /// Kills every process inside, at once where the kernel can; whether none is left.
    pub fn kill(&self) -> bool {
        let until = Instant::now() + VANISH_LIMIT;
        let freezer = self.path.join("freezer.state");
        loop {
            // Either stops a group that forks faster than its members are counted; where neither is there, counting must do.
            if write_now(&self.path.join("cgroup.kill"), "1").is_err() {
                let _ = write_now(&freezer, "FROZEN");
                for pid in self.members() {
                    process::signal_if(pid, Signal::KILL, || self.members().contains(&pid));
                }
                let _ = write_now(&freezer, "THAWED");
            }
            if self.members().is_empty() {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Removes the empty group and those below it; whether it is gone.
    pub fn remove(&self) -> bool {
        let until = Instant::now() + VANISH_LIMIT;
        loop {
            let mut folders = Vec::new();
            walk(&self.path, &mut |folder| folders.push(folder.to_owned()));
            for folder in folders.iter().rev() {
                // A process that has been killed and is not yet gone keeps its group: the next attempt finds it empty.
                let _ = fs::remove_dir(folder);
            }
            if !self.path.exists() {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

/// Ends what runs left behind that died together with their guards, in the places where this run will make its groups. How many runs:
/// each may have had a group in several hierarchies.
pub fn sweep(plans: &[GroupPlan]) -> usize {
    let mut swept = BTreeSet::new();
    for plan in plans {
        for entry in fs::read_dir(&plan.parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let run = name.to_str().filter(|name| RunId::of_group_name(name).is_some_and(|id| id.is_dead()));
            let group = Group { hierarchy: plan.hierarchy, path: entry.path() };
            if let Some(run) = run
                && group.kill()
                && group.remove()
            {
                swept.insert(run.to_owned());
            }
        }
    }
    swept.len()
}

/// The number behind a name in a file of such lines.
fn counter(group: &Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Calls `see` with a group and every group below it, parents first.
fn walk(folder: &Path, see: &mut dyn FnMut(&Path)) {
    see(folder);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), see);
        }
    }
}

/// Writes a control file, which must be there, in one call.
fn write_now(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_run_counts_once_however_many_groups_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let living = RunId::next().unwrap();
        let dead = [0, 1].map(|run| RunId { pid: u32::MAX, run, ..living.clone() });
        let plans = [Hierarchy::V2, Hierarchy::V1Memory].map(|hierarchy| {
            let parent = folder.path().join(format!("{hierarchy:?}"));
            for id in [&dead[0], &dead[1], &living] {
                fs::create_dir_all(parent.join(id.group_name())).unwrap();
            }
            GroupPlan { hierarchy, parent, controllers: Vec::new(), settings: Vec::new() }
        });
        assert_eq!(sweep(&plans), 2);
        for plan in &plans {
            assert_eq!(fs::read_dir(&plan.parent).unwrap().count(), 1, "the living run's group stays");
        }
        assert_eq!(sweep(&plans), 0);
    }

    #[test]
    fn the_kernel_s_own_peak_is_read_in_each_hierarchy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("memory.peak"), "67108864\n").unwrap();
        fs::write(folder.path().join("memory.max_usage_in_bytes"), "4096\n").unwrap();
        let peak = |hierarchy| Group { hierarchy, path: folder.path().into() }.peak_memory_bytes();
        assert_eq!(peak(Hierarchy::V2), Some(64 << 20));
        assert_eq!(peak(Hierarchy::V1Memory), Some(4096));
        assert_eq!(peak(Hierarchy::V1Freezer), None);
    }
}
