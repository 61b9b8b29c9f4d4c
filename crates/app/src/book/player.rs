//! Plays a recorded feed's bytes into a replay, whether they are a stream or a capture of packets.

use std::{
    io::{self, Read},
    net::SocketAddr,
    time::{Duration, Instant},
};

use zomma_market::{
    container::{Source, datagrams},
    feed::{Counts, Decoder},
    format::Format,
    instruments::Instruments,
    itch::frame::mold::{Line, MoldDecoder, Settings},
    recording::{Recording, Session},
};

use super::{replay::Replay, rows::Rows};
use crate::batch::LateBar;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What playing came to.
pub struct Played {
    /// The instruments.
    pub instruments: Instruments,
    /// What the decoder counted.
    pub counts: Counts,
    /// Time that decoding and the books took, without reading.
    pub busy: Duration,
    /// Where the stream could not be read on.
    pub broken: Option<String>,
}

/// Plays a feed to its end, or to where it breaks off.
///
/// # Errors
///
/// Where the bytes cannot be read.
pub fn play(
    format: Format,
    bytes: Source,
    session: &Session,
    replay: &mut Replay,
    bar: &mut LateBar,
) -> io::Result<Played> {
    match Recording::new(format, session) {
        Some(recording) => play_stream(recording, bytes, replay, bar),
        None => Ok(play_capture(bytes, session, replay)),
    }
}

fn play_stream(
    mut recording: Recording,
    mut bytes: Source,
    replay: &mut Replay,
    bar: &mut LateBar,
) -> io::Result<Played> {
    replay.begin(recording.instruments());
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut read, mut busy, mut broken) = (0, Duration::ZERO, None);
    loop {
        let length = fill(&mut bytes, &mut chunk)?;
        replay.latency.interrupted();
        let begun = Instant::now();
        let fed = if length == 0 { recording.finish(replay) } else { recording.feed(&chunk[..length], replay) };
        busy += begun.elapsed();
        read += length as u64;
        bar.at(read);
        if let Err(error) = fed {
            broken = Some(error.to_string());
            break;
        }
        if length == 0 || replay.rows.as_ref().is_some_and(Rows::has_failed) {
            break;
        }
    }
    bar.end();
    Ok(Played { instruments: recording.instruments().clone(), counts: recording.counts(), busy, broken })
}

/// As many bytes as the chunk holds, or those that are left.
fn fill(source: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < chunk.len() {
        match source.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Packets of one session on one or two lines: the first two destinations that bring packets of it are the lines, others are not heard.
fn play_capture(bytes: Source, session: &Session, replay: &mut Replay) -> Played {
    let mut decoder = MoldDecoder::new(session.midnight_ns, Settings::default(), None, 0);
    replay.begin(decoder.instruments());
    let mut lines: Vec<SocketAddr> = Vec::new();
    let (mut busy, mut last_ns) = (Duration::ZERO, 0);
    let captured = datagrams(bytes, |datagram| {
        let known = lines.iter().position(|line| *line == datagram.destination);
        let line = match known.or((lines.len() < 2).then_some(lines.len())) {
            Some(0) => Line::A,
            Some(_) => Line::B,
            None => return,
        };
        last_ns = datagram.time_ns;
        replay.latency.interrupted();
        let begun = Instant::now();
        let received = decoder.receive(line, datagram.time_ns, datagram.payload, replay);
        // Nobody answers a request here: a gap closes by the other line, or is given up.
        decoder.poll(datagram.time_ns, replay);
        busy += begun.elapsed();
        if received.is_ok() && known.is_none() {
            lines.push(datagram.destination);
        }
    });
    // What is still open will not come any more.
    decoder.poll(last_ns.saturating_add(2 * Settings::default().give_up_after_ns), replay);
    let packets = decoder.receiver().counts();
    let broken = captured.err().map(|error| error.to_string()).or_else(|| {
        let of_no_session = packets.messages == 0 && packets.packets > 0;
        of_no_session.then(|| format!("{} UDP packets, none of MoldUDP64 with a message in it", packets.packets))
    });
    Played { instruments: decoder.instruments().clone(), counts: decoder.counts(), busy, broken }
}
