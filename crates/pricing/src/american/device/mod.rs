//! The batches of this folder on a device: a put a block of threads (`kernel`), from guesses that are made a put a thread (`guess_kernel`).
//!
//! The CPU decides what kind of row each is, so that statuses are one and the same on every device, and adds the European value. Boundaries
//! and premiums are the device's: five numbers a put go up, four and a flag come down. A put whose Newton steps do not settle is left to
//! the CPU, and so is every put of a scheme that a block's shared memory does not hold (`Accuracy::high_precision` at a yield above the rate).

mod guess_kernel;
mod kernel;
mod shape;
#[cfg(test)]
mod tests;

use std::ops::Range;

use cubecl::prelude::*;
use cubecl::server::Handle;
use rayon::prelude::*;
use zomma_base::Status;
use zomma_gpu::{Compute, GpuError, Session};

use super::accuracy::{Accuracy, Tables};
use super::batch::{CHUNK_ROWS, assert_lengths, checked, with_room};
use super::certain::Certain;
use super::greeks::{Begun, JOBS_PER_ROW};
use super::lanes::{Answer, Job};
use super::premium::Premium;
use super::put::{Early, Valued};
use super::representable;
use crate::black::{GreekColumns, RowColumns};
use crate::math::Target;
use crate::math::grid::{BLOCK_THREADS, blocks_of_rows};
use crate::math::reduction::Reduction;
use kernel::ANSWERS;
use shape::Shape;

#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &Session<'_, R>, out: &mut Vec<(String, String)>) {
    guess_kernel::sources(session, out);
    kernel::sources(session, out);
}

/// Numbers of a put that go up.
const JOB: usize = 5;
/// Puts of one launch, a block each: more fill no device better.
const PUTS_PER_LAUNCH: usize = 1 << 16;

/// Values one batch on a device: as [`price_batch`](super::price_batch).
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
///
/// # Panics
///
/// As [`price_batch`](super::price_batch).
pub fn price(
    compute: &Compute,
    rows: &RowColumns<'_>,
    accuracy: &Accuracy,
    out: &mut [f64],
    status: &mut [Status],
) -> Result<(), GpuError> {
    compute.run(Prices { rows, accuracy, out, status, reduction: Reduction::Best }).map(|_| ())
}

/// Greeks of one batch on a device: as [`greeks_batch`](super::greeks_batch).
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
///
/// # Panics
///
/// As [`greeks_batch`](super::greeks_batch).
pub fn greeks(
    compute: &Compute,
    rows: &RowColumns<'_>,
    accuracy: &Accuracy,
    out: &mut GreekColumns,
    status: &mut [Status],
) -> Result<(), GpuError> {
    compute.run(AllGreeks { rows, accuracy, out, status })
}

/// What a row of [`price`] takes on a device, in bytes, at most.
pub fn price_bytes_per_row(accuracy: &Accuracy) -> usize {
    let nodes = [&accuracy.at_strike, &accuracy.below_strike].map(|tables| tables.root.len());
    bytes_per_put(nodes[0].max(nodes[1]))
}

/// What a row of [`greeks`] takes on a device, in bytes, at most.
pub fn greeks_bytes_per_row(accuracy: &Accuracy) -> usize {
    JOBS_PER_ROW * price_bytes_per_row(accuracy)
}

fn bytes_per_put(nodes: usize) -> usize {
    (JOB + ANSWERS + nodes) * size_of::<f64>() + size_of::<u32>()
}

/// Prices of one batch.
struct Prices<'a> {
    rows: &'a RowColumns<'a>,
    accuracy: &'a Accuracy,
    out: &'a mut [f64],
    status: &'a mut [Status],
    reduction: Reduction,
}

