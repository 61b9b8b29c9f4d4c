//! Messages that a sink is told ahead of, so that it can fetch memory: those of bytes at hand, some before their turn.

use crate::event::{InstrumentId, Sink, Step};

/// How many messages before its own a message is told of at each step: a fetch from memory takes about as long as four messages.
const AHEAD: [usize; 3] = [12, 8, 4];
/// Messages that have been told of and not taken yet, with room to spare; a power of two.
const KEPT: usize = 16;
const _: () = assert!(KEPT > AHEAD[0] && KEPT.is_power_of_two());

/// What has been told of the messages that come next.
pub(crate) struct Ahead<'b> {
    /// What is behind the last message that was told of.
    later: &'b [u8],
    kept: [(InstrumentId, u64); KEPT],
    taken: usize,
    told: usize,
}

impl<'b> Ahead<'b> {
    /// Of the messages of these bytes, none of which has been told of or taken.
    #[inline(always)]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { later: bytes, kept: [(InstrumentId(0), 0); KEPT], taken: 0, told: 0 }
    }

    /// Called before each message is taken: tells of those behind it. `split` parts the first whole message from what is behind it, and `likely` says of
    /// which instrument and order a message probably is, without asking for its type, which nothing foretells.
    #[inline(always)]
    pub fn tell(
        &mut self,
        sink: &impl Sink,
        split: impl Fn(&'b [u8]) -> Option<(&'b [u8], &'b [u8])>,
        likely: impl Fn(&[u8]) -> (InstrumentId, u64),
    ) {
        while self.told < self.taken + AHEAD[0]
            && let Some((message, behind)) = split(self.later)
        {
            let (instrument, order_id) = likely(message);
            self.kept[self.told % KEPT] = (instrument, sink.ahead(Step::Far, instrument, order_id));
            (self.told, self.later) = (self.told + 1, behind);
        }
        for (step, away) in [(Step::Near, AHEAD[1]), (Step::Next, AHEAD[2])] {
            let (instrument, known) = &mut self.kept[(self.taken + away) % KEPT];
            *known = sink.ahead(step, *instrument, *known);
        }
        self.taken += 1;
    }
}
