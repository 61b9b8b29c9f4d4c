use super::{random_schemas, *};
use crate::mutations::Random;

/// A schema in which a message has grown by a version: a field, a group and a field of its first group's entries.
const GROWN: &str = r#"<messageSchema id="7" version="2"><types>
<composite name="messageHeader"><type name="blockLength" primitiveType="uint16"/><type name="templateId" primitiveType="uint16"/>
<type name="schemaId" primitiveType="uint16"/><type name="version" primitiveType="uint16"/></composite>
<composite name="groupSizeEncoding"><type name="blockLength" primitiveType="uint16"/><type name="numInGroup" primitiveType="uint8"/></composite></types>
<message name="Grown" id="1"><field name="Old" id="1" type="uint32"/><field name="New" id="2" type="uint32" sinceVersion="2"/>
<group name="Legs" id="3"><field name="Old" id="1" type="uint16"/><field name="New" id="2" type="int16" presence="optional" sinceVersion="2"/></group>
<group name="Later" id="4" sinceVersion="2"><field name="Old" id="1" type="uint16"/></group></message></messageSchema>"#;

#[test]
fn random_messages_of_random_schemas_read_as_they_were_written() {
    let mut values = 0;
    for seed in 0..400 {
        let mut random = Random(seed);
        let xml = random_schemas::xml(&mut random);
        let schema = Schema::read(&xml).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{xml}"));
        for _ in 0..10 {
            let index = random.below(schema.messages().len());
            let content = random_schemas::content(&schema.messages()[index].block, &mut random);
            let mut bytes = vec![0xAA; random.below(3)];
            let before = bytes.len();
            random_schemas::write(&schema, index, &content, &mut bytes);
            let view = schema.decode(&bytes[before..]).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{xml}"));
            assert_eq!(view.message().id as usize, index);
            assert_eq!(random_schemas::read(&view.message().block, view.entry()), content, "seed {seed}\n{xml}");
            values += content.fields.len();
            // Nor does any cut of it: what is behind the last part that is read cannot be missing.
            for end in before..bytes.len() {
                assert!(schema.decode(&bytes[before..end]).is_err(), "seed {seed}, {end} of {}", bytes.len());
            }
        }
    }
    assert!(values > 5_000, "{values}");
}

#[test]
fn a_message_from_before_a_field_gives_null_for_it_and_a_longer_one_is_read() {
    let schema = Schema::read(GROWN).unwrap();
    let grown = schema.message(1).unwrap();
    let (old, new) = (grown.block.field(1).unwrap(), grown.block.field(2).unwrap());
    let legs = &grown.block.groups[0].block;
    // Version 1: a block of 4 bytes, entries of 2.
    let before = [4, 0, 1, 0, 7, 0, 1, 0, 9, 0, 0, 0, 2, 0, 2, 5, 0, 6, 0];
    let view = schema.decode(&before).unwrap();
    assert_eq!((view.block().get(old), view.block().get(new)), (Value::Uint(9), Value::Null));
    let entries: Vec<_> =
        view.group(0).map(|leg| (leg.block().get(&legs.fields[0]), leg.block().get(&legs.fields[1]))).collect();
    assert_eq!(entries, [(Value::Uint(5), Value::Null), (Value::Uint(6), Value::Null)]);
    assert_eq!(view.group(1).count(), 0);
    // Version 3: two bytes more in the block and one in each entry.
    let after = [10, 0, 1, 0, 7, 0, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 77, 77, 5, 0, 1, 5, 0, 254, 255, 77, 2, 0, 0];
    let view = schema.decode(&after).unwrap();
    assert_eq!((view.version(), view.block().get(new)), (3, Value::Uint(8)));
    assert_eq!(view.group(0).next().unwrap().block().get(&legs.fields[1]), Value::Int(-2));
    // Version 1 with the bytes of a later field in its block: they are something else's.
    let padded = [8, 0, 1, 0, 7, 0, 1, 0, 9, 0, 0, 0, 1, 2, 3, 4, 2, 0, 0];
    assert_eq!(schema.decode(&padded).unwrap().block().get(new), Value::Null);
}

#[test]
fn a_message_that_cannot_be_read_says_where_and_why() {
    let schema = Schema::read(GROWN).unwrap();
    let error = |bytes: &[u8]| schema.decode(bytes).unwrap_err().to_string();
    assert_eq!(error(&[0; 5]), "byte 0 of the message: the header needs 8 bytes, 5 are left");
    assert_eq!(error(&[8, 0, 1, 0, 6, 0, 2, 0]), "schema 6; allowed: 7");
    assert_eq!(error(&[8, 0, 5, 0, 7, 0, 2, 0]), "template 5 of schema 7: not in schema 7");
    assert_eq!(
        error(&[8, 0, 1, 0, 7, 0, 2, 0, 1]),
        "byte 8 of the message: the block of Grown needs 8 bytes, 1 are left"
    );
    let short = [0, 0, 1, 0, 7, 0, 1, 0, 255, 255, 255, 1];
    assert_eq!(error(&short), "byte 11 of the message: the entries of group Legs needs 16711425 bytes, 1 are left");
}

#[test]
fn what_a_field_cannot_hold_is_refused_with_what_it_can() {
    let schema = Schema::read(GROWN).unwrap();
    let grown = schema.message(1).unwrap();
    let mut bytes = Vec::new();
    let mut writer = schema.writer(&mut bytes);
    let block = writer.message(grown);
    let error = |result: Result<(), SbeError>| result.unwrap_err().to_string();
    let old = grown.block.field(1).unwrap();
    assert_eq!(error(writer.put(block, old, Value::Int(-1))), "field Old: Int(-1); allowed: 0 to 4294967295");
    assert_eq!(error(writer.put(block, old, Value::Null)), "field Old: Null; allowed: 0 to 4294967295");
    let legs = &grown.block.groups[0];
    assert_eq!(error(writer.group(legs, 256)), "field Legs: 256; allowed: up to 255");
    writer.group(legs, 1).unwrap();
    let leg = writer.entry(legs);
    let null = writer.put(leg, &legs.block.fields[1], Value::Int(-32_768));
    assert_eq!(error(null), "field New: Int(-32768); allowed: -32768 to 32767 but -32768, or null");
}

#[test]
fn damaged_messages_are_read_or_refused_and_never_panic() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let schema = Schema::read(&random_schemas::xml(&mut random)).unwrap();
        for _ in 0..50 {
            let index = random.below(schema.messages().len());
            let content = random_schemas::content(&schema.messages()[index].block, &mut random);
            let mut bytes = Vec::new();
            random_schemas::write(&schema, index, &content, &mut bytes);
            for _ in 0..=random.below(3) {
                let place = random.below(bytes.len());
                bytes[place] = [0, 1, 0x7F, 0xFF, random.next() as u8][random.below(5)];
            }
            bytes.truncate(random.below(2 * bytes.len()));
            if let Ok(view) = schema.decode(&bytes) {
                // Each value lies in the bytes, so that no more can be read than they could hold.
                random_schemas::read(&view.message().block, view.entry());
            }
        }
    }
}
