//! `zomma gpu serve` and `zomma gpu health` on a mock NVML: what a scrape shows, what a fault hides and what it does not, and how a GPU
//! comes back.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use zomma_testkit::{
    mock_nvml::{DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH, Mock, Scenario, UNKNOWN},
    mock_sysfs::{PciDevice, Sysfs},
    skip,
};

use crate::program::{Run, arg, zomma};

/// How long a change may take before a test gives up; it asserts no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `zomma gpu serve`. Killed when dropped.
struct Server {
    child: Child,
    address: String,
    // The kernel's devices are none: what this machine has is not what is tested.
    _sysfs: Option<TempDir>,
}

impl Server {
    fn start(mock: &Mock, arguments: &[&str]) -> Self {
        let sysfs = tempfile::tempdir().unwrap();
        let mut server = Self::on(mock, sysfs.path(), arguments);
        server._sysfs = Some(sysfs);
        server
    }

    /// On a machine whose kernel shows these devices.
    fn on(mock: &Mock, sysfs: &Path, arguments: &[&str]) -> Self {
        let mut command = quick(mock, &["gpu", "serve", "--listen", "127.0.0.1:0", "--sysfs", arg(sysfs)]);
        command.args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap().to_string();
            }
        };
        // The rest is read, so that it never waits for a reader.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address, _sysfs: None }
    }

    /// Status and body of a request.
    fn get(&self, path: &str) -> (u16, String) {
        self.get_as(path, "*/*")
    }

    fn get_as(&self, path: &str, accept: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: zomma\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    /// Scrapes until a scrape is as wanted.
    fn scrape_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let (status, text) = self.get("/metrics");
            assert_eq!(status, 200);
            if wanted(&text) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}: {text}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks until the server is not ready, and gives why.
    fn unready(&self) -> String {
        let begun = Instant::now();
        loop {
            let (status, why) = self.get("/readyz");
            if status == 503 && !why.contains("not been looked at yet") {
                return why;
            }
            assert!(begun.elapsed() < PATIENCE, "it stays ready");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn health(&self) -> Value {
        let (status, text) = self.get("/health");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that samples often, on a mock.
fn quick(mock: &Mock, arguments: &[&str]) -> Command {
    let mut command = zomma();
    command.args(arguments);
    command.args(["--gpu-set", "sample_interval_seconds=0.02", "--gpu-set", "call_timeout_seconds=0.5"]);
    mock.lend_to(&mut command);
    command
}

fn run(mut command: Command) -> Run {
    Run::of(&command.output().unwrap())
}

/// The values of a metric by GPU: those whose other labels contain `labels`.
fn values(text: &str, metric: &str, labels: &str) -> Vec<(usize, f64)> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once('{')?;
            let (own, value) = rest.rsplit_once("} ")?;
            let gpu = own.strip_prefix("gpu=\"")?.split('"').next()?.parse().ok()?;
            (name == metric && own.contains(labels)).then(|| Some((gpu, value.parse().ok()?)))?
        })
        .collect()
}

fn value(text: &str, metric: &str, gpu: usize) -> Option<f64> {
    values(text, metric, "").into_iter().find(|(of, _)| *of == gpu).map(|(_, value)| value)
}

fn sampled(text: &str) -> bool {
    text.contains("\nzomma_gpu_devices ")
}

