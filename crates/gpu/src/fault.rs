//! Faults on request: the device of a [`Compute`](crate::Compute) fails at a chosen step, in the way that the real one does.
//!
//! A rehearsal of what an operator cannot bring about at will. Without a plan it costs one comparison a buffer.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Memory runs out as it does in CubeCL 0.10: its thread panics, and the caller is left with a buffer that was never made.
    OutOfMemory,
    /// Memory is refused with an error.
    Refused,
    /// Memory runs out with a panic on the caller's own thread.
    Panic,
    /// The device is lost, and stays so.
    Lost,
}

/// At which steps. A step is an upload, an allocation or a download of a [`Session`](crate::Session), counted from 1 over all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAt {
    /// This step alone.
    Step(u64),
    /// This step and all after it.
    From(u64),
    /// Every buffer of more than so many bytes, as on a device with less memory.
    LargerThan(u64),
}

/// Which fault, and when: `oom@3` (the third step), `oom@3..` (from the third on), `oom>65536` (every buffer larger than that);
/// the kinds are `oom`, `refused`, `panic` and `lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// How.
    pub kind: FaultKind,
    /// When.
    pub at: FaultAt,
}

/// The names of the kinds.
const KINDS: [(&str, FaultKind); 4] = [
    ("oom", FaultKind::OutOfMemory),
    ("refused", FaultKind::Refused),
    ("panic", FaultKind::Panic),
    ("lost", FaultKind::Lost),
];

/// The text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault {got:?}: allowed are oom, refused, panic or lost with @STEP, @STEP.. or >BYTES, such as oom@3")]
pub struct BadFaultPlan {
    /// What was given.
    pub got: String,
}

impl FromStr for FaultPlan {
    type Err = BadFaultPlan;

    fn from_str(text: &str) -> Result<Self, BadFaultPlan> {
        let bad = || BadFaultPlan { got: text.to_owned() };
        let split = text.find(['@', '>']).ok_or_else(bad)?;
        let (name, rest) = text.split_at(split);
        let kind = KINDS.iter().find(|(known, _)| *known == name).ok_or_else(bad)?.1;
        let step = |digits: &str| digits.parse::<u64>().ok().filter(|&step| step > 0).ok_or_else(bad);
        let at = match (rest.strip_prefix('>'), rest.strip_prefix('@')) {
            (Some(bytes), _) => FaultAt::LargerThan(bytes.parse().map_err(|_| bad())?),
            (None, Some(steps)) => match steps.strip_suffix("..") {
                Some(from) => FaultAt::From(step(from)?),
                None => FaultAt::Step(step(steps)?),
            },
            (None, None) => return Err(bad()),
        };
        Ok(Self { kind, at })
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        match self.at {
            FaultAt::Step(step) => write!(f, "{name}@{step}"),
            FaultAt::From(step) => write!(f, "{name}@{step}.."),
            FaultAt::LargerThan(bytes) => write!(f, "{name}>{bytes}"),
        }
    }
}

/// A plan under way.
#[derive(Debug)]
pub(crate) struct Faults {
    plan: FaultPlan,
    steps: AtomicU64,
    lost: AtomicBool,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self { plan, steps: AtomicU64::new(0), lost: AtomicBool::new(false) }
    }

    /// Counts a step on a buffer of so many bytes; the fault that strikes there.
    pub(crate) fn step(&self, bytes: usize) -> Option<FaultKind> {
        let step = self.steps.fetch_add(1, Ordering::AcqRel) + 1;
        let strikes = match self.plan.at {
            FaultAt::Step(at) => step == at,
            FaultAt::From(from) => step >= from,
            FaultAt::LargerThan(limit) => bytes as u64 > limit,
        };
        if self.plan.kind == FaultKind::Lost && strikes {
            self.lost.store(true, Ordering::Release);
        }
        (strikes || self.lost.load(Ordering::Acquire)).then_some(self.plan.kind)
    }

    /// How many steps there were.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_read_back_as_they_were_written() {
        for text in ["oom@3", "refused@1", "panic@12..", "lost@2", "oom>65536", "lost>0"] {
            assert_eq!(text.parse::<FaultPlan>().unwrap().to_string(), text);
        }
        for text in ["", "oom", "oom@", "oom@0", "oom@x", "oom@3...", "fire@1", "oom>", "oom>-1", "oom=1", "@1"] {
            let error = text.parse::<FaultPlan>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("fault {text:?}: allowed are")), "{error}");
        }
    }

    #[test]
    fn a_fault_strikes_when_it_should_and_a_lost_device_stays_lost() {
        let struck = |plan: &str| {
            let faults = Faults::new(plan.parse().unwrap());
            let struck: Vec<bool> = [10, 20, 10, 20].map(|bytes| faults.step(bytes).is_some()).to_vec();
            assert_eq!(faults.steps(), 4);
            struck
        };
        assert_eq!(struck("oom@2"), [false, true, false, false]);
        assert_eq!(struck("panic@2.."), [false, true, true, true]);
        assert_eq!(struck("refused>10"), [false, true, false, true]);
        assert_eq!(struck("lost@2"), [false, true, true, true]);
    }
}
