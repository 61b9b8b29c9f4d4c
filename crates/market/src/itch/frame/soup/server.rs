//! The server's side of one connection.

use thiserror::Error;

use super::{
    packet::{ClientPacket, Login, PacketError, Reason, ServerPacket},
    session::Session,
    splitter::Splitter,
};
use crate::itch::frame::SessionName;

/// Where nothing else was sent for so long, a heartbeat is (section 1.3).
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Where nothing was heard of a client for so long, it counts as lost: what section 1.3 calls typical. A login that takes longer is refused.
const LOST_NS: u64 = 15_000_000_000;
/// Messages are written for a client up to so many bytes at a time: what the socket has not taken of them is all that a slow client costs.
const BATCH_BYTES: usize = 64 << 10;

/// Who may log in, and how long a client may take over what it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Names with their passwords, both padded with spaces on the right; case makes no difference.
    pub accounts: Vec<([u8; 6], [u8; 10])>,
    /// A client that has not taken the 64 KiB or less that were written for it after so long, in nanoseconds, is slow, and is dropped: it can log
    /// in again and go on from the next number.
    pub slow_after_ns: u64,
}

impl Default for ServerSettings {
    /// Nobody may log in; slow after 10 s.
    fn default() -> Self {
        Self { accounts: Vec::new(), slow_after_ns: 10_000_000_000 }
    }
}

/// Why a server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Closed {
    /// The login was refused; the client has been told why, as far as its socket took it.
    #[error("the login was refused: {0:?}")]
    Refused(Reason),
    /// The client asked for it.
    #[error("the client logged out")]
    LoggedOut,
    /// The session has ended, and the client has it all.
    #[error("the session has ended")]
    Ended,
    /// Nothing was heard of the client for 15 s, or it did not log in within 15 s.
    #[error("the client was silent")]
    Silent,
    /// The client takes what it is sent too slowly.
    #[error("the client is slow")]
    Slow,
    /// What the client sent cannot be read.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet that is out of place: anything but a login first, or a second login.
    #[error("a packet out of place; allowed: one login, first")]
    OutOfPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LoggingIn,
    LoggedIn,
    /// The socket still has to take what was written, then the connection is closed.
    Closing(Closed),
}

/// One client's connection as the server sees it: told of bytes and times, it writes what is to be sent.
///
/// What is to be sent lies in [`Conversation::outgoing`]; [`Conversation::sent`] says how much of it the socket took. More messages are written only
/// when all of it was taken, so a client that is behind costs no memory.
#[derive(Debug, Clone)]
pub struct Conversation {
    state: State,
    splitter: Splitter,
    /// Who the client is, once it has logged in.
    username: Option<[u8; 6]>,
    /// The number of the next message to write.
    next: u64,
    outgoing: Vec<u8>,
    taken: usize,
    /// When what is outgoing was written first.
    written_ns: u64,
    sent_ns: u64,
    heard_ns: u64,
}

impl Conversation {
    /// A connection has been accepted.
    pub fn new(now_ns: u64) -> Self {
        Self {
            state: State::LoggingIn,
            splitter: Splitter::new(),
            username: None,
            next: 0,
            outgoing: Vec::new(),
            taken: 0,
            written_ns: now_ns,
            sent_ns: now_ns,
            heard_ns: now_ns,
        }
    }

    /// Takes the next bytes from the client; its messages without a number go to `unsequenced`.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed at once.
    pub fn receive(
        &mut self,
        now_ns: u64,
        bytes: &[u8],
        (settings, session): (&ServerSettings, &Session),
        mut unsequenced: impl FnMut(&[u8]),
    ) -> Result<(), Closed> {
        if self.state != State::LoggingIn {
            self.heard_ns = now_ns;
        }
        let mut splitter = std::mem::take(&mut self.splitter);
        let outcome = splitter.feed(bytes, |packet| {
            match (ClientPacket::decode(packet)?, self.state) {
                // What comes behind a log-out or a refused login is of no interest.
                (_, State::Closing(_)) | (ClientPacket::Debug(_), _) => {}
                (ClientPacket::LoginRequest(login), State::LoggingIn) => self.login(now_ns, &login, settings, session),
                (ClientPacket::Heartbeat, State::LoggedIn) => {}
                (ClientPacket::Unsequenced(message), State::LoggedIn) => unsequenced(message),
                (ClientPacket::LogoutRequest, _) => self.state = State::Closing(Closed::LoggedOut),
                (_, State::LoggingIn) | (ClientPacket::LoginRequest(_), State::LoggedIn) => {
                    return Err(Closed::OutOfPlace);
                }
            }
            Ok(())
        });
        self.splitter = splitter;
        outcome
    }