#[test]
fn eight_gpus_are_served_with_every_sample_that_the_board_has() {
    let mut scenario = Scenario::h200(8);
    scenario.device(3, "utilization", 97).device(3, "temperature", 71).device(3, "power_mw", 654_321);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &[]);
    let text = server.scrape_until("sampled", sampled);
    assert!(text.contains("\nzomma_gpu_devices 8\n"), "{text}");
    for metric in [
        "zomma_gpu_up",
        "zomma_gpu_utilization_ratio",
        "zomma_gpu_memory_total_bytes",
        "zomma_gpu_memory_used_bytes",
        "zomma_gpu_temperature_celsius",
        "zomma_gpu_memory_temperature_celsius",
        "zomma_gpu_slowdown_temperature_celsius",
        "zomma_gpu_power_watts",
        "zomma_gpu_power_limit_watts",
        "zomma_gpu_energy_joules_total",
        "zomma_gpu_sm_clock_hertz",
        "zomma_gpu_pcie_transmit_bytes_per_second",
        "zomma_gpu_pcie_replays_total",
        "zomma_gpu_nvlink_transmit_bytes_total",
        "zomma_gpu_ecc_enabled",
        "zomma_gpu_row_remap_failed",
    ] {
        assert_eq!(values(&text, metric, "").len(), 8, "{metric}: {text}");
    }
    assert_eq!(value(&text, "zomma_gpu_utilization_ratio", 3), Some(0.97));
    assert_eq!(value(&text, "zomma_gpu_temperature_celsius", 3), Some(71.0));
    assert_eq!(value(&text, "zomma_gpu_power_watts", 3), Some(654.321));
    assert_eq!(value(&text, "zomma_gpu_memory_total_bytes", 0), Some(150_754_820_096.0));
    // What the board lacks is not there, and no failure.
    assert!(!text.contains("zomma_gpu_read_failures_total") && !text.contains("zomma_gpu_fan_speed_ratio"), "{text}");
    assert_eq!(server.get("/readyz"), (200, "ready\n".into()));
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    let health = server.health();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["gpus"].as_array().unwrap().len(), 8);
    assert_eq!(health["gpus"][3]["temperature"]["slowdown_celsius"], 89.0);
    assert_eq!(health["gpus"][0]["memory"]["ecc_enabled"], true);
    assert_eq!(health["gpus"][0]["driver"]["name"], "nvidia");
    promtool_check(&text);
}

/// What Prometheus' own linter says of a scrape.
fn promtool_check(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = promtool.spawn() else { return skip("no promtool") };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
}

#[test]
fn names_and_units_of_dcgm_exporter_and_open_metrics_are_served_on_request() {
    let mut scenario = Scenario::h200(2);
    scenario.device(1, "utilization", 42);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &["--dcgm-names"]);
    let text = server.scrape_until("sampled", sampled);
    for (name, wanted) in [
        ("DCGM_FI_DEV_GPU_UTIL", 42.0),
        ("DCGM_FI_DEV_SM_CLOCK", 345.0),
        ("DCGM_FI_DEV_POWER_USAGE", 76.5),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 123_456_789.0),
        ("DCGM_FI_DEV_FB_USED", 0.0),
        ("DCGM_FI_DEV_GPU_TEMP", 34.0),
        ("DCGM_FI_DEV_XID_ERRORS", 0.0),
        ("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0.0),
    ] {
        assert_eq!(values(&text, name, "UUID=\"GPU-").last(), Some(&(1, wanted)), "{name}: {text}");
    }
    assert!(
        text.contains("pci_bus_id=\"00000000:3B:00.0\",device=\"nvidia1\",modelName=\"NVIDIA H200\",Hostname=\""),
        "{text}"
    );
    let (status, open) = server.get_as("/metrics", "application/openmetrics-text;version=1.0.0");
    assert!(status == 200 && open.ends_with("# EOF\n"), "{open}");
}

#[test]
fn a_call_that_fails_leaves_its_sample_out_and_no_other() {
    let mut scenario = Scenario::h200(8);
    scenario.fault_on("nvmlDeviceGetPowerUsage", 2, UNKNOWN);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &[]);
    let text = server.scrape_until("sampled", sampled);
    let power: Vec<usize> = values(&text, "zomma_gpu_power_watts", "").into_iter().map(|(gpu, _)| gpu).collect();
    assert_eq!(power, [0, 1, 3, 4, 5, 6, 7]);
    assert_eq!(values(&text, "zomma_gpu_temperature_celsius", "").len(), 8);
    let failures = values(&text, "zomma_gpu_read_failures_total", "field=\"power\"");
    assert!(failures.len() == 1 && failures[0].0 == 2 && failures[0].1 >= 1.0, "{text}");
    assert_eq!(value(&text, "zomma_gpu_up", 2), Some(1.0));
}

