//! Packets out of a stream of bytes that is split anywhere.

use super::packet::LENGTH_BYTES;

/// Cuts a stream into packets.
///
/// Packets that are whole are given where they lie. What is left of one that is not is kept, and grows with what arrives: never beyond
/// the 65,537 bytes of the longest packet.
#[derive(Debug, Clone, Default)]
pub struct Splitter {
    held: Vec<u8>,
}

impl Splitter {
    /// One at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and gives each packet that they complete: the bytes behind its length, none where that is 0.
    ///
    /// # Errors
    ///
    /// The first that `packet` gives; the stream cannot be read on then.
    pub fn feed<E>(&mut self, bytes: &[u8], mut packet: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = bytes;
        while !self.held.is_empty() {
            let wanted = whole_length(&self.held).unwrap_or(LENGTH_BYTES);
            let (taken, behind) = rest.split_at(wanted.saturating_sub(self.held.len()).min(rest.len()));
            self.held.extend_from_slice(taken);
            rest = behind;
            match whole_length(&self.held) {
                Some(whole) if self.held.len() == whole => {
                    let outcome = packet(&self.held[LENGTH_BYTES..]);
                    self.held.clear();
                    outcome?;
                }
                _ if rest.is_empty() => return Ok(()),
                _ => (),
            }
        }
        while let Some((whole, behind)) = whole_length(rest).and_then(|whole| rest.split_at_checked(whole)) {
            packet(&whole[LENGTH_BYTES..])?;
            rest = behind;
        }
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// How many bytes are kept of a packet that is not whole.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

/// How long the packet is that these bytes begin, its length included.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<LENGTH_BYTES>()?;
    Some(LENGTH_BYTES + usize::from(u16::from_be_bytes(*length)))
}
