//! `zomma gpu run` through the binary: limits that hold, signals, exit codes, and nothing left behind whatever is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use zomma_testkit::mock_nvml::{Mock, Scenario};

use crate::program::{Run, arg, run, run_env, zomma};

/// Awk is everywhere, and doubles a string until its memory is used up.
const GREEDY: &str = "BEGIN { text = \"0123456789abcdef\"; while (1) text = text text }";

/// Waits until something is so. A test that waits in vain fails at its own assertion.
fn wait_until(so: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    so()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn pid_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Control groups of runs that this process supervises, by its number.
fn groups_of(supervisor: u32) -> Vec<PathBuf> {
    let output = Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name", &format!("zomma-{supervisor}-*")])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}

/// Starts `zomma gpu run` with a shell script that first writes the number of its `sleep` to a file.
fn start(arguments: &[&str], script: &str) -> Child {
    let mut command = zomma();
    command.args(["gpu", "run"]).args(arguments).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end_of(child: Child) -> Run {
    Run::of(&child.wait_with_output().unwrap())
}

/// Whether CPU memory can be hard here; says that a test was skipped where it cannot.
fn can_be_hard() -> bool {
    let hard = run(&["gpu", "run", "--cpu-memory", "1GiB", "--require-hard", "--", "true"]);
    if hard.code != 0 {
        zomma_testkit::skip("no writable control group with a memory controller");
    }
    hard.code == 0
}

#[test]
fn exit_code_and_streams_are_the_commands_own() {
    let limit = ["gpu", "run", "--cpu-memory", "1GiB", "--"];
    let done = run(&[&limit[..], &["sh", "-c", "echo out; echo err >&2; exit 7"]].concat());
    assert_eq!((done.code, done.out.as_str()), (7, "out\n"));
    assert!(done.err.starts_with("zomma gpu run: CPU memory 1GiB: ") && done.err.ends_with("err\n"), "{}", done.err);
    run(&[&limit[..], &["sh", "-c", "kill -9 $$"]].concat()).refused(137, &[]);
    run(&[&limit[..], &["no-such-command"]].concat()).refused(127, &["no-such-command: command not found"]);
    run(&[&limit[..], &["/tmp"]].concat()).refused(126, &["/tmp: cannot be executed"]);
}

#[test]
fn wrong_arguments_are_refused() {
    run(&["gpu", "run", "--", "true"]).refused(2, &["no limit", "--cpu-memory"]);
    run(&["gpu", "run", "--cpu-memory", "8G", "--", "true"]).refused(2, &["8G", "GiB (powers of 1024)"]);
    run(&["gpu", "run", "--cpu-memory", "0", "--", "true"]).refused(2, &["--cpu-memory", "from 1 byte"]);
    run(&["gpu", "run", "--sm", "150%", "--", "true"]).refused(2, &["150%", "(0, 1]"]);
    run(&["gpu", "run", "--cpu-memory", "1GiB", "--grace", "soon", "--", "true"]).refused(2, &["soon", "10s"]);
    run(&["gpu", "run", "--cpu-memory", "1GiB"]).refused(2, &["COMMAND"]);
    let both = ["gpu", "run", "--cpu-memory", "1GiB", "--require-hard", "--on-exceed", "warn", "--", "true"];
    run(&both).refused(2, &["--require-hard", "warn"]);
}

#[test]
fn a_limit_that_cannot_be_hard_is_refused_where_it_must_be() {
    let refused = run(&["gpu", "run", "--sm", "50%", "--require-hard", "--", "echo", "ran"]);
    assert_eq!(refused.out, "");
    refused.refused(2, &["--require-hard: GPU compute 50%: "]);
    let told = run(&["gpu", "run", "--sm", "50%", "--json", "--", "echo", "ran"]).ok();
    assert_eq!(told.out, "ran\n");
    let lines: Vec<serde_json::Value> = told.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // No kernel divides multiprocessors: software that keeps to a share does, where there is any, or nobody.
    let limit = &lines[0]["limits"][0];
    assert_eq!((&limit["limit"], &limit["amount"]), (&"gpu_compute".into(), &"50%".into()), "{limit}");
    assert!(["cooperative", "not_in_force"].iter().any(|weak| limit["strength"] == *weak), "{limit}");
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"ended".into(), &0.into()));
}

#[test]
fn a_limit_of_a_gpu_on_a_device_that_is_none_is_refused() {
    run(&["gpu", "run", "--memory", "4GiB", "--device", "cpu", "--", "true"])
        .refused(2, &["--device cpu: a limit of a GPU needs a GPU", "--cpu-memory"]);
    for device in ["cuda:99", "hip:99", "vulkan:99"] {
        let words = format!("--device {device}: no such GPU: ");
        run(&["gpu", "run", "--sm", "50%", "--device", device, "--", "true"]).refused(2, &[&words]);
        run(&["gpu", "run", "--cpu-memory", "1GiB", "--device", device, "--", "true"]).refused(2, &[&words]);
    }
    // Where no limit of a GPU is asked for, what is configured for other commands is in nobody's way.
    run_env(&["gpu", "run", "--cpu-memory", "1GiB", "--", "true"], b"", &[("ZOMMA_GPU_DEVICE", "hip:99")]).ok();
    run(&["gpu", "run", "--cpu-memory", "1GiB", "--device", "cpu", "--", "true"]).ok();
}

/// What `env` prints under a run on made-up GPUs.
fn variables_under(mock: &Mock, arguments: &[&str], set: &[(&str, &str)]) -> Run {
    let mut command = zomma();
    mock.lend_to(&mut command);
    command.args(["gpu", "run"]).args(arguments).args(["--", "env"]).envs(set.iter().copied());
    Run::of(&command.output().unwrap())
}

#[test]
fn variables_never_raise_a_limit_and_count_only_what_the_command_sees() {
    let Some(mock) = Mock::new(&Scenario::h200(8)) else { return };
    let lines = |arguments: &[&str], set: &[(&str, &str)]| variables_under(&mock, arguments, set).ok().out;
    let has = |text: &str, line: &str| assert!(text.lines().any(|found| found == line), "{line} is not in: {text}");
    let lower = lines(&["--memory", "130GiB"], &[("ZOMMA_GPU_MEMORY_FRACTION", "0.4")]);
    has(&lower, "ZOMMA_GPU_MEMORY_FRACTION=0.4");
    has(&lines(&["--memory", "130GiB"], &[]), "ZOMMA_GPU_MEMORY_FRACTION=0.8");
    let one = lines(&["--memory", "4GiB"], &[("CUDA_VISIBLE_DEVICES", "0")]);
    has(&one, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=4096M");
    let board = "GPU-5a1c0de0-0000-4000-8000-000000000003";
    has(&lines(&["--memory", "1GiB"], &[("CUDA_VISIBLE_DEVICES", board)]), "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=1024M");
    let named = lines(&["--memory", "4GiB", "--device", "cuda:3"], &[]);
    has(&named, &format!("CUDA_VISIBLE_DEVICES={board}"));
    has(&named, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=4096M");
    has(&named, "ZOMMA_GPU_DEVICE=cuda:0");
    let absent = variables_under(&mock, &["--memory", "4GiB", "--device", "cuda:9"], &[]);
    absent.refused(2, &["--device cuda:9: no such GPU: found are cuda:0 (NVIDIA H200), cuda:1 (NVIDIA H200)"]);
}

#[test]
fn a_socket_is_no_mps_daemon() {
    let Some(mock) = Mock::new(&Scenario::h200(1)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("control")).unwrap();
    let pipes = [("CUDA_MPS_PIPE_DIRECTORY", arg(folder.path()))];
    let told = variables_under(&mock, &["--memory", "4GiB", "--sm", "50%"], &pipes).ok();
    for words in
        ["GPU memory 4GiB: observed: NVML by process (no MPS daemon at ", "50%: not in force: no MPS daemon at "]
    {
        assert!(told.err.contains(words), "{}", told.err);
    }
    variables_under(&mock, &["--memory", "4GiB", "--require-hard"], &pipes).refused(2, &["--require-hard"]);
}

#[test]
fn help_is_not_broken_by_its_width() {
    let help = run(&["gpu", "run", "--help"]).ok().out;
    for line in [
        "sampled, and the command ended when it is beyond), or not in force; and why it is no stronger.",
        "  zomma gpu run: GPU memory 4GiB: observed: NVML by process (no MPS daemon at /tmp/nvidia-mps)",
    ] {
        assert!(help.lines().any(|found| found == line), "{help}");
    }
}

#[test]
fn a_command_that_takes_more_memory_than_it_may_is_ended_and_the_reason_is_said() {
    if !can_be_hard() {
        return;
    }
    let ended = run(&["gpu", "run", "--cpu-memory", "64MiB", "--", "awk", GREEDY]);
    ended.refused(124, &["CPU memory 64MiB: hard: cgroup", "beyond the limit of 64MiB", "exit code 124"]);
    // A child that is ended by the kernel takes the whole run with it.
    let script = format!("awk '{GREEDY}'; sleep 600");
    run(&["gpu", "run", "--cpu-memory", "64MiB", "--", "sh", "-c", &script]).refused(124, &["SIGTERM"]);
    // Memory within the limit is nobody's business.
    run(&["gpu", "run", "--cpu-memory", "64MiB", "--", "awk", "BEGIN { print 1 }"]).ok();
}

#[test]
fn the_peak_of_a_command_that_the_kernel_ended_is_its_limit_and_no_warning_comes_after() {
    if !can_be_hard() {
        return;
    }
    let ended =
        run(&["gpu", "run", "--cpu-memory", "64MiB", "--json", "--", "sh", "-c", &format!("exec awk '{GREEDY}'")]);
    assert_eq!(ended.code, 124, "{}", ended.err);
    let events: Vec<serde_json::Value> = ended.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let peak = events.last().unwrap()["peak_cpu_memory_bytes"].as_u64().unwrap();
    assert!(peak >= (64 << 20) / 8 * 7, "{peak}");
    let exceeded = events.iter().position(|event| event["event"] == "exceeded").unwrap();
    assert!(events[exceeded..].iter().all(|event| event["event"] != "warning"), "{}", ended.err);
}

#[test]
fn signals_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let file = folder.path().join(signal);
        let child =
            start(&["--cpu-memory", "1GiB"], &format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", arg(&file)));
        assert!(wait_until(|| file.exists()));
        let (supervisor, inner) = (child.id(), pid_in(&file).unwrap());
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &supervisor.to_string()]).status().unwrap().success()
        );
        let ended = end_of(child);
        assert_eq!(ended.code, code, "{signal}: {}", ended.err);
        assert!(!is_alive(inner));
        assert!(groups_of(supervisor).is_empty());
    }
}

