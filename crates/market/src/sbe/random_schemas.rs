//! Schemas and messages made at random from a seed, for property tests.

use std::fmt::Write as _;

use super::{Block, Encoding, Exponent, Field, Primitive, Schema, Slot, Value, Writer};
use crate::mutations::Random;

/// The XML of a schema of one to four messages: every kind of type, gaps between fields, groups in groups, data.
pub(super) fn xml(random: &mut Random) -> String {
    let order = ["littleEndian", "bigEndian"][random.below(2)];
    let mut xml = format!(
        r#"<s:messageSchema xmlns:s="http://fixprotocol.io/2016/sbe" id="7" version="5" byteOrder="{order}"><types>
<composite name="messageHeader"><type name="blockLength" primitiveType="uint16"/><type name="templateId" primitiveType="uint16"/>
<type name="schemaId" primitiveType="uint16"/><type name="version" primitiveType="uint16"/></composite>
<composite name="groupSizeEncoding"><type name="blockLength" primitiveType="uint16"/><type name="numInGroup" primitiveType="uint8"/></composite>
<composite name="wideGroup"><type name="blockLength" primitiveType="uint16"/><type name="numInGroup" primitiveType="uint16" offset="6"/></composite>
<composite name="bytes"><type name="length" primitiveType="uint16"/><type name="varData" primitiveType="uint8" length="0"/></composite>
<composite name="price"><type name="mantissa" primitiveType="int64" presence="optional"/><type name="exponent" primitiveType="int8" presence="constant">-9</type></composite>
<composite name="free"><type name="mantissa" primitiveType="int32"/><type name="exponent" primitiveType="int8"/></composite>
<composite name="month"><type name="year" primitiveType="uint16" presence="optional"/><type name="month" primitiveType="uint8" offset="3"/></composite>
<type name="symbol" primitiveType="char" length="7"/><type name="points" primitiveType="int16" length="3"/>
<type name="maybe" primitiveType="int32" presence="optional" nullValue="77"/>
<type name="eight" primitiveType="char" presence="constant">8</type><type name="word" primitiveType="char" length="3" presence="constant">FUT</type>
<enum name="side" encodingType="uint8"><validValue name="Buy">1</validValue><validValue name="Sell">2</validValue></enum>
<set name="flags" encodingType="uint16"><choice name="First">0</choice><choice name="Last">15</choice></set></types>"#
    );
    for id in 0..=random.below(4) {
        let mut body = String::new();
        block(&mut body, random, 0);
        let _ = write!(xml, r#"<s:message name="Message{id}" id="{id}">{body}</s:message>"#);
    }
    xml + "</s:messageSchema>"
}

fn block(xml: &mut String, random: &mut Random, depth: usize) {
    const NAMED: [&str; 10] = ["price", "free", "month", "symbol", "points", "maybe", "eight", "word", "side", "flags"];
    let mut id = 0;
    for _ in 0..random.below(7) {
        id += 1;
        let name = match random.below(3) {
            0 => Primitive::ALL[random.below(Primitive::ALL.len())].name(),
            _ => NAMED[random.below(NAMED.len())],
        };
        let optional =
            if Primitive::named(name).is_some() && random.below(2) == 0 { r#" presence="optional""# } else { "" };
        let _ = write!(xml, r#"<field name="Field{id}" id="{id}" type="{name}"{optional}/>"#);
    }
    for _ in 0..random.below(if depth < 3 { 3 } else { 1 }) {
        id += 1;
        let wide = if random.below(2) == 0 { r#" dimensionType="wideGroup""# } else { "" };
        let _ = write!(xml, r#"<group name="Group{id}" id="{id}"{wide}>"#);
        block(xml, random, depth + 1);
        xml.push_str("</group>");
    }
    for _ in 0..random.below(3) {
        id += 1;
        let _ = write!(xml, r#"<data name="Data{id}" id="{id}" type="bytes"/>"#);
    }
}

/// What a block, its groups and its data hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub fields: Vec<Held>,
    pub groups: Vec<Vec<Content>>,
    pub data: Vec<Vec<u8>>,
}

/// A value that holds its bytes itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held {
    Null,
    Int(i64),
    Uint(u64),
    Float(u64),
    Decimal(i64, i8),
    Text(Vec<u8>),
    Array(Vec<u8>),
    Members(Vec<Held>),
}

impl Held {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Self::Decimal(mantissa, exponent) => Value::Decimal { mantissa: *mantissa, exponent: *exponent },
            Self::Text(text) => Value::Text(text),
            Self::Array(bytes) => Value::Array(bytes),
            Self::Members(_) => Value::Composite,
        }
    }

    pub(super) fn read(view: &super::BlockView<'_>, field: &Field) -> Self {
        match view.get(field) {
            Value::Null => Self::Null,
            Value::Int(value) => Self::Int(value),
            Value::Uint(value) => Self::Uint(value),
            Value::Float(value) => Self::Float(value.to_bits()),
            Value::Decimal { mantissa, exponent } => Self::Decimal(mantissa, exponent),
            Value::Text(text) => Self::Text(text.into()),
            Value::Array(bytes) => Self::Array(bytes.into()),
            Value::Composite => match &field.encoding {
                Encoding::Composite(members) => {
                    Self::Members(members.iter().map(|member| Self::read(view, member)).collect())
                }
                _ => unreachable!("only composites read as composites"),
            },
        }
    }
}

/// Something that a block can hold.
pub(super) fn content(block: &Block, random: &mut Random) -> Content {
    Content {
        fields: block.fields.iter().map(|field| held(field, random)).collect(),
        groups: block
            .groups
            .iter()
            .map(|group| (0..random.below(4)).map(|_| content(&group.block, random)).collect())
            .collect(),
        data: block.data.iter().map(|_| (0..random.below(40)).map(|_| random.next() as u8).collect()).collect(),
    }
}

fn held(field: &Field, random: &mut Random) -> Held {
    match &field.encoding {
        Encoding::Number(slot) => number(*slot, random),
        Encoding::Constant(super::Constant::Int(value)) => Held::Int(*value),
        Encoding::Constant(super::Constant::Uint(value)) => Held::Uint(*value),
        Encoding::Constant(super::Constant::Float(value)) => Held::Float(value.to_bits()),
        Encoding::Constant(super::Constant::Text(text)) => Held::Text(text.as_bytes().into()),
        Encoding::Decimal { mantissa, exponent } => match (number(*mantissa, random), exponent) {
            (Held::Int(mantissa), Exponent::Constant(exponent)) => Held::Decimal(mantissa, *exponent),
            (Held::Int(mantissa), Exponent::Slot(_)) => Held::Decimal(mantissa, random.next() as i8),
            _ => Held::Null,
        },
        Encoding::Text => {
            Held::Text((0..random.below(field.size + 1)).map(|_| b'A' + random.below(26) as u8).collect())
        }
        Encoding::Array(_) => Held::Array((0..field.size).map(|_| random.next() as u8).collect()),
        Encoding::Composite(members) => Held::Members(members.iter().map(|member| held(member, random)).collect()),
    }
}

fn number(slot: Slot, random: &mut Random) -> Held {
    // The ends of the range and nothing at all come often.
    let bits = match random.below(5) {
        0 => 0,
        1 => slot.primitive.mask(),
        2 => slot.primitive.mask() >> 1,
        _ => random.next() & slot.primitive.mask(),
    };
    let float = slot.primitive.float(bits);
    if (slot.null.is_some() && random.below(4) == 0) || slot.null == Some(bits) {
        Held::Null
    } else if slot.primitive.is_float() {
        Held::Float(if float.is_nan() { 1.5 } else { float }.to_bits())
    } else if slot.primitive.is_signed() {
        Held::Int(slot.primitive.extend(bits))
    } else {
        Held::Uint(bits)
    }
}

/// Writes a message of this content.
pub(super) fn write(schema: &Schema, index: usize, content: &Content, out: &mut Vec<u8>) {
    let message = &schema.messages()[index];
    let mut writer = schema.writer(out);
    let place = writer.message(message);
    write_block(&mut writer, &message.block, place, content);
}

fn write_block(writer: &mut Writer<'_>, block: &Block, place: super::BlockPlace, content: &Content) {
    for (field, held) in block.fields.iter().zip(&content.fields) {
        put(writer, place, field, held);
    }
    for (group, entries) in block.groups.iter().zip(&content.groups) {
        writer.group(group, entries.len()).unwrap();
        for entry in entries {
            let place = writer.entry(group);
            write_block(writer, &group.block, place, entry);
        }
    }
    for (data, bytes) in block.data.iter().zip(&content.data) {
        writer.data(data, bytes).unwrap();
    }
}

fn put(writer: &mut Writer<'_>, place: super::BlockPlace, field: &Field, held: &Held) {
    match (&field.encoding, held) {
        (Encoding::Constant(_), _) => {}
        (Encoding::Composite(members), Held::Members(values)) => {
            for (member, value) in members.iter().zip(values) {
                put(writer, place, member, value);
            }
        }
        _ => writer.put(place, field, held.value()).unwrap(),
    }
}

/// Reads all of a block.
pub(super) fn read(block: &Block, entry: super::Entry<'_>) -> Content {
    Content {
        fields: block.fields.iter().map(|field| Held::read(&entry.block(), field)).collect(),
        groups: block
            .groups
            .iter()
            .enumerate()
            .map(|(place, group)| entry.group(place).map(|inner| read(&group.block, inner)).collect())
            .collect(),
        data: (0..block.data.len()).map(|place| entry.data(place).unwrap_or_default().to_vec()).collect(),
    }
}
