//! What NVIDIA's XID numbers mean: a versioned table with a severity and what to do.
//!
//! Names and actions follow NVIDIA's Xid catalogue; the severity is ours. An XID that is not in the table is [`XidClass::Unknown`]:
//! it never passes for harmless, nor for the end of the GPU.

use std::time::Duration;

use serde::Serialize;

/// Which state of NVIDIA's catalogue the table follows.
pub const XID_TABLE_VERSION: &str = "2025-09 (drivers 535 to 580)";

/// How an XID bears on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum XidClass {
    /// The application's own fault: the GPU is well.
    Application,
    /// Worth a line in the log, no more.
    Information,
    /// The GPU works, and should be looked at.
    Warning,
    /// Do not give it work until it has been reset, or replaced.
    Critical,
    /// Not in the table: counts as a warning.
    Unknown,
}

impl XidClass {
    /// Its name in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct XidInfo {
    /// The number.
    pub xid: u64,
    /// What happened.
    pub name: &'static str,
    /// How it bears on the GPU.
    pub class: XidClass,
    /// What to do.
    pub advice: &'static str,
}

/// How often an XID came, and when last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XidRecord {
    /// Events since the program started.
    pub count: u64,
    /// When the last came, counted from the program's start.
    pub last_seen: Duration,
}

/// What is known of an XID.
pub fn describe(xid: u64) -> XidInfo {
    match XIDS.binary_search_by_key(&xid, |row| row.xid) {
        Ok(place) => XIDS[place],
        Err(_) => XidInfo {
            xid,
            name: "not in the table",
            class: XidClass::Unknown,
            advice: "look it up in NVIDIA's Xid catalogue and in the kernel log (NVRM: Xid)",
        },
    }
}

/// The table, for those who print it.
pub fn table() -> &'static [XidInfo] {
    XIDS
}

const DEBUG: &str = "restart the application; if it stays, run it under compute-sanitizer";
const RESTART: &str = "restart the application; if it comes again, reset the GPU";
const RESET: &str = "let the work end, then reset the GPU (nvidia-smi --gpu-reset -i N)";
const RESET_REPORT: &str = "reset the GPU; if it comes again, have the board replaced";
const REBOOT: &str = "restart the machine; if it comes again, have the board, its power and its slot checked";
const NOTHING: &str = "nothing";
const TREND: &str = "nothing now; a growing count is a reason to have the board checked";
const CHECK: &str = "have the board checked if it comes again";

/// One row.
const fn row(xid: u64, class: XidClass, name: &'static str, advice: &'static str) -> XidInfo {
    XidInfo { xid, name, class, advice }
}

use XidClass::{Application, Critical, Information, Warning};

