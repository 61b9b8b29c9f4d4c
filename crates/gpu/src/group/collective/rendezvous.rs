//! How ranks meet: each opens a listener of its own and tells rank 0 where; rank 0 answers everyone with the list; then each connects
//! to its right neighbour and is connected to by its left one.
//!
//! Whoever else connects (a port scanner, a rank of another run) is turned away and costs a short while, not the group.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ring::Ring;
use super::{CollectiveError, Membership};

/// First word of everything said here: what it is, and the version of the wire.
const PROTOCOL: &str = "zomma-collective-2";
/// A stranger may keep a listener waiting this long.
const HELLO_LIMIT: Duration = Duration::from_secs(2);
/// Between two attempts to reach a master that does not listen yet.
const RETRY: Duration = Duration::from_millis(20);
/// The longest message: a list of some ten thousand ranks.
const MESSAGE_BYTES_MAX: u32 = 1 << 20;

/// What a rank says first on each connection.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    protocol: String,
    byte_order: String,
    run_id: String,
    rank: usize,
    world_size: usize,
    /// Where it listens for its left neighbour.
    listens_at: SocketAddr,
}

/// Rank 0's answer.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// Where each rank listens, in the order of ranks.
    Ranks(Vec<SocketAddr>),
    /// Why this rank is not taken.
    Refused(String),
}

/// Meets the others; gives the connections to both neighbours.
pub(super) fn meet(membership: &Membership) -> Result<Ring, CollectiveError> {
    let until = Instant::now() + membership.time_limit;
    let master = resolve(membership)?;
    let (listener, ranks) =
        if membership.rank == 0 { gather(membership, master, until)? } else { report(membership, master, until)? };
    let (rank, size) = (membership.rank, membership.world_size);
    let (right_rank, left_rank) = ((rank + 1) % size, (rank + size - 1) % size);
    let right = connect_right(membership, &listener, right_rank, ranks[right_rank], until)?;
    let left = accept_left(membership, &listener, left_rank, until)?;
    let failed = |error: io::Error| CollectiveError::Left { rank: right_rank, message: error.to_string() };
    Ring::new((right_rank, right), (left_rank, left), membership.time_limit).map_err(failed)
}

fn resolve(membership: &Membership) -> Result<SocketAddr, CollectiveError> {
    let name = membership.master_addr.as_str();
    let bad = |message: String| CollectiveError::NoAddress { name: name.to_string(), message };
    let mut found = (name, membership.master_port).to_socket_addrs().map_err(|error| bad(error.to_string()))?;
    found.next().ok_or_else(|| bad("has no address".to_string()))
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CollectiveError> {
    let failed = |error: io::Error| CollectiveError::Listen { address, message: error.to_string() };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}

/// Rank 0: collects every other rank's address and sends all of them the list.
fn gather(
    membership: &Membership,
    master: SocketAddr,
    until: Instant,
) -> Result<(TcpListener, Vec<SocketAddr>), CollectiveError> {
    let (door, _) = listen(master)?;
    let (listener, own) = listen(SocketAddr::new(master.ip(), 0))?;
    let mut arrived: Vec<Option<(TcpStream, SocketAddr)>> = (0..membership.world_size).map(|_| None).collect();
    loop {
        let missing: Vec<usize> = (1..arrived.len()).filter(|&rank| arrived[rank].is_none()).collect();
        if missing.is_empty() {
            break;
        }
        let Some(mut stream) = accept(&door, until) else {
            return Err(CollectiveError::Missing { ranks: missing, limit: membership.time_limit });
        };
        let Some(hello) = read_hello(&mut stream, until) else { continue };
        match objection(membership, &hello, hello.rank < arrived.len() && arrived[hello.rank].is_some()) {
            None => arrived[hello.rank] = Some((stream, hello.listens_at)),
            // Whether it still listens is its own affair.
            Some(why) => drop(write_message(&mut stream, &Answer::Refused(why))),
        }
    }
    let ranks: Vec<SocketAddr> =
        arrived.iter().map(|rank| rank.as_ref().map_or(own, |&(_, listens_at)| listens_at)).collect();
    for (rank, (stream, _)) in arrived.iter_mut().enumerate().filter_map(|(rank, slot)| Some((rank, slot.as_mut()?))) {
        write_message(stream, &Answer::Ranks(ranks.clone()))
            .map_err(|error| CollectiveError::Left { rank, message: error.to_string() })?;
    }
    Ok((listener, ranks))
}

/// Why a rank that says this cannot join.
fn objection(membership: &Membership, hello: &Hello, taken: bool) -> Option<String> {
    if hello.run_id != membership.run_id {
        return Some(format!("it belongs to run {:?}, the group is run {:?}", hello.run_id, membership.run_id));
    }
    if hello.byte_order != byte_order() {
        return Some(format!("its numbers are {}-endian, rank 0's {}-endian", hello.byte_order, byte_order()));
    }
    if hello.world_size != membership.world_size {
        return Some(format!("WORLD_SIZE: {} there, {} at rank 0", hello.world_size, membership.world_size));
    }
    if hello.rank == 0 || hello.rank >= membership.world_size || taken {
        return Some(format!("RANK: {}: taken or out of range", hello.rank));
    }
    None
}

/// Any other rank: tells rank 0 where it listens and hears where the others do.
fn report(
    membership: &Membership,
    master: SocketAddr,
    until: Instant,
) -> Result<(TcpListener, Vec<SocketAddr>), CollectiveError> {
    let limit = membership.time_limit;
    let mut stream = connect(master, until).map_err(|error| CollectiveError::NoMaster {
        address: master,
        limit,
        message: error.to_string(),
    })?;
    let left = |error: io::Error| CollectiveError::Left { rank: 0, message: error.to_string() };
    let (listener, own) = listen(SocketAddr::new(stream.local_addr().map_err(left)?.ip(), 0))?;
    write_message(&mut stream, &hello(membership, own)).map_err(left)?;
    match read_message(&mut stream, until) {
        Some(Answer::Ranks(ranks)) if ranks.len() == membership.world_size => Ok((listener, ranks)),
        Some(Answer::Ranks(ranks)) => Err(CollectiveError::Refused {
            message: format!("it lists {} ranks, WORLD_SIZE is {}", ranks.len(), membership.world_size),
        }),
        Some(Answer::Refused(message)) => Err(CollectiveError::Refused { message }),
        None if Instant::now() >= until => Err(CollectiveError::Stalled { rank: 0, sending: false, limit }),
        None => Err(CollectiveError::Left { rank: 0, message: "no answer to read".to_string() }),
    }
}

fn connect_right(
    membership: &Membership,
    listener: &TcpListener,
    rank: usize,
    at: SocketAddr,
    until: Instant,
) -> Result<TcpStream, CollectiveError> {
    let left = |error: io::Error| CollectiveError::Left { rank, message: error.to_string() };
    let mut stream = connect(at, until).map_err(left)?;
    let own = listener.local_addr().map_err(left)?;
    write_message(&mut stream, &hello(membership, own)).map_err(left)?;
    Ok(stream)
}

fn accept_left(
    membership: &Membership,
    listener: &TcpListener,
    rank: usize,
    until: Instant,
) -> Result<TcpStream, CollectiveError> {
    while let Some(mut stream) = accept(listener, until) {
        let hello = read_hello(&mut stream, until);
        if hello.is_some_and(|hello| hello.run_id == membership.run_id && hello.rank == rank) {
            return Ok(stream);
        }
    }
    Err(CollectiveError::Missing { ranks: vec![rank], limit: membership.time_limit })
}

fn hello(membership: &Membership, listens_at: SocketAddr) -> Hello {
    Hello {
        protocol: PROTOCOL.to_string(),
        byte_order: byte_order().to_string(),
        run_id: membership.run_id.clone(),
        rank: membership.rank,
        world_size: membership.world_size,
        listens_at,
    }
}

fn byte_order() -> &'static str {
    if cfg!(target_endian = "little") { "little" } else { "big" }
}

