//! What readers and channels count: plain atomics that any thread may look at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that one thread raises and others read. Nothing is ordered by it.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a reader of a socket has counted. On cache lines of its own: two (128 bytes), since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ReaderMetrics {
    /// Bytes received.
    pub bytes: Counter,
    /// Datagrams received, or reads of a stream that gave something.
    pub reads: Counter,
    /// Times that what was received could not be used: a packet that makes no sense, a stream that cannot be read on.
    pub faults: Counter,
    /// Connections made.
    pub connections: Counter,
    /// Connections that could not be made.
    pub refused: Counter,
    /// Errors of the socket.
    pub socket_errors: Counter,
    /// Connections that were given up because nothing came on them any more.
    pub silences: Counter,
    /// When something was received last, in nanoseconds since the Unix epoch; 0 for never.
    pub last_receive_ns: Counter,
    /// Reads and datagrams whose time of receipt is the kernel's; of those that neither this nor the next counts it is the reader's.
    pub kernel_stamps: Counter,
    /// Reads and datagrams whose time of receipt is the network card's.
    pub hardware_stamps: Counter,
}

/// What a channel of events has counted, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ChannelMetrics {
    /// Events put into the ring.
    pub sent: Counter,
    /// Events that were dropped, since there was no room or no reader.
    pub dropped: Counter,
    /// Events that a later one replaced.
    pub conflated: Counter,
    /// Waits for room.
    pub waits: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_two_threads_share_no_cache_line() {
        assert_eq!((align_of::<ReaderMetrics>(), size_of::<ReaderMetrics>()), (128, 128));
        assert_eq!((align_of::<ChannelMetrics>(), size_of::<ChannelMetrics>()), (128, 128));
        let two = [ChannelMetrics::default(), ChannelMetrics::default()];
        let place = |metrics: &ChannelMetrics| std::ptr::from_ref(metrics) as usize / 128;
        assert_ne!(place(&two[0]), place(&two[1]));
    }
}
