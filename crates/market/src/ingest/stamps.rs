//! When the kernel, or the network card, received something: control messages that come with what is read from a socket.
//!
//! A reader's clock is asked when the read has returned: after the interrupt, the protocol's work, the wait in the socket's queue and the scheduler.
//! The kernel's stamp (`SO_TIMESTAMPNS`) is taken when the packet leaves the driver, the card's (`SO_TIMESTAMPING`) when it came off the wire. Of a
//! stream a read has the stamp of the latest segment that it took from. The layout read here is the kernel's own (`include/linux/socket.h`).

use std::io;

/// Who says when something was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ReceiveTime {
    /// The network card, in the time of its own clock, which must be kept at the system's (`phc2sys`); the card must have been told to stamp what it
    /// receives (`hwstamp_ctl -i eth0 -r 1`). What it did not stamp has the kernel's time.
    Hardware,
    /// The kernel, by the system's clock. Where it refuses, the reader's clock is asked.
    #[default]
    Kernel,
    /// The reader's [`Clock`](super::Clock), once a read has returned.
    Reader,
}

/// A stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since the Unix epoch.
    pub ns: u64,
    /// Whether the card took it.
    pub is_of_card: bool,
}

/// Asks the kernel for stamps of what comes on a socket.
///
/// # Errors
///
/// Where the kernel refuses, or this system has none.
#[cfg(target_os = "linux")]
pub(super) fn ask(socket: &impl std::os::fd::AsRawFd, wanted: ReceiveTime) -> io::Result<()> {
    let (option, value) = match wanted {
        ReceiveTime::Reader => return Ok(()),
        ReceiveTime::Kernel => (libc::SO_TIMESTAMPNS, 1),
        ReceiveTime::Hardware => (
            libc::SO_TIMESTAMPING,
            libc::SOF_TIMESTAMPING_RX_HARDWARE
                | libc::SOF_TIMESTAMPING_RAW_HARDWARE
                | libc::SOF_TIMESTAMPING_RX_SOFTWARE
                | libc::SOF_TIMESTAMPING_SOFTWARE,
        ),
    };
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option's value is the integer of this length, which lives through the call.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(&value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks the kernel for stamps of what comes on a socket.
///
/// # Errors
///
/// Always where stamps are wanted: only Linux is asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn ask<S>(_: &S, wanted: ReceiveTime) -> io::Result<()> {
    if wanted == ReceiveTime::Reader { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// Length, level and type of a control message.
#[cfg(target_os = "linux")]
const HEAD_BYTES: usize = 16;
/// Seconds and nanoseconds.
#[cfg(target_os = "linux")]
const TIME_BYTES: usize = 16;

/// The stamp among the control messages that came with something; the card's where there is one. `None` where there is none, or what is there makes no
/// sense.
#[cfg(target_os = "linux")]
pub(super) fn stamp_in(mut control: &[u8]) -> Option<Stamp> {
    let mut found = None;
    while let Some(head) = control.first_chunk::<HEAD_BYTES>() {
        let length = usize::try_from(u64::from_ne_bytes(*head.first_chunk()?)).ok()?;
        let [level, kind] = [8, 12].map(|at| head[at..].first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)));
        let data = control.get(HEAD_BYTES..length)?;
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            found = found.or(time_at(data, 0).map(|ns| Stamp { ns, is_of_card: false }));
        } else if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPING {
            // Three times: the kernel's, one that is not used any more, the card's.
            let of_card = time_at(data, 2).map(|ns| Stamp { ns, is_of_card: true });
            found = of_card.or(found).or(time_at(data, 0).map(|ns| Stamp { ns, is_of_card: false }));
        }
        control = control.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    found
}

/// The time at a place, in nanoseconds since the Unix epoch; `None` where there is none, which zeros say.
#[cfg(target_os = "linux")]
fn time_at(data: &[u8], place: usize) -> Option<u64> {
    let time: &[u8; TIME_BYTES] = data.get(place * TIME_BYTES..)?.first_chunk()?;
    let [seconds, ns] = [0, 8].map(|at| time[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes)));
    let time_ns = seconds.checked_mul(1_000_000_000)?.checked_add(ns)?;
    (time_ns > 0 && ns < 1_000_000_000).then_some(time_ns)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::mutations::Random;

    fn message(kind: i32, times: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = ((HEAD_BYTES + times.len() * TIME_BYTES) as u64).to_ne_bytes().to_vec();
        bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(times.iter().flat_map(|time| [time.0.to_ne_bytes(), time.1.to_ne_bytes()]).flatten());
        bytes
    }

    #[test]
    fn the_cards_time_goes_before_the_kernels_and_zeros_are_none() {
        let of = |ns, is_of_card| Some(Stamp { ns, is_of_card });
        let kernel = message(libc::SCM_TIMESTAMPNS, &[(3, 4)]);
        let both = message(libc::SCM_TIMESTAMPING, &[(5, 6), (0, 0), (7, 8)]);
        let no_card = message(libc::SCM_TIMESTAMPING, &[(5, 6), (0, 0), (0, 0)]);
        assert_eq!(stamp_in(&kernel), of(3_000_000_004, false));
        assert_eq!(stamp_in(&both), of(7_000_000_008, true));
        assert_eq!(stamp_in(&no_card), of(5_000_000_006, false));
        assert_eq!(stamp_in(&[kernel.clone(), both].concat()), of(7_000_000_008, true));
        // Of another kind, which is passed over.
        assert_eq!(stamp_in(&[message(libc::SCM_RIGHTS, &[(1, 1)]), kernel].concat()), of(3_000_000_004, false));
        assert_eq!(stamp_in(&message(libc::SCM_TIMESTAMPNS, &[(0, 0)])), None);
        assert_eq!(stamp_in(&message(libc::SCM_TIMESTAMPNS, &[(1, 1_000_000_000)])), None);
    }

    #[test]
    fn whatever_the_bytes_are_nothing_panics() {
        let mut random = Random(11);
        let good = [message(libc::SCM_TIMESTAMPNS, &[(3, 4)]), message(libc::SCM_TIMESTAMPING, &[(5, 6); 3])].concat();
        for _ in 0..20_000 {
            let mut bytes = good[..random.below(good.len() + 1)].to_vec();
            for _ in 0..random.below(4) {
                if let Some(byte) = bytes.len().checked_sub(1).map(|last| random.below(last + 1)) {
                    bytes[byte] = random.next() as u8;
                }
            }
            let _ = stamp_in(&bytes);
        }
        assert_eq!(stamp_in(&good), Some(Stamp { ns: 5_000_000_005 + 1, is_of_card: true }));
    }
}
