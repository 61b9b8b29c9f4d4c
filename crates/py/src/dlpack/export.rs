//! Our memory as a capsule that another framework takes.

use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::abi::{
    DlDataType, DlDevice, DlManagedTensor, DlManagedTensorVersioned, DlTensor, DlVersion, FLAG_IS_COPIED,
    FLAG_READ_ONLY, Managed,
};
use crate::array::{Access, Storage};

/// What a consumer asks of `__dlpack__`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Newest version that it understands; absent for the unversioned protocol.
    pub max_version: Option<(u32, u32)>,
    /// Where it wants the memory.
    pub device: Option<(i32, i32)>,
    /// `Some(true)` for a copy, `Some(false)` for none at all, `None` for one only where needed.
    pub copy: Option<bool>,
}

/// A managed tensor and what it keeps alive. The tensor stands first, so that a pointer to one is a pointer to the other.
#[repr(C)]
struct Lent<M> {
    managed: M,
    storage: Arc<Storage>,
}

/// A capsule, versioned where the consumer understands that.
pub fn capsule<'py>(py: Python<'py>, storage: &Arc<Storage>, request: Request) -> PyResult<Bound<'py, PyCapsule>> {
    if let Some((device_type, device_id)) = request.device {
        let device = DlDevice { device_type, device_id };
        if device != DlDevice::HOST {
            return Err(PyBufferError::new_err(format!(
                "dl_device {device}: a zomma.Array lies on cpu and goes nowhere else"
            )));
        }
    }
    let copied = request.copy == Some(true);
    let storage = if copied { Arc::new(storage.to_owned_copy()) } else { Arc::clone(storage) };
    match request.max_version {
        Some((major, _)) if major >= DlVersion::OURS.major => {
            let read_only = storage.access() != Access::Writable;
            let flags = if read_only { FLAG_READ_ONLY } else { 0 } | if copied { FLAG_IS_COPIED } else { 0 };
            let managed = DlManagedTensorVersioned {
                version: DlVersion::OURS,
                context: null_mut(),
                deleter: Some(end::<DlManagedTensorVersioned>),
                flags,
                tensor: view(&storage),
            };
            wrap(py, managed, storage)
        }
        _ if storage.access() == Access::ReadOnly => Err(PyBufferError::new_err(
            "the array is read-only, which DLPack before 1.0 cannot say: ask for max_version=(1, 0), or for copy=True",
        )),
        _ => {
            let tensor = view(&storage);
            wrap(py, DlManagedTensor { tensor, context: null_mut(), deleter: Some(end::<DlManagedTensor>) }, storage)
        }
    }
}

/// The storage in DLPack's words. What it points to lives as long as the storage.
fn view(storage: &Storage) -> DlTensor {
    let numbers = |list: &[i64]| list.as_ptr().cast_mut();
    DlTensor {
        data: if storage.len() == 0 { null_mut() } else { storage.first().cast_mut().cast() },
        device: DlDevice::HOST,
        // NumPy, the widest of the consumers, has 64 dimensions at most; what came through DLPack had an i32 of them.
        ndim: storage.shape().len() as i32,
        dtype: DlDataType::F64,
        shape: numbers(storage.shape()),
        strides: numbers(storage.strides()),
        byte_offset: 0,
    }
}

fn wrap<M: Managed>(py: Python<'_>, managed: M, storage: Arc<Storage>) -> PyResult<Bound<'_, PyCapsule>> {
    let lent = NonNull::from(Box::leak(Box::new(Lent { managed, storage })));
    // SAFETY: the pointer is live until `end` is called, by the capsule's destructor where nobody took it, else by whoever did.
    let made = unsafe { PyCapsule::new_with_pointer_and_destructor(py, lent.cast(), M::NAME, Some(destroy::<M>)) };
    made.inspect_err(|_| {
        // SAFETY: no capsule was made, so the box is still ours.
        drop(unsafe { Box::from_raw(lent.as_ptr()) });
    })
}

/// The deleter: called once by whoever took the tensor, on any thread, with or without the interpreter's lock.
unsafe extern "C" fn end<M: Managed>(tensor: *mut M) {
    // SAFETY: the pointer is to the first field of a `Lent` that `wrap` boxed, and this is the only call. Dropping the storage
    // touches no Python object of ours.
    drop(unsafe { Box::from_raw(tensor.cast::<Lent<M>>()) });
}

/// The capsule's destructor: ends a tensor that nobody took.
unsafe extern "C" fn destroy<M: Managed>(capsule: *mut pyo3::ffi::PyObject) {
    // SAFETY: the interpreter calls this with its lock and a live capsule. A consumer renames the capsule, so one of the old name
    // still holds what `wrap` put there. Neither call sets an error where the name is right.
    unsafe {
        if pyo3::ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            end::<M>(pyo3::ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast());
        }
    }
}