impl zomma_gpu::Job for Prices<'_> {
    /// Puts that were left to the CPU.
    type Output = usize;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        let Self { rows, accuracy, out, status, reduction } = self;
        assert_lengths(rows, out.len());
        assert_eq!(out.len(), status.len(), "columns of one length");
        let mut puts = Puts::new(session, accuracy, reduction);
        for at in chunks(out.len(), PUTS_PER_LAUNCH) {
            let options: Vec<_> = at.clone().into_par_iter().map(|i| checked(&rows.row(i))).collect();
            let early = |option: &Result<Valued, Status>| match option {
                Ok(Valued::Early(Early { job, .. })) => Some(*job),
                _ => None,
            };
            let jobs: Vec<Job> = options.iter().filter_map(early).collect();
            let answers = puts.answers(&jobs)?;
            let mut answers = answers.iter();
            for (i, option) in at.zip(&options) {
                let price = match option {
                    Ok(Valued::European(price) | Valued::Certain(Certain { price, .. })) => representable(*price),
                    Ok(Valued::Early(option)) => answers.next().map_or(Err(Status::NotConverged), |a| option.price(a)),
                    Err(code) => Err(*code),
                };
                status[i] = price.err().unwrap_or(Status::Ok);
                out[i] = price.unwrap_or(f64::NAN);
            }
        }
        Ok(puts.left)
    }
}

/// Greeks of one batch.
struct AllGreeks<'a> {
    rows: &'a RowColumns<'a>,
    accuracy: &'a Accuracy,
    out: &'a mut GreekColumns,
    status: &'a mut [Status],
}

impl zomma_gpu::Job for AllGreeks<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        let Self { rows, accuracy, out, status } = self;
        let n = status.len();
        assert_lengths(rows, n);
        let columns = out.columns_mut();
        assert!(columns.iter().all(|column| column.len() == n), "columns of one length");
        let mut puts = Puts::new(session, accuracy, Reduction::Best);
        for at in chunks(n, PUTS_PER_LAUNCH / JOBS_PER_ROW) {
            let begun: Vec<Begun> = at.clone().into_par_iter().map(|i| Begun::new(&rows.row(i))).collect();
            let jobs: Vec<Job> = begun.iter().flat_map(Begun::jobs).copied().collect();
            let answers = puts.answers(&jobs)?;
            let mut from = 0;
            for (i, begun) in at.zip(&begun) {
                let of_row = from..from + begun.jobs().len();
                from = of_row.end;
                let found = begun.greeks(&answers[of_row]);
                status[i] = found.err().unwrap_or(Status::Ok);
                for (column, value) in columns.iter_mut().zip(found.unwrap_or([f64::NAN; 19])) {
                    column[i] = value;
                }
            }
        }
        Ok(())
    }
}

fn chunks(rows: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
}

/// Values puts of both tables, which go up once.
struct Puts<'a, R: Runtime> {
    session: &'a Session<'a, R>,
    accuracy: &'a Accuracy,
    /// The tables of [`Accuracy`], once they were needed: those of the rates first.
    uploaded: [Option<[Handle; 2]>; 2],
    reduction: Reduction,
    /// Puts that were left to the CPU.
    left: usize,
}

impl<'a, R: Runtime> Puts<'a, R> {
    fn new(session: &'a Session<'a, R>, accuracy: &'a Accuracy, reduction: Reduction) -> Self {
        Self { session, accuracy, uploaded: [None, None], reduction, left: 0 }
    }

