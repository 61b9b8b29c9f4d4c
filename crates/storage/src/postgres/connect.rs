//! Reaching a server.

use std::{
    fmt, io,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    failure::{self, Class},
    layout::Layout,
};
use crate::error::{Result, StorageError};

/// What a place that is a server begins with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Whether a place names a server: `postgres://user@host:port/database`, or the same with `postgresql`.
pub fn is_postgres(place: &str) -> bool {
    SCHEMES.iter().any(|scheme| place.starts_with(scheme))
}

/// How a server is reached.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many connections questions may use at once; a [`Writer`](super::Writer) has one of its own beside them.
    pub connections: u32,
    /// How long reaching the server may take.
    pub connect_timeout: Duration,
    /// How long one statement may take before the server gives it up.
    pub statement_timeout: Duration,
}

impl Default for Settings {
    /// Four connections, 10 seconds, 10 minutes.
    fn default() -> Self {
        Self { connections: 4, connect_timeout: Duration::from_secs(10), statement_timeout: Duration::from_secs(600) }
    }
}

/// A database that answers.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    settings: Settings,
    shown: String,
    pool: Arc<OnceLock<PgPool>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The driver's options show the password.
        formatter.debug_tuple("Database").field(&self.shown).finish()
    }
}

impl Database {
    /// Reaches a database: `postgres://user:password@host:port/database?sslmode=…`; a socket's folder as `?host=/folder`. What the URL leaves out
    /// comes from `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGSSLMODE` and `~/.pgpass`, as with `psql`.
    ///
    /// # Errors
    ///
    /// Where the URL is none, and where the server cannot be reached or refuses: with host, database, what is wrong and what to do. Never with the
    /// password.
    pub async fn connect(url: &str, settings: Settings) -> Result<Self> {
        let database = Self::lazy(url, settings)?;
        database.connection().await?.close().await.map_err(|error| database.failed("closing a connection", error))?;
        Ok(database)
    }

    /// The same without asking the server yet: for a [`Sink`](super::Sink) that is to start while the server is away.
    ///
    /// # Errors
    ///
    /// Where the URL is none.
    pub fn lazy(url: &str, settings: Settings) -> Result<Self> {
        let wrong = |problem: String| StorageError::Place { place: hidden_password(url), problem };
        if !is_postgres(url) {
            return Err(wrong("no address of a PostgreSQL server; allowed: postgres://user@host:port/database".into()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            wrong(format!("cannot be read as an address ({error}); allowed: postgres://user@host:port/database"))
        })?;
        let statement_timeout = format!("{}ms", settings.statement_timeout.as_millis());
        let options = options
            .application_name("zomma")
            .options([("statement_timeout", statement_timeout.as_str()), ("standard_conforming_strings", "on")])
            .disable_statement_logging();
        let host =
            options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let name = options.get_database().unwrap_or(options.get_username());
        let shown = format!("postgres://{}@{host}:{}/{name}", options.get_username(), options.get_port());
        Ok(Self { options, settings, shown, pool: Arc::default() })
    }

    /// User, host, port and database; no password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The pool of connections for questions.
    ///
    /// # Panics
    ///
    /// Where it is asked for first outside of a runtime of tokio, which looks after it.
    pub fn pool(&self) -> &PgPool {
        self.pool.get_or_init(|| {
            PgPoolOptions::new()
                .max_connections(self.settings.connections)
                .acquire_timeout(self.settings.connect_timeout)
                .connect_lazy_with(self.options.clone())
        })
    }

    /// How the database keeps tables; `None` where [`migrate`](super::migrate()) has not been there.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn layout(&self) -> Result<Option<Layout>> {
        let mut connection = self.connection().await?;
        let layout = Layout::read(&mut connection).await.map_err(|error| self.failed("reading the layout", error));
        drop(connection);
        layout
    }

    /// A connection of one's own. It fails at once where the server refuses, where the pool would try until its time is over and not say why.
    pub(super) async fn connection(&self) -> Result<PgConnection> {
        let limit = self.settings.connect_timeout;
        match tokio::time::timeout(limit, PgConnection::connect_with(&self.options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.unreachable(error)),
            Err(_) => Err(StorageError::Unreachable {
                place: self.shown.clone(),
                problem: format!(
                    "no answer within {} s; is the host right, and does a firewall let port {} through?",
                    limit.as_secs_f64(),
                    self.options.get_port()
                ),
            }),
        }
    }

