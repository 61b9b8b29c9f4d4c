//! Whether the two files of a day agree: each message, applied to the row before it, gives the row after it.

use super::{
    message::{Kind, Message},
    row::Row,
};
use crate::{event::Side, feed::FeedError};

/// So many mismatches are kept whole; all are counted.
const KEPT: usize = 100;

/// A row that is not what its message makes of the row before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The row, from 1.
    pub row: u64,
    /// The side.
    pub side: Side,
    /// The level, the best being 1.
    pub level: u32,
    /// Price and shares that should be there; none for no level. Where the message takes what the row before has not: what it takes.
    pub wanted: Option<(i64, i64)>,
    /// Price and shares that are there (in that case, in the row before); none for no level.
    pub found: Option<(i64, i64)>,
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepReport {
    /// Rows checked. Of the first row only the order of its levels can be.
    pub rows: u64,
    /// Rows that could be judged at every published level: no level came up from below the published ones, where nobody sees what rests.
    pub whole: u64,
    /// Rows that are not what they should be.
    pub mismatched: u64,
    /// The first hundred of them, each at the first level that is wrong.
    pub mismatches: Vec<Mismatch>,
}

/// Checks a day step by step.
#[derive(Debug, Clone, Default)]
pub struct StepCheck {
    before: Row,
    /// One side as it should be: kept to be filled again.
    wanted: Vec<(i64, i64)>,
    report: StepReport,
}

/// What a message makes of one side.
enum Step {
    /// So many of the best levels are known, those that are not there among them.
    Known { levels: usize },
    /// It takes more from this level than rests there, or from a price that does not rest there although it would be seen.
    Impossible { level: usize },
}

impl StepCheck {
    /// Nothing checked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next row against its message and the row before it.
    pub fn step(&mut self, message: &Message, row: &Row) {
        self.report.rows += 1;
        let is_first = self.report.rows == 1;
        let (mut is_judged, mut is_wrong) = (!is_first, false);
        for side in [Side::Ask, Side::Bid] {
            let mut found =
                row.out_of_order(side).map(|level| self.mismatch(side, level, None, row.level(side, level)));
            if !is_first && found.is_none() {
                let step = self.apply(message, side, row.depth());
                is_judged &= matches!(step, Step::Known { levels } if levels == row.depth());
                found = self.compare(&step, message, row, side);
            }
            if let Some(mismatch) = found {
                if !is_wrong && self.report.mismatches.len() < KEPT {
                    self.report.mismatches.push(mismatch);
                }
                is_wrong = true;
            }
        }
        self.report.whole += u64::from(is_judged);
        self.report.mismatched += u64::from(is_wrong);
        self.before.clone_from(row);
    }

    /// What has been found so far.
    pub fn report(&self) -> &StepReport {
        &self.report
    }

    /// Makes `wanted` what the message makes of one side of the row before.
    fn apply(&mut self, message: &Message, side: Side, depth: usize) -> Step {
        self.wanted.clear();
        self.wanted.extend(self.before.levels(side));
        // Fillers say that nothing rests behind.
        let mut is_whole = self.wanted.len() < self.before.depth();
        let takes = match message.kind {
            Kind::Submission => false,
            Kind::Cancellation | Kind::Deletion | Kind::Execution => true,
            // Hidden orders, crosses and halts change nothing that is shown.
            Kind::HiddenExecution | Kind::Cross | Kind::Halt => return self.known(is_whole, depth),
        };
        if message.side != side {
            return self.known(is_whole, depth);
        }
        let Ok(size) = i64::try_from(message.size) else { return Step::Impossible { level: 0 } };
        let is_behind = |price: i64| if side == Side::Ask { price >= message.price } else { price <= message.price };
        let place = self.wanted.iter().position(|level| is_behind(level.0)).unwrap_or(self.wanted.len());
        let is_seen = is_whole || place < self.wanted.len();
        let rests = self.wanted.get_mut(place).filter(|level| level.0 == message.price);
        match (rests, takes) {
            (Some(level), false) => level.1 = level.1.saturating_add(size),
            (None, false) => self.wanted.insert(place, (message.price, size)),
            (Some(level), true) if level.1 > size => level.1 -= size,
            (Some(level), true) if level.1 == size => drop(self.wanted.remove(place)),
            // Behind the published levels: nothing that is shown changes.
            (None, true) if !is_seen => {}
            (_, true) => return Step::Impossible { level: place },
        }
        if self.wanted.len() > depth {
            self.wanted.truncate(depth);
            is_whole = false;
        }
        self.known(is_whole, depth)
    }