/// The next connection, or none when the time is over.
fn accept(listener: &TcpListener, until: Instant) -> Option<TcpStream> {
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).ok()?;
            return Some(stream);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        // A failed poll only means that the next look comes sooner.
        let limit = Timespec::try_from(left).ok();
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], limit.as_ref());
    }
}

/// Connects, again and again until the time is over: the other side may not listen yet.
fn connect(address: SocketAddr, until: Instant) -> io::Result<TcpStream> {
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) if !is_itself(&stream) => return Ok(stream),
            Err(error) if Instant::now() + RETRY >= until => return Err(error),
            _ if Instant::now() + RETRY >= until => return Err(io::ErrorKind::TimedOut.into()),
            _ => thread::sleep(RETRY),
        }
    }
}

/// A connection to a free port of this machine can, by the rules of TCP, come out at itself.
fn is_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(own), Ok(other)) if own == other)
}

fn write_message<T: Serialize>(stream: &mut TcpStream, message: &T) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    stream.set_write_timeout(Some(HELLO_LIMIT))?;
    stream.write_all(&[&length.to_le_bytes(), text.as_slice()].concat())
}

/// What a newcomer says, if it says it soon.
fn read_hello(stream: &mut TcpStream, until: Instant) -> Option<Hello> {
    read_message(stream, until.min(Instant::now() + HELLO_LIMIT)).filter(|hello: &Hello| hello.protocol == PROTOCOL)
}

/// One message, or none where what came is not one.
fn read_message<T: DeserializeOwned>(stream: &mut TcpStream, until: Instant) -> Option<T> {
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left)).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = u32::from_le_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return None;
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn membership() -> Membership {
        Membership {
            rank: 0,
            world_size: 3,
            master_addr: "127.0.0.1".into(),
            master_port: 1,
            run_id: "night".into(),
            time_limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn rank_0_says_why_it_refuses_a_rank() {
        let here: SocketAddr = (IpAddr::from([127, 0, 0, 1]), 1).into();
        let good = || hello(&Membership { rank: 1, ..membership() }, here);
        assert_eq!(objection(&membership(), &good(), false), None);
        for (hello, taken, words) in [
            (Hello { run_id: "day".into(), ..good() }, false, "run \"day\", the group is run \"night\""),
            (Hello { world_size: 4, ..good() }, false, "WORLD_SIZE: 4 there, 3 at rank 0"),
            (Hello { rank: 3, ..good() }, false, "RANK: 3"),
            (Hello { rank: 0, ..good() }, false, "RANK: 0"),
            (Hello { byte_order: "middle".into(), ..good() }, false, "middle-endian"),
            (good(), true, "RANK: 1: taken"),
        ] {
            let why = objection(&membership(), &hello, taken).unwrap();
            assert!(why.contains(words), "{why}");
        }
    }
}
