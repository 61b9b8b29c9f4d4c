//! What ranks print: split into lines, told apart by rank, and written whole, so that two ranks never share a line.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A line longer than this goes out in pieces, so that a rank that never ends a line cannot fill memory.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Which of a rank's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where the lines of all ranks go.
pub trait Sink: Send + Sync {
    /// Takes one line with its end (`\n`, or `\r` of a progress bar); the last of a stream may lack it.
    ///
    /// # Errors
    ///
    /// What the system said of writing it.
    fn line(&self, rank: usize, stream: Stream, line: &[u8]) -> io::Result<()>;
}

/// How lines look on the launcher's own output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `[rank 0] ` before each.
    Prefixed,
    /// As they are.
    Raw,
    /// A JSON object each, on standard output: `{"event":"line","rank":0,"stream":"stdout","text":"…"}`.
    Json,
    /// Not at all.
    Quiet,
}

/// Writes lines to the launcher's own output, and to a file a rank and stream where asked.
pub struct Terminal {
    style: Style,
    stdout: Mutex<Box<dyn Write + Send>>,
    stderr: Mutex<Box<dyn Write + Send>>,
    logs: Vec<RankLog>,
}

/// One rank's files.
struct RankLog {
    rank: usize,
    stdout: Mutex<File>,
    stderr: Mutex<File>,
}

/// A line as JSON tells it.
#[derive(Serialize)]
struct LineEvent<'a> {
    event: &'static str,
    rank: usize,
    stream: Stream,
    text: &'a str,
}

impl Terminal {
    /// Writes to these two.
    #[must_use]
    pub fn new(style: Style, stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Self {
        Self { style, stdout: Mutex::new(stdout), stderr: Mutex::new(stderr), logs: Vec::new() }
    }

    /// Also writes each rank's bytes, as they are, to `folder/rank_0.stdout.log`, `folder/rank_0.stderr.log`, ….
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be made, named.
    pub fn with_logs(mut self, folder: &Path, ranks: impl Iterator<Item = usize>) -> io::Result<Self> {
        let named =
            |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
        let open = |rank: usize, stream: &str| {
            let path = folder.join(format!("rank_{rank}.{stream}.log"));
            File::create(&path).map(Mutex::new).map_err(|error| named(&path, error))
        };
        for rank in ranks {
            self.logs.push(RankLog { rank, stdout: open(rank, "stdout")?, stderr: open(rank, "stderr")? });
        }
        Ok(self)
    }
}

impl Sink for Terminal {
    fn line(&self, rank: usize, stream: Stream, line: &[u8]) -> io::Result<()> {
        if let Some(log) = self.logs.iter().find(|log| log.rank == rank) {
            let file = if stream == Stream::Stdout { &log.stdout } else { &log.stderr };
            lock(file).write_all(line)?;
        }
        let written: Vec<u8> = match self.style {
            Style::Quiet => return Ok(()),
            Style::Raw => line.to_vec(),
            Style::Prefixed => {
                let end: &[u8] = if is_ended(line) { b"" } else { b"\n" };
                [format!("[rank {rank}] ").as_bytes(), line, end].concat()
            }
            Style::Json => {
                let text = String::from_utf8_lossy(without_end(line));
                let event = LineEvent { event: "line", rank, stream, text: &text };
                [serde_json::to_vec(&event)?.as_slice(), b"\n"].concat()
            }
        };
        let to_stdout = stream == Stream::Stdout || self.style == Style::Json;
        let mut out = lock(if to_stdout { &self.stdout } else { &self.stderr });
        out.write_all(&written)?;
        out.flush()
    }
}

/// A writer that panicked has left a line half written at worst.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_ended(line: &[u8]) -> bool {
    line.ends_with(b"\n") || line.ends_with(b"\r")
}

/// A line without what ends it.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Cuts bytes into lines as they come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what was read and gives every line that is whole now.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = line_length(&self.pending[start..]) {
            take(&self.pending[start..start + length])?;
            start += length;
        }
        self.pending.drain(..start);
        Ok(())
    }

    /// Gives what is left when the stream has ended.
    pub(super) fn finish(self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.pending.is_empty() { Ok(()) } else { take(&self.pending) }
    }
}

