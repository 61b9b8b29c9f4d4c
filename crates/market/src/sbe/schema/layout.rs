//! Where the parts of a type lie.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::primitive::Primitive, Choice, Constant, Encoding, Exponent, Field, SchemaError, Slot, xml::Element,
};

/// How deep types may stand in one another; a type that holds itself is deeper than any.
const DEEPEST: usize = 8;
/// How many bytes a block can have, since 16 bits tell its length.
pub(super) const LONGEST_BLOCK: usize = u16::MAX as usize;

/// The types of a schema by name.
pub(super) struct Types<'d>(HashMap<&'d str, Element<'d>>);

/// A type at a place.
pub(super) struct Laid {
    pub encoding: Encoding,
    pub size: usize,
    pub choices: Arc<[Choice]>,
}

impl Laid {
    fn new(encoding: Encoding, size: usize) -> Self {
        Self { encoding, size, choices: Arc::new([]) }
    }
}

/// Where a type is to lie, and what its user says of it.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    pub at: usize,
    pub since: u16,
    /// What the user says of its presence, over what the type says.
    pub presence: Option<&'d str>,
    pub depth: usize,
}

impl<'d> Types<'d> {
    /// Those of all `types` elements of a schema.
    pub fn of(root: Element<'d>) -> Result<Self, SchemaError> {
        let mut by_name = HashMap::new();
        for element in root.children().filter(|element| element.tag() == "types").flat_map(Element::children) {
            if !matches!(element.tag(), "type" | "composite" | "enum" | "set") {
                return Err(element.fault("element", Some(element.tag()), "type, composite, enum, set"));
            }
            let name = element.required("name")?;
            if by_name.insert(name, element).is_some() {
                return Err(element.fault("name", Some(name), "a name that no type before it has"));
            }
        }
        Ok(Self(by_name))
    }

