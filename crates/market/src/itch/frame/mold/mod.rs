//! MoldUDP64: numbered messages in UDP packets, sent on two lines at once, with requests for what neither line brought.
//!
//! Source: Nasdaq MoldUDP64 Protocol Specification, version 1.00.

mod decoder;
mod held;
mod packet;
mod receiver;
mod sender;

pub use decoder::MoldDecoder;
pub use packet::{Content, Downstream, HEADER_BYTES, PacketError, Request};
pub use receiver::{Line, Receiver, ReceiverCounts, Settings};
pub use sender::{MessageTooLong, Sender};

#[cfg(test)]
mod tests;
