//! One look at one AMD GPU through amdgpu's files: usage, memory, sensors, and the counts of its reliability features (RAS).

use std::fs;
use std::path::Path;

use super::sample::{EccErrors, GpuSample, ReadFailure, RetiredPages};
use super::sysfs::{PciGpu, Reader, labelled};

/// Asks a GPU for everything.
pub(super) fn read(gpu: &PciGpu) -> GpuSample {
    if !gpu.folder.is_dir() {
        return GpuSample::unavailable(format!("{} is no longer on the PCI bus", gpu.pci));
    }
    let mut reader = Reader::default();
    let at = |name: &str| gpu.folder.join(name);
    let total: Option<u64> = reader.number("memory", &at("mem_info_vram_total"));
    let used: Option<u64> = reader.number("memory", &at("mem_info_vram_used"));
    let mut sample = GpuSample {
        utilization_ratio: reader.scaled("utilization", &at("gpu_busy_percent"), 100.0),
        memory_utilization_ratio: reader.scaled("utilization", &at("mem_busy_percent"), 100.0),
        memory_total_bytes: total,
        memory_used_bytes: used,
        memory_free_bytes: total.zip(used).and_then(|(total, used)| total.checked_sub(used)),
        pcie_replays: reader.number("pcie_replays", &at("pcie_replay_count")),
        ecc_volatile: ras_errors(&mut reader, &at("ras")),
        retired_pages: bad_pages(&mut reader, &at("ras/gpu_vram_bad_pages")),
        ..GpuSample::default()
    };
    reader.pcie_link(&gpu.folder, &mut sample);
    if let Some(sensors) = gpu.sensors() {
        read_sensors(&mut reader, &sensors, &mut sample);
    }
    GpuSample { failures: reader.failures, ..sample }
}

fn read_sensors(reader: &mut Reader, sensors: &Path, sample: &mut GpuSample) {
    let at = |name: String| sensors.join(name);
    // The hottest spot decides when the clocks go down; a board without it has the edge.
    let chip = labelled(sensors, "temp", "junction").or_else(|| labelled(sensors, "temp", "edge")).unwrap_or(1);
    sample.temperature_celsius = reader.scaled("temperature", &at(format!("temp{chip}_input")), 1e3);
    sample.slowdown_temperature_celsius = reader.scaled("slowdown_temperature", &at(format!("temp{chip}_crit")), 1e3);
    sample.shutdown_temperature_celsius =
        reader.scaled("shutdown_temperature", &at(format!("temp{chip}_emergency")), 1e3);
    if let Some(memory) = labelled(sensors, "temp", "mem") {
        sample.memory_temperature_celsius =
            reader.scaled("memory_temperature", &at(format!("temp{memory}_input")), 1e3);
    }
    // Boards have one or the other: the average of a short time, or the value of this instant.
    sample.power_watts = reader
        .scaled("power", &at("power1_average".into()), 1e6)
        .or_else(|| reader.scaled("power", &at("power1_input".into()), 1e6));
    sample.power_limit_watts = reader.scaled("power_limit", &at("power1_cap".into()), 1e6);
    let clock = |reader: &mut Reader, field, label, otherwise| {
        let n = labelled(sensors, "freq", label).unwrap_or(otherwise);
        reader.scaled(field, &at(format!("freq{n}_input")), 1.0)
    };
    sample.sm_clock_hertz = clock(reader, "sm_clock", "sclk", 1);
    sample.memory_clock_hertz = clock(reader, "memory_clock", "mclk", 2);
    let fan: Option<f64> = reader.number("fan_speed", &at("fan1_input".into()));
    let fastest: Option<f64> = reader.number("fan_speed", &at("fan1_max".into()));
    sample.fan_speed_ratio = fan.zip(fastest).filter(|(_, fastest)| *fastest > 0.0).map(|(fan, fastest)| fan / fastest);
}

