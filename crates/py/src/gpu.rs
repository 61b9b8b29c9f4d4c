//! What `zomma.gpu` asks of the devices.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use zomma_gpu::inventory::{Inventory, Sources};
use zomma_gpu::{DeviceKind, DeviceRequest, GpuError};

/// A device that Zomma can compute on, found without opening it.
#[pyclass(frozen, eq, hash, get_all, module = "zomma.gpu")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// Back end: 'cpu', 'cuda', 'hip' or 'vulkan'.
    kind: &'static str,
    /// Place among the devices of its back end, from 0.
    index: usize,
    /// Name that its driver gives it.
    name: String,
    /// What `choose` and `--device` call it: 'cpu', 'cuda:0'.
    request: String,
    /// Whether it computes in double precision, which all of Zomma's kernels need.
    has_f64: bool,
    /// Whether it is the processor: the CPU path, or a Vulkan device in software.
    is_software: bool,
    /// Why 'auto' came to it where another might have been expected; None where there is nothing to say.
    note: Option<String>,
}

#[pymethods]
impl Device {
    fn __repr__(&self) -> String {
        format!("<zomma.gpu.Device {}: {}>", self.request, self.name)
    }

    fn __str__(&self) -> &str {
        &self.request
    }
}

impl From<&zomma_gpu::Device> for Device {
    fn from(device: &zomma_gpu::Device) -> Self {
        let request = DeviceRequest::Device { kind: device.kind(), index: device.index() };
        Self {
            kind: device.kind().as_str(),
            index: device.index(),
            name: device.name().to_owned(),
            request: request.to_string(),
            has_f64: device.has_f64(),
            is_software: device.is_software(),
            note: device.note().map(str::to_owned),
        }
    }
}

/// The device that a request means: 'auto', 'cpu', 'cuda[:n]', 'hip[:n]' or 'vulkan[:n]'.
///
/// 'auto' takes the first CUDA device, else the first discrete Vulkan GPU with f64, else the CPU; a named device is never
/// replaced by another. ValueError for what is no request, DeviceError for a device that is not there.
///
/// >>> import zomma
/// >>> zomma.gpu.choose("cpu").kind
/// 'cpu'
#[pyfunction]
#[pyo3(signature = (request = "auto"))]
pub fn choose(py: Python<'_>, request: &str) -> PyResult<Device> {
    let parsed: DeviceRequest = request.parse().map_err(|error: GpuError| PyValueError::new_err(error.to_string()))?;
    // Drivers are loaded and asked, which may take a second.
    match py.detach(|| zomma_gpu::choose(&parsed)) {
        Ok(device) => Ok(Device::from(&device)),
        Err(error) => {
            let class = py.import("zomma._errors")?.getattr("DeviceError")?;
            Err(PyErr::from_value(class.call1((format!("{request}: {error}"),))?))
        }
    }
}

/// Every device that Zomma can compute on: the CPU first, then by back end and index.
///
/// A back end that is not there contributes none; `choose('cuda')` says why.
#[pyfunction]
pub fn devices(py: Python<'_>) -> Vec<Device> {
    let found = py.detach(|| DeviceKind::ALL.map(|kind| zomma_gpu::list(kind).unwrap_or_default()));
    found.iter().flatten().map(Device::from).collect()
}

/// The inventory of this machine, as `zomma gpu list --json` writes it.
#[pyfunction]
pub fn inventory_json(py: Python<'_>) -> PyResult<String> {
    let found = py.detach(|| Inventory::take(&Sources::default()));
    serde_json::to_string(&found).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
