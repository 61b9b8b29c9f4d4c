//! Samples all GPUs again and again, keeps what is counted, judges health, raises alerts, and gets lost GPUs back.
//!
//! A GPU that was ever seen stays in the list. While one is lost, or none was found, NVML is closed and started anew and the bus is
//! looked at again, at growing distances, so that a GPU that returns is taken up without a restart of the program.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::alerts::{self, AlertSettings};
use super::sample::{GpuIdentity, GpuSample};
use super::snapshot::{GpuCounters, GpuView, Snapshot};
use super::sources::{Discovery, Found, Missing, Source, SourceSettings, discover};
use super::xid_events::XidWatcher;
use crate::config::GpuConfig;
use crate::health::{Evidence, Health, Hysteresis, State, assess, describe};

/// Samples between two looks for lost GPUs: the first distance, and the greatest that doubling reaches.
const RETRY_SAMPLES: (u64, u64) = (5, 60);

/// How GPUs are watched.
#[derive(Clone, Debug)]
pub struct MonitorSettings {
    /// Where to look.
    pub sources: SourceSettings,
    /// From the start of one sample to the start of the next.
    pub interval: Duration,
    /// When to raise alerts.
    pub alerts: AlertSettings,
    /// How many samples must agree before a state changes.
    pub hysteresis: Hysteresis,
    /// How long an XID, or an uncorrected memory error, bears on the health after it came.
    pub hold: Duration,
}

impl MonitorSettings {
    /// The settings that a configuration asks for; what it does not name has its default.
    pub fn of_config(config: &GpuConfig) -> Self {
        Self {
            sources: SourceSettings {
                call_timeout: Duration::from_secs_f64(config.call_timeout_seconds),
                ..SourceSettings::default()
            },
            interval: Duration::from_secs_f64(config.sample_interval_seconds),
            alerts: AlertSettings {
                enabled: config.enable_alerts,
                memory_threshold: config.alert_threshold,
                memory_fraction: config.memory_fraction,
            },
            hysteresis: Hysteresis::default(),
            hold: Duration::from_secs(300),
        }
    }

    /// The age from which a sample says that nobody samples any more: longer than a look for lost GPUs whose drivers hang.
    pub fn stale_after(&self) -> Duration {
        (self.interval + self.sources.call_timeout) * 10
    }
}

/// All GPUs, and what is known of them.
pub struct Monitor {
    settings: MonitorSettings,
    started: Instant,
    samples: u64,
    gpus: Vec<Watched>,
    xids: Option<XidWatcher>,
    notes: Vec<String>,
    retry_at: u64,
    retry_gap: u64,
}

/// One GPU under watch.
struct Watched {
    source: Box<dyn Source>,
    nvml_index: Option<u32>,
    view: GpuView,
    /// Whether it has ever answered.
    answered: bool,
    /// When it came back after it had been lost.
    returned: Option<Duration>,
    /// Whether it is lost: it does not answer, and not for a call that merely hangs.
    lost: bool,
    /// Fields whose failure has been logged.
    told: BTreeSet<&'static str>,
}

impl Monitor {
    /// Looks for GPUs. That there are none, or no driver, is no error: the notes of the snapshots say so.
    pub fn new(settings: MonitorSettings) -> Self {
        Self::new_since(settings, Instant::now())
    }

    /// As [`new`](Self::new), with counts and ages that run from an instant before.
    pub(super) fn new_since(settings: MonitorSettings, started: Instant) -> Self {
        let Discovery { found, xids, notes } = discover(&settings.sources);
        let mut monitor = Self {
            settings,
            started,
            samples: 0,
            gpus: Vec::new(),
            xids,
            notes,
            retry_at: RETRY_SAMPLES.0,
            retry_gap: RETRY_SAMPLES.0,
        };
        found.into_iter().for_each(|gpu| monitor.add(gpu));
        monitor
    }

