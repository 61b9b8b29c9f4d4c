//! An ITCH file, message by message.

/// The messages of a file, each with the two bytes that frame it; what is cut off at the end is left out.
pub fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = 2 + usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
        let (frame, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(frame)
    })
}
