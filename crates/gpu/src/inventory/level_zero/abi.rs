//! The part of Level Zero's Sysman that is used here: `zes_api.h` and `ze_api.h` of the loader (specification v1.12; those of v1.4, the
//! oldest that was compared, lay the same structures out alike). A structure begins with its number and a pointer to an extension, of
//! which none is used.

use std::ffi::c_void;

/// `ze_result_t`.
pub(super) type Outcome = u32;
/// `ZE_RESULT_SUCCESS`.
pub(super) const SUCCESS: Outcome = 0;
/// `ZE_RESULT_ERROR_UNINITIALIZED`: no driver of a Level Zero device is installed.
pub(super) const UNINITIALIZED: Outcome = 0x7800_0001;

/// A handle of a driver, a device, a memory module or a fabric port.
pub(super) type Handle = *mut c_void;

/// `ZES_MEM_LOC_DEVICE`.
pub(super) const ON_DEVICE: u32 = 1;
/// `ZES_DEVICE_ECC_STATE_ENABLED`.
pub(super) const ECC_ENABLED: u32 = 1;
/// `ZES_DEVICE_ECC_STATE_DISABLED`.
pub(super) const ECC_DISABLED: u32 = 2;
/// `ZES_FABRIC_PORT_STATUS_HEALTHY` and `ZES_FABRIC_PORT_STATUS_DEGRADED`: the port is up.
pub(super) const PORT_UP: [u32; 2] = [1, 2];

/// What every structure begins with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub number: u32,
    pub next: *const c_void,
}

impl Head {
    const fn new(number: u32) -> Self {
        Self { number, next: std::ptr::null() }
    }
}

/// `zes_pci_properties_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct PciProperties {
    pub head: Head,
    pub domain: u32,
    pub bus: u32,
    pub device: u32,
    pub function: u32,
    pub generation: i32,
    pub width: i32,
    pub max_bandwidth: i64,
    pub have_bandwidth_counters: u8,
    pub have_packet_counters: u8,
    pub have_replay_counters: u8,
}

/// `zes_device_properties_t`. Of its `core`, a `ze_device_properties_t`, nothing is read but it must say what it is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceProperties {
    pub head: Head,
    pub core: Head,
    pub core_rest: [u64; 44],
    pub subdevices: u32,
    pub serial_number: [u8; 64],
    pub board_number: [u8; 64],
    pub brand_name: [u8; 64],
    pub model_name: [u8; 64],
    pub vendor_name: [u8; 64],
    pub driver_version: [u8; 64],
}

/// `zes_mem_properties_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryProperties {
    pub head: Head,
    pub kind: u32,
    pub on_subdevice: u8,
    pub subdevice: u32,
    pub location: u32,
    pub physical_bytes: u64,
    pub bus_width: i32,
    pub channels: i32,
}

/// `zes_mem_state_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryState {
    pub head: Head,
    pub health: u32,
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// `zes_device_ecc_properties_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct EccProperties {
    pub head: Head,
    pub current: u32,
    pub pending: u32,
    pub pending_action: u32,
}

/// `zes_fabric_port_id_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortId {
    pub fabric: u32,
    pub attachment: u32,
    pub port: u8,
}

/// `zes_fabric_port_speed_t`: of all lanes together.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct PortSpeed {
    pub bits_per_second: i64,
    pub width: i32,
}

/// `zes_fabric_port_properties_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct PortProperties {
    pub head: Head,
    pub model: [u8; 256],
    pub on_subdevice: u8,
    pub subdevice: u32,
    pub id: PortId,
    pub max_receive: PortSpeed,
    pub max_send: PortSpeed,
}

/// `zes_fabric_port_state_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct PortState {
    pub head: Head,
    pub status: u32,
    pub quality_issues: u32,
    pub failure_reasons: u32,
    pub remote: PortId,
    pub receive: PortSpeed,
    pub send: PortSpeed,
}

/// A structure that the library fills: empty but for its head. Every value of every field is a valid one, whatever is written to it.
pub(super) trait Structure: Copy {
    /// The empty structure with its `zes_structure_type_t`.
    const EMPTY: Self;
}

const NO_PORT: PortId = PortId { fabric: 0, attachment: 0, port: 0 };
const NO_SPEED: PortSpeed = PortSpeed { bits_per_second: 0, width: 0 };

impl Structure for DeviceProperties {
    const EMPTY: Self = Self {
        head: Head::new(0x1),
        // ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES
        core: Head::new(0x3),
        core_rest: [0; 44],
        subdevices: 0,
        serial_number: [0; 64],
        board_number: [0; 64],
        brand_name: [0; 64],
        model_name: [0; 64],
        vendor_name: [0; 64],
        driver_version: [0; 64],
    };
}

