//! How long single messages take: one of several is timed, so that the clock costs the others nothing.

use std::time::Instant;

use hdrhistogram::Histogram;

/// One message of this many is timed.
pub const ONE_IN: u64 = 16;
/// Greatest time that is kept apart; longer ones count as this.
const MAX_NS: u64 = 1_000_000_000;

/// Times of single messages.
pub struct Latency {
    times_ns: Histogram<u64>,
    /// When the message before the timed one ended.
    begun: Option<Instant>,
    messages: u64,
}

impl Latency {
    /// None yet.
    pub fn new() -> Self {
        // The bounds and digits are within what the histogram allows, which is all that it can refuse.
        let times_ns = Histogram::new_with_bounds(1, MAX_NS, 3).expect("bounds of the histogram");
        Self { times_ns, begun: None, messages: 0 }
    }

    /// A message has been applied.
    pub fn message_end(&mut self) {
        self.messages += 1;
        if let Some(begun) = self.begun.take() {
            let elapsed = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(MAX_NS);
            self.times_ns.saturating_record(elapsed.max(1));
        }
        if self.messages.is_multiple_of(ONE_IN) {
            self.begun = Some(Instant::now());
        }
    }

    /// Bytes are about to be read: what waits for them is no time of a message.
    pub fn interrupted(&mut self) {
        self.begun = None;
    }

    /// The time, in nanoseconds, that this share of the timed messages did not exceed; nothing where none was timed.
    pub fn quantile_ns(&self, share: f64) -> Option<u64> {
        (!self.times_ns.is_empty()).then(|| self.times_ns.value_at_quantile(share))
    }

    /// The longest time, in nanoseconds.
    pub fn max_ns(&self) -> Option<u64> {
        (!self.times_ns.is_empty()).then(|| self.times_ns.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_messages_is_timed_and_none_across_a_read() {
        let mut latency = Latency::new();
        assert_eq!((latency.quantile_ns(0.5), latency.max_ns()), (None, None));
        for _ in 0..ONE_IN * 10 + 1 {
            latency.message_end();
        }
        assert_eq!(latency.times_ns.len(), 10);
        assert!(latency.quantile_ns(0.5) <= latency.max_ns());
        for _ in 0..ONE_IN * 10 {
            latency.message_end();
            latency.interrupted();
        }
        assert_eq!(latency.times_ns.len(), 10);
    }
}
