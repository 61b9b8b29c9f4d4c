//! The C structures of DLPack 1.0 and of the unversioned protocol before it, as every framework lays them out.

use std::ffi::{CStr, c_void};
use std::fmt;

/// Where memory lies: a kind of device, and which of its kind.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlDevice {
    /// `kDLCPU` and its like.
    pub device_type: i32,
    /// From 0.
    pub device_id: i32,
}

impl DlDevice {
    /// The host's own memory.
    pub const HOST: Self = Self { device_type: 1, device_id: 0 };

    /// Whether the processor reads this memory as its own: plain (1), or pinned by CUDA (3) or ROCm (11).
    pub fn is_host(self) -> bool {
        matches!(self.device_type, 1 | 3 | 11)
    }
}

impl fmt::Display for DlDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.device_type {
            1 => return f.write_str("cpu"),
            2 => "cuda",
            3 => "cuda_host",
            4 => "opencl",
            7 => "vulkan",
            8 => "metal",
            10 => "rocm",
            11 => "rocm_host",
            13 => "cuda_managed",
            14 => "oneapi",
            15 => "webgpu",
            other => return write!(f, "device type {other}, number {}", self.device_id),
        };
        write!(f, "{name}:{}", self.device_id)
    }
}

/// The type of an element.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlDataType {
    /// `kDLInt` and its like.
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// 1 but for vector types.
    pub lanes: u16,
}

impl DlDataType {
    /// float64
    pub const F64: Self = Self { code: 2, bits: 64, lanes: 1 };
}

impl fmt::Display for DlDataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            0 => "int",
            1 => "uint",
            2 => "float",
            3 => "opaque",
            4 => "bfloat",
            5 => "complex",
            6 => return f.write_str("bool"),
            code => return write!(f, "type code {code} of {} bits", self.bits),
        };
        write!(f, "{name}{}", self.bits)?;
        if self.lanes == 1 { Ok(()) } else { write!(f, "x{}", self.lanes) }
    }
}

/// A view of memory.
#[repr(C)]
#[derive(Debug)]
pub struct DlTensor {
    /// First byte of the allocation; may be null where there are no elements.
    pub data: *mut c_void,
    /// Where it lies.
    pub device: DlDevice,
    /// Dimensions.
    pub ndim: i32,
    /// Element.
    pub dtype: DlDataType,
    /// `ndim` extents.
    pub shape: *mut i64,
    /// `ndim` steps, in elements; null for compact rows.
    pub strides: *mut i64,
    /// From `data` to the first element.
    pub byte_offset: u64,
}

/// A view and who ends it, as the protocol was before 1.0.
#[repr(C)]
#[derive(Debug)]
pub struct DlManagedTensor {
    /// The view.
    pub tensor: DlTensor,
    /// The producer's.
    pub context: *mut c_void,
    /// To be called once, when the consumer is done.
    pub deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// A version of the protocol. The layout is the same within a major version.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlVersion {
    /// Layout.
    pub major: u32,
    /// Additions.
    pub minor: u32,
}

impl DlVersion {
    /// What is spoken here.
    pub const OURS: Self = Self { major: 1, minor: 0 };
}

/// The memory must not be written.
pub const FLAG_READ_ONLY: u64 = 1;
/// The memory is a copy that belongs to the consumer alone.
pub const FLAG_IS_COPIED: u64 = 2;

/// A view and who ends it. Only what stands before `flags` is the same in every major version.
#[repr(C)]
#[derive(Debug)]
pub struct DlManagedTensorVersioned {
    /// Of the producer.
    pub version: DlVersion,
    /// The producer's.
    pub context: *mut c_void,
    /// To be called once, when the consumer is done.
    pub deleter: Option<unsafe extern "C" fn(*mut Self)>,
    /// Bits.
    pub flags: u64,
    /// The view.
    pub tensor: DlTensor,
}

/// One of the two structures, as a capsule carries it.
pub trait Managed: Sized + 'static {
    /// Name of a capsule that nobody has taken yet.
    const NAME: &'static CStr;
    /// Name of a capsule whose content is a consumer's.
    const USED_NAME: &'static CStr;

    /// Who ends it.
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)>;
}

impl Managed for DlManagedTensor {
    const NAME: &'static CStr = c"dltensor";
    const USED_NAME: &'static CStr = c"used_dltensor";

    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.deleter
    }
}

impl Managed for DlManagedTensorVersioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    const USED_NAME: &'static CStr = c"used_dltensor_versioned";

    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.deleter
    }
}
