//! How the fields of a message lie in its bytes: unsigned integers big-endian, text left-justified and padded with spaces.

/// What every message begins with, behind its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// The venue's number of the stock for this day; 0 where a message is of no one stock.
    pub stock_locate: u16,
    /// The venue's internal number.
    pub tracking_number: u16,
    /// Nanoseconds since midnight, New York. The wire has 48 bits of it (78 hours); encoding writes the low 48.
    pub timestamp_ns: u64,
}

/// A symbol: eight bytes, padded with spaces on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Stock(pub [u8; 8]);

impl Stock {
    /// A symbol of at most eight printable ASCII characters; `None` for any other.
    pub fn new(symbol: &str) -> Option<Self> {
        let mut bytes = [b' '; 8];
        bytes.get_mut(..symbol.len())?.copy_from_slice(symbol.as_bytes());
        Self(bytes).symbol().filter(|read_back| *read_back == symbol)?;
        Some(Self(bytes))
    }

    /// The symbol without its padding; `None` where nothing is left of it, or a character is not printable ASCII.
    pub fn symbol(&self) -> Option<&str> {
        let symbol = self.0.trim_ascii_end();
        let printable = !symbol.is_empty() && symbol.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if printable { std::str::from_utf8(symbol).ok() } else { None }
    }
}

/// A field of a fixed number of bytes.
pub(super) trait Field: Sized {
    /// How many bytes it takes.
    const WIDTH: usize;
    /// Reads it from the `WIDTH` bytes from `at` on, which must be there.
    fn read(bytes: &[u8], at: usize) -> Self;
    /// Writes it to the `WIDTH` bytes from `at` on, which must be there.
    fn write(&self, bytes: &mut [u8], at: usize);
}

impl<const N: usize> Field for [u8; N] {
    const WIDTH: usize = N;

    #[inline(always)]
    fn read(bytes: &[u8], at: usize) -> Self {
        let mut field = [0; N];
        field.copy_from_slice(&bytes[at..at + N]);
        field
    }

    #[inline(always)]
    fn write(&self, bytes: &mut [u8], at: usize) {
        bytes[at..at + N].copy_from_slice(self);
    }
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl Field for $integer {
            const WIDTH: usize = size_of::<$integer>();

            #[inline(always)]
            fn read(bytes: &[u8], at: usize) -> Self {
                <$integer>::from_be_bytes(Field::read(bytes, at))
            }

            #[inline(always)]
            fn write(&self, bytes: &mut [u8], at: usize) {
                self.to_be_bytes().write(bytes, at);
            }
        }
    )*};
}
integer_fields!(u8, u16, u32, u64);

impl Field for Stock {
    const WIDTH: usize = 8;

    #[inline(always)]
    fn read(bytes: &[u8], at: usize) -> Self {
        Self(Field::read(bytes, at))
    }

    #[inline(always)]
    fn write(&self, bytes: &mut [u8], at: usize) {
        self.0.write(bytes, at);
    }
}

impl Field for Header {
    const WIDTH: usize = 10;

    #[inline(always)]
    fn read(bytes: &[u8], at: usize) -> Self {
        // The eight bytes from the tracking number on end with the time: one load, and the number is cut off.
        const TIMESTAMP_BITS: u64 = (1 << 48) - 1;
        Self {
            stock_locate: Field::read(bytes, at),
            tracking_number: Field::read(bytes, at + 2),
            timestamp_ns: u64::read(bytes, at + 2) & TIMESTAMP_BITS,
        }
    }

    #[inline(always)]
    fn write(&self, bytes: &mut [u8], at: usize) {
        self.timestamp_ns.write(bytes, at + 2);
        self.stock_locate.write(bytes, at);
        self.tracking_number.write(bytes, at + 2);
    }
}

/// Makes a message's struct from its fields in the order of the wire: a header follows the type, the fields follow the header.
macro_rules! message {
    (
        $(#[$about:meta])*
        $name:ident, $kind:literal, $length:literal, {
            $($(#[$field_about:meta])* $field:ident: $field_type:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            /// Which stock, and when.
            pub header: Header,
            $($(#[$field_about])* pub $field: $field_type,)*
        }

        impl $name {
            /// The type's byte.
            pub const KIND: u8 = $kind;
            /// How many bytes the message has, its type among them.
            pub const LENGTH: usize = $length;

            /// Reads the message; its type's byte is not looked at.
            #[inline(always)]
            pub fn read(bytes: &[u8; $length]) -> Self {
                const { assert!(1 + Header::WIDTH $(+ <$field_type as Field>::WIDTH)* == $length) };
                let header = Header::read(bytes, 1);
                let at = 1 + Header::WIDTH;
                $(let ($field, at) = (<$field_type as Field>::read(bytes, at), at + <$field_type as Field>::WIDTH);)*
                let _ = at;
                Self { header, $($field),* }
            }

            /// Writes the message, its type first.
            #[inline(always)]
            pub fn write(&self, bytes: &mut [u8; $length]) {
                bytes[0] = $kind;
                self.header.write(bytes, 1);
                let at = 1 + Header::WIDTH;
                $(
                    self.$field.write(bytes, at);
                    let at = at + <$field_type as Field>::WIDTH;
                )*
                let _ = at;
            }
        }
    };
}
pub(super) use message;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_printable_and_no_longer_than_eight() {
        assert_eq!(Stock::new("AAPL"), Some(Stock(*b"AAPL    ")));
        assert_eq!(Stock::new("ABCDEFGH").unwrap().symbol(), Some("ABCDEFGH"));
        for refused in ["", "ABCDEFGHI", "A\u{e9}", "A\n", "A "] {
            assert_eq!(Stock::new(refused), None, "{refused:?}");
        }
        assert_eq!(Stock(*b"        ").symbol(), None);
        assert_eq!(Stock(*b"AB\x80     ").symbol(), None);
    }

    #[test]
    fn a_header_keeps_48_bits_of_time() {
        let header = Header { stock_locate: 0x0102, tracking_number: 0x0304, timestamp_ns: 0xFFFF_0506_0708_090A };
        let mut bytes = [0; 10];
        header.write(&mut bytes, 0);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(Header::read(&bytes, 0), Header { timestamp_ns: 0x0506_0708_090A, ..header });
    }
}
