//! A schema as tables: where each field of each message lies, and what its bytes mean.

mod error;
mod layout;
mod read;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;

pub use error::SchemaError;

use super::{
    primitive::{ByteOrder, Primitive},
    value::SbeError,
    view::MessageView,
    writer::Writer,
};

/// The messages of a schema.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its number, which each message names.
    pub id: u16,
    /// Its version: fields of later ones are not known.
    pub version: u16,
    /// How numbers lie.
    pub byte_order: ByteOrder,
    /// What stands before each message.
    pub header: Header,
    messages: Vec<Message>,
    /// The place of each template's message by its number; [`NO_MESSAGE`] for numbers that have none.
    by_id: Vec<u32>,
}

/// In the table of templates: none has this number.
const NO_MESSAGE: u32 = u32::MAX;

/// What stands before each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it takes.
    pub size: usize,
    /// The length of the message's block.
    pub block_length: Slot,
    /// The number of the template.
    pub template_id: Slot,
    /// The number of the schema.
    pub schema_id: Slot,
    /// The version of the schema that the sender has.
    pub version: Slot,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The number of its template.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// The version that brought it.
    pub since: u16,
    /// Its fields, groups and data.
    pub block: Block,
}

/// Fields, then groups, then data: of a message or of an entry of a group.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// How many bytes its fields take, with what lies between and behind them.
    pub length: usize,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// Its data of varying lengths.
    pub data: Vec<VarData>,
    /// What an empty block holds: nulls where there may be nothing, else zeros.
    pub(in crate::sbe) blank: Vec<u8>,
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its number; 0 for a member of a composite.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// The version that brought it.
    pub since: u16,
    /// Where it lies in its block.
    pub offset: usize,
    /// How many bytes it takes; 0 for a constant.
    pub size: usize,
    /// What its bytes mean.
    pub encoding: Encoding,
    /// The values of an enumeration, or the bits of a set; empty for what is neither.
    pub choices: Arc<[Choice]>,
}

/// A value of an enumeration, or a bit of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// The bits of the value, or the number of the bit from 0, the least.
    pub bits: u64,
}

/// What a field's bytes mean.
#[derive(Debug, Clone)]
pub enum Encoding {
    /// One number.
    Number(Slot),
    /// What is always the same and takes no bytes.
    Constant(Constant),
    /// A composite of `mantissa` and `exponent`.
    Decimal {
        /// The digits.
        mantissa: Slot,
        /// The power of ten.
        exponent: Exponent,
    },
    /// Characters.
    Text,
    /// Numbers one behind the other.
    Array(Primitive),
    /// Other composites: their members, each with its place in the block.
    Composite(Vec<Field>),
}

/// The power of ten of a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exponent {
    /// Always this.
    Constant(i8),
    /// It stands in the message.
    Slot(Slot),
}

/// A value that takes no bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// A signed number.
    Int(i64),
    /// An unsigned number, or a character.
    Uint(u64),
    /// A float.
    Float(f64),
    /// Characters.
    Text(String),
}

/// Where one number lies. It can be kept: reading by it needs no look at the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Where it lies in its block.
    pub offset: u32,
    /// Its type.
    pub primitive: Primitive,
    /// The bits that stand for nothing, where there may be nothing.
    pub null: Option<u64>,
    /// The version that brought it.
    pub since: u16,
}

/// A repeating group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// The version that brought it.
    pub since: u16,
    /// What stands before its entries.
    pub dimension: Dimension,
    /// Each of its entries.
    pub block: Block,
}

/// What stands before the entries of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension {
    /// How many bytes it takes.
    pub size: usize,
    /// The length of an entry's block.
    pub block_length: Slot,
    /// How many entries there are.
    pub count: Slot,
}

/// Data whose length stands before it.
#[derive(Debug, Clone)]
pub struct VarData {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// The version that brought it.
    pub since: u16,
    /// How many bytes its length takes, and what lies before the data.
    pub prefix: usize,
    /// Its length in bytes.
    pub length: Slot,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// [`SchemaError`], which names the line, the element, what stands there and what is allowed.
    pub fn read(xml: &str) -> Result<Self, SchemaError> {
        read::schema(xml)
    }

    /// The message of a template.
    #[inline]
    pub fn message(&self, id: u16) -> Option<&Message> {
        self.messages.get(*self.by_id.get(usize::from(id))? as usize)
    }

    /// Every message, in the order of the schema.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Reads a message, from its header on.
    ///
    /// # Errors
    ///
    /// [`SbeError`] where it is of another schema or of none of its templates, or its lengths do not fit the bytes.
    #[inline]
    pub fn decode<'a>(&'a self, bytes: &'a [u8]) -> Result<MessageView<'a>, SbeError> {
        MessageView::decode(self, bytes)
    }

    /// Appends messages to bytes.
    pub fn writer<'a>(&'a self, out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer::new(self, out)
    }
}

impl Block {
    /// The field of this number.
    pub fn field(&self, id: u16) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// The field of this name.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The place among the groups of the one with this number.
    pub fn group_index(&self, id: u16) -> Option<usize> {
        self.groups.iter().position(|group| group.id == id)
    }

    /// Whether an entry is its fields alone, so that entries lie at equal distances.
    #[inline]
    pub(in crate::sbe) fn is_flat(&self) -> bool {
        self.groups.is_empty() && self.data.is_empty()
    }
}

impl Field {
    /// Where its number lies, or its mantissa where it is a decimal; `None` for what is no number of the message.
    pub fn slot(&self) -> Option<Slot> {
        match self.encoding {
            Encoding::Number(slot) | Encoding::Decimal { mantissa: slot, .. } => Some(slot),
            _ => None,
        }
    }

    /// The member of a composite that has this name.
    pub fn member(&self, name: &str) -> Option<&Field> {
        match &self.encoding {
            Encoding::Composite(members) => members.iter().find(|member| member.name == name),
            _ => None,
        }
    }

    /// The name of an enumeration's value.
    pub fn choice(&self, bits: u64) -> Option<&str> {
        Some(&self.choices.iter().find(|choice| choice.bits == bits)?.name)
    }
}
