//! LevelDB's log format as `wandb` writes it: blocks of 32 KiB; a record is cut into parts that each stay within a block.
//!
//! Layout  file: `:W&B`, 0xBEE1 u16, version 0 u8. Part: CRC-32 (IEEE) of type and data u32, length u16, type u8 (1 whole, 2 first,
//!         3 middle, 4 last), data; all little-endian. What is left of a block and too short for a part's head is 0.

const BLOCK: usize = 32_768;
const HEAD: usize = 7;

/// A file in memory.
pub(super) struct Log {
    bytes: Vec<u8>,
}

impl Log {
    /// With its first seven bytes.
    pub(super) fn new() -> Self {
        Self { bytes: b":W&B\xe1\xbe\x00".to_vec() }
    }

    /// Appends a record.
    pub(super) fn add(&mut self, mut data: &[u8]) {
        let mut is_first = true;
        loop {
            let mut room = BLOCK - self.bytes.len() % BLOCK;
            if room < HEAD {
                self.bytes.resize(self.bytes.len() + room, 0);
                room = BLOCK;
            }
            let (part, rest) = data.split_at(data.len().min(room - HEAD));
            let kind = match (is_first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            let sum = crc32(std::iter::once(kind).chain(part.iter().copied()));
            self.bytes.extend_from_slice(&sum.to_le_bytes());
            // A part is shorter than a block.
            self.bytes.extend_from_slice(&(part.len() as u16).to_le_bytes());
            self.bytes.push(kind);
            self.bytes.extend_from_slice(part);
            if rest.is_empty() {
                return;
            }
            (data, is_first) = (rest, false);
        }
    }

    /// The file.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// CRC-32 of IEEE 802.3, by a table.
pub(super) fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.fold(!0, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut sum, mut bit) = (i as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[i] = sum;
        i += 1;
    }
    table
}