    fn answers(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, GpuError> {
        let mut answers = vec![Answer::default(); jobs.len()];
        let accuracy = self.accuracy;
        let shared_bytes_max = self.session.client().properties().hardware.max_shared_memory_size;
        for (half, tables) in [&accuracy.at_strike, &accuracy.below_strike].into_iter().enumerate() {
            let shape = Shape::of(tables);
            if shape.shared_bytes() > shared_bytes_max {
                continue;
            }
            let is_of_half = |i: &usize| std::ptr::eq(jobs[*i].terms.tables(accuracy), tables);
            let which: Vec<usize> = (0..jobs.len()).filter(is_of_half).collect();
            let hardware = &self.session.client().properties().hardware;
            let most = self.session.rows_per_chunk(bytes_per_put(shape.nodes)).min(PUTS_PER_LAUNCH);
            for which in which.chunks(most.min(hardware.max_cube_count.0 as usize)) {
                let buffers = self.tables(half, tables)?;
                self.launch(which, jobs, (tables, shape), buffers, &mut answers)?;
            }
        }
        let open: Vec<usize> = (0..jobs.len()).filter(|&i| !answers[i].is_converged).collect();
        self.left += open.len();
        let on_cpu = |which: &[usize]| {
            let jobs: Vec<Job> = which.iter().map(|&i| jobs[i]).collect();
            let mut found = vec![Answer::default(); jobs.len()];
            with_room(|room| room.answer(Target::best(), accuracy, &jobs, &mut found));
            found
        };
        let found: Vec<Vec<Answer>> = open.par_chunks(CHUNK_ROWS).map(on_cpu).collect();
        for (&i, found) in open.iter().zip(found.iter().flatten()) {
            answers[i] = *found;
        }
        Ok(answers)
    }

    /// √τ of the nodes, and all tables in the order of [`Shape`].
    fn tables(&mut self, half: usize, tables: &Tables) -> Result<[Handle; 2], GpuError> {
        if let Some(buffers) = &self.uploaded[half] {
            return Ok(buffers.clone());
        }
        let buffers = [self.session.upload(&tables.root)?, self.session.upload(&Shape::packed(tables))?];
        self.uploaded[half] = Some(buffers.clone());
        Ok(buffers)
    }

    /// Values the jobs at `which`.
    fn launch(
        &self,
        which: &[usize],
        jobs: &[Job],
        (tables, shape): (&Tables, Shape),
        [root, packed]: [Handle; 2],
        answers: &mut [Answer],
    ) -> Result<(), GpuError> {
        let (session, n) = (self.session, which.len());
        let column = |of: fn(&Job) -> f64| which.iter().map(move |&i| of(&jobs[i]));
        let terms: Vec<f64> = column(|job| job.terms.rate)
            .chain(column(|job| job.terms.dividend))
            .chain(column(|job| job.terms.deviation))
            .chain(column(|job| job.terms.log_end))
            .chain(column(|job| job.log_spot))
            .collect();
        let terms = session.upload(&terms)?;
        let guess = session.allocate::<f64>(shape.nodes * n)?;
        let (found, flags) = (session.allocate::<f64>(ANSWERS * n)?, session.allocate::<u32>(n)?);
        // SAFETY: each length is what the buffer was made with. A thread of the first kernel reads the five numbers of a put and the roots
        // of the nodes, and writes a guess a node; threads past the puts do nothing. There is a block of the second for each of n puts: it
        // reads its numbers, its guesses and the tables, whose offsets end with their length, and writes four numbers and a flag. Loops
        // are finite: Newton's has at most `MORE_STEPS` more than the scheme's steps, of which the whole block is told alike.
        unsafe {
            guess_kernel::guess::launch_unchecked::<R>(
                session.client(),
                blocks_of_rows(n),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(terms.clone(), JOB * n),
                ArrayArg::from_raw_parts(root, shape.nodes),
                ArrayArg::from_raw_parts(guess.clone(), shape.nodes * n),
                n as u32,
                shape.nodes,
            );
            kernel::value::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static(n as u32, 1, 1),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(terms, JOB * n),
                ArrayArg::from_raw_parts(guess, shape.nodes * n),
                ArrayArg::from_raw_parts(packed, shape.tables_len()),
                ArrayArg::from_raw_parts(found.clone(), ANSWERS * n),
                ArrayArg::from_raw_parts(flags.clone(), n),
                n as u32,
                tables.settled,
                shape,
                self.reduction.plane_size(session, BLOCK_THREADS),
            );
        }
        let flags = session.download::<u32>(flags)?;
        let found = session.download::<f64>(found)?;
        for (row, &i) in which.iter().enumerate() {
            let number = |quantity: usize| found[quantity * n + row];
            answers[i] = Answer {
                premium: Premium { value: number(0), delta: number(1), gamma: number(2) },
                log_boundary: jobs[i].terms.log_end - number(3),
                is_converged: flags[row] == 0,
            };
        }
        Ok(())
    }
}
