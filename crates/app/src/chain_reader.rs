//! Chains from a path, one after the other, each with the one of the date before.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::Arc,
    time::Instant,
};

use zomma_market::chain::{self, Chain, ChainError, Member, ReadOptions};

use crate::failure::BadArguments;

/// A chain that has been read, or what could not be.
pub enum Read {
    /// A chain.
    Chain {
        /// The chain.
        chain: Arc<Chain>,
        /// The chain of the date before, of the same underlying.
        previous: Option<Arc<Chain>>,
        /// Milliseconds that reading took.
        read_ms: f64,
    },
    /// What could not be read.
    Failed {
        /// The file.
        source: String,
        /// Why.
        error: anyhow::Error,
        /// Whether it is no chain at all.
        is_no_chain: bool,
    },
}

/// Chains in order of file and date, each with the one before it of the same underlying.
pub struct ChainReader<'a> {
    members: Box<dyn Iterator<Item = Result<Member, ChainError>> + Send>,
    options: &'a ReadOptions,
    path: &'a Path,
    /// Whether the files are members of a directory or tar.
    pub one_of_many: bool,
    pending: VecDeque<Read>,
    previous: HashMap<String, Arc<Chain>>,
}

impl<'a> ChainReader<'a> {
    /// Opens a file, a directory or a tar.
    pub fn open(path: &'a Path, options: &'a ReadOptions) -> anyhow::Result<Self> {
        Ok(Self {
            members: Box::new(chain::members(path)?),
            options,
            path,
            one_of_many: false,
            pending: VecDeque::new(),
            previous: HashMap::new(),
        })
    }

    fn read_member(&mut self, member: Result<Member, ChainError>, started: Instant) {
        let parsed = member.and_then(|member| {
            self.one_of_many |= member.one_of_many;
            chain::parse(&member, self.options)
        });
        match parsed {
            Err(error) => {
                let is_no_chain = error.is_no_chain();
                let source = self.path.display().to_string();
                self.pending.push_back(Read::Failed { source, error: refused(error), is_no_chain });
            }
            Ok(chains) => {
                let read_ms = started.elapsed().as_secs_f64() * 1e3 / chains.len().max(1) as f64;
                for chain in chains {
                    let chain = Arc::new(chain);
                    let previous = self.previous.insert(chain.underlying.clone(), Arc::clone(&chain));
                    // Another snapshot of the same day is no day before.
                    let previous = previous.filter(|previous| previous.quote_date < chain.quote_date);
                    self.pending.push_back(Read::Chain { chain, previous, read_ms });
                }
            }
        }
    }
}

/// A column that is not there to be mapped is a wrong argument; anything else is a file that cannot be read.
fn refused(error: ChainError) -> anyhow::Error {
    match error {
        ChainError::MapUnknown { .. } | ChainError::MapAbsent { .. } => BadArguments(error.to_string()).into(),
        other => other.into(),
    }
}

impl Iterator for ChainReader<'_> {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        while self.pending.is_empty() {
            let started = Instant::now();
            let member = self.members.next()?;
            self.read_member(member, started);
        }
        self.pending.pop_front()
    }
}