    fn login(&mut self, now_ns: u64, login: &Login, settings: &ServerSettings, session: &Session) {
        let is_known =
            settings.accounts.iter().any(|(name, word)| same(name, &login.username) && same(word, &login.password));
        let is_available = login.session == SessionName::ANY || same(&login.session.0, &session.name().0);
        let refused = match (is_known, is_available) {
            (false, _) => Some(Reason::NotAuthorized),
            (true, false) => Some(Reason::SessionNotAvailable),
            (true, true) => None,
        };
        if let Some(reason) = refused {
            self.write(now_ns, ServerPacket::LoginRejected(reason));
            self.state = State::Closing(Closed::Refused(reason));
            return;
        }
        // Of a number that there is not yet the client is told which one comes next.
        let next = session.next_sequence();
        self.next = if login.sequence == 0 { next } else { login.sequence.min(next) };
        self.heard_ns = now_ns;
        self.username = Some(login.username);
        self.state = State::LoggedIn;
        self.write(now_ns, ServerPacket::LoginAccepted { session: session.name(), sequence: self.next });
    }

    /// Told the time: writes messages, heartbeats and the end of the session where they are due.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed.
    pub fn poll(&mut self, now_ns: u64, settings: &ServerSettings, session: &Session) -> Result<(), Closed> {
        if !self.outgoing().is_empty() {
            let is_slow = now_ns.saturating_sub(self.written_ns) >= settings.slow_after_ns;
            return if is_slow { Err(Closed::Slow) } else { self.is_heard(now_ns) };
        }
        if let State::Closing(why) = self.state {
            return Err(why);
        }
        self.is_heard(now_ns)?;
        if self.state == State::LoggedIn {
            let before = self.next;
            self.next = session.write_from(self.next, BATCH_BYTES, &mut self.outgoing);
            if self.next != before {
                (self.written_ns, self.sent_ns) = (now_ns, now_ns);
            }
            if self.next == session.next_sequence() && session.is_over() {
                self.write(now_ns, ServerPacket::EndOfSession);
                self.state = State::Closing(Closed::Ended);
            } else if now_ns.saturating_sub(self.sent_ns) >= HEARTBEAT_NS {
                self.write(now_ns, ServerPacket::Heartbeat);
            }
        }
        Ok(())
    }

    fn is_heard(&self, now_ns: u64) -> Result<(), Closed> {
        if now_ns.saturating_sub(self.heard_ns) >= LOST_NS { Err(Closed::Silent) } else { Ok(()) }
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing[self.taken..]
    }

    /// Told how many bytes of [`Conversation::outgoing`] the socket took.
    pub fn sent(&mut self, bytes: usize) {
        self.taken = (self.taken + bytes).min(self.outgoing.len());
        if self.taken == self.outgoing.len() {
            self.outgoing.clear();
            self.taken = 0;
        }
    }

    /// Whether there is a message for this client that has not been written yet.
    pub fn is_behind(&self, session: &Session) -> bool {
        self.state == State::LoggedIn && self.next < session.next_sequence()
    }

    /// The client's name; `None` before it has logged in.
    pub fn username(&self) -> Option<[u8; 6]> {
        self.username
    }

    /// A packet of the server's own, none of which is too long.
    fn write(&mut self, now_ns: u64, packet: ServerPacket<'_>) {
        if self.outgoing.is_empty() {
            self.written_ns = now_ns;
        }
        self.sent_ns = now_ns;
        let written = packet.encode(&mut self.outgoing);
        debug_assert!(written.is_ok(), "{written:?}");
    }
}

/// Whether two padded fields say the same, without regard to case.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.trim_ascii().eq_ignore_ascii_case(other.trim_ascii())
}