    fn known(&self, is_whole: bool, depth: usize) -> Step {
        Step::Known { levels: if is_whole { depth } else { self.wanted.len() } }
    }

    fn compare(&self, step: &Step, message: &Message, row: &Row, side: Side) -> Option<Mismatch> {
        match *step {
            Step::Known { levels } => (0..levels).find_map(|level| {
                let (wanted, found) = (self.wanted.get(level).copied(), row.level(side, level));
                (wanted != found).then(|| self.mismatch(side, level, wanted, found))
            }),
            Step::Impossible { level } => {
                let taken = (message.price, i64::try_from(message.size).unwrap_or(i64::MAX));
                Some(self.mismatch(side, level, Some(taken), self.before.level(side, level)))
            }
        }
    }

    fn mismatch(&self, side: Side, level: usize, wanted: Option<(i64, i64)>, found: Option<(i64, i64)>) -> Mismatch {
        Mismatch { row: self.report.rows, side, level: level as u32 + 1, wanted, found }
    }
}

/// Checks the whole messages and orderbook files of a day.
///
/// # Errors
///
/// [`FeedError`] with the place and the problem where a line of either file cannot be read, where rows differ in their number of columns, or where
/// one file has more lines than the other.
pub fn check_day(messages: &[u8], orderbook: &[u8]) -> Result<StepReport, FeedError> {
    let mut check = StepCheck::new();
    let mut row = Row::default();
    let (mut rows, mut lines) = (LineReader::new(orderbook), LineReader::new(messages));
    let mut depth = None;
    loop {
        let (line, row_line) = match (lines.next(), rows.next()) {
            (None, None) => return Ok(check.report),
            (Some(line), Some(row_line)) => (line, row_line),
            (None, Some(_)) => return Err(rows.error("orderbook", "a row without a message")),
            (Some(_), None) => return Err(lines.error("messages", "a message without a row")),
        };
        let message = Message::parse(line).map_err(|problem| lines.error("messages", problem.text()))?;
        if !row.parse(row_line) {
            return Err(rows.error("orderbook", "not four whole numbers a level"));
        }
        if *depth.get_or_insert(row.depth()) != row.depth() {
            return Err(rows.error("orderbook", "another number of columns than the first row"));
        }
        check.step(&message, &row);
    }
}

/// Lines of bytes that are all there.
struct LineReader<'a> {
    rest: &'a [u8],
    total: usize,
    /// Where the last line began.
    at: usize,
    number: u64,
}

