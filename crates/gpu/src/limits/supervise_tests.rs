//! Runs without a control group, and with GPUs that a test makes up: what is said, how it ends.

use std::process::Stdio;
use std::sync::mpsc::channel;

use super::*;
use crate::inventory::Vendor;
use crate::limits::EXCEEDED_EXIT_CODE;
use crate::limits::facts::GpuFacts;
use crate::request::DeviceRequest;

const GIB: u64 = 1 << 30;

/// A GPU on which the run holds one more GiB at each sample.
struct Growing {
    pci: PciAddress,
    samples: u64,
}

impl GpuMemory for Growing {
    fn used(&mut self, pids: &[u32]) -> Result<BytesByGpu, String> {
        assert!(pids.len() < 1000, "only the run's own processes are asked about");
        self.samples += 1;
        Ok([(self.pci, self.samples * GIB)].into())
    }
}

/// A driver that does not answer.
struct Mute;

impl GpuMemory for Mute {
    fn used(&mut self, _: &[u32]) -> Result<BytesByGpu, String> {
        Err("no answer within 2000 ms".into())
    }
}

fn pci() -> PciAddress {
    "0000:17:00.0".parse().unwrap()
}

fn job(script: &str, on_exceed: OnExceed, gpu_memory: Box<dyn GpuMemory>) -> Job {
    let gpu = GpuFacts {
        index: 3,
        vendor: Vendor::Nvidia,
        name: "made up".into(),
        uuid: None,
        pci: Some(pci()),
        memory_bytes: Some(80 * GIB),
        multiprocessors: None,
        driver: None,
        partitions: Vec::new(),
        requests: Vec::new(),
    };
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut guard = Command::new("sh");
    guard.args(["-c", "cat > /dev/null"]);
    Job {
        request: Request {
            gpu_memory_bytes: Some(10 * GIB),
            gpu_compute_share: None,
            cpu_memory_bytes: Some(64 * GIB),
            device: DeviceRequest::Auto,
            memory_fraction: 0.8,
            on_exceed,
            warn_at: 0.9,
            grace: Duration::from_secs(30),
        },
        facts: Facts { gpus: vec![gpu], ..Facts::default() },
        command,
        guard,
        gpu_memory,
        sample_interval: Duration::from_millis(10),
        require_hard: false,
    }
}

fn run_to_end(job: Job) -> (Result<u8, RunError>, Vec<Report>) {
    let (sender, events) = channel();
    let mut reports = Vec::new();
    let outcome = run(job, sender, &events, &mut |report| reports.push(report.clone()));
    (outcome, reports)
}

#[test]
fn gpu_memory_beyond_the_limit_is_warned_of_and_then_ends_the_run() {
    let (outcome, reports) =
        run_to_end(job("sleep 600 & sleep 600", OnExceed::End, Box::new(Growing { pci: pci(), samples: 0 })));
    assert_eq!(outcome.unwrap(), EXCEEDED_EXIT_CODE);
    let (limit, gpu, limit_bytes) = (Limit::GpuMemory, Some(3), 10 * GIB);
    let warning = Report::Warning { limit, gpu, used_bytes: 9 * GIB, limit_bytes };
    let exceeded = Report::Exceeded { limit, gpu, used_bytes: Some(11 * GIB), limit_bytes, by: By::Watch };
    let place = |wanted: &Report| reports.iter().position(|report| report == wanted).unwrap();
    assert!(place(&warning) < place(&exceeded), "{reports:?}");
    assert!(matches!(reports.last(), Some(Report::Ended { exit_code: 124, exceeded: Some(Limit::GpuMemory), .. })));
    assert_eq!(warning.to_string(), "GPU memory on GPU 3: 9 GiB in use, 90% of 10GiB");
}

/// Two GPUs: the first is beyond its limit at once, the second comes near it while the run is being ended.
struct OneAfterTheOther {
    samples: u64,
}

impl GpuMemory for OneAfterTheOther {
    fn used(&mut self, _: &[u32]) -> Result<BytesByGpu, String> {
        self.samples += 1;
        let second = if self.samples > 1 { 9 * GIB } else { GIB };
        Ok([(pci(), 11 * GIB), ("0000:18:00.0".parse().unwrap(), second)].into())
    }
}

