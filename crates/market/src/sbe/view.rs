//! Reads messages where they lie, by the tables of their schema.

use super::{
    Block, ByteOrder, Constant, Encoding, Exponent, Field, Group, Message, Schema, Slot, VarData,
    value::{SbeError, Value},
};

/// A message, every length in it checked.
#[derive(Debug, Clone, Copy)]
pub struct MessageView<'a> {
    message: &'a Message,
    entry: Entry<'a>,
}

/// The fields of a message or of an entry of a group.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    bytes: &'a [u8],
    version: u16,
    order: ByteOrder,
}

/// A block with the groups and data behind it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    block: &'a Block,
    view: BlockView<'a>,
    /// What lies behind the block: of a message all of it, of an entry its own groups and data first.
    behind: &'a [u8],
}

/// The entries of a group, an iterator.
#[derive(Debug, Clone)]
pub struct GroupView<'a> {
    block: &'a Block,
    bytes: &'a [u8],
    block_length: usize,
    left: usize,
    version: u16,
    order: ByteOrder,
}

impl<'a> MessageView<'a> {
    #[inline]
    pub(super) fn decode(schema: &'a Schema, bytes: &'a [u8]) -> Result<Self, SbeError> {
        let header = &schema.header;
        let (head, behind) = split(bytes, bytes, header.size, || "the header".into())?;
        let part = |slot: Slot| slot.primitive.read(head, slot.offset as usize, schema.byte_order).unwrap_or(0);
        // The header's numbers may be wider than what the tables know: what does not fit is of no template.
        let narrow = |slot: Slot| u16::try_from(part(slot)).unwrap_or(u16::MAX);
        let (template, id, version) = (narrow(header.template_id), narrow(header.schema_id), narrow(header.version));
        if id != schema.id {
            return Err(SbeError::OtherSchema { schema: id, allowed: schema.id });
        }
        let Some(message) = schema.message(template) else {
            return Err(SbeError::UnknownTemplate { template, schema: id, known: schema.id });
        };
        let length = usize::try_from(part(header.block_length)).unwrap_or(usize::MAX);
        let (block, behind) = split(bytes, behind, length, || format!("the block of {}", message.name))?;
        let view = BlockView { bytes: block, version, order: schema.byte_order };
        let entry = Entry { block: &message.block, view, behind };
        skip(bytes, &message.block, behind, version, schema.byte_order)?;
        Ok(Self { message, entry })
    }

    /// The message's table.
    pub fn message(&self) -> &'a Message {
        self.message
    }

    /// The version of the schema that the sender has.
    pub fn version(&self) -> u16 {
        self.entry.view.version
    }

    /// Its fields.
    #[inline]
    pub fn block(&self) -> BlockView<'a> {
        self.entry.view
    }

    /// Its block with the groups and data behind it.
    pub fn entry(&self) -> Entry<'a> {
        self.entry
    }

    /// The entries of the group at this place among the message's groups; none where it has no such group, or is too old for it.
    #[inline]
    pub fn group(&self, index: usize) -> GroupView<'a> {
        self.entry.group(index)
    }

    /// The data at this place among the message's; `None` where it has none such.
    pub fn data(&self, index: usize) -> Option<&'a [u8]> {
        self.entry.data(index)
    }
}

impl<'a> BlockView<'a> {
    /// The bits at a slot; `None` where it is null, or the block ends before it.
    #[inline(always)]
    fn bits(&self, slot: Slot) -> Option<u64> {
        let bits = slot.primitive.read(self.bytes, slot.offset as usize, self.order)?;
        if slot.since > self.version {
            return None;
        }
        match slot.null {
            Some(null) if bits == null => None,
            Some(_) if slot.primitive.is_float() && slot.primitive.float(bits).is_nan() => None,
            _ => Some(bits),
        }
    }

    /// The signed number at a slot; `None` where it is null or a float. An unsigned number of 64 bits wraps.
    #[inline(always)]
    pub fn int(&self, slot: Slot) -> Option<i64> {
        Some(slot.primitive.extend(self.bits(slot).filter(|_| !slot.primitive.is_float())?))
    }

