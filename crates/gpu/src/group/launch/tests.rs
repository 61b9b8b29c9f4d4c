//! Real processes, without a guard of their own: `cat` stands in, which ends when its pipe closes as a guard does.

use super::*;

/// Keeps every line.
#[derive(Default)]
struct Kept(Mutex<Vec<(usize, Stream, String)>>);

impl Sink for Kept {
    fn line(&self, rank: usize, stream: Stream, line: &[u8]) -> io::Result<()> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.0.lock().unwrap().push((rank, stream, line));
        Ok(())
    }
}

/// Refuses every line.
struct Closed;

impl Sink for Closed {
    fn line(&self, _: usize, _: Stream, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn launcher() -> Launcher {
    let mark = format!("launch-test-{}-{:?}", std::process::id(), thread::current().id());
    Launcher::new(Guard::start(Command::new("cat")).unwrap(), mark)
}

fn shell(rank: usize, script: &str) -> RankCommand {
    RankCommand {
        rank,
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        variables: [("RANK", Some(rank.to_string()))].into(),
        cpus: None,
    }
}

fn policy() -> Policy {
    Policy { fail_fast: true, grace: Duration::from_secs(30), time_limit: None }
}

fn run(scripts: &[&str], policy: &Policy) -> (GroupEnd, Vec<(usize, Stream, String)>) {
    let commands: Vec<_> = scripts.iter().enumerate().map(|(rank, script)| shell(rank, script)).collect();
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = Arc::clone(&kept) as _;
    let end = launcher().run(&commands, policy, &sink).unwrap();
    let lines = std::mem::take(&mut *kept.0.lock().unwrap());
    (end, lines)
}

#[test]
fn ranks_run_to_their_end_and_all_that_they_say_is_heard() {
    let (end, mut lines) = run(&["echo $RANK; echo oops >&2", "printf 'a\\nb'"], &policy());
    assert_eq!((end.exit_code(), end.ranks.len(), end.first_failure), (0, 2, None));
    lines.sort_by_key(|(rank, stream, line)| (*rank, *stream == Stream::Stderr, line.clone()));
    let line = |rank, stream, text: &str| (rank, stream, text.to_string());
    let expected = [
        line(0, Stream::Stdout, "0\n"),
        line(0, Stream::Stderr, "oops\n"),
        line(1, Stream::Stdout, "a\n"),
        line(1, Stream::Stdout, "b"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_first_rank_to_fail_ends_the_others_and_is_named() {
    let (end, _) = run(&["exec sleep 600", "echo ValueError >&2; exit 3"], &policy());
    assert_eq!(end.exit_code(), 3);
    assert_eq!(end.failed().unwrap().in_words(), "rank 1: exit code 3: ValueError");
    assert_eq!(end.ranks[0].status, RankStatus::Signaled(15));
    assert!(end.ranks[0].ended_by_launcher);
}

#[test]
fn a_rank_that_does_not_listen_is_killed_after_its_grace_with_all_that_it_started() {
    let short = Policy { grace: Duration::from_millis(100), ..policy() };
    let deaf = "trap '' TERM; sleep 600 & echo $!; while :; do sleep 0.1; done";
    let (end, lines) = run(&[deaf, "sleep 0.3; kill -SEGV $$"], &short);
    assert_eq!(end.exit_code(), 139);
    assert_eq!(end.ranks[0].status, RankStatus::Signaled(9));
    let child = lines[0].2.trim().to_string();
    assert!(is_gone(&child), "{child} lives");
}

/// Whether a process has ended; who reaps it may take a moment.
fn is_gone(process: &str) -> bool {
    let status = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let ended = || status().is_empty() || status().contains(") Z ");
    (0..500).any(|_| {
        let ended = ended();
        if !ended {
            thread::sleep(Duration::from_millis(10));
        }
        ended
    })
}

#[test]
fn what_a_rank_leaves_behind_ends_with_the_group() {
    let (end, lines) = run(&["sleep 600 & echo $!"], &policy());
    assert_eq!(end.exit_code(), 0);
    assert!(is_gone(lines[0].2.trim()));
}

#[test]
fn without_fail_fast_the_others_go_on() {
    let (end, lines) = run(&["exit 5", "sleep 0.2; echo done"], &Policy { fail_fast: false, ..policy() });
    assert_eq!((end.exit_code(), end.ranks[1].status), (5, RankStatus::Exited(0)));
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_time_limit_ends_even_a_rank_that_was_stopped() {
    let limited = Policy { time_limit: Some(Duration::from_millis(500)), ..policy() };
    let (end, _) = run(&["kill -STOP $$", "exit 0"], &limited);
    assert!(end.timed_out && end.first_failure.is_none());
    assert_eq!((hung(&end), end.exit_code()), (BTreeSet::from([0]), 1));
}

#[test]
fn a_signal_is_passed_on_and_a_second_one_is_final() {
    let mut launcher = launcher();
    let signals = launcher.signals();
    let script = "trap 'echo usr1' USR1; trap 'echo int' INT; echo ready; while :; do sleep 0.05; done";
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = Arc::clone(&kept) as _;
    let heard = |word: &str| {
        while !kept.0.lock().unwrap().iter().any(|(_, _, line)| line.trim() == word) {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let end = thread::scope(|scope| {
        let running = scope.spawn(|| launcher.run(&[shell(0, script)], &policy(), &sink).unwrap());
        heard("ready");
        signals.send(Signal::USR1);
        heard("usr1");
        signals.send(Signal::INT);
        heard("int");
        signals.send(Signal::INT);
        running.join().unwrap()
    });
    assert_eq!((end.exit_code(), end.signal, end.ranks[0].status), (130, Some(2), RankStatus::Signaled(9)));
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let sink: Arc<dyn Sink> = Arc::new(Kept::default());
    let missing = RankCommand { program: "no-such-command".into(), ..shell(1, "") };
    let error = launcher().run(&[shell(0, "sleep 600"), missing], &policy(), &sink).unwrap_err();
    assert!(error.to_string().starts_with("no-such-command: "), "{error}");
}

#[test]
fn output_that_nobody_takes_ends_the_group() {
    let sink: Arc<dyn Sink> = Arc::new(Closed);
    let end = launcher().run(&[shell(0, "echo x; exec sleep 600")], &policy(), &sink).unwrap();
    assert_eq!(end.output_error.unwrap().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_rank_runs_on_its_cpus_and_the_launcher_on_its_own() {
    let allowed = super::super::cpus::allowed_cpus().unwrap();
    let last = *allowed.last().unwrap();
    let pinned =
        |cpu: u32| RankCommand { cpus: Some(vec![cpu]), ..shell(0, "grep Cpus_allowed_list /proc/self/status") };
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn Sink> = Arc::clone(&kept) as _;
    launcher().run(&[pinned(last)], &policy(), &sink).unwrap();
    let line = kept.0.lock().unwrap()[0].2.clone();
    assert_eq!(line.split_whitespace().last(), Some(last.to_string().as_str()));
    assert_eq!(super::super::cpus::allowed_cpus().unwrap(), allowed);
    let error = launcher().run(&[pinned(1023)], &policy(), &sink).unwrap_err();
    assert!(error.to_string().contains("rank 0: cannot run on CPUs 1023: "), "{error}");
}
