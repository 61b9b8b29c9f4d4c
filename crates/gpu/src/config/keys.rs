//! Every key of the configuration with what it allows: the one table that errors, documentation and tests read.

use std::fmt;

use super::{GpuConfig, size};
use crate::request::DeviceRequest;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// A device request.
    Device,
    /// On or off.
    Switch,
    /// A share in (0, `max`], as a number or in percent.
    Share {
        /// The greatest share.
        max: f64,
    },
    /// A size in bytes, both ends allowed.
    Bytes {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// A time in seconds, both ends allowed.
    Seconds {
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Its name in the file; in capitals after `ZOMMA_GPU_` that of its variable.
    pub name: &'static str,
    /// What it allows.
    pub allowed: Allowed,
    /// What it decides, in one line.
    pub about: &'static str,
}

/// Every key, in the order of [`GpuConfig`]'s fields. All ranges of the configuration stand here.
pub const KEYS: [Key; 10] = [
    Key { name: "device", allowed: Allowed::Device, about: "where to compute" },
    Key {
        name: "memory_fraction",
        allowed: Allowed::Share { max: 1.0 },
        about: "share of a device's memory that may be lent",
    },
    Key {
        name: "allow_growth",
        allowed: Allowed::Switch,
        about: "take memory as it is needed; else reserve the whole share at the start",
    },
    Key { name: "cpu_fallback", allowed: Allowed::Switch, about: "work goes to the CPU where no device can take it" },
    Key {
        name: "pool_size_bytes",
        allowed: Allowed::Bytes { min: 1 << 20, max: 1 << 40 },
        about: "memory that a pool takes from the device at a time",
    },
    Key { name: "enable_monitoring", allowed: Allowed::Switch, about: "sample usage, temperature and errors" },
    Key { name: "enable_alerts", allowed: Allowed::Switch, about: "log and count a crossed threshold as an alert" },
    Key {
        name: "alert_threshold",
        allowed: Allowed::Share { max: 1.0 },
        about: "share of the lendable memory in use from which an alert is raised",
    },
    Key {
        name: "sample_interval_seconds",
        allowed: Allowed::Seconds { min: 0.01, max: 3600.0 },
        about: "time between two samples",
    },
    Key {
        name: "call_timeout_seconds",
        allowed: Allowed::Seconds { min: 0.01, max: 600.0 },
        about: "the longest that one question to a driver may take",
    },
];

/// A value of any key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A device request.
    Device(DeviceRequest),
    /// On or off.
    Switch(bool),
    /// A share or seconds.
    Real(f64),
    /// Bytes.
    Bytes(u64),
}

impl Key {
    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The key that a mistyped name most likely meant: at most a third of its letters differ.
    pub fn nearest(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let near = KEYS.iter().map(|key| (distance(&name, key.name), key)).min_by_key(|(distance, _)| *distance);
        let contained = || KEYS.iter().find(|key| name.len() >= 4 && key.name.contains(&name));
        near.filter(|(distance, key)| *distance * 3 <= key.name.len()).map(|(_, key)| key).or_else(contained)
    }

    /// The key's variable: `ZOMMA_GPU_MEMORY_FRACTION`.
    pub fn variable(&self) -> String {
        format!("{}{}", super::VARIABLE_PREFIX, self.name.to_ascii_uppercase())
    }

    /// Reads a value from a variable or a flag. `None` where it is not allowed.
    pub fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let value = match self.allowed {
            Allowed::Device => Value::Device(text.parse().ok()?),
            Allowed::Switch => Value::Switch(read_switch(text)?),
            Allowed::Share { .. } => Value::Real(read_share(text)?),
            Allowed::Bytes { .. } => Value::Bytes(size::parse(text).ok()?),
            Allowed::Seconds { .. } => Value::Real(text.parse().ok()?),
        };
        self.allowed.contains(&value).then_some(value)
    }

    /// The key's value in `config`.
    pub fn get(&self, config: &GpuConfig) -> Value {
        match self.name {
            "device" => Value::Device(config.device),
            "memory_fraction" => Value::Real(config.memory_fraction),
            "allow_growth" => Value::Switch(config.allow_growth),
            "cpu_fallback" => Value::Switch(config.cpu_fallback),
            "pool_size_bytes" => Value::Bytes(config.pool_size_bytes),
            "enable_monitoring" => Value::Switch(config.enable_monitoring),
            "enable_alerts" => Value::Switch(config.enable_alerts),
            "alert_threshold" => Value::Real(config.alert_threshold),
            "sample_interval_seconds" => Value::Real(config.sample_interval_seconds),
            "call_timeout_seconds" => Value::Real(config.call_timeout_seconds),
            other => unreachable!("{other} is not in KEYS"),
        }
    }

    /// Sets the key in `config` to a value that [`Key::read`] gave.
    pub(super) fn set(&self, config: &mut GpuConfig, value: Value) {
        match (self.name, value) {
            ("device", Value::Device(value)) => config.device = value,
            ("memory_fraction", Value::Real(value)) => config.memory_fraction = value,
            ("allow_growth", Value::Switch(value)) => config.allow_growth = value,
            ("cpu_fallback", Value::Switch(value)) => config.cpu_fallback = value,
            ("pool_size_bytes", Value::Bytes(value)) => config.pool_size_bytes = value,
            ("enable_monitoring", Value::Switch(value)) => config.enable_monitoring = value,
            ("enable_alerts", Value::Switch(value)) => config.enable_alerts = value,
            ("alert_threshold", Value::Real(value)) => config.alert_threshold = value,
            ("sample_interval_seconds", Value::Real(value)) => config.sample_interval_seconds = value,
            ("call_timeout_seconds", Value::Real(value)) => config.call_timeout_seconds = value,
            (name, value) => unreachable!("{name} does not take {value:?}"),
        }
    }
}

