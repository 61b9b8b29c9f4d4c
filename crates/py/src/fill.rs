//! Rows of a batch through an evaluation: a stretch of rows at a time, whose chunks go to one thread or to many.
//!
//! All that is done with a chunk (words made option types, the formulae, faults looked for) is done by the thread that evaluates it, and
//! the memory of a large result is first touched there.

use std::ops::Range;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rayon::ThreadPool;
use zomma_base::{OptionType, Status};

use crate::batch::Chunk;
use crate::option_type::{self, Cells};
use crate::outcome::Faults;
use crate::rows::{Column, Feed};

/// How rows are handed to an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rows of one call of the evaluation.
    pub chunk_rows: usize,
    /// Rows from which a batch is spread over threads.
    pub threaded_rows: usize,
    /// What is spread.
    pub spread: Spread,
}

/// What threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Chunks, each small enough that its columns stay in a core's cache.
    Chunks,
    /// The rows of a chunk, by the evaluation itself, which values some of them together.
    WithinChunk,
}

impl Pace {
    /// Nanoseconds a row.
    pub const FORMULA: Self = Self { chunk_rows: 1 << 11, threaded_rows: 1 << 14, spread: Spread::Chunks };
}

/// Rows between two looks for an interrupt, where the arguments lie in memory as they are read: milliseconds of formulae.
const STRETCH_ROWS: usize = 1 << 20;
/// The same where an argument is read by its steps, into memory that should stay in a cache.
const GATHERED_ROWS: usize = 1 << 16;
/// Rows below which a part stays on one thread: a tenth of a millisecond of formulae.
const LEAST_PART: usize = 1 << 14;
/// How long a stretch may take before an interrupt is looked for: asking takes the interpreter's lock, which others may hold.
const INTERRUPT_AFTER: Duration = Duration::from_millis(20);

/// Where arguments are read from.
pub struct Sources<'a, const I: usize> {
    /// Calls and puts.
    pub option_type: Feed<'a, u8>,
    /// Calls and puts as NumPy's words, instead of those codes.
    pub cells: Option<Cells<'a>>,
    /// The columns of numbers.
    pub numbers: [Feed<'a, f64>; I],
}

/// Result columns, of which those that are None are computed and dropped, and statuses where they are wanted.
pub struct Results<'a, const N: usize> {
    /// One element a row.
    pub out: [Option<&'a mut [f64]>; N],
    /// One element a row.
    pub codes: Option<&'a mut [u8]>,
}

impl<const N: usize> Results<'_, N> {
    /// The rows before one, and those from it on.
    fn split_at(self, middle: usize) -> (Self, Self) {
        let mut rest = [const { None }; N];
        let mut slots = rest.iter_mut();
        let out = self.out.map(|column| {
            let (head, tail) = column.map(|column| column.split_at_mut(middle)).unzip();
            if let Some(slot) = slots.next() {
                *slot = tail;
            }
            head
        });
        let (head, tail) = self.codes.map(|codes| codes.split_at_mut(middle)).unzip();
        (Self { out, codes: head }, Self { out: rest, codes: tail })
    }
}

/// Fills the results, and counts the rows that have none. Called without the interpreter's lock.
pub fn fill<const I: usize, const N: usize>(
    pool: Option<&ThreadPool>,
    pace: Pace,
    rows: usize,
    mut sources: Sources<'_, I>,
    mut results: Results<'_, N>,
    evaluate: &(impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync),
) -> PyResult<Faults> {
    let walks = sources.option_type.walks() || sources.numbers.iter().any(Feed::walks);
    let stretch_rows = match pace.spread {
        Spread::WithinChunk => pace.chunk_rows,
        Spread::Chunks if walks => GATHERED_ROWS,
        Spread::Chunks => STRETCH_ROWS,
    };
    let mut faults = Faults::default();
    let mut looked = Instant::now();
    for start in (0..rows).step_by(stretch_rows) {
        let range = start..rows.min(start + stretch_rows);
        let numbers = sources.numbers.each_mut().map(|feed| feed.next(range.clone()));
        let option_type = match &sources.cells {
            Some(cells) => Types::Cells(cells.slice(range.clone())),
            None => Types::Codes(sources.option_type.next(range.clone())),
        };
        let stretch = Stretch { start, option_type, numbers, pace, evaluate };
        let (part, rest) = results.split_at(range.len());
        results = rest;
        faults.join(match pool {
            Some(pool) => pool.install(|| stretch.split(0..range.len(), part)),
            None => stretch.run(0..range.len(), part),
        });
        if range.end < rows && looked.elapsed() > INTERRUPT_AFTER {
            Python::attach(|py| py.check_signals())?;
            looked = Instant::now();
        }
    }
    Ok(faults)
}

