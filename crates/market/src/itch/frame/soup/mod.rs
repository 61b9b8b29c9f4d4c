//! SoupBinTCP: numbered messages in a TCP stream, which goes on where it was after a connection is lost.
//!
//! [`Client`] and [`Conversation`] (the server's side of one connection, over the messages of a [`Session`]) have no socket and no clock;
//! [`SoupHandler`](crate::ingest::SoupHandler) and [`SoupServer`](crate::ingest::SoupServer) give them both.
//!
//! Source: Nasdaq SoupBinTCP, version 3.00.

mod client;
mod packet;
mod server;
#[cfg(test)]
mod server_tests;
mod session;
mod splitter;

pub use client::{Client, ClientCounts, ClientError, State};
pub use packet::{ClientPacket, Login, PacketError, Reason, ServerPacket};
pub use server::{Closed, Conversation, ServerSettings};
pub use session::{Session, SessionError};
pub use splitter::Splitter;

#[cfg(test)]
mod tests;