    /// The unsigned number at a slot; `None` where it is null or a float. Of a signed number its bits, the sign carried on.
    #[inline(always)]
    pub fn uint(&self, slot: Slot) -> Option<u64> {
        self.int(slot).map(|number| number as u64)
    }

    /// The value of a field.
    pub fn get<'v>(&self, field: &'v Field) -> Value<'v>
    where
        'a: 'v,
    {
        if field.since > self.version {
            return Value::Null;
        }
        match &field.encoding {
            Encoding::Number(slot) => self.number(*slot),
            Encoding::Constant(Constant::Int(value)) => Value::Int(*value),
            Encoding::Constant(Constant::Uint(value)) => Value::Uint(*value),
            Encoding::Constant(Constant::Float(value)) => Value::Float(*value),
            Encoding::Constant(Constant::Text(text)) => Value::Text(text.as_bytes()),
            Encoding::Decimal { mantissa, exponent } => self.decimal(*mantissa, *exponent),
            Encoding::Text => self.text(field).map_or(Value::Null, Value::Text),
            Encoding::Array(_) => self.raw(field).map_or(Value::Null, Value::Array),
            Encoding::Composite(_) => Value::Composite,
        }
    }

    /// The characters of a field, without the zeros behind them; `None` where the message does not have it.
    pub fn text(&self, field: &Field) -> Option<&'a [u8]> {
        let text = self.raw(field)?;
        Some(&text[..text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)])
    }

    /// The bytes of a field as they lie; `None` where the message does not have it.
    pub fn raw(&self, field: &Field) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(field.offset..field.offset.checked_add(field.size)?)?;
        (field.since <= self.version).then_some(bytes)
    }

    fn number(&self, slot: Slot) -> Value<'a> {
        match self.bits(slot) {
            None => Value::Null,
            Some(bits) if slot.primitive.is_float() => Value::Float(slot.primitive.float(bits)),
            Some(bits) if slot.primitive.is_signed() => Value::Int(slot.primitive.extend(bits)),
            Some(bits) => Value::Uint(bits),
        }
    }

    fn decimal(&self, mantissa: Slot, exponent: Exponent) -> Value<'a> {
        let exponent = match exponent {
            Exponent::Constant(power) => Some(power),
            Exponent::Slot(slot) => self.int(slot).map(|power| power as i8),
        };
        let (Some(bits), Some(exponent)) = (self.bits(mantissa), exponent) else { return Value::Null };
        let mantissa = mantissa.primitive.extend(bits);
        Value::Decimal { mantissa, exponent }
    }
}

impl<'a> Entry<'a> {
    /// Its fields.
    #[inline]
    pub fn block(&self) -> BlockView<'a> {
        self.view
    }

    /// The entries of the group at this place among its groups.
    #[inline]
    pub fn group(&self, index: usize) -> GroupView<'a> {
        let BlockView { version, order, .. } = self.view;
        let mut bytes = self.behind;
        for (place, group) in self.block.groups.iter().enumerate() {
            if place == index {
                // All lengths have been checked: there is no error to tell.
                return open(bytes, group, bytes, version, order).unwrap_or_else(|_| self.no_group());
            }
            match skip_group(bytes, group, bytes, version, order) {
                Ok(rest) => bytes = rest,
                Err(_) => break,
            }
        }
        self.no_group()
    }

    /// The data at this place among its data.
    pub fn data(&self, index: usize) -> Option<&'a [u8]> {
        let BlockView { version, order, .. } = self.view;
        let mut bytes = self.behind;
        for group in &self.block.groups {
            bytes = skip_group(bytes, group, bytes, version, order).ok()?;
        }
        for (place, data) in self.block.data.iter().enumerate() {
            if data.since > version {
                continue;
            }
            let (content, rest) = take_data(bytes, data, bytes, order).ok()?;
            if place == index {
                return Some(content);
            }
            bytes = rest;
        }
        None
    }

    fn no_group(&self) -> GroupView<'a> {
        let BlockView { version, order, .. } = self.view;
        GroupView { block: self.block, bytes: &[], block_length: 0, left: 0, version, order }
    }
}