#[test]
fn a_gpu_that_hangs_costs_its_own_samples_and_comes_back_when_its_call_does() {
    let scenario = Scenario::h200(4);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &[]);
    server.scrape_until("sampled", sampled);
    mock.replace(scenario.clone().hang_on("nvmlDeviceGetTemperature", 1, 600_000));
    let text = server.scrape_until("down", |text| value(text, "zomma_gpu_up", 1) == Some(0.0));
    assert_eq!(values(&text, "zomma_gpu_temperature_celsius", "").len(), 3, "{text}");
    assert_eq!(server.get("/healthz").0, 200);
    server
        .scrape_until("failed", |text| values(text, "zomma_gpu_health_state", "state=\"failed\"").contains(&(1, 1.0)));
    let (status, why) = server.get("/readyz");
    assert!(
        status == 503 && why.contains("GPU 1") && why.contains("NVML: temperature: no answer within 500 ms"),
        "{status} {why}"
    );
    assert!(
        text.contains("zomma_gpu_read_failures_total{gpu=\"1\"") && text.contains("field=\"temperature\"}"),
        "{text}"
    );
    mock.replace(&scenario);
    server.scrape_until("up", |text| value(text, "zomma_gpu_up", 1) == Some(1.0));
    server.scrape_until("healthy", |text| {
        values(text, "zomma_gpu_health_state", "state=\"healthy\"").contains(&(1, 1.0))
    });
    assert_eq!(server.get("/readyz").0, 200);
}

#[test]
fn a_fatal_xid_fails_its_gpu_which_recovers_when_the_time_is_over() {
    let scenario = Scenario::h200(4);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &["--xid-hold", "1", "--dcgm-names"]);
    server.scrape_until("sampled", sampled);
    mock.replace(scenario.clone().xid(3, 79).xid(2, 13));
    let failed = |text: &str| values(text, "zomma_gpu_health_state", "state=\"failed\"").contains(&(3, 1.0));
    let text = server.scrape_until("failed", failed);
    assert_eq!(values(&text, "zomma_gpu_xid_errors_total", "xid=\"79\""), [(3, 1.0)]);
    assert_eq!(values(&text, "DCGM_FI_DEV_XID_ERRORS", "err_code=\"79\""), [(3, 79.0)]);
    let health = server.health();
    assert_eq!(health["gpus"][3]["xids"][0]["name"], "GPU has fallen off the bus");
    assert_eq!(health["gpus"][3]["xids"][0]["class"], "critical");
    let text = server.scrape_until("healthy", |text| {
        values(text, "zomma_gpu_health_state", "state=\"healthy\"").contains(&(3, 1.0))
    });
    // The event stays counted; the alert began once.
    assert_eq!(values(&text, "zomma_gpu_xid_errors_total", "xid=\"79\""), [(3, 1.0)]);
    assert!(values(&text, "zomma_gpu_alerts_total", "alert=\"failed\"").contains(&(3, 1.0)), "{text}");
    // An application's own fault is counted and bears on nothing.
    let text =
        server.scrape_until("counted", |text| values(text, "zomma_gpu_xid_errors_total", "xid=\"13\"") == [(2, 1.0)]);
    assert!(values(&text, "zomma_gpu_health_state", "state=\"healthy\"").contains(&(2, 1.0)));
}

#[test]
fn a_gpu_that_is_lost_fails_and_is_taken_up_when_it_returns() {
    let scenario = Scenario::h200(4);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &[]);
    server.scrape_until("sampled", sampled);
    mock.replace(scenario.clone().device(1, "lost", 1));
    let failed = |text: &str| values(text, "zomma_gpu_health_state", "state=\"failed\"").contains(&(1, 1.0));
    let text = server.scrape_until("failed", failed);
    // It stays in the list, by its own name, and the others are served.
    assert!(text.contains("\nzomma_gpu_devices 4\n"), "{text}");
    assert_eq!(values(&text, "zomma_gpu_up", "uuid=\"GPU-").len(), 4, "{text}");
    assert_eq!(values(&text, "zomma_gpu_temperature_celsius", "").len(), 3, "{text}");
    mock.replace(&scenario);
    server.scrape_until("healthy", |text| {
        values(text, "zomma_gpu_health_state", "state=\"healthy\"").contains(&(1, 1.0))
    });
}

