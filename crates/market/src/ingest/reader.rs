//! A thread that reads a socket: what it feeds, how it is stopped, what it gives back.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{metrics::ReaderMetrics, stamps::Stamp};

/// Gives the time in nanoseconds since the Unix epoch. Where the kernel stamps what it receives ([`ReceiveTime`](super::ReceiveTime)), this is for the time
/// that passes in silence alone, and must be the system's clock; else it is asked right after a read has returned, so that a time of receipt includes how
/// long the kernel and the scheduler took.
pub type Clock = fn() -> u64;

/// A reader looks at least this often whether it is to stop, and tells its handler the time.
pub(super) const TURN: Duration = Duration::from_millis(20);

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The line of this number, or the one connection (0).
    Line(usize),
    /// The server to which requests are sent.
    Reply,
}

/// What a reader feeds. `reply` takes what is to be sent back; it is sent when the call has returned.
pub trait Handler: Send {
    /// A connection stands, and a stream begins.
    fn begin(&mut self, now_ns: u64, reply: &mut Vec<u8>) {
        let _ = (now_ns, reply);
    }

    /// Takes a datagram, or the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// What is wrong. A datagram is counted as a fault then; a stream is of no more use, and its connection is closed.
    fn receive(&mut self, origin: Origin, now_ns: u64, bytes: &[u8], reply: &mut Vec<u8>) -> Result<(), String>;

    /// Told the time, at least every 20 ms while nothing comes. `false` closes the connection.
    fn idle(&mut self, now_ns: u64, reply: &mut Vec<u8>) -> bool {
        let _ = (now_ns, reply);
        true
    }

    /// The connection is gone: what comes next is another stream, or nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with where it ended.
    fn end(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Whether another connection would be of no use: the session has ended, or the login was refused. The reader of a connection ends then.
    fn is_done(&self) -> bool {
        false
    }
}

/// A running reader.
#[derive(Debug)]
pub struct Reader<H> {
    thread: JoinHandle<H>,
    stop: Arc<AtomicBool>,
    metrics: Arc<ReaderMetrics>,
    refusal: Arc<Mutex<Option<String>>>,
}

/// What the thread of a reader has.
#[derive(Debug)]
pub(super) struct Turns {
    stop: Arc<AtomicBool>,
    pub metrics: Arc<ReaderMetrics>,
    pub clock: Clock,
    refusal: Arc<Mutex<Option<String>>>,
}

impl Turns {
    pub fn are_over(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Counts what was received, and gives the time of receipt: the stamp's, or now where there is none.
    pub fn received(&self, bytes: usize, stamp: Option<Stamp>) -> u64 {
        let received_ns = match stamp {
            Some(Stamp { ns, is_of_card }) => {
                if is_of_card { &self.metrics.hardware_stamps } else { &self.metrics.kernel_stamps }.add(1);
                ns
            }
            None => (self.clock)(),
        };
        self.metrics.bytes.add(bytes as u64);
        self.metrics.reads.add(1);
        self.metrics.last_receive_ns.set(received_ns);
        received_ns
    }

    /// Keeps that the kernel gives no stamps, and why.
    pub fn refused(&self, refusal: String) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    pub fn fault_if<T>(&self, outcome: &Result<T, String>) {
        if outcome.is_err() {
            self.metrics.faults.add(1);
        }
    }

    /// Sleeps so long, or until the reader is to stop.
    pub fn sleep(&self, mut time: Duration) {
        while !time.is_zero() && !self.are_over() {
            let turn = time.min(TURN);
            thread::sleep(turn);
            time -= turn;
        }
    }
}

impl<H: Handler + 'static> Reader<H> {
    pub(super) fn spawn(
        name: &str,
        clock: Clock,
        handler: H,
        run: impl FnOnce(&Turns, &mut H) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, metrics) = (Arc::new(AtomicBool::new(false)), Arc::new(ReaderMetrics::default()));
        let refusal = Arc::new(Mutex::new(None));
        let turns = Turns { stop: stop.clone(), metrics: metrics.clone(), clock, refusal: refusal.clone() };
        let mut handler = handler;
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            run(&turns, &mut handler);
            handler
        })?;
        Ok(Self { thread, stop, metrics, refusal })
    }

    /// Asks the reader to stop, which takes it 20 ms where its handler waits for nothing. A handler that waits for room in a ring goes on when the
    /// ring is read or its reader is gone.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Whether the reader has stopped.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the reader has stopped, and gives its handler back; what the handler panicked with, where it did.
    ///
    /// # Errors
    ///
    /// The panic's payload.
    pub fn join(self) -> thread::Result<H> {
        self.thread.join()
    }

    /// What has been counted.
    pub fn metrics(&self) -> &Arc<ReaderMetrics> {
        &self.metrics
    }

    /// Why the kernel gives no stamps, with the address of which it would not, where they were asked for and refused: times of receipt there are the
    /// reader's. (A card's stamps are not refused: where it takes none, the kernel's come, and the metrics say so.)
    pub fn stamps_refused(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
