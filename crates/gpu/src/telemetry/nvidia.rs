//! One look at one NVIDIA GPU through NVML. What the board does not have is absent; what the driver refuses is absent and counted.

use std::sync::{Mutex, PoisonError};

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PcieUtilCounter, RetirementCause, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id;
use nvml_wrapper::{Device, Nvml};

use super::nvml_fields::{self, ALL_LINKS};
use super::sample::{
    EccErrors, GpuSample, NvlinkErrors, ReadFailure, RecoveryAction, RemappedRows, RetiredPages, ThrottleReason,
};

/// What is asked by field number, all in one call.
const FIELDS: [(u32, u32); 12] = [
    (field_id::NVML_FI_DEV_MEMORY_TEMP, 0),
    (field_id::NVML_FI_DEV_REMAPPED_COR, 0),
    (field_id::NVML_FI_DEV_REMAPPED_UNC, 0),
    (field_id::NVML_FI_DEV_REMAPPED_PENDING, 0),
    (field_id::NVML_FI_DEV_REMAPPED_FAILURE, 0),
    (field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, ALL_LINKS),
    (field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, ALL_LINKS),
    (field_id::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, 0),
    (field_id::NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL, 0),
    (field_id::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, 0),
    (field_id::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, 0),
    (field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0),
];

const KIBIBYTE: u64 = 1024;

/// What a reader asks its driver at this moment, for whoever waits for it in vain.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<&'static str>);

impl Asking {
    /// The question: a field of [`GpuSample`], `fields` for those that are asked by number, or `device` for the GPU itself.
    pub(super) fn question(&self) -> &'static str {
        // Held for a copy, in which nothing can panic.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, question: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = question;
    }
}

/// Asks a GPU, by its place in NVML's list, for everything.
pub(super) fn read(nvml: &Nvml, index: u32, asking: &Asking) -> GpuSample {
    asking.set("device");
    let device = match nvml.device_by_index(index) {
        Ok(device) => device,
        Err(error) => return GpuSample::unavailable(format!("NVML: {error}")),
    };
    let mut asked = Asked { asking, failures: Vec::new(), lost: None };
    let sample = read_device(&device, &mut asked);
    match asked.lost {
        Some(error) => GpuSample::unavailable(format!("NVML: {error}")),
        None => GpuSample { failures: asked.failures, ..sample },
    }
}

/// What became of the questions to one GPU.
struct Asked<'a> {
    asking: &'a Asking,
    failures: Vec<ReadFailure>,
    lost: Option<NvmlError>,
}

impl Asked<'_> {
    /// Asks, and says meanwhile what.
    fn ask<T>(&mut self, field: &'static str, question: impl FnOnce() -> Result<T, NvmlError>) -> Option<T> {
        self.asking.set(field);
        self.take(field, question())
    }

    /// The answer, if there is one.
    fn take<T>(&mut self, field: &'static str, answer: Result<T, NvmlError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            // The board, or this version of the driver, does not have it: no failure.
            Err(
                NvmlError::NotSupported
                | NvmlError::FunctionNotFound
                | NvmlError::FailedToLoadSymbol(_)
                | NvmlError::VgpuEccNotSupported,
            ) => None,
            Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired)) => {
                self.lost.get_or_insert(error);
                None
            }
            Err(error) => {
                self.failures.push(ReadFailure { field, message: error.to_string() });
                None
            }
        }
    }
}

fn read_device(device: &Device<'_>, asked: &mut Asked<'_>) -> GpuSample {
    let utilization = asked.ask("utilization", || device.utilization_rates());
    let memory = asked.ask("memory", || device.memory_info());
    let encoder = asked.ask("encoder_utilization", || device.encoder_utilization());
    let decoder = asked.ask("decoder_utilization", || device.decoder_utilization());
    let threshold = |which| device.temperature_threshold(which);
    let fields = asked.ask("fields", || nvml_fields::read(device, &FIELDS)).unwrap_or_default();
    let mut sample = GpuSample {
        utilization_ratio: utilization.as_ref().map(|it| percent(it.gpu)),
        memory_utilization_ratio: utilization.as_ref().map(|it| percent(it.memory)),
        encoder_utilization_ratio: encoder.map(|it| percent(it.utilization)),
        decoder_utilization_ratio: decoder.map(|it| percent(it.utilization)),
        memory_total_bytes: memory.as_ref().map(|it| it.total),
        memory_used_bytes: memory.as_ref().map(|it| it.used),
        memory_free_bytes: memory.as_ref().map(|it| it.free),
        memory_reserved_bytes: memory.as_ref().map(|it| it.reserved),
        temperature_celsius: asked.ask("temperature", || device.temperature(TemperatureSensor::Gpu)).map(f64::from),
        slowdown_temperature_celsius: asked
            .ask("slowdown_temperature", || threshold(TemperatureThreshold::Slowdown))
            .map(f64::from),
        shutdown_temperature_celsius: asked
            .ask("shutdown_temperature", || threshold(TemperatureThreshold::Shutdown))
            .map(f64::from),
        power_watts: asked.ask("power", || device.power_usage()).map(|it| f64::from(it) / 1e3),
        power_limit_watts: asked.ask("power_limit", || device.enforced_power_limit()).map(|it| f64::from(it) / 1e3),
        energy_joules: asked.ask("energy", || device.total_energy_consumption()).map(|it| it as f64 / 1e3),
        sm_clock_hertz: asked.ask("sm_clock", || device.clock_info(Clock::SM)).map(megahertz),
        memory_clock_hertz: asked.ask("memory_clock", || device.clock_info(Clock::Memory)).map(megahertz),
        fan_speed_ratio: asked.ask("fan_speed", || first_fan(device)).map(percent),
        // NVML's KB are thousands of bytes a second, over its last 20 ms.
        pcie_transmit_bytes_per_second: asked
            .ask("pcie_transmit", || device.pcie_throughput(PcieUtilCounter::Send))
            .map(|it| f64::from(it) * 1e3),
        pcie_receive_bytes_per_second: asked
            .ask("pcie_receive", || device.pcie_throughput(PcieUtilCounter::Receive))
            .map(|it| f64::from(it) * 1e3),
        pcie_replays: asked.ask("pcie_replays", || device.pcie_replay_counter()).map(u64::from),
        pcie_link_generation: asked.ask("pcie_link_generation", || device.current_pcie_link_gen()),
        pcie_link_width: asked.ask("pcie_link_width", || device.current_pcie_link_width()),
        ecc_enabled: asked.ask("ecc_enabled", || device.is_ecc_enabled()).map(|it| it.currently_enabled),
        ecc_volatile: ecc_errors(device, EccCounter::Volatile, asked),
        ecc_aggregate: ecc_errors(device, EccCounter::Aggregate, asked),
        retired_pages: retired_pages(device, asked),
        throttle: asked.ask("throttle", || device.current_throttle_reasons()).map(throttle_reasons),
        ..GpuSample::default()
    };
    by_number(&mut sample, fields, asked);
    sample
}