#[test]
fn grandchildren_end_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let child = start(&["--cpu-memory", "1GiB"], &format!("setsid sleep 600 & echo $! > {}; exit 5", arg(&file)));
    let supervisor = child.id();
    let ended = end_of(child);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("the command left 1 process behind"), "{}", ended.err);
    assert!(!is_alive(pid_in(&file).unwrap()));
    assert!(groups_of(supervisor).is_empty());
}

#[test]
fn one_that_does_not_listen_is_killed_after_the_grace() {
    let script = "(trap '' TERM; sleep 600) & sleep 0.2; exit 0";
    let ended = end_of(start(&["--cpu-memory", "1GiB", "--grace", "200ms"], script));
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("behind: ending"), "{}", ended.err);
}

#[test]
fn a_killed_run_leaves_neither_command_nor_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("setsid sleep 600 & echo $! > {0}.new; mv {0}.new {0}; sleep 600", arg(&file));
    let mut child = start(&["--cpu-memory", "1GiB"], &script);
    assert!(wait_until(|| file.exists()));
    let (supervisor, inner) = (child.id(), pid_in(&file).unwrap());
    assert!(is_alive(inner));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(wait_until(|| !is_alive(inner)), "the command lives on");
    assert!(wait_until(|| groups_of(supervisor).is_empty()), "{:?}", groups_of(supervisor));
}

