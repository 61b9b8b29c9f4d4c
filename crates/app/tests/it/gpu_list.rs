//! `zomma gpu list` through the binary: machines by their trees of sysfs and the mock NVML, and every way in which a driver fails.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use zomma_testkit::mock_nvml::{self, Mock, Scenario};
use zomma_testkit::mock_sysfs::Sysfs;

use crate::program::{Run, arg, run, zomma};

/// Runs `zomma gpu list` on such a machine.
fn list(tree: &Sysfs, mock: Option<&Mock>, arguments: &[&str]) -> Run {
    let mut command = zomma();
    command.args(["gpu", "list", "--sysfs", arg(tree.root())]).args(arguments);
    if let Some(mock) = mock {
        mock.lend_to(&mut command);
    }
    finish(&mut command)
}

fn finish(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The hardware of a JSON answer; this machine's own software devices are none.
fn hardware(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["version"], 1);
    let gpus = document["gpus"].as_array().unwrap();
    gpus.iter().filter(|gpu| gpu["vendor"] != "software").cloned().collect()
}

fn notes(run: &Run) -> String {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    document["notes"].to_string()
}

#[test]
fn nvidia_and_amd_stand_in_one_list_with_links_and_partitions() {
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(scenario.mig(1, &["1g.18gb"])) else { return };
    let tree = Sysfs::mi300x(2);
    let json = list(&tree, Some(&mock), &["--json"]).ok();
    let gpus = hardware(&json);
    let vendors: Vec<&str> = gpus.iter().filter_map(|gpu| gpu["vendor"].as_str()).collect();
    assert_eq!(vendors, ["amd", "nvidia", "amd", "nvidia"]);
    assert_eq!(gpus[0]["links"][0]["kind"], "xgmi");
    assert_eq!((&gpus[1]["links"][0]["count"], &gpus[1]["links"][0]["switched"]), (&18.into(), &true.into()));
    assert_eq!(gpus[3]["partitions"][0]["profile"], "1g.18gb");
    let text = list(&tree, Some(&mock), &[]).ok().out;
    for words in [
        "AMD Instinct MI300X OAM",
        "NVIDIA H200",
        "140.4 GiB",
        "gfx942",
        "1 xGMI",
        "18 NVLink",
        "1g.18gb",
        "no HIP back end",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    let one = list(&tree, Some(&mock), &["0000:3b:00.0"]).ok().out;
    assert!(one.contains("18 NVLink through switches, 478 GB/s") && !one.contains("MI300X"), "{one}");
}

#[test]
fn every_way_in_which_nvml_fails_is_a_note_and_exit_code_0() {
    let tree = Sysfs::mi300x(1);
    let Some(mock) = Mock::new(&Scenario::empty()) else { return };
    let none = list(&tree, Some(&mock), &["--json"]).ok();
    assert_eq!(hardware(&none).len(), 1, "a driver without a device");
    assert!(notes(&none).contains("the driver is there and shows no GPU"), "{}", notes(&none));
    let mut scenario = Scenario::h200(2);
    for (code, words) in [
        (mock_nvml::LIB_RM_VERSION_MISMATCH, "reboot or reload the nvidia modules"),
        (mock_nvml::DRIVER_NOT_LOADED, "modprobe nvidia"),
        (mock_nvml::NO_PERMISSION, "/dev/nvidiactl"),
    ] {
        mock.replace(scenario.fault("nvmlInit_v2", code));
        let refused = list(&tree, Some(&mock), &["--json"]).ok();
        assert!(notes(&refused).contains(words), "{}", notes(&refused));
        assert_eq!(hardware(&refused).len(), 1);
    }
    let mut scenario = Scenario::h200(2);
    mock.replace(scenario.fault_on("nvmlDeviceGetHandleByIndex_v2", 0, mock_nvml::GPU_IS_LOST));
    let lost = list(&tree, Some(&mock), &["--json"]).ok();
    assert_eq!(hardware(&lost).len(), 3, "the lost GPU is listed with what is known of it");
    assert!(notes(&lost).contains("NVIDIA GPU 0"), "{}", notes(&lost));
}

#[test]
fn a_call_that_hangs_ends_with_the_other_gpus_listed() {
    let tree = Sysfs::mi300x(2);
    for call in ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetPciInfo_v3"] {
        let mut scenario = Scenario::h200(1);
        // Far longer than the test may take: the program does not wait for it.
        let Some(mock) = Mock::new(scenario.hang(call, 3_600_000)) else { return };
        let run = list(&tree, Some(&mock), &["--json", "--timeout", "1"]).ok();
        assert_eq!(hardware(&run).len(), 2, "{call}");
        assert!(notes(&run).contains("no answer within 1000 ms"), "{call}: {}", notes(&run));
    }
}

