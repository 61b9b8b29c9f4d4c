//! Arguments of many shapes as rows of one batch: broadcasting as NumPy does it, and a chunk of rows at a time.

use std::ops::Range;

use numpy::ndarray::{IxDyn, iter::Iter};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::Value;

/// The shape that all of these broadcast to.
pub fn broadcast(shapes: &[(&str, &[usize])]) -> PyResult<Vec<usize>> {
    let ndim = shapes.iter().map(|(_, shape)| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; ndim];
    for (name, shape) in shapes {
        for (slot, &extent) in result[ndim - shape.len()..].iter_mut().zip(*shape) {
            if *slot == 1 {
                *slot = extent;
            } else if extent != 1 && extent != *slot {
                let all: Vec<String> = shapes
                    .iter()
                    .filter(|(_, shape)| !shape.is_empty())
                    .map(|(name, shape)| format!("{name} {shape:?}"))
                    .collect();
                return Err(PyValueError::new_err(format!(
                    "{name}: cannot be broadcast with the others: {}",
                    all.join(", ")
                )));
            }
        }
    }
    let rows = result.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    match rows.filter(|&rows| rows <= isize::MAX as usize / size_of::<f64>()) {
        Some(_) => Ok(result),
        None => Err(PyValueError::new_err(format!("broadcast to {result:?}: more rows than memory can hold"))),
    }
}

/// An array as one of the whole shape, with steps of 0 where it is repeated; no element is copied.
pub fn spread<'py, T: numpy::Element>(value: Value<'py, T>, shape: &[usize]) -> PyResult<Value<'py, T>> {
    let Value::Array(array) = value else { return Ok(value) };
    if array.shape() == shape || array.len() == 1 {
        return Ok(Value::Array(array));
    }
    let numpy = array.py().import("numpy")?;
    let wide = numpy.getattr("broadcast_to")?.call1((&*array, PyTuple::new(array.py(), shape)?))?;
    Ok(Value::Array(wide.cast_into::<PyArrayDyn<T>>()?.readonly()))
}

/// One argument, row by row in the order of the broadcast shape.
#[derive(Debug)]
pub struct Feed<'a, T> {
    source: Source<'a, T>,
    scratch: Vec<T>,
}

#[derive(Debug)]
enum Source<'a, T> {
    /// The same for every row.
    Constant,
    /// As it lies in memory.
    Slice(&'a [T]),
    /// By its steps.
    Walk(Iter<'a, T, IxDyn>),
}

/// One argument of a stretch of rows.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a, T> {
    /// The same for every row: as many of it as a chunk may have.
    Constant(&'a [T]),
    /// One element a row.
    Rows(&'a [T]),
}

impl<'a, T> Column<'a, T> {
    /// Some rows of the stretch, not more than a chunk.
    pub fn get(&self, rows: Range<usize>) -> &'a [T] {
        match self {
            Self::Constant(same) => &same[..rows.len()],
            Self::Rows(column) => &column[rows],
        }
    }
}

impl<'a, T: Copy + numpy::Element> Feed<'a, T> {
    /// Readies an argument for chunks of at most `chunk` rows, after [`spread`].
    pub fn new(value: &'a Value<'_, T>, chunk: usize) -> Self {
        let constant = |value: T| Self { source: Source::Constant, scratch: vec![value; chunk] };
        let array = match value {
            Value::Scalar(value) => return constant(*value),
            Value::Array(array) => array.as_array(),
        };
        if let (1, Some(&value)) = (array.len(), array.first()) {
            return constant(value);
        }
        let source = match array.to_slice() {
            Some(slice) => Source::Slice(slice),
            None => Source::Walk(array.into_iter()),
        };
        Self { source, scratch: Vec::new() }
    }

    /// An argument that is not there, and is not asked for.
    pub fn nothing() -> Self {
        Self { source: Source::Slice(&[]), scratch: Vec::new() }
    }

    /// Whether it is read by its steps, into memory of its own.
    pub fn walks(&self) -> bool {
        matches!(self.source, Source::Walk(_))
    }

    /// The next stretch. Stretches are asked for in order, without a gap.
    pub fn next(&mut self, rows: Range<usize>) -> Column<'_, T> {
        match &mut self.source {
            Source::Constant => Column::Constant(&self.scratch),
            Source::Slice(slice) => Column::Rows(&slice[rows]),
            Source::Walk(iter) => {
                self.scratch.clear();
                self.scratch.extend(iter.by_ref().take(rows.len()).copied());
                Column::Rows(&self.scratch)
            }
        }
    }
}

/// The element of a spread argument at one row.
pub fn at<T: Copy + numpy::Element>(value: &Value<'_, T>, index: &[usize]) -> T {
    match value {
        Value::Scalar(value) => *value,
        Value::Array(array) => {
            let view = array.as_array();
            let only = || view.iter().next().copied();
            // A spread argument has the shape of the index, or one element.
            view.get(index).copied().or_else(only).expect("an element for every row")
        }
    }
}
