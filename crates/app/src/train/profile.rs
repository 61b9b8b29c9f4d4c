//! `zomma train --profile`: the program's clock and allocator for the profile, and its files.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::Context;
use zomma_learn::{
    profiling::{Allocations, Meter, Profiler, report},
    training::Trainer,
};

use super::{allocations, nvtx::Ranges};
use crate::output_file;

/// The clock, the allocator, and whoever looks from outside.
struct Here {
    begun: Instant,
    ranges: Option<Ranges>,
}

impl Meter for Here {
    fn nanoseconds(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    fn allocations(&self) -> Allocations {
        allocations::counted_so_far()
    }

    fn begins(&self, stage: &'static str) {
        if let Some(ranges) = &self.ranges {
            ranges.push(stage);
        }
    }

    fn ends(&self) {
        if let Some(ranges) = &self.ranges {
            ranges.pop();
        }
    }
}

/// Takes the time of a run from here on.
pub fn begin(trainer: &mut Trainer) -> Arc<Profiler> {
    allocations::count();
    let profiler = Arc::new(Profiler::new(Box::new(Here { begun: Instant::now(), ranges: Ranges::load() })));
    trainer.profile(Arc::clone(&profiler));
    profiler
}

/// Writes `profile.txt` and `trace.json` into the run's folder; the first lines of the report.
///
/// # Errors
///
/// Where a file cannot be written, or the measurement fails.
pub fn end(trainer: &mut Trainer, profiler: &Profiler, folder: &Path) -> anyhow::Result<String> {
    let Some(probe) = trainer.probe()? else { return Ok(String::new()) };
    let text = report(&folder.display().to_string(), &trainer.describe(), profiler, &probe);
    for (name, content) in [("profile.txt", &text), ("trace.json", &profiler.trace())] {
        let path = folder.join(name);
        output_file::write(&path, content.as_bytes())
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    let first = text.lines().find(|line| line.starts_with("Bottleneck")).unwrap_or_default();
    Ok(format!("{first}; see {}", folder.join("profile.txt").display()))
}
