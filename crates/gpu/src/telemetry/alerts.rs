//! Thresholds with hysteresis: an alert is raised when its value passes one mark and ends when it falls below a lower one, so that a
//! value that hovers raises it once. Pure; who calls it logs and counts.

use super::snapshot::GpuView;
use crate::health::State;

/// Share of lendable memory by which usage must fall below the threshold before the alert ends.
const MEMORY_MARGIN: f64 = 0.05;

/// °C by which the temperature must fall below the slowdown limit before the alert ends.
const TEMPERATURE_MARGIN: f64 = 5.0;

/// Names of the alerts, as in the label `alert`.
pub const NAMES: [&str; 3] = [MEMORY, TEMPERATURE, FAILED];

/// In-use memory has passed the threshold.
const MEMORY: &str = "memory";
/// The chip has reached its slowdown limit.
const TEMPERATURE: &str = "temperature";
/// The GPU has failed.
const FAILED: &str = "failed";

/// What an operator decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertSettings {
    /// Whether alerts are raised at all.
    pub enabled: bool,
    /// Share of the lendable memory from which the memory alert is raised, in (0, 1].
    pub memory_threshold: f64,
    /// Share of a device's memory that may be lent, in (0, 1].
    pub memory_fraction: f64,
}

/// An alert that began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// Its name.
    pub alert: &'static str,
    /// Whether it began.
    pub raised: bool,
    /// What was seen.
    pub message: String,
}

/// Compares a GPU's last sample with the thresholds, keeps its counters, and gives what began or ended.
///
/// A value that is not there changes nothing: an alert neither begins nor ends on a missing sample.
pub fn check(gpu: &mut GpuView, settings: &AlertSettings) -> Vec<Crossing> {
    if !settings.enabled {
        return Vec::new();
    }
    let sample = &gpu.sample;
    let memory =
        sample.memory_used_bytes.zip(sample.memory_total_bytes).filter(|(_, total)| *total > 0).map(|(used, total)| {
            let share = used as f64 / (total as f64 * settings.memory_fraction);
            let message = format!("{:.1} % of the lendable memory in use", share * 100.0);
            (level(share, settings.memory_threshold, MEMORY_MARGIN), message)
        });
    let temperature = sample.temperature_celsius.zip(sample.slowdown_temperature_celsius).map(|(now, limit)| {
        let message = format!("{now} °C, slowdown limit {limit} °C");
        (level(now, limit, TEMPERATURE_MARGIN), message)
    });
    let failed = match gpu.health.state() {
        State::Failed => Level::Above,
        // Recovering is not over yet.
        State::Recovering => Level::Between,
        State::Healthy | State::Degraded => Level::Below,
    };
    let why = gpu.health.reasons.first().map_or_else(|| "usable again".to_string(), |reason| reason.message.clone());
    let levels = [(MEMORY, memory), (TEMPERATURE, temperature), (FAILED, Some((failed, why)))];
    let mut crossings = Vec::new();
    for (alert, seen) in levels {
        let Some((level, message)) = seen else { continue };
        let active = gpu.counters.alerts_active.entry(alert).or_insert(false);
        let raised = match (level, *active) {
            (Level::Above, false) => true,
            (Level::Below, true) => false,
            _ => continue,
        };
        *active = raised;
        *gpu.counters.alerts.entry(alert).or_default() += u64::from(raised);
        crossings.push(Crossing { alert, raised, message });
    }
    crossings
}

/// Where a value stands to a threshold and the mark below it.
enum Level {
    Above,
    Between,
    Below,
}

fn level(value: f64, threshold: f64, margin: f64) -> Level {
    match value {
        value if value >= threshold => Level::Above,
        value if value < threshold - margin => Level::Below,
        _ => Level::Between,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sample::GpuSample;
    use crate::telemetry::snapshot::GpuCounters;
    use crate::telemetry::test_gpus;

    const SETTINGS: AlertSettings = AlertSettings { enabled: true, memory_threshold: 0.9, memory_fraction: 0.8 };

    fn after(gpu: &mut GpuView, sample: GpuSample) -> Vec<(&'static str, bool)> {
        gpu.sample = sample;
        check(gpu, &SETTINGS).into_iter().map(|crossing| (crossing.alert, crossing.raised)).collect()
    }

    fn with_memory(used: u64) -> GpuSample {
        GpuSample { memory_used_bytes: Some(used), memory_total_bytes: Some(1000), ..GpuSample::default() }
    }

    #[test]
    fn a_value_that_hovers_raises_an_alert_once() {
        let mut gpu = test_gpus(1).remove(0);
        gpu.counters = GpuCounters::default();
        // 90 % of what may be lent is 72 % of the memory; the alert ends below 85 %, which is 68 %.
        assert_eq!(after(&mut gpu, with_memory(719)), []);
        assert_eq!(after(&mut gpu, with_memory(720)), [("memory", true)]);
        for used in [719, 721, 690, 725, 681] {
            assert_eq!(after(&mut gpu, with_memory(used)), [], "{used}");
        }
        assert_eq!(after(&mut gpu, GpuSample::default()), []);
        assert_eq!(after(&mut gpu, with_memory(679)), [("memory", false)]);
        assert_eq!(after(&mut gpu, with_memory(800)), [("memory", true)]);
        assert_eq!(gpu.counters.alerts["memory"], 2);
    }

    #[test]
    fn alerts_that_are_turned_off_stay_off() {
        let mut gpu = test_gpus(1).remove(0);
        gpu.counters = GpuCounters::default();
        gpu.sample = with_memory(1000);
        assert_eq!(check(&mut gpu, &AlertSettings { enabled: false, ..SETTINGS }), []);
        assert_eq!(gpu.counters, GpuCounters::default());
    }

    #[test]
    fn heat_is_compared_with_the_slowdown_limit_of_the_board() {
        let mut gpu = test_gpus(1).remove(0);
        gpu.counters = GpuCounters::default();
        let at = |celsius| GpuSample {
            temperature_celsius: Some(celsius),
            slowdown_temperature_celsius: Some(87.0),
            ..GpuSample::default()
        };
        let seen: Vec<_> = [86.0, 87.0, 83.0, 88.0, 81.0].map(|celsius| after(&mut gpu, at(celsius))).concat();
        assert_eq!(seen, [("temperature", true), ("temperature", false)]);
    }
}
