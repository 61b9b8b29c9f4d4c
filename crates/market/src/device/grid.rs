//! Features of many instruments at the times of rows: events in, rows out, the device at work in between.

use zomma_gpu::{GpuError, recovery::Runner};

use super::{
    books::{DeviceBooks, Matrix},
    integrated::IntegratedFlows,
    plan::{Column, Plan},
    recorder::{Cut, Recorder, TablesRoom},
    windows::FlowWindows,
};
use crate::{
    event::{Event, InstrumentId},
    features::{Depth, Times},
};

/// Why rows cannot be given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    /// The device failed, and nothing is left to turn to.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// A book of a later time than the row that it would be in, as where a snapshot tells times of its own.
    #[error(
        "a book of {book_ns} ns before the row of {row_ns} ns; order flow on a device needs books in the order of rows"
    )]
    Ahead {
        /// The moment that the book counts at.
        book_ns: u64,
        /// The row.
        row_ns: u64,
    },
    /// Microprices of more instruments than there is memory for.
    #[error(
        "microprices of {instruments} instruments, {bytes_each} bytes each, need {} MB; allowed: {} MB, half of the memory that was available; fewer states, or one instrument, need less",
        .instruments * .bytes_each / 1_000_000,
        .most_bytes / 1_000_000
    )]
    Memory {
        /// Instruments whose books have come.
        instruments: u64,
        /// Bytes of each.
        bytes_each: u64,
        /// Bytes that are allowed.
        most_bytes: u64,
    },
    /// Sizes so large that the flow between two rows does not fit in 64 bits.
    #[error("instrument {instrument}: the order flow between two rows is beyond 63 bits")]
    Overflow {
        /// Its number.
        instrument: usize,
    },
}

/// The values of all instruments at one time.
#[derive(Debug)]
pub struct GridRow<'a> {
    /// When.
    pub time_ns: u64,
    plan: &'a Plan,
    matrix: &'a Matrix,
    windows: &'a FlowWindows,
    integrated: &'a IntegratedFlows,
}

impl GridRow<'_> {
    /// Instruments have numbers below this.
    pub fn instruments(&self) -> usize {
        self.matrix.instruments()
    }

    /// Whether an instrument has had a book by then.
    pub fn is_told(&self, instrument: InstrumentId) -> bool {
        self.matrix.is_told(instrument.0 as usize)
    }

    /// The values of an instrument, in the order of the plan's columns, in place of what is in `out`.
    pub fn values(&self, instrument: InstrumentId, out: &mut Vec<Option<f64>>) {
        let at = instrument.0 as usize;
        let value = |column: &Column| match *column {
            Column::OfBook(feature) => self.matrix.value(feature, at),
            Column::Flow { window, level } => self.matrix.is_told(at).then(|| self.windows.sum(window, level, at)),
            Column::Integrated(feature) => self.integrated.value(feature, at, self.windows),
        };
        out.clear();
        out.extend(self.plan.columns.iter().map(value));
    }
}

/// Rows of features at a pace, from the events of a feed.
///
/// A row is handed over when the next one is asked for, so that events are decoded while the device works on the row before.
#[derive(Debug)]
pub struct FeatureGrid<'a> {
    plan: Plan,
    recorder: Recorder,
    books: DeviceBooks<'a>,
    windows: FlowWindows,
    integrated: IntegratedFlows,
    matrix: Matrix,
    /// The row that the device is at work on, with when its books were.
    at_work: Option<(u64, Cut)>,
}

impl<'a> FeatureGrid<'a> {
    /// Rows at multiples of `every_ns`, for which the plan was made.
    pub fn new(runner: &'a Runner, plan: Plan, every_ns: u64, times: Times) -> Self {
        Self {
            recorder: Recorder::of_plan(&plan, every_ns, times),
            books: DeviceBooks::new(runner, plan.clone()),
            windows: FlowWindows::new(&plan.windows_ns, plan.flow_levels),
            integrated: IntegratedFlows::new(&plan.integrated),
            matrix: Matrix::default(),
            at_work: None,
            plan,
        }
    }

    /// The microprices of all instruments together take no more memory than this; half of what was available at first unless this says otherwise.
    pub fn with_most_table_bytes(mut self, most_bytes: u64) -> Self {
        self.recorder = self.recorder.with_most_table_bytes(most_bytes);
        self
    }

    /// What keeps the whole books.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The books on the device.
    pub fn books(&self) -> &DeviceBooks<'a> {
        &self.books
    }

    /// Takes the next event; whether its instrument's book is whole with it.
    pub fn event(&mut self, event: &Event) -> bool {
        self.recorder.event(event)
    }

    /// Takes a book that is told whole.
    pub fn depth(&mut self, instrument: InstrumentId, depth: &Depth<'_>) {
        self.recorder.depth(instrument, depth);
    }

    /// Asks for the row of a time, a multiple of the pace; those that are ready go to `rows`, the first asked for first.
    ///
    /// # Errors
    ///
    /// [`GridError`]; what `rows` fails with.
    pub fn row<E: From<GridError>>(
        &mut self,
        time_ns: u64,
        rows: &mut impl FnMut(&GridRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_room()?;
        self.recorder.advance(time_ns);
        let cuts = self.recorder.cut(time_ns);
        self.finish(rows)?;
        let last = cuts.len() - 1;
        for (place, mut cut) in cuts.into_iter().enumerate() {
            if cut.slot_ns > time_ns && self.plan.flow_levels > 0 {
                return Err(GridError::Ahead { book_ns: cut.slot_ns, row_ns: time_ns }.into());
            }
            // A silence changes windows alone.
            if cut.batch.is_empty() {
                if place == last {
                    self.hand_over(time_ns, rows)?;
                }
                continue;
            }
            self.submit(std::mem::take(&mut cut.batch))?;
            if place == last {
                self.at_work = Some((time_ns, cut));
            } else {
                self.collect(&cut)?;
            }
        }
        Ok(())
    }

    /// Waits for the row that was asked for last.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row).
    pub fn finish<E: From<GridError>>(
        &mut self,
        rows: &mut impl FnMut(&GridRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some((time_ns, cut)) = self.at_work.take() {
            self.collect(&cut)?;
            self.hand_over(time_ns, rows)?;
        }
        Ok(self.check_room()?)
    }

    fn check_room(&self) -> Result<(), GridError> {
        match self.recorder.tables_room() {
            Some(TablesRoom { instruments, bytes_each, most_bytes, .. }) => {
                Err(GridError::Memory { instruments, bytes_each, most_bytes })
            }
            None => Ok(()),
        }
    }

    fn submit(&mut self, batch: super::UpdateBatch) -> Result<(), GridError> {
        Ok(self.books.submit(batch)?)
    }

    fn collect(&mut self, cut: &Cut) -> Result<(), GridError> {
        self.matrix = self.books.collect()?;
        if let Some(instrument) = self.matrix.overflown() {
            return Err(GridError::Overflow { instrument });
        }
        self.windows.add(cut.slot_ns, &self.matrix);
        self.integrated.add(cut.time_ns(), &cut.paused, &self.matrix);
        Ok(())
    }

    fn hand_over<E>(&mut self, time_ns: u64, rows: &mut impl FnMut(&GridRow<'_>) -> Result<(), E>) -> Result<(), E> {
        self.windows.advance(time_ns);
        let Self { plan, matrix, windows, integrated, .. } = self;
        rows(&GridRow { time_ns, plan, matrix, windows, integrated })
    }
}
