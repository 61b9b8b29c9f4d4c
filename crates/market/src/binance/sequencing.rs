//! Which depth updates may be applied, and when: the venue's rule for keeping a local order book.
//!
//! Source: "How to manage a local order book correctly", Spot and USDⓈ-M Futures WebSocket market streams. Updates are kept until a snapshot
//! comes; those that end at or before its `lastUpdateId` are dropped; each one behind must follow on the one before: on spot `U` is the `u`
//! before plus 1, on futures `pu` is the `u` before. Where the ids of two messages overlap (a second connection, a snapshot taken within a
//! message), nothing is missing, since levels are absolute: only ids that no message has are a break.
//!
//! After a break the venue says to ask for a snapshot. Until it comes updates are given further, the first with
//! [`Flags::GAP`](crate::event::Flags::GAP): most of the book mends itself, and a file of which a message is lost stays of use. They are kept
//! too, since the snapshot may be older than the latest of them. A first snapshot that is older than all updates, of which the venue says to ask
//! for another, is used in the same way: the break behind it is told.

use std::collections::VecDeque;

use super::message::Level;

/// How many levels wait for a snapshot at most, one instrument's.
const MOST_HELD_LEVELS: usize = 1 << 20;

/// A depth update without its levels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    /// `U`.
    pub first: u64,
    /// `u`.
    pub last: u64,
    /// `pu`, on futures.
    pub previous: Option<u64>,
    /// When the exchange says that it happened; `None` where it does not.
    pub exchange_ns: Option<u64>,
    /// When it was received.
    pub receive_ns: u64,
}

impl Update {
    /// Whether no update lies between `before` and this one.
    fn follows(&self, before: u64) -> bool {
        match self.previous {
            Some(previous) => previous <= before,
            None => self.first <= before.saturating_add(1),
        }
    }
}

/// Whether a book can be trusted, and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookState {
    /// No snapshot has come yet: updates are kept, not given. Ask for a snapshot.
    AwaitingSnapshot,
    /// Snapshot and updates without a break.
    Live,
    /// An update was lost: the book may be wrong. Ask for a snapshot.
    Broken,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It waits for a snapshot.
    Held,
    /// It has nothing that the book does not know.
    Old,
    /// Apply it.
    Next,
    /// Apply it, but something before it is missing.
    Gap,
}

/// What became of a snapshot.
#[derive(Debug)]
pub(super) enum Snapshot {
    /// The book is newer, or the snapshot is older than what was lost.
    Old,
    /// Apply it, and then these updates, each of which has passed [`Sequencing::update`].
    Apply(Vec<(Update, Verdict, Vec<Level>)>),
}

/// Where one instrument's book stands.
#[derive(Debug)]
pub(super) struct Sequencing {
    state: BookState,
    /// The last update that has been applied.
    last: u64,
    /// Updates that a snapshot may need, with how many of `held_levels` each has.
    held: VecDeque<(Update, usize)>,
    held_levels: VecDeque<Level>,
    /// Updates that came before the first snapshot, also those of them that are held no longer; 0 once it has come.
    withheld: u64,
}

impl Sequencing {
    pub fn new() -> Self {
        let (held, held_levels) = (VecDeque::new(), VecDeque::new());
        Self { state: BookState::AwaitingSnapshot, last: 0, held, held_levels, withheld: 0 }
    }

    pub fn state(&self) -> BookState {
        self.state
    }

    pub fn last_update(&self) -> u64 {
        self.last
    }

    pub fn held_updates(&self) -> usize {
        self.held.len()
    }

    /// How many updates came and were not given, since no snapshot has come.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Takes an update.
    pub fn update(&mut self, update: Update, levels: &[Level]) -> Verdict {
        if self.state == BookState::AwaitingSnapshot {
            self.hold(update, levels);
            self.withheld += 1;
            return Verdict::Held;
        }
        if update.last <= self.last {
            return Verdict::Old;
        }
        let follows = update.follows(self.last);
        if !follows {
            self.state = BookState::Broken;
        }
        if self.state == BookState::Broken {
            self.hold(update, levels);
        }
        self.last = update.last;
        if follows { Verdict::Next } else { Verdict::Gap }
    }

    /// Takes a snapshot that holds every update up to `last`.
    pub fn snapshot(&mut self, last: u64) -> Snapshot {
        let needed = self.held.iter().find(|(update, _)| update.last > last);
        let old = match self.state {
            BookState::AwaitingSnapshot => false,
            BookState::Live => last <= self.last,
            // One that is older than what was lost mends nothing.
            BookState::Broken => needed.is_some_and(|(update, _)| !update.follows(last)),
        };
        if old {
            return Snapshot::Old;
        }
        self.state = BookState::Live;
        self.last = last;
        self.withheld = 0;
        let (held, mut held_levels) = (std::mem::take(&mut self.held), std::mem::take(&mut self.held_levels));
        let mut released = Vec::new();
        for (update, count) in held {
            let levels: Vec<Level> = held_levels.drain(..count).collect();
            match self.update(update, &levels) {
                Verdict::Held | Verdict::Old => {}
                verdict => released.push((update, verdict, levels)),
            }
        }
        Snapshot::Apply(released)
    }

