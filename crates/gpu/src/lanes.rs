//! CubeCL's streams, one job at a time each.
//!
//! CubeCL 0.10 gives every thread a stream with memory pools and a list of errors of its own, and shares a stream between threads
//! once there are many. Jobs here take a lane (a stream by number) for as long as they run instead: the pools of a lane serve whichever
//! thread comes next, so that memory is held by as many pools as jobs ran at once, and no job ever sees, or swallows, another's errors.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use crate::device::DeviceKind;

/// The most jobs that run on a device at once: CubeCL has 128 streams a device by default.
const LANES_MAX: u64 = 64;

/// The lanes of one device, shared by everything in the process that computes there.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Lanes that nobody uses, the last used on top: its pools are the warmest.
    free: Vec<u64>,
    made: u64,
}

/// A lane for one job; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    number: u64,
}

impl Lane<'_> {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.lock().free.push(self.number);
        self.lanes.given_back.notify_one();
    }
}

impl Lanes {
    /// The lanes of a device: the same for every handle on it.
    pub(crate) fn of(kind: DeviceKind, index: usize) -> Arc<Self> {
        type ByDevice = HashMap<(DeviceKind, usize), Arc<Lanes>>;
        static ALL: OnceLock<Mutex<ByDevice>> = OnceLock::new();
        let mut all = ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((kind, index)).or_default())
    }

    /// A lane that nobody uses; waits for one where all are in use.
    pub(crate) fn take(&self) -> Lane<'_> {
        let mut state = self.lock();
        loop {
            if let Some(number) = state.free.pop() {
                return Lane { lanes: self, number };
            }
            if state.made < LANES_MAX {
                state.made += 1;
                return Lane { lanes: self, number: state.made - 1 };
            }
            state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Every lane that nobody uses at this moment.
    pub(crate) fn take_idle(&self) -> Vec<Lane<'_>> {
        self.lock().free.drain(..).map(|number| Lane { lanes: self, number }).collect()
    }

    /// How many lanes have been used.
    pub(crate) fn made(&self) -> u64 {
        self.lock().made
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_one_user_and_the_last_used_goes_first() {
        let lanes = Lanes::default();
        let (first, second) = (lanes.take(), lanes.take());
        assert_eq!((first.number(), second.number(), lanes.made()), (0, 1, 2));
        drop(second);
        drop(first);
        assert_eq!(lanes.take().number(), 0);
        assert_eq!(lanes.take_idle().len(), 2);
        let all: Vec<Lane<'_>> = (0..LANES_MAX).map(|_| lanes.take()).collect();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lanes.take().number());
            drop(all);
            assert!(waiting.join().unwrap() < LANES_MAX);
        });
    }

    #[test]
    fn handles_on_one_device_share_its_lanes() {
        assert!(Arc::ptr_eq(&Lanes::of(DeviceKind::Hip, 7), &Lanes::of(DeviceKind::Hip, 7)));
        assert!(!Arc::ptr_eq(&Lanes::of(DeviceKind::Hip, 7), &Lanes::of(DeviceKind::Hip, 8)));
    }
}
