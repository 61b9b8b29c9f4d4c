//! What one sample says of a GPU: reasons, each with a severity and what to do. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::state::Observation;
use super::xid::{XidClass, XidRecord, describe};
use crate::telemetry::{GpuSample, RecoveryAction};

/// From so many retired pages on a board is near the 64 that a driver can retire.
const RETIRED_PAGES_MANY: u64 = 60;

/// What a judgement rests on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The sample.
    pub sample: &'a GpuSample,
    /// Uncorrected memory errors that came since the program started; those that were there before are history.
    pub memory_errors: Option<MemoryErrorRecord>,
    /// XIDs seen since the program started.
    pub xids: &'a BTreeMap<u64, XidRecord>,
    /// Now, counted from the program's start.
    pub now: Duration,
    /// How long an XID, or an uncorrected memory error, bears on the health after it came.
    pub hold: Duration,
    /// When the GPU last came back after it had been lost: what happened before does not count any more.
    pub returned: Option<Duration>,
}

/// Uncorrected memory errors that came while the program looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryErrorRecord {
    /// Errors since the program started.
    pub count: u64,
    /// When the last came, counted from the program's start.
    pub last_seen: Duration,
}

/// Why a GPU is not simply good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub severity: Observation,
    /// A word for machines, such as `row_remap_failed` or `xid_79`.
    pub code: String,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

/// The reasons that a sample gives, worst first. None: the GPU is good.
pub fn assess(evidence: &Evidence<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(why) = &evidence.sample.unavailable {
        let advice = "see the kernel log (dmesg); load its driver, reset the GPU, or restart the machine";
        reasons.push(reason(Observation::Critical, "unavailable", why.clone(), advice));
    }
    recovery(evidence.sample, &mut reasons);
    xids(evidence, &mut reasons);
    memory(evidence, &mut reasons);
    heat(evidence.sample, &mut reasons);
    // Stable: reasons of one severity stay in the order of asking.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity));
    reasons
}

fn reason(severity: Observation, code: impl Into<String>, message: String, advice: &'static str) -> Reason {
    Reason { severity, code: code.into(), message, advice }
}

fn recovery(sample: &GpuSample, reasons: &mut Vec<Reason>) {
    let (severity, message, advice) = match sample.recovery_action {
        None | Some(RecoveryAction::None) => return,
        Some(RecoveryAction::GpuReset) => {
            (Observation::Fatal, "the driver asks for a reset of the GPU", "nvidia-smi --gpu-reset -i N")
        }
        Some(RecoveryAction::NodeReboot) => {
            (Observation::Fatal, "the driver asks for a restart of the machine", "restart the machine")
        }
        Some(RecoveryAction::DrainAndReset) => (
            Observation::Warning,
            "the driver asks to let the work end and reset the GPU",
            "give it no new work, then nvidia-smi --gpu-reset -i N",
        ),
        Some(RecoveryAction::DrainP2p) => (
            Observation::Warning,
            "the driver asks to stop peer-to-peer work",
            "stop what copies between GPUs, then look at the links (nvidia-smi nvlink -s)",
        ),
    };
    reasons.push(reason(severity, "recovery_action", message.to_string(), advice));
}

impl Evidence<'_> {
    /// Whether what came then still bears on the health: not for longer than the hold, and not over a reset.
    fn still_counts(&self, seen: Duration) -> bool {
        let over = self.now.saturating_sub(seen) > self.hold;
        let before_return = self.returned.is_some_and(|returned| seen < returned);
        !over && !before_return
    }
}

fn xids(evidence: &Evidence<'_>, reasons: &mut Vec<Reason>) {
    for (&xid, record) in evidence.xids {
        if !evidence.still_counts(record.last_seen) {
            continue;
        }
        let info = describe(xid);
        let severity = match info.class {
            XidClass::Application | XidClass::Information => continue,
            XidClass::Warning | XidClass::Unknown => Observation::Warning,
            XidClass::Critical => Observation::Fatal,
        };
        let times = if record.count == 1 { String::new() } else { format!(", {} times", record.count) };
        reasons.push(reason(severity, format!("xid_{xid}"), format!("XID {xid}: {}{times}", info.name), info.advice));
    }
}

