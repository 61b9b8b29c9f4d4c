//! Facts about a run that only the machine knows: when, where, of which commit.

use std::{collections::BTreeMap, path::Path, process::Command};

use jiff::Timestamp;

use crate::bench::Machine;

/// Milliseconds since 1970 (UTC).
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A name that no other run has: of the time, the process and the machine.
pub fn run_id() -> String {
    let host = rustix::system::uname();
    let seed = format!("{} {} {:?}", Timestamp::now().as_nanosecond(), std::process::id(), host.nodename());
    // Two different FNV-1a sums of the same.
    let sum = |start: u64| seed.bytes().fold(start, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:016x}", sum(0xcbf2_9ce4_8422_2325) ^ sum(1).rotate_left(32))
}

/// Commit, machine and program, as tags. What cannot be known is left out.
pub fn tags(command: &str, config: &Path, threads: usize) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            tags.insert(key.to_owned(), value);
        }
    };
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let commit = git(folder, &["rev-parse", "HEAD"]).map(|commit| commit.trim().to_owned());
    if commit.is_some() {
        let changed = git(folder, &["status", "--porcelain", "--untracked-files=no"]);
        add("git.dirty", changed.map(|changed| (!changed.trim().is_empty()).to_string()));
        add("git.branch", git(folder, &["rev-parse", "--abbrev-ref", "HEAD"]).map(|name| name.trim().to_owned()));
    }
    // The name under which MLflow shows a commit.
    add("mlflow.source.git.commit", commit.clone());
    add("git.commit", commit);
    add("mlflow.source.name", Some(command.to_owned()));
    add("zomma.version", Some(env!("CARGO_PKG_VERSION").into()));
    add("host.name", Some(rustix::system::uname().nodename().to_string_lossy().into_owned()));
    let machine = Machine::here();
    add("host.cpu", Some(machine.cpu));
    add("host.cores", Some(machine.cores.to_string()));
    add("host.system", Some(machine.os));
    let gib = machine.memory_bytes.map(|bytes| bytes as f64 / (1u64 << 30) as f64);
    add("host.memory_gib", gib.map(|gib| format!("{gib:.1}")));
    add("threads", Some(threads.to_string()));
    tags
}

/// What git says of a folder; none where it is no repository, or there is no git.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_two_runs_have_one_name() {
        let names: std::collections::BTreeSet<String> = (0..1000).map(|_| run_id()).collect();
        assert_eq!(names.len(), 1000);
    }

    #[test]
    fn a_commit_is_told_with_whether_it_is_all() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("a.toml");
        fs::write(&config, "a = 1").unwrap();
        assert!(!tags("zomma train", &config, 2).contains_key("git.commit"));
        let run = |arguments: &[&str]| {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
            git(folder.path(), &[&identity, arguments].concat())
        };
        let Some(_) = run(&["init", "-q"]) else { return zomma_testkit::skip("no git") };
        run(&["add", "a.toml"]).unwrap();
        run(&["commit", "-q", "-m", "a"]).unwrap();
        let found = tags("zomma train", &config, 2);
        assert_eq!((found["git.commit"].len(), found["git.dirty"].as_str()), (40, "false"));
        fs::write(&config, "a = 2").unwrap();
        assert_eq!(tags("zomma train", &config, 2)["git.dirty"], "true");
    }
}
