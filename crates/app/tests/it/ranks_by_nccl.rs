//! `zomma train --collective nccl` over the mock of NCCL and the driver: the real ones need a GPU for every rank.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use zomma_learn::training::Checkpoint;
use zomma_testkit::mock_nccl::MockNccl;

use crate::program::{Run, arg, zomma};

const TINY: &str = r#"
[network]
width = 80
depth = 3
[data]
model = "black_scholes"
held_out = 200
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 40
batch = 256
evaluate_every = 20
checkpoint_every = 10
"#;

struct Group {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Group {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tiny.toml");
        fs::write(&config, TINY).unwrap();
        Self { folder, config }
    }

    fn command(&self, libraries: Option<&MockNccl>, flags: &[&str], output: &Path, more: &[&str]) -> Command {
        let mut command = zomma();
        command.args(["gpu", "launch", "-n", "2", "--devices", "none", "--collective", "none"]).args(flags);
        command.args(["--", env!("CARGO_BIN_EXE_zomma"), "train", arg(&self.config), "-o", arg(output)]).args(more);
        command.env_remove("LD_LIBRARY_PATH");
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries.folder()).env("ZOMMA_MOCK_NCCL", libraries.folder());
        }
        command
    }

    fn parameters(output: &Path) -> Vec<f32> {
        Checkpoint::read(&output.join("checkpoint.bin")).unwrap().state.parameters
    }
}

#[test]
fn nccl_sums_what_tcp_does_to_the_bit() {
    let Some(libraries) = MockNccl::new() else { return };
    let group = Group::new();
    let [tcp, nccl] = ["tcp", "nccl"].map(|name| group.folder.path().join(name));
    Run::of(&group.command(None, &[], &tcp, &[]).output().unwrap()).ok();
    let said = Run::of(&group.command(Some(&libraries), &[], &nccl, &["--collective", "nccl"]).output().unwrap()).ok();
    assert!(said.err.contains("2 ranks"), "{}", said.err);
    // Of two numbers the sum does not depend on the order.
    assert_eq!(Group::parameters(&nccl), Group::parameters(&tcp));
    let met = fs::read_dir(libraries.folder()).unwrap().flatten();
    assert!(met.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("nccl-")), "no rank used NCCL");
}

#[test]
fn a_sum_that_never_comes_is_given_up_and_the_group_goes_on_from_the_last_whole_step() {
    let Some(libraries) = MockNccl::new() else { return };
    let group = Group::new();
    let output = group.folder.path().join("run");
    let more = ["--collective", "nccl", "--rank-seconds", "1"];
    let mut command = group.command(Some(&libraries), &[], &output, &more);
    command.env("ZOMMA_MOCK_NCCL_STALL_AFTER", "21");
    let stalled = Run::of(&command.output().unwrap());
    stalled.refused(
        1,
        &["the group cannot go on: NCCL: a sum of", "did not come within 1 s", "the checkpoint is written"],
    );
    let step = Checkpoint::read(&output.join("checkpoint.bin")).unwrap().state.standing.step;
    assert!((1..40).contains(&step), "{step}");
    let more = ["--collective", "nccl", "--resume"];
    Run::of(&group.command(Some(&libraries), &[], &output, &more).output().unwrap()).ok();
    let whole = group.folder.path().join("whole");
    Run::of(&group.command(None, &[], &whole, &[]).output().unwrap()).ok();
    assert_eq!(Group::parameters(&output), Group::parameters(&whole));
}

#[test]
fn a_machine_without_nccl_says_what_is_missing() {
    let group = Group::new();
    let output = group.folder.path().join("run");
    let run = Run::of(&group.command(None, &[], &output, &["--collective", "nccl"]).output().unwrap());
    if run.code == 0 {
        return zomma_testkit::skip("NCCL is there: nothing is missing");
    }
    run.refused(1, &["NCCL:", "not found"]);
}
