//! What is wrong with a configuration, and where it stands.

use std::fmt;
use std::path::PathBuf;

use super::keys::Key;

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// Its name, such as `--device`.
        name: String,
    },
}

impl Origin {
    /// The layer in one word: `default`, `file`, `variable`, `flag`.
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable { .. } => "variable",
            Self::Flag { .. } => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The file that was named cannot be read.
    #[error("{}: {message} (named by {named_by})", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
        /// The flag or variable that named it, or `search`.
        named_by: String,
    },
    /// The file is not TOML, or its table `gpu` is none.
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key has a value that it does not allow.
    #[error("{origin}: {key} = {value}: allowed: {allowed}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// The value, as it was written.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// There is no such key.
    #[error("{origin}: {}", unknown_key(key))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key, as it was written.
        key: String,
    },
}

/// Everything that is wrong with a configuration, one fault a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// The faults, in the order of the layers; at least one.
    pub faults: Vec<ConfigFault>,
}

/// `unknown key "x": did you mean y?`
pub(super) fn unknown_key(key: &str) -> String {
    let shown = shown(key);
    match Key::nearest(key) {
        Some(near) => format!("unknown key {shown}: did you mean {}?", near.name),
        None => {
            let names: Vec<&str> = super::KEYS.iter().map(|key| key.name).collect();
            format!("unknown key {shown}: the keys are {}", names.join(", "))
        }
    }
}

/// Text that a stranger wrote, as it may stand in a message: escaped and cut.
pub(super) fn shown(text: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let cut: String = text.chars().take(LENGTH_MAX).collect();
    let more = if text.chars().nth(LENGTH_MAX).is_some() { "…" } else { "" };
    format!("{cut:?}{more}")
}
