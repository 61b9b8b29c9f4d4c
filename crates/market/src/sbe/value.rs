//! Values of fields, and why a message was not read or written.

use thiserror::Error;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing: its null value, or a field that the message is too old to have.
    Null,
    /// A signed number.
    Int(i64),
    /// An unsigned number, a character, an enumeration's or a set's.
    Uint(u64),
    /// A float.
    Float(f64),
    /// `mantissa` × 10^`exponent`.
    Decimal {
        /// The digits.
        mantissa: i64,
        /// The power of ten.
        exponent: i8,
    },
    /// Characters, without the zeros that fill an array up.
    Text(&'a [u8]),
    /// The bytes of an array of numbers, as they lie.
    Array(&'a [u8]),
    /// A composite, whose members are read one by one.
    Composite,
}

impl Value<'_> {
    /// As a signed number, where it is a whole one that fits.
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Uint(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// As an unsigned number, where it is a whole one that fits.
    pub fn uint(self) -> Option<u64> {
        match self {
            Self::Int(value) => value.try_into().ok(),
            Self::Uint(value) => Some(value),
            _ => None,
        }
    }
}

/// Why a message was not read, or a value not written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SbeError {
    /// The bytes end too early.
    #[error("byte {at} of the message: {what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// Where, from the start of the SBE header.
        at: usize,
        /// What was to be read there.
        what: String,
        /// How many bytes it needs.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// The message is of a template that the schema does not have.
    #[error("template {template} of schema {schema}: not in schema {known}")]
    UnknownTemplate {
        /// The template's number.
        template: u16,
        /// The schema that the message names.
        schema: u16,
        /// The schema in hand.
        known: u16,
    },
    /// The message is of another schema.
    #[error("schema {schema}; allowed: {allowed}")]
    OtherSchema {
        /// The schema that the message names.
        schema: u16,
        /// The schema in hand.
        allowed: u16,
    },
    /// A value that the field cannot hold.
    #[error("field {field}: {value}; allowed: {allowed}")]
    Value {
        /// The field's name.
        field: String,
        /// The value.
        value: String,
        /// What it can hold.
        allowed: String,
    },
}
