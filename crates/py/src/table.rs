//! `zomma.Table`: columns that came by the Arrow C stream interface, and leave by it, without a copy.

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::types::{Float64Type, UInt8Type};
use arrow_array::{
    Array as _, ArrayRef, DictionaryArray, Float64Array, RecordBatch, RecordBatchIterator, RecordBatchReader as _,
    StringArray, UInt8Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use zomma_base::Status;

use crate::array::Array;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";

/// What [`Table::words`] gives for an empty cell, and for a word that is not among those looked for.
const ABSENT: u8 = 255;
const UNKNOWN: u8 = 254;

/// Table(table)
/// --
///
/// A table in Arrow's memory, made of whatever has `__arrow_c_stream__`, without a copy: polars.DataFrame(it), pyarrow.table(it)
/// and pandas.DataFrame.from_arrow(it) take it. `zomma.price` and its kin give one where the table was of a kind they do not know.
#[pyclass(frozen, module = "zomma", name = "Table")]
#[derive(Debug)]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl Table {
    #[new]
    #[pyo3(text_signature = "(table)")]
    fn new(table: &Bound<'_, PyAny>) -> PyResult<Self> {
        let kind = table.get_type().qualname()?;
        let Some(method) = table.getattr_opt("__arrow_c_stream__")? else {
            return Err(PyTypeError::new_err(format!(
                "table: {kind} has no __arrow_c_stream__: pandas (2.2 or later), Polars, PyArrow and DuckDB have"
            )));
        };
        let answer = method.call0()?;
        let capsule = answer
            .cast::<PyCapsule>()
            .map_err(|_| PyTypeError::new_err(format!("{kind}.__arrow_c_stream__ returned no capsule")))?;
        let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
        // SAFETY: a capsule of this name holds a stream, which is moved out and marked as released.
        let reader = unsafe { ArrowArrayStreamReader::from_raw(pointer.as_ptr()) }.map_err(error)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<_, _>>().map_err(error)?;
        Ok(Self { schema, batches })
    }

    /// Names of the columns.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn __repr__(&self) -> String {
        format!("<zomma.Table {} rows: {}>", self.__len__(), self.names().join(", "))
    }

    /// A column of numbers as a zomma.Array: the table's own memory where it is float64 in one piece and every cell is there.
    /// An absent cell is NaN.
    fn numbers(&self, name: &str) -> PyResult<Array> {
        let pieces = self.pieces(name)?;
        if let [piece] = pieces.as_slice()
            && let Some(piece) = piece.as_primitive_opt::<Float64Type>()
            && piece.null_count() == 0
        {
            return Ok(Array::of_arrow(piece.values().clone()));
        }
        let mut values = Vec::with_capacity(self.__len__());
        for piece in pieces {
            let kind = piece.data_type();
            if !(kind.is_numeric() || kind.is_null()) {
                return Err(PyTypeError::new_err(format!("column {name} is of type {kind}: numbers are allowed")));
            }
            let piece = arrow_cast::cast(piece, &DataType::Float64).map_err(error)?;
            let piece = piece.as_primitive::<Float64Type>();
            match piece.nulls() {
                None => values.extend_from_slice(piece.values()),
                Some(_) => values.extend(piece.iter().map(|cell| cell.unwrap_or(f64::NAN))),
            }
        }
        Ok(Array::of_arrow(values.into()))
    }

    /// A column of words as the places of its cells among `words`, in either case; 254 for another word, 255 for an absent cell.
    fn words<'py>(&self, py: Python<'py>, name: &str, words: Vec<String>) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let place = |cell: Option<&str>| match cell.map(str::trim) {
            None | Some("") => ABSENT,
            Some(cell) => words
                .iter()
                .take(usize::from(UNKNOWN))
                .position(|word| word.eq_ignore_ascii_case(cell))
                .map_or(UNKNOWN, |place| place as u8),
        };
        let mut places = Vec::with_capacity(self.__len__());
        for piece in self.pieces(name)? {
            match_words(name, piece, &place, &mut places)?;
        }
        Ok(PyArray1::from_vec(py, places))
    }

    /// Where a column has no cell, which is not where it has a NaN.
    fn absent<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let mut absent = Vec::with_capacity(self.__len__());
        for piece in self.pieces(name)? {
            // A column of Arrow's null type has no cell at all, and no mask either.
            let nulls = piece.logical_nulls();
            absent.extend((0..piece.len()).map(|row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))));
        }
        Ok(PyArray1::from_vec(py, absent))
    }

    /// A column of text; None where a cell is absent.
    fn texts(&self, name: &str) -> PyResult<Vec<Option<String>>> {
        let mut texts = Vec::with_capacity(self.__len__());
        for piece in self.pieces(name)? {
            let kind = piece.data_type();
            if is_empty(piece) {
                texts.resize(texts.len() + piece.len(), None);
                continue;
            }
            if !matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)) {
                return Err(PyTypeError::new_err(format!("column {name} is of type {kind}: text is allowed")));
            }
            let piece = arrow_cast::cast(piece, &DataType::Utf8).map_err(error)?;
            texts.extend(piece.as_string::<i32>().iter().map(|text| text.map(str::to_owned)));
        }
        Ok(texts)
    }

    /// The table with results behind its columns, in the place of columns of the same name; `results` are columns of float64, whose
    /// NaN are absent cells, and `status` numbers of zomma.Status.
    fn with_results(
        &self,
        results: &Bound<'_, PyDict>,
        status: PyReadonlyArray1<'_, u8>,
        results_only: bool,
    ) -> PyResult<Self> {
        let rows = self.__len__();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (name, values) in results.iter() {
            columns.push(column(&name.extract::<String>()?, &values, rows)?);
            fields.push(Arc::new(Field::new(name.extract::<String>()?, DataType::Float64, true)));
        }
        columns.push(status_column(status.as_slice()?)?);
        fields.push(Arc::new(Field::new("status", columns[columns.len() - 1].data_type().clone(), false)));
        if results_only {
            let schema = Arc::new(Schema::new(fields));
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(error)?;
            return Ok(Self { schema, batches: vec![batch] });
        }
        let replaced = |name: &str| fields.iter().any(|field| field.name() == name);
        let copied: Vec<usize> =
            (0..self.schema.fields().len()).filter(|&at| !replaced(self.schema.field(at).name())).collect();
        let kept = copied.iter().map(|&at| Arc::clone(&self.schema.fields()[at]));
        let schema = Schema::new_with_metadata(
            kept.chain(fields.iter().cloned()).collect::<Vec<_>>(),
            self.schema.metadata().clone(),
        );
        let schema = Arc::new(schema);
        let mut batches = Vec::with_capacity(self.batches.len());
        let mut start = 0;
        for batch in &self.batches {
            let kept = copied.iter().map(|&at| Arc::clone(batch.column(at)));
            let added = columns.iter().map(|column| column.slice(start, batch.num_rows()));
            batches.push(RecordBatch::try_new(Arc::clone(&schema), kept.chain(added).collect()).map_err(error)?);
            start += batch.num_rows();
        }
        Ok(Self { schema, batches })
    }

    /// The table as an Arrow C stream. The requested schema is a wish, which is not granted.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
    }

    /// The names and types of the columns.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(error)?;
        PyCapsule::new_with_value(py, schema, SCHEMA)
    }
}

