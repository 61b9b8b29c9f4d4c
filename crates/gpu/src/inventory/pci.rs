//! Addresses on the PCI bus, as the kernel and as NVML write them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An address on the PCI bus: `0000:3b:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Function.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = ();

    /// Reads `0000:3b:00.0`, and NVML's `00000000:3B:00.0`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (rest, function) = text.rsplit_once('.').ok_or(())?;
        let mut parts = rest.split(':');
        let (domain, bus, device) = (parts.next().ok_or(())?, parts.next().ok_or(())?, parts.next().ok_or(())?);
        if parts.next().is_some() {
            return Err(());
        }
        let address = Self {
            domain: hexadecimal(domain, 8)?,
            bus: u8::try_from(hexadecimal(bus, 2)?).map_err(|_| ())?,
            device: u8::try_from(hexadecimal(device, 2)?).map_err(|_| ())?,
            function: u8::try_from(hexadecimal(function, 1)?).map_err(|_| ())?,
        };
        (address.device < 32 && address.function < 8).then_some(address).ok_or(())
    }
}

/// A number of at most so many hexadecimal digits. The standard parser alone would take "+1".
fn hexadecimal(text: &str, digits: usize) -> Result<u32, ()> {
    if text.len() > digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(());
    }
    u32::from_str_radix(text, 16).map_err(|_| ())
}

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_read_and_one_is_written() {
        for (text, written) in
            [("0000:3b:00.0", "0000:3b:00.0"), ("00000000:3B:00.0", "0000:3b:00.0"), ("10000:01:1f.7", "10000:01:1f.7")]
        {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ".",
            "0000:3b:00",
            "3b:00.0",
            "0000:3b:00.8",
            "0000:3b:20.0",
            "0000:+b:00.0",
            "0000:3b:00.0.0",
            "0000:13b:00.0",
            "é:3b:00.0",
        ] {
            assert_eq!(text.parse::<PciAddress>(), Err(()), "{text}");
        }
    }
}