fn memory(evidence: &Evidence<'_>, reasons: &mut Vec<Reason>) {
    let sample = evidence.sample;
    if sample.remapped_rows.failed == Some(true) {
        let message = "a faulty row of memory could not be remapped".to_string();
        reasons.push(reason(Observation::Critical, "row_remap_failed", message, "have the board replaced"));
    }
    if sample.remapped_rows.pending == Some(true) {
        let message = "a row of memory waits to be remapped".to_string();
        reasons.push(reason(Observation::Warning, "row_remap_pending", message, "reset the GPU when it is idle"));
    }
    if sample.retired_pages.pending == Some(true) {
        let message = "pages of memory wait to be retired".to_string();
        let advice = "reset the GPU, or reload its driver, when it is idle";
        reasons.push(reason(Observation::Warning, "page_retirement_pending", message, advice));
    }
    let retired = sample.retired_pages.corrected.unwrap_or(0) + sample.retired_pages.uncorrected.unwrap_or(0);
    if retired >= RETIRED_PAGES_MANY {
        let message = format!("{retired} pages of memory are retired");
        reasons.push(reason(Observation::Warning, "many_retired_pages", message, "have the board replaced"));
    }
    uncorrected_errors(evidence, reasons);
}

fn uncorrected_errors(evidence: &Evidence<'_>, reasons: &mut Vec<Reason>) {
    const CODE: &str = "uncorrected_memory_errors";
    if let Some(new) = evidence.memory_errors.filter(|record| evidence.still_counts(record.last_seen)) {
        let message = format!("{} new uncorrected memory {}", new.count, errors(new.count));
        // A counter that has grown is no odd sample: it will not be smaller in the next one.
        let advice = "run again what ran on it; reset the GPU, and have the board replaced if they go on";
        reasons.push(reason(Observation::Fatal, CODE, message, advice));
        return;
    }
    let count = evidence.sample.ecc_volatile.uncorrected.unwrap_or(0);
    if count > 0 {
        let message =
            format!("{count} uncorrected memory {} since its driver was loaded or it was reset", errors(count));
        reasons.push(reason(Observation::Warning, CODE, message, "reset the GPU when it is idle"));
    }
}

fn errors(count: u64) -> &'static str {
    if count == 1 { "error" } else { "errors" }
}

