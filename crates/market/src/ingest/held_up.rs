//! A handler for tests that is busy with its first receipt until it is let go.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use super::{Handler, Origin, test_clock};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);

/// Keeps when it was told that something came, and how long it was.
#[derive(Debug)]
pub(super) struct HeldUp {
    pub times_ns: Vec<u64>,
    pub lengths: Vec<usize>,
    begun: Sender<()>,
    go: Receiver<()>,
}

/// What lets it go.
#[derive(Debug)]
pub(super) struct Held {
    begun: Receiver<()>,
    go: Sender<()>,
}

impl HeldUp {
    pub fn new() -> (Self, Held) {
        let ((begun, has_begun), (let_go, go)) = (channel(), channel());
        (Self { times_ns: Vec::new(), lengths: Vec::new(), begun, go }, Held { begun: has_begun, go: let_go })
    }
}

impl Held {
    /// Waits until it is busy.
    pub fn wait(&self) {
        self.begun.recv_timeout(LONG).unwrap();
    }

    /// Lets it go a little later, and gives when that was: what was sent before has been received by the kernel.
    pub fn release(&self) -> u64 {
        thread::sleep(Duration::from_millis(20));
        let now_ns = test_clock();
        self.go.send(()).unwrap();
        now_ns
    }
}

impl Handler for HeldUp {
    fn receive(&mut self, _: Origin, now_ns: u64, bytes: &[u8], _: &mut Vec<u8>) -> Result<(), String> {
        self.times_ns.push(now_ns);
        self.lengths.push(bytes.len());
        if self.times_ns.len() == 1 {
            let _ = self.begun.send(());
            let _ = self.go.recv_timeout(LONG);
        }
        Ok(())
    }
}
