//! Plays a recorded feed's bytes into a listener, whether they are a stream or a capture of packets.

use std::{
    collections::HashMap,
    fmt,
    io::{self, Read},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use zomma_market::{
    container::{CaptureCounts, Source, datagrams},
    event::Sink,
    feed::{Counts, Decoder},
    format::Format,
    instruments::Instruments,
    itch::frame::mold::{Line, MoldDecoder, Settings},
    recording::{Recording, Session},
    sbe::{
        Schema,
        mdp3::{self, CaptureDecoder},
    },
};

use crate::batch::LateBar;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What a feed has beside its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Updates of an instrument's book that were not given, since no snapshot of it came.
    Held {
        /// The instrument.
        symbol: String,
        /// How many.
        updates: u64,
    },
    /// Books that began before the capture, and of which no snapshot came; others are live.
    Waiting(u64),
    /// Packets of a capture that are of something else than the feed.
    OfOthers(u64),
    /// Packets of another session on the feed's own lines: a capture is read as one session.
    OfOtherSession(u64),
}

impl Note {
    /// What is not shown because of it: updates or books.
    pub fn unseen(&self) -> u64 {
        match self {
            Self::Held { updates, .. } => *updates,
            Self::Waiting(books) => *books,
            Self::OfOthers(_) => 0,
            Self::OfOtherSession(packets) => *packets,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { symbol, updates } => write!(f, "{updates} updates of {symbol} held: no snapshot seen"),
            Self::Waiting(books) => {
                write!(f, "{books} books that began before the capture have no snapshot in it: they are not shown")
            }
            Self::OfOthers(packets) => write!(f, "{packets} packets of the capture are of something else"),
            Self::OfOtherSession(packets) => {
                write!(
                    f,
                    "{packets} packets are of another session than the first and were not read: one session a file"
                )
            }
        }
    }
}

/// What listens to a feed that is played.
pub trait Listener: Sink {
    /// Told before the first message.
    fn begin(&mut self, instruments: &Instruments) {
        let _ = instruments;
    }

    /// Told before bytes are decoded that may have been waited for.
    fn interrupted(&mut self) {}

    /// Told at the end what the feed has beside its messages; a book that is not seen is warned of unless the listener says it in its own way.
    fn note(&mut self, note: Note) {
        if note.unseen() > 0 {
            tracing::warn!("{note}");
        }
    }

    /// Whether the rest of the feed need not be played.
    fn is_done(&self) -> bool {
        false
    }
}

/// What is played, and what its file does not say of itself.
pub struct Feed<'a> {
    /// The format.
    pub format: Format,
    /// The session.
    pub session: &'a Session,
    /// The schema of MDP 3.0, where it is of that.
    pub schema: Option<Arc<Schema>>,
}

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

/// Plays a feed to its end, or to where it breaks off or cannot be read.
pub fn play(feed: Feed<'_>, bytes: Source, listener: &mut impl Listener, bar: &mut LateBar) -> Played {
    match (Recording::new(feed.format, feed.session), feed.schema) {
        (Some(recording), _) => play_stream(recording, bytes, listener, bar),
        (None, Some(schema)) => play_mdp3(bytes, schema, listener),
        (None, None) => play_mold(bytes, feed.session, listener),
    }
}

fn play_stream(mut recording: Recording, mut bytes: Source, listener: &mut impl Listener, bar: &mut LateBar) -> Played {
    listener.begin(recording.instruments());
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut read, mut busy, mut broken) = (0, Duration::ZERO, None);
    loop {
        let (length, damage) = fill(&mut bytes, &mut chunk);
        listener.interrupted();
        let begun = Instant::now();
        let fed = if length == 0 && damage.is_none() {
            recording.finish(listener)
        } else {
            recording.feed(&chunk[..length], listener)
        };
        busy += begun.elapsed();
        read += length as u64;
        bar.at(read);
        if let Err(error) = fed {
            broken = Some(error.to_string());
            break;
        }
        if let Some(error) = damage {
            broken = Some(format!("after {read} bytes: {error}"));
            break;
        }
        if length == 0 || listener.is_done() {
            break;
        }
    }
    bar.end();
    for (id, updates) in recording.awaiting_snapshot() {
        let symbol = recording.instruments().latest(id).map_or_else(String::new, |known| known.symbol.clone());
        listener.note(Note::Held { symbol, updates });
    }
    Played { instruments: recording.instruments().clone(), counts: recording.counts(), busy, broken }
}

/// As many bytes as the chunk holds, or those that are left, or those before the error that comes with them.
fn fill(source: &mut impl Read, chunk: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut length = 0;
    while length < chunk.len() {
        match source.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Some(error)),
        }
    }
    (length, None)
}