    /// What the driver said, with what was being done.
    pub(super) fn failed(&self, what: &str, error: sqlx::Error) -> StorageError {
        match failure::class(&error) {
            Class::Gone => self.unreachable(error),
            _ => StorageError::Database { what: format!("{}: {what}", self.shown), source: Box::new(error) },
        }
    }

    fn unreachable(&self, error: sqlx::Error) -> StorageError {
        let advice = self.advice(&error);
        match failure::class(&error) {
            Class::Gone => {
                StorageError::Unreachable { place: self.shown.clone(), problem: format!("{error}; {advice}") }
            }
            _ => StorageError::Place { place: self.shown.clone(), problem: format!("{error}; {advice}") },
        }
    }

    /// What to do about it.
    fn advice(&self, error: &sqlx::Error) -> String {
        let user = self.options.get_username();
        let name = self.options.get_database().unwrap_or(user);
        match error {
            sqlx::Error::Database(said) => match said.code().as_deref() {
                Some("28P01") => format!("is the password of {user} right (in the URL, PGPASSWORD or ~/.pgpass)?"),
                Some("28000") => format!("does the role {user} exist, and does pg_hba.conf let it in from here?"),
                Some("3D000") => format!("create it: createdb {name}"),
                Some("53300") => "close other connections or raise max_connections".into(),
                Some("57P01" | "57P02" | "57P03") => "the server is starting or stopping: try again".into(),
                Some("53100") => "the server's disk is full: make room there".into(),
                Some("25006") => "this is a standby, or read-only: name the primary".into(),
                _ => "see the server's log".into(),
            },
            sqlx::Error::Io(said) if said.kind() == io::ErrorKind::ConnectionRefused => {
                "is the server running and listening there (listen_addresses, port)?".into()
            }
            sqlx::Error::Io(said) if said.kind() == io::ErrorKind::NotFound => {
                "there is no socket there: is the server running, and is this unix_socket_directories?".into()
            }
            sqlx::Error::Tls(_) => {
                "does the server speak TLS, and is its certificate known (sslmode, sslrootcert)?".into()
            }
            _ => "are host and port right, and is the server running?".into(),
        }
    }
}

/// A URL without its password, whatever else is wrong with it.
fn hidden_password(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |at| begin + at);
    let shown = match url[begin..].rfind('@').map(|at| begin + at) {
        Some(at) => {
            let user = &url[begin..at];
            let user = user.split(':').next().unwrap_or_default();
            format!("{}{user}@{}", &url[..begin], &url[at + 1..])
        }
        None => url[..end].to_owned() + &url[end..],
    };
    // A password may also stand among the parameters.
    match shown.find("password=") {
        Some(at) => {
            let value = at + "password=".len();
            let end = shown[value..].find('&').map_or(shown.len(), |end| value + end);
            format!("{}…{}", &shown[..value], &shown[end..])
        }
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://bob:s3cret@db:5433/x", "postgres://bob@db:5433/x"),
            ("postgres://bob:s3@cret@db/x", "postgres://bob@db/x"),
            ("postgres://bob:s3/cr?et@db/x", "postgres://bob@db/x"),
            ("postgres://bob@db/x?password=s3cret&a=b", "postgres://bob@db/x?password=…&a=b"),
            ("mysql://bob:s3cret@db", "mysql://bob@db"),
            ("postgres://db/x", "postgres://db/x"),
        ] {
            assert_eq!(hidden_password(url), shown);
        }
    }

    #[test]
    fn a_wrong_address_is_refused_without_its_password() {
        for url in [
            "postgres://bob:s3cret@db:notaport/x",
            "mysql://bob:s3cret@db/x",
            "postgres://bob:s3cret@db/x?sslmode=maybe",
        ] {
            let error = Database::lazy(url, Settings::default()).unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains("allowed: postgres://"), "{error}");
        }
        let database = Database::lazy("postgres://bob:s3cret@db:5433/x", Settings::default()).unwrap();
        assert_eq!(database.shown(), "postgres://bob@db:5433/x");
        assert!(!format!("{database:?}").contains("s3cret"));
    }
}