impl<'a> Iterator for GroupView<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (bytes, behind) = self.bytes.split_at_checked(self.block_length)?;
        self.bytes = if self.block.is_flat() {
            behind
        } else {
            skip(behind, self.block, behind, self.version, self.order).ok()?
        };
        let view = BlockView { bytes, version: self.version, order: self.order };
        Some(Entry { block: self.block, view, behind })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    #[inline]
    fn nth(&mut self, skipped: usize) -> Option<Entry<'a>> {
        if self.block.is_flat() {
            let skipped = skipped.min(self.left);
            self.left -= skipped;
            self.bytes = self.bytes.get(skipped * self.block_length..)?;
            return self.next();
        }
        for _ in 0..skipped {
            self.next()?;
        }
        self.next()
    }
}

impl ExactSizeIterator for GroupView<'_> {}

/// Takes bytes from the front of the rest of a message.
#[inline]
fn split<'a>(
    whole: &[u8],
    rest: &'a [u8],
    needed: usize,
    what: impl FnOnce() -> String,
) -> Result<(&'a [u8], &'a [u8]), SbeError> {
    rest.split_at_checked(needed).ok_or_else(|| SbeError::Truncated {
        at: whole.len() - rest.len(),
        what: what(),
        needed,
        left: rest.len(),
    })
}

/// The entries of a group that lies at the front of the rest.
#[inline]
fn open<'a>(
    whole: &[u8],
    group: &'a Group,
    rest: &'a [u8],
    version: u16,
    order: ByteOrder,
) -> Result<GroupView<'a>, SbeError> {
    let mut view = GroupView { block: &group.block, bytes: rest, block_length: 0, left: 0, version, order };
    if group.since > version {
        return Ok(view);
    }
    let (head, bytes) = split(whole, rest, group.dimension.size, || format!("the size of group {}", group.name))?;
    let part = |slot: Slot| {
        let number = slot.primitive.read(head, slot.offset as usize, order).unwrap_or(0);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    view.bytes = bytes;
    view.block_length = part(group.dimension.block_length);
    view.left = part(group.dimension.count);
    // Entries without a byte cost nothing to write, however many are told, and must cost little to read.
    if view.block_length == 0 {
        view.left = view.left.min(usize::from(u16::MAX));
    }
    Ok(view)
}

/// What lies behind a group, whose entries are checked on the way.
#[inline]
fn skip_group<'a>(
    whole: &[u8],
    group: &'a Group,
    rest: &'a [u8],
    version: u16,
    order: ByteOrder,
) -> Result<&'a [u8], SbeError> {
    let view = open(whole, group, rest, version, order)?;
    let what = || format!("the entries of group {}", group.name);
    if group.block.is_flat() {
        let needed = view.left.saturating_mul(view.block_length);
        return Ok(split(whole, view.bytes, needed, what)?.1);
    }
    let mut bytes = view.bytes;
    for _ in 0..view.left {
        let (_, behind) = split(whole, bytes, view.block_length, what)?;
        bytes = skip(whole, &group.block, behind, version, order)?;
    }
    Ok(bytes)
}

/// What lies behind a block's groups and data.
#[inline]
fn skip<'a>(
    whole: &[u8],
    block: &'a Block,
    rest: &'a [u8],
    version: u16,
    order: ByteOrder,
) -> Result<&'a [u8], SbeError> {
    let mut bytes = rest;
    for group in &block.groups {
        bytes = skip_group(whole, group, bytes, version, order)?;
    }
    for data in block.data.iter().filter(|data| data.since <= version) {
        bytes = take_data(whole, data, bytes, order)?.1;
    }
    Ok(bytes)
}

/// The data at the front of the rest, and what lies behind it.
fn take_data<'a>(
    whole: &[u8],
    data: &VarData,
    rest: &'a [u8],
    order: ByteOrder,
) -> Result<(&'a [u8], &'a [u8]), SbeError> {
    let (prefix, rest) = split(whole, rest, data.prefix, || format!("the length of {}", data.name))?;
    let length = data.length.primitive.read(prefix, data.length.offset as usize, order).unwrap_or(0);
    split(whole, rest, usize::try_from(length).unwrap_or(usize::MAX), || format!("the data of {}", data.name))
}
