//! What `--device` says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::device::DeviceKind;
use crate::error::GpuError;

/// Which device a user asks for: `auto`, `cpu`, `cuda[:n]`, `hip[:n]` or `vulkan[:n]`, n counting from 0 (0 where absent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceRequest {
    /// The best device that is there; the CPU where there is no better (see [`choose`](crate::choose)).
    #[default]
    Auto,
    /// The device of one back end by its index.
    Device {
        /// Back end.
        kind: DeviceKind,
        /// Which of its devices, from 0; always 0 for the CPU.
        index: usize,
    },
}

impl DeviceRequest {
    /// The CPU path.
    pub const CPU: Self = Self::Device { kind: DeviceKind::Cpu, index: 0 };
}

impl FromStr for DeviceRequest {
    type Err = GpuError;

    fn from_str(text: &str) -> Result<Self, GpuError> {
        let bad = || GpuError::BadRequest { got: text.to_owned() };
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let kind = DeviceKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(bad)?;
        let index = match number {
            None => 0,
            Some(_) if kind == DeviceKind::Cpu => return Err(bad()),
            // `parse` alone would take "+1".
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| bad())?,
            Some(_) => return Err(bad()),
        };
        Ok(Self::Device { kind, index })
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Device { kind: DeviceKind::Cpu, .. } => f.write_str("cpu"),
            Self::Device { kind, index } => write!(f, "{kind}:{index}"),
        }
    }
}

impl Serialize for DeviceRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
