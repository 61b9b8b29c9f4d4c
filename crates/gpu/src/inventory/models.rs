//! Names of models whose drivers do not say them, by PCI number, and what of Intel's is a matter of the model alone.
//!
//! Sources: the kernel's `include/drm/intel/pciids.h` and Intel's product pages for Arc and Data Center GPU; AMD's product pages and
//! the PCI ID repository for Instinct. A model that is not here has no name, and loses nothing else.

/// One of Intel's models.
pub(super) struct Intel {
    number: u16,
    name: &'static str,
    /// Architecture, as Intel's compilers name it.
    pub architecture: &'static str,
    /// Xe cores of the whole GPU; absent where the number is shared by models that differ.
    pub xe_cores: Option<u32>,
}

const fn intel_model(number: u16, name: &'static str, architecture: &'static str, xe_cores: u32) -> Intel {
    Intel { number, name, architecture, xe_cores: if xe_cores == 0 { None } else { Some(xe_cores) } }
}

const INTEL: &[Intel] = &[
    intel_model(0x0bd5, "Intel Data Center GPU Max 1550", "pvc", 128),
    intel_model(0x0bd6, "Intel Data Center GPU Max 1550", "pvc", 128),
    intel_model(0x0bda, "Intel Data Center GPU Max 1100", "pvc", 56),
    intel_model(0x56a0, "Intel Arc A770", "acm-g10", 32),
    intel_model(0x56a1, "Intel Arc A750", "acm-g10", 28),
    intel_model(0x56a2, "Intel Arc A580", "acm-g10", 24),
    intel_model(0x56a5, "Intel Arc A380", "acm-g11", 8),
    intel_model(0x56a6, "Intel Arc A310", "acm-g11", 6),
    intel_model(0x5690, "Intel Arc A770M", "acm-g10", 32),
    intel_model(0x5691, "Intel Arc A730M", "acm-g10", 24),
    intel_model(0x5692, "Intel Arc A550M", "acm-g10", 16),
    intel_model(0x5693, "Intel Arc A370M", "acm-g11", 8),
    intel_model(0x5694, "Intel Arc A350M", "acm-g11", 6),
    intel_model(0x56b0, "Intel Arc Pro A30M", "acm-g11", 8),
    intel_model(0x56b1, "Intel Arc Pro A40/A50", "acm-g11", 8),
    intel_model(0x56c0, "Intel Data Center GPU Flex 170", "acm-g10", 32),
    intel_model(0x56c1, "Intel Data Center GPU Flex 140", "acm-g11", 8),
    intel_model(0xe20b, "Intel Arc B580", "bmg-g21", 20),
    intel_model(0xe20c, "Intel Arc B570", "bmg-g21", 18),
    intel_model(0xe211, "Intel Arc Pro B60", "bmg-g21", 20),
    intel_model(0xe212, "Intel Arc Pro B50", "bmg-g21", 16),
];

const AMD: &[(u16, &str)] = &[
    (0x66a0, "AMD Instinct MI60"),
    (0x66a1, "AMD Instinct MI50"),
    (0x738c, "AMD Instinct MI100"),
    (0x7408, "AMD Instinct MI250X"),
    (0x740c, "AMD Instinct MI250"),
    (0x740f, "AMD Instinct MI210"),
    (0x74a0, "AMD Instinct MI300A"),
    (0x74a1, "AMD Instinct MI300X"),
    (0x74a2, "AMD Instinct MI308X"),
    (0x74a5, "AMD Instinct MI325X"),
    (0x75a0, "AMD Instinct MI350X"),
    (0x75a3, "AMD Instinct MI355X"),
];

/// A model's name.
pub(crate) fn name(vendor: u16, model: u16) -> Option<&'static str> {
    match vendor {
        0x8086 => intel(model).map(|intel| intel.name),
        0x1002 => AMD.iter().find(|(number, _)| *number == model).map(|(_, name)| *name),
        _ => None,
    }
}

/// What is known of one of Intel's models.
pub(super) fn intel(model: u16) -> Option<&'static Intel> {
    INTEL.iter().find(|intel| intel.number == model)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_number_stands_twice() {
        assert_eq!(INTEL.iter().map(|intel| intel.number).collect::<BTreeSet<_>>().len(), INTEL.len());
        assert_eq!(AMD.iter().map(|(number, _)| number).collect::<BTreeSet<_>>().len(), AMD.len());
    }
}
