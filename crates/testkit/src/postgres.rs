//! A PostgreSQL server for tests: a cluster of its own in a temporary folder, gone when the test is over, however it ends.

use std::{
    fs,
    io::{self, Write as _},
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Why a test that needs a server cannot run.
const NO_SERVER: &str = "no PostgreSQL server (Debian package postgresql)";
/// How long the server may take to start, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs. Its superuser is `postgres`, and everybody is let in from this machine; the role `locked`, whose password is `right`, must
/// say it.
pub struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
}

/// The server's process, and the thread that started it: the kernel ends the process when that thread ends, so that no server outlives its test.
struct Running {
    process: u32,
    stop: mpsc::Sender<()>,
    keeper: thread::JoinHandle<()>,
}

/// One server for all tests that run at once; who needs it to stop or to fail has its own.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// A server for this test alone. Where there is none on this machine the test is skipped, and counted.
    ///
    /// # Panics
    ///
    /// Where there is one and it does not start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            crate::skip(NO_SERVER);
            return None;
        };
        let server = Self::in_new_folder(programs);
        // What a test must bear is the end of the process, not of the machine: flushing to the disk would only take time.
        let data = server.data();
        server.run("initdb", &["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "-N", "-D"], &data);
        let hba = "local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n\
                   local replication all trust\nhost replication all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), hba).expect("the cluster's folder can be written");
        server.begin();
        server.sql("postgres", "CREATE ROLE locked LOGIN PASSWORD 'right'");
        Some(server)
    }

    /// The server that tests share, each with a database of its own.
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A standby of this server (`pg_basebackup -R`), running.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn standby(&self) -> Self {
        let standby = Self::in_new_folder(self.programs.clone());
        let (host, port) = (self.folder.path().display().to_string(), self.port.to_string());
        let arguments = ["-R", "-X", "stream", "-c", "fast", "-U", "postgres", "-h", &host, "-p", &port, "-D"];
        standby.run("pg_basebackup", &arguments, &standby.data());
        standby.begin();
        standby
    }

    fn in_new_folder(programs: PathBuf) -> Self {
        // A socket's path has about a hundred bytes: the folder is short, wherever tests keep theirs.
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a temporary folder");
        if let Some((user, group)) = spare_user() {
            chown(folder.path(), Some(user), Some(group)).expect("root gives a folder away");
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port");
        Self { programs, folder, port: port.port(), running: Mutex::new(None), databases: AtomicU32::new(0) }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where a database is, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Where a database is, over the server's socket.
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost:{}/{database}?host={}", self.port, self.folder.path().display())
    }

    /// A new database, which has this name.
    pub fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// What `psql` says to a statement, without headings, columns parted by `|`.
    ///
    /// # Panics
    ///
    /// Where the server refuses it.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let host = self.folder.path().display().to_string();
        let port = self.port.to_string();
        let output = Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", &host, "-p", &port])
            .args(["-d", database, "-c", statement])
            .output();
        checked("psql", output)
    }

    /// Starts it, after it was stopped.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn begin(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(running.is_none(), "the server runs already");
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a log");
        let mut command = as_spare_user(&self.programs.join("postgres"), true);
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "fsync=off", "-c", "wal_level=replica", "-c", "max_wal_senders=4", "-c", "max_connections=60"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        let (stop, stopped) = mpsc::channel();
        let (started, process) = mpsc::channel();
        let keeper = thread::spawn(move || keep(command.spawn(), &started, &stopped));
        let process = process.recv().expect("the keeper tells").expect("the server's program starts");
        *running = Some(Running { process, stop, keeper });
        drop(running);
        self.wait_until_ready();
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        let host = self.folder.path().display().to_string();
        let port = self.port.to_string();
        let is_ready = || {
            let arguments = ["-q", "-h", &host, "-p", &port, "-d", "postgres"];
            let status = Command::new(self.programs.join("pg_isready")).args(arguments).status();
            status.is_ok_and(|status| status.success())
        };
        while !is_ready() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server does not start:\n{}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it as a crash does: at once, with whatever it was doing (`pg_ctl stop -m immediate`). What was committed is found again at the next
    /// [`Server::begin`].
    pub fn crash(&self) {
        self.stop("-QUIT");
    }

    fn stop(&self, signal: &str) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            let _ = Command::new("kill").args([signal, &running.process.to_string()]).status();
            let _ = running.stop.send(());
            let _ = running.keeper.join();
        }
    }

    /// Makes a standby a primary, and waits until it is.
    ///
    /// # Panics
    ///
    /// Where it refuses.
    pub fn promote(&self) {
        assert_eq!(self.sql("postgres", "SELECT pg_promote(true, 60)").trim(), "t");
    }

    /// Runs a program of the server, as a user whom it lets; the last argument is a folder.
    fn run(&self, program: &str, arguments: &[&str], folder: &Path) {
        let mut command = as_spare_user(&self.programs.join(program), false);
        command.args(arguments).arg(folder).current_dir(self.folder.path());
        checked(program, command.output());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop("-QUIT");
    }
}

/// Starts the server, says so, and stays until it is over.
fn keep(spawned: io::Result<Child>, started: &mpsc::Sender<io::Result<u32>>, stopped: &mpsc::Receiver<()>) {
    match spawned {
        Ok(mut child) => {
            let _ = started.send(Ok(child.id()));
            // An error says that nobody is there any more, which means the same.
            let _ = stopped.recv();
            let begun = Instant::now();
            while matches!(child.try_wait(), Ok(None)) {
                if begun.elapsed() > PATIENCE {
                    let _ = child.kill();
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

/// The newest server's programs on this machine: `ZOMMA_POSTGRES` names their folder, else Debian's places.
fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ZOMMA_POSTGRES").filter(|name| !name.is_empty()) {
        return Some(named.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(version)?;
    let folder = newest.join("bin");
    folder.join("postgres").is_file().then_some(folder)
}

/// Whom a server that refuses root runs as, where the tests run as root: `nobody`.
fn spare_user() -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    is_root.then_some((65534, 65534))
}

/// A program as that user; `is_kept` lets it end with the thread that started it. `setpriv` is of Debian's essential package util-linux.
fn as_spare_user(program: &Path, is_kept: bool) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((user, group)) = spare_user() {
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]);
    }
    if is_kept {
        command.arg("--pdeathsig=QUIT");
    }
    command.arg("--").arg(program);
    command
}

fn checked(program: &str, output: io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    if !output.status.success() {
        let _ = io::stderr().write_all(&output.stderr);
        panic!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_crashes_starts_again_and_leaves_nothing() {
        let Some(server) = Server::start() else { return };
        let database = server.create_database();
        server.sql(&database, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        server.crash();
        server.begin();
        assert_eq!(server.sql(&database, "SELECT count(*) FROM t").trim(), "1000");
        let (folder, process) =
            (server.folder.path().to_owned(), server.running.lock().unwrap().as_ref().unwrap().process);
        let failed = thread::spawn(move || {
            let _server = server;
            panic!("on purpose: a test that fails");
        });
        assert!(failed.join().is_err());
        assert!(!folder.exists());
        assert!(!Path::new(&format!("/proc/{process}")).exists());
    }
}
