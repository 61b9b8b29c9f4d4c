//! The chains behind a path, each worked on by a thread of the pool and handed on in the order of their dates.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc::{Receiver, sync_channel},
};

use anyhow::bail;
use zomma_market::chain::{Chain, ChainError, ReadOptions};

use crate::{
    analyze::{file_name, snapshot_suffix},
    batch::LateBar,
    chain_reader::{ChainReader, Read},
};

/// What came of the days.
pub struct Days<T> {
    /// By file and date, what the work gave.
    pub done: Vec<T>,
    /// Days that failed: the file, and why.
    pub failed: Vec<(String, anyhow::Error)>,
    /// Whether the path holds many files.
    pub many: bool,
}

impl<T> Days<T> {
    /// Whether files, or the tar that they are in, could not be read to their end: how many days there are is not known then.
    pub fn is_short(&self) -> bool {
        self.failed.iter().any(|(_, error)| is_unread(error))
    }

    /// Fails where [`Days::is_short`], once what could be read is done.
    ///
    /// # Errors
    /// Where it is.
    pub fn whole(&self, path: &Path) -> anyhow::Result<()> {
        match self.is_short() {
            true => bail!("{}: not all of it could be read; what could be is done", path.display()),
            false => Ok(()),
        }
    }
}

/// Whether an error is of bytes that could not be had, rather than of what they say.
fn is_unread(error: &anyhow::Error) -> bool {
    let is_unread = |error: &ChainError| matches!(error, ChainError::Corrupt { .. } | ChainError::Unreadable { .. });
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_unread))
}

/// One day as it is read.
#[derive(Clone, Copy)]
pub struct ChainDay<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// The chain of the date before, of the same underlying.
    pub previous: Option<&'a Chain>,
    /// Whether its file is a member of a directory or tar.
    pub one_of_many: bool,
    /// The date, with the time or a number behind a second snapshot of it: no other chain of the underlying has it.
    pub label: &'a str,
}

/// Reads what is behind `path` and does `work` to each day, in parallel; with a progress line by day where `shows_days`.
pub fn of_chains<T: Send>(
    path: &Path,
    read: &ReadOptions,
    shows_days: bool,
    work: impl Fn(ChainDay<'_>) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Days<T>> {
    let reader = ChainReader::open(path, read)?;
    let mut days = Days { done: Vec::new(), failed: Vec::new(), many: false };
    let in_flight = 2 * rayon::current_num_threads() + 1;
    let mut bar = LateBar::new(shows_days, None);
    let (queue, queued) = sync_channel::<(String, Receiver<anyhow::Result<T>>)>(in_flight);
    std::thread::scope(|threads| {
        let work = &work;
        let collector = threads.spawn(move || {
            let (mut done, mut failed) = (Vec::new(), Vec::new());
            for (source, receiver) in queued {
                match receiver.recv() {
                    Ok(Ok(day)) => done.push(day),
                    Ok(Err(error)) => failed.push((source, error)),
                    Err(_) => failed.push((source, anyhow::anyhow!("stopped by a fault in zomma"))),
                }
                bar.at((done.len() + failed.len()) as u64);
            }
            bar.end();
            (done, failed)
        });
        let mut reader = reader;
        rayon::in_place_scope(|workers| {
            let mut names = HashSet::new();
            while let Some(item) = reader.next() {
                let one_of_many = reader.one_of_many;
                let (give, receiver) = sync_channel(1);
                match item {
                    Read::Failed { source, error, .. } => {
                        // The receiver is alive: it stands in the queue below.
                        let _ = give.send(Err(error));
                        let _ = queue.send((source, receiver));
                    }
                    Read::Chain { chain, previous, .. } => {
                        let _ = queue.send((chain.source.clone(), receiver));
                        let date = chain.quote_date.to_string();
                        let base = format!("{}-{date}", file_name(&chain.underlying));
                        let label = date + &snapshot_suffix(&mut names, &base, chain.quote_time);
                        workers.spawn(move |_| {
                            let day =
                                ChainDay { chain: &chain, previous: previous.as_deref(), one_of_many, label: &label };
                            // A day owns what it changes, so nothing half-changed outlives a panic.
                            let result = catch_unwind(AssertUnwindSafe(|| work(day))).unwrap_or_else(|_| {
                                Err(anyhow::anyhow!("stopped by a fault in zomma (its message stands above)"))
                            });
                            let _ = give.send(result);
                        });
                    }
                }
            }
        });
        drop(queue);
        days.many = reader.one_of_many;
        if let Ok((done, failed)) = collector.join() {
            (days.done, days.failed) = (done, failed);
        }
    });
    days.many |= days.done.len() + days.failed.len() > 1;
    Ok(days)
}