#[test]
fn a_driver_that_comes_up_late_is_found_without_a_restart() {
    let scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(scenario.clone().fault("nvmlInit_v2", DRIVER_NOT_LOADED)) else { return };
    let server = Server::start(&mock, &[]);
    let text = server.scrape_until("sampled", sampled);
    assert!(text.contains("\nzomma_gpu_devices 0\n"), "{text}");
    assert_eq!(server.get("/readyz").0, 200);
    assert!(server.health()["notes"][0].as_str().unwrap().contains("NVML"));
    mock.replace(&scenario);
    server.scrape_until("found", |text| {
        text.contains("\nzomma_gpu_devices 2\n") && values(text, "zomma_gpu_power_watts", "").len() == 2
    });
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    crate::program::run(&["gpu", "serve", "--listen", &address]).refused(1, &[&address, "taken", "another port"]);
    for bad in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "localhost:9835"] {
        crate::program::run(&["gpu", "serve", "--listen", bad]).refused(2, &["--listen", bad, "127.0.0.1:9835"]);
    }
    crate::program::run(&["gpu", "serve", "--fail-after", "0"]).refused(2, &["--fail-after", "from 1"]);
    crate::program::run(&["gpu", "serve", "--xid-hold=-1"]).refused(2, &["--xid-hold"]);
    crate::program::run(&["gpu", "serve", "--gpu-set", "enable_monitoring=false"]).refused(2, &["enable_monitoring"]);
}

#[test]
fn watching_takes_no_flag_that_has_no_effect_and_none_where_it_is_forbidden() {
    crate::program::run(&["gpu", "health", "--gpu-set", "enable_monitoring=false"])
        .refused(2, &["enable_monitoring is false (--gpu-set)", "allowed is true"]);
    for command in ["serve", "health", "list"] {
        crate::program::run(&["gpu", command, "--device", "cpu"]).refused(2, &["unexpected argument '--device'"]);
    }
}

#[test]
fn a_signal_ends_it_cleanly_while_a_scraper_holds_its_connection() {
    let Some(mock) = Mock::new(&Scenario::h200(1)) else { return };
    let mut server = Server::start(&mock, &[]);
    let mut held = TcpStream::connect(&server.address).unwrap();
    held.write_all(b"GET /healthz HTTP/1.1\r\nHost: zomma\r\n\r\n").unwrap();
    let mut begin = [0; 12];
    held.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let process = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn one_look_says_which_gpu_has_failed_and_what_to_do() {
    let sysfs = tempfile::tempdir().unwrap();
    let sysfs = sysfs.path().to_str().unwrap();
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(&scenario) else { return };
    let healthy = run(quick(&mock, &["gpu", "health", "--sysfs", sysfs])).ok();
    assert!(healthy.out.contains("0    healthy  NVIDIA H200  0000:19:00.0  34 of 89 °C  on"), "{}", healthy.out);
    scenario.device(1, "remapped_failure", 1).device(0, "throttle", "0x40");
    mock.replace(&scenario);
    let failed = run(quick(&mock, &["gpu", "health", "--sysfs", sysfs])).refused(1, &["GPU 1 has failed"]);
    assert!(failed.out.contains("1    failed "), "{}", failed.out);
    assert!(failed.out.contains("GPU 1: critical: a faulty row of memory could not be remapped"), "{}", failed.out);
    assert!(failed.out.contains("have the board replaced"), "{}", failed.out);
    assert!(failed.out.contains("GPU 0: warning: clocks are held down: hw_thermal_slowdown"), "{}", failed.out);
    let json = run(quick(&mock, &["gpu", "health", "--json", "--sysfs", sysfs])).refused(1, &["GPU 1 has failed"]);
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["status"], "failed");
    assert_eq!(report["gpus"][1]["reasons"][0]["code"], "row_remap_failed");
    mock.replace(scenario.clone().set("devices", 0));
    let none = run(quick(&mock, &["gpu", "health", "--sysfs", sysfs])).ok();
    assert!(none.out.starts_with("no GPU found\n"), "{}", none.out);
}

