//! Arguments of one call as rows of a batch, and what their evaluation answers: NumPy arrays, or numbers where all were numbers.

use std::time::{Duration, Instant};

use numpy::{PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};
use zomma_base::{OptionType, Status};

use crate::argument::{self, Value};
use crate::outcome::{Faults, OnError, row_error, rule, status_object};
use crate::rows::{self, Feed};
use crate::{option_type, threads};

/// How rows are handed to an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rows of one chunk: enough work to spread over many threads, little enough memory for a cache, and an interrupt is heard
    /// between two.
    pub chunk_rows: usize,
    /// Rows from which a batch is spread over threads.
    pub threaded_rows: usize,
}

impl Pace {
    /// Nanoseconds a row.
    pub const FORMULA: Self = Self { chunk_rows: 1 << 16, threaded_rows: 1 << 14 };
}

/// How long a chunk may take before an interrupt is looked for: asking takes the interpreter's lock, which others may hold.
const INTERRUPT_AFTER: Duration = Duration::from_millis(20);

/// A call's `option_type` and its `I` columns of numbers, broadcast.
#[derive(Debug)]
pub struct Batch<'py, const I: usize> {
    option_type: Value<'py, u8>,
    numbers: [Value<'py, f64>; I],
    names: [&'static str; I],
    shape: Vec<usize>,
    on_error: OnError,
}

/// Rows of one chunk.
#[derive(Debug)]
pub struct Chunk<'a, const I: usize> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// The columns of numbers, in the order of the call.
    pub numbers: [&'a [f64]; I],
}

/// `N` result columns, and statuses where they were asked for.
#[derive(Debug)]
pub struct Answer<'py, const N: usize> {
    columns: [Option<Bound<'py, PyAny>>; N],
    statuses: Option<Bound<'py, PyAny>>,
}

impl<'py, const I: usize> Batch<'py, I> {
    /// Reads and broadcasts arguments. One that was left out is 0 in every row.
    pub fn read(
        option_type: &Bound<'py, PyAny>,
        numbers: [(&'static str, Option<&Bound<'py, PyAny>>); I],
        on_error: &str,
    ) -> PyResult<Self> {
        let on_error = OnError::parse(on_error)?;
        let option_type = option_type::read(option_type)?;
        let mut values = [const { Value::Scalar(0.0) }; I];
        for (slot, (name, given)) in values.iter_mut().zip(numbers) {
            if let Some(object) = given {
                *slot = argument::number(name, object)?;
            }
        }
        let names = numbers.map(|(name, _)| name);
        if option_type.is_scalar() && values.iter().all(Value::is_scalar) {
            return Ok(Self { option_type, numbers: values, names, shape: Vec::new(), on_error });
        }
        let mut shapes = vec![("option_type", option_type.shape())];
        shapes.extend(names.into_iter().zip(values.iter().map(Value::shape)));
        let shape = rows::broadcast(&shapes)?;
        let option_type = rows::spread(option_type, &shape)?;
        for slot in &mut values {
            let value = std::mem::replace(slot, Value::Scalar(0.0));
            *slot = rows::spread(value, &shape)?;
        }
        Ok(Self { option_type, numbers: values, names, shape, on_error })
    }

    fn rows(&self) -> usize {
        self.shape.iter().product()
    }

    /// Runs the rows through `evaluate`, without the interpreter's lock, and answers as the caller asked. Columns that are not
    /// `wanted` are computed and dropped.
    pub fn run<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        wanted: [bool; N],
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Answer<'py, N>> {
        if self.shape.is_empty() {
            return self.run_one(py, pace, wanted, evaluate);
        }
        let fresh = || PyArrayDyn::<f64>::zeros(py, self.shape.as_slice(), false);
        let columns = wanted.map(|wanted| wanted.then(fresh));
        let statuses =
            (self.on_error == OnError::Status).then(|| PyArrayDyn::<u8>::zeros(py, self.shape.as_slice(), false));
        let faults = {
            let mut columns = columns.each_ref().map(|column| column.as_ref().map(PyArrayMethods::readwrite));
            let mut statuses = statuses.as_ref().map(PyArrayMethods::readwrite);
            // Fresh arrays in C order are contiguous.
            let out = columns
                .each_mut()
                .map(|column| column.as_mut().map(|column| column.as_slice_mut().expect("a fresh array")));
            let codes = statuses.as_mut().map(|codes| codes.as_slice_mut().expect("a fresh array"));
            self.fill(py, pace, out, codes, evaluate)?
        };
        self.refuse(py, &faults)?;
        let columns = columns.map(|column| column.map(Bound::into_any));
        Ok(Answer { columns, statuses: statuses.map(Bound::into_any) })
    }

    /// One row, without an array anywhere.
    fn run_one<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        wanted: [bool; N],
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Answer<'py, N>> {
        let code = rows::at(&self.option_type, &[]);
        let numbers = self.numbers.each_ref().map(|value| [rows::at(value, &[])]);
        let pool = (pace.threaded_rows <= 1).then(|| threads::pool(py)).transpose()?;
        let (out, status) = py.detach(|| {
            let option_type = [option_type::of_code(code)];
            let chunk = Chunk { option_type: &option_type, numbers: numbers.each_ref().map(<[f64; 1]>::as_slice) };
            let (mut out, mut status) = ([[f64::NAN]; N], [Status::Ok]);
            let parts = out.each_mut().map(<[f64; 1]>::as_mut_slice);
            match &pool {
                Some(pool) => pool.install(|| evaluate(&chunk, parts, &mut status)),
                None => evaluate(&chunk, parts, &mut status),
            }
            (out, if code == option_type::NEITHER { Status::BadOptionType } else { status[0] })
        });
        let mut faults = Faults::default();
        faults.add(0, &[status]);
        self.refuse(py, &faults)?;
        let mut columns = [const { None }; N];
        for ((column, wanted), [value]) in columns.iter_mut().zip(wanted).zip(out) {
            let value = if status.is_ok() { value } else { f64::NAN };
            *column = wanted.then(|| PyFloat::new(py, value).into_any());
        }
        let statuses = (self.on_error == OnError::Status).then(|| status_object(py, status)).transpose()?;
        Ok(Answer { columns, statuses })
    }

    /// Fills the results chunk by chunk. A column that is None goes to memory of one chunk, and is forgotten.
    fn fill<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        mut out: [Option<&mut [f64]>; N],
        mut codes: Option<&mut [u8]>,
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Faults> {
        let rows = self.rows();
        let pool = (rows >= pace.threaded_rows).then(|| threads::pool(py)).transpose()?;
        let chunk_rows = rows.min(pace.chunk_rows);
        let mut types = Feed::new(&self.option_type, chunk_rows);
        let mut numbers = self.numbers.each_ref().map(|value| Feed::new(value, chunk_rows));
        py.detach(|| {
            let mut faults = Faults::default();
            let mut option_type = Vec::with_capacity(chunk_rows);
            let mut status = Vec::with_capacity(chunk_rows);
            let mut unwanted =
                out.each_ref().map(|column| if column.is_some() { Vec::new() } else { vec![0.0; chunk_rows] });
            let mut looked = Instant::now();
            for start in (0..rows).step_by(pace.chunk_rows) {
                let range = start..rows.min(start + pace.chunk_rows);
                let type_codes = types.next(range.clone());
                option_type.clear();
                option_type.extend(type_codes.iter().map(|&code| option_type::of_code(code)));
                status.clear();
                status.resize(range.len(), Status::Ok);
                let numbers = numbers.each_mut().map(|feed| feed.next(range.clone()));
                let chunk = Chunk { option_type: &option_type, numbers };
                let mut scratch = unwanted.iter_mut();
                let mut parts = out.each_mut().map(|column| {
                    let scratch = scratch.next().expect("a scratch column for every column");
                    match column {
                        Some(column) => &mut column[range.clone()],
                        None => &mut scratch[..range.len()],
                    }
                });
                let lent = parts.each_mut().map(|part| &mut **part);
                match &pool {
                    Some(pool) => pool.install(|| evaluate(&chunk, lent, &mut status)),
                    None => evaluate(&chunk, lent, &mut status),
                }
                for (row, _) in type_codes.iter().enumerate().filter(|(_, code)| **code == option_type::NEITHER) {
                    status[row] = Status::BadOptionType;
                }
                for (row, _) in status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
                    parts.iter_mut().for_each(|column| column[row] = f64::NAN);
                }
                faults.add(start, &status);
                if let Some(codes) = codes.as_mut() {
                    codes[range].iter_mut().zip(&status).for_each(|(code, &status)| *code = status as u8);
                }
                if start + pace.chunk_rows < rows && looked.elapsed() > INTERRUPT_AFTER {
                    Python::attach(|py| py.check_signals())?;
                    looked = Instant::now();
                }
            }
            Ok(faults)
        })
    }

    /// The exception for the first faulty row, where the caller wants one.
    fn refuse(&self, py: Python<'py>, faults: &Faults) -> PyResult<()> {
        let (OnError::Raise, Some((row, status))) = (self.on_error, faults.first) else { return Ok(()) };
        let mut index = vec![0; self.shape.len()];
        let mut left = row;
        for (slot, &extent) in index.iter_mut().zip(&self.shape).rev() {
            *slot = left % extent;
            left /= extent;
        }
        let value = match rule(status).0 {
            Some(argument) => self
                .names
                .iter()
                .position(|name| *name == argument)
                .map(|place| rows::at(&self.numbers[place], &index).into_pyobject(py).map(Bound::into_any))
                .transpose()?,
            None => None,
        };
        Err(row_error(py, (status, &index, faults.count), value, self.rows())?)
    }
}

impl<'py> Answer<'py, 1> {
    /// The column, or (column, statuses).
    pub fn single(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let [column] = self.columns;
        with_statuses(py, column.expect("one column is always wanted"), self.statuses)
    }
}

impl<'py, const N: usize> Answer<'py, N> {
    /// The columns by their names as a dict, or (dict, statuses); in the order of `order`, which holds indices of columns.
    pub fn named(
        mut self,
        py: Python<'py>,
        order: impl IntoIterator<Item = usize>,
        name: impl Fn(usize) -> Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let named = PyDict::new(py);
        for place in order {
            if let Some(column) = self.columns[place].take() {
                named.set_item(name(place), column)?;
            }
        }
        with_statuses(py, named.into_any(), self.statuses)
    }
}

fn with_statuses<'py>(
    py: Python<'py>,
    result: Bound<'py, PyAny>,
    statuses: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match statuses {
        Some(statuses) => Ok((result, statuses).into_pyobject(py)?.into_any()),
        None => Ok(result),
    }
}