    /// The instant from which counts and ages run.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Asks every GPU, all at once, and gives what they said. Takes no longer than the time limit of one of them, and a look for lost
    /// ones where that is due.
    pub fn sample(&mut self) -> Snapshot {
        let begun = Instant::now();
        if self.looks_again() {
            self.look_again();
        }
        let samples: Vec<GpuSample> = thread::scope(|scope| {
            let readers: Vec<_> = self.gpus.iter_mut().map(|gpu| scope.spawn(|| gpu.source.read())).collect();
            let broken = |_| GpuSample::unavailable("the reader broke off");
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(broken)).collect()
        });
        let now = self.started.elapsed();
        self.take_xids(now);
        for (gpu, sample) in self.gpus.iter_mut().zip(samples) {
            gpu.take(sample, &self.settings, now);
        }
        self.samples += 1;
        Snapshot {
            taken: Instant::now(),
            duration: begun.elapsed(),
            samples: self.samples,
            gpus: self.gpus.iter().map(|gpu| gpu.view.clone()).collect(),
            notes: self.notes.clone(),
        }
    }

    fn take_xids(&mut self, now: Duration) {
        for event in self.xids.iter().flat_map(XidWatcher::drain) {
            let gpu = self.gpus.iter_mut().find(|gpu| gpu.nvml_index == Some(event.nvml_index));
            let Some(gpu) = gpu else { continue };
            gpu.view.counters.count_xid(event.xid, now);
            let known = describe(event.xid);
            warn!(
                gpu = gpu.view.identity.index,
                xid = event.xid,
                class = known.class.name(),
                advice = known.advice,
                "XID: {}",
                known.name
            );
        }
    }

    fn looks_again(&mut self) -> bool {
        let missing = self.gpus.is_empty() || self.gpus.iter().any(|gpu| gpu.lost);
        if !missing {
            self.retry_gap = RETRY_SAMPLES.0;
            self.retry_at = self.samples + self.retry_gap;
            return false;
        }
        let due = self.samples >= self.retry_at;
        if due {
            self.retry_gap = (self.retry_gap * 2).min(RETRY_SAMPLES.1);
            self.retry_at = self.samples + self.retry_gap;
        }
        due
    }

    /// Closes what can be closed, looks around, and joins what is found to what is known.
    fn look_again(&mut self) {
        self.xids = None;
        for gpu in self.gpus.iter_mut().filter(|gpu| !gpu.source.hangs()) {
            gpu.source = Box::new(Missing("it is no longer found".into()));
            gpu.nvml_index = None;
        }
        let Discovery { found, xids, notes } = discover(&self.settings.sources);
        (self.xids, self.notes) = (xids, notes);
        for gpu in found {
            match self.gpus.iter_mut().find(|known| same(&known.view.identity, &gpu.identity)) {
                // The thread that hangs answers again when its call comes back; a second one would hang beside it.
                Some(known) if known.source.hangs() => {}
                Some(known) => {
                    known.source = gpu.source;
                    known.nvml_index = gpu.nvml_index;
                    known.view.identity = GpuIdentity { index: known.view.identity.index, ..gpu.identity };
                }
                None => self.add(gpu),
            }
        }
    }

    fn add(&mut self, gpu: Found) {
        let index = self.gpus.len();
        let view = GpuView {
            identity: GpuIdentity { index, ..gpu.identity },
            sample: GpuSample::default(),
            counters: GpuCounters::default(),
            health: Health { since: self.started.elapsed(), ..Health::default() },
        };
        self.gpus.push(Watched {
            source: gpu.source,
            nvml_index: gpu.nvml_index,
            view,
            answered: false,
            returned: None,
            lost: false,
            told: BTreeSet::new(),
        });
    }
}

impl Watched {
    /// Counts, judges and logs one sample.
    fn take(&mut self, sample: GpuSample, settings: &MonitorSettings, now: Duration) {
        let view = &mut self.view;
        let index = view.identity.index;
        view.counters.count_failures(&sample);
        for failure in &sample.failures {
            if self.told.insert(failure.field) {
                warn!(
                    gpu = index,
                    field = failure.field,
                    "cannot be read, its samples are missing: {}",
                    failure.message
                );
            }
        }
        let available = sample.unavailable.is_none();
        if available && view.sample.unavailable.is_some() {
            // Should it fall silent again, that is news.
            view.sample.failures.iter().for_each(|failure| _ = self.told.remove(failure.field));
        }
        if available && self.lost {
            self.returned = Some(now);
        }
        let new_errors = view.counters.count_memory_errors(&sample, now);
        if new_errors > 0 {
            warn!(gpu = index, errors = new_errors, "new uncorrected memory errors");
        }
        self.lost = !available && !self.source.hangs();
        let evidence = Evidence {
            sample: &sample,
            memory_errors: view.counters.memory_errors,
            xids: &view.counters.xids,
            now,
            hold: settings.hold,
            returned: self.returned,
        };
        let reasons = assess(&evidence);
        self.answered |= available;
        // One that has never answered is not trusted until it does: there is no good sample that this one could be at odds with.
        let fail_after = if self.answered { settings.hysteresis.fail_after } else { 1 };
        let before = view.health.observe(reasons, &Hysteresis { fail_after, ..settings.hysteresis }, now);
        view.sample = sample;
        log_state(view, before);
        for crossing in alerts::check(view, &settings.alerts) {
            match crossing.raised {
                true => warn!(gpu = index, alert = crossing.alert, "alert: {}", crossing.message),
                false => info!(gpu = index, alert = crossing.alert, "alert over: {}", crossing.message),
            }
        }
    }
}

fn log_state(view: &GpuView, before: State) {
    let state = view.health.state();
    if state == before {
        return;
    }
    let (gpu, state_name, was) = (view.identity.index, state.name(), before.name());
    let why = view.health.reasons.first().map_or("reads well", |reason| reason.message.as_str());
    match state {
        State::Failed | State::Degraded => warn!(gpu, state = state_name, was, "{why}"),
        State::Recovering | State::Healthy => info!(gpu, state = state_name, was, "{why}"),
    }
}

/// Whether two looks saw the same board: by its own name where both know it, else by its place.
fn same(a: &GpuIdentity, b: &GpuIdentity) -> bool {
    match (&a.uuid, &b.uuid) {
        (Some(a), Some(b)) => a == b,
        _ => a.vendor == b.vendor && a.pci.is_some() && a.pci == b.pci,
    }
}