/// Packets of one session on one or two lines: the first two destinations that bring packets of it are the lines, others are not heard.
fn play_mold(bytes: Source, session: &Session, listener: &mut impl Listener) -> Played {
    let mut decoder = MoldDecoder::new(session.midnight_ns, Settings::default(), None, 0);
    listener.begin(decoder.instruments());
    let mut lines: Vec<SocketAddr> = Vec::new();
    let (mut busy, mut last_ns, mut others_heard) = (Duration::ZERO, 0, 0);
    let mut of_other_session = 0;
    let mut malformed: HashMap<SocketAddr, u64> = HashMap::new();
    let (captured, outcome) = datagrams(bytes, |datagram| {
        let known = lines.iter().position(|line| *line == datagram.destination);
        let line = match known.or((lines.len() < 2).then_some(lines.len())) {
            Some(0) => Line::A,
            Some(_) => Line::B,
            None => {
                others_heard += 1;
                return;
            }
        };
        last_ns = datagram.time_ns;
        listener.interrupted();
        let begun = Instant::now();
        let others = decoder.receiver().counts().other_session_packets;
        let received = decoder.receive(line, datagram.time_ns, datagram.payload, listener);
        // Nobody answers a request here: a gap closes by the other line, or is given up.
        decoder.poll(datagram.time_ns, listener);
        busy += begun.elapsed();
        let is_of_session = received.is_ok() && decoder.receiver().counts().other_session_packets == others;
        match known {
            None if is_of_session => lines.push(datagram.destination),
            // Of a line, which its first whole packet tells, or of something else.
            _ if received.is_err() => *malformed.entry(datagram.destination).or_default() += 1,
            None => others_heard += 1,
            Some(_) => of_other_session += u64::from(!is_of_session),
        }
    });
    // What is still open will not come any more.
    decoder.poll(last_ns.saturating_add(2 * Settings::default().give_up_after_ns), listener);
    let packets = decoder.receiver().counts();
    // Where no line was found, what was cut could be of any.
    let (damaged, others) = parts(&captured, |destination| lines.is_empty() || lines.contains(destination));
    let is_line = |destination: &SocketAddr| lines.contains(destination);
    let (of_lines, of_others): (Vec<_>, Vec<_>) =
        malformed.into_iter().partition(|(destination, _)| is_line(destination));
    let [malformed, of_others] =
        [of_lines, of_others].map(|packets| packets.iter().map(|(_, count)| count).sum::<u64>());
    tell_others(listener, others + others_heard + of_others);
    if of_other_session > 0 {
        listener.note(Note::OfOtherSession(of_other_session));
    }
    let broken = outcome.err().map(|error| error.to_string()).or_else(|| {
        let of_no_session = packets.messages == 0 && packets.packets > 0;
        of_no_session.then(|| format!("{} UDP packets, none of MoldUDP64 with a message in it", packets.packets))
    });
    let of_messages = decoder.counts();
    let counts = Counts {
        malformed: of_messages.malformed + damaged + malformed,
        missing: of_messages.missing + packets.before_first,
        ..of_messages
    };
    Played { instruments: decoder.instruments().clone(), counts, busy, broken }
}

/// How many packets of the feed were cut when they were captured or are damaged, with those of which nobody can say whose they were; and how many
/// are of something else.
fn parts(captured: &CaptureCounts, is_of_feed: impl Fn(&SocketAddr) -> bool) -> (u64, u64) {
    let (cut, of_others) = captured.cut_of(is_of_feed);
    (captured.damaged + cut, captured.others + of_others)
}

fn tell_others(listener: &mut impl Listener, packets: u64) {
    if packets > 0 {
        listener.note(Note::OfOthers(packets));
    }
}

/// Packets of one channel: see [`CaptureDecoder`].
fn play_mdp3(bytes: Source, schema: Arc<Schema>, listener: &mut impl Listener) -> Played {
    let mut decoder = match CaptureDecoder::new(schema, mdp3::Settings::default()) {
        Ok(decoder) => decoder,
        Err(error) => {
            let (instruments, counts) = (Instruments::new(), Counts::default());
            return Played { instruments, counts, busy: Duration::ZERO, broken: Some(error.to_string()) };
        }
    };
    listener.begin(decoder.decoder().instruments());
    let mut busy = Duration::ZERO;
    let (captured, outcome) = datagrams(bytes, |datagram| {
        listener.interrupted();
        let begun = Instant::now();
        decoder.datagram(&datagram, listener);
        busy += begun.elapsed();
    });
    decoder.finish(listener);
    let of_channel = decoder.decoder();
    let (damaged, others) = parts(&captured, |destination| decoder.is_of_channel(destination));
    tell_others(listener, others + decoder.others());
    let (live, waiting) = of_channel.books();
    if live > 0 && waiting > 0 {
        listener.note(Note::Waiting(waiting as u64));
    }
    let broken = outcome.err().map(|error| error.to_string()).or_else(|| {
        if of_channel.counts().messages == 0 && decoder.damaged() > 0 {
            return Some(format!("{} UDP packets that are none of MDP 3.0", decoder.damaged()));
        }
        let none_live = live == 0 && waiting > 0;
        none_live.then(|| format!("books that began before the capture and have no snapshot in it: {waiting}"))
    });
    let malformed = of_channel.counts().malformed + decoder.damaged() + damaged;
    let counts = Counts { malformed, ..of_channel.counts() };
    Played { instruments: of_channel.instruments().clone(), counts, busy, broken }
}