    /// Keeps an update for a snapshot. Where too many wait the older ones are dropped: a snapshot that is asked for now is newer than they are.
    fn hold(&mut self, update: Update, levels: &[Level]) {
        if self.held_levels.len() + self.held.len() + levels.len() > MOST_HELD_LEVELS {
            self.held.clear();
            self.held_levels.clear();
        }
        self.held.push_back((update, levels.len()));
        self.held_levels.extend(levels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;

    fn spot(first: u64, last: u64) -> Update {
        Update { first, last, previous: None, exchange_ns: None, receive_ns: 0 }
    }

    fn futures(previous: u64, first: u64, last: u64) -> Update {
        Update { previous: Some(previous), ..spot(first, last) }
    }

    fn released(sequencing: &mut Sequencing, last: u64) -> Vec<(u64, Verdict)> {
        match sequencing.snapshot(last) {
            Snapshot::Old => vec![(0, Verdict::Old)],
            Snapshot::Apply(updates) => updates.iter().map(|(update, verdict, _)| (update.last, *verdict)).collect(),
        }
    }

    #[test]
    fn spot_updates_wait_for_the_snapshot_and_follow_it() {
        let mut book = Sequencing::new();
        for update in [spot(1, 5), spot(6, 9), spot(10, 12)] {
            assert_eq!(book.update(update, &[]), Verdict::Held);
        }
        assert_eq!((book.state(), book.held_updates()), (BookState::AwaitingSnapshot, 3));
        assert_eq!(released(&mut book, 7), [(9, Verdict::Next), (12, Verdict::Next)]);
        assert_eq!(book.update(spot(13, 13), &[]), Verdict::Next);
        assert_eq!(book.update(spot(11, 13), &[]), Verdict::Old);
        assert_eq!(book.update(spot(12, 15), &[]), Verdict::Next);
        assert_eq!((book.state(), book.last_update(), book.held_updates()), (BookState::Live, 15, 0));
    }

    #[test]
    fn futures_updates_name_the_one_before() {
        let mut book = Sequencing::new();
        book.update(futures(90, 100, 110), &[]);
        assert_eq!(released(&mut book, 105), [(110, Verdict::Next)]);
        // Ids skip on futures: only `pu` tells.
        assert_eq!(book.update(futures(110, 130, 140), &[]), Verdict::Next);
        assert_eq!(book.update(futures(141, 150, 160), &[]), Verdict::Gap);
        assert_eq!(book.state(), BookState::Broken);
    }

    #[test]
    fn a_break_is_mended_by_a_snapshot_that_is_new_enough_and_by_no_other() {
        let mut book = Sequencing::new();
        assert_eq!(released(&mut book, 10), []);
        assert_eq!(book.update(spot(13, 14), &[]), Verdict::Gap);
        assert_eq!(book.update(spot(15, 20), &[]), Verdict::Next);
        assert_eq!(released(&mut book, 11), [(0, Verdict::Old)]);
        assert_eq!(book.state(), BookState::Broken);
        assert_eq!(released(&mut book, 12), [(14, Verdict::Next), (20, Verdict::Next)]);
        assert_eq!(book.state(), BookState::Live);
        assert_eq!(released(&mut book, 20), [(0, Verdict::Old)]);
    }

    #[test]
    fn a_first_snapshot_that_is_too_old_is_used_and_the_break_is_told() {
        let mut book = Sequencing::new();
        book.update(spot(100, 110), &[]);
        book.update(spot(111, 120), &[]);
        assert_eq!(released(&mut book, 50), [(110, Verdict::Gap), (120, Verdict::Next)]);
        assert_eq!((book.state(), book.held_updates()), (BookState::Broken, 2));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut book = Sequencing::new();
        let levels = vec![Level { side: Side::Bid, price_ticks: 1, size: 1 }; MOST_HELD_LEVELS / 2];
        for number in 0..5 {
            book.update(spot(number, number), &levels);
            assert!(book.held_levels.len() <= MOST_HELD_LEVELS);
        }
        assert_eq!(book.withheld(), 5, "those that were dropped count too");
        assert_eq!(released(&mut book, 3), [(4, Verdict::Next)]);
        assert_eq!(book.withheld(), 0);
    }
}
