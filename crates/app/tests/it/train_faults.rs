//! What `zomma train` outlives: a disk that is full for a while, and a reader of its progress that goes away.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use zomma_testkit::skip;

use crate::program::{Run, arg, run, zomma};

/// A network of seconds.
const TINY: &str = r#"
[network]
width = 8
depth = 2
[data]
model = "black_scholes"
held_out = 500
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 4000
batch = 256
learning_rate = 0.01
warm_up = 20
evaluate_every = 50
checkpoint_every = 50
"#;

fn config(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("tiny.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_for_a_while_is_told_once_and_the_run_comes_to_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let (path, disk, said) = (config(folder.path(), TINY), folder.path().join("disk"), folder.path().join("said"));
    fs::create_dir(&disk).unwrap();
    // A disk of its own in a namespace that ends with the shell; it is filled after the first checkpoint and emptied when that was told.
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs {disk} || exit 77
         {zomma} train {path} -o {disk}/run 2>{said} >/dev/null & run=$!
         while [ ! -e {disk}/run/checkpoint.bin ]; do kill -0 $run || exit 78; sleep 0.01; done
         cat /dev/zero >{disk}/filling 2>/dev/null
         while ! grep -q 'training goes on' {said}; do kill -0 $run || exit 79; sleep 0.01; done
         cp {disk}/run/checkpoint.bin {disk}/../checkpoint.bin
         rm {disk}/filling
         wait $run || exit $?
         cp {disk}/run/network.bin {disk}/../network.bin",
        disk = disk.display(),
        path = path.display(),
        said = said.display(),
        zomma = env!("CARGO_BIN_EXE_zomma"),
    );
    let output = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).output();
    let ended = match output {
        Ok(output)
            if output.status.code() != Some(77) && !String::from_utf8_lossy(&output.stderr).contains("unshare") =>
        {
            Run::of(&output)
        }
        _ => return skip("no disk of a few megabytes can be mounted"),
    };
    let said = fs::read_to_string(&said).unwrap_or_default();
    assert_eq!(ended.code, 0, "{said}{}", ended.err);
    let failed = said.lines().filter(|line| line.contains("best networks wait in memory")).count();
    assert_eq!((failed, said.matches("is written now").count()), (1, 1), "{said}");
    // The checkpoint that was there while the disk was full is whole, and the network is that of a run on a disk with room.
    let alone = folder.path().join("alone");
    run(&["train", arg(&path), "-o", arg(&alone)]).ok();
    let read = |path: &Path| fs::read(path).unwrap();
    assert!(read(&folder.path().join("network.bin")) == read(&alone.join("network.bin")), "{said}");
    let resumed = folder.path().join("resumed");
    fs::create_dir(&resumed).unwrap();
    fs::copy(folder.path().join("checkpoint.bin"), resumed.join("checkpoint.bin")).unwrap();
    run(&["train", arg(&path), "-o", arg(&resumed), "--resume"]).ok();
}

/// As behind `| head`.
#[test]
#[cfg(unix)]
fn a_reader_of_the_progress_that_goes_away_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), &TINY.replace("steps = 4000", "steps = 400"));
    let output = folder.path().join("run");
    let mut command = zomma();
    command.args(["train", arg(&path), "-o", arg(&output)]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(output.join("network.bin").exists());
}

#[test]
fn a_resume_before_the_first_checkpoint_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), TINY);
    run(&["train", arg(&path), "-o", arg(&folder.path().join("run")), "--resume"])
        .refused(1, &["checkpoint.bin", "no checkpoint", "without --resume"]);
}
