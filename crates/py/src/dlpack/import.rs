//! Another framework's memory as ours, without a copy unless one is asked for.

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use super::abi::{DlDevice, DlManagedTensor, DlManagedTensorVersioned, DlVersion, Managed};
use super::owned::Owned;
use crate::array::Storage;

/// Where an object says that its memory lies; absent where it does not speak DLPack.
pub fn device_of(object: &Bound<'_, PyAny>) -> PyResult<Option<DlDevice>> {
    let Some(method) = object.getattr_opt("__dlpack_device__")? else { return Ok(None) };
    let (device_type, device_id) = method.call0()?.extract()?;
    Ok(Some(DlDevice { device_type, device_id }))
}

/// Takes the memory of an object that has `__dlpack__`.
///
/// `to_host` lets a producer copy from its device to the host; `copy` as in [`Request`](super::export::Request).
pub fn take(object: &Bound<'_, PyAny>, to_host: bool, copy: Option<bool>) -> PyResult<Storage> {
    let py = object.py();
    let kind = object.get_type().qualname()?;
    let Some(method) = object.getattr_opt("__dlpack__")? else {
        return Err(PyTypeError::new_err(format!("{kind} has no __dlpack__: use zomma.Array, which copies")));
    };
    let device = device_of(object)?.unwrap_or(DlDevice::HOST);
    let moves = !device.is_host();
    if moves && (!to_host || copy == Some(false)) {
        return Err(PyBufferError::new_err(format!(
            "the array lies on {device} and a zomma.Array on the host: copy it there first, or say device=\"cpu\""
        )));
    }
    let keywords = PyDict::new(py);
    keywords.set_item("max_version", (DlVersion::OURS.major, DlVersion::OURS.minor))?;
    if moves {
        keywords.set_item("dl_device", (DlDevice::HOST.device_type, DlDevice::HOST.device_id))?;
    }
    if copy == Some(false) {
        keywords.set_item("copy", false)?;
    }
    let answer = match method.call((), Some(&keywords)) {
        // Producers from before DLPack 1.0 know no such keywords; what they cannot promise is not assumed.
        Err(error) if error.is_instance_of::<PyTypeError>(py) && !moves && copy.is_none_or(|copy| copy) => {
            method.call0()?
        }
        answer => answer?,
    };
    let capsule = answer
        .cast::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err(format!("{kind}.__dlpack__ returned no capsule")))?;
    let storage = of_capsule(capsule)?;
    Ok(if copy == Some(true) && storage.is_lent() { storage.to_owned_copy() } else { storage })
}

/// What a capsule holds. What is refused after it was taken out is ended here.
fn of_capsule(capsule: &Bound<'_, PyCapsule>) -> PyResult<Storage> {
    if capsule.is_valid_checked(Some(DlManagedTensorVersioned::NAME)) {
        let tensor: Owned<DlManagedTensorVersioned> = consume(capsule)?;
        let version = tensor.get().version;
        if version.major != DlVersion::OURS.major {
            // Dropping calls the deleter, which every version allows.
            return Err(PyBufferError::new_err(format!(
                "DLPack {}.{}: only version {} is understood",
                version.major,
                version.minor,
                DlVersion::OURS.major
            )));
        }
        // SAFETY: the name of the capsule says what it holds, and the version how it is laid out.
        unsafe { Storage::of_versioned(tensor) }
    } else if capsule.is_valid_checked(Some(DlManagedTensor::NAME)) {
        // SAFETY: the name of the capsule says what it holds.
        unsafe { Storage::of_legacy(consume(capsule)?) }
    } else {
        let name = capsule.name()?.map_or_else(String::new, |name| {
            // SAFETY: the capsule is alive and nobody renames it meanwhile: the lock is held.
            unsafe { name.as_cstr() }.to_string_lossy().into_owned()
        });
        return Err(PyValueError::new_err(match name.as_str() {
            "used_dltensor" | "used_dltensor_versioned" => "the capsule has been consumed already".to_owned(),
            _ => format!("a capsule named {name:?}: allowed are dltensor and dltensor_versioned"),
        }));
    }
    .map_err(PyBufferError::new_err)
}

/// Takes the tensor out of a capsule and marks the capsule as used.
fn consume<M: Managed>(capsule: &Bound<'_, PyCapsule>) -> PyResult<Owned<M>> {
    let tensor = capsule.pointer_checked(Some(M::NAME))?.cast();
    // SAFETY: a live capsule, and a name that lives for ever.
    if unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), M::USED_NAME.as_ptr()) } != 0 {
        return Err(PyErr::fetch(capsule.py()));
    }
    // SAFETY: a capsule of this name holds a live tensor, and by its new name nobody else will end it.
    Ok(unsafe { Owned::new(tensor) })
}
