//! XID events as they come: a thread of its own waits for them in NVML, since they are told once and not again.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

/// The longest that one wait in NVML takes; how soon the thread ends.
const WAIT_MS: u32 = 100;

/// NVML's number for an XID that it does not know.
const XID_UNKNOWN: u64 = 999;

/// An XID, and the GPU by its place in NVML's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct XidEvent {
    pub nvml_index: u32,
    pub xid: u64,
}

/// The thread that waits. Dropped, it ends and closes NVML.
#[derive(Debug)]
pub(super) struct XidWatcher {
    stop: Arc<AtomicBool>,
    events: Receiver<XidEvent>,
    /// Tells of its end by being dropped.
    ended: Receiver<()>,
    limit: Duration,
}

impl XidWatcher {
    /// Starts to wait for the events of every GPU that NVML lists. Where NVML does not start there are none.
    pub(super) fn start(library: OsString, limit: Duration) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, events) = channel();
        let (end, ended) = channel();
        let stopped = Arc::clone(&stop);
        thread::Builder::new().name("xid-events".into()).spawn(move || {
            if let Ok(nvml) = Nvml::builder().lib_path(&library).init() {
                watch(&nvml, &sender, &stopped);
            }
            drop(end);
        })?;
        Ok(Self { stop, events, ended, limit })
    }

    /// What came since the last call.
    pub(super) fn drain(&self) -> Vec<XidEvent> {
        self.events.try_iter().collect()
    }
}

impl Drop for XidWatcher {
    /// Waits for NVML to be closed, so that it can be started anew; not longer than a driver that hangs deserves.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Comes back with an error either way: the end is told by the sender being dropped.
        let _ = self.ended.recv_timeout(self.limit);
    }
}

fn watch(nvml: &Nvml, events: &Sender<XidEvent>, stop: &AtomicBool) {
    let (devices, mut set) = register(nvml);
    while !stop.load(Ordering::Relaxed) {
        let Some(waiting) = set.as_ref() else {
            // No GPU tells of events (a vGPU, say). The one who asked for them may open NVML anew some day.
            thread::sleep(Duration::from_millis(u64::from(WAIT_MS)));
            continue;
        };
        match waiting.wait(WAIT_MS) {
            Ok(event) => {
                let place = devices.iter().find(|(device, _)| handle(device) == handle(&event.device));
                let xid = match event.event_data {
                    Some(XidError::Value(xid)) => xid,
                    Some(XidError::Unknown) => XID_UNKNOWN,
                    None => continue,
                };
                // Nobody listens any more where the watcher is being dropped.
                let _ = place.map(|(_, index)| events.send(XidEvent { nvml_index: *index, xid }));
            }
            Err(NvmlError::Timeout) => {}
            // A lost GPU makes waiting fail at once: not in a tight loop, and with whoever still tells of events.
            Err(_) => {
                thread::sleep(Duration::from_millis(u64::from(WAIT_MS)));
                set = register(nvml).1;
            }
        }
    }
}

/// The GPUs, and a set with the events of all that tell of them.
fn register(nvml: &Nvml) -> (Vec<(Device<'_>, u32)>, Option<EventSet<'_>>) {
    let count = nvml.device_count().unwrap_or(0);
    let devices: Vec<(Device<'_>, u32)> =
        (0..count).filter_map(|index| Some((nvml.device_by_index(index).ok()?, index))).collect();
    let mut willing: Vec<&Device<'_>> = devices
        .iter()
        .map(|(device, _)| device)
        .filter(|device| {
            device.supported_event_types().is_ok_and(|types| types.contains(EventTypes::CRITICAL_XID_ERROR))
        })
        .collect();
    // A refusal takes the whole set with it: begin again without the one that refused.
    'again: loop {
        if willing.is_empty() {
            return (devices, None);
        }
        let Ok(mut set) = nvml.create_event_set() else { return (devices, None) };
        for place in 0..willing.len() {
            match willing[place].register_events(EventTypes::CRITICAL_XID_ERROR, set) {
                Ok(same) => set = same,
                Err(_) => {
                    willing.remove(place);
                    continue 'again;
                }
            }
        }
        return (devices, Some(set));
    }
}

/// What tells one GPU from another even when it is lost and answers nothing.
fn handle(device: &Device<'_>) -> usize {
    // SAFETY: the handle is compared with others and given to nobody.
    unsafe { device.handle() as usize }
}
