//! One look at one Intel GPU through the files of i915 and xe. They have no usage: that comes from a performance counter, which is
//! not read here, so it is absent.

use std::path::Path;
use std::time::Instant;

use super::sample::{GpuSample, ThrottleReason};
use super::sysfs::{PciGpu, Reader, labelled};
use crate::inventory::sysfs;

/// What is remembered from one look to the next: energy is counted, and power is what it grew by.
#[derive(Debug, Default)]
pub(super) struct EnergyMeter {
    last: Option<(Instant, f64)>,
}

impl EnergyMeter {
    /// Power since the last look; none at the first, nor after the counter started anew.
    fn power_watts(&mut self, now: Instant, energy_joules: f64) -> Option<f64> {
        let (then, before) = self.last.replace((now, energy_joules))?;
        let seconds = now.checked_duration_since(then)?.as_secs_f64();
        (seconds > 0.0 && energy_joules >= before).then(|| (energy_joules - before) / seconds)
    }
}

/// Asks a GPU for everything.
pub(super) fn read(gpu: &PciGpu, meter: &mut EnergyMeter, now: Instant) -> GpuSample {
    if !gpu.folder.is_dir() {
        return GpuSample::unavailable(format!("{} is no longer on the PCI bus", gpu.pci));
    }
    let mut reader = Reader::default();
    let mut sample = GpuSample::default();
    reader.pcie_link(&gpu.folder, &mut sample);
    let clock =
        |reader: &mut Reader, path: &Path| reader.scaled("sm_clock", path, 1.0).map(|megahertz| megahertz * 1e6);
    // xe by tile and engine group, then i915 by engine group, then i915 before it had groups.
    sample.sm_clock_hertz = clock(&mut reader, &gpu.folder.join("tile0/gt0/freq0/act_freq"));
    if let Some(card) = gpu.card() {
        let newer = |reader: &mut Reader| clock(reader, &card.join("gt/gt0/rps_act_freq_mhz"));
        let older = |reader: &mut Reader| clock(reader, &card.join("gt_act_freq_mhz"));
        sample.sm_clock_hertz = sample.sm_clock_hertz.or_else(|| newer(&mut reader)).or_else(|| older(&mut reader));
        sample.throttle = throttle(&mut reader, &card.join("gt/gt0"), "throttle_reason_");
        sample.memory_total_bytes = reader.bytes("memory", &card.join("lmem_total_bytes"));
        sample.memory_free_bytes = reader.bytes("memory", &card.join("lmem_avail_bytes"));
    }
    let of_xe = |reader: &mut Reader| throttle(reader, &gpu.folder.join("tile0/gt0/freq0/throttle"), "reason_");
    sample.throttle = sample.throttle.or_else(|| of_xe(&mut reader));
    sample.memory_total_bytes = sample.memory_total_bytes.or_else(|| memory_of_tiles(&mut reader, &gpu.folder));
    let used = |(total, free): (u64, u64)| total.checked_sub(free);
    sample.memory_used_bytes = sample.memory_total_bytes.zip(sample.memory_free_bytes).and_then(used);
    if let Some(sensors) = gpu.sensors() {
        read_sensors(&mut reader, &sensors, &mut sample);
        sample.power_watts = sample.energy_joules.and_then(|energy| meter.power_watts(now, energy));
    }
    GpuSample { failures: reader.failures, ..sample }
}

/// Bytes of the memory of all tiles that xe shows; none where one of them does not say.
fn memory_of_tiles(reader: &mut Reader, folder: &Path) -> Option<u64> {
    let tiles = sysfs::numbered(folder, "tile");
    let sum = tiles.iter().try_fold(0_u64, |sum, (_, tile)| {
        let places = ["physical_vram_size_bytes", "memory/physical_vram_size_bytes"];
        sum.checked_add(places.iter().find_map(|place| reader.bytes("memory", &tile.join(place)))?)
    });
    sum.filter(|&bytes| bytes > 0)
}

/// What the drivers say holds clocks down, and what that is called here. PL1, PL2 and PL4 are limits of average, burst and peak power,
/// `vr_tdc` one of the current that the voltage regulator bears, RATL one of the running average of the temperature.
const REASONS: [(&str, ThrottleReason); 8] = [
    ("pl1", ThrottleReason::SwPowerCap),
    ("pl2", ThrottleReason::SwPowerCap),
    ("pl4", ThrottleReason::SwPowerCap),
    ("vr_tdc", ThrottleReason::SwPowerCap),
    ("prochot", ThrottleReason::HwSlowdown),
    ("thermal", ThrottleReason::HwThermalSlowdown),
    ("ratl", ThrottleReason::HwThermalSlowdown),
    ("vr_thermalert", ThrottleReason::HwThermalSlowdown),
];

/// Why the clocks of the first tile are held down: a file a reason, 1 while it holds. Absent where the driver has no such files.
fn throttle(reader: &mut Reader, folder: &Path, prefix: &str) -> Option<Vec<ThrottleReason>> {
    let files = REASONS.map(|(name, reason)| {
        let holds: Option<u32> = reader.number("throttle", &folder.join(format!("{prefix}{name}")));
        holds.map(|holds| (holds != 0).then_some(reason))
    });
    let told: Vec<Option<ThrottleReason>> = files.into_iter().flatten().collect();
    let mut reasons: Vec<ThrottleReason> = told.iter().copied().flatten().collect();
    reasons.sort_unstable();
    reasons.dedup();
    (!told.is_empty()).then_some(reasons)
}

