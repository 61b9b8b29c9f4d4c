//! Why a schema was not taken.

use thiserror::Error;

/// Why a schema was not taken: where, what stands there, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// It is not XML.
    #[error("line {line}: not XML: {reason}")]
    NotXml {
        /// The line, from 1.
        line: u32,
        /// What is wrong.
        reason: String,
    },
    /// An element says what it may not.
    #[error("line {line}, {element}: {attribute} is {value}; allowed: {allowed}")]
    Faulty {
        /// The line, from 1.
        line: u32,
        /// The element with its name.
        element: String,
        /// The attribute, or what else of it.
        attribute: String,
        /// What stands there, in quotes; "absent" where nothing does.
        value: String,
        /// What is allowed there.
        allowed: String,
    },
}
