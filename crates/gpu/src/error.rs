//! What can go wrong between a request for a device and a result read back from it.

use crate::device::DeviceKind;

/// Why a device could not be had, or what it failed at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// The text is no device request.
    #[error("device {got:?}: allowed are auto, cpu, cuda[:n], hip[:n], vulkan[:n], n = 0, 1, …")]
    BadRequest {
        /// What was given.
        got: String,
    },
    /// A library that the back end loads at run time is absent.
    #[error("no {what}: {library} not found")]
    NoDriver {
        /// What the library is, for instance `CUDA driver`.
        what: &'static str,
        /// The file that was looked for.
        library: &'static str,
    },
    /// The back end is there and has fewer devices than the index asks for.
    #[error("{kind}:{index}: only {count} device{}", if *.count == 1 { "" } else { "s" })]
    NoSuchDevice {
        /// Back end.
        kind: DeviceKind,
        /// Index asked for, from 0.
        index: usize,
        /// How many devices there are.
        count: usize,
    },
    /// The back end is there and has no device at all.
    #[error("{kind}: no device found{}", no_device_hint(*.kind))]
    NoDevice {
        /// Back end.
        kind: DeviceKind,
    },
    /// The program was built without the back end.
    #[error("{kind}: there is no {kind} back end in this build")]
    NotBuilt {
        /// Back end.
        kind: DeviceKind,
    },
    /// The driver refused a question about its devices.
    #[error("{kind}: {message}")]
    Driver {
        /// Back end.
        kind: DeviceKind,
        /// The driver's own words.
        message: String,
    },
    /// The device cannot compute in double precision, which every kernel here needs.
    #[error("{device}: no f64 arithmetic on this device")]
    NoDoublePrecision {
        /// The device's request and name.
        device: String,
    },
    /// One allocation is larger than the device allows.
    #[error("{device}: {requested} bytes asked for, at most {max} in one buffer")]
    DeviceMemory {
        /// The device's request and name.
        device: String,
        /// Bytes asked for.
        requested: u64,
        /// Most bytes that one buffer may have.
        max: u64,
    },
    /// Memory of the device ran out: less at a time may still go.
    #[error("{device}: {}", told("out of memory", message))]
    OutOfMemory {
        /// The device's request and name.
        device: String,
        /// What the driver or CubeCL said.
        message: String,
    },
    /// The broker lends no memory for it: more than may ever be lent, or others held it for too long. Less at a time may still go.
    #[error("{device}: {message}")]
    NoLease {
        /// The device's request and name.
        device: String,
        /// What the broker said.
        message: String,
        /// Whether the request waited for as long as it might.
        waited: bool,
    },
    /// The device, or this process's context on it, is gone: only another device can go on.
    #[error("{device}: {}", told("lost", message))]
    DeviceLost {
        /// The device's request and name.
        device: String,
        /// What the driver or CubeCL said.
        message: String,
    },
    /// A device failed for good, no other is left to turn to, and the CPU is not allowed.
    #[error("{cause}; no other device is left, and cpu_fallback is off")]
    NothingLeft {
        /// What the last device failed with.
        cause: Box<GpuError>,
    },
    /// A kernel, an allocation or a copy failed on the device.
    #[error("{device}: {message}")]
    Failed {
        /// The device's request and name.
        device: String,
        /// What the driver or CubeCL said.
        message: String,
    },
    /// An earlier failure left the device's memory in an unknown state: open the device anew.
    #[error("{device}: lost by an earlier failure")]
    Lost {
        /// The device's request and name.
        device: String,
    },
}

impl GpuError {
    /// Whether less at a time may still go.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NoLease { .. } | Self::DeviceMemory { .. })
    }

    /// Whether the device is of no more use to this handle.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::DeviceLost { .. } | Self::Lost { .. })
    }
}

/// A message that says what it is about, once.
fn told(what: &str, message: &str) -> String {
    if message.to_lowercase().contains(what) { message.to_owned() } else { format!("{what}: {message}") }
}

/// What is most often missing where a back end is there and its devices are not.
fn no_device_hint(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Vulkan => ", or the loader libvulkan.so.1 or a driver is missing",
        DeviceKind::Cpu | DeviceKind::Cuda | DeviceKind::Hip => "",
    }
}