#[test]
fn new_uncorrected_memory_errors_fail_their_gpu_until_they_are_history() {
    let mut scenario = Scenario::h200(2);
    scenario.device(0, "ecc_uncorrected_volatile", 3);
    let Some(mock) = Mock::new(&scenario) else { return };
    let server = Server::start(&mock, &["--xid-hold", "1"]);
    let in_state = |gpu, state: &str| {
        let label = format!("state=\"{state}\"");
        move |text: &str| values(text, "zomma_gpu_health_state", &label).contains(&(gpu, 1.0))
    };
    // Those that were there before are a reason to look at it, no more.
    server.scrape_until("degraded", in_state(0, "degraded"));
    assert_eq!(server.get("/readyz").0, 200);
    // Two jumps, each seen in one sample alone.
    for (gpu, errors) in [(0, 9), (1, 3)] {
        mock.replace(scenario.device(gpu, "ecc_uncorrected_volatile", errors));
        let text = server.scrape_until("failed", in_state(gpu, "failed"));
        assert!(values(&text, "zomma_gpu_alert_active", "alert=\"failed\"").contains(&(gpu, 1.0)), "{text}");
        assert_eq!(values(&text, "zomma_gpu_ecc_errors_total", "kind=\"uncorrected\"")[gpu], (gpu, f64::from(errors)));
    }
    let why = server.unready();
    assert!(why.contains("new uncorrected memory errors"), "{why}");
    assert_eq!(server.health()["gpus"][1]["reasons"][0]["code"], "uncorrected_memory_errors");
    server.scrape_until("degraded", in_state(1, "degraded"));
    // A reset clears the counter.
    mock.replace(scenario.device(1, "ecc_uncorrected_volatile", 0));
    server.scrape_until("healthy", in_state(1, "healthy"));
}

/// A machine with an H200 on its bus.
fn h200_on_bus(driver: &str) -> Sysfs {
    let tree = Sysfs::new();
    let device = PciDevice {
        address: "0000:19:00.0",
        ids: (0x10de, 0x2335),
        class: 0x03_0200,
        driver,
        numa_node: 0,
        cpus: "0-47",
    };
    let folder = tree.pci(&device);
    if driver.is_empty() {
        std::fs::remove_file(tree.root().join(folder).join("driver")).unwrap();
    }
    tree
}

#[test]
fn a_gpu_on_the_bus_whose_driver_does_not_work_is_down_and_failed_until_it_does() {
    let working = Scenario::h200(1);
    let Some(mock) = Mock::new(&working) else { return };
    for (driver, broken, words) in [
        ("nvidia", working.clone().fault("nvmlInit_v2", LIB_RM_VERSION_MISMATCH), "of different versions"),
        ("", working.clone().fault("nvmlInit_v2", DRIVER_NOT_LOADED), "no kernel driver has it"),
        ("nouveau", working.clone().hang("nvmlInit_v2", 600_000), "nvmlInit: no answer within 500 ms"),
        ("nvidia", working.clone().set("devices", 0), "NVML does not list it"),
    ] {
        mock.replace(broken);
        let tree = h200_on_bus(driver);
        let look = || quick(&mock, &["gpu", "health", "--sysfs", arg(tree.root())]);
        let failed = run(look()).refused(1, &["GPU 0 has failed"]);
        assert!(failed.out.contains(words) && failed.out.contains("0000:19:00.0"), "{words}: {}", failed.out);
        let server = Server::on(&mock, tree.root(), &[]);
        let text = server.scrape_until("sampled", sampled);
        assert!(text.contains("\nzomma_gpu_devices 1\n"), "{text}");
        assert_eq!(value(&text, "zomma_gpu_up", 0), Some(0.0), "{text}");
        let (status, why) = server.get("/readyz");
        assert!(status == 503 && why.contains("GPU 0 has failed") && why.contains(words), "{status} {why}");
        mock.replace(&working);
        server.scrape_until("healthy", |text| {
            value(text, "zomma_gpu_up", 0) == Some(1.0)
                && values(text, "zomma_gpu_health_state", "state=\"healthy\"") == [(0, 1.0)]
        });
        assert_eq!(server.get("/readyz").0, 200);
        run(look()).ok();
    }
}

