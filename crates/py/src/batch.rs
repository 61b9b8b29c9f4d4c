//! Arguments of one call as rows of a batch, and what their evaluation answers: NumPy arrays, or numbers where all were numbers.

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PySlice, PyString, PyTuple};
use zomma_base::{OptionType, Status};

use crate::argument::{self, Value};
use crate::fill::{self, Pace, Results, Sources};
use crate::option_type::{self, Words};
use crate::outcome::{Faults, OnError, row_error, rule, status_object};
use crate::rows::{self, Feed};
use crate::threads;

/// Rows of a large array, 1 MiB, and bytes of a huge page. With the room around it NumPy takes it for one of 4 MiB, from which it asks.
const LARGE_ROWS: usize = 1 << 17;
const HUGE_PAGE: usize = 1 << 21;

/// A call's `option_type` and its `I` columns of numbers, broadcast.
#[derive(Debug)]
pub struct Batch<'py, const I: usize> {
    option_type: Words<'py>,
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
        let option_type = option_type.spread(&shape)?;
        for slot in &mut values {
            let value = std::mem::replace(slot, Value::Scalar(0.0));
            *slot = rows::spread(value, &shape)?;
        }
        Ok(Self { option_type, numbers: values, names, shape, on_error })
    }

    /// An array for a result. A large one is a part of NumPy's `empty`, which asks for huge pages, and begins where one does: zeros, and
    /// what lies before and after whole huge pages, come in pages of 4 KiB, and to be given those costs more than the formulae do.
    fn fresh(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let rows = self.rows();
        if rows < LARGE_ROWS {
            return Ok(PyArrayDyn::zeros(py, self.shape.as_slice(), false));
        }
        let bytes = (rows * size_of::<f64>()).next_multiple_of(HUGE_PAGE) + HUGE_PAGE;
        let flat = self.made(py, "empty", &[bytes / size_of::<f64>()], "f8")?.cast_into::<PyArray1<f64>>()?;
        let before = flat.data().addr().wrapping_neg() % HUGE_PAGE / size_of::<f64>();
        // Of an array that is shorter than memory, as is every index.
        let part = PySlice::new(py, before as isize, (before + rows) as isize, 1);
        let shape = PyTuple::new(py, &self.shape)?;
        Ok(flat.get_item(part)?.call_method1("reshape", (shape,))?.cast_into()?)
    }

    /// An array for statuses.
    fn fresh_codes(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        if self.rows() < LARGE_ROWS {
            return Ok(PyArrayDyn::zeros(py, self.shape.as_slice(), false));
        }
        Ok(self.made(py, "zeros", self.shape.as_slice(), "u1")?.cast_into()?)
    }

    /// An array by NumPy's own function, which says where there is no memory for it.
    fn made(&self, py: Python<'py>, function: &str, shape: &[usize], dtype: &str) -> PyResult<Bound<'py, PyAny>> {
        let made = py.import("numpy")?.getattr(function)?.call1((PyTuple::new(py, shape)?, dtype));
        made.map_err(|error| {
            let message = format!("results of shape {:?}: {}", self.shape, error.value(py));
            let named = PyMemoryError::new_err(message);
            named.set_cause(py, Some(error));
            named
        })
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
        self.run_into(py, pace, wanted, [const { None }; N], evaluate)
    }

    /// [`Self::run`] into arrays of the caller's, where `given` has one.
    pub fn run_into<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        wanted: [bool; N],
        given: [Option<Bound<'py, PyArrayDyn<f64>>>; N],
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Answer<'py, N>> {
        if self.shape.is_empty() {
            if given.iter().any(Option::is_some) {
                return Err(PyValueError::new_err("out: the arguments are all numbers, and so are the results"));
            }
            return self.run_one(py, pace, wanted, evaluate);
        }
        self.refuse_overlap(py, &given)?;
        let mut columns = [const { None }; N];
        for ((column, wanted), given) in columns.iter_mut().zip(wanted).zip(given) {
            *column = match given {
                Some(array) if array.shape() != self.shape || !array.is_c_contiguous() || !array.is_aligned() => {
                    return Err(PyValueError::new_err(format!(
                        "out: of shape {:?}: aligned arrays in rows of shape {:?} are allowed",
                        array.shape(),
                        self.shape
                    )));
                }
                Some(array) => Some(array),
                None if wanted => Some(self.fresh(py)?),
                None => None,
            };
        }
        let statuses = (self.on_error == OnError::Status).then(|| self.fresh_codes(py)).transpose()?;
        let faults = {
            let mut borrowed = [const { None }; N];
            for (slot, column) in borrowed.iter_mut().zip(&columns) {
                let borrow = column.as_ref().map(PyArrayMethods::try_readwrite).transpose();
                *slot = borrow
                    .map_err(|error| PyValueError::new_err(format!("out: {error}: nothing else may be there")))?;
            }
            let mut statuses = statuses.as_ref().map(PyArrayMethods::readwrite);
            // Arrays in C order are contiguous.
            let out = borrowed
                .each_mut()
                .map(|column| column.as_mut().map(|column| column.as_slice_mut().expect("an array in rows")));
            let codes = statuses.as_mut().map(|codes| codes.as_slice_mut().expect("a fresh array"));
            self.fill(py, pace, Results { out, codes }, evaluate)?
        };
        self.refuse(py, &faults)?;
        let columns = columns.map(|column| column.map(Bound::into_any));
        Ok(Answer { columns, statuses: statuses.map(Bound::into_any) })
    }

    /// Refuses arrays for results that lie where an argument or another of them does, also under another base: they are written while threads
    /// read.
    fn refuse_overlap(&self, py: Python<'py>, given: &[Option<Bound<'py, PyArrayDyn<f64>>>]) -> PyResult<()> {
        let given: Vec<_> = given.iter().flatten().collect();
        if given.is_empty() {
            return Ok(());
        }
        let share = py.import("numpy")?.getattr("may_share_memory")?;
        for (place, out) in given.iter().enumerate() {
            let arguments = self.names.iter().zip(&self.numbers).filter_map(|(name, value)| match value {
                Value::Array(array) => Some((*name, array.as_any())),
                Value::Scalar(_) => None,
            });
            let others = given[..place].iter().map(|other| ("another of out", other.as_any()));
            for (name, other) in arguments.chain(others) {
                if share.call1((*out, other))?.extract()? {
                    return Err(PyValueError::new_err(format!(
                        "out: lies in the memory of {name}: nothing else may be there"
                    )));
                }
            }
        }
        Ok(())
    }

    /// One row, without an array anywhere.
    fn run_one<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        wanted: [bool; N],
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Answer<'py, N>> {
        let code = self.option_type.only();
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
            let value = if status.has_numbers() { value } else { f64::NAN };
            *column = wanted.then(|| PyFloat::new(py, value).into_any());
        }
        let statuses = (self.on_error == OnError::Status).then(|| status_object(py, status)).transpose()?;
        Ok(Answer { columns, statuses })
    }

    fn fill<const N: usize>(
        &self,
        py: Python<'py>,
        pace: Pace,
        results: Results<'_, N>,
        evaluate: impl Fn(&Chunk<'_, I>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Faults> {
        let rows = self.rows();
        let pool = (rows >= pace.threaded_rows).then(|| threads::pool(py)).transpose()?;
        let chunk_rows = rows.min(pace.chunk_rows);
        let (option_type, cells) = match &self.option_type {
            Words::Codes(codes) => (Feed::new(codes, chunk_rows), None),
            Words::Cells(cells) => (Feed::nothing(), Some(cells.as_cells())),
        };
        let numbers = self.numbers.each_ref().map(|value| Feed::new(value, chunk_rows));
        let sources = Sources { option_type, cells, numbers };
        py.detach(|| fill::fill(pool.as_deref(), pace, rows, sources, results, &evaluate))
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
