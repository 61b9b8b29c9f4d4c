//! Messages that came before their turn, kept until those before them are there.

/// A ring of messages by number, of a size that never changes. Its memory is used again.
#[derive(Debug, Clone)]
pub(super) struct Held {
    slots: Vec<Slot>,
    count: usize,
    /// No message below this number is held.
    from: u64,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    filled: bool,
    receive_ns: u64,
    bytes: Vec<u8>,
}

impl Held {
    /// Room for messages whose numbers are less than this far apart.
    pub fn new(size: usize) -> Self {
        Self { slots: vec![Slot::default(); size.max(1)], count: 0, from: 0 }
    }

    /// How far apart numbers can be.
    pub fn size(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn slot(&mut self, sequence: u64) -> &mut Slot {
        let at = sequence % self.size();
        &mut self.slots[at as usize]
    }

    /// Keeps a message whose number is above `next`, by less than the ring's size; `false` where it was there.
    pub fn insert(&mut self, sequence: u64, receive_ns: u64, message: &[u8]) -> bool {
        let slot = self.slot(sequence);
        if slot.filled {
            return false;
        }
        slot.filled = true;
        slot.receive_ns = receive_ns;
        slot.bytes.clear();
        slot.bytes.extend_from_slice(message);
        self.from = if self.count == 0 { sequence } else { self.from.min(sequence) };
        self.count += 1;
        true
    }

    /// Takes the message of this number out, which is the lowest that may be held.
    pub fn take(&mut self, sequence: u64) -> Option<(u64, &[u8])> {
        if self.count == 0 {
            return None;
        }
        let slot = self.slot(sequence);
        if !std::mem::take(&mut slot.filled) {
            return None;
        }
        self.count -= 1;
        self.from = sequence + 1;
        let slot = self.slot(sequence);
        Some((slot.receive_ns, &slot.bytes))
    }

    /// The lowest number held, and when its message came.
    pub fn first(&mut self) -> Option<(u64, u64)> {
        if self.count == 0 {
            return None;
        }
        // A number is passed once on the way up, so that looking for the lowest costs no more than the numbers that there are.
        while !self.slot(self.from).filled {
            self.from += 1;
        }
        let from = self.from;
        Some((from, self.slot(from).receive_ns))
    }
}
