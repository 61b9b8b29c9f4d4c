//! A writer that does not mind when the server goes away: rows wait in files meanwhile, and go in when it is back, in order and once.

use std::time::Duration;

use arrow_array::RecordBatch;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    connect::Database,
    encode::Rows,
    spool::Spool,
    writer::{Appended, Writer},
};
use crate::{
    error::{Result, StorageError},
    table::Table,
};

/// How soon after a failure the server is asked again; then twice as long each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the database.
    Written(Appended),
    /// It waits on the disk.
    Spooled,
}

/// What catching up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CaughtUp {
    /// Batches that went in.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// Batches that wait still.
    pub waiting: usize,
}

/// A [`Writer`] with a [`Spool`].
pub struct Sink {
    writer: Writer,
    spool: Spool,
    pause: Duration,
    ask_again: Option<Instant>,
}

impl Sink {
    /// Over a database that may be away yet ([`Database::lazy`]) and a spool that may hold batches of an earlier run.
    pub fn new(database: Database, spool: Spool) -> Self {
        // The spool is the patience: the writer mends what takes no time.
        Self { writer: Writer::new(database).with_attempts(2), spool, pause: FIRST_PAUSE, ask_again: None }
    }

    /// What waits.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The writer, for questions, where the server is believed to answer and nothing waits.
    pub fn idle_writer(&mut self) -> Option<&mut Writer> {
        (self.spool.is_empty() && self.ask_again.is_none()).then_some(&mut self.writer)
    }

    /// Takes a batch: into the database, or onto the disk while that is away or older batches wait. When this returns well the batch is safe.
    /// Arguments as of [`Writer::append`].
    ///
    /// # Errors
    ///
    /// Where the rows are not the table's, the server refuses them for good, or there is no room for them while it is away
    /// ([`StorageError::SpoolFull`]: stop the feed, or give the same batch again later). The batch was not taken then.
    pub async fn append(&mut self, table: Table, batch: &RecordBatch, id: &str) -> Result<Accepted> {
        // What the server could not take must not come between others in the spool.
        Rows::new(table, batch)?;
        if self.ask_again.is_none_or(|at| at <= Instant::now()) {
            self.catch_up().await?;
        }
        if self.spool.is_empty() && self.ask_again.is_none() {
            match self.writer.append(table, batch, id).await {
                Ok(appended) => return Ok(Accepted::Written(appended)),
                Err(StorageError::Unreachable { .. }) => self.wait(),
                Err(error) => return Err(error),
            }
        }
        self.spool.push(table, batch, id)?;
        Ok(Accepted::Spooled)
    }

    /// Sends what waits, the oldest first, until none does or the server is away.
    ///
    /// # Errors
    ///
    /// Where the server refuses a batch for good, or a file is damaged: it stays where it is, and what is behind it too.
    pub async fn catch_up(&mut self) -> Result<CaughtUp> {
        let mut done = CaughtUp::default();
        while let Some(spooled) = self.spool.front()? {
            match self.writer.append(spooled.table, &spooled.batch, &spooled.id).await {
                Ok(appended) => {
                    self.spool.pop()?;
                    done.batches += 1;
                    done.rows += appended.rows;
                }
                Err(StorageError::Unreachable { .. }) => {
                    self.wait();
                    done.waiting = self.spool.len();
                    return Ok(done);
                }
                Err(error) => return Err(error),
            }
        }
        (self.pause, self.ask_again) = (FIRST_PAUSE, None);
        Ok(done)
    }

    /// Catches up, asking again for so long where the server is away; what waits still is in the answer.
    ///
    /// # Errors
    ///
    /// As [`Sink::catch_up`].
    pub async fn finish(&mut self, patience: Duration) -> Result<CaughtUp> {
        let until = Instant::now() + patience;
        let mut whole = CaughtUp::default();
        loop {
            let done = self.catch_up().await?;
            whole.batches += done.batches;
            whole.rows += done.rows;
            whole.waiting = done.waiting;
            let next = self.ask_again.unwrap_or_else(Instant::now);
            if done.waiting == 0 || next > until {
                return Ok(whole);
            }
            tokio::time::sleep_until(next).await;
        }
    }

    fn wait(&mut self) {
        self.ask_again = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
