//! The client's side of a session, over as many connections as it takes.

use thiserror::Error;

use super::{
    packet::{ClientPacket, Login, PacketError, Reason, ServerPacket},
    splitter::Splitter,
};
use crate::itch::frame::{MessageSink, SessionName};

/// Where nothing else was sent for so long, a heartbeat is (section 1.3).
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Where nothing was heard for so long, the connection counts as lost: what section 1.3 calls typical.
const LOST_NS: u64 = 15_000_000_000;

/// How a client stands with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    Disconnected,
    /// The login has been sent.
    LoggingIn,
    /// Messages come.
    LoggedIn,
    /// The login was refused; connecting again makes sense with another one alone.
    Rejected(Reason),
    /// The session has ended.
    Ended,
}

/// What a client has counted, over all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCounts {
    /// Sequenced messages given on, each once.
    pub messages: u64,
    /// Messages that had come before, sent again after a login.
    pub duplicates: u64,
    /// Messages that the server did not send again after a login.
    pub missing: u64,
    /// Packets without sequenced messages: heartbeats, text, messages without a number.
    pub other_packets: u64,
    /// Logins accepted.
    pub logins: u64,
}

/// Why a connection is of no more use. It is to be closed; the client can connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClientError {
    /// A packet that cannot be read.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet that is out of place.
    #[error("a packet {packet} where the client is {state:?}; allowed: {allowed}")]
    OutOfPlace {
        /// What came.
        packet: &'static str,
        /// How the client stood.
        state: State,
        /// What may come.
        allowed: &'static str,
    },
    /// The server accepted a login to another session than the one asked for.
    #[error("session {:?}; allowed: {:?}, which was asked for", String::from_utf8_lossy(&found.0), String::from_utf8_lossy(&asked.0))]
    Session {
        /// The server's.
        found: SessionName,
        /// The client's.
        asked: SessionName,
    },
}

/// A client: told of connections, bytes and times, it writes what is to be sent and gives messages in order, each once.
///
/// After a connection is lost, the next login asks for the session that it was in, from the message after the last one that came.
#[derive(Debug, Clone)]
pub struct Client {
    login: Login,
    state: State,
    splitter: Splitter,
    /// The number of the next message that arrives on this connection.
    arriving: u64,
    sent_ns: u64,
    heard_ns: u64,
    counts: ClientCounts,
}

impl Client {
    /// A client that will log in so.
    pub fn new(login: Login) -> Self {
        Self {
            login,
            state: State::Disconnected,
            splitter: Splitter::new(),
            arriving: 0,
            sent_ns: 0,
            heard_ns: 0,
            counts: ClientCounts::default(),
        }
    }

    /// Told that a connection stands: writes the login.
    pub fn connected(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        self.state = State::LoggingIn;
        self.splitter = Splitter::new();
        (self.sent_ns, self.heard_ns) = (now_ns, now_ns);
        self.write(ClientPacket::LoginRequest(self.login), out);
    }

    /// Told that the connection is gone. A refusal and the end of the session stay as they are.
    pub fn disconnected(&mut self) {
        if matches!(self.state, State::LoggingIn | State::LoggedIn) {
            self.state = State::Disconnected;
        }
    }

    /// Takes the next bytes from the server, and gives the messages that they complete.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where the connection is of no more use; the client is as after [`Client::disconnected`].
    pub fn receive(&mut self, now_ns: u64, bytes: &[u8], to: &mut impl MessageSink) -> Result<(), ClientError> {
        self.heard_ns = now_ns;
        let mut splitter = std::mem::take(&mut self.splitter);
        let outcome = splitter.feed(bytes, |packet| self.packet(now_ns, ServerPacket::decode(packet)?, to));
        self.splitter = splitter;
        outcome.inspect_err(|_| self.disconnected())
    }

    /// Told the time: writes a heartbeat where one is due. `false` where the server has been silent for so long that the connection counts
    /// as lost: it is to be closed.
    pub fn poll(&mut self, now_ns: u64, out: &mut Vec<u8>) -> bool {
        if !matches!(self.state, State::LoggingIn | State::LoggedIn) {
            return true;
        }
        if now_ns.saturating_sub(self.heard_ns) >= LOST_NS {
            self.disconnected();
            return false;
        }
        if self.state == State::LoggedIn && now_ns.saturating_sub(self.sent_ns) >= HEARTBEAT_NS {
            self.sent_ns = now_ns;
            self.write(ClientPacket::Heartbeat, out);
        }
        true
    }

