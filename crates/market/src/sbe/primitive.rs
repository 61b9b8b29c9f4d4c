//! The primitive types of SBE (section "Data types"), and how their bytes lie.

use std::fmt;

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ByteOrder {
    /// The least one.
    #[default]
    Little,
    /// The greatest one.
    Big,
}

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// A character of one byte.
    Char,
    /// A signed number of 8 bits.
    Int8,
    /// A signed number of 16 bits.
    Int16,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// An unsigned number of 8 bits.
    Uint8,
    /// An unsigned number of 16 bits.
    Uint16,
    /// An unsigned number of 32 bits.
    Uint32,
    /// An unsigned number of 64 bits.
    Uint64,
    /// A binary float of 32 bits.
    Float,
    /// A binary float of 64 bits.
    Double,
}

impl Primitive {
    /// Every primitive type.
    pub const ALL: [Self; 11] = [
        Self::Char,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float,
        Self::Double,
    ];

    /// Its name in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Char => "char",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|primitive| primitive.name() == name)
    }

    /// How many bytes it takes.
    #[inline]
    pub fn size(self) -> usize {
        match self {
            Self::Char | Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float => 4,
            Self::Int64 | Self::Uint64 | Self::Double => 8,
        }
    }

    /// Whether it has a sign and no fraction.
    #[inline]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64)
    }

    /// Whether it is a binary float.
    #[inline]
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// The bits that stand for null where a schema says nothing else (section "Null values"): 0 for a character, the lowest signed and the
    /// highest unsigned number, not-a-number.
    pub fn default_null(self) -> u64 {
        match self {
            Self::Char => 0,
            Self::Float => u64::from(f32::NAN.to_bits()),
            Self::Double => f64::NAN.to_bits(),
            _ if self.is_signed() => 1 << (8 * self.size() - 1),
            _ => self.mask(),
        }
    }

    /// The bits that it has.
    pub(super) fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.size())
    }

    /// Its lowest and highest whole number; those of a double for floats, which take any.
    pub(super) fn range(self) -> (i128, i128) {
        let bits = 8 * self.size();
        if self.is_float() {
            (i128::from(i64::MIN), i128::from(u64::MAX))
        } else if self.is_signed() {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        }
    }

    /// The bits of a number in text, as a schema writes it; `None` where it is none of this type.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Float => Some(u64::from(text.parse::<f32>().ok()?.to_bits())),
            Self::Double => Some(text.parse::<f64>().ok()?.to_bits()),
            Self::Char => match text.as_bytes() {
                [one] => Some(u64::from(*one)),
                // Of more digits than one it is a character's number, as "00" or "32" may stand for what XML cannot write.
                _ => text.parse::<u8>().ok().map(u64::from),
            },
            _ => {
                let (low, high) = self.range();
                let number = text.parse::<i128>().ok().filter(|number| (low..=high).contains(number))?;
                Some(number as u64 & self.mask())
            }
        }
    }

    /// The bits at a place, in as many of the lower bytes as the type has; `None` where the bytes end before it does.
    #[inline(always)]
    pub(super) fn read(self, bytes: &[u8], at: usize, order: ByteOrder) -> Option<u64> {
        let bytes = bytes.get(at..)?;
        let little = order == ByteOrder::Little;
        Some(match self.size() {
            1 => u64::from(*bytes.first()?),
            2 => {
                let bytes = *bytes.first_chunk::<2>()?;
                u64::from(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
            }
            4 => {
                let bytes = *bytes.first_chunk::<4>()?;
                u64::from(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
            }
            _ => {
                let bytes = *bytes.first_chunk::<8>()?;
                if little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) }
            }
        })
    }

    /// Writes bits at a place; `None` where there is no room for them.
    pub(super) fn write(self, bits: u64, bytes: &mut [u8], at: usize, order: ByteOrder) -> Option<()> {
        let size = self.size();
        let place = bytes.get_mut(at..at + size)?;
        match order {
            ByteOrder::Little => place.copy_from_slice(&bits.to_le_bytes()[..size]),
            ByteOrder::Big => place.copy_from_slice(&bits.to_be_bytes()[8 - size..]),
        }
        Some(())
    }

    /// Bits of this type as a signed number of 64 bits, its sign carried on.
    #[inline(always)]
    pub(super) fn extend(self, bits: u64) -> i64 {
        let unused = 64 - 8 * self.size() as u32;
        if self.is_signed() { ((bits << unused) as i64) >> unused } else { bits as i64 }
    }

    /// Bits of this type as a float.
    pub(super) fn float(self, bits: u64) -> f64 {
        match self {
            Self::Float => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_those_of_the_specification() {
        let nulls = [
            (Primitive::Char, 0),
            (Primitive::Int8, 0x80),
            (Primitive::Int16, 0x8000),
            (Primitive::Int32, 0x8000_0000),
            (Primitive::Int64, 1 << 63),
            (Primitive::Uint8, 255),
            (Primitive::Uint16, 65_535),
            (Primitive::Uint32, 4_294_967_295),
            (Primitive::Uint64, u64::MAX),
        ];
        for (primitive, null) in nulls {
            assert_eq!(primitive.default_null(), null, "{primitive}");
        }
        assert_eq!(Primitive::Int8.extend(0x80), -128);
        assert!(Primitive::Float.float(Primitive::Float.default_null()).is_nan());
    }

    #[test]
    fn bytes_lie_in_either_order() {
        let mut bytes = [0; 4];
        Primitive::Uint16.write(0x1234, &mut bytes, 1, ByteOrder::Little).unwrap();
        assert_eq!(bytes, [0, 0x34, 0x12, 0]);
        Primitive::Uint16.write(0x1234, &mut bytes, 1, ByteOrder::Big).unwrap();
        assert_eq!(bytes, [0, 0x12, 0x34, 0]);
        assert_eq!(Primitive::Uint16.read(&bytes, 1, ByteOrder::Big), Some(0x1234));
        assert_eq!(Primitive::Uint16.read(&bytes, 3, ByteOrder::Big), None);
        assert_eq!(Primitive::Uint32.write(1, &mut bytes, 1, ByteOrder::Big), None);
    }

    #[test]
    fn numbers_of_a_schema_are_held_to_their_types() {
        assert_eq!(Primitive::Uint8.parse("255"), Some(255));
        assert_eq!(Primitive::Uint8.parse("256"), None);
        assert_eq!(Primitive::Int8.parse("-9"), Some(0xF7));
        assert_eq!(Primitive::Char.parse("J"), Some(74));
        assert_eq!(Primitive::Char.parse("JK"), None);
        assert_eq!(Primitive::Uint64.parse("18446744073709551615"), Some(u64::MAX));
    }
}
