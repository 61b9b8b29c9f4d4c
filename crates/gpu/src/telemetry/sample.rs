//! One look at one GPU, in base units. What could not be read is `None`, never 0.

use serde::Serialize;

use crate::inventory::{Driver, PciAddress, Vendor};

/// Which GPU it is. `index` is what `zomma gpu list` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GpuIdentity {
    /// Place in the list, from 0; stays with the GPU as long as the program runs.
    pub index: usize,
    /// Who made it.
    pub vendor: Vendor,
    /// Model, as the driver says it.
    pub name: Option<String>,
    /// The vendor's own name of this very board, such as `GPU-…`.
    pub uuid: Option<String>,
    /// Where it sits on the PCI bus.
    #[serde(rename = "pci_bus_id")]
    pub pci: Option<PciAddress>,
    /// Its kernel driver.
    pub driver: Option<Driver>,
    /// Number of its device file: 0 of `/dev/nvidia0`, or of `card0`.
    pub minor_number: Option<u32>,
}

/// What one GPU said when it was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuSample {
    /// Why the GPU as a whole could not be asked; nothing else is there then.
    pub unavailable: Option<String>,
    /// What was asked and refused, in the order of asking.
    pub failures: Vec<ReadFailure>,
    /// Share of the time in which a kernel ran, 0 to 1.
    pub utilization_ratio: Option<f64>,
    /// Share of the time in which memory was read or written, 0 to 1.
    pub memory_utilization_ratio: Option<f64>,
    /// Share of the video encoder that is in use, 0 to 1.
    pub encoder_utilization_ratio: Option<f64>,
    /// Share of the video decoder that is in use, 0 to 1.
    pub decoder_utilization_ratio: Option<f64>,
    /// Memory of its own, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that processes hold, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory that can still be had, in bytes.
    pub memory_free_bytes: Option<u64>,
    /// Memory that the driver keeps to itself, in bytes.
    pub memory_reserved_bytes: Option<u64>,
    /// Temperature of the chip.
    pub temperature_celsius: Option<f64>,
    /// Temperature of the memory.
    pub memory_temperature_celsius: Option<f64>,
    /// Temperature from which the hardware slows the chip down.
    pub slowdown_temperature_celsius: Option<f64>,
    /// Temperature at which the hardware turns itself off.
    pub shutdown_temperature_celsius: Option<f64>,
    /// Power drawn.
    pub power_watts: Option<f64>,
    /// Power that it may draw.
    pub power_limit_watts: Option<f64>,
    /// Energy drawn since the driver was loaded.
    pub energy_joules: Option<f64>,
    /// Clock of the multiprocessors.
    pub sm_clock_hertz: Option<f64>,
    /// Clock of the memory.
    pub memory_clock_hertz: Option<f64>,
    /// Fan speed as a share of the greatest, 0 to 1.
    pub fan_speed_ratio: Option<f64>,
    /// Bytes a second sent over PCIe, over the driver's last short interval.
    pub pcie_transmit_bytes_per_second: Option<f64>,
    /// Bytes a second received over PCIe, over the driver's last short interval.
    pub pcie_receive_bytes_per_second: Option<f64>,
    /// PCIe packets sent again.
    pub pcie_replays: Option<u64>,
    /// PCIe generation of the link now.
    pub pcie_link_generation: Option<u32>,
    /// PCIe lanes of the link now.
    pub pcie_link_width: Option<u32>,
    /// Bytes sent over all NVLinks.
    pub nvlink_transmit_bytes: Option<u64>,
    /// Bytes received over all NVLinks.
    pub nvlink_receive_bytes: Option<u64>,
    /// NVLink errors.
    pub nvlink_errors: NvlinkErrors,
    /// Whether its memory corrects errors.
    pub ecc_enabled: Option<bool>,
    /// Memory errors since the driver was loaded.
    pub ecc_volatile: EccErrors,
    /// Memory errors over the board's life.
    pub ecc_aggregate: EccErrors,
    /// Pages of memory taken out of use.
    pub retired_pages: RetiredPages,
    /// Rows of memory replaced by spare ones.
    pub remapped_rows: RemappedRows,
    /// Why the clocks are lower than they could be; absent where it was not told.
    pub throttle: Option<Vec<ThrottleReason>>,
    /// What the driver says must be done to get the GPU back.
    pub recovery_action: Option<RecoveryAction>,
}