impl Allowed {
    /// Whether a value is of the right kind and inside the range. NaN and infinities never are.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Device, Value::Device(_)) | (Self::Switch, Value::Switch(_)) => true,
            (Self::Share { max }, Value::Real(share)) => *share > 0.0 && share <= max,
            (Self::Bytes { min, max }, Value::Bytes(bytes)) => (min..=max).contains(&bytes),
            (Self::Seconds { min, max }, Value::Real(seconds)) => (min..=max).contains(&seconds),
            _ => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("auto, cpu, cuda[:n], hip[:n], vulkan[:n], n = 0, 1, …"),
            Self::Switch => f.write_str("true or false"),
            Self::Share { max } => write!(f, "a share in (0, {max}], such as 0.8 or \"80%\""),
            Self::Bytes { min, max } => {
                write!(f, "a size from {} to {}, such as \"1GiB\" or 1073741824", size::exact(*min), size::exact(*max))
            }
            Self::Seconds { min, max } => write!(f, "seconds from {min} to {max}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(request) => request.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Bytes(bytes) => f.write_str(&size::exact(*bytes)),
        }
    }
}

impl Value {
    /// The value as a TOML file writes it; it reads back to the same bits.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Device(_) | Self::Bytes(_) => format!("\"{self}\""),
            Self::Switch(on) => on.to_string(),
            // `{:?}` is the shortest text that reads back, with a point or an exponent.
            Self::Real(value) => format!("{value:?}"),
        }
    }
}

fn read_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A share as `0.8` or `80%`.
pub fn read_share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse().ok(),
    }
}

/// Letters to insert, drop or change between two texts (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_key_and_every_default_is_allowed() {
        let config = GpuConfig::default();
        let fields: Vec<String> =
            serde_json::to_value(&config).unwrap().as_object().unwrap().keys().map(String::clone).collect();
        let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        assert_eq!(names, fields);
        for key in KEYS {
            assert!(key.allowed.contains(&key.get(&config)), "{}", key.name);
            let mut copy = config.clone();
            key.set(&mut copy, key.get(&config));
            assert_eq!(copy, config);
        }
    }

    #[test]
    fn a_mistyped_key_has_a_neighbour_and_a_foreign_one_has_none() {
        for (typed, meant) in [
            ("memory_fracton", "memory_fraction"),
            ("memory-fraction", "memory_fraction"),
            ("Pool_Size_Byte", "pool_size_bytes"),
            ("pool_size", "pool_size_bytes"),
            ("alerts", "enable_alerts"),
        ] {
            assert_eq!(Key::nearest(typed).map(|key| key.name), Some(meant), "{typed}");
        }
        assert_eq!(Key::nearest("colour"), None);
        assert_eq!(Key::nearest(""), None);
    }

    #[test]
    fn ranges_hold_at_their_ends() {
        let read = |name: &str, text: &str| Key::named(name).unwrap().read(text);
        assert_eq!(read("memory_fraction", "1"), Some(Value::Real(1.0)));
        assert_eq!(read("memory_fraction", "80%"), Some(Value::Real(0.8)));
        for bad in ["0", "-0.1", "1.0000001", "101%", "nan", "NaN", "inf", "-inf", "1e400", "", "%", "0,8"] {
            assert_eq!(read("memory_fraction", bad), None, "{bad}");
        }
        assert_eq!(read("pool_size_bytes", "1MiB"), Some(Value::Bytes(1 << 20)));
        for bad in ["1048575", "1025GiB", "nan", "1e9", "-1"] {
            assert_eq!(read("pool_size_bytes", bad), None, "{bad}");
        }
        for bad in ["0", "0.009", "3601", "inf", "nan", "1s"] {
            assert_eq!(read("sample_interval_seconds", bad), None, "{bad}");
        }
        assert_eq!(read("allow_growth", "OFF"), Some(Value::Switch(false)));
        assert_eq!(read("allow_growth", "maybe"), None);
    }
}