#[test]
fn what_a_run_and_its_guard_left_is_swept_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", arg(&file));
    let mut child = start(&["--cpu-memory", "1GiB"], &script);
    assert!(wait_until(|| file.exists()));
    let (supervisor, inner) = (child.id(), pid_in(&file).unwrap());
    if groups_of(supervisor).is_empty() {
        child.kill().unwrap();
        child.wait().unwrap();
        zomma_testkit::skip("no writable control group");
        return;
    }
    // Stopped first, so that the guard cannot act between the two deaths.
    let guard = guard_of(supervisor).unwrap();
    assert!(Command::new("kill").args(["-KILL", &guard.to_string()]).status().unwrap().success());
    assert!(wait_until(|| !is_alive(guard)));
    child.kill().unwrap();
    // Nobody waits for it yet: a parent that is busy elsewhere is no reason for the command to live on.
    assert!(wait_until(|| !is_alive(supervisor)));
    let next = run(&["gpu", "run", "--cpu-memory", "1GiB", "--", "true"]).ok();
    // A run of another test may have swept it a moment before.
    assert!(wait_until(|| groups_of(supervisor).is_empty()), "{}", next.err);
    assert!(!is_alive(inner));
    child.wait().unwrap();
}

/// The guard is the child of the supervisor that is not the command.
fn guard_of(supervisor: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).ok()?;
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains("run-guard"))
    })
}

