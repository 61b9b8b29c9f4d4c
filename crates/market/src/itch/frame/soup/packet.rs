//! The logical packets of SoupBinTCP, of both sides.

use thiserror::Error;

use crate::itch::frame::SessionName;

/// How many bytes a packet's length takes.
pub(super) const LENGTH_BYTES: usize = 2;
/// How many digits a number has, padded with spaces on the left.
const NUMBER_BYTES: usize = 20;
/// What the longest packet carries beside its type.
pub(super) const LARGEST_PAYLOAD: usize = u16::MAX as usize - 1;

/// A packet from the server, section 2.2; its bytes stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPacket<'p> {
    /// "+": text for people.
    Debug(&'p [u8]),
    /// "A": the login is accepted.
    LoginAccepted {
        /// The session.
        session: SessionName,
        /// The number of the next sequenced message.
        sequence: u64,
    },
    /// "J": the login is refused, and the connection will be closed.
    LoginRejected(Reason),
    /// "S": the next message of the session.
    Sequenced(&'p [u8]),
    /// "U": a message without a number.
    Unsequenced(&'p [u8]),
    /// "H": the server is there, sent where it sent nothing for a second.
    Heartbeat,
    /// "Z": the session has ended.
    EndOfSession,
}

/// A packet from the client, section 2.3; its bytes stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientPacket<'p> {
    /// "+": text for people.
    Debug(&'p [u8]),
    /// "L": who the client is, and from which message on it wants to hear.
    LoginRequest(Login),
    /// "U": a message, which may be lost with the connection.
    Unsequenced(&'p [u8]),
    /// "R": the client is there, sent where it sent nothing for a second.
    Heartbeat,
    /// "O": the client wants the connection closed.
    LogoutRequest,
}

/// What a client says when it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Its name, padded with spaces on the right.
    pub username: [u8; 6],
    /// Its password, padded with spaces on the right.
    pub password: [u8; 10],
    /// The session that it wants; [`SessionName::ANY`] for the current one.
    pub session: SessionName,
    /// The number of the first message that it wants; 0 for the next one that there will be.
    pub sequence: u64,
}

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// "A": name and password are not known.
    NotAuthorized,
    /// "S": there is no such session.
    SessionNotAvailable,
}

impl<'p> ServerPacket<'p> {
    /// Reads a packet from the bytes behind its length.
    ///
    /// # Errors
    ///
    /// [`PacketError`] where the type is none of a server's, or the bytes are not of the type's form.
    pub fn decode(packet: &'p [u8]) -> Result<Self, PacketError> {
        let (&kind, payload) = packet.split_first().ok_or(PacketError::Empty)?;
        match kind {
            b'S' => Ok(Self::Sequenced(payload)),
            b'+' => Ok(Self::Debug(payload)),
            b'U' => Ok(Self::Unsequenced(payload)),
            b'H' => nothing(kind, payload, Self::Heartbeat),
            b'Z' => nothing(kind, payload, Self::EndOfSession),
            b'A' => match payload.split_first_chunk() {
                Some((session, number)) if number.len() == NUMBER_BYTES => {
                    Ok(Self::LoginAccepted { session: SessionName(*session), sequence: read_number(number)? })
                }
                _ => Err(PacketError::Length { kind, found: payload.len(), allowed: 10 + NUMBER_BYTES }),
            },
            b'J' => match payload {
                b"A" => Ok(Self::LoginRejected(Reason::NotAuthorized)),
                b"S" => Ok(Self::LoginRejected(Reason::SessionNotAvailable)),
                &[code] => Err(PacketError::Reason { code }),
                _ => Err(PacketError::Length { kind, found: payload.len(), allowed: 1 }),
            },
            _ => Err(PacketError::Kind { kind, allowed: "A, J, S, U, H, Z or +" }),
        }
    }

    /// Appends the packet, its length first.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooLong`] where the length does not fit; nothing is appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        match self {
            Self::Debug(text) => append(out, b'+', &[text]),
            Self::LoginAccepted { session, sequence } => append(out, b'A', &[&session.0, &write_number(*sequence)]),
            Self::LoginRejected(Reason::NotAuthorized) => append(out, b'J', &[b"A"]),
            Self::LoginRejected(Reason::SessionNotAvailable) => append(out, b'J', &[b"S"]),
            Self::Sequenced(message) => append(out, b'S', &[message]),
            Self::Unsequenced(message) => append(out, b'U', &[message]),
            Self::Heartbeat => append(out, b'H', &[]),
            Self::EndOfSession => append(out, b'Z', &[]),
        }
    }
}

