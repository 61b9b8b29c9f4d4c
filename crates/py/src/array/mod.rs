//! `zomma.Array`: float64 on the host, handed to other frameworks and taken from them without a copy.

mod storage;

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use numpy::{PyArrayDescrMethods, PyArrayMethods};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyString, PyTuple};

use crate::argument;
use crate::dlpack::abi::DlDevice;
use crate::dlpack::{export, import};
pub use storage::{Access, Storage};

/// Array(values)
/// --
///
/// Float64 values on the host, in any shape, which NumPy, PyTorch, JAX, TensorFlow and CuPy take without a copy.
///
/// The constructor copies `values` (numbers, nested lists, anything with `__array__` or `__dlpack__`);
/// `zomma.from_dlpack` shares memory instead. The memory of a copy is aligned to 256 bytes, as DLPack asks.
///
/// >>> import numpy as np, zomma
/// >>> strikes = zomma.Array([90.0, 100.0, 110.0])
/// >>> strikes
/// zomma.Array([ 90., 100., 110.])
/// >>> view = np.asarray(strikes)               # the same memory
/// >>> view[0] = 95.0
/// >>> float(strikes[0])
/// 95.0
#[pyclass(frozen, weakref, module = "zomma", name = "Array")]
#[derive(Debug)]
pub struct Array(Arc<Storage>);

impl Array {
    /// An array of a column's memory.
    pub fn of_arrow(column: ScalarBuffer<f64>) -> Self {
        Self(Arc::new(Storage::of_arrow(column)))
    }
}

#[pymethods]
impl Array {
    #[new]
    #[pyo3(text_signature = "(values)")]
    fn new(values: &Bound<'_, PyAny>) -> PyResult<Self> {
        let array = argument::array("values", values)?;
        let view = array.try_readonly();
        let view =
            view.map_err(|error| PyValueError::new_err(format!("values: {error}: another call writes there")))?;
        let view = view.as_array();
        Ok(Self(Arc::new(Storage::copy_of(view.iter().copied(), view.shape()))))
    }

    /// Extents.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }

    /// Steps from one element to the next, in bytes.
    #[getter]
    fn strides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.strides().iter().map(|stride| stride * size_of::<f64>() as i64))
    }

    /// Number of dimensions.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.shape().len()
    }

    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.0.len()
    }

    /// Bytes that the elements take.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.len() * size_of::<f64>()
    }

    /// The NumPy dtype of the elements: float64.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, numpy::PyArrayDescr> {
        numpy::dtype::<f64>(py)
    }

    /// Where the memory lies: 'cpu'.
    #[getter]
    fn device(&self) -> &'static str {
        "cpu"
    }

    /// Whether the memory must not be written. What came by DLPack before 1.0 counts as read-only, since that could not say it.
    #[getter]
    fn readonly(&self) -> bool {
        self.0.access() != Access::Writable
    }

    /// Address of the first element, for comparing memory; 0 where there are no elements.
    #[getter]
    fn pointer(&self) -> usize {
        if self.0.len() == 0 { 0 } else { self.0.first().addr() }
    }

    /// A copy in memory of its own, in rows, writable.
    fn copy(&self) -> Self {
        Self(Arc::new(self.0.to_owned_copy()))
    }

    fn __len__(&self) -> PyResult<usize> {
        match self.0.shape() {
            [] => Err(PyTypeError::new_err("len() of an array without dimensions")),
            [first, ..] => Ok(*first as usize),
        }
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        as_numpy(slf)?.get_item(key)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let text: String = as_numpy(slf)?.repr()?.extract()?;
        Ok(text.replacen("array(", "zomma.Array(", 1))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        Ok((slf.get_type().into_any(), (as_numpy(slf)?,)))
    }

    /// NumPy's view of the memory.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", if cfg!(target_endian = "little") { "<f8" } else { ">f8" })?;
        interface.set_item("shape", self.shape(py)?)?;
        // NumPy 1 takes a null pointer for no pointer at all; memory without elements is never read.
        let address = if self.0.len() == 0 { align_of::<f64>() } else { self.pointer() };
        interface.set_item("data", (address, self.readonly()))?;
        let strides = if self.0.is_compact() { None } else { Some(self.strides(py)?) };
        interface.set_item("strides", strides)?;
        Ok(interface)
    }

    /// A NumPy array of the same memory; a copy where another dtype, or copy=True, asks for one.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let array = as_numpy(slf)?;
        let dtype = dtype.map(|dtype| numpy::PyArrayDescr::new(py, dtype)).transpose()?;
        match dtype.filter(|dtype| !dtype.is_equiv_to(&numpy::dtype::<f64>(py))) {
            Some(dtype) if copy == Some(false) => {
                Err(PyValueError::new_err(format!("dtype {dtype}: needs a copy, and copy=False")))
            }
            Some(dtype) => array.call_method1("astype", (dtype,)),
            None if copy == Some(true) => array.call_method0("copy"),
            None => Ok(array),
        }
    }

    /// A DLPack capsule of the memory: versioned (1.0) where `max_version` allows it, else of the protocol before that.
    #[pyo3(signature = (*, stream = None, max_version = None, dl_device = None, copy = None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        if let Some(stream) = stream {
            return Err(PyBufferError::new_err(format!(
                "stream {stream}: host memory has no streams: only None is allowed"
            )));
        }
        export::capsule(py, &self.0, export::Request { max_version, device: dl_device, copy })
    }

    /// (1, 0): the host.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (DlDevice::HOST.device_type, DlDevice::HOST.device_id)
    }
}

/// A NumPy array of the same memory, which keeps the array alive.
fn as_numpy<'py>(array: &Bound<'py, Array>) -> PyResult<Bound<'py, PyAny>> {
    array.py().import("numpy")?.getattr("asarray")?.call1((array,))
}

/// from_dlpack(x, /, *, device=None, copy=None)
/// --
///
/// A zomma.Array of the memory of `x`, which any framework with `__dlpack__` made: without a copy where it lies on the host.
///
/// `device='cpu'` lets a framework copy from its GPU; without it such an array is an error. `copy=True` always copies,
/// `copy=False` never does, even within the other framework. BufferError where the memory is not float64 or not on the host.
///
/// >>> import numpy as np, zomma
/// >>> x = np.linspace(80.0, 120.0, 5)
/// >>> y = zomma.from_dlpack(x)
/// >>> y.pointer == x.ctypes.data
/// True
#[pyfunction]
#[pyo3(signature = (x, /, *, device = None, copy = None))]
pub fn from_dlpack(x: &Bound<'_, PyAny>, device: Option<&Bound<'_, PyAny>>, copy: Option<bool>) -> PyResult<Array> {
    let to_host = match device {
        None => false,
        Some(device) if device.is_instance_of::<PyString>() && device.extract::<&str>()? == "cpu" => true,
        Some(device) => {
            return Err(PyValueError::new_err(format!("device {}: allowed are None and 'cpu'", device.repr()?)));
        }
    };
    Ok(Array(Arc::new(import::take(x, to_host, copy)?)))
}
