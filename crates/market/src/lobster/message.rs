//! A line of a messages file.

use crate::{
    decimal::{fixed, unsigned, whole},
    event::Side,
};

/// Nanoseconds in a day.
const DAY_NS: u64 = 86_400_000_000_000;

/// What happened: the second column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// 1: a new limit order.
    Submission = 1,
    /// 2: an order is cancelled in part.
    Cancellation = 2,
    /// 3: an order is deleted.
    Deletion = 3,
    /// 4: a visible order is executed.
    Execution = 4,
    /// 5: a hidden order is executed.
    HiddenExecution = 5,
    /// 6: shares are traded in an auction.
    Cross = 6,
    /// 7: trading halts (price −1), quoting resumes (0), trading resumes (1).
    Halt = 7,
}

/// A line of a messages file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Nanoseconds after midnight in New York.
    pub time_ns: u64,
    /// What happened.
    pub kind: Kind,
    /// The order's number; 0 or −1 where there is no order.
    pub order_id: i64,
    /// Shares.
    pub size: u64,
    /// Dollars times 10,000; in a halt −1, 0 or 1.
    pub price: i64,
    /// The side of the limit order: an execution of a bid was a seller's doing.
    pub side: Side,
}

/// Why a line is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageProblem {
    /// The second column is a number that no kind has.
    UnknownKind,
    /// There are not six columns, or this one, counted from 1, cannot be read.
    Column(u8),
}

impl MessageProblem {
    /// What is wrong, and what is allowed there.
    pub fn text(self) -> &'static str {
        match self {
            Self::UnknownKind => "the type is none of 1 to 7",
            Self::Column(1) => "the time is not seconds after midnight, below 86,400, with decimals",
            Self::Column(2) => "the type is no number",
            Self::Column(3) => "the order number is no whole number, or below 0 where there is an order",
            Self::Column(4) => "the size is no whole number of shares",
            Self::Column(5) => "the price is no whole number of ten-thousandths of a dollar",
            Self::Column(6) => "the direction is neither 1 nor -1",
            Self::Column(_) => "there are other than six columns",
        }
    }
}

impl Message {
    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// [`MessageProblem`], which names the column.
    pub fn parse(line: &[u8]) -> Result<Self, MessageProblem> {
        let mut fields = line.split(|byte| *byte == b',');
        let mut field = || fields.next().unwrap_or_default();
        let time_ns = seconds(field()).ok_or(MessageProblem::Column(1))?;
        let number = |field, column| fixed(field, 0).map_err(|_| MessageProblem::Column(column));
        let kind = match number(field(), 2)? {
            1 => Kind::Submission,
            2 => Kind::Cancellation,
            3 => Kind::Deletion,
            4 => Kind::Execution,
            5 => Kind::HiddenExecution,
            6 => Kind::Cross,
            7 => Kind::Halt,
            _ => return Err(MessageProblem::UnknownKind),
        };
        let least = if kind as u8 <= Kind::Execution as u8 { 0 } else { -1 };
        let order_id = number(field(), 3)?;
        if order_id < least {
            return Err(MessageProblem::Column(3));
        }
        let size = whole(field()).ok_or(MessageProblem::Column(4))?;
        let price = number(field(), 5)?;
        let side = match field() {
            b"1" => Side::Bid,
            b"-1" => Side::Ask,
            _ => return Err(MessageProblem::Column(6)),
        };
        if kind == Kind::Halt && !(-1..=1).contains(&price) {
            return Err(MessageProblem::Column(5));
        }
        match fields.next() {
            None => Ok(Self { time_ns, kind, order_id, size, price, side }),
            Some(_) => Err(MessageProblem::Column(7)),
        }
    }
}

/// Seconds after midnight as nanoseconds. Decimals beyond the ninth are rounded: LOBSTER's own files have times that a program printed from floats,
/// as 43002.632812672004.
#[inline]
fn seconds(field: &[u8]) -> Option<u64> {
    let kept = field.iter().position(|byte| *byte == b'.').map_or(field.len(), |point| field.len().min(point + 10));
    let (kept, beyond) = field.split_at(kept);
    let rounded = match beyond.first() {
        None => 0,
        Some(tenth) => whole(beyond).map(|_| u64::from(*tenth >= b'5'))?,
    };
    unsigned(kept, 9).ok().filter(|nanos| *nanos < DAY_NS).map(|nanos| nanos + rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_nanoseconds() {
        assert_eq!(seconds(b"34200.004241176"), Some(34_200_004_241_176));
        assert_eq!(seconds(b"34200.18960767"), Some(34_200_189_607_670));
        assert_eq!(seconds(b"36023"), Some(36_023_000_000_000));
        assert_eq!(seconds(b"43002.632812672004"), Some(43_002_632_812_672));
        assert_eq!(seconds(b"43002.9999999995"), Some(43_003_000_000_000));
        for not in [&b""[..], b".", b"1.123456789x", b"1.123456789.1", b"86400", b"-1", b"1e3", b"1.2.3"] {
            assert_eq!(seconds(not), None, "{}", not.escape_ascii());
        }
    }

    #[test]
    fn each_column_is_read_or_named() {
        let message = Message::parse(b"34200.5,4,16113575,18,5853300,-1").unwrap();
        let want = Message {
            time_ns: 34_200_500_000_000,
            kind: Kind::Execution,
            order_id: 16_113_575,
            size: 18,
            price: 5_853_300,
            side: Side::Ask,
        };
        assert_eq!(message, want);
        let problem = |line: &str| Message::parse(line.as_bytes()).unwrap_err();
        assert_eq!(problem("x,4,1,18,5853300,-1"), MessageProblem::Column(1));
        assert_eq!(problem("1,a,1,18,5853300,-1"), MessageProblem::Column(2));
        assert_eq!(problem("1,8,1,18,5853300,-1"), MessageProblem::UnknownKind);
        assert_eq!(problem("1,4,-1,18,5853300,-1"), MessageProblem::Column(3));
        assert_eq!(problem("1,4,1,-18,5853300,-1"), MessageProblem::Column(4));
        assert_eq!(problem("1,4,1,18,58.5,-1"), MessageProblem::Column(5));
        assert_eq!(problem("1,7,0,0,2,-1"), MessageProblem::Column(5));
        assert_eq!(problem("1,4,1,18,5853300,0"), MessageProblem::Column(6));
        assert_eq!(problem("1,4,1,18,5853300"), MessageProblem::Column(6));
        assert_eq!(problem("1,4,1,18,5853300,1,"), MessageProblem::Column(7));
        assert!(Message::parse(b"36023,6,-1,100,5853300,-1").is_ok());
        assert!(Message::parse(b"36023,7,0,0,-1,-1").is_ok());
    }
}
