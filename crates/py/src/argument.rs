//! What Python gives for a column of numbers, as float64: numbers, lists, NumPy arrays, and whatever speaks `__array__` or DLPack.

use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};

use crate::dlpack::import;

/// One number for every row, or an array of them.
#[derive(Debug)]
pub enum Value<'py, T: numpy::Element> {
    /// One number: the result has no dimension because of it.
    Scalar(T),
    /// Any shape, any steps.
    Array(PyReadonlyArrayDyn<'py, T>),
}

impl<T: numpy::Element> Value<'_, T> {
    /// Whether it is one number, not an array of one.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Scalar(_))
    }

    /// Extents; none for a scalar.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Scalar(_) => &[],
            Self::Array(array) => array.shape(),
        }
    }
}

/// Numbers of an argument.
pub fn number<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Value<'py, f64>> {
    if let Ok(value) = object.cast::<PyFloat>() {
        return Ok(Value::Scalar(value.value()));
    }
    if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
        return object.extract().map(Value::Scalar).map_err(|error| named(object.py(), name, &error));
    }
    let array = array(name, object)?.try_readonly();
    let array = array.map_err(|error| PyValueError::new_err(format!("{name}: {error}: another call writes there")))?;
    // NumPy's own numbers come as arrays without a dimension.
    match (array.ndim(), array.as_array().first()) {
        (0, Some(&value)) => Ok(Value::Scalar(value)),
        _ => Ok(Value::Array(array)),
    }
}

/// Numbers of an argument, as a NumPy array; the argument's own memory where that is float64.
pub fn array<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    // A subclass may mean something else: a masked array has numbers that are not to be read.
    if object.get_type().is(object.py().get_type::<PyUntypedArray>())
        && let Ok(array) = object.cast::<PyArrayDyn<f64>>()
        && array.is_aligned()
    {
        return Ok(array.clone());
    }
    let numpy = object.py().import("numpy")?;
    let any = as_array(name, object)?;
    let dtype = any.dtype();
    if !(matches!(dtype.kind(), b'i' | b'u') || dtype.kind() == b'f' && dtype.itemsize() <= size_of::<f64>()) {
        let hint = match dtype.kind() {
            b'f' => ": wider than float64: round it first",
            b'm' | b'M' => ": times are years as numbers here",
            b'b' => ": true and false are no numbers here",
            _ => "",
        };
        return Err(PyTypeError::new_err(format!("{name}: dtype {dtype}: numbers are allowed{hint}")));
    }
    let masked = numpy.getattr("ma")?.getattr("isMaskedArray")?.call1((&any,))?.is_truthy()?;
    let filled = if masked {
        // A masked element is absent: NaN, which gives its row a status.
        any.call_method1("astype", (numpy::dtype::<f64>(object.py()),))?.call_method1("filled", (f64::NAN,))?
    } else {
        any.into_any()
    };
    let aligned = numpy.getattr("require")?.call1((filled, numpy::dtype::<f64>(object.py()), "A"))?;
    aligned.cast_into().map_err(|error| PyTypeError::new_err(format!("{name}: {error}")))
}

/// Whatever the argument is, as a NumPy array of its own dtype.
pub fn as_array<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = object.py();
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let device = import::device_of(object).map_err(|error| named(py, name, &error))?;
    if let Some(device) = device.filter(|device| !device.is_host()) {
        return Err(PyValueError::new_err(format!(
            "{name}: lies on {device}, and this computes on the host: copy it there first"
        )));
    }
    let numpy = py.import("numpy")?;
    let speaks_dlpack_alone =
        device.is_some() && !object.hasattr("__array__")? && !object.hasattr("__array_interface__")?;
    let convert = if speaks_dlpack_alone { "from_dlpack" } else { "asarray" };
    let array = numpy.getattr(convert)?.call1((object,)).map_err(|error| named(py, name, &error))?;
    Ok(array.cast_into::<PyUntypedArray>()?)
}

/// The error with the argument's name before it, and the first one as its cause.
fn named(py: Python<'_>, name: &str, error: &PyErr) -> PyErr {
    let message = format!("{name}: {}", error.value(py));
    let named = if error.is_instance_of::<PyTypeError>(py) {
        PyTypeError::new_err(message)
    } else {
        PyValueError::new_err(message)
    };
    named.set_cause(py, Some(error.clone_ref(py)));
    named
}
