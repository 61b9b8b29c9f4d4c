//! SoupBinTCP: numbered messages in a TCP stream, which goes on where it was after a connection is lost.
//!
//! Source: Nasdaq SoupBinTCP, version 3.00.

mod client;
mod packet;
mod splitter;

pub use client::{Client, ClientCounts, ClientError, State};
pub use packet::{ClientPacket, Login, PacketError, Reason, ServerPacket};
pub use splitter::Splitter;

#[cfg(test)]
mod tests;
