//! Workers on a study.

use std::{
    fs,
    path::Path,
    sync::{Mutex, atomic::AtomicUsize},
    thread,
};

use anyhow::Context;
use jiff::Span;
use zomma_learn::search::{Observer, Search, TuneConfig};
use zomma_storage::{
    block_on,
    studies::{Direction, Studies, Trial, TrialState},
};

use super::watcher::Watcher;
use crate::{failure::BadArguments, store};

/// A search to be run.
pub struct Job<'a> {
    /// What is searched.
    pub config: &'a TuneConfig,
    /// The study's address, where it does not lie in the folder.
    pub address: Option<&'a str>,
    /// Where the trials' folders are.
    pub folder: &'a Path,
    /// Threads of all workers together.
    pub threads: usize,
}

/// Where the study stands then.
pub struct Summary {
    /// Its trials.
    pub trials: Vec<Trial>,
    /// Whether someone asked to stop.
    pub stopped: bool,
}

/// The address of the study of a search's folder.
pub fn in_folder(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("study.db").display())
}

/// Works on the study until it has its trials.
///
/// # Errors
///
/// [`BadArguments`] for a space that the study cannot go on with; a study, shards or a folder that cannot be used.
pub fn run(job: &Job<'_>) -> anyhow::Result<Summary> {
    let search = &job.config.search;
    let watcher = Watcher::new().context("signals")?;
    let place = job.config.shards().map(store::open).transpose()?;
    let make_folder =
        || fs::create_dir_all(job.folder).with_context(|| format!("{}: cannot be made", job.folder.display()));
    let address = match job.address {
        Some(address) => address.to_owned(),
        None => {
            make_folder()?;
            in_folder(job.folder)
        }
    };
    let studies = block_on(Studies::open(&address, search.workers as u32 + 1))?;
    let study = block_on(studies.create(&search.name, Direction::Minimize))?;
    let changed = search.space.continues(&block_on(studies.trials(study))?);
    for change in changed.map_err(|error| BadArguments(format!("search.space: study {}: {error}", search.name)))? {
        watcher.warn(&format!("search.space: {change}; trials outside of it guide nothing"));
    }
    make_folder()?;
    let (silent_minutes, now) = (search.silent_minutes, watcher.now());
    let before = now.saturating_sub(Span::new().minutes(i64::from(silent_minutes)));
    for number in block_on(studies.fail_silent(study, silent_minutes.saturating_mul(60), before, now))? {
        watcher.warn(&format!("trial {number} was left by a process that is gone, and counts as failed"));
    }
    let workers = Search {
        config: job.config,
        studies: &studies,
        study,
        place,
        folder: job.folder,
        observer: &watcher,
        make_engine: &zomma_engines::engine,
        asking: Mutex::new(()),
        failed_in_a_row: AtomicUsize::new(0),
    };
    for number in workers.fail_orphans()? {
        watcher.warn(&format!(
            "trial {number} was left by a process that is gone, and counts as failed; another takes its place"
        ));
    }
    let share = (job.threads / search.workers).max(1);
    let pools = (0..search.workers)
        .map(|_| rayon::ThreadPoolBuilder::new().num_threads(share).build())
        .collect::<Result<Vec<_>, _>>()?;
    let worked = thread::scope(|scope| {
        let all: Vec<_> = pools.iter().map(|pool| scope.spawn(|| pool.install(|| workers.work()))).collect();
        all.into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<()>, _>>()
    });
    watcher.told();
    worked?;
    let trials = block_on(studies.trials(study))?;
    for trial in trials.iter().filter(|trial| trial.state == TrialState::Running) {
        let minutes = search.silent_minutes;
        watcher.warn(&format!(
            "trial {} is another process's and counts as running: should that be gone, the same command gives the trial up after {minutes} \
             minutes without a word from it (search.silent_minutes)",
            trial.number
        ));
    }
    Ok(Summary { trials, stopped: watcher.stopped() })
}