#[test]
fn a_sampler_that_has_stopped_is_not_ready_and_lives() {
    let mut scenario = Scenario::h200(1);
    let Some(mock) = Mock::new(scenario.set("devices", 0)) else { return };
    let tree = Sysfs::new();
    let server = Server::on(&mock, tree.root(), &["--gpu-set", "call_timeout_seconds=0.05"]);
    server.scrape_until("sampled", sampled);
    assert_eq!(server.get("/readyz").0, 200);
    // Whoever reads it waits for a writer for ever.
    let device = tree.root().join("bus/pci/devices/0000:19:00.0");
    std::fs::create_dir(&device).unwrap();
    assert!(Command::new("mkfifo").arg(device.join("class")).status().unwrap().success());
    let why = server.unready();
    assert!(why.contains("last looked at"), "{why}");
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn clients_that_stall_do_not_keep_out_the_question_whether_it_lives() {
    let Some(mock) = Mock::new(&Scenario::h200(1)) else { return };
    let sysfs = tempfile::tempdir().unwrap();
    let serve = quick(&mock, &["gpu", "serve", "--listen", "127.0.0.1:0", "--sysfs", arg(sysfs.path())]);
    let mut few_files = Command::new("sh");
    few_files.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    for (name, value) in serve.get_envs() {
        value.map(|value| few_files.env(name, value));
    }
    let server = Server::spawn(few_files);
    server.scrape_until("sampled", sampled);
    let stalled: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            // The server may have closed it already.
            let _ = stream.write_all(b"GET /met");
            stream
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    }
    let text = server.scrape_until("sampled", sampled);
    assert_eq!(value(&text, "zomma_gpu_up", 0), Some(1.0), "{text}");
    drop(stalled);
}

#[test]
fn one_look_counts_memory_errors_and_tells_hot_from_too_hot() {
    let mut scenario = Scenario::h200(2);
    scenario.device(0, "ecc_uncorrected_volatile", 9).device(0, "ecc_corrected_aggregate", 41);
    scenario.device(0, "ecc_uncorrected_aggregate", 9).device(0, "remapped_uncorrectable", 2);
    scenario.device(1, "temperature", 91);
    let Some(mock) = Mock::new(&scenario) else { return };
    let sysfs = tempfile::tempdir().unwrap();
    let look = || quick(&mock, &["gpu", "health", "--sysfs", arg(sysfs.path())]);
    let hot = run(look()).ok();
    let counts = "GPU 0: memory errors since its driver was loaded: 9 uncorrected; memory errors over its life: 41 corrected, \
                  9 uncorrected; rows remapped after errors: 2 uncorrected";
    assert!(hot.out.contains(counts), "{}", hot.out);
    assert!(hot.out.contains("0    degraded") && hot.out.contains("1    degraded"), "{}", hot.out);
    mock.replace(scenario.device(1, "temperature", 120));
    let too_hot = run(look()).refused(1, &["GPU 1 has failed"]);
    assert!(too_hot.out.contains("GPU 1: critical: 120 °C, at or above the limit of 92 °C"), "{}", too_hot.out);
}

#[test]
fn a_board_of_amd_is_served_from_the_kernels_files() {
    let Some(mock) = Mock::new(Scenario::h200(1).clone().set("devices", 0)) else { return };
    let sysfs = tempfile::tempdir().unwrap();
    let card = sysfs.path().join("bus/pci/devices/0000:05:00.0");
    let sensors = card.join("hwmon/hwmon4");
    std::fs::create_dir_all(&sensors).unwrap();
    std::os::unix::fs::symlink("../../../../bus/pci/drivers/amdgpu", card.join("driver")).unwrap();
    for (file, text) in [
        ("vendor", "0x1002"),
        ("class", "0x120000"),
        ("gpu_busy_percent", "42"),
        ("mem_info_vram_total", "206141652992"),
        ("mem_info_vram_used", "1000"),
        ("hwmon/hwmon4/temp2_label", "junction"),
        ("hwmon/hwmon4/temp2_input", "101000"),
        ("hwmon/hwmon4/temp2_crit", "100000"),
    ] {
        std::fs::write(card.join(file), format!("{text}\n")).unwrap();
    }
    let server = Server::spawn(quick(
        &mock,
        &["gpu", "serve", "--listen", "127.0.0.1:0", "--sysfs", sysfs.path().to_str().unwrap()],
    ));
    let text = server.scrape_until("sampled", sampled);
    assert!(
        text.contains("zomma_gpu_utilization_ratio{gpu=\"0\",pci_bus_id=\"0000:05:00.0\",vendor=\"amd\"} 0.42\n"),
        "{text}"
    );
    server.scrape_until("alert", |text| values(text, "zomma_gpu_alert_active", "alert=\"temperature\"") == [(0, 1.0)]);
    // Driver and card are gone, and with them its samples, not its place in the list.
    std::fs::remove_dir_all(&card).unwrap();
    let text = server.scrape_until("down", |text| value(text, "zomma_gpu_up", 0) == Some(0.0));
    assert!(!text.contains("zomma_gpu_utilization_ratio{"), "{text}");
}