#[test]
fn a_library_whose_own_end_waits_for_the_call_that_hangs_does_not_keep_the_program() {
    let tree = Sysfs::mi300x(1);
    for call in ["nvmlInit_v2", "nvmlDeviceGetPciInfo_v3"] {
        let mut scenario = Scenario::h200(1);
        let Some(mock) = Mock::new(scenario.hang(call, 3_600_000).hang("unload", 3_600_000)) else { return };
        let mut command = zomma();
        command.args(["gpu", "list", "--json", "--timeout", "1", "--sysfs", arg(tree.root())]);
        mock.lend_to(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
        }
        let ended = Run::of(&child.wait_with_output().unwrap()).ok();
        assert!(notes(&ended).contains("no answer within 1000 ms"), "{call}: {}", notes(&ended));
        assert!(ended.out.ends_with("}\n"), "{call}: the answer is whole");
    }
}

#[test]
fn a_machine_without_a_gpu_gets_help_and_exit_code_0() {
    let tree = Sysfs::new();
    assert!(hardware(&list(&tree, None, &["--json"]).ok()).is_empty());
    let text = list(&tree, None, &[]).ok().out;
    assert!(text.contains("No GPU found") && text.contains("lspci") && text.contains("--gpus all"), "{text}");
    assert!(text.contains("note: NVML: libnvidia-ml.so.1 not found"), "{text}");
}

#[test]
fn arguments_that_name_nothing_say_what_is_allowed() {
    let tree = Sysfs::mi300x(2);
    list(&tree, None, &["17"]).refused(2, &["GPU 17: allowed are 0 to "]);
    list(&tree, None, &["\u{1b}[31m"]).refused(2, &["allowed are 0 to "]);
    run(&["gpu", "list", "--timeout", "0"]).refused(2, &["--timeout", "seconds from 0.01 to 600"]);
    run(&["gpu", "list", "--help"]).ok();
}

#[test]
fn the_configuration_says_how_long_a_question_may_take_where_the_flag_does_not() {
    let tree = Sysfs::mi300x(1);
    let mut scenario = Scenario::h200(1);
    let Some(mock) = Mock::new(scenario.hang("nvmlInit_v2", 3_600_000)) else { return };
    let set = ["--json", "--gpu-set", "call_timeout_seconds=0.25"];
    let configured = list(&tree, Some(&mock), &set).ok();
    assert!(notes(&configured).contains("no answer within 250 ms"), "{}", notes(&configured));
    let flag = list(&tree, Some(&mock), &[&set[..], &["--timeout", "0.5"]].concat()).ok();
    assert!(notes(&flag).contains("no answer within 500 ms"), "{}", notes(&flag));
    let bad = zomma().args(["gpu", "list"]).env("ZOMMA_GPU_CALL_TIMEOUT_SECONDS", "bad").output().unwrap();
    Run::of(&bad).refused(2, &["ZOMMA_GPU_CALL_TIMEOUT_SECONDS", "0.01"]);
}

#[test]
fn without_a_desktop_session_nothing_but_the_answer_is_said() {
    let quiet = finish(zomma().args(["gpu", "list", "--json"]).env_remove("XDG_RUNTIME_DIR")).ok();
    assert_eq!(quiet.err, "");
    let empty = finish(zomma().args(["gpu", "list", "--json"]).env("XDG_RUNTIME_DIR", "")).ok();
    assert_eq!(empty.err, "");
}