impl<'p> ClientPacket<'p> {
    /// Reads a packet from the bytes behind its length.
    ///
    /// # Errors
    ///
    /// [`PacketError`] where the type is none of a client's, or the bytes are not of the type's form.
    pub fn decode(packet: &'p [u8]) -> Result<Self, PacketError> {
        let (&kind, payload) = packet.split_first().ok_or(PacketError::Empty)?;
        match kind {
            b'+' => Ok(Self::Debug(payload)),
            b'U' => Ok(Self::Unsequenced(payload)),
            b'R' => nothing(kind, payload, Self::Heartbeat),
            b'O' => nothing(kind, payload, Self::LogoutRequest),
            b'L' => {
                let length = PacketError::Length { kind, found: payload.len(), allowed: 26 + NUMBER_BYTES };
                let (username, rest) = payload.split_first_chunk().ok_or(length)?;
                let (password, rest) = rest.split_first_chunk().ok_or(length)?;
                let (session, number) = rest.split_first_chunk().ok_or(length)?;
                if number.len() != NUMBER_BYTES {
                    return Err(length);
                }
                Ok(Self::LoginRequest(Login {
                    username: *username,
                    password: *password,
                    session: SessionName(*session),
                    sequence: read_number(number)?,
                }))
            }
            _ => Err(PacketError::Kind { kind, allowed: "L, U, R, O or +" }),
        }
    }

    /// Appends the packet, its length first.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooLong`] where the length does not fit; nothing is appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        match self {
            Self::Debug(text) => append(out, b'+', &[text]),
            Self::LoginRequest(Login { username, password, session, sequence }) => {
                append(out, b'L', &[username, password, &session.0, &write_number(*sequence)])
            }
            Self::Unsequenced(message) => append(out, b'U', &[message]),
            Self::Heartbeat => append(out, b'R', &[]),
            Self::LogoutRequest => append(out, b'O', &[]),
        }
    }
}

/// The packet, where it carries nothing.
fn nothing<P>(kind: u8, payload: &[u8], packet: P) -> Result<P, PacketError> {
    match payload.len() {
        0 => Ok(packet),
        found => Err(PacketError::Length { kind, found, allowed: 0 }),
    }
}

fn append(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) -> Result<(), PacketError> {
    let payload: usize = parts.iter().map(|part| part.len()).sum();
    let length = u16::try_from(payload + 1).map_err(|_| PacketError::TooLong { found: payload })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Ok(())
}

/// Digits with spaces before them.
fn read_number(field: &[u8]) -> Result<u64, PacketError> {
    let digits = field.trim_ascii_start();
    let number = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    number.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let mut found = [b'?'; NUMBER_BYTES];
        found.iter_mut().zip(field).for_each(|(to, from)| *to = *from);
        PacketError::Number { found }
    })
}

fn write_number(number: u64) -> [u8; NUMBER_BYTES] {
    let mut field = [b' '; NUMBER_BYTES];
    let mut rest = number;
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    field
}

/// Why bytes are no packet of SoupBinTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// A length of 0 leaves no byte for the type.
    #[error("a packet of length 0; allowed: 1 to 65535")]
    Empty,
    /// The type is none of this side's.
    #[error("packet type 0x{kind:02x}; allowed: {allowed}")]
    Kind {
        /// The type's byte.
        kind: u8,
        /// The types of this side.
        allowed: &'static str,
    },
    /// The payload's length is not the type's.
    #[error("packet type {}: {found} bytes; allowed: {allowed}", *kind as char)]
    Length {
        /// The type's byte.
        kind: u8,
        /// How many bytes there are.
        found: usize,
        /// How many there must be.
        allowed: usize,
    },
    /// A number that is none.
    #[error(
        "sequence number {:?}; allowed: digits, with spaces before them, below 2^64",
        String::from_utf8_lossy(found)
    )]
    Number {
        /// The field.
        found: [u8; NUMBER_BYTES],
    },
    /// A reason that the specification does not have.
    #[error("reason of refusal 0x{code:02x}; allowed: A or S")]
    Reason {
        /// The reason's byte.
        code: u8,
    },
    /// A message that no packet can carry.
    #[error("a payload of {found} bytes; allowed: {LARGEST_PAYLOAD}")]
    TooLong {
        /// How many bytes it has.
        found: usize,
    },
}
