//! An MLflow tracking server from PyPI, which `scripts/setup.sh` installs: its own application over SQLite and a folder of files.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::skip;

/// The version that `scripts/setup.sh` installs.
const VERSION: &str = "3.17.2";
/// How long it may take to answer: it imports much, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub struct MlflowServer {
    process: Child,
    port: u16,
    program: PathBuf,
    folder: PathBuf,
}

/// Starts a server that keeps everything in a folder. Where it is not installed, says `skipped: no MLflow` and gives `None`.
///
/// # Panics
///
/// Where it is installed and does not answer.
pub fn mlflow_server(folder: &Path) -> Option<MlflowServer> {
    let Some(installed) = installed() else {
        skip("no MLflow");
        return None;
    };
    // The tables as they are after all migrations, which take longer than all else.
    fs::copy(installed.join("template.db"), folder.join("mlflow.db")).expect("the folder can be written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let program = installed.join("bin/python");
    let process = start(&program, folder, port);
    let server = MlflowServer { process, port, program, folder: folder.to_path_buf() };
    server.wait();
    Some(server)
}

fn start(program: &Path, folder: &Path, port: u16) -> Child {
    let database = format!("sqlite:///{}", folder.join("mlflow.db").display());
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    let mut command = Command::new(program);
    command.args([
        "-m",
        "flask",
        "--app",
        "mlflow.server:app",
        "run",
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]);
    // What `mlflow server` tells its workers.
    command.env("_MLFLOW_SERVER_FILE_STORE", &database).env("_MLFLOW_SERVER_REGISTRY_STORE", &database);
    command.env("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/").env("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true");
    command.env("_MLFLOW_SERVER_ARTIFACT_DESTINATION", folder.join("files"));
    command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false");
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().expect("python starts")
}

/// Where it is installed.
fn installed() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    let folder = cache.join(format!("zomma/mlflow-{VERSION}"));
    folder.join("template.db").is_file().then_some(folder)
}

impl MlflowServer {
    fn wait(&self) {
        let begun = Instant::now();
        while self.get("health").is_none_or(|answer| !answer.contains("OK")) {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "MLflow does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it says to GET of a path; none where it does not answer.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET /{path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again where it was, with what it kept.
    ///
    /// # Panics
    ///
    /// Where it does not answer.
    pub fn restart(&mut self) {
        self.kill();
        self.process = start(&self.program, &self.folder, self.port);
        self.wait();
    }
}

impl Drop for MlflowServer {
    fn drop(&mut self) {
        self.kill();
    }
}