    /// A type that an attribute names.
    fn find(&self, user: Element<'d>, attribute: &str, name: &str) -> Result<Element<'d>, SchemaError> {
        self.0.get(name).copied().ok_or_else(|| {
            let mut names: Vec<_> = self.0.keys().copied().collect();
            names.sort_unstable();
            user.fault(attribute, Some(name), format!("a primitive type, or one of {}", names.join(", ")))
        })
    }

    /// A composite that an attribute names, from its first byte on.
    pub fn composite(
        &self,
        user: Element<'d>,
        attribute: &str,
        name: &'d str,
    ) -> Result<(Laid, Element<'d>), SchemaError> {
        let element = self.find(user, attribute, name)?;
        if element.tag() != "composite" {
            return Err(user.fault(attribute, Some(name), "the name of a composite"));
        }
        Ok((self.lay_element(element, Place { at: 0, since: 0, presence: None, depth: 0 })?, element))
    }

    /// Lays the type of a field, or of a `ref`.
    pub fn lay(&self, user: Element<'d>, place: Place<'d>) -> Result<Laid, SchemaError> {
        let name = user.required("type")?;
        if user.get("presence") == Some("constant")
            && let Some(reference) = user.get("valueRef")
        {
            return self.value_of(user, reference);
        }
        match Primitive::named(name).filter(|_| !self.0.contains_key(name)) {
            Some(primitive) => {
                let optional = presence(user, user)? == "optional";
                Ok(Laid::new(Encoding::Number(slot(primitive, optional, user, place)?), primitive.size()))
            }
            None => {
                let element = self.find(user, "type", name)?;
                let presence = user.get("presence").map(|_| presence(user, user)).transpose()?;
                self.lay_element(element, Place { presence, ..place })
            }
        }
    }

    fn lay_element(&self, element: Element<'d>, place: Place<'d>) -> Result<Laid, SchemaError> {
        if place.depth > DEEPEST {
            let allowed = format!("types at most {DEEPEST} deep, none within itself");
            return Err(element.fault("depth", Some(&place.depth.to_string()), allowed));
        }
        match element.tag() {
            "type" => lay_simple(element, place),
            "enum" | "set" => self.lay_choices(element, place),
            "composite" => self.lay_composite(element, place),
            "ref" => self.lay(element, Place { depth: place.depth + 1, ..place }),
            other => Err(element.fault("element", Some(other), "type, composite, enum, set, ref")),
        }
    }

    /// The primitive type that stands for an enumeration or a set, and whether it may be null.
    fn encoding_of(&self, element: Element<'d>) -> Result<(Primitive, bool, Element<'d>), SchemaError> {
        let name = element.required("encodingType")?;
        match Primitive::named(name).filter(|_| !self.0.contains_key(name)) {
            Some(primitive) => Ok((primitive, false, element)),
            None => {
                let under = self.find(element, "encodingType", name)?;
                if under.tag() != "type" {
                    return Err(element.fault("encodingType", Some(name), "the name of a type of one number"));
                }
                Ok((under.primitive()?, presence(under, under)? == "optional", under))
            }
        }
    }

    fn lay_choices(&self, element: Element<'d>, place: Place<'d>) -> Result<Laid, SchemaError> {
        let (primitive, mut optional, under) = self.encoding_of(element)?;
        if let Some(presence) = place.presence {
            optional = presence == "optional";
        }
        if primitive.is_float() {
            return Err(element.fault("encodingType", Some(primitive.name()), "a type of whole numbers"));
        }
        let is_set = element.tag() == "set";
        let mut choices = Vec::new();
        for choice in element.children() {
            let text = choice.text();
            let bits = if is_set {
                let bits = 8 * primitive.size() as u64;
                let bit = text.parse().ok().filter(|bit| *bit < bits);
                bit.ok_or_else(|| choice.fault("text", Some(text), format!("a bit from 0 to {}", bits - 1)))?
            } else {
                let bits = primitive.parse(text);
                bits.ok_or_else(|| choice.fault("text", Some(text), format!("a value of {primitive}")))?
            };
            choices.push(Choice { name: choice.required("name")?.into(), bits });
        }
        let slot = slot(primitive, optional, under, place)?;
        Ok(Laid { encoding: Encoding::Number(slot), size: primitive.size(), choices: choices.into() })
    }

    fn lay_composite(&self, element: Element<'d>, place: Place<'d>) -> Result<Laid, SchemaError> {
        let mut members = Vec::new();
        let mut end = 0;
        for member in element.children() {
            let offset = offset(member, end)?;
            let since = member.since(place.since)?;
            let at = place.at + offset;
            let laid = self.lay_element(member, Place { at, since, presence: None, depth: place.depth + 1 })?;
            end = offset + laid.size;
            within_block(member, place.at + end)?;
            let Laid { encoding, size, choices } = laid;
            let name = member.required("name")?.to_owned();
            members.push(Field { id: 0, name, since, offset: at, size, encoding, choices });
        }
        Ok(Laid::new(decimal(&members).unwrap_or(Encoding::Composite(members)), end))
    }

    /// The value of an enumeration that `Enumeration.Value` names.
    fn value_of(&self, user: Element<'d>, reference: &str) -> Result<Laid, SchemaError> {
        let fault =
            || user.fault("valueRef", Some(reference), "an enumeration's name, a point, the name of one of its values");
        let (name, value) = reference.split_once('.').ok_or_else(fault)?;
        let element = self.0.get(name).copied().filter(|element| element.tag() == "enum").ok_or_else(fault)?;
        let laid = self.lay_element(element, Place { at: 0, since: 0, presence: None, depth: 0 })?;
        let Encoding::Number(slot) = laid.encoding else { return Err(fault()) };
        let choice = laid.choices.iter().find(|choice| choice.name == value).ok_or_else(fault)?;
        let constant = constant(slot.primitive, choice.bits);
        Ok(Laid { encoding: Encoding::Constant(constant), size: 0, choices: laid.choices })
    }
}

/// Whether a value must be there, may be absent, or is always the same.
fn presence<'d>(element: Element<'d>, user: Element<'d>) -> Result<&'d str, SchemaError> {
    match element.get("presence") {
        None => Ok("required"),
        Some(known @ ("required" | "optional" | "constant")) => Ok(known),
        Some(other) => Err(user.fault("presence", Some(other), "required, optional, constant")),
    }
}

/// Where a member lies: where it says, or behind the one before it, which it may not touch.
pub(super) fn offset(element: Element<'_>, end: usize) -> Result<usize, SchemaError> {
    match element.number("offset", LONGEST_BLOCK)? {
        None => Ok(end),
        Some(offset) if offset >= end => Ok(offset),
        Some(_) => {
            let allowed = format!("{end} or more, where what is before it ends");
            Err(element.fault("offset", element.get("offset"), allowed))
        }
    }
}

/// That a place is within what a block can have.
pub(super) fn within_block(element: Element<'_>, end: usize) -> Result<(), SchemaError> {
    if end <= LONGEST_BLOCK {
        return Ok(());
    }
    Err(element.fault("end", Some(&end.to_string()), format!("blocks of up to {LONGEST_BLOCK} bytes")))
}

fn slot(primitive: Primitive, optional: bool, element: Element<'_>, place: Place<'_>) -> Result<Slot, SchemaError> {
    let null = match element.get("nullValue").filter(|_| optional) {
        None => optional.then(|| primitive.default_null()),
        Some(text) => Some(
            primitive
                .parse(text)
                .ok_or_else(|| element.fault("nullValue", Some(text), format!("a value of {primitive}")))?,
        ),
    };
    // `within_block` holds every place to 16 bits; one that it will refuse may be cut here.
    Ok(Slot { offset: place.at as u32, primitive, null, since: place.since })
}

fn lay_simple<'d>(element: Element<'d>, place: Place<'d>) -> Result<Laid, SchemaError> {
    let primitive = element.primitive()?;
    let presence = match place.presence {
        Some(presence) => presence,
        None => presence(element, element)?,
    };
    let length = element.number("length", LONGEST_BLOCK)?.unwrap_or(1);
    if presence == "constant" {
        let text = element.text();
        if primitive == Primitive::Char && text.len() != 1 {
            return Ok(Laid::new(Encoding::Constant(Constant::Text(text.into())), 0));
        }
        let bits = primitive.parse(text);
        let bits = bits.ok_or_else(|| element.fault("text", Some(text), format!("a value of {primitive}")))?;
        return Ok(Laid::new(Encoding::Constant(constant(primitive, bits)), 0));
    }
    match length {
        1 => {
            Ok(Laid::new(Encoding::Number(slot(primitive, presence == "optional", element, place)?), primitive.size()))
        }
        0 if element.get("name") == Some("varData") => Ok(Laid::new(Encoding::Text, 0)),
        0 => Err(element.fault("length", Some("0"), "1 or more; 0 for varData alone")),
        _ if primitive == Primitive::Char => Ok(Laid::new(Encoding::Text, length)),
        _ => Ok(Laid::new(Encoding::Array(primitive), length * primitive.size())),
    }
}

fn constant(primitive: Primitive, bits: u64) -> Constant {
    if primitive.is_float() {
        Constant::Float(primitive.float(bits))
    } else if primitive.is_signed() {
        Constant::Int(primitive.extend(bits))
    } else {
        Constant::Uint(bits)
    }
}

/// The decimal that a composite of a mantissa and an exponent is.
fn decimal(members: &[Field]) -> Option<Encoding> {
    let [mantissa, exponent] = members else { return None };
    if mantissa.name != "mantissa" || exponent.name != "exponent" {
        return None;
    }
    let Encoding::Number(mantissa) = mantissa.encoding else { return None };
    let exponent = match &exponent.encoding {
        Encoding::Constant(Constant::Int(power)) => Exponent::Constant(i8::try_from(*power).ok()?),
        Encoding::Number(slot) if slot.primitive == Primitive::Int8 => Exponent::Slot(*slot),
        _ => return None,
    };
    (!mantissa.primitive.is_float()).then_some(Encoding::Decimal { mantissa, exponent })
}
