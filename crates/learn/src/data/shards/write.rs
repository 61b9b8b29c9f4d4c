//! Labelled rows of a domain into shards, made by one thread's pool while another encodes and writes.

use std::{sync::mpsc::sync_channel, thread};

use zomma_storage::{
    Place, StorageError, block_on,
    digest::Digest,
    shards::{Manifest, ShardEntry, ShardWriter},
};

use super::columns::{GAMMA, PRICE, differential_name};
use crate::LearnError;
use crate::config::DataConfig;
use crate::data::points::PointSet;
use crate::data::{Rows, source::labelled};

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct LabelJob<'a> {
    /// The domain.
    pub config: &'a DataConfig,
    /// Rows of all shards together; 1 or more.
    pub rows: u64,
    /// Rows of every shard but the last; 1 or more.
    pub shard_rows: u64,
    /// Whether to go on with what is there.
    pub resume: bool,
}

/// Where the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows in shards.
    pub done: u64,
    /// Of them, those that were there before.
    pub found: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The manifest; none where it was stopped before the end.
    pub manifest: Option<Manifest>,
    /// Rows.
    pub progress: Progress,
}

/// Whose rows a config's are: equal for configs that make the same rows in the same order.
///
/// Errors: [`LearnError::Unreadable`] where the config is none that can be written.
pub fn content(config: &DataConfig) -> Result<String, LearnError> {
    let alone = DataConfig {
        shards: None,
        shuffle_rows: None,
        held_out_shards: Vec::new(),
        bad_rows: None,
        samples: None,
        held_out: 0,
        differentials: true,
        ..config.clone()
    };
    let text = serde_json::to_vec(&alone).map_err(|error| LearnError::Unreadable(error.to_string()))?;
    let mut digest = Digest::new();
    digest.add(&text);
    Ok(digest.to_string())
}

/// Whether a config's rows can be written.
///
/// Errors: [`LearnError::BadValue`] for a model of implied volatilities, whose price is an input and no label, for a table, which has its own, and for
/// simulated labels.
pub fn check(config: &DataConfig) -> Result<(), LearnError> {
    if !config.labels.is_exact() {
        let allowed = "exact: labels that are simulated are made on the way, since the rows of shards that are held out would be off by chance too";
        return Err(LearnError::bad("data.labels", "monte_carlo", allowed));
    }
    let allowed = "a model of prices: labels of implied volatilities are made on the way, and a table has its own";
    match config.model.is_implied_volatility() || config.model.is_table() {
        true => Err(LearnError::bad("data.model", config.model.as_str(), allowed)),
        false => Ok(()),
    }
}

