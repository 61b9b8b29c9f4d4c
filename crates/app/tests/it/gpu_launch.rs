//! `zomma gpu launch` with real ranks: what they are given, how they end, and that none is left behind.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::program::{Run, arg, run, zomma};

/// Runs a shell script in each of `n` ranks on CPUs, without a preflight; `flags` go before the command.
fn launch(n: usize, flags: &[&str], script: &str) -> Run {
    let n = n.to_string();
    let start = ["gpu", "launch", "-n", &n, "--devices", "none", "--collective", "none"];
    run(&[&start, flags, &["--", "sh", "-c", script]].concat())
}

/// Rank lines in the order of ranks; lines of one rank keep their order.
fn by_rank(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort_by_key(|line| line.split(']').next().map(String::from));
    lines
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_rank_gets_what_torchrun_gives() {
    let script = "echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $GROUP_RANK $NODE_RANK $ROLE_NAME \
                  $MASTER_ADDR $TORCHELASTIC_RESTART_COUNT $TORCHELASTIC_MAX_RESTARTS $OMP_NUM_THREADS \"<$CUDA_VISIBLE_DEVICES>\"";
    let run = launch(3, &["--master-addr", "localhost"], script).ok();
    let expected: Vec<String> =
        (0..3).map(|rank| format!("[rank {rank}] {rank}/3 {rank}/3 0 0 default localhost 0 0 1 <>")).collect();
    assert_eq!(by_rank(&run.out), expected);
    let script = "echo $RANK/$WORLD_SIZE $LOCAL_RANK $GROUP_RANK/$GROUP_WORLD_SIZE $MASTER_ADDR:$MASTER_PORT $TORCHELASTIC_RUN_ID";
    let second = ["--nnodes", "2", "--node-rank", "1", "--master-addr", "127.0.0.1"];
    let run = launch(2, &second, script).ok();
    assert_eq!(
        by_rank(&run.out),
        ["[rank 2] 2/4 0 1/2 127.0.0.1:29500 none", "[rank 3] 3/4 1 1/2 127.0.0.1:29500 none"]
    );
}

#[test]
fn all_ranks_of_a_run_share_a_port_and_a_name_that_no_other_run_has() {
    let script = "echo $MASTER_PORT $TORCHELASTIC_RUN_ID";
    let of = |text: &str| {
        let mut said: Vec<_> = text.lines().map(|line| line.split("] ").nth(1).unwrap().to_string()).collect();
        said.dedup();
        assert_eq!(said.len(), 1, "{text}");
        said.remove(0)
    };
    assert_ne!(of(&launch(2, &[], script).ok().out), of(&launch(2, &[], script).ok().out));
    let given = launch(2, &["--master-port", "1234", "--run-id", "night"], script).ok();
    assert_eq!(of(&given.out), "1234 night");
}

#[test]
fn lines_stay_whole_and_streams_apart() {
    let script = "for i in 1 2 3; do printf 'out %s ' $i; echo $RANK; echo err $i >&2; done; printf end";
    let run = launch(2, &[], script).ok();
    let lines = |word: &str, tail: bool| -> Vec<String> {
        let of = |rank: usize| {
            let end = tail.then(|| format!("[rank {rank}] end"));
            let line = move |i| match tail {
                true => format!("[rank {rank}] {word} {i} {rank}"),
                false => format!("[rank {rank}] {word} {i}"),
            };
            (1..=3).map(line).chain(end).collect::<Vec<_>>()
        };
        [of(0), of(1)].concat()
    };
    assert_eq!(by_rank(&run.out), lines("out", true));
    let said = run.err.lines().filter(|line| line.starts_with('[')).collect::<Vec<_>>().join("\n");
    assert_eq!(by_rank(&said), lines("err", false));
    assert_eq!(launch(1, &["--raw"], "printf 'a\\nb'").ok().out, "a\nb");
    assert_eq!(launch(1, &["--quiet"], "echo a").ok().out, "");
}

#[test]
fn logs_and_json_hold_what_ranks_say() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    launch(2, &["--log-dir", arg(&logs), "--quiet"], "echo $RANK; echo oops >&2").ok();
    assert_eq!(fs::read_to_string(logs.join("attempt_0/rank_1.stdout.log")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(logs.join("attempt_0/rank_0.stderr.log")).unwrap(), "oops\n");
    let run = launch(2, &["--json"], "echo $RANK; exit $RANK");
    let events = json_lines(&run.out);
    assert_eq!(run.code, 1);
    assert!(events.iter().any(|event| event["event"] == "line" && event["rank"] == 0 && event["text"] == "0"));
    let end = events.last().unwrap();
    assert_eq!((&end["event"], end["exit_code"].as_u64()), (&Value::from("end"), Some(1)));
    assert_eq!((end["first_failing_rank"].as_u64(), end["ranks"].as_array().unwrap().len()), (Some(1), 2));
}

#[test]
fn the_first_rank_to_fail_ends_the_others_and_gives_the_exit_code() {
    let script = "[ $RANK = 1 ] || exec sleep 600; echo 'ValueError: x' >&2; exit 7";
    launch(3, &[], script).refused(7, &["zomma: rank 1: exit code 7: ValueError: x"]);
    launch(1, &[], "kill -KILL $$").refused(137, &["rank 0: signal 9 (SIGKILL)"]);
}

#[test]
fn a_group_starts_anew_as_often_as_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let ports = folder.path().join("ports");
    let script = format!(
        "[ $RANK = 0 ] && echo $MASTER_PORT >> {}; echo attempt $TORCHELASTIC_RESTART_COUNT of $TORCHELASTIC_MAX_RESTARTS; \
         [ $TORCHELASTIC_RESTART_COUNT = 2 ] || exit 3",
        arg(&ports)
    );
    let run = launch(1, &["--restarts", "5"], &script).ok();
    assert_eq!(run.out, "[rank 0] attempt 0 of 5\n[rank 0] attempt 1 of 5\n[rank 0] attempt 2 of 5\n");
    assert!(run.err.contains("rank 0: exit code 3; restart 2 of 5"), "{}", run.err);
    let ports = fs::read_to_string(ports).unwrap();
    assert_eq!(ports.lines().collect::<std::collections::HashSet<_>>().len(), 3, "{ports}");
    launch(1, &["--restarts", "1"], "exit 3").refused(3, &["restart 1 of 1", "zomma: rank 0: exit code 3\n"]);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        run(&[&["gpu", "launch"], arguments].concat()).refused(code, words);
    };
    refused(&[], 2, &["a command is needed", "--preflight-only"]);
    refused(&["-n", "0", "--", "true"], 2, &["--ranks", "from 1 to"]);
    refused(&["-n", "1000000", "--", "true"], 2, &["from 1 to"]);
    refused(&["--devices", "none", "--", "true"], 2, &["-n N is needed"]);
    refused(&["--devices", "0,0", "--", "true"], 2, &["names GPU 0 twice"]);
    refused(&["--devices", "first", "--", "true"], 2, &["--devices", "\"first\"", "all, none"]);
    refused(&["--devices", "99", "--", "true"], 2, &["--devices 99", "GPU"]);
    refused(&["-n", "1", "--master-port", "0", "--", "true"], 2, &["--master-port"]);
    refused(&["-n", "1", "--grace-seconds", "-1", "--", "true"], 2, &["--grace-seconds"]);
    refused(&["-n", "1", "--nnodes", "2", "--", "true"], 2, &["--master-addr"]);
    refused(&["-n", "1", "--node-rank", "1", "--", "true"], 2, &["--node-rank 1", "0 to 0"]);
    let several = ["-n", "1", "--nnodes", "2", "--master-addr", "127.0.0.1"];
    refused(&[&several[..], &["--restarts", "1", "--", "true"]].concat(), 2, &["--restarts", "torchrun"]);
    refused(&["-n", "1", "--master-addr", "203.0.113.1", "--", "true"], 1, &["203.0.113.1", "--master-port"]);
    let none = ["-n", "2", "--devices", "none"];
    refused(&[&none[..], &["--collective", "nccl", "--", "true"]].concat(), 2, &["nccl", "NVIDIA"]);
    refused(&[&none[..], &["--collective", "none", "--preflight-only"]].concat(), 2, &["nothing to do"]);
    refused(&["-n", "1", "--devices", "none", "--", "no-such-command"], 127, &["no-such-command: "]);
    refused(&["-n", "1", "--devices", "none", "--", "/etc/passwd"], 126, &["/etc/passwd: "]);
    let file = [&none[..], &["--collective", "none", "--log-dir", "/etc/passwd/x", "--", "true"]].concat();
    refused(&file, 1, &["--log-dir", "/etc/passwd/x"]);
}

