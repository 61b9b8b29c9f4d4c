//! How ranks and groups end, in words, in JSON and as an exit code.

use std::fmt;

use serde::{Serialize, Serializer};

/// The longest last line that a message repeats.
const LINE_CHARS_MAX: usize = 200;

/// How one rank ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankStatus {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// Nobody can tell: something else has reaped it.
    Lost,
}

impl RankStatus {
    /// The exit code by which a shell would report it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => u8::try_from(code & 0xff).unwrap_or(1),
            Self::Signaled(signal) => signal_exit_code(signal),
            Self::Lost => 1,
        }
    }
}

/// 128 and the signal, as shells have it.
#[must_use]
pub fn signal_exit_code(signal: i32) -> u8 {
    u8::try_from(128 + (signal & 0x7f)).unwrap_or(u8::MAX)
}

impl fmt::Display for RankStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signaled(signal) => match signal_name(signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
            Self::Lost => f.write_str("an end that nobody saw"),
        }
    }
}

impl Serialize for RankStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names of the signals that end processes in practice, by their numbers on Linux.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        _ => return None,
    })
}

/// What became of one rank.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankEnd {
    /// Its rank in the group.
    pub rank: usize,
    /// How it ended.
    pub status: RankStatus,
    /// Whether it ended after the launcher had asked it to.
    pub ended_by_launcher: bool,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The last line with a word in it on its standard error.
    pub last_error_line: Option<String>,
}

impl RankEnd {
    /// `rank 1: exit code 3: ValueError: x`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let said = self.last_error_line.as_deref().map(|line| format!(": {}", shown(line))).unwrap_or_default();
        format!("rank {}: {}{said}", self.rank, self.status)
    }
}

/// What became of all ranks of one attempt.
#[derive(Debug, Default)]
pub struct GroupEnd {
    /// Each rank of this node.
    pub ranks: Vec<RankEnd>,
    /// Place in `ranks` of the one that failed first by itself.
    pub first_failure: Option<usize>,
    /// The signal that ended the launcher's work.
    pub signal: Option<i32>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Why lines could not be written any more.
    pub output_error: Option<std::io::Error>,
}

impl GroupEnd {
    /// The rank that failed first by itself.
    #[must_use]
    pub fn failed(&self) -> Option<&RankEnd> {
        self.ranks.get(self.first_failure?)
    }

    /// 0 where all went well; else the signal's that the launcher was sent, or the first failing rank's.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.signal, self.failed()) {
            (Some(signal), _) => signal_exit_code(signal),
            (None, Some(rank)) => rank.status.exit_code(),
            (None, None) => u8::from(self.timed_out),
        }
    }
}

/// A rank's words as they may stand in a message: no control characters, and not too long.
fn shown(line: &str) -> String {
    let mut shown: String = line
        .chars()
        .take(LINE_CHARS_MAX)
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if line.chars().nth(LINE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(rank: usize, status: RankStatus) -> RankEnd {
        RankEnd { rank, status, ended_by_launcher: false, seconds: 0.5, last_error_line: None }
    }

    #[test]
    fn the_exit_code_is_the_first_failing_rank_s_or_the_signal_s() {
        let ranks = vec![rank(0, RankStatus::Signaled(15)), rank(1, RankStatus::Exited(7))];
        let mut end = GroupEnd { ranks, first_failure: Some(1), ..GroupEnd::default() };
        assert_eq!(end.exit_code(), 7);
        end.first_failure = Some(0);
        assert_eq!(end.exit_code(), 143);
        end.signal = Some(2);
        assert_eq!(end.exit_code(), 130);
        assert_eq!(GroupEnd::default().exit_code(), 0);
        assert_eq!(GroupEnd { timed_out: true, ..GroupEnd::default() }.exit_code(), 1);
    }

    #[test]
    fn an_end_is_told_with_the_rank_s_last_words_made_harmless() {
        let mut end = rank(2, RankStatus::Signaled(9));
        assert_eq!(end.in_words(), "rank 2: signal 9 (SIGKILL)");
        end.last_error_line = Some(format!("\u{1b}[31mbad {}", "x".repeat(500)));
        let words = end.in_words();
        assert!(words.starts_with("rank 2: signal 9 (SIGKILL): \\u{1b}[31mbad x") && words.ends_with("x…"), "{words}");
    }
}
