//! As much of protobuf's encoding as these records need: whole numbers, text, messages within messages.

/// A message in the making.
#[derive(Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A whole number (`int32`, `int64`).
    pub(super) fn int(mut self, place: u32, value: i64) -> Self {
        varint(&mut self.bytes, u64::from(place) << 3);
        // Negative ones have their ten bytes.
        varint(&mut self.bytes, value as u64);
        self
    }

    /// Text.
    pub(super) fn text(self, place: u32, text: &str) -> Self {
        self.delimited(place, text.as_bytes())
    }

    /// A message.
    pub(super) fn message(self, place: u32, message: Self) -> Self {
        self.delimited(place, &message.bytes)
    }

    fn delimited(mut self, place: u32, bytes: &[u8]) -> Self {
        varint(&mut self.bytes, u64::from(place) << 3 | 2);
        varint(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Encoded.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
