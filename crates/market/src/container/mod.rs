//! What a file's bytes are wrapped in: gzip, xz, zstd, zip, captures of packets. The first bytes say so, not the name.

mod archive;
mod capture;
mod layers;

pub use archive::{ArchiveMember, is_zip, zip_members};
pub use capture::{CaptureCounts, Datagram, datagrams, is_capture};
pub use layers::{Source, unwrapped};
pub(crate) use layers::{is_compressed, is_tar};

use thiserror::Error;

/// Why what is inside could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("truncated or damaged {format}: {reason}")]
pub struct ContainerError {
    /// The format of the wrapping that failed.
    pub format: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl ContainerError {
    fn new(format: &'static str, reason: impl ToString) -> Self {
        Self { format, reason: reason.to_string() }
    }
}