/// Ascending by number.
const XIDS: &[XidInfo] = &[
    row(8, Application, "GPU stopped processing", RESTART),
    row(11, Application, "invalid or corrupted push buffer stream", DEBUG),
    row(13, Application, "graphics engine exception", DEBUG),
    row(16, Warning, "display engine hung", CHECK),
    row(18, Warning, "bus mastering disabled in PCI configuration space", REBOOT),
    row(24, Application, "GPU semaphore timeout", RESTART),
    row(25, Application, "invalid or illegal push buffer stream", DEBUG),
    row(31, Application, "GPU memory page fault", DEBUG),
    row(32, Application, "invalid or corrupted push buffer stream", RESTART),
    row(38, Warning, "driver firmware error", "restart the application; if it stays, update the driver"),
    row(39, Application, "copy engine exception", RESTART),
    row(40, Application, "copy engine exception", RESTART),
    row(41, Application, "copy engine exception", RESTART),
    row(43, Application, "GPU stopped processing", DEBUG),
    row(44, Warning, "graphics engine fault during context switch", RESTART),
    row(45, Information, "preemptive cleanup, after an earlier error or the end of the process", NOTHING),
    row(46, Critical, "GPU stopped processing", RESET),
    row(48, Critical, "double-bit ECC error", RESET_REPORT),
    row(54, Warning, "auxiliary power is not connected", "check the power cables of the board"),
    row(56, Warning, "display engine error", CHECK),
    row(57, Warning, "error programming the video memory interface", CHECK),
    row(58, Warning, "unstable video memory interface, or EDC error", CHECK),
    row(60, Warning, "video processor exception", RESTART),
    row(61, Warning, "internal micro-controller breakpoint or warning", RESET),
    row(62, Critical, "internal micro-controller halt", RESET_REPORT),
    row(
        63,
        Warning,
        "page retirement or row remapping recorded",
        "reset the GPU when it is idle, so that the spare row is used",
    ),
    row(64, Critical, "page retirement or row remapping could not be recorded", RESET_REPORT),
    row(65, Application, "video processor exception", RESTART),
    row(66, Application, "illegal access by driver", RESTART),
    row(67, Application, "illegal access by driver", RESTART),
    row(68, Application, "video decoder exception", RESTART),
    row(69, Application, "graphics engine class error", DEBUG),
    row(70, Application, "copy engine exception", RESTART),
    row(71, Application, "copy engine exception", RESTART),
    row(72, Application, "copy engine exception", RESTART),
    row(73, Application, "video encoder exception", RESTART),
    row(74, Critical, "NVLink error", "reset the GPU; if it comes again, have the link and its bridge checked"),
    row(75, Application, "copy engine exception", RESTART),
    row(76, Application, "copy engine exception", RESTART),
    row(77, Application, "copy engine exception", RESTART),
    row(78, Warning, "vGPU start error", "check the vGPU licence and host driver"),
    row(79, Critical, "GPU has fallen off the bus", REBOOT),
    row(80, Warning, "corrupted data sent to GPU", RESET),
    row(81, Warning, "VGA subsystem error", CHECK),
    row(82, Application, "JPEG engine error", RESTART),
    row(83, Application, "video decoder error", RESTART),
    row(84, Application, "video decoder error", RESTART),
    row(85, Application, "copy engine exception", RESTART),
    row(86, Application, "optical flow engine exception", RESTART),
    row(88, Application, "video decoder error", RESTART),
    row(89, Application, "video decoder error", RESTART),
    row(92, Warning, "high rate of single-bit ECC errors", TREND),
    row(93, Information, "InfoROM wear limit passed, not fatal", CHECK),
    row(94, Warning, "contained memory error", "restart the application that was hit; reset the GPU when it is idle"),
    row(95, Critical, "uncontained memory error", RESET_REPORT),
    row(96, Application, "video decoder error", RESTART),
    row(97, Application, "video decoder error", RESTART),
    row(98, Application, "video decoder error", RESTART),
    row(99, Application, "JPEG engine error", RESTART),
    row(100, Application, "JPEG engine error", RESTART),
    row(101, Application, "JPEG engine error", RESTART),
    row(102, Application, "JPEG engine error", RESTART),
    row(103, Application, "JPEG engine error", RESTART),
    row(104, Application, "JPEG engine error", RESTART),
    row(105, Application, "JPEG engine error", RESTART),
    row(106, Information, "SMBPBI test message", NOTHING),
    row(107, Information, "SMBPBI test message, silent", NOTHING),
    row(109, Critical, "context switch timeout", RESET),
    row(110, Critical, "security fault", "power-cycle the machine; if it comes again, have the board replaced"),
    row(119, Critical, "GSP RPC timeout", RESET),
    row(120, Critical, "GSP error", RESET),
    row(121, Information, "C2C link error corrected", TREND),
    row(122, Warning, "SPI RPC read failure", CHECK),
    row(123, Warning, "SPI RPC write failure", RESET),
    row(124, Warning, "SPI RPC erase failure", CHECK),
    row(125, Warning, "InfoROM file system failure", "update the board's InfoROM, or have the board checked"),
    row(136, Critical, "NVLink training failed", RESET),
    row(137, Application, "NVLink fabric address privilege error", DEBUG),
    row(140, Critical, "unrecovered ECC error", RESET_REPORT),
    row(143, Critical, "GPU initialisation failure", RESET_REPORT),
    row(144, Critical, "NVLink: SAW error", RESET),
    row(145, Critical, "NVLink: RLW error", RESET),
    row(146, Critical, "NVLink: TLW error", RESET),
    row(147, Critical, "NVLink: TREX error", RESET),
    row(148, Critical, "NVLink: NVLPW control error", RESET),
    row(149, Critical, "NVLink: NETIR error", RESET),
    row(150, Critical, "NVLink: MSE error", RESET),
    row(151, Critical, "key rotation error", RESET),
    row(
        154,
        Information,
        "the recovery action of the GPU changed",
        "follow the recovery action that is reported beside it",
    ),
    row(
        155,
        Warning,
        "NVLink: software-defined error",
        "reset the GPU if collectives fail; a link put to sleep on purpose raises it too",
    ),
    row(156, Warning, "resource retirement recorded", "reset the GPU when it is idle"),
    row(157, Critical, "resource retirement failed", RESET_REPORT),
    row(158, Critical, "fatal GPU timeout", RESET_REPORT),
    row(160, Warning, "channel retirement recorded", "reset the GPU when it is idle"),
    row(161, Critical, "channel retirement failed", RESET_REPORT),
    row(167, Critical, "fatal PCIe timeout", REBOOT),
    row(168, Warning, "uncorrectable error in the WPR region of memory", RESET),
    row(171, Warning, "double-bit error in DRAM, beside XID 48", RESET_REPORT),
    row(172, Warning, "double-bit error in SRAM, beside XID 48", RESET_REPORT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_says_what_to_do() {
        assert!(XIDS.windows(2).all(|pair| pair[0].xid < pair[1].xid));
        assert!(
            XIDS.iter().all(|row| !row.name.is_empty() && !row.advice.is_empty() && row.class != XidClass::Unknown)
        );
    }

    #[test]
    fn what_operators_fear_is_critical_and_what_programs_do_is_not() {
        for xid in [48, 62, 64, 74, 79, 95, 109, 119, 120, 140] {
            assert_eq!(describe(xid).class, XidClass::Critical, "{xid}");
        }
        for xid in [61, 63, 92, 94] {
            assert_eq!(describe(xid).class, XidClass::Warning, "{xid}");
        }
        for xid in [13, 31, 43, 68, 69] {
            assert_eq!(describe(xid).class, XidClass::Application, "{xid}");
        }
        assert_eq!(describe(45).class, XidClass::Information);
    }

    #[test]
    fn an_unknown_xid_has_a_class_of_its_own() {
        let unknown = describe(999_999);
        assert_eq!((unknown.xid, unknown.class), (999_999, XidClass::Unknown));
        assert!(unknown.advice.contains("catalogue"));
    }
}
