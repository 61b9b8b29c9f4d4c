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
    /// The sample before it: errors that were there already are history, new ones are news.
    pub before: Option<&'a GpuSample>,
    /// XIDs seen since the program started.
    pub xids: &'a BTreeMap<u64, XidRecord>,
    /// Now, counted from the program's start.
    pub now: Duration,
    /// How long an XID bears on the health after it came.
    pub xid_hold: Duration,
    /// When the GPU last came back after it had been lost: what happened before does not count any more.
    pub returned: Option<Duration>,
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
        let advice = "see the kernel log (dmesg), reset the GPU, or restart the machine";
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

fn xids(evidence: &Evidence<'_>, reasons: &mut Vec<Reason>) {
    for (&xid, record) in evidence.xids {
        let over = evidence.now.saturating_sub(record.last_seen) > evidence.xid_hold;
        let before_return = evidence.returned.is_some_and(|returned| record.last_seen < returned);
        if over || before_return {
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
    let new_errors = sample.ecc_volatile.uncorrected.zip(evidence.before.and_then(|it| it.ecc_volatile.uncorrected));
    if let Some((now, before)) = new_errors.filter(|(now, before)| now > before) {
        let message = format!("{} new uncorrected memory errors", now - before);
        let advice = "restart what ran on it; reset the GPU if they go on";
        reasons.push(reason(Observation::Critical, "uncorrected_memory_errors", message, advice));
    }
}

fn heat(sample: &GpuSample, reasons: &mut Vec<Reason>) {
    const ADVICE: &str = "check fans, air flow and inlet temperature";
    if let (Some(now), Some(limit)) = (sample.temperature_celsius, sample.slowdown_temperature_celsius)
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

    fn codes(sample: &GpuSample, before: Option<&GpuSample>) -> Vec<(String, Observation)> {
        let xids = BTreeMap::new();
        let now = Duration::from_secs(10);
        assess(&Evidence { sample, before, xids: &xids, now, xid_hold: HOLD, returned: None })
            .into_iter()
            .map(|reason| (reason.code, reason.severity))
            .collect()
    }

    fn xid_severities(xid: u64, age_seconds: u64, returned: Option<Duration>) -> Vec<Observation> {
        let now = Duration::from_secs(1000);
        let last_seen = now - Duration::from_secs(age_seconds);
        let xids = BTreeMap::from([(xid, XidRecord { count: 1, last_seen })]);
        let sample = GpuSample::default();
        let evidence = Evidence { sample: &sample, before: None, xids: &xids, now, xid_hold: HOLD, returned };
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
        assert_eq!(codes(&quiet, Some(&quiet)), []);
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
    fn old_memory_errors_are_history_and_new_ones_are_news() {
        let with = |errors| GpuSample {
            ecc_volatile: EccErrors { corrected: Some(5), uncorrected: Some(errors) },
            ..GpuSample::default()
        };
        assert_eq!(codes(&with(7), None), []);
        assert_eq!(codes(&with(7), Some(&with(7))), []);
        assert_eq!(codes(&with(8), Some(&with(7))), [("uncorrected_memory_errors".into(), Observation::Critical)]);
        // A counter that starts anew after a reset is no error.
        assert_eq!(codes(&with(0), Some(&with(7))), []);
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