fn heat(sample: &GpuSample, reasons: &mut Vec<Reason>) {
    const ADVICE: &str = "check fans, air flow and inlet temperature";
    if let (Some(now), Some(limit)) = (sample.temperature_celsius, sample.shutdown_temperature_celsius)
        && now >= limit
    {
        let message = format!("{now} °C, at or above the limit of {limit} °C at which it turns itself off");
        reasons.push(reason(Observation::Critical, "too_hot", message, ADVICE));
    } else if let (Some(now), Some(limit)) = (sample.temperature_celsius, sample.slowdown_temperature_celsius)
        && now >= limit
    {
        let message = format!("{now} °C, at or above the slowdown limit of {limit} °C");
        reasons.push(reason(Observation::Warning, "hot", message, ADVICE));
    }
    let causes: Vec<&str> =
        sample.throttle.iter().flatten().filter(|why| why.is_trouble()).map(|why| why.name()).collect();
    if !causes.is_empty() {
        let message = format!("clocks are held down: {}", causes.join(", "));
        reasons.push(reason(Observation::Warning, "throttled", message, "check cooling and power supply"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{EccErrors, RemappedRows, ThrottleReason};

    const HOLD: Duration = Duration::from_secs(300);

    fn codes(sample: &GpuSample, memory_errors: Option<MemoryErrorRecord>) -> Vec<(String, Observation)> {
        let xids = BTreeMap::new();
        let now = Duration::from_secs(1000);
        assess(&Evidence { sample, memory_errors, xids: &xids, now, hold: HOLD, returned: None })
            .into_iter()
            .map(|reason| (reason.code, reason.severity))
            .collect()
    }

    fn xid_severities(xid: u64, age_seconds: u64, returned: Option<Duration>) -> Vec<Observation> {
        let now = Duration::from_secs(1000);
        let last_seen = now - Duration::from_secs(age_seconds);
        let xids = BTreeMap::from([(xid, XidRecord { count: 1, last_seen })]);
        let sample = GpuSample::default();
        let evidence = Evidence { sample: &sample, memory_errors: None, xids: &xids, now, hold: HOLD, returned };
        assess(&evidence).iter().map(|reason| reason.severity).collect()
    }

    #[test]
    fn a_sample_without_trouble_and_one_without_anything_are_both_good() {
        let quiet = GpuSample {
            temperature_celsius: Some(60.0),
            slowdown_temperature_celsius: Some(87.0),
            throttle: Some(vec![ThrottleReason::SwPowerCap]),
            recovery_action: Some(RecoveryAction::None),
            ..GpuSample::default()
        };
        assert_eq!(codes(&quiet, None), []);
        assert_eq!(codes(&GpuSample::default(), None), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let sample = GpuSample {
            temperature_celsius: Some(90.0),
            slowdown_temperature_celsius: Some(87.0),
            throttle: Some(vec![ThrottleReason::HwThermalSlowdown]),
            remapped_rows: RemappedRows { failed: Some(true), ..RemappedRows::default() },
            ..GpuSample::default()
        };
        let expected = [("row_remap_failed", Observation::Critical), ("hot", Observation::Warning)];
        let seen = codes(&sample, None);
        assert_eq!(
            seen.iter().take(2).map(|(code, severity)| (code.as_str(), *severity)).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn new_memory_errors_fail_a_gpu_for_their_time_and_old_ones_are_a_warning() {
        let sample =
            GpuSample { ecc_volatile: EccErrors { corrected: Some(5), uncorrected: Some(7) }, ..GpuSample::default() };
        let seen = |age_seconds: u64| {
            let last_seen = Duration::from_secs(1000 - age_seconds);
            codes(&sample, Some(MemoryErrorRecord { count: 1, last_seen }))
        };
        let code = || "uncorrected_memory_errors".to_string();
        assert_eq!(codes(&sample, None), [(code(), Observation::Warning)]);
        assert_eq!(seen(300), [(code(), Observation::Fatal)]);
        assert_eq!(seen(301), [(code(), Observation::Warning)]);
        let corrected = EccErrors { corrected: Some(5), uncorrected: Some(0) };
        assert_eq!(codes(&GpuSample { ecc_volatile: corrected, ..GpuSample::default() }, None), []);
    }

    #[test]
    fn heat_is_a_warning_from_the_slowdown_limit_and_critical_from_the_shutdown_limit() {
        let at = |celsius| GpuSample {
            temperature_celsius: Some(celsius),
            slowdown_temperature_celsius: Some(89.0),
            shutdown_temperature_celsius: Some(92.0),
            ..GpuSample::default()
        };
        assert_eq!(codes(&at(88.0), None), []);
        assert_eq!(codes(&at(89.0), None), [("hot".into(), Observation::Warning)]);
        assert_eq!(codes(&at(91.9), None), [("hot".into(), Observation::Warning)]);
        assert_eq!(codes(&at(92.0), None), [("too_hot".into(), Observation::Critical)]);
        let unlimited = GpuSample { slowdown_temperature_celsius: None, ..at(120.0) };
        assert_eq!(codes(&unlimited, None), [("too_hot".into(), Observation::Critical)]);
    }

    #[test]
    fn an_xid_bears_on_health_by_its_class_until_its_time_is_over_or_the_gpu_came_back() {
        assert_eq!(xid_severities(79, 10, None), [Observation::Fatal]);
        assert_eq!(xid_severities(94, 10, None), [Observation::Warning]);
        assert_eq!(xid_severities(12_345, 10, None), [Observation::Warning]);
        assert_eq!(xid_severities(13, 10, None), []);
        assert_eq!(xid_severities(79, 301, None), []);
        assert_eq!(xid_severities(79, 10, Some(Duration::from_secs(995))), []);
        assert_eq!(xid_severities(79, 10, Some(Duration::from_secs(980))), [Observation::Fatal]);
    }

    #[test]
    fn the_driver_has_the_last_word() {
        let sample = GpuSample { recovery_action: Some(RecoveryAction::GpuReset), ..GpuSample::default() };
        assert_eq!(codes(&sample, None), [("recovery_action".into(), Observation::Fatal)]);
        let lost = GpuSample::unavailable("GPU is lost");
        assert_eq!(codes(&lost, None), [("unavailable".into(), Observation::Critical)]);
    }
}