impl Table {
    /// A column, batch by batch.
    fn pieces(&self, name: &str) -> PyResult<Vec<&ArrayRef>> {
        let mut found = self.schema.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
        let Some((at, _)) = found.next() else {
            return Err(PyValueError::new_err(format!("missing column {name}; found [{}]", self.names().join(", "))));
        };
        if found.next().is_some() {
            return Err(PyValueError::new_err(format!("column {name} stands twice in the table")));
        }
        Ok(self.batches.iter().map(|batch| batch.column(at)).collect())
    }
}

fn error(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("table: {error}"))
}

/// Appends the place of every cell of a column of words, whatever Arrow's layout of them.
fn match_words(
    name: &str,
    piece: &ArrayRef,
    place: &impl Fn(Option<&str>) -> u8,
    places: &mut Vec<u8>,
) -> PyResult<()> {
    match piece.data_type() {
        DataType::Utf8 => places.extend(piece.as_string::<i32>().iter().map(place)),
        DataType::LargeUtf8 => places.extend(piece.as_string::<i64>().iter().map(place)),
        DataType::Utf8View => places.extend(piece.as_string_view().iter().map(place)),
        _ if is_empty(piece) => places.resize(places.len() + piece.len(), ABSENT),
        DataType::Dictionary(..) => {
            let dictionary = piece.as_any_dictionary();
            let mut of_value = Vec::with_capacity(dictionary.values().len());
            match_words(name, dictionary.values(), place, &mut of_value)?;
            let keys = dictionary.normalized_keys();
            let cell = |row: usize| if dictionary.is_null(row) { ABSENT } else { of_value[keys[row]] };
            // A dictionary without values has no cell that is there.
            places.extend((0..piece.len()).map(|row| if of_value.is_empty() { ABSENT } else { cell(row) }));
        }
        kind => return Err(PyTypeError::new_err(format!("column {name} is of type {kind}: words are allowed"))),
    }
    Ok(())
}

/// Whether there is no cell at all: Arrow's null type, or what pandas makes of an empty column of text, numbers that are all NaN.
fn is_empty(piece: &ArrayRef) -> bool {
    let holes = |floats: &Float64Array| floats.iter().all(|cell| cell.is_none_or(f64::is_nan));
    piece.data_type().is_null() || piece.as_primitive_opt::<Float64Type>().is_some_and(holes)
}

/// A result column as Arrow's, in the array's own memory.
fn column(name: &str, values: &Bound<'_, PyAny>, rows: usize) -> PyResult<ArrayRef> {
    let array = values.cast::<PyArray1<f64>>()?;
    let view = array.readonly();
    let slice = view.as_slice()?;
    if slice.len() != rows {
        return Err(PyValueError::new_err(format!("{name}: {} rows, and the table has {rows}", slice.len())));
    }
    let valid = BooleanBuffer::collect_bool(rows, |row| !slice[row].is_nan());
    let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
    let owner = AssertUnwindSafe(array.clone().unbind());
    // SAFETY: the array is alive as long as its owner, is of this length and contiguous, and is a fresh result that nobody writes.
    let buffer = unsafe {
        Buffer::from_custom_allocation(NonNull::from(slice).cast::<u8>(), size_of_val(slice), Arc::new(owner))
    };
    Ok(Arc::new(Float64Array::new(ScalarBuffer::from(buffer), nulls)))
}

/// Statuses as their words, each word once. A status's number is its place among all.
fn status_column(codes: &[u8]) -> PyResult<ArrayRef> {
    let words = StringArray::from_iter_values(Status::ALL.iter().map(|status| status.as_str()));
    let keys = UInt8Array::from(codes.to_vec());
    Ok(Arc::new(DictionaryArray::<UInt8Type>::try_new(keys, Arc::new(words)).map_err(error)?))
}