fn read_sensors(reader: &mut Reader, sensors: &Path, sample: &mut GpuSample) {
    let at = |name: String| sensors.join(name);
    let chip = labelled(sensors, "temp", "pkg").unwrap_or(1);
    sample.temperature_celsius = reader.scaled("temperature", &at(format!("temp{chip}_input")), 1e3);
    sample.slowdown_temperature_celsius = reader.scaled("slowdown_temperature", &at(format!("temp{chip}_crit")), 1e3);
    sample.shutdown_temperature_celsius =
        reader.scaled("shutdown_temperature", &at(format!("temp{chip}_emergency")), 1e3);
    if let Some(memory) = labelled(sensors, "temp", "vram") {
        sample.memory_temperature_celsius =
            reader.scaled("memory_temperature", &at(format!("temp{memory}_input")), 1e3);
    }
    sample.energy_joules = reader.scaled("energy", &at("energy1_input".into()), 1e6);
    sample.power_limit_watts = reader
        .scaled("power_limit", &at("power1_max".into()), 1e6)
        .or_else(|| reader.scaled("power_limit", &at("power1_cap".into()), 1e6));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::telemetry::fixtures::{ARC_I915, PVC_XE, tree};
    use crate::telemetry::sysfs::gpus;

    #[test]
    fn power_is_what_the_energy_counter_grew_by() {
        let root = tree(PVC_XE);
        let found = gpus(root.path());
        let (mut meter, start) = (EnergyMeter::default(), Instant::now());
        let first = read(&found[0], &mut meter, start);
        assert_eq!(first.failures, []);
        assert_eq!((first.energy_joules, first.power_watts), (Some(1234.5), None));
        assert_eq!((first.temperature_celsius, first.memory_temperature_celsius), (Some(39.0), Some(36.0)));
        assert_eq!(first.sm_clock_hertz, Some(1.6e9));
        assert_eq!(first.memory_total_bytes, Some(2 * 68_719_476_736), "of both tiles");
        assert_eq!(found[0].identity().name.as_deref(), Some("Intel Data Center GPU Max 1550"));
        fs::write(found[0].sensors().unwrap().join("energy1_input"), "1834500000\n").unwrap();
        let second = read(&found[0], &mut meter, start + Duration::from_secs(2));
        assert_eq!(second.power_watts, Some(300.0));
        // The counter starts anew after a reset.
        fs::write(found[0].sensors().unwrap().join("energy1_input"), "5\n").unwrap();
        assert_eq!(read(&found[0], &mut meter, start + Duration::from_secs(4)).power_watts, None);
    }

    #[test]
    fn memory_is_of_all_tiles_or_none() {
        let root = tree(PVC_XE);
        let gpu = gpus(root.path()).remove(0);
        let memory = || {
            let sample = read(&gpu, &mut EnergyMeter::default(), Instant::now());
            (sample.memory_total_bytes, sample.failures.len())
        };
        let of_second = gpu.folder.join("tile1/physical_vram_size_bytes");
        fs::write(&of_second, "0x1000000000\n").unwrap();
        assert_eq!(memory(), (Some(128 << 30), 0));
        fs::write(&of_second, "much\n").unwrap();
        assert_eq!(memory(), (None, 1), "half a card is no answer");
        fs::remove_file(&of_second).unwrap();
        assert_eq!(memory(), (None, 0));
    }

    #[test]
    fn throttling_is_what_the_drivers_files_say() {
        for (files, folder, prefix) in [
            (ARC_I915, "bus/pci/devices/0000:03:00.0/drm/card0/gt/gt0", "throttle_reason_"),
            (PVC_XE, "bus/pci/devices/0000:29:00.0/tile0/gt0/freq0/throttle", "reason_"),
        ] {
            let root = tree(files);
            let gpu = gpus(root.path()).remove(0);
            let throttled = || {
                let sample = read(&gpu, &mut EnergyMeter::default(), Instant::now());
                (sample.throttle, sample.failures.len())
            };
            assert_eq!(throttled(), (None, 0), "older drivers have no such files");
            let set = |reason: &str, text: &str| {
                fs::create_dir_all(root.path().join(folder)).unwrap();
                fs::write(root.path().join(folder).join(format!("{prefix}{reason}")), text).unwrap();
            };
            set("status", "0\n");
            REASONS.iter().for_each(|(reason, _)| set(reason, "0\n"));
            assert_eq!(throttled(), (Some(vec![]), 0));
            set("pl1", "1\n");
            set("pl4", "1\n");
            set("ratl", "1\n");
            assert_eq!(
                throttled(),
                (Some(vec![ThrottleReason::SwPowerCap, ThrottleReason::HwThermalSlowdown]), 0),
                "{prefix}"
            );
            // One that cannot be read takes none of the others with it.
            set("ratl", "rubbish\n");
            assert_eq!(throttled(), (Some(vec![ThrottleReason::SwPowerCap]), 1), "{prefix}");
        }
    }

    #[test]
    fn an_arc_board_shows_what_i915_has() {
        let root = tree(ARC_I915);
        let found = gpus(root.path());
        assert_eq!(found.len(), 1, "the board's audio and its bridge are no GPUs");
        let sample = read(&found[0], &mut EnergyMeter::default(), Instant::now());
        assert_eq!(sample.failures, []);
        assert_eq!((sample.sm_clock_hertz, sample.power_limit_watts), (Some(600e6), Some(190.0)));
        assert_eq!(
            (sample.utilization_ratio, sample.memory_total_bytes, sample.temperature_celsius),
            (None, None, None)
        );
    }
}
