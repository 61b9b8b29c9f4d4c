//! Why ranks did not meet, or an operation of theirs did not end.

use std::net::SocketAddr;
use std::time::Duration;

/// What went wrong between ranks; the rank at fault is named wherever it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectiveError {
    /// A variable of the environment is absent or wrong.
    #[error("{name}: {}; allowed: {allowed}", .got.as_ref().map_or("not set".to_string(), |got| format!("{got:?}")))]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it holds.
        got: Option<String>,
        /// What it may hold.
        allowed: &'static str,
    },
    /// The master's name means no address.
    #[error("MASTER_ADDR: {name:?}: {message}")]
    NoAddress {
        /// The name.
        name: String,
        /// The resolver's words.
        message: String,
    },
    /// This rank cannot listen where it must.
    #[error("cannot listen at {address}: {message}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        message: String,
    },
    /// Nobody answers at the master's address.
    #[error("rank 0 does not answer at {address} within {} s: {message}", limit.as_secs_f64())]
    NoMaster {
        /// Where it was looked for.
        address: SocketAddr,
        /// The time limit.
        limit: Duration,
        /// The last thing that the system said.
        message: String,
    },
    /// Some ranks never came.
    #[error("{} did not come within {} s", ranks_in_words(.ranks), limit.as_secs_f64())]
    Missing {
        /// Which.
        ranks: Vec<usize>,
        /// The time limit.
        limit: Duration,
    },
    /// Rank 0 did not take this rank into the group.
    #[error("rank 0 refuses this rank: {message}")]
    Refused {
        /// Why.
        message: String,
    },
    /// A neighbour's connection ended.
    #[error("rank {rank} closed its connection{}", if .message.is_empty() { String::new() } else { format!(": {}", .message) })]
    Left {
        /// Which rank.
        rank: usize,
        /// The system's words, where it said more than an end.
        message: String,
    },
    /// A neighbour stopped moving.
    #[error("rank {rank} {} nothing for {} s", if *.sending { "took" } else { "sent" }, limit.as_secs_f64())]
    Stalled {
        /// Which rank.
        rank: usize,
        /// Whether we were sending to it; else we were waiting for it.
        sending: bool,
        /// The time limit.
        limit: Duration,
    },
    /// A neighbour is in another operation than this rank.
    #[error("rank {rank} is in {theirs}, this rank in {ours}")]
    Differs {
        /// Which rank.
        rank: usize,
        /// Its operation.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// A rank that the group does not have.
    #[error("rank {rank}: the group has ranks 0 to {}", .world_size - 1)]
    NoSuchRank {
        /// Which was asked for.
        rank: usize,
        /// How many there are.
        world_size: usize,
    },
    /// An earlier call failed.
    #[error("an earlier call of this collective failed: join the group anew")]
    FailedBefore,
}

/// `rank 2`, `ranks 1, 3`.
pub(crate) fn ranks_in_words(ranks: &[usize]) -> String {
    let list = ranks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("rank{} {list}", if ranks.len() == 1 { "" } else { "s" })
}