#[test]
fn a_run_that_is_being_ended_is_not_warned_of_anything() {
    let script = "trap 'sleep 0.3; exit 0' TERM; sleep 600 & wait";
    let mut job = job(script, OnExceed::End, Box::new(OneAfterTheOther { samples: 0 }));
    let second = GpuFacts { index: 4, pci: "0000:18:00.0".parse().ok(), ..job.facts.gpus[0].clone() };
    job.facts.gpus.push(second);
    let (outcome, reports) = run_to_end(job);
    assert_eq!(outcome.unwrap(), EXCEEDED_EXIT_CODE);
    assert!(!reports.iter().any(|report| matches!(report, Report::Warning { .. })), "{reports:?}");
}

#[test]
fn where_only_a_warning_is_asked_for_the_command_goes_on() {
    let growing = Box::new(Growing { pci: pci(), samples: 0 });
    let (outcome, reports) = run_to_end(job("sleep 1; exit 7", OnExceed::Warn, growing));
    assert_eq!(outcome.unwrap(), 7);
    let told = reports.iter().filter(|report| matches!(report, Report::Exceeded { .. })).count();
    assert_eq!(told, 1, "{reports:?}");
}

#[test]
fn a_driver_that_does_not_answer_is_said_once_and_ends_nothing() {
    let (outcome, reports) = run_to_end(job("sleep 0.3", OnExceed::End, Box::new(Mute)));
    assert_eq!(outcome.unwrap(), 0);
    assert_eq!(reports.iter().filter(|report| matches!(report, Report::Unseen { .. })).count(), 1, "{reports:?}");
    let Some(Report::Ended { peak_gpu_memory_bytes, .. }) = reports.last() else { panic!("{reports:?}") };
    assert_eq!(*peak_gpu_memory_bytes, None, "what was never read is absent, and not 0");
}

#[test]
fn what_the_command_leaves_behind_is_ended_though_no_group_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // The command ends when the other has left its group, or that would take it along.
    let file_name = file.display();
    let script = format!(
        "setsid sh -c 'echo $$ > {file_name}; exec sleep 600' & while ! [ -s {file_name} ]; do sleep 0.01; done; exit 3"
    );
    let (outcome, reports) = run_to_end(job(&script, OnExceed::End, Box::new(Mute)));
    assert_eq!(outcome.unwrap(), 3);
    let left = reports.iter().any(|report| matches!(report, Report::Leftover { processes: 1 }));
    assert!(left, "{reports:?}");
    let pid: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert_eq!(process::resident_bytes(pid), None, "it is gone, or has nothing left");
}

#[test]
fn a_signal_reaches_the_command_and_a_command_that_is_none_is_told() {
    let (sender, events) = channel();
    let ready = sender.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        ready.send(Event::Signal(15)).unwrap();
    });
    let job_of = |script: &str| job(script, OnExceed::End, Box::new(Mute));
    let outcome = run(job_of("sleep 600"), sender, &events, &mut |_| {});
    assert_eq!(outcome.unwrap(), 128 + 15);
    let mut missing = job_of("");
    missing.command = Command::new("no/such/command");
    assert_eq!(run_to_end(missing).0.unwrap_err().exit_code(), 127);
    let mut folder = job_of("");
    folder.command = Command::new("/tmp");
    assert_eq!(run_to_end(folder).0.unwrap_err().exit_code(), 126);
    let hard = Job { require_hard: true, ..job_of("exit 0") };
    let refused = run_to_end(hard).0.unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().starts_with("--require-hard: GPU memory 10GiB: observed"), "{refused}");
}

#[test]
fn what_the_kernel_refuses_is_planned_again_without() {
    let folder = tempfile::tempdir().unwrap();
    let mut facts = Facts::default();
    // An ordinary folder takes groups and has none of their files.
    facts.cgroups.v1_memory = Some(folder.path().to_owned());
    let request = Request { gpu_memory_bytes: None, ..job("", OnExceed::End, Box::new(Mute)).request };
    let (plan, groups) = prepare(&request, facts, &RunId::next().unwrap(), &mut |_| {});
    assert_eq!(groups, []);
    let why = plan.enforcements[0].why_not_stronger.clone().unwrap();
    assert!(why.contains("memory.limit_in_bytes"), "{why}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of the attempt");
}