impl<'a> LineReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len(), at: 0, number: 0 }
    }

    /// The next line that is not empty.
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            self.at = self.total - self.rest.len();
            self.number += 1;
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            let (line, rest) = match end {
                Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    fn error(&self, file: &str, problem: &str) -> FeedError {
        FeedError { offset: self.at as u64, problem: format!("{file}, line {}: {problem}", self.number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(steps: &[(&str, &str)]) -> StepReport {
        let joined = |lines: Vec<&str>| lines.join("\n");
        let messages = joined(steps.iter().map(|step| step.0).collect());
        let orderbook = joined(steps.iter().map(|step| step.1).collect());
        check_day(messages.as_bytes(), orderbook.as_bytes()).unwrap()
    }

    const START: (&str, &str) = ("1,1,1,5,90,1", "100,5,90,5,101,6,89,6");

    #[test]
    fn right_steps_are_right_and_judged_as_far_as_is_seen() {
        let of_second = |message, row| {
            let report = report(&[START, (message, row)]);
            assert_eq!(report.mismatches, []);
            report.whole == 1
        };
        assert!(of_second("2,1,2,5,90,1", "100,5,90,10,101,6,89,6"), "joins a level");
        assert!(of_second("2,1,2,5,95,1", "100,5,95,5,101,6,90,5"), "a new best");
        assert!(of_second("2,1,2,5,80,1", "100,5,90,5,101,6,89,6"), "behind the published levels");
        assert!(of_second("2,2,2,1,100,-1", "100,4,90,5,101,6,89,6"), "a part is cancelled");
        assert!(of_second("2,5,0,1,95,-1", "100,5,90,5,101,6,89,6"), "a hidden order is executed");
        assert!(of_second("2,3,9,1,70,1", "100,5,90,5,101,6,89,6"), "deleted behind the published levels");
        assert!(!of_second("2,4,2,5,100,-1", "101,6,90,5,107,3,89,6"), "a level comes up");
    }

    #[test]
    fn where_fillers_show_that_nothing_is_behind_all_is_judged() {
        let start = ("1,1,1,5,90,1", "100,5,90,5,9999999999,0,-9999999999,0");
        let right = report(&[start, ("2,3,1,5,90,1", "100,5,-9999999999,0,9999999999,0,-9999999999,0")]);
        assert_eq!((right.whole, right.mismatched), (1, 0));
        let wrong = report(&[start, ("2,3,1,5,90,1", "100,5,80,3,9999999999,0,-9999999999,0")]);
        let want = Mismatch { row: 2, side: Side::Bid, level: 1, wanted: None, found: Some((80, 3)) };
        assert_eq!(wrong.mismatches, [want]);
    }

    #[test]
    fn a_wrong_row_is_named() {
        let of_second = |message, row| {
            let report = report(&[START, (message, row), ("3,5,0,1,95,-1", row)]);
            assert_eq!((report.rows, report.mismatched, report.mismatches.len()), (3, 1, 1));
            report.mismatches[0]
        };
        let (wanted, found) = (Some((100, 4)), Some((100, 3)));
        let want = Mismatch { row: 2, side: Side::Ask, level: 1, wanted, found };
        assert_eq!(of_second("2,2,2,1,100,-1", "100,3,90,5,101,6,89,6"), want);
        let (wanted, found) = (Some((101, 6)), Some((100, 5)));
        let want = Mismatch { row: 2, side: Side::Ask, level: 1, wanted, found };
        assert_eq!(of_second("2,3,2,5,100,-1", "100,5,90,5,101,6,89,6"), want);
        // Takes more than rests; takes from a price between two that rest.
        let (wanted, found) = (Some((101, 7)), Some((101, 6)));
        let want = Mismatch { row: 2, side: Side::Ask, level: 2, wanted, found };
        assert_eq!(of_second("2,4,2,7,101,-1", "100,5,90,5,102,6,89,6"), want);
        let (wanted, found) = (Some((95, 1)), Some((90, 5)));
        let want = Mismatch { row: 2, side: Side::Bid, level: 1, wanted, found };
        assert_eq!(of_second("2,3,2,1,95,1", "100,5,90,5,101,6,89,6"), want);
        // A level that came up from behind must be worse than those before it.
        let want = Mismatch { row: 2, side: Side::Ask, level: 2, wanted: None, found: Some((99, 1)) };
        let second = ("2,4,2,5,100,-1", "101,6,90,5,99,1,89,6");
        assert_eq!(report(&[START, second]).mismatches, [want]);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let problem = |messages: &str, orderbook: &str| {
            check_day(messages.as_bytes(), orderbook.as_bytes()).unwrap_err().to_string()
        };
        let (message, row) = ("1,1,1,5,90,1\n", "100,5,90,5\n");
        let twice = |line: &str| line.repeat(2);
        assert_eq!(problem(&twice(message), row), "byte 13: messages, line 2: a message without a row");
        assert_eq!(problem(message, &twice(row)), "byte 11: orderbook, line 2: a row without a message");
        assert_eq!(
            problem(&twice(message), "100,5,90,5\n100,5\n"),
            "byte 11: orderbook, line 2: not four whole numbers a level"
        );
        let wider = "100,5,90,5\n100,5,90,5,101,5,89,5\n";
        assert_eq!(
            problem(&twice(message), wider),
            "byte 11: orderbook, line 2: another number of columns than the first row"
        );
        assert_eq!(problem("1,9,1,5,90,1\n", row), "byte 0: messages, line 1: the type is none of 1 to 7");
    }
}