#[test]
fn a_run_inside_a_run_keeps_to_both_limits() {
    if !can_be_hard() {
        return;
    }
    let exe = env!("CARGO_BIN_EXE_zomma");
    let inner = ["gpu", "run", "--cpu-memory", "4GiB", "--", "awk", GREEDY];
    let ended = run(&[&["gpu", "run", "--cpu-memory", "64MiB", "--", exe], &inner[..]].concat());
    assert_eq!(ended.code, 124, "{}", ended.err);
    assert!(ended.err.contains("; a lower limit holds already: 64MiB by the control group "), "{}", ended.err);
    assert!(ended.err.contains("beyond the limit of 64MiB"), "{}", ended.err);
}

#[test]
fn gpu_memory_beyond_the_limit_is_warned_of_and_ends_the_run() {
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(&scenario) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", arg(&file));
    let mut command = zomma();
    mock.lend_to(&mut command);
    command.args(["gpu", "run", "--memory", "4GiB", "--json", "--gpu-set", "sample_interval_seconds=0.05"]);
    command.args(["--", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(wait_until(|| file.exists()));
    let inner = pid_in(&file).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let plan = next();
    assert_eq!(plan["limits"][0]["strength"], "observed", "{plan}");
    assert_eq!(plan["limits"][0]["means"], serde_json::json!(["NVML by process"]));
    // A stranger's process may hold what it likes.
    mock.replace(scenario.device(0, "processes", format!("1:{}", 100_u64 << 30)));
    mock.replace(scenario.device(1, "processes", format!("{inner}:{}", 39 * (1_u64 << 30) / 10)));
    let warning = next();
    assert_eq!((&warning["event"], &warning["gpu"]), (&"warning".into(), &1.into()), "{warning}");
    mock.replace(scenario.device(1, "processes", format!("{inner}:{}", 5_u64 << 30)));
    let exceeded = next();
    assert_eq!(
        (&exceeded["event"], &exceeded["used_bytes"]),
        (&"exceeded".into(), &(5_u64 << 30).into()),
        "{exceeded}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(124));
    assert!(!is_alive(inner));
}
