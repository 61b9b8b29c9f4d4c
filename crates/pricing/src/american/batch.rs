//! Columns of American options: rows are put together by table and valued in lockstep, large batches over the threads of the current
//! rayon pool.

use std::cell::RefCell;

use rayon::prelude::*;
use zomma_base::Status;

use super::accuracy::Accuracy;
use super::boundary::MORE_STEPS;
use super::certain::Certain;
use super::lanes::{Answer, Evaluate, Job, Scratch};
use super::put::{Early, Valued, answer, value};
use super::{beyond, check, check_volatility, representable};
use crate::black::{Row, RowColumns};
use crate::math::{Target, dispatch};

/// Rows that a thread takes at a time: half a millisecond of work, and few groups that are not full.
pub(super) const CHUNK_ROWS: usize = 512;

/// Room for one chunk, kept between calls.
#[derive(Default)]
pub(super) struct Room {
    scratch: Scratch,
    /// The jobs of one table: which, what, and what became of them.
    which: Vec<usize>,
    jobs: Vec<Job>,
    answers: Vec<Answer>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// Runs `work` with this thread's room.
pub(super) fn with_room<T>(work: impl FnOnce(&mut Room) -> T) -> T {
    ROOM.with_borrow_mut(work)
}

impl Room {
    /// Values jobs of either table. What did not settle in lockstep gets more steps there, and what still did not is left to the twin.
    pub fn answer(&mut self, target: Target, accuracy: &Accuracy, jobs: &[Job], answers: &mut [Answer]) {
        answers.fill(Answer::default());
        for tables in [&accuracy.at_strike, &accuracy.below_strike] {
            let steps = tables.scheme.newton_steps;
            for steps in [steps, steps + MORE_STEPS] {
                self.which.clear();
                let is_open =
                    |i: &usize| !answers[*i].is_converged && std::ptr::eq(jobs[*i].terms.tables(accuracy), tables);
                self.which.extend((0..jobs.len()).filter(is_open));
                self.jobs.clear();
                self.jobs.extend(self.which.iter().map(|&i| jobs[i]));
                self.answers.clear();
                self.answers.resize(self.jobs.len(), Answer::default());
                let (jobs, answers_of, scratch) = (&self.jobs, &mut self.answers, &mut self.scratch);
                dispatch(target, Evaluate { tables, steps, jobs, answers: answers_of, scratch });
                for (&i, found) in self.which.iter().zip(&self.answers) {
                    answers[i] = *found;
                }
            }
        }
        for (job, found) in jobs.iter().zip(answers) {
            if !found.is_converged {
                *found = answer(job, accuracy);
            }
        }
    }
}

/// The default prices of rows whose fields are right: the fast scheme, and what stands in where the boundary's method does not go.
pub(super) fn prices_of_checked(room: &mut Room, rows: &[Row], prices: &mut [Result<f64, Status>]) {
    let options: Vec<_> = rows.iter().map(value).collect();
    let job = |option: &Result<Valued, Status>| match option {
        Ok(Valued::Early(option)) => Some(option.job),
        _ => None,
    };
    let jobs: Vec<Job> = options.iter().filter_map(job).collect();
    let mut answers = vec![Answer::default(); jobs.len()];
    room.answer(Target::best(), Accuracy::fast(), &jobs, &mut answers);
    let mut answers = answers.iter();
    for ((row, option), price) in rows.iter().zip(&options).zip(prices) {
        let by_boundary = match option {
            Ok(Valued::European(price) | Valued::Certain(Certain { price, .. })) => Ok(*price),
            Ok(Valued::Early(option)) => answers.next().map_or(Err(Status::NotConverged), |a| option.price(a)),
            Err(code) => Err(*code),
        };
        *price = by_boundary.or_else(|code| beyond::price(row).map_err(|_| code));
    }
}

/// The option behind a row, or what is wrong with it.
pub(super) fn checked(row: &Row) -> Result<Valued, Status> {
    check(row)?;
    check_volatility(row)?;
    value(row)
}

/// Values one batch; statuses are those of [`price_with`](super::price_with), and NaN stands where one is not `Ok`. Row i depends on row
/// i alone.
///
/// # Panics
/// Where the columns, `out` and `status` are not of one length.
pub fn price_batch(rows: &RowColumns<'_>, accuracy: &Accuracy, out: &mut [f64], status: &mut [Status]) {
    price_batch_on(Target::best(), rows, accuracy, out, status);
}

/// [`price_batch`] with the instructions of one target (the baseline where this machine has not got it): for tests and benchmarks.
pub fn price_batch_on(
    target: Target,
    rows: &RowColumns<'_>,
    accuracy: &Accuracy,
    out: &mut [f64],
    status: &mut [Status],
) {
    assert_lengths(rows, out.len());
    assert_eq!(out.len(), status.len(), "columns of one length");
    let batch = Batch { target, rows, accuracy };
    let work = |start: usize, out: &mut [f64], status: &mut [Status]| {
        with_room(|room| batch.prices(room, start, out, status));
    };
    if out.len() <= CHUNK_ROWS || rayon::current_num_threads() == 1 {
        let chunks = out.chunks_mut(CHUNK_ROWS).zip(status.chunks_mut(CHUNK_ROWS)).enumerate();
        return chunks.for_each(|(chunk, (out, status))| work(chunk * CHUNK_ROWS, out, status));
    }
    let chunks = out.par_chunks_mut(CHUNK_ROWS).zip(status.par_chunks_mut(CHUNK_ROWS)).enumerate();
    chunks.for_each(|(chunk, (out, status))| work(chunk * CHUNK_ROWS, out, status));
}

/// The lengths of a batch's columns.
pub(super) fn assert_lengths(rows: &RowColumns<'_>, n: usize) {
    let columns =
        [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
    assert!(rows.option_type.len() == n && columns.iter().all(|column| column.len() == n), "columns of one length");
}

/// What is valued, how.
struct Batch<'a> {
    target: Target,
    rows: &'a RowColumns<'a>,
    accuracy: &'a Accuracy,
}

impl Batch<'_> {
    /// One chunk, which begins at row `start`.
    fn prices(&self, room: &mut Room, start: usize, out: &mut [f64], status: &mut [Status]) {
        let mut early: Vec<(usize, Early)> = Vec::with_capacity(out.len());
        let mut put = |i: usize, result: Result<f64, Status>, out: &mut [f64]| {
            (out[i], status[i]) = match result {
                Ok(price) => (price, Status::Ok),
                Err(code) => (f64::NAN, code),
            };
        };
        for i in 0..out.len() {
            match checked(&self.rows.row(start + i)) {
                Ok(Valued::Early(option)) => early.push((i, option)),
                Ok(Valued::European(price) | Valued::Certain(Certain { price, .. })) => {
                    put(i, representable(price), out)
                }
                Err(code) => put(i, Err(code), out),
            }
        }
        let jobs: Vec<Job> = early.iter().map(|(_, option)| option.job).collect();
        let mut answers = vec![Answer::default(); jobs.len()];
        room.answer(self.target, self.accuracy, &jobs, &mut answers);
        for ((i, option), answer) in early.iter().zip(&answers) {
            put(*i, option.price(answer), out);
        }
    }
}
