//! The made ITCH feed as bytes.

use super::generate::Made;

/// So many messages of so many stocks, framed as in a file, the directory before them.
pub fn made(stocks: usize, messages: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(messages * 36);
    let mut feed = Made::new(stocks, 7, &mut bytes);
    for _ in 0..messages {
        feed.next(&mut bytes);
    }
    bytes
}