#[test]
fn four_ranks_can_talk_and_the_preflight_says_how_fast() {
    let run = run(&["gpu", "launch", "-n", "4", "--devices", "none", "--preflight-only", "--preflight-mib", "1"]).ok();
    assert!(run.out.starts_with("all-reduce of 1 MiB over 4 ranks, TCP ring on the CPUs in "), "{}", run.out);
    assert!(run.out.ends_with(" GB/s: every sum correct\n"), "{}", run.out);
}

#[test]
fn the_preflight_comes_before_the_command_and_as_json_too() {
    let start = ["gpu", "launch", "-n", "2", "--devices", "none", "--collective", "tcp", "--preflight-mib", "1"];
    let spoken = run(&[&start[..], &["--", "echo", "go"]].concat()).ok();
    assert!(spoken.err.contains("zomma: preflight: all-reduce of 1 MiB over 2 ranks"), "{}", spoken.err);
    assert_eq!(by_rank(&spoken.out), ["[rank 0] go", "[rank 1] go"]);
    let json = run(&[&start[..], &["--preflight-only", "--json"]].concat()).ok();
    let verdict = &json_lines(&json.out)[0];
    assert_eq!((verdict["correct"].as_bool(), verdict["transport"].as_str()), (Some(true), Some("tcp")));
    assert_eq!((verdict["ranks"].as_u64(), verdict["bytes"].as_u64()), (Some(2), Some(1 << 20)));
    assert!(verdict["bus_bytes_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_rank_that_hangs_in_the_preflight_fails_the_launch_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let command = format!("touch {}", arg(&started));
    let mut launcher = zomma()
        .args(["gpu", "launch", "-n", "3", "--devices", "none", "--collective", "tcp", "--preflight-seconds", "0.5"])
        .args(["--preflight-mib", "64", "--", "sh", "-c", &command])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stopped = wait_for(|| descendant(launcher.id(), "RANK=1"));
    Command::new("kill").args(["-STOP", &stopped]).status().unwrap();
    let mut said = String::new();
    launcher.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(launcher.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("zomma: preflight: rank 1 hung and was ended"), "{said}");
    assert!(!started.exists());
}

#[test]
fn the_machine_is_shown_without_a_command() {
    let run_text = run(&["gpu", "launch", "--devices", "none", "--topology"]).ok();
    assert!(run_text.out.contains("No GPU in this group") && run_text.out.contains("NUMA node"), "{}", run_text.out);
    let json = run(&["gpu", "launch", "--devices", "none", "-n", "2", "--topology", "--json"]).ok();
    let plan = &json_lines(&json.out)[0];
    assert_eq!((plan["event"].as_str(), plan["ranks"].as_array().unwrap().len()), (Some("plan"), 2));
    assert_eq!(plan["ranks"][1]["environment"]["RANK"], "1");
    assert!(!plan["ranks"][0]["pin"]["cpus"].as_array().unwrap().is_empty());
}

#[test]
fn ranks_run_where_the_plan_says() {
    let plan = run(&["gpu", "launch", "--devices", "none", "-n", "2", "--topology", "--json"]).ok();
    let plan = json_lines(&plan.out).remove(0);
    let run = launch(2, &[], "grep Cpus_allowed_list /proc/self/status").ok();
    for (rank, line) in by_rank(&run.out).iter().enumerate() {
        let pinned = zomma_gpu::group::cpus::parse_cpu_list(line.split_whitespace().last().unwrap()).unwrap();
        let planned: Vec<u32> = serde_json::from_value(plan["ranks"][rank]["pin"]["cpus"].clone()).unwrap();
        assert_eq!(pinned, planned);
    }
    let mut free = by_rank(&launch(2, &["--no-pin"], "grep Cpus_allowed_list /proc/self/status").ok().out);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
    assert!(free.remove(0).ends_with(own));
}

/// Asks until there is an answer.
fn wait_for<T>(mut question: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(answer) = question() {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing happened in 30 s");
}

/// A child of `parent` with this variable, which is exec'ed already.
fn descendant(parent: u32, variable: &str) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let of_threads = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all = of_threads.fold(children, |all, more| format!("{all} {more}"));
    let has = |child: &&str| {
        let environment = fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|set| set == variable.as_bytes())
    };
    all.split_whitespace().find(has).map(String::from)
}

/// Whether a process still runs; one that waits to be reaped does not.
fn runs(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ")
}

/// Starts two ranks, each with a child in its process group and one in a session of its own, and gives the numbers of all six.
fn long_running() -> (Child, Vec<String>) {
    let script = "sleep 600 & echo $!; setsid sleep 600 & echo $!; echo $$; wait";
    let mut launcher = zomma()
        .args(["gpu", "launch", "-n", "2", "--devices", "none", "--collective", "none", "--raw"])
        .args(["--grace-seconds", "0.5", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(launcher.stdout.take().unwrap()).lines();
    let processes: Vec<String> = lines.take(6).map(Result::unwrap).collect();
    assert!(processes.iter().all(|process| runs(process)), "{processes:?}");
    (launcher, processes)
}

#[test]
fn a_killed_launcher_leaves_no_rank() {
    let (mut launcher, processes) = long_running();
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    wait_for(|| processes.iter().all(|process| !runs(process)).then_some(()));
}

#[test]
fn a_signal_ends_the_group_with_the_signal_s_exit_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (mut launcher, processes) = long_running();
        Command::new("kill").args([&format!("-{signal}"), &launcher.id().to_string()]).status().unwrap();
        assert_eq!(launcher.wait().unwrap().code(), Some(code));
        wait_for(|| processes.iter().all(|process| !runs(process)).then_some(()));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_group_and_is_no_error() {
    let mut launcher = zomma()
        .args(["gpu", "launch", "-n", "2", "--devices", "none", "--collective", "none", "--no-pin", "--", "yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = [0; 100];
    launcher.stdout.take().unwrap().read_exact(&mut head).unwrap();
    let output = launcher.wait_with_output().unwrap();
    assert_eq!((String::from_utf8_lossy(&output.stderr).as_ref(), output.status.code()), ("", Some(0)));
}

#[test]
fn help_has_an_example() {
    let run = run(&["gpu", "launch", "--help"]).ok();
    assert!(run.out.contains("Example:") && run.out.contains("$ zomma gpu launch"), "{}", run.out);
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_starts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let taken = launch(2, &["--master-port", &port], "echo started");
    assert_eq!(taken.out, "");
    taken.refused(2, &["--master-port", &port, "taken on 127.0.0.1"]);
    drop(listener);
    launch(2, &["--master-port", &port], "echo started").ok();
}