/// Bytes of the first line, if it is whole. A `\r` ends a line too, unless the `\n` behind it does or may still come.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r');
    match end {
        Some(at) if bytes[at] == b'\n' => Some(at + 1),
        Some(at) => match bytes.get(at + 1) {
            Some(b'\n') => Some(at + 2),
            Some(_) => Some(at + 1),
            None => None,
        },
        None => (bytes.len() >= LINE_BYTES_MAX).then_some(bytes.len()),
    }
}

/// Reads a rank's stream to its end and hands over each line; keeps the last that has a word in it.
pub(super) fn pump(
    rank: usize,
    stream: Stream,
    mut source: impl Read,
    sink: &dyn Sink,
    last: &Mutex<Option<String>>,
) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 << 10];
    let mut hand_over = |line: &[u8]| {
        let words = without_end(line).trim_ascii();
        if !words.is_empty() {
            *lock(last) = Some(String::from_utf8_lossy(words).into_owned());
        }
        sink.line(rank, stream, line)
    };
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return lines.finish(hand_over),
            Ok(count) => lines.push(&buffer[..count], &mut hand_over)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// Shares what was written with the test.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(style: Style, lines: &[(Stream, &[u8])]) -> [String; 2] {
        let streams = [Shared::default(), Shared::default()];
        let [out, err] = streams.clone();
        let terminal = Terminal::new(style, Box::new(out), Box::new(err));
        for (stream, line) in lines {
            terminal.line(3, *stream, line).unwrap();
        }
        streams.map(|stream| String::from_utf8(lock(&stream.0).clone()).unwrap())
    }

    #[test]
    fn each_style_writes_what_it_says() {
        let lines: [(Stream, &[u8]); 3] =
            [(Stream::Stdout, b"one\n"), (Stream::Stderr, b"50 %\r"), (Stream::Stderr, b"cut off")];
        let both = |out: &str, err: &str| [out.to_string(), err.to_string()];
        assert_eq!(shown(Style::Prefixed, &lines), both("[rank 3] one\n", "[rank 3] 50 %\r[rank 3] cut off\n"));
        assert_eq!(shown(Style::Raw, &lines), both("one\n", "50 %\rcut off"));
        assert_eq!(shown(Style::Quiet, &lines), both("", ""));
        let [json, nothing] = shown(Style::Json, &lines);
        assert_eq!(json.lines().nth(1), Some(r#"{"event":"line","rank":3,"stream":"stderr","text":"50 %"}"#));
        assert_eq!(nothing, "");
    }

    #[test]
    fn logs_hold_each_rank_s_own_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal::new(Style::Quiet, Box::new(io::sink()), Box::new(io::sink()));
        let terminal = terminal.with_logs(&folder.path().join("deep/er"), 0..2).unwrap();
        terminal.line(1, Stream::Stdout, b"\xff\n").unwrap();
        assert_eq!(fs::read(folder.path().join("deep/er/rank_1.stdout.log")).unwrap(), b"\xff\n");
        assert_eq!(fs::read(folder.path().join("deep/er/rank_0.stdout.log")).unwrap(), b"");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let terminal = Terminal::new(Style::Quiet, Box::new(io::sink()), Box::new(io::sink()));
        let error = terminal.with_logs(&file, 0..1).err().unwrap();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn the_last_words_are_kept_and_blank_lines_are_none() {
        let last = Mutex::new(None);
        let terminal = Terminal::new(Style::Quiet, Box::new(io::sink()), Box::new(io::sink()));
        pump(0, Stream::Stderr, &b"first\n  ValueError: x\r\n\n \n"[..], &terminal, &last).unwrap();
        assert_eq!(lock(&last).as_deref(), Some("ValueError: x"));
    }

    #[test]
    fn a_line_without_end_does_not_fill_memory() {
        let (mut lines, mut pieces) = (Lines::default(), 0);
        for _ in 0..40 {
            lines
                .push(&[b'x'; 100_000], |_| {
                    pieces += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!((pieces, lines.pending.len()), (3, 700_000));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_every_line_is_whole(
            chunks in proptest::collection::vec(proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..12), 0..12),
        ) {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for chunk in &chunks {
                lines.push(chunk, |line| { got.push(line.to_vec()); Ok(()) }).unwrap();
            }
            prop_assert!(got.iter().all(|line| is_ended(line)));
            lines.finish(|line| { got.push(line.to_vec()); Ok(()) }).unwrap();
            prop_assert!(got.iter().all(|line| !without_end(line).contains(&b'\n')));
            prop_assert_eq!(got.concat(), chunks.concat());
        }
    }
}