/// Speed of the first fan, in percent. A board without fans says that there is no first one.
fn first_fan(device: &Device<'_>) -> Result<u32, NvmlError> {
    device.fan_speed(0).map_err(|error| match error {
        NvmlError::InvalidArg => NvmlError::NotSupported,
        other => other,
    })
}

fn ecc_errors(device: &Device<'_>, counter: EccCounter, asked: &mut Asked<'_>) -> EccErrors {
    let errors = |kind| device.total_ecc_errors(kind, counter);
    let mut ask = |kind| asked.ask("ecc_errors", || errors(kind));
    EccErrors { corrected: ask(MemoryError::Corrected), uncorrected: ask(MemoryError::Uncorrected) }
}

fn retired_pages(device: &Device<'_>, asked: &mut Asked<'_>) -> RetiredPages {
    let mut pages = |cause| asked.ask("retired_pages", || device.retired_pages(cause)).map(|pages| pages.len() as u64);
    RetiredPages {
        corrected: pages(RetirementCause::MultipleSingleBitEccErrors),
        uncorrected: pages(RetirementCause::DoubleBitEccError),
        pending: asked.ask("retired_pages", || device.are_pages_pending_retired()),
    }
}

/// Puts the answers to [`FIELDS`] in their places.
fn by_number(sample: &mut GpuSample, answers: Vec<Result<u64, NvmlError>>, asked: &mut Asked<'_>) {
    let mut answers = answers.into_iter();
    let mut next = |field| answers.next().and_then(|answer| asked.take(field, answer));
    sample.memory_temperature_celsius = next("memory_temperature").map(|it| it as f64);
    sample.remapped_rows = RemappedRows {
        corrected: next("remapped_rows"),
        uncorrected: next("remapped_rows"),
        pending: next("remapped_rows").map(|it| it != 0),
        failed: next("remapped_rows").map(|it| it != 0),
    };
    let bytes = |kibibytes: u64| kibibytes.saturating_mul(KIBIBYTE);
    sample.nvlink_transmit_bytes = next("nvlink_transmit").map(bytes);
    sample.nvlink_receive_bytes = next("nvlink_receive").map(bytes);
    sample.nvlink_errors = NvlinkErrors {
        crc_flit: next("nvlink_errors"),
        crc_data: next("nvlink_errors"),
        replay: next("nvlink_errors"),
        recovery: next("nvlink_errors"),
    };
    sample.recovery_action = next("recovery_action").and_then(RecoveryAction::of_nvml);
}

/// NVML counts in whole percent.
fn percent(value: u32) -> f64 {
    f64::from(value) / 100.0
}

fn megahertz(value: u32) -> f64 {
    f64::from(value) * 1e6
}

/// An idle GPU, or one without any reason, gives an empty list.
fn throttle_reasons(bits: ThrottleReasons) -> Vec<ThrottleReason> {
    let reason_of = [
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, ThrottleReason::ApplicationClocks),
        (ThrottleReasons::SW_POWER_CAP, ThrottleReason::SwPowerCap),
        (ThrottleReasons::HW_SLOWDOWN, ThrottleReason::HwSlowdown),
        (ThrottleReasons::SYNC_BOOST, ThrottleReason::SyncBoost),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, ThrottleReason::SwThermalSlowdown),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, ThrottleReason::HwThermalSlowdown),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, ThrottleReason::HwPowerBrake),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, ThrottleReason::DisplayClocks),
    ];
    reason_of.into_iter().filter(|(bit, _)| bits.contains(*bit)).map(|(_, reason)| reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_gpu_is_not_throttled() {
        assert_eq!(throttle_reasons(ThrottleReasons::GPU_IDLE), []);
        assert_eq!(throttle_reasons(ThrottleReasons::NONE), []);
        let hot = ThrottleReasons::HW_SLOWDOWN | ThrottleReasons::HW_THERMAL_SLOWDOWN;
        assert_eq!(throttle_reasons(hot), [ThrottleReason::HwSlowdown, ThrottleReason::HwThermalSlowdown]);
    }

    #[test]
    fn what_a_board_lacks_is_no_failure_and_a_refusal_is() {
        let asking = Asking::default();
        let mut asked = Asked { asking: &asking, failures: Vec::new(), lost: None };
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::NotSupported)), None);
        assert!(asked.failures.is_empty() && asked.lost.is_none());
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::Unknown)), None);
        assert_eq!(asked.failures.len(), 1);
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::GpuLost)), None);
        assert!(asked.lost.is_some());
    }
}
