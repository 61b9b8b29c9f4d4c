//! The messages of NASDAQ TotalView-ITCH 5.0, each with the venue's fields, read from bytes and written to bytes.
//!
//! A message keeps what the venue sent, codes and padding too, so that writing it again gives the same bytes. Reading copies no bytes, and an
//! unread field costs nothing once inlined.
//!
//! Source: Nasdaq TotalView-ITCH 5.0, with "O" of its 2023 edition.

mod field;
mod order;
mod stock;
mod trade;

pub use field::{Header, Stock};
pub use order::{
    AddAttributedOrder, AddOrder, OrderCancel, OrderDelete, OrderExecuted, OrderExecutedWithPrice, OrderReplace,
};
pub use stock::{
    AuctionCollar, CircuitBreakerLevels, CircuitBreakerStatus, IpoQuotingPeriod, OperationalHalt, ParticipantPosition,
    ShortSaleRestriction, StockDirectory, SystemEvent, TradingAction,
};
pub use trade::{BrokenTrade, CrossTrade, DirectListing, NetOrderImbalance, RetailInterest, Trade};

use thiserror::Error;

/// How many bytes the longest message has.
pub const LONGEST: usize = NetOrderImbalance::LENGTH;

macro_rules! messages {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// A message of any type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Message {
            $($(#[$about])* $name($name),)*
        }

        impl Message {
            /// The bytes of every type that there is.
            pub const KINDS: &[u8] = &[$($name::KIND),*];

            /// How many bytes a message of this type has; `None` for a type that ITCH 5.0 does not have.
            #[inline]
            pub fn length_of(kind: u8) -> Option<usize> {
                match kind {
                    $($name::KIND => Some($name::LENGTH),)*
                    _ => None,
                }
            }

            /// Reads a message from all of its bytes.
            ///
            /// # Errors
            ///
            /// [`MessageError`] where there is no byte, the type is unknown, or the length is not the type's.
            #[inline]
            pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
                let &kind = bytes.first().ok_or(MessageError::Empty)?;
                let found = bytes.len();
                match kind {
                    $($name::KIND => match bytes.try_into() {
                        Ok(bytes) => Ok(Self::$name($name::read(bytes))),
                        Err(_) => Err(MessageError::Length { kind, found, allowed: $name::LENGTH }),
                    },)*
                    _ => Err(MessageError::Kind { kind }),
                }
            }

            /// Writes the message to the front of a buffer, and says how many bytes it took.
            #[inline]
            pub fn write(&self, bytes: &mut [u8; LONGEST]) -> usize {
                match self {
                    $(Self::$name(message) => {
                        if let Some(bytes) = bytes.first_chunk_mut() {
                            message.write(bytes);
                        }
                        $name::LENGTH
                    })*
                }
            }

            /// What the message begins with.
            pub fn header(&self) -> &Header {
                match self {
                    $(Self::$name(message) => &message.header,)*
                }
            }
        }

        $(
            impl From<$name> for Message {
                fn from(message: $name) -> Self {
                    Self::$name(message)
                }
            }

            const _: () = assert!($name::LENGTH <= LONGEST);
        )*
    };
}

messages! {
    /// "S".
    SystemEvent,
    /// "R".
    StockDirectory,
    /// "H".
    TradingAction,
    /// "Y".
    ShortSaleRestriction,
    /// "L".
    ParticipantPosition,
    /// "V".
    CircuitBreakerLevels,
    /// "W".
    CircuitBreakerStatus,
    /// "K".
    IpoQuotingPeriod,
    /// "J".
    AuctionCollar,
    /// "h".
    OperationalHalt,
    /// "A".
    AddOrder,
    /// "F".
    AddAttributedOrder,
    /// "E".
    OrderExecuted,
    /// "C".
    OrderExecutedWithPrice,
    /// "X".
    OrderCancel,
    /// "D".
    OrderDelete,
    /// "U".
    OrderReplace,
    /// "P".
    Trade,
    /// "Q".
    CrossTrade,
    /// "B".
    BrokenTrade,
    /// "I".
    NetOrderImbalance,
    /// "N".
    RetailInterest,
    /// "O".
    DirectListing,
}

impl Message {
    /// Appends the message's bytes.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut bytes = [0; LONGEST];
        let length = self.write(&mut bytes);
        out.extend_from_slice(&bytes[..length]);
    }
}

/// Why bytes are no message of ITCH 5.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// There is no byte.
    #[error("a message of no bytes; allowed: its type's byte and what the type has")]
    Empty,
    /// The type is not of ITCH 5.0.
    #[error("message type 0x{kind:02x}; allowed: {}", allowed_kinds())]
    Kind {
        /// The type's byte.
        kind: u8,
    },
    /// The length is not the type's.
    #[error("message type {}: {found} bytes; allowed: {allowed}", *kind as char)]
    Length {
        /// The type's byte.
        kind: u8,
        /// How many bytes there are.
        found: usize,
        /// How many there must be.
        allowed: usize,
    },
}

/// The types, as a reader knows them.
fn allowed_kinds() -> String {
    Message::KINDS.iter().map(|kind| *kind as char).collect()
}

#[cfg(test)]
mod tests;
