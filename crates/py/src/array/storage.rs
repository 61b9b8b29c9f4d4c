//! Memory of f64 on the host, ours or lent by another framework, and how its elements are laid out.

use std::ffi::c_void;

use arrow_buffer::ScalarBuffer;

use crate::dlpack::abi::{DlDataType, DlManagedTensor, DlManagedTensorVersioned, DlTensor};
use crate::dlpack::owned::Owned;

/// What may be done with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may be written.
    Writable,
    /// It must not be written.
    ReadOnly,
    /// The producer had no way to say it: taken for read-only, but handed on as it came.
    Unsaid,
}

/// What keeps the memory alive.
#[derive(Debug)]
enum Owner {
    /// Our own.
    Here(#[expect(dead_code, reason = "kept for its memory alone")] Vec<Line>),
    /// A column of an Arrow table, ours or somebody else's.
    Arrow(#[expect(dead_code, reason = "kept for its memory alone")] ScalarBuffer<f64>),
    /// A framework's, by the unversioned protocol.
    Legacy(#[expect(dead_code, reason = "kept for its deleter alone")] Owned<DlManagedTensor>),
    /// A framework's.
    Versioned(#[expect(dead_code, reason = "kept for its deleter alone")] Owned<DlManagedTensorVersioned>),
}

/// Elements of one [`Line`].
const LINE: usize = 32;

/// The alignment that DLPack asks of producers; XLA copies what has less than 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(256))]
struct Line([f64; LINE]);

/// Elements by a pointer, extents and steps. Whoever holds it may read; nobody here writes after it was made.
#[derive(Debug)]
pub struct Storage {
    owner: Owner,
    first: *const f64,
    shape: Box<[i64]>,
    /// In elements.
    strides: Box<[i64]>,
    access: Access,
}

// SAFETY: the memory lives as long as the owner, which may be dropped on any thread (see `Owned`). It is only read through raw
// pointers here; what Python code writes to it through another framework meanwhile is as unordered as it is in NumPy.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

impl Storage {
    /// Own memory with a copy of the values, in rows.
    pub fn copy_of(values: impl ExactSizeIterator<Item = f64>, shape: &[usize]) -> Self {
        let mut lines = vec![Line([0.0; LINE]); values.len().div_ceil(LINE)];
        let slots = lines.iter_mut().flat_map(|line| line.0.iter_mut());
        slots.zip(values).for_each(|(slot, value)| *slot = value);
        // An extent of a slice in memory fits an i64.
        let shape: Box<[i64]> = shape.iter().map(|&extent| extent as i64).collect();
        let first = lines.as_ptr().cast();
        Self { owner: Owner::Here(lines), first, strides: compact(&shape), shape, access: Access::Writable }
    }

    /// A column's memory. Arrow's memory is never written.
    pub fn of_arrow(column: ScalarBuffer<f64>) -> Self {
        // An extent of a slice in memory fits an i64.
        let shape: Box<[i64]> = [column.len() as i64].into();
        let first = column.as_ptr();
        Self { owner: Owner::Arrow(column), first, strides: compact(&shape), shape, access: Access::ReadOnly }
    }

    /// Another framework's memory, by the unversioned protocol.
    ///
    /// # Safety
    /// The structure is as its producer made it: `shape`, `strides` and `data` are what the protocol says.
    pub unsafe fn of_legacy(tensor: Owned<DlManagedTensor>) -> Result<Self, String> {
        // SAFETY: the caller's promise.
        let layout = unsafe { Layout::read(&tensor.get().tensor) }?;
        Ok(layout.owned_by(Owner::Legacy(tensor), Access::Unsaid))
    }

    /// Another framework's memory.
    ///
    /// # Safety
    /// As [`Storage::of_legacy`], and its major version is ours.
    pub unsafe fn of_versioned(tensor: Owned<DlManagedTensorVersioned>) -> Result<Self, String> {
        let read_only = tensor.get().flags & crate::dlpack::abi::FLAG_READ_ONLY != 0;
        // SAFETY: the caller's promise.
        let layout = unsafe { Layout::read(&tensor.get().tensor) }?;
        let access = if read_only { Access::ReadOnly } else { Access::Writable };
        Ok(layout.owned_by(Owner::Versioned(tensor), access))
    }

    /// Extents.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Steps, in elements.
    pub fn strides(&self) -> &[i64] {
        &self.strides
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        // Checked where the layout was read.
        self.shape.iter().product::<i64>() as usize
    }

    /// The first element; dangling or null where there is none.
    pub fn first(&self) -> *const f64 {
        self.first
    }

    /// What may be done with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the elements are compact rows.
    pub fn is_compact(&self) -> bool {
        self.len() == 0
            || self.shape.iter().zip(&self.strides).zip(compact(&self.shape)).all(|((&n, &a), b)| n == 1 || a == b)
    }

    /// Whether another framework owns the memory.
    pub fn is_lent(&self) -> bool {
        !matches!(self.owner, Owner::Here(_))
    }

    /// Own memory with the same values, in rows.
    pub fn to_owned_copy(&self) -> Self {
        let shape: Vec<usize> = self.shape.iter().map(|&extent| extent as usize).collect();
        Self::copy_of(Values { storage: self, index: vec![0; self.shape.len()], offset: 0, left: self.len() }, &shape)
    }
}

/// The values in the order of rows.
struct Values<'a> {
    storage: &'a Storage,
    index: Vec<i64>,
    offset: i64,
    left: usize,
}

impl Iterator for Values<'_> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `offset` is the sum of index times stride with each index below its extent, which the layout's owner vouches to
        // be inside the memory, which lives as long as the storage.
        let value = unsafe { self.storage.first.offset(self.offset as isize).read() };
        for axis in (0..self.index.len()).rev() {
            let (extent, stride) = (self.storage.shape[axis], self.storage.strides[axis]);
            self.index[axis] += 1;
            self.offset += stride;
            if self.index[axis] < extent {
                break;
            }
            self.offset -= extent * stride;
            self.index[axis] = 0;
        }
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Values<'_> {}

/// Steps of compact rows.
fn compact(shape: &[i64]) -> Box<[i64]> {
    let mut strides = vec![1_i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].wrapping_mul(shape[axis].max(1));
    }
    strides.into()
}

/// A layout that was checked.
struct Layout {
    first: *const f64,
    shape: Box<[i64]>,
    strides: Box<[i64]>,
}

impl Layout {
    /// Checks what can be checked of a view: device, element, extents, steps, alignment.
    ///
    /// # Safety
    /// `shape` and, unless null, `strides` point to `ndim` numbers.
    unsafe fn read(tensor: &DlTensor) -> Result<Self, String> {
        if !tensor.device.is_host() {
            return Err(format!("the memory lies on {}: a zomma.Array lies on the host", tensor.device));
        }
        if tensor.dtype != DlDataType::F64 {
            return Err(format!("dtype {}: a zomma.Array holds float64: convert it first", tensor.dtype));
        }
        let ndim = usize::try_from(tensor.ndim).map_err(|_| format!("ndim {}: must not be negative", tensor.ndim))?;
        let numbers = |pointer: *mut i64| -> Box<[i64]> {
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts(pointer, ndim) }.into()
        };
        let shape = match ndim {
            0 => Box::default(),
            _ if tensor.shape.is_null() => return Err("shape: a null pointer".to_owned()),
            _ => numbers(tensor.shape),
        };
        if let Some(extent) = shape.iter().find(|&&extent| extent < 0) {
            return Err(format!("shape {shape:?}: {extent} must not be negative"));
        }
        let strides = if ndim == 0 || tensor.strides.is_null() { compact(&shape) } else { numbers(tensor.strides) };
        if !addressable(&shape, &strides) {
            return Err(format!("shape {shape:?} with strides {strides:?}: more than memory can hold"));
        }
        if shape.contains(&0) {
            return Ok(Self { first: std::ptr::null(), shape, strides });
        }
        if tensor.data.is_null() {
            return Err(format!("shape {shape:?}: the data is a null pointer"));
        }
        let offset = usize::try_from(tensor.byte_offset).map_err(|_| "byte_offset: too large".to_owned())?;
        let first: *const c_void = tensor.data.wrapping_byte_add(offset);
        let first: *const f64 = first.cast();
        if !first.is_aligned() {
            return Err(format!("the data at {first:p} is not aligned to 8 bytes: copy it first"));
        }
        Ok(Self { first, shape, strides })
    }

    fn owned_by(self, owner: Owner, access: Access) -> Storage {
        let Self { first, shape, strides } = self;
        Storage { owner, first, shape, strides, access }
    }
}

/// Whether the number of elements and the distance between the outermost ones, in bytes, are numbers.
fn addressable(shape: &[i64], strides: &[i64]) -> bool {
    let bytes = |count: i64| count.checked_mul(size_of::<f64>() as i64);
    // An extent of 0 must not hide an overflow of the others: NumPy and others multiply them in any order.
    let elements = shape.iter().try_fold(1_i64, |product, &extent| product.checked_mul(extent.max(1)));
    let reach = shape.iter().zip(strides).try_fold(0_i64, |sum, (&extent, &stride)| {
        sum.checked_add((extent.max(1) - 1).checked_mul(stride.checked_abs()?)?)
    });
    elements.and_then(bytes).is_some() && reach.and_then(bytes).is_some()
}
