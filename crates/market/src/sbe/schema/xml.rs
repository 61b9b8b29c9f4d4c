//! Attributes of XML elements, each with the error that says what is allowed in its place.

use roxmltree::Node;

use super::{super::primitive::Primitive, SchemaError};

/// An element of a schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'d>(pub Node<'d, 'd>);

impl<'d> Element<'d> {
    /// Its name without a prefix.
    pub fn tag(self) -> &'d str {
        self.0.tag_name().name()
    }

    /// Its children that are elements.
    pub fn children(self) -> impl Iterator<Item = Self> {
        self.0.children().filter(|node| node.is_element()).map(Self)
    }

    /// An attribute, where it is there.
    pub fn get(self, name: &str) -> Option<&'d str> {
        self.0.attribute(name)
    }

    /// The text in it, without spaces around it.
    pub fn text(self) -> &'d str {
        self.0.text().unwrap_or("").trim()
    }

    /// The error that something of it is not allowed.
    pub fn fault(self, attribute: &str, value: Option<&str>, allowed: impl Into<String>) -> SchemaError {
        let name = self.get("name").map_or(String::new(), |name| format!(" name={name:?}"));
        SchemaError::Faulty {
            line: self.0.document().text_pos_at(self.0.range().start).row,
            element: format!("<{}{name}>", self.tag()),
            attribute: attribute.into(),
            value: value.map_or("absent".into(), |value| format!("{value:?}")),
            allowed: allowed.into(),
        }
    }

    /// An attribute that must be there.
    pub fn required(self, name: &str) -> Result<&'d str, SchemaError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| self.fault(name, self.get(name), "some text"))
    }

    /// A whole number up to `most`, where it is there.
    pub fn number(self, name: &str, most: usize) -> Result<Option<usize>, SchemaError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse::<usize>().ok().filter(|number| *number <= most);
        number.map(Some).ok_or_else(|| self.fault(name, Some(text), format!("a whole number from 0 to {most}")))
    }

    /// A number of 16 bits that must be there.
    pub fn id(self) -> Result<u16, SchemaError> {
        let id = self.number("id", usize::from(u16::MAX))?;
        Ok(id.ok_or_else(|| self.fault("id", None, "a whole number from 0 to 65535"))? as u16)
    }

    /// The version that brought it: 0 where it does not say, not below its parent's.
    pub fn since(self, parent: u16) -> Result<u16, SchemaError> {
        Ok((self.number("sinceVersion", usize::from(u16::MAX))?.unwrap_or(0) as u16).max(parent))
    }

    /// Its `primitiveType`.
    pub fn primitive(self) -> Result<Primitive, SchemaError> {
        let name = self.get("primitiveType");
        name.and_then(Primitive::named).ok_or_else(|| {
            let names: Vec<_> = Primitive::ALL.iter().map(|primitive| primitive.name()).collect();
            self.fault("primitiveType", name, names.join(", "))
        })
    }
}
