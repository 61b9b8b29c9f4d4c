//! NASDAQ TotalView-ITCH 5.0: its messages, and the stream of events that they become.

pub mod message;
