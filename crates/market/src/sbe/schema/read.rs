//! The messages of a schema from its XML (section "XML schema" of the specification).

use roxmltree::{Document, ParsingOptions};

use super::{
    Block, Dimension, Encoding, Exponent, Field, Group, Header, Message, NO_MESSAGE, Schema, SchemaError, Slot,
    VarData,
    layout::{LONGEST_BLOCK, Laid, Place, Types, offset, within_block},
    xml::Element,
};
use crate::sbe::primitive::ByteOrder;

/// How many elements, attributes and texts a schema may have; the largest that venues publish have some 20,000.
const MOST_NODES: u32 = 1_000_000;
/// How deep groups may stand in one another.
const DEEPEST_GROUP: usize = 8;

pub(super) fn schema(xml: &str) -> Result<Schema, SchemaError> {
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options)
        .map_err(|error| SchemaError::NotXml { line: error.pos().row, reason: error.to_string() })?;
    let root = Element(document.root_element());
    if root.tag() != "messageSchema" {
        return Err(root.fault("element", Some(root.tag()), "messageSchema"));
    }
    let byte_order = match root.get("byteOrder") {
        None | Some("littleEndian") => ByteOrder::Little,
        Some("bigEndian") => ByteOrder::Big,
        other => return Err(root.fault("byteOrder", other, "littleEndian, bigEndian")),
    };
    let types = Types::of(root)?;
    let header = header(root, &types)?;
    let mut messages = Vec::new();
    let mut by_id = Vec::new();
    for element in root.children() {
        match element.tag() {
            "types" => {}
            "message" => {
                let id = element.id()?;
                let since = element.since(0)?;
                let name = element.required("name")?.into();
                let place = usize::from(id);
                if by_id.len() <= place {
                    by_id.resize(place + 1, NO_MESSAGE);
                }
                if std::mem::replace(&mut by_id[place], messages.len() as u32) != NO_MESSAGE {
                    return Err(element.fault("id", element.get("id"), "an id that no message before it has"));
                }
                let mut block = block(element, &types, since, 0)?;
                block.blank(byte_order);
                messages.push(Message { id, name, since, block });
            }
            other => return Err(element.fault("element", Some(other), "types, message")),
        }
    }
    let version = root.number("version", usize::from(u16::MAX))?.unwrap_or(0) as u16;
    Ok(Schema { id: root.id()?, version, byte_order, header, messages, by_id })
}

fn header<'d>(root: Element<'d>, types: &Types<'d>) -> Result<Header, SchemaError> {
    let name = root.get("headerType").unwrap_or("messageHeader");
    let (laid, element) = types.composite(root, "headerType", name)?;
    let member = |name| unsigned_member(&laid, element, name);
    Ok(Header {
        size: laid.size,
        block_length: member("blockLength")?,
        template_id: member("templateId")?,
        schema_id: member("schemaId")?,
        version: member("version")?,
    })
}

/// A member that tells a length or a count.
fn unsigned_member(laid: &Laid, composite: Element<'_>, name: &str) -> Result<Slot, SchemaError> {
    let member = match &laid.encoding {
        Encoding::Composite(members) => members.iter().find(|member| member.name == name),
        _ => None,
    };
    match member.map(|member| &member.encoding) {
        Some(Encoding::Number(slot)) if !slot.primitive.is_signed() && !slot.primitive.is_float() => {
            Ok(Slot { null: None, since: 0, ..*slot })
        }
        _ => Err(composite.fault(name, None, "a member of this name, an unsigned number")),
    }
}

/// The fields, groups and data of a message or a group.
fn block<'d>(parent: Element<'d>, types: &Types<'d>, since: u16, depth: usize) -> Result<Block, SchemaError> {
    let mut block = Block::default();
    let mut end = 0;
    for element in parent.children() {
        let since = element.since(since)?;
        match element.tag() {
            "field" => {
                if !block.groups.is_empty() || !block.data.is_empty() {
                    return Err(element.fault(
                        "place",
                        Some("behind a group or data"),
                        "fields before groups before data",
                    ));
                }
                let field = field(element, types, end, since)?;
                if field.size > 0 {
                    end = field.offset + field.size;
                }
                within_block(element, end)?;
                block.fields.push(field);
            }
            "group" => {
                if !block.data.is_empty() {
                    return Err(element.fault("place", Some("behind data"), "fields before groups before data"));
                }
                if depth == DEEPEST_GROUP {
                    let allowed = format!("groups at most {DEEPEST_GROUP} deep");
                    return Err(element.fault("depth", Some(&(depth + 1).to_string()), allowed));
                }
                block.groups.push(group(element, types, since, depth)?);
            }
            "data" => block.data.push(data(element, types, since)?),
            other => return Err(element.fault("element", Some(other), "field, group, data")),
        }
    }
    block.length = parent.number("blockLength", LONGEST_BLOCK)?.unwrap_or(end);
    if block.length < end {
        let allowed = format!("{end} or more, where the last field ends");
        return Err(parent.fault("blockLength", parent.get("blockLength"), allowed));
    }
    block.blank = vec![0; block.length];
    Ok(block)
}

fn field<'d>(element: Element<'d>, types: &Types<'d>, end: usize, since: u16) -> Result<Field, SchemaError> {
    let at = offset(element, end)?;
    let Laid { encoding, size, choices } = types.lay(element, Place { at, since, presence: None, depth: 0 })?;
    Ok(Field { id: element.id()?, name: element.required("name")?.into(), since, offset: at, size, encoding, choices })
}

fn group<'d>(element: Element<'d>, types: &Types<'d>, since: u16, depth: usize) -> Result<Group, SchemaError> {
    let name = element.get("dimensionType").unwrap_or("groupSizeEncoding");
    let (laid, composite) = types.composite(element, "dimensionType", name)?;
    let dimension = Dimension {
        size: laid.size,
        block_length: unsigned_member(&laid, composite, "blockLength")?,
        count: unsigned_member(&laid, composite, "numInGroup")?,
    };
    let block = block(element, types, since, depth + 1)?;
    Ok(Group { id: element.id()?, name: element.required("name")?.into(), since, dimension, block })
}

fn data<'d>(element: Element<'d>, types: &Types<'d>, since: u16) -> Result<VarData, SchemaError> {
    let (laid, composite) = types.composite(element, "type", element.required("type")?)?;
    let length = unsigned_member(&laid, composite, "length")?;
    Ok(VarData { id: element.id()?, name: element.required("name")?.into(), since, prefix: laid.size, length })
}

impl Block {
    /// Fills in what an empty block holds, here and in its groups.
    pub(super) fn blank(&mut self, order: ByteOrder) {
        for field in &self.fields {
            blank_field(field, &mut self.blank, order);
        }
        for group in &mut self.groups {
            group.block.blank(order);
        }
    }
}

fn blank_field(field: &Field, blank: &mut [u8], order: ByteOrder) {
    let mut put = |slot: &Slot| {
        // Every slot has been laid within the block.
        let _ = slot.primitive.write(slot.null.unwrap_or(0), blank, slot.offset as usize, order);
    };
    match &field.encoding {
        Encoding::Number(slot) => put(slot),
        Encoding::Decimal { mantissa, exponent } => {
            put(mantissa);
            if let Exponent::Slot(slot) = exponent {
                put(slot);
            }
        }
        Encoding::Composite(members) => members.iter().for_each(|member| blank_field(member, blank, order)),
        Encoding::Constant(_) | Encoding::Text | Encoding::Array(_) => {}
    }
}
