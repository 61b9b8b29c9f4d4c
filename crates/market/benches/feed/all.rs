//! The feeds that decoders and books of ITCH are measured by.

use super::{frames::frames, made::made, real::real};

/// The made feed of 600 stocks, and the real one where it is: name, bytes, messages.
pub fn feeds() -> Vec<(&'static str, Vec<u8>, u64)> {
    let made = Some(("made", made(600, 1_000_000)));
    let all = made.into_iter().chain(real().map(|bytes| ("real", bytes)));
    all.map(|(name, bytes)| {
        let messages = frames(&bytes).count() as u64;
        (name, bytes, messages)
    })
    .collect()
}
