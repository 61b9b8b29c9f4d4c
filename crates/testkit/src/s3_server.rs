//! A server of S3's protocol that really stores: s3rver, which `scripts/setup.sh` installs from npm.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::skip;

/// The version that `scripts/setup.sh` installs.
const VERSION: &str = "3.7.1";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub struct S3Server {
    process: Child,
    port: u16,
    program: PathBuf,
    folder: PathBuf,
}

/// Starts a server that keeps its one bucket, `zomma`, in a folder. Where it is not installed, says `skipped: no s3rver` and gives `None`.
///
/// # Panics
///
/// Where it is installed and does not answer.
pub fn s3_server(folder: &Path) -> Option<S3Server> {
    let Some(program) = program() else {
        skip("no s3rver");
        return None;
    };
    // Another process may take the port between these lines; the server ends then, and another port is tried.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        if let Some(server) = start(&program, folder, port) {
            return Some(server);
        }
    }
    panic!("s3rver does not start: {}", program.display());
}

fn start(program: &Path, folder: &Path, port: u16) -> Option<S3Server> {
    let mut command = Command::new("node");
    command.arg(program).args(["--address", "127.0.0.1", "--port", &port.to_string(), "--configure-bucket", "zomma"]);
    command.arg("--directory").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn().expect("node starts");
    let mut server = S3Server { process, port, program: program.to_path_buf(), folder: folder.to_path_buf() };
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if server.process.try_wait().expect("its state is known").is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Where it is installed, where node is there to run it.
fn program() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    let program = cache.join(format!("zomma/s3rver-{VERSION}/node_modules/s3rver/bin/s3rver.js"));
    let has_node = || {
        Command::new("node")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    (program.is_file() && has_node()).then_some(program)
}

impl S3Server {
    /// What a client of it must be told, as variables of the environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let variables = [
            ("ZOMMA_S3_ENDPOINT", endpoint.as_str()),
            ("ZOMMA_S3_ALLOW_HTTP", "true"),
            ("ZOMMA_S3_REGION", "us-east-1"),
            ("ZOMMA_S3_ACCESS_KEY_ID", "S3RVER"),
            ("ZOMMA_S3_SECRET_ACCESS_KEY", "S3RVER"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl S3Server {
    /// Starts it again where it was, with what it kept; whether it did.
    pub fn restart(&mut self) -> bool {
        self.kill();
        match start(&self.program, &self.folder, self.port) {
            Some(server) => {
                *self = server;
                true
            }
            None => false,
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}
