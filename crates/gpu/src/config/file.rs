//! The layer of the file: which one is read, and what its table `[gpu]` says.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::{ConfigFault, Origin, shown};
use super::keys::{Allowed, Key, Value};
use super::{FILE_VARIABLE, size};

/// A configuration longer than this is some other file.
const LENGTH_MAX_BYTES: u64 = 1 << 20;

/// A file to read, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub named_by: String,
}

/// The file that the flag names; else the one that [`FILE_VARIABLE`] names; else the first `zomma/zomma.toml` of the XDG folders
/// (`XDG_CONFIG_HOME`, by default `~/.config`, then `XDG_CONFIG_DIRS`, by default `/etc/xdg`) that is there.
pub(super) fn find(flag: Option<&Path>, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Found> {
    if let Some(path) = flag {
        return Some(Found { path: path.to_owned(), named_by: "--gpu-config".into() });
    }
    if let Some(path) = variable(FILE_VARIABLE) {
        return Some(Found { path, named_by: FILE_VARIABLE.into() });
    }
    let own = variable("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".config")));
    let shared = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
    // The XDG specification has relative folders ignored.
    let shared = std::env::split_paths(&shared).filter(|path| path.is_absolute()).collect::<Vec<_>>();
    own.into_iter()
        .chain(shared)
        .map(|folder| folder.join("zomma").join("zomma.toml"))
        .find(|path| path.exists())
        .map(|path| Found { path, named_by: "the search of the XDG folders".into() })
}

/// The text of the file.
pub(super) fn text_of(found: &Found) -> Result<String, ConfigFault> {
    let fault = |message: String| ConfigFault::Unreadable {
        path: found.path.clone(),
        message,
        named_by: found.named_by.clone(),
    };
    let mut bytes = Vec::new();
    File::open(&found.path)
        .and_then(|file| file.take(LENGTH_MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| fault(error.to_string()))?;
    if bytes.len() as u64 > LENGTH_MAX_BYTES {
        return Err(fault(format!("longer than {}: no configuration", size::exact(LENGTH_MAX_BYTES))));
    }
    String::from_utf8(bytes)
        .map_err(|error| fault(format!("not UTF-8 from byte {} on", error.utf8_error().valid_up_to())))
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub values: Vec<(&'static Key, Value, Origin)>,
    pub faults: Vec<ConfigFault>,
    pub warnings: Vec<String>,
}

/// Reads table `[gpu]`. Other tables belong to others; a key outside any table does not belong anywhere.
pub(super) fn read(path: &Path, text: &str) -> Said {
    let mut said = Said::default();
    let malformed =
        |at: usize, message: String| ConfigFault::Malformed { path: path.to_owned(), line: line_of(text, at), message };
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            said.faults.push(malformed(at, error.message().trim().replace('\n', ": ")));
            return said;
        }
    };
    for (name, value) in root.get_ref() {
        let at = name.span().start;
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("gpu", DeValue::Table(table)) => read_table(path, text, table, &mut said),
            ("gpu", other) => said
                .faults
                .push(malformed(at, format!("gpu = {}: allowed is the table [gpu]", shown(other.type_str())))),
            (_, DeValue::Table(_)) => {}
            (key, _) => {
                said.faults.push(malformed(at, format!("{} outside a table: [gpu] goes before it", shown(key))))
            }
        }
    }
    if !root.get_ref().contains_key("gpu") && said.faults.is_empty() {
        said.warnings.push(format!("{}: no table [gpu]: nothing is taken from this file", path.display()));
    }
    said
}

fn read_table(path: &Path, text: &str, table: &DeTable<'_>, said: &mut Said) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in entries {
        let origin = Origin::File { path: path.to_owned(), line: line_of(text, name.span().start) };
        let Some(key) = Key::named(name.get_ref()) else {
            said.faults.push(ConfigFault::UnknownKey { origin, key: name.get_ref().to_string() });
            continue;
        };
        match value_of(key, value.get_ref()) {
            Some(value) => said.values.push((key, value, origin)),
            None => said.faults.push(ConfigFault::BadValue {
                origin,
                key: key.name,
                value: cut(text.get(value.span()).unwrap_or_default()),
                allowed: key.allowed.to_string(),
            }),
        }
    }
}

/// A TOML value as the key's own kind: a text only where the key allows one, so that `"true"` is no switch.
fn value_of(key: &Key, value: &DeValue<'_>) -> Option<Value> {
    let read = match (key.allowed, value) {
        (Allowed::Device, DeValue::String(text)) => return key.read(text),
        (Allowed::Share { .. }, DeValue::String(text)) if text.ends_with('%') => return key.read(text),
        (Allowed::Bytes { .. }, DeValue::String(text)) => return key.read(text),
        (Allowed::Switch, DeValue::Boolean(on)) => Value::Switch(*on),
        (Allowed::Bytes { .. }, DeValue::Integer(number)) => {
            Value::Bytes(u64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        (Allowed::Share { .. } | Allowed::Seconds { .. }, DeValue::Integer(number)) => {
            Value::Real(i64::from_str_radix(number.as_str(), number.radix()).ok()? as f64)
        }
        (Allowed::Share { .. } | Allowed::Seconds { .. }, DeValue::Float(number)) => {
            Value::Real(number.as_str().parse().ok()?)
        }
        _ => return None,
    };
    key.allowed.contains(&read).then_some(read)
}

/// The value as it stands in the file, on one line and not too long.
fn cut(written: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let line: String = written.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LENGTH_MAX).collect();
    if written.chars().nth(LENGTH_MAX).is_some() { format!("{line}…") } else { line }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