/// A question that had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// What was asked: a field of [`GpuSample`], `fields` for those that are asked by number, or `device` for all of them.
    pub field: &'static str,
    /// The driver's words.
    pub message: String,
}

/// Memory errors by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EccErrors {
    /// Errors that were put right.
    pub corrected: Option<u64>,
    /// Errors that were not.
    pub uncorrected: Option<u64>,
}

/// NVLink errors of all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvlinkErrors {
    /// Flow-control units with a bad checksum.
    pub crc_flit: Option<u64>,
    /// Data packets with a bad checksum.
    pub crc_data: Option<u64>,
    /// Packets sent again.
    pub replay: Option<u64>,
    /// Times that a link was trained anew.
    pub recovery: Option<u64>,
}

/// Pages of memory taken out of use (before Ampere, and AMD's bad pages).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetiredPages {
    /// After several corrected errors in one page.
    pub corrected: Option<u64>,
    /// After an uncorrected error.
    pub uncorrected: Option<u64>,
    /// Whether pages wait for the next start to be taken out.
    pub pending: Option<bool>,
}

/// Rows of memory replaced by spare ones (from Ampere on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemappedRows {
    /// After corrected errors.
    pub corrected: Option<u64>,
    /// After an uncorrected error.
    pub uncorrected: Option<u64>,
    /// Whether a row waits for a reset to be replaced.
    pub pending: Option<bool>,
    /// Whether a row could not be replaced.
    pub failed: Option<bool>,
}

/// Why clocks are lower than they could be. An idle GPU is not throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// Clocks that an operator set.
    ApplicationClocks,
    /// The power limit.
    SwPowerCap,
    /// The hardware halves the clocks: too hot, or a power brake.
    HwSlowdown,
    /// Another GPU of the group runs slower.
    SyncBoost,
    /// The driver slows it down: too hot.
    SwThermalSlowdown,
    /// The hardware slows it down: too hot.
    HwThermalSlowdown,
    /// The power supply asks for less.
    HwPowerBrake,
    /// The clocks of a display.
    DisplayClocks,
}

impl ThrottleReason {
    /// All of them, in the order of NVML's bits.
    pub const ALL: [Self; 8] = [
        Self::ApplicationClocks,
        Self::SwPowerCap,
        Self::HwSlowdown,
        Self::SyncBoost,
        Self::SwThermalSlowdown,
        Self::HwThermalSlowdown,
        Self::HwPowerBrake,
        Self::DisplayClocks,
    ];

    /// Its name in labels and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApplicationClocks => "application_clocks",
            Self::SwPowerCap => "sw_power_cap",
            Self::HwSlowdown => "hw_slowdown",
            Self::SyncBoost => "sync_boost",
            Self::SwThermalSlowdown => "sw_thermal_slowdown",
            Self::HwThermalSlowdown => "hw_thermal_slowdown",
            Self::HwPowerBrake => "hw_power_brake",
            Self::DisplayClocks => "display_clocks",
        }
    }

    /// Whether heat or the power supply is behind it, which someone should look at.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::HwSlowdown | Self::SwThermalSlowdown | Self::HwThermalSlowdown | Self::HwPowerBrake)
    }
}

/// What a driver says must be done to get a GPU back (NVML from driver 565 on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryAction {
    /// Nothing.
    None,
    /// Reset the GPU.
    GpuReset,
    /// Restart the machine.
    NodeReboot,
    /// Stop the work that uses peer-to-peer copies.
    DrainP2p,
    /// Let the work end, then reset the GPU.
    DrainAndReset,
}

impl RecoveryAction {
    /// Reads NVML's number.
    pub fn of_nvml(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::GpuReset,
            2 => Self::NodeReboot,
            3 => Self::DrainP2p,
            4 => Self::DrainAndReset,
            _ => return None,
        })
    }
}

impl GpuSample {
    /// A sample of a GPU that could not be asked at all.
    pub fn unavailable(why: impl Into<String>) -> Self {
        let message = why.into();
        Self {
            unavailable: Some(message.clone()),
            failures: vec![ReadFailure { field: "device", message }],
            ..Self::default()
        }
    }
}
