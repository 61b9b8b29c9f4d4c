//! The sampler's thread, and the last snapshot for whoever asks: reading it never waits for a GPU.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::monitor::{Monitor, MonitorSettings};
use super::snapshot::Snapshot;

/// How long the end waits for a sample that is being taken.
const END_WAIT: Duration = Duration::from_millis(300);

/// GPUs under watch. Dropped, the watch ends.
#[derive(Debug)]
pub struct Watch {
    last: Arc<RwLock<Arc<Snapshot>>>,
    started: Instant,
    /// Tells the thread to end by being dropped.
    stop: Option<Sender<()>>,
    /// Tells of its end by being dropped. Behind a lock only so that threads may share the watch.
    ended: Mutex<Receiver<()>>,
}

impl Watch {
    /// Starts to sample, beginning with a look for GPUs. Returns at once: until the first sample is there the snapshot is empty and
    /// its count of samples is 0.
    ///
    /// # Errors
    ///
    /// Where no thread can be had.
    pub fn start(settings: MonitorSettings) -> io::Result<Self> {
        let started = Instant::now();
        let empty =
            Snapshot { taken: started, duration: Duration::ZERO, samples: 0, gpus: Vec::new(), notes: Vec::new() };
        let last = Arc::new(RwLock::new(Arc::new(empty)));
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let published = Arc::clone(&last);
        thread::Builder::new().name("gpu-sampler".into()).spawn(move || {
            sample_until_stopped(settings, started, &published, &stopped);
            drop(end);
        })?;
        Ok(Self { last, started, stop: Some(stop), ended: Mutex::new(ended) })
    }

    /// The last sample of every GPU.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        // The lock is held for a copy of a pointer, in which nothing can panic.
        Arc::clone(&self.last.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The instant from which counts and ages run.
    pub fn started(&self) -> Instant {
        self.started
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Comes back with an error either way: the end is told by the sender being dropped.
        let _ = ended.recv_timeout(END_WAIT);
    }
}

fn sample_until_stopped(
    settings: MonitorSettings,
    started: Instant,
    last: &RwLock<Arc<Snapshot>>,
    stopped: &Receiver<()>,
) {
    let interval = settings.interval;
    let mut monitor = Monitor::new_since(settings, started);
    loop {
        let begun = Instant::now();
        let snapshot = Arc::new(monitor.sample());
        *last.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        match stopped.recv_timeout(interval.saturating_sub(begun.elapsed())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
