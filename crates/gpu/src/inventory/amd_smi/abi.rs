//! The part of AMD's system management library that is used here, by `amd_smi/amdsmi.h` of ROCm 6.1 to 7.0 (library 24.5, 24.6, 24.7,
//! 25.1, 25.3 to 25.5 and 26.0). Only functions whose parameters are the same in all of these are called; of two structures the size and
//! the width of the text that they begin with differ.

use std::ffi::{c_char, c_void};

/// `amdsmi_status_t`.
pub(super) type Status = u32;
/// `AMDSMI_STATUS_SUCCESS`.
pub(super) const SUCCESS: Status = 0;
/// `AMDSMI_INIT_AMD_GPUS`.
pub(super) const AMD_GPUS: u64 = 2;
/// `AMDSMI_MEM_TYPE_VRAM`.
pub(super) const VRAM: u32 = 0;
/// `AMDSMI_GPU_BLOCK_UMC`: the memory controller.
pub(super) const UMC: u64 = 1;
/// `AMDSMI_IOLINK_TYPE_PCIEXPRESS`; since 26 `AMDSMI_LINK_TYPE_PCIE`.
pub(super) const PCIE: u32 = 1;
/// `AMDSMI_IOLINK_TYPE_XGMI`; since 26 `AMDSMI_LINK_TYPE_XGMI`.
pub(super) const XGMI: u32 = 2;

/// A handle of a socket or of a processor.
pub(super) type Handle = *mut c_void;

/// `amdsmi_version_t`: year, major, minor, release before 26; since then major, minor, release and padding.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub numbers: [u32; 4],
    pub build: *const c_char,
}

/// `amdsmi_asic_info_t`, the longest of its layouts (25.3 and later): it begins with the model's name.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(super) struct AsicInfo {
    pub market_name: [u8; 256],
    pub rest: [u8; 640],
}

/// `amdsmi_driver_info_t`, the longest of its layouts (25.3 and later): it begins with the driver's version.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(super) struct DriverInfo {
    pub version: [u8; 256],
    pub rest: [u8; 512],
}

/// What differs from version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Characters of `market_name`.
    pub market_name: usize,
    /// Characters of `driver_version`.
    pub driver_version: usize,
}

impl Layout {
    /// The layout of a version; `None` where it was not read. From 26 on the first number is raised with every change of the layout; before,
    /// changes came with any number.
    pub(super) fn of(version: [u32; 4]) -> Option<Self> {
        let of = |market_name, driver_version| Some(Self { market_name, driver_version });
        match (version[0], version[1]) {
            (24, 5) => of(64, 64),
            (24, 6 | 7) | (25, 1) => of(256, 64),
            (25, 3..=5) | (26, _) => of(256, 256),
            _ => None,
        }
    }
}

/// `amdsmi_get_lib_version`.
pub(super) type GetVersion = unsafe extern "C" fn(version: *mut Version) -> Status;
/// `amdsmi_init`.
pub(super) type Init = unsafe extern "C" fn(flags: u64) -> Status;
/// `amdsmi_shut_down`.
pub(super) type ShutDown = unsafe extern "C" fn() -> Status;
/// `amdsmi_get_socket_handles`.
pub(super) type Sockets = unsafe extern "C" fn(count: *mut u32, sockets: *mut Handle) -> Status;
/// `amdsmi_get_processor_handles`.
pub(super) type Processors = unsafe extern "C" fn(socket: Handle, count: *mut u32, processors: *mut Handle) -> Status;
/// `amdsmi_get_gpu_device_bdf` and `amdsmi_get_gpu_ecc_enabled`.
pub(super) type GetNumber = unsafe extern "C" fn(processor: Handle, number: *mut u64) -> Status;
/// `amdsmi_get_gpu_memory_total`.
pub(super) type MemoryTotal = unsafe extern "C" fn(processor: Handle, kind: u32, bytes: *mut u64) -> Status;
/// `amdsmi_get_gpu_asic_info`.
pub(super) type GetAsic = unsafe extern "C" fn(processor: Handle, info: *mut AsicInfo) -> Status;
/// `amdsmi_get_gpu_driver_info`.
pub(super) type GetDriver = unsafe extern "C" fn(processor: Handle, info: *mut DriverInfo) -> Status;
/// `amdsmi_topo_get_link_type`.
pub(super) type LinkType = unsafe extern "C" fn(from: Handle, to: Handle, hops: *mut u64, kind: *mut u32) -> Status;
/// `amdsmi_get_minmax_bandwidth_between_processors`.
pub(super) type Bandwidth = unsafe extern "C" fn(from: Handle, to: Handle, least: *mut u64, most: *mut u64) -> Status;

#[cfg(test)]
mod tests {
    use std::mem::{align_of, offset_of, size_of};

    use super::*;

    #[test]
    fn structures_are_no_smaller_than_in_any_header() {
        assert_eq!((size_of::<Version>(), offset_of!(Version, build)), (24, 16));
        // 256 bytes in 24.5, 448 in 24.6, 456 in 24.7 and 25.1, 896 since 25.3.
        assert_eq!((size_of::<AsicInfo>(), align_of::<AsicInfo>()), (896, 8));
        // 192 bytes up to 25.1, 768 since 25.3.
        assert_eq!(size_of::<DriverInfo>(), 768);
    }

    #[test]
    fn only_versions_that_were_read_have_a_layout() {
        for known in
            [[24, 5, 2, 0], [24, 6, 3, 0], [24, 7, 1, 0], [25, 1, 0, 0], [25, 5, 1, 0], [26, 0, 2, 0], [26, 2, 1, 0]]
        {
            assert!(Layout::of(known).is_some_and(|layout| layout.market_name <= 256), "{known:?}");
        }
        for unknown in [
            [0; 4],
            [1, 0, 0, 0],
            [23, 4, 0, 0],
            [24, 8, 0, 0],
            [25, 2, 0, 0],
            [25, 6, 0, 0],
            [27, 0, 0, 0],
            [u32::MAX; 4],
        ] {
            assert_eq!(Layout::of(unknown), None, "{unknown:?}");
        }
    }
}
