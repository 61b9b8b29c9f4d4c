use super::*;

const TYPES: &str = r#"<composite name="messageHeader"><type name="blockLength" primitiveType="uint16"/>
<type name="templateId" primitiveType="uint16"/><type name="schemaId" primitiveType="uint16"/><type name="version" primitiveType="uint16"/></composite>
<composite name="groupSize"><type name="blockLength" primitiveType="uint16"/><type name="numInGroup" primitiveType="uint8"/></composite>
<composite name="PRICE9"><type name="mantissa" primitiveType="int64"/><type name="exponent" primitiveType="int8" presence="constant">-9</type></composite>
<type name="Int32NULL" primitiveType="int32" presence="optional" nullValue="2147483647"/>
<enum name="Action" encodingType="uint8"><validValue name="New">0</validValue><validValue name="Change">1</validValue></enum>"#;

fn read(types: &str, messages: &str) -> Result<Schema, SchemaError> {
    Schema::read(&format!(
        "<messageSchema id=\"1\" version=\"9\">\n<types>{TYPES}\n{types}</types>\n{messages}</messageSchema>"
    ))
}

#[test]
fn fields_lie_where_they_say_or_behind_the_one_before() {
    let schema = read(
        "",
        r#"<message name="Book" id="46" blockLength="30"><field name="Px" id="270" type="PRICE9"/>
           <field name="Size" id="271" type="Int32NULL" offset="10"/><field name="Action" id="279" type="Action"/>
           <field name="Fixed" id="1" type="Action" presence="constant" valueRef="Action.Change"/>
           <group name="Orders" id="5" dimensionType="groupSize" sinceVersion="4"><field name="Id" id="37" type="uint64"/></group></message>"#,
    )
    .unwrap();
    let block = &schema.message(46).unwrap().block;
    let places: Vec<_> = block.fields.iter().map(|field| (field.offset, field.size)).collect();
    assert_eq!(places, [(0, 8), (10, 4), (14, 1), (15, 0)]);
    assert_eq!((block.length, block.groups[0].since, block.groups[0].block.length), (30, 4, 8));
    assert_eq!(block.field(271).unwrap().slot().unwrap().null, Some(2_147_483_647));
    assert!(matches!(block.field(1).unwrap().encoding, Encoding::Constant(Constant::Uint(1))));
    assert_eq!(block.field(279).unwrap().choice(1), Some("Change"));
    assert!(matches!(block.field(270).unwrap().encoding, Encoding::Decimal { exponent: Exponent::Constant(-9), .. }));
    assert_eq!(block.blank[10..14], 2_147_483_647_i32.to_le_bytes());
}

#[test]
fn a_faulty_schema_is_refused_with_line_element_attribute_value_and_what_is_allowed() {
    let message = |inner: &str| format!("<message name=\"M\" id=\"1\">{inner}</message>");
    let cases = [
        (
            "",
            message(r#"<field name="Px" id="1" type="PRICE8"/>"#),
            r#"line 9, <field name="Px">: type is "PRICE8"; allowed: a primitive type, or one of Action, Int32NULL, PRICE9, groupSize, messageHeader"#,
        ),
        (
            "",
            message("\n<field name=\"Px\" type=\"int8\"/>"),
            r#"line 10, <field name="Px">: id is absent; allowed: a whole number from 0 to 65535"#,
        ),
        (
            "",
            message(r#"<field name="A" id="1" type="int32"/><field name="B" id="2" type="int8" offset="3"/>"#),
            r#"line 9, <field name="B">: offset is "3"; allowed: 4 or more, where what is before it ends"#,
        ),
        (
            "",
            r#"<message name="M" id="1" blockLength="3"><field name="A" id="1" type="int32"/></message>"#.into(),
            r#"line 9, <message name="M">: blockLength is "3"; allowed: 4 or more, where the last field ends"#,
        ),
        (
            "",
            message("") + &message(""),
            r#"line 9, <message name="M">: id is "1"; allowed: an id that no message before it has"#,
        ),
        (
            r#"<type name="Small" primitiveType="uint7"/>"#,
            message(r#"<field name="A" id="1" type="Small"/>"#),
            r#"line 8, <type name="Small">: primitiveType is "uint7"; allowed: char, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float, double"#,
        ),
        (
            r#"<type name="Small" primitiveType="uint8" presence="optional" nullValue="256"/>"#,
            message(r#"<field name="A" id="1" type="Small"/>"#),
            r#"line 8, <type name="Small">: nullValue is "256"; allowed: a value of uint8"#,
        ),
        (
            r#"<composite name="Loop"><ref name="again" type="Loop"/></composite>"#,
            message(r#"<field name="A" id="1" type="Loop"/>"#),
            r#"line 8, <ref name="again">: depth is "9"; allowed: types at most 8 deep, none within itself"#,
        ),
        (
            "",
            message(r#"<group name="G" id="2" dimensionType="PRICE9"/>"#),
            r#"line 5, <composite name="PRICE9">: blockLength is absent; allowed: a member of this name, an unsigned number"#,
        ),
        (
            "",
            message(r#"<field name="A" id="1" type="Action" presence="constant" valueRef="Action.Gone"/>"#),
            r#"line 9, <field name="A">: valueRef is "Action.Gone"; allowed: an enumeration's name, a point, the name of one of its values"#,
        ),
        (
            r#"<set name="Bits" encodingType="uint8"><choice name="Ninth">8</choice></set>"#,
            message(r#"<field name="A" id="1" type="Bits"/>"#),
            r#"line 8, <choice name="Ninth">: text is "8"; allowed: a bit from 0 to 7"#,
        ),
        (
            r#"<type name="Long" primitiveType="int64" length="9000"/>"#,
            message(r#"<field name="A" id="1" type="Long"/>"#),
            r#"line 9, <field name="A">: end is "72000"; allowed: blocks of up to 65535 bytes"#,
        ),
    ];
    for (types, messages, error) in cases {
        assert_eq!(read(types, &messages).unwrap_err().to_string(), error);
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    let error = |xml: &str| Schema::read(xml).unwrap_err().to_string();
    assert!(error("<messageSchema>\n<types></messageSchema>").starts_with("line 2: not XML: "));
    assert_eq!(error("<fix/>"), r#"line 1, <fix>: element is "fix"; allowed: messageSchema"#);
    assert!(error(r#"<messageSchema id="1" byteOrder="middle"/>"#).contains("littleEndian, bigEndian"));
    assert!(error(r#"<messageSchema id="1"/>"#).contains("headerType is \"messageHeader\""));
    // Entities that grow as they are read are not read at all.
    assert!(error("<!DOCTYPE a [<!ENTITY b \"bb\">]><messageSchema id=\"1\"/>").contains("not XML"));
}

#[test]
fn damaged_schemas_are_read_or_refused_and_never_panic() {
    use crate::{allocations, mutations::Random, sbe::random_schemas};

    for seed in 0..2_000 {
        let mut random = Random(seed);
        let mut xml = random_schemas::xml(&mut random).into_bytes();
        for _ in 0..=random.below(3) {
            let place = random.below(xml.len());
            match random.below(4) {
                0 => xml[place] = b"0<>\"9a/ -"[random.below(9)],
                1 => xml.truncate(place),
                2 => drop(xml.drain(place..(place + random.below(30)).min(xml.len()))),
                _ => xml.splice(place..place, *b"9").for_each(drop),
            }
            if xml.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&xml);
        let (_, allocated) = allocations::measure(|| Schema::read(&text).map(drop));
        assert!(allocated.most_bytes < 8 << 20, "seed {seed}: {allocated:?}");
    }
}