/// Writes the first rows of a config's training points with all their labels. `watch` is told after every shard, and says whether to go on; a shard is
/// there whole or not at all, and the manifest when all are.
///
/// With `resume` what is there is read and kept where it is whole, and made again where it is not, also of a finished set.
///
/// Errors: those of [`check`]; [`LearnError::Shard`] where something is there and not to be gone on with, or is of another config; [`LearnError::BadLabels`];
/// [`LearnError::Storage`].
pub fn write_labels(
    job: &LabelJob<'_>,
    place: &Place,
    watch: &mut dyn FnMut(Progress) -> bool,
) -> Result<Written, LearnError> {
    check(job.config)?;
    let points = PointSet::training(job.config);
    let writer = ShardWriter::new(place, &content(job.config)?, names(job.config), job.shard_rows);
    let mut progress = Progress::default();
    let finished = is_there(job, place, &writer)?;
    let count = usize::try_from(job.rows.div_ceil(job.shard_rows)).unwrap_or(usize::MAX);
    let mut entries: Vec<ShardEntry> = Vec::new();
    let is_whole = thread::scope(|scope| {
        // One shard is written while the next is made.
        let (made, to_write) = sync_channel::<(usize, Vec<Vec<f64>>)>(0);
        let (told, written) = sync_channel::<Result<ShardEntry, StorageError>>(2);
        let writer = &writer;
        scope.spawn(move || {
            for (index, columns) in to_write {
                if told.send(block_on(writer.write(index, columns))).is_err() {
                    return;
                }
            }
        });
        let mut made = Some(made);
        let mut take = |entry: ShardEntry, is_found: bool, entries: &mut Vec<ShardEntry>| {
            progress.done += entry.rows;
            progress.found += if is_found { entry.rows } else { 0 };
            entries.push(entry);
            watch(progress)
        };
        let mut waiting = 0;
        for index in 0..count {
            let first = index as u64 * job.shard_rows;
            let rows = job.shard_rows.min(job.rows - first);
            let found = if job.resume { block_on(writer.written(index, rows))? } else { None };
            // A shard that is not the one of a finished set is damaged, and is made again.
            let is_right =
                |entry: &ShardEntry| finished.as_ref().is_none_or(|finished| finished.shards.get(index) == Some(entry));
            if let Some(entry) = found.filter(is_right) {
                if !take(entry, true, &mut entries) {
                    return Ok(false);
                }
                continue;
            }
            let columns = columns(labelled(&points, first, rows as usize)?);
            if made.as_ref().is_none_or(|made| made.send((index, columns)).is_err()) {
                break;
            }
            waiting += 1;
            while let Ok(entry) = written.try_recv() {
                waiting -= 1;
                if !take(entry?, false, &mut entries) {
                    return Ok(false);
                }
            }
        }
        made.take();
        for _ in 0..waiting {
            let Ok(entry) = written.recv() else { break };
            take(entry?, false, &mut entries);
        }
        Ok::<bool, LearnError>(entries.len() == count)
    })?;
    if !is_whole {
        return Ok(Written { manifest: None, progress });
    }
    entries.sort_by(|one, other| one.file.cmp(&other.file));
    let manifest = block_on(writer.finish(entries))?;
    Ok(Written { manifest: Some(manifest), progress })
}

/// The manifest, where the same rows were finished before.
fn is_there(job: &LabelJob<'_>, place: &Place, writer: &ShardWriter) -> Result<Option<Manifest>, LearnError> {
    let refused = |reason: String| LearnError::Shard { path: place.shown().to_owned(), reason };
    let read = block_on(Manifest::read(place));
    let read = match read {
        // The shards say what they are of: it is made again of those that are whole.
        Err(_) if job.resume && block_on(Manifest::is_cut_off(place))? => None,
        read => read?,
    };
    let Some(manifest) = read else {
        if job.resume {
            block_on(writer.sweep())?;
        } else if block_on(writer.has_shards())? {
            return Err(refused("holds shards already: go on with --resume, or name another place".into()));
        }
        return Ok(None);
    };
    if !job.resume {
        return Err(refused(format!("holds {} rows in shards already: name another place", manifest.rows)));
    }
    if manifest.content != content(job.config)? || manifest.rows != job.rows || manifest.shard_rows != job.shard_rows {
        let Manifest { rows, shard_rows, .. } = manifest;
        return Err(refused(format!(
            "is finished, and of another config or number of rows ({rows} in shards of {shard_rows}): name another place"
        )));
    }
    Ok(Some(manifest))
}

/// The columns of a config's shards, in order.
fn names(config: &DataConfig) -> Vec<String> {
    let inputs = config.model.input_names();
    let mut names: Vec<String> = inputs.iter().map(|name| (*name).to_owned()).collect();
    names.push(PRICE.to_owned());
    names.extend(inputs.iter().map(|name| differential_name(name)));
    names.push(GAMMA.to_owned());
    names
}

/// Rows as columns, in that order.
fn columns(rows: Rows) -> Vec<Vec<f64>> {
    let count = rows.len();
    let inputs = rows.inputs.len() / count.max(1);
    let turned = |numbers: &[f64]| -> Vec<Vec<f64>> {
        (0..inputs).map(|j| numbers.iter().skip(j).step_by(inputs).copied().collect()).collect()
    };
    let mut columns = turned(&rows.inputs);
    columns.push(rows.prices);
    columns.extend(turned(&rows.differentials));
    columns.push(rows.gammas);
    columns
}
