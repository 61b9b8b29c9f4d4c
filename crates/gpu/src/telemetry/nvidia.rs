//! One look at one NVIDIA GPU through NVML. What the board does not have is absent; what the driver refuses is absent and counted.

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

/// Asks a GPU, by its place in NVML's list, for everything.
pub(super) fn read(nvml: &Nvml, index: u32) -> GpuSample {
    let device = match nvml.device_by_index(index) {
        Ok(device) => device,
        Err(error) => return GpuSample::unavailable(format!("NVML: {error}")),
    };
    let mut asked = Asked::default();
    let sample = read_device(&device, &mut asked);
    match asked.lost {
        Some(error) => GpuSample::unavailable(format!("NVML: {error}")),
        None => GpuSample { failures: asked.failures, ..sample },
    }
}

/// What became of the questions to one GPU.
#[derive(Default)]
struct Asked {
    failures: Vec<ReadFailure>,
    lost: Option<NvmlError>,
}

impl Asked {
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

fn read_device(device: &Device<'_>, asked: &mut Asked) -> GpuSample {
    let utilization = asked.take("utilization", device.utilization_rates());
    let memory = asked.take("memory", device.memory_info());
    let encoder = asked.take("encoder_utilization", device.encoder_utilization());
    let decoder = asked.take("decoder_utilization", device.decoder_utilization());
    let threshold = |which| device.temperature_threshold(which);
    let fields = asked.take("fields", nvml_fields::read(device, &FIELDS)).unwrap_or_default();
    let mut sample = GpuSample {
        utilization_ratio: utilization.as_ref().map(|it| percent(it.gpu)),
        memory_utilization_ratio: utilization.as_ref().map(|it| percent(it.memory)),
        encoder_utilization_ratio: encoder.map(|it| percent(it.utilization)),
        decoder_utilization_ratio: decoder.map(|it| percent(it.utilization)),
        memory_total_bytes: memory.as_ref().map(|it| it.total),
        memory_used_bytes: memory.as_ref().map(|it| it.used),
        memory_free_bytes: memory.as_ref().map(|it| it.free),
        memory_reserved_bytes: memory.as_ref().map(|it| it.reserved),
        temperature_celsius: asked.take("temperature", device.temperature(TemperatureSensor::Gpu)).map(f64::from),
        slowdown_temperature_celsius: asked
            .take("slowdown_temperature", threshold(TemperatureThreshold::Slowdown))
            .map(f64::from),
        shutdown_temperature_celsius: asked
            .take("shutdown_temperature", threshold(TemperatureThreshold::Shutdown))
            .map(f64::from),
        power_watts: asked.take("power", device.power_usage()).map(|it| f64::from(it) / 1e3),
        power_limit_watts: asked.take("power_limit", device.enforced_power_limit()).map(|it| f64::from(it) / 1e3),
        energy_joules: asked.take("energy", device.total_energy_consumption()).map(|it| it as f64 / 1e3),
        sm_clock_hertz: asked.take("sm_clock", device.clock_info(Clock::SM)).map(megahertz),
        memory_clock_hertz: asked.take("memory_clock", device.clock_info(Clock::Memory)).map(megahertz),
        fan_speed_ratio: asked.take("fan_speed", first_fan(device)).map(percent),
        // NVML's KB are thousands of bytes a second, over its last 20 ms.
        pcie_transmit_bytes_per_second: asked
            .take("pcie_transmit", device.pcie_throughput(PcieUtilCounter::Send))
            .map(|it| f64::from(it) * 1e3),
        pcie_receive_bytes_per_second: asked
            .take("pcie_receive", device.pcie_throughput(PcieUtilCounter::Receive))
            .map(|it| f64::from(it) * 1e3),
        pcie_replays: asked.take("pcie_replays", device.pcie_replay_counter()).map(u64::from),
        pcie_link_generation: asked.take("pcie_link_generation", device.current_pcie_link_gen()),
        pcie_link_width: asked.take("pcie_link_width", device.current_pcie_link_width()),
        ecc_enabled: asked.take("ecc_enabled", device.is_ecc_enabled()).map(|it| it.currently_enabled),
        ecc_volatile: ecc_errors(device, EccCounter::Volatile, asked),
        ecc_aggregate: ecc_errors(device, EccCounter::Aggregate, asked),
        retired_pages: retired_pages(device, asked),
        throttle: asked.take("throttle", device.current_throttle_reasons()).map(throttle_reasons),
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

fn ecc_errors(device: &Device<'_>, counter: EccCounter, asked: &mut Asked) -> EccErrors {
    let errors = |kind| device.total_ecc_errors(kind, counter);
    let (corrected, uncorrected) = (errors(MemoryError::Corrected), errors(MemoryError::Uncorrected));
    EccErrors { corrected: asked.take("ecc_errors", corrected), uncorrected: asked.take("ecc_errors", uncorrected) }
}

fn retired_pages(device: &Device<'_>, asked: &mut Asked) -> RetiredPages {
    let mut pages = |cause| {
        let answer = device.retired_pages(cause);
        asked.take("retired_pages", answer).map(|pages| pages.len() as u64)
    };
    RetiredPages {
        corrected: pages(RetirementCause::MultipleSingleBitEccErrors),
        uncorrected: pages(RetirementCause::DoubleBitEccError),
        pending: asked.take("retired_pages", device.are_pages_pending_retired()),
    }
}

/// Puts the answers to [`FIELDS`] in their places.
fn by_number(sample: &mut GpuSample, answers: Vec<Result<u64, NvmlError>>, asked: &mut Asked) {
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
        let mut asked = Asked::default();
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::NotSupported)), None);
        assert!(asked.failures.is_empty() && asked.lost.is_none());
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::Unknown)), None);
        assert_eq!(asked.failures.len(), 1);
        assert_eq!(asked.take("a", Err::<u32, _>(NvmlError::GpuLost)), None);
        assert!(asked.lost.is_some());
    }
}
