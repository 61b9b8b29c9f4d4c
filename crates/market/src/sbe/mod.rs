//! FIX Simple Binary Encoding 1.0, decoded and encoded by tables that are read from a schema file, and CME's MDP 3.0 on top of it.
//!
//! Tables, not code made by a build step, since a venue's schema is the venue's: whoever has it names it when the program runs, a new version of it
//! needs no new program, and what the venue adds is passed over by its length.
//!
//! ```
//! use zomma_market::sbe::{Schema, Value};
//!
//! let schema = Schema::read(r#"<messageSchema id="9" version="0"><types>
//!     <composite name="messageHeader"><type name="blockLength" primitiveType="uint16"/><type name="templateId" primitiveType="uint16"/>
//!         <type name="schemaId" primitiveType="uint16"/><type name="version" primitiveType="uint16"/></composite></types>
//!     <message name="Ping" id="3"><field name="Count" id="1" type="uint32"/></message></messageSchema>"#)?;
//! let ping = schema.message(3).unwrap();
//! let count = ping.block.field(1).unwrap();
//!
//! let mut bytes = Vec::new();
//! let mut writer = schema.writer(&mut bytes);
//! let block = writer.message(ping);
//! writer.put(block, count, Value::Uint(42))?;
//!
//! assert_eq!(schema.decode(&bytes)?.block().get(count), Value::Uint(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: FIX Simple Binary Encoding, Technical Specification, version 1.0 with Errata.

pub mod mdp3;
mod primitive;
mod schema;
mod value;
mod view;
mod writer;

pub use primitive::{ByteOrder, Primitive};
pub use schema::{
    Block, Choice, Constant, Dimension, Encoding, Exponent, Field, Group, Header, Message, Schema, SchemaError, Slot,
    VarData,
};
pub use value::{SbeError, Value};
pub use view::{BlockView, Entry, GroupView, MessageView};
pub use writer::{BlockPlace, Writer};

#[cfg(test)]
mod random_schemas;
#[cfg(test)]
mod tests;