/// Sums over the blocks of the chip: each `*_err_count` holds `ue: 0` and `ce: 0`.
fn ras_errors(reader: &mut Reader, folder: &Path) -> EccErrors {
    let mut errors = EccErrors::default();
    let Ok(entries) = fs::read_dir(folder) else { return errors };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().ends_with("_err_count") {
            continue;
        }
        let refused = reader.failures.len();
        let Some(text) = reader.text("ecc_errors", &entry.path()) else {
            // A sum without one of its parts would look like a reset, and the part like new errors when it is back.
            if reader.failures.len() > refused {
                return EccErrors::default();
            }
            continue;
        };
        let count = |kind: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(kind)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        let (uncorrected, corrected) = (count("ue"), count("ce"));
        if uncorrected.is_none() && corrected.is_none() {
            let message = format!("{}: no ue and ce in {text:?}", entry.path().display());
            reader.failures.push(ReadFailure { field: "ecc_errors", message });
            continue;
        }
        let add =
            |sum: Option<u64>, more: Option<u64>| more.map_or(sum, |more| Some(sum.unwrap_or(0).saturating_add(more)));
        errors.uncorrected = add(errors.uncorrected, uncorrected);
        errors.corrected = add(errors.corrected, corrected);
    }
    errors
}

/// Pages by their mark at the end of a line: `R` retired, `P` pending.
fn bad_pages(reader: &mut Reader, path: &Path) -> RetiredPages {
    // An empty list is a board without bad pages; `text` would call it nothing.
    if !path.is_file() {
        return RetiredPages::default();
    }
    let before = reader.failures.len();
    let text = reader.text("retired_pages", path).unwrap_or_default();
    if reader.failures.len() > before {
        return RetiredPages::default();
    }
    let marked = |mark: &str| text.lines().filter(|line| line.trim_end().ends_with(mark)).count() as u64;
    RetiredPages { corrected: None, uncorrected: Some(marked("R")), pending: Some(marked("P") > 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Vendor;
    use crate::telemetry::fixtures::{MI300X, tree};
    use crate::telemetry::sysfs::gpus;

    #[test]
    fn an_mi300x_is_read_in_base_units() {
        let root = tree(MI300X);
        let found = gpus(root.path());
        assert_eq!(found.len(), 1);
        let identity = found[0].identity();
        assert_eq!(identity.vendor, Vendor::Amd);
        assert_eq!(identity.name.as_deref(), Some("AMD Instinct MI300X OAM"));
        assert_eq!(identity.uuid.as_deref(), Some("GPU-8a1c3e5f70924b6d"));
        assert_eq!(identity.minor_number, Some(1));
        let sample = read(&found[0]);
        assert_eq!(sample.failures, []);
        assert_eq!(sample.utilization_ratio, Some(0.42));
        assert_eq!(sample.memory_total_bytes, Some(206_141_652_992));
        assert_eq!(sample.memory_free_bytes, Some(206_141_652_992 - 297_385_984));
        assert_eq!((sample.temperature_celsius, sample.memory_temperature_celsius), (Some(48.0), Some(41.0)));
        assert_eq!(sample.slowdown_temperature_celsius, Some(100.0));
        assert_eq!((sample.power_watts, sample.power_limit_watts), (Some(141.0), Some(750.0)));
        assert_eq!(sample.sm_clock_hertz, Some(132e6));
        assert_eq!((sample.pcie_link_generation, sample.pcie_link_width), (Some(5), Some(16)));
        assert_eq!(sample.ecc_volatile, EccErrors { corrected: Some(5), uncorrected: Some(1) });
        assert_eq!(sample.retired_pages, RetiredPages { corrected: None, uncorrected: Some(2), pending: Some(true) });
        assert_eq!(sample.fan_speed_ratio, None);
    }

    #[test]
    fn what_cannot_be_read_is_absent_and_counted_and_hides_nothing_else() {
        let root = tree(MI300X);
        let found = gpus(root.path());
        fs::write(found[0].folder.join("gpu_busy_percent"), "busy\n").unwrap();
        fs::remove_file(found[0].folder.join("mem_info_vram_used")).unwrap();
        // A folder in a file's place cannot be read by anyone.
        fs::remove_file(found[0].folder.join("ras/umc_err_count")).unwrap();
        fs::create_dir(found[0].folder.join("ras/umc_err_count")).unwrap();
        let sample = read(&found[0]);
        assert_eq!((sample.utilization_ratio, sample.memory_used_bytes, sample.memory_free_bytes), (None, None, None));
        let fields: Vec<_> = sample.failures.iter().map(|failure| failure.field).collect();
        assert_eq!(fields, ["utilization", "ecc_errors"]);
        assert_eq!(sample.ecc_volatile, EccErrors::default());
        assert_eq!(sample.temperature_celsius, Some(48.0));
    }

    #[test]
    fn a_card_that_is_gone_says_so() {
        let root = tree(MI300X);
        let found = gpus(root.path());
        fs::remove_dir_all(&found[0].folder).unwrap();
        assert!(read(&found[0]).unavailable.unwrap().contains("no longer on the PCI bus"));
    }
}
