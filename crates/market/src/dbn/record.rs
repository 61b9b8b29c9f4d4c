//! Fields of a record, read where they lie: any alignment, no copy. Where each field lies, the `dbn` crate's own structs say.

use ::dbn::RecordHeader;

use crate::outcome::Refused;

/// Length of the header that every record begins with.
pub(super) const HEADER_BYTES: usize = size_of::<RecordHeader>();

/// Reads a field of a record whose length has been checked: `field!(bytes, MboMsg, price: i64)`.
macro_rules! field {
    ($bytes:expr, $message:ty, $name:ident: $kind:ty) => {{
        const AT: usize = std::mem::offset_of!($message, $name);
        <$kind>::from_le_bytes($crate::dbn::record::part($bytes, AT))
    }};
}
pub(super) use field;

/// `N` bytes from `at` on.
#[inline]
pub(super) fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// The first `N` bytes of a record: what its type is made of. Behind them may be the time of sending.
#[inline]
pub(super) fn body<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], Refused> {
    bytes.first_chunk().ok_or_else(|| too_short(bytes, N))
}

#[cold]
fn too_short(bytes: &[u8], needed: usize) -> Refused {
    let kind = bytes[1];
    Refused::Malformed(format!("record of type {kind} has {} bytes; allowed: {needed} at least", bytes.len()))
}

/// What every record begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub kind: u8,
    pub publisher: u16,
    pub instrument: u32,
    pub event_ns: u64,
}

impl Header {
    #[inline]
    pub fn of(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            kind: field!(bytes, RecordHeader, rtype: u8),
            publisher: field!(bytes, RecordHeader, publisher_id: u16),
            instrument: field!(bytes, RecordHeader, instrument_id: u32),
            event_ns: field!(bytes, RecordHeader, ts_event: u64),
        }
    }
}

/// Text that ends at its first NUL; what is no UTF-8 in it is replaced.
pub(super) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}