impl Structure for PciProperties {
    const EMPTY: Self = Self {
        head: Head::new(0x2),
        domain: 0,
        bus: 0,
        device: 0,
        function: 0,
        generation: 0,
        width: 0,
        max_bandwidth: 0,
        have_bandwidth_counters: 0,
        have_packet_counters: 0,
        have_replay_counters: 0,
    };
}

impl Structure for PortProperties {
    const EMPTY: Self = Self {
        head: Head::new(0x6),
        model: [0; 256],
        on_subdevice: 0,
        subdevice: 0,
        id: NO_PORT,
        max_receive: NO_SPEED,
        max_send: NO_SPEED,
    };
}

impl Structure for MemoryProperties {
    const EMPTY: Self = Self {
        head: Head::new(0xb),
        kind: 0,
        on_subdevice: 0,
        subdevice: 0,
        location: 0,
        physical_bytes: 0,
        bus_width: 0,
        channels: 0,
    };
}

impl Structure for PortState {
    const EMPTY: Self = Self {
        head: Head::new(0x19),
        status: 0,
        quality_issues: 0,
        failure_reasons: 0,
        remote: NO_PORT,
        receive: NO_SPEED,
        send: NO_SPEED,
    };
}

impl Structure for MemoryState {
    const EMPTY: Self = Self { head: Head::new(0x1e), health: 0, free_bytes: 0, total_bytes: 0 };
}

impl Structure for EccProperties {
    const EMPTY: Self = Self { head: Head::new(0x26), current: 0, pending: 0, pending_action: 0 };
}

/// `zesInit`.
pub(super) type Init = unsafe extern "C" fn(flags: u32) -> Outcome;
/// `zesDriverGet`.
pub(super) type DriverGet = unsafe extern "C" fn(count: *mut u32, drivers: *mut Handle) -> Outcome;
/// `zesDeviceGet` and the functions that list a device's parts.
pub(super) type List = unsafe extern "C" fn(owner: Handle, count: *mut u32, parts: *mut Handle) -> Outcome;
/// A function that fills a structure.
pub(super) type Fill<S> = unsafe extern "C" fn(owner: Handle, structure: *mut S) -> Outcome;

#[cfg(test)]
mod tests {
    use std::mem::{align_of, offset_of, size_of};

    use super::*;

    /// Sizes and places as the C compiler gives them for the headers of v1.4 and v1.12, on a 64-bit machine.
    #[test]
    fn structures_are_laid_out_as_in_the_header() {
        assert_eq!((size_of::<PciProperties>(), align_of::<PciProperties>()), (56, 8));
        assert_eq!((offset_of!(PciProperties, domain), offset_of!(PciProperties, max_bandwidth)), (16, 40));
        assert_eq!(offset_of!(PciProperties, have_bandwidth_counters), 48);
        assert_eq!((size_of::<DeviceProperties>(), offset_of!(DeviceProperties, core)), (776, 16));
        assert_eq!((offset_of!(DeviceProperties, subdevices), offset_of!(DeviceProperties, serial_number)), (384, 388));
        assert_eq!(
            (offset_of!(DeviceProperties, model_name), offset_of!(DeviceProperties, driver_version)),
            (580, 708)
        );
        assert_eq!((size_of::<MemoryProperties>(), offset_of!(MemoryProperties, location)), (48, 28));
        assert_eq!((offset_of!(MemoryProperties, physical_bytes), offset_of!(MemoryProperties, bus_width)), (32, 40));
        assert_eq!((size_of::<MemoryState>(), offset_of!(MemoryState, free_bytes)), (40, 24));
        assert_eq!((size_of::<EccProperties>(), offset_of!(EccProperties, current)), (32, 16));
        assert_eq!((size_of::<PortId>(), size_of::<PortSpeed>()), (12, 16));
        assert_eq!((size_of::<PortProperties>(), offset_of!(PortProperties, on_subdevice)), (328, 272));
        assert_eq!((offset_of!(PortProperties, id), offset_of!(PortProperties, max_receive)), (280, 296));
        assert_eq!(offset_of!(PortProperties, max_send), 312);
        assert_eq!((size_of::<PortState>(), offset_of!(PortState, status)), (72, 16));
        assert_eq!((offset_of!(PortState, remote), offset_of!(PortState, receive)), (28, 40));
        assert_eq!(offset_of!(PortState, send), 56);
    }
}
