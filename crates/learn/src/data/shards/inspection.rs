//! The look at every row before training: so that what is wrong is said at once and not in the middle of the night, and so that which row comes when
//! is known from the counts alone.

use rayon::prelude::*;
use serde::Serialize;
use zomma_storage::{
    block_on,
    digest::Digest,
    shards::{Shard, ShardSet},
};

use super::columns::ShardColumns;
use super::rule::{Part, Rule};
use crate::LearnError;
use crate::data::Rows;

/// Rows by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Shards.
    pub shards: u64,
    /// All rows.
    pub rows: u64,
    /// To learn from.
    pub learned: u64,
    /// To choose the network by.
    pub held_out: u64,
    /// For the last word.
    pub tested: u64,
    /// Left out since a column is no number or an input outside its range.
    pub bad: u64,
    /// Of a table with windows: left out since they are early in their file, before a window is full.
    pub warming: u64,
}

/// What was found.
pub(super) struct Inspection {
    pub counts: Counts,
    /// Rows to learn from, by shard.
    pub learned: Vec<u64>,
    pub held_out: Rows,
    pub tested: Rows,
    pub fitted: Rows,
    /// The first bad row: its shard, its row from 1, and what is wrong.
    pub first_bad: Option<String>,
    /// Least and greatest of each input among the rows to learn from.
    pub bounds: Vec<[f64; 2]>,
    /// By shard.
    pub checksums: Vec<String>,
    pub identity: String,
}

/// What one row group told.
struct Found {
    counts: Counts,
    parts: [Rows; 3],
    first_bad: Option<(u64, String)>,
    bounds: Vec<[f64; 2]>,
}

/// Bounds within which there is nothing yet.
fn no_bounds(inputs: usize) -> Vec<[f64; 2]> {
    vec![[f64::INFINITY, f64::NEG_INFINITY]; inputs]
}

impl Inspection {
    /// Reads every shard once, as many at a time as there are threads.
    pub(super) fn of(
        set: &ShardSet,
        columns: &ShardColumns,
        rule: &Rule,
        pool: &rayon::ThreadPool,
    ) -> Result<Self, LearnError> {
        let mut all = Self {
            counts: Counts { shards: set.files().len() as u64, ..Counts::default() },
            learned: Vec::new(),
            held_out: columns.rows(0),
            tested: columns.rows(0),
            fitted: columns.rows(0),
            first_bad: None,
            bounds: no_bounds(columns.inputs()),
            checksums: Vec::new(),
            identity: String::new(),
        };
        let mut identity = Digest::new();
        let at_a_time = pool.current_num_threads().max(2);
        for (chunk, files) in set.files().chunks(at_a_time).enumerate() {
            let shards = block_on(set.fetch_all(files))?;
            let first = chunk * at_a_time;
            let found = pool.install(|| groups(&shards, columns, first, rule));
            let mut found = found.into_iter();
            for (shard, file) in shards.iter().zip(files) {
                let before = all.counts.learned;
                for group in found.by_ref().take(shard.groups().len()) {
                    all.add(group?, shard);
                }
                all.learned.push(all.counts.learned - before);
                all.checksums.push(shard.checksum().to_owned());
                identity.add(format!("{} {}\n", file.name, shard.checksum()).as_bytes());
            }
        }
        all.identity = identity.to_string();
        Ok(all)
    }

    fn add(&mut self, found: Found, shard: &Shard) {
        let Found { counts, parts: [held_out, tested, fitted], first_bad, bounds } = found;
        for ([least, greatest], of_group) in self.bounds.iter_mut().zip(bounds) {
            (*least, *greatest) = (least.min(of_group[0]), greatest.max(of_group[1]));
        }
        let sum = &mut self.counts;
        sum.rows += counts.rows;
        sum.learned += counts.learned;
        sum.held_out += counts.held_out;
        sum.tested += counts.tested;
        sum.bad += counts.bad;
        sum.warming += counts.warming;
        self.held_out.append(&held_out);
        self.tested.append(&tested);
        self.fitted.append(&fitted);
        if let (None, Some((row, fault))) = (&self.first_bad, first_bad) {
            self.first_bad = Some(format!("{} row {}: {fault}", shard.path(), row + 1));
        }
    }
}

/// Every row group of some shards, in order; `first` is the place of the first shard among all.
fn groups(shards: &[Shard], columns: &ShardColumns, first: usize, rule: &Rule) -> Vec<Result<Found, LearnError>> {
    let places: Vec<(usize, usize, u64)> = places(shards);
    // Of shards that are wrong the first is named, whichever is read first.
    let made: Vec<_> = shards.par_iter().map(|shard| columns.derive(shard)).collect();
    let made: Vec<_> = match made.into_iter().collect::<Result<_, _>>() {
        Ok(made) => made,
        Err(error) => return vec![Err(error)],
    };
    places
        .into_par_iter()
        .map(|(shard, group, begin)| {
            let decoded = columns.decode(&shards[shard], (group, begin), made[shard].as_ref())?;
            let rows = shards[shard].groups()[group];
            let mut found = Found {
                counts: Counts::default(),
                parts: [(); 3].map(|()| columns.rows(0)),
                first_bad: None,
                bounds: no_bounds(columns.inputs()),
            };
            found.counts.rows = rows as u64;
            for row in 0..rows {
                let at = begin + row as u64;
                if columns.is_warming(&decoded, row) {
                    found.counts.warming += 1;
                    continue;
                }
                if !columns.is_sound(&decoded, row) {
                    found.counts.bad += 1;
                    if found.first_bad.is_none() {
                        found.first_bad = columns.fault(&decoded, row).map(|fault| (at, fault));
                    }
                    continue;
                }
                let [held_out, tested, fitted] = &mut found.parts;
                let time = decoded.times.as_ref().map(|times| times[row]);
                let part = rule.part_at(first + shard, at, time);
                if matches!(part, Part::Learned | Part::Fitted) {
                    for ([least, greatest], x) in found.bounds.iter_mut().zip(columns.inputs_of(&decoded, row)) {
                        (*least, *greatest) = (least.min(x), greatest.max(x));
                    }
                }
                let (count, rows) = match part {
                    Part::HeldOut => (&mut found.counts.held_out, Some(held_out)),
                    Part::Tested => (&mut found.counts.tested, Some(tested)),
                    Part::Fitted => (&mut found.counts.learned, Some(fitted)),
                    Part::Learned => (&mut found.counts.learned, None),
                    Part::Unused => continue,
                };
                *count += 1;
                if let Some(rows) = rows {
                    columns.push(&decoded, row, rows);
                }
            }
            Ok(found)
        })
        .collect()
}

/// Shard, row group, and the group's first row within the shard.
pub(super) fn places(shards: &[Shard]) -> Vec<(usize, usize, u64)> {
    let of_shard = |(index, shard): (usize, &Shard)| {
        let mut begin = 0;
        let places = shard.groups().into_iter().enumerate().map(move |(group, rows)| {
            let place = (index, group, begin);
            begin += rows as u64;
            place
        });
        places.collect::<Vec<_>>()
    };
    shards.iter().enumerate().flat_map(of_shard).collect()
}