/// Option types of a stretch.
enum Types<'a> {
    Codes(Column<'a, u8>),
    Cells(Cells<'a>),
}

/// Rows whose arguments are at hand.
struct Stretch<'a, const I: usize, E> {
    /// Of its first row.
    start: usize,
    option_type: Types<'a>,
    numbers: [Column<'a, f64>; I],
    pace: Pace,
    evaluate: &'a E,
}

impl<const I: usize, E> Stretch<'_, I, E> {
    /// [`Self::run`], halved over the pool until the parts are small.
    fn split<const N: usize>(&self, rows: Range<usize>, results: Results<'_, N>) -> Faults
    where
        E: Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    {
        if self.pace.spread == Spread::WithinChunk || rows.len() < 2 * LEAST_PART {
            return self.run(rows, results);
        }
        let half = rows.len() / 2 / self.pace.chunk_rows * self.pace.chunk_rows;
        if half == 0 {
            return self.run(rows, results);
        }
        let middle = rows.start + half;
        let (left, right) = results.split_at(half);
        let (mut faults, later) =
            rayon::join(|| self.split(rows.start..middle, left), || self.split(middle..rows.end, right));
        faults.join(later);
        faults
    }

    /// Rows of this stretch on this thread, a chunk at a time.
    fn run<const N: usize>(&self, rows: Range<usize>, mut results: Results<'_, N>) -> Faults
    where
        E: Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    {
        let most = self.pace.chunk_rows.min(rows.len());
        let (mut codes, mut status) = (vec![0_u8; most], vec![Status::Ok; most]);
        let mut option_type = vec![OptionType::Call; most];
        let mut unwanted = results.out.each_ref().map(|column| vec![0.0; if column.is_some() { 0 } else { most }]);
        let mut faults = Faults::default();
        let mut done = 0;
        while done < rows.len() {
            let count = most.min(rows.len() - done);
            let chunk_rows = rows.start + done..rows.start + done + count;
            let codes = &mut codes[..count];
            match &self.option_type {
                Types::Codes(column) => codes.copy_from_slice(column.get(chunk_rows.clone())),
                Types::Cells(cells) => cells.slice(chunk_rows.clone()).codes_into(codes),
            }
            option_type.iter_mut().zip(&*codes).for_each(|(slot, &code)| *slot = option_type::of_code(code));
            let status = &mut status[..count];
            status.fill(Status::Ok);
            let numbers = self.numbers.each_ref().map(|column| column.get(chunk_rows.clone()));
            let chunk = Chunk { option_type: &option_type[..count], numbers };
            let mut scratch = unwanted.iter_mut();
            let mut parts = results.out.each_mut().map(|column| {
                let scratch = scratch.next().map(Vec::as_mut_slice).unwrap_or_default();
                match column {
                    Some(column) => &mut column[done..done + count],
                    None => &mut scratch[..count],
                }
            });
            (self.evaluate)(&chunk, parts.each_mut().map(|part| &mut **part), status);
            // Without a branch a row: both are looked through as vectors, and faults are few.
            if codes.iter().fold(false, |bad, &code| bad | (code == option_type::NEITHER)) {
                let neither = codes.iter().zip(&mut *status).filter(|(code, _)| **code == option_type::NEITHER);
                neither.for_each(|(_, status)| *status = Status::BadOptionType);
            }
            if status.iter().fold(false, |bad, status| bad | !status.is_ok()) {
                for (row, _) in status.iter().enumerate().filter(|(_, status)| !status.has_numbers()) {
                    parts.iter_mut().for_each(|column| column[row] = f64::NAN);
                }
                faults.add(self.start + chunk_rows.start, status);
            }
            if let Some(codes) = results.codes.as_mut() {
                codes[done..done + count].iter_mut().zip(&*status).for_each(|(code, &status)| *code = status as u8);
            }
            done += count;
        }
        faults
    }
}
