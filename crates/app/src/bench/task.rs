//! One task on one core, on all cores and on the device: the frame that every section fills.

use anyhow::Context;
use indicatif::ProgressBar;
use zomma_gpu::probe::ProbeError;
use zomma_gpu::{Compute, Device, GpuError};

use super::stop::Interrupted;
use super::{Effort, Line, Section, Speed, Stop, machine};

/// The share of the free memory that a task may take.
const MEMORY_SHARE: f64 = 0.8;

/// What the sections measure with, and the lines that came of it.
pub struct Bench<'a> {
    effort: Effort,
    quick: bool,
    device: Option<&'a Device>,
    one_thread: rayon::ThreadPool,
    progress: ProgressBar,
    stop: Stop,
    lines: Vec<Line>,
}

impl<'a> Bench<'a> {
    /// With a device, or without one.
    ///
    /// # Errors
    ///
    /// Where no thread can be had.
    pub fn new(quick: bool, device: Option<&'a Device>, progress: ProgressBar, stop: Stop) -> anyhow::Result<Self> {
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().context("a thread")?;
        let effort = if quick { Effort::QUICK } else { Effort::FULL };
        Ok(Self { effort, quick, device, one_thread, progress, stop, lines: Vec::new() })
    }

    /// The full size, or the small one of `--quick`.
    pub fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Whether there is a device to measure.
    pub fn has_device(&self) -> bool {
        self.device.is_some()
    }

    /// Lines so far.
    pub fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    /// Measures one task. `host_bytes` is the memory that it takes on the host: where that is not free, the line says so instead.
    ///
    /// # Errors
    ///
    /// The user's wish to stop. A failure of the task is a line with a note.
    pub fn task(
        &mut self,
        name: TaskName<'_>,
        work: f64,
        host_bytes: usize,
        measure: impl FnOnce(&mut Task<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let TaskName { section, task, size, unit } = name;
        self.progress.set_message(format!("{} {task} {size}", section.as_str()));
        let line = Line {
            section,
            task: task.into(),
            size: size.into(),
            unit: unit.into(),
            one_core: None,
            all_cores: None,
            device: None,
            agrees: None,
            notes: Vec::new(),
        };
        let mut task = Task {
            line,
            work,
            effort: self.effort,
            device: self.device,
            one_thread: &self.one_thread,
            stop: &self.stop,
        };
        let free = machine::available_bytes().map(|bytes| bytes as f64 * MEMORY_SHARE);
        if let Some(free) = free.filter(|free| host_bytes as f64 > *free) {
            task.note(format!("needs {} of memory, {} can be had", megabytes(host_bytes as f64), megabytes(free)));
        } else if let Err(error) = measure(&mut task) {
            if error.is::<Interrupted>() {
                return Err(error);
            }
            task.fail(&error);
        }
        self.lines.push(task.line);
        self.progress.inc(1);
        Ok(())
    }
}

/// What a line is called.
#[derive(Clone, Copy, Debug)]
pub struct TaskName<'a> {
    /// Which section.
    pub section: Section,
    /// What is done.
    pub task: &'a str,
    /// On how much.
    pub size: &'a str,
    /// Of the rates.
    pub unit: &'a str,
}

/// A task that is being measured.
pub struct Task<'a> {
    line: Line,
    work: f64,
    effort: Effort,
    device: Option<&'a Device>,
    one_thread: &'a rayon::ThreadPool,
    stop: &'a Stop,
}

impl Task<'_> {
    /// Measures a call that uses the pool it is called in: on a pool of one thread, then on all.
    ///
    /// # Errors
    ///
    /// The user's wish to stop.
    pub fn on_host(&mut self, mut call: impl FnMut(Cores) + Send) -> anyhow::Result<()> {
        let (effort, work, stop) = (self.effort, self.work, self.stop);
        let one = self.one_thread.install(|| {
            effort.measure(work, stop, || {
                call(Cores::One);
                Ok(())
            })
        })?;
        self.line.one_core = Some(one);
        let all = effort.measure(work, stop, || {
            call(Cores::All);
            Ok(())
        })?;
        self.line.all_cores = Some(all);
        Ok(())
    }

    /// Readies the task on the device, measures it there and checks what came of it; nothing where there is no device.
    ///
    /// What the library has no kernel for is a note; a device that fails, or gives other results, fails the line.
    ///
    /// # Errors
    ///
    /// The user's wish to stop.
    pub fn on_device(
        &mut self,
        measure: impl FnOnce(&Compute, &DeviceTimer<'_>) -> anyhow::Result<(Speed, bool)>,
    ) -> anyhow::Result<()> {
        let Some(device) = self.device else { return Ok(()) };
        let opened = device.open().map_err(anyhow::Error::from);
        let timer = DeviceTimer { effort: self.effort, work: self.work, stop: self.stop };
        let measured = opened.and_then(|compute| compute.map(|compute| measure(&compute, &timer)).transpose());
        match measured {
            Ok(Some((speed, agrees))) => {
                self.line.device = Some(speed);
                self.check("device", agrees);
            }
            Ok(None) => {}
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) if is_beyond(&error) => self.note(format!("not on this device: {error}")),
            Err(error) => self.fail(&error.context("device")),
        }
        Ok(())
    }

    /// Records whether a column's result agreed with the independent one.
    pub fn check(&mut self, column: &str, agrees: bool) {
        self.line.agrees = Some(self.line.agrees.unwrap_or(true) && agrees);
        if !agrees {
            self.note(format!("{column}: the result is wrong"));
        }
    }

    /// Adds a note.
    pub fn note(&mut self, note: String) {
        self.line.notes.push(note);
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.line.agrees = Some(false);
        self.note(crate::failure::words(error));
    }
}

/// Which cores work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// One.
    One,
    /// All.
    All,
}

/// Times calls on a device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTimer<'a> {
    effort: Effort,
    work: f64,
    stop: &'a Stop,
}

impl DeviceTimer<'_> {
    /// Times one call, which waits for the device.
    ///
    /// # Errors
    ///
    /// What the call gives, and the user's wish to stop.
    pub fn measure(&self, call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Speed> {
        self.effort.measure(self.work, self.stop, call)
    }
}

/// Whether the device is sound and merely cannot do this: no kernel for it, or no room.
fn is_beyond(error: &anyhow::Error) -> bool {
    let lacks_room = |error: &GpuError| matches!(error, GpuError::DeviceMemory { .. });
    match error.downcast_ref() {
        Some(ProbeError::Unavailable(_)) => true,
        Some(ProbeError::Gpu(error)) => lacks_room(error),
        None => error.downcast_ref().is_some_and(lacks_room),
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
