//! Writes messages by the tables of their schema.

use super::{
    Block, Encoding, Exponent, Field, Group, Message, Schema, Slot, VarData,
    value::{SbeError, Value},
};

/// Appends messages to bytes, each part in the order of the schema: the message, then its groups, each with its entries (and behind an entry the
/// entry's own groups and data), then its data. Fields of a block can be put in any order as long as the writer lives; those that are not put
/// are null, or zero where they must be there. A group or data that is left out is written as an empty one by who writes, not by the writer.
#[derive(Debug)]
pub struct Writer<'a> {
    schema: &'a Schema,
    out: &'a mut Vec<u8>,
}

/// Where a block lies in what has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace(usize);

impl<'a> Writer<'a> {
    pub(super) fn new(schema: &'a Schema, out: &'a mut Vec<u8>) -> Self {
        Self { schema, out }
    }

    /// Begins a message: its header and its block.
    pub fn message(&mut self, message: &Message) -> BlockPlace {
        let header = &self.schema.header;
        let at = self.out.len();
        self.out.resize(at + header.size, 0);
        self.number(at, header.block_length, message.block.length as u64);
        self.number(at, header.template_id, u64::from(message.id));
        self.number(at, header.schema_id, u64::from(self.schema.id));
        self.number(at, header.version, u64::from(self.schema.version));
        self.block(&message.block)
    }

    /// Begins a group of so many entries, each of which is begun by [`Writer::entry`].
    ///
    /// # Errors
    ///
    /// [`SbeError::Value`] where the group cannot tell so many.
    pub fn group(&mut self, group: &Group, count: usize) -> Result<(), SbeError> {
        let dimension = &group.dimension;
        fits(&group.name, dimension.count, count)?;
        fits(&group.name, dimension.block_length, group.block.length)?;
        let at = self.out.len();
        self.out.resize(at + dimension.size, 0);
        self.number(at, dimension.block_length, group.block.length as u64);
        self.number(at, dimension.count, count as u64);
        Ok(())
    }

    /// Begins the next entry of a group.
    pub fn entry(&mut self, group: &Group) -> BlockPlace {
        self.block(&group.block)
    }

    /// Writes data.
    ///
    /// # Errors
    ///
    /// [`SbeError::Value`] where its length does not fit.
    pub fn data(&mut self, data: &VarData, bytes: &[u8]) -> Result<(), SbeError> {
        fits(&data.name, data.length, bytes.len())?;
        let at = self.out.len();
        self.out.resize(at + data.prefix, 0);
        self.number(at, data.length, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Puts a value into a field of a block.
    ///
    /// # Errors
    ///
    /// [`SbeError::Value`] where the field cannot hold it: of another kind, too large, null where something must be, the null value itself.
    pub fn put(&mut self, block: BlockPlace, field: &Field, value: Value<'_>) -> Result<(), SbeError> {
        let refuse =
            |allowed: String| SbeError::Value { field: field.name.clone(), value: format!("{value:?}"), allowed };
        match (&field.encoding, value) {
            (Encoding::Number(slot), value) => {
                let bits = bits(*slot, value).ok_or_else(|| refuse(allowed(*slot)))?;
                self.number(block.0, *slot, bits);
            }
            (Encoding::Decimal { mantissa, exponent }, Value::Null) if mantissa.null.is_some() => {
                self.number(block.0, *mantissa, mantissa.null.unwrap_or(0));
                if let Exponent::Slot(slot) = exponent {
                    self.number(block.0, *slot, slot.null.unwrap_or(0));
                }
            }
            (Encoding::Decimal { mantissa: slot, exponent }, Value::Decimal { mantissa, exponent: power }) => {
                let digits =
                    if slot.primitive.is_signed() { Value::Int(mantissa) } else { Value::Uint(mantissa as u64) };
                let bits = bits(*slot, digits).ok_or_else(|| refuse(format!("a mantissa: {}", allowed(*slot))))?;
                match exponent {
                    Exponent::Constant(known) if *known == power => {}
                    Exponent::Constant(known) => return Err(refuse(format!("exponent {known}"))),
                    Exponent::Slot(slot) => {
                        let refused = || refuse(format!("an exponent: {}", allowed(*slot)));
                        let bits = self::bits(*slot, Value::Int(i64::from(power))).ok_or_else(refused)?;
                        self.number(block.0, *slot, bits);
                    }
                }
                self.number(block.0, *slot, bits);
            }
            (Encoding::Text, Value::Text(text)) | (Encoding::Array(_), Value::Array(text)) => {
                let full = matches!(value, Value::Array(_));
                if text.len() > field.size || (full && text.len() < field.size) {
                    return Err(refuse(format!("{}{} bytes", if full { "" } else { "up to " }, field.size)));
                }
                let at = block.0 + field.offset;
                let place = &mut self.out[at..at + field.size];
                place.fill(0);
                place[..text.len()].copy_from_slice(text);
            }
            (Encoding::Constant(_), _) => return Err(refuse("nothing: it is constant".into())),
            (Encoding::Composite(_), _) => return Err(refuse("its members, one by one".into())),
            (Encoding::Decimal { .. }, _) => return Err(refuse("a decimal".into())),
            (Encoding::Text, _) => return Err(refuse("characters".into())),
            (Encoding::Array(_), _) => return Err(refuse("an array".into())),
        }
        Ok(())
    }

    fn block(&mut self, block: &Block) -> BlockPlace {
        let at = self.out.len();
        self.out.extend_from_slice(&block.blank);
        BlockPlace(at)
    }

    fn number(&mut self, at: usize, slot: Slot, bits: u64) {
        // The room has been made by who calls.
        let _ = slot.primitive.write(bits, self.out, at + slot.offset as usize, self.schema.byte_order);
    }
}

/// The bits of a value at a slot; `None` where it cannot stand there.
fn bits(slot: Slot, value: Value<'_>) -> Option<u64> {
    let primitive = slot.primitive;
    let bits = match value {
        Value::Null => return slot.null,
        Value::Float(value) if primitive.is_float() => match primitive.size() {
            4 => u64::from((value as f32).to_bits()),
            _ => value.to_bits(),
        },
        Value::Int(_) | Value::Uint(_) if !primitive.is_float() => {
            let number = match value {
                Value::Int(number) => i128::from(number),
                Value::Uint(number) => i128::from(number),
                _ => return None,
            };
            let (low, high) = primitive.range();
            ((low..=high).contains(&number)).then_some(number as u64 & primitive.mask())?
        }
        _ => return None,
    };
    (Some(bits) != slot.null).then_some(bits)
}

fn allowed(slot: Slot) -> String {
    let nothing = if slot.null.is_some() { ", or null" } else { "" };
    if slot.primitive.is_float() {
        return format!("a float{nothing}");
    }
    let (low, high) = slot.primitive.range();
    match slot.null {
        Some(null) => format!("{low} to {high} but {}{nothing}", slot.primitive.extend(null)),
        None => format!("{low} to {high}"),
    }
}

fn fits(name: &str, slot: Slot, number: usize) -> Result<(), SbeError> {
    let most = slot.primitive.range().1;
    if number as i128 <= most {
        return Ok(());
    }
    Err(SbeError::Value { field: name.into(), value: number.to_string(), allowed: format!("up to {most}") })
}