    /// Writes a message without a number. `false`, and nothing is written, where the client is not logged in or the message is longer than 65,534 bytes.
    pub fn send(&mut self, now_ns: u64, message: &[u8], out: &mut Vec<u8>) -> bool {
        let sent = self.state == State::LoggedIn && ClientPacket::Unsequenced(message).encode(out).is_ok();
        if sent {
            self.sent_ns = now_ns;
        }
        sent
    }

    /// Writes that the client wants the connection closed, where there is one.
    pub fn log_out(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        if matches!(self.state, State::LoggingIn | State::LoggedIn) {
            self.sent_ns = now_ns;
            self.write(ClientPacket::LogoutRequest, out);
        }
    }

    /// How the client stands with its server.
    pub fn state(&self) -> State {
        self.state
    }

    /// The session; [`SessionName::ANY`] while it is not known.
    pub fn session(&self) -> SessionName {
        self.login.session
    }

    /// The number of the message that is due; 0 where the client takes the next one that there will be, and has not logged in yet.
    pub fn due_sequence(&self) -> u64 {
        self.login.sequence
    }

    /// What has been counted so far.
    pub fn counts(&self) -> ClientCounts {
        self.counts
    }

    fn packet(&mut self, now_ns: u64, packet: ServerPacket<'_>, to: &mut impl MessageSink) -> Result<(), ClientError> {
        match (packet, self.state) {
            (ServerPacket::Sequenced(message), State::LoggedIn) => {
                let sequence = self.arriving;
                self.arriving = sequence.saturating_add(1);
                if sequence < self.login.sequence {
                    self.counts.duplicates += 1;
                } else {
                    to.message(sequence, now_ns, message);
                    self.counts.messages += 1;
                    self.login.sequence = self.arriving;
                }
            }
            (ServerPacket::LoginAccepted { session, sequence }, State::LoggingIn) => {
                self.accepted(session, sequence, to)?;
            }
            (ServerPacket::LoginRejected(reason), State::LoggingIn) => self.state = State::Rejected(reason),
            (ServerPacket::EndOfSession, State::LoggedIn) => self.state = State::Ended,
            (ServerPacket::Debug(_) | ServerPacket::Heartbeat, _) | (ServerPacket::Unsequenced(_), State::LoggedIn) => {
                self.counts.other_packets += 1
            }
            (packet, state) => {
                let packet = match packet {
                    ServerPacket::Sequenced(_) => "S (sequenced data)",
                    ServerPacket::LoginAccepted { .. } => "A (login accepted)",
                    ServerPacket::LoginRejected(_) => "J (login rejected)",
                    ServerPacket::EndOfSession => "Z (end of session)",
                    _ => "U (unsequenced data)",
                };
                let allowed = match state {
                    State::LoggingIn => "A, J, H or +",
                    State::LoggedIn => "S, U, H, Z or +",
                    _ => "H or +",
                };
                return Err(ClientError::OutOfPlace { packet, state, allowed });
            }
        }
        Ok(())
    }

    fn accepted(&mut self, session: SessionName, sequence: u64, to: &mut impl MessageSink) -> Result<(), ClientError> {
        let asked = self.login.session;
        if asked != SessionName::ANY && asked.0.trim_ascii() != session.0.trim_ascii() {
            return Err(ClientError::Session { found: session, asked });
        }
        self.login.session = session;
        self.arriving = sequence;
        let due = self.login.sequence;
        if due == 0 {
            self.login.sequence = sequence;
        } else if sequence > due {
            let missing = sequence - due;
            self.counts.missing = self.counts.missing.saturating_add(missing);
            self.login.sequence = sequence;
            to.lost(due, missing);
        }
        self.counts.logins += 1;
        self.state = State::LoggedIn;
        Ok(())
    }

    /// Packets of a client's own, none of which is too long.
    fn write(&self, packet: ClientPacket<'_>, out: &mut Vec<u8>) {
        let written = packet.encode(out);
        debug_assert!(written.is_ok(), "{written:?}");
    }
}
