//! One layer over another: defaults, file, variables, flags. Every value remembers which of them it came from.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::fault::{ConfigError, ConfigFault, Origin, shown};
use super::keys::{KEYS, Key, Value};
use super::{FILE_VARIABLE, GpuConfig, VARIABLE_PREFIX, file};

/// A value that a flag of the command line gives to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// The flag, such as `--device`.
    pub flag: String,
    /// The key.
    pub key: String,
    /// The value as it was typed.
    pub value: String,
}

/// The configuration in force, and where each value comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The values.
    pub config: GpuConfig,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is odd and yet no fault, such as a variable that no key has.
    pub warnings: Vec<String>,
    origins: [Origin; KEYS.len()],
}

impl Settings {
    /// Where the value of a key comes from; [`Origin::Default`] for a name that is no key.
    pub fn origin(&self, key: &str) -> &Origin {
        KEYS.iter().position(|known| known.name == key).map_or(&Origin::Default, |place| &self.origins[place])
    }

    fn take(&mut self, key: &Key, value: Value, origin: Origin) {
        key.set(&mut self.config, value);
        // `key` comes from `KEYS`, as `Key::named` gives no other.
        if let Some(place) = KEYS.iter().position(|known| known.name == key.name) {
            self.origins[place] = origin;
        }
    }

    fn take_text(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<(), ConfigFault> {
        match key.read(text) {
            Some(value) => self.take(key, value, origin),
            None => {
                return Err(ConfigFault::BadValue {
                    origin,
                    key: key.name,
                    value: shown(text),
                    allowed: key.allowed.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry {
            value: serde_json::Value,
            layer: &'static str,
            origin: String,
        }
        let config = serde_json::to_value(&self.config).map_err(serde::ser::Error::custom)?;
        let entries: serde_json::Map<String, serde_json::Value> = KEYS
            .iter()
            .zip(&self.origins)
            .map(|(key, origin)| {
                let value = config.get(key.name).cloned().unwrap_or_default();
                let entry = Entry { value, layer: origin.layer(), origin: origin.to_string() };
                Ok((key.name.to_owned(), serde_json::to_value(entry)?))
            })
            .collect::<Result<_, serde_json::Error>>()
            .map_err(serde::ser::Error::custom)?;
        let mut settings = serializer.serialize_struct("Settings", 3)?;
        settings.serialize_field("file", &self.file.as_ref().map(|path| path.display().to_string()))?;
        settings.serialize_field("values", &entries)?;
        settings.serialize_field("warnings", &self.warnings)?;
        settings.end()
    }
}

/// Reads every layer. `file_flag` is what `--gpu-config` names; `environment` is the process's, or a test's own.
///
/// A variable that is set and empty counts as not set. A value that is not allowed is a fault even where a higher layer overrides it.
///
/// # Errors
///
/// Everything that is wrong in any layer, at once: an unreadable file, a line that is not TOML, a key that is unknown, a value that
/// is not allowed.
pub fn load(
    file_flag: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &[FlagValue],
) -> Result<Settings, ConfigError> {
    let environment: Vec<(OsString, OsString)> =
        environment.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut settings = Settings::default();
    let mut faults = Vec::new();

    let variable = |name: &str| {
        environment.iter().find(|(found, _)| found == OsStr::new(name)).map(|(_, value)| PathBuf::from(value))
    };
    if let Some(found) = file::find(file_flag, variable) {
        match file::text_of(&found) {
            Ok(text) => {
                let said = file::read(&found.path, &text);
                said.values.into_iter().for_each(|(key, value, origin)| settings.take(key, value, origin));
                faults.extend(said.faults);
                settings.warnings.extend(said.warnings);
            }
            Err(fault) => faults.push(fault),
        }
        settings.file = Some(found.path);
    }

    let mut ours: Vec<(String, &OsString)> = environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.strip_prefix(VARIABLE_PREFIX)?.to_owned(), value)))
        .collect();
    ours.sort();
    for (rest, value) in ours {
        let name = format!("{VARIABLE_PREFIX}{rest}");
        let Some(key) = Key::named(&rest.to_ascii_lowercase()).filter(|key| key.variable() == name) else {
            if name != FILE_VARIABLE {
                settings.warnings.push(unknown_variable(&name, &rest));
            }
            continue;
        };
        // A value that is not UTF-8 is shown with its broken bytes replaced, and no key allows it.
        let text = value.to_string_lossy();
        faults.extend(settings.take_text(key, &text, Origin::Variable { name }).err());
    }

    for FlagValue { flag, key, value } in flags {
        let origin = Origin::Flag { name: flag.clone() };
        match Key::named(key) {
            Some(key) => faults.extend(settings.take_text(key, value, origin).err()),
            None => faults.push(ConfigFault::UnknownKey { origin, key: key.clone() }),
        }
    }
    if faults.is_empty() { Ok(settings) } else { Err(ConfigError { faults }) }
}

fn unknown_variable(name: &str, rest: &str) -> String {
    match Key::nearest(rest) {
        Some(key) => format!("{name}: unknown variable: did you mean {}?", key.variable()),
        None => format!("{name}: unknown variable, not used"),
    }
}

impl GpuConfig {
    /// A file that reads back to exactly these values, each with what it decides above it.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("[gpu]\n");
        for key in &KEYS {
            text += &format!("# {}; allowed: {}\n", key.about, key.allowed);
            text += &format!("{} = {}\n", key.name, key.get(self).to_toml());
        }
        text
    }

    /// Checks values that were set by a program and not read by [`load`].
    ///
    /// # Errors
    ///
    /// Every key whose value is outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let faults: Vec<ConfigFault> = KEYS
            .iter()
            .filter(|key| !key.allowed.contains(&key.get(self)))
            .map(|key| ConfigFault::BadValue {
                origin: Origin::Default,
                key: key.name,
                value: key.get(self).to_string(),
                allowed: key.allowed.to_string(),
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }
}
