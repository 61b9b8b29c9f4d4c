//! Where rows go: into files of a place, or into a server.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use arrow_array::RecordBatch;
use serde::Serialize;
use zomma_storage::{
    Place, StorageError, block_on,
    parquet::{self, WriterSettings, Written},
    postgres::{self, Accepted, Database, Settings, Sink, Spool, is_postgres},
    table::Table,
    unfinished,
};

use super::clock;

/// How long a command waits for a server that is away before it leaves its rows in the spool.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where tables are.
pub enum Root {
    /// In files.
    Files(Place),
    /// In a database.
    Server(Server),
}

/// A database that rows go into, for one command.
pub struct Server(Rc<RefCell<Way>>);

/// How they go there.
enum Way {
    Direct(postgres::Writer),
    Spooled(Sink),
}

/// Where rows wait while a server is away.
pub struct SpoolArgs<'a> {
    /// The folder.
    pub directory: &'a Path,
    /// What it may hold.
    pub limit_bytes: u64,
}

/// What went to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sent {
    /// Rows that were there already, under the same name.
    pub was_there: u64,
    /// Rows that wait in the spool.
    pub spooled: u64,
}

impl Root {
    /// A place, which is made where it is missing, or a server, which must answer unless there is a spool.
    pub fn create(root: &str, spool: Option<&SpoolArgs<'_>>) -> anyhow::Result<Self> {
        if !is_postgres(root) {
            return Ok(Self::Files(super::create(root)?));
        }
        let way = match spool {
            Some(spool) => Way::Spooled(sink(root, spool)?),
            None => Way::Direct(postgres::Writer::new(super::database(root)?)),
        };
        Ok(Self::Server(Server(Rc::new(RefCell::new(way)))))
    }

    /// Sends what waits; how many batches wait still.
    pub fn finish(&self) -> Result<usize, StorageError> {
        match self {
            Self::Server(Server(way)) => match &mut *way.borrow_mut() {
                Way::Spooled(sink) => Ok(block_on(sink.finish(PATIENCE))?.waiting),
                Way::Direct(_) => Ok(0),
            },
            Self::Files(_) => Ok(0),
        }
    }
}

/// Takes away what writers that were killed left unfinished in a table's files; their paths.
pub fn sweep(root: &Root, table: Table) -> Result<Vec<String>, StorageError> {
    match root {
        Root::Files(place) => block_on(unfinished::sweep(place, table)),
        Root::Server(_) => Ok(Vec::new()),
    }
}

/// A server with a spool before it.
pub fn sink(root: &str, spool: &SpoolArgs<'_>) -> anyhow::Result<Sink> {
    let database = Database::lazy(root, Settings::default()).map_err(super::refused)?;
    Ok(Sink::new(database, Spool::open(PathBuf::from(spool.directory), spool.limit_bytes)?))
}

impl Server {
    /// Asks the server something; none where it is believed to be away, or rows wait for it.
    pub fn ask<T>(&self, question: impl FnOnce(&mut postgres::Writer) -> T) -> Option<T> {
        match &mut *self.0.borrow_mut() {
            Way::Direct(writer) => Some(question(writer)),
            Way::Spooled(sink) => sink.idle_writer().map(question),
        }
    }

    /// Whether rows wait in files where the server is away.
    pub fn is_spooled(&self) -> bool {
        matches!(*self.0.borrow(), Way::Spooled(_))
    }
}

/// Writes rows of one input.
pub enum RowWriter {
    /// Into files.
    Files(Box<parquet::Writer>),
    /// Into a database.
    Server(ServerWriter),
}

/// Batches of one input, each under the input's name and its own number.
pub struct ServerWriter {
    server: Rc<RefCell<Way>>,
    name: String,
    next: u64,
    rows: u64,
    sent: Sent,
}

impl RowWriter {
    /// For one input; the settings' name stands for it.
    pub fn new(root: &Root, settings: WriterSettings) -> anyhow::Result<Self> {
        Ok(match root {
            Root::Files(place) => Self::Files(Box::new(parquet::Writer::new(place, settings).map_err(super::refused)?)),
            Root::Server(Server(way)) => {
                // What is added whatever is there must not have the name of what is there.
                let name = match settings.earlier {
                    parquet::Earlier::Replace => settings.writer,
                    parquet::Earlier::Keep => format!("{}-{}", settings.writer, clock()()),
                };
                Self::Server(ServerWriter { server: Rc::clone(way), name, next: 0, rows: 0, sent: Sent::default() })
            }
        })
    }

    /// Takes rows of a table.
    pub fn append(&mut self, table: Table, rows: &RecordBatch) -> Result<(), StorageError> {
        match self {
            Self::Files(writer) => block_on(writer.append(table, rows)),
            Self::Server(writer) => writer.append(table, rows),
        }
    }

    /// What was written, when all of it is.
    pub fn finish(self) -> Result<(Written, Option<Sent>), StorageError> {
        match self {
            Self::Files(writer) => Ok((block_on(writer.finish())?, None)),
            Self::Server(writer) => Ok((Written { rows: writer.rows, ..Written::default() }, Some(writer.sent))),
        }
    }
}

impl ServerWriter {
    fn append(&mut self, table: Table, rows: &RecordBatch) -> Result<(), StorageError> {
        let id = format!("{}/{table}/{}", self.name, self.next);
        let accepted = match &mut *self.server.borrow_mut() {
            Way::Direct(writer) => Accepted::Written(block_on(writer.append(table, rows, &id))?),
            Way::Spooled(sink) => block_on(sink.append(table, rows, &id))?,
        };
        let count = rows.num_rows() as u64;
        self.next += 1;
        self.rows += count;
        match accepted {
            Accepted::Written(appended) if appended.was_there => self.sent.was_there += count,
            Accepted::Written(_) => {}
            Accepted::Spooled => self.sent.spooled += count,
        }
        Ok(())
    }
}
