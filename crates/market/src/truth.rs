//! Whether rebuilt books are right, by what else the same feed says: its quotes of the top, and that a trading book is not crossed.

use std::collections::{HashMap, VecDeque};

use crate::{
    book::{Book, Books},
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side},
};

/// Tops that wait for the feed's next quote, at most; the oldest is given up first.
const MOST_WAITING: usize = 1 << 16;
/// Differences that are kept with their values; the others are counted.
const MOST_SHOWN: usize = 10;

/// Price in ticks and size in lots of the best bid and ask; [`NO_PRICE`] and 0 where a side is empty.
pub type Top = [(i64, u64); 2];

/// A book's top.
fn top_of(book: &Book<'_>) -> Top {
    [Side::Bid, Side::Ask].map(|side| book.best(side).map_or((NO_PRICE, 0), |level| (level.price_ticks, level.size)))
}

/// One place where book and quote differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// The number of the update after which the book was looked at.
    pub sequence: u64,
    /// The book's top.
    pub book: Top,
    /// The feed's quote of it.
    pub quote: Top,
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuoteReport {
    /// Book updates that could be compared with a quote.
    pub compared: u64,
    /// Those that differ from it.
    pub different: u64,
    /// Updates that no quote could be compared with: none had come before, or none came after.
    pub without_quote: u64,
    /// The first differences.
    pub shown: Vec<Difference>,
}

/// Compares books that are built from changes of levels with quotes of the top that come in the same feed: after the update that ends with number
/// `u`, the book's top must be the last quote whose number is at or below `u`.
///
/// Quotes may come before or after the update that they belong to; an update is judged when the first quote past it has come.
#[derive(Debug, Clone, Default)]
pub struct QuoteCheck {
    instruments: HashMap<InstrumentId, Waiting>,
    report: QuoteReport,
}

/// What of one instrument is still needed.
#[derive(Debug, Clone, Default)]
struct Waiting {
    /// Quotes by their number: the last one that was compared with, and those after it.
    quotes: VecDeque<(u64, Top)>,
    /// Book updates, with the top after each, that no quote past them has come for.
    updates: VecDeque<(u64, Top)>,
}

impl QuoteCheck {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event that `books` has just applied.
    pub fn event(&mut self, event: &Event, books: &Books) {
        match event.body {
            Body::Quote { side, price_ticks, size } => {
                let waiting = self.instruments.entry(event.instrument).or_default();
                waiting.quote(event.sequence, side, (price_ticks, size));
                if event.flags.contains(Flags::LAST) {
                    waiting.judge(event.instrument, event.sequence, &mut self.report);
                }
            }
            Body::Level { .. } if event.flags.contains(Flags::LAST) => {
                let waiting = self.instruments.entry(event.instrument).or_default();
                if waiting.updates.len() == MOST_WAITING {
                    waiting.updates.pop_front();
                    self.report.without_quote += 1;
                }
                waiting.updates.push_back((event.sequence, top_of(&books.book(event.instrument))));
                let latest = waiting.quotes.back().map_or(0, |quote| quote.0);
                waiting.judge(event.instrument, latest, &mut self.report);
            }
            _ => {}
        }
    }

    /// What came of it, once the feed has ended. An update at the very number of the last quote is still judged; later ones have no quote past them.
    pub fn finish(mut self) -> QuoteReport {
        for (instrument, mut waiting) in self.instruments {
            let latest = waiting.quotes.back().map_or(0, |quote| quote.0);
            waiting.judge(instrument, latest.saturating_add(1), &mut self.report);
            self.report.without_quote += waiting.updates.len() as u64;
        }
        self.report.shown.sort_by_key(|difference| (difference.sequence, difference.instrument));
        self.report
    }
}

impl Waiting {
    /// Takes one side of a quote; the other side is what it was, where only one is told.
    fn quote(&mut self, sequence: u64, side: Side, told: (i64, u64)) {
        let before = self.quotes.back().copied();
        if before.is_none_or(|(number, _)| number != sequence) {
            if self.quotes.len() == MOST_WAITING {
                self.quotes.pop_front();
            }
            self.quotes.push_back((sequence, before.map_or([(NO_PRICE, 0); 2], |(_, top)| top)));
        }
        if let Some((_, top)) = self.quotes.back_mut() {
            top[side as usize] = told;
        }
    }

    /// Judges the updates whose number is below `latest`, that of the latest quote.
    fn judge(&mut self, instrument: InstrumentId, latest: u64, report: &mut QuoteReport) {
        while let Some((sequence, book)) = self.updates.front().copied().filter(|(sequence, _)| *sequence < latest) {
            self.updates.pop_front();
            while self.quotes.get(1).is_some_and(|(number, _)| *number <= sequence) {
                self.quotes.pop_front();
            }
            match self.quotes.front().copied().filter(|(number, _)| *number <= sequence) {
                Some((_, quote)) => {
                    report.compared += 1;
                    if book != quote {
                        report.different += 1;
                        if report.shown.len() < MOST_SHOWN {
                            report.shown.push(Difference { instrument, sequence, book, quote });
                        }
                    }
                }
                None => report.without_quote += 1,
            }
        }
    }
}

/// What came of looking for crossed books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrossReport {
    /// Times at which a book was looked at: after each of the venue's messages that left it whole and not empty.
    pub looked_at: u64,
    /// Of these, crossed before the instrument's first trade: an auction's book.
    pub crossed_before_first_trade: u64,
    /// Of these, crossed after it: the book is wrong, or the venue's.
    pub crossed_after_first_trade: u64,
    /// The number of the first event that left a book crossed after the first trade.
    pub first_crossed: Option<u64>,
}

/// Looks whether books are crossed, before and after the first trade of each instrument.
#[derive(Debug, Clone, Default)]
pub struct CrossCheck {
    has_traded: Vec<bool>,
    report: CrossReport,
}

impl CrossCheck {
    /// Nothing looked at yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event that `books` has just applied.
    pub fn event(&mut self, event: &Event, books: &Books) {
        let place = event.instrument.0 as usize;
        if matches!(event.body, Body::Trade { .. } | Body::Execute { .. }) && event.instrument.0 < books.instruments() {
            if self.has_traded.len() <= place {
                self.has_traded.resize(place + 1, false);
            }
            self.has_traded[place] = true;
        }
        let is_of_books = !matches!(event.body, Body::Definition | Body::Status(_) | Body::Quote { .. });
        if !is_of_books || !event.flags.contains(Flags::LAST) || event.flags.contains(Flags::SNAPSHOT) {
            return;
        }
        let book = books.book(event.instrument);
        if book.depth(Side::Bid) + book.depth(Side::Ask) == 0 {
            return;
        }
        self.report.looked_at += 1;
        if book.is_crossed() {
            if self.has_traded.get(place).copied().unwrap_or(false) {
                self.report.crossed_after_first_trade += 1;
                self.report.first_crossed.get_or_insert(event.sequence);
            } else {
                self.report.crossed_before_first_trade += 1;
            }
        }
    }

    /// What was seen.
    pub fn report(&self) -> CrossReport {
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, flags: Flags, body: Body) -> Event {
        Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument: InstrumentId(0), flags, body }
    }

    /// A book that follows levels, and what the check says of it.
    struct Feed {
        books: Books,
        quotes: QuoteCheck,
        crosses: CrossCheck,
    }

    impl Feed {
        fn new() -> Self {
            Self { books: Books::new(), quotes: QuoteCheck::new(), crosses: CrossCheck::new() }
        }

        fn tell(&mut self, sequence: u64, flags: Flags, body: Body) {
            let event = event(sequence, flags, body);
            self.books.apply(&event);
            self.quotes.event(&event, &self.books);
            self.crosses.event(&event, &self.books);
        }

        fn levels(&mut self, sequence: u64, bid: (i64, u64), ask: (i64, u64)) {
            self.tell(sequence, Flags(0), Body::Level { side: Side::Bid, price_ticks: bid.0, size: bid.1 });
            self.tell(sequence, Flags::LAST, Body::Level { side: Side::Ask, price_ticks: ask.0, size: ask.1 });
        }

        fn quote(&mut self, sequence: u64, bid: (i64, u64), ask: (i64, u64)) {
            self.tell(sequence, Flags(0), Body::Quote { side: Side::Bid, price_ticks: bid.0, size: bid.1 });
            self.tell(sequence, Flags::LAST, Body::Quote { side: Side::Ask, price_ticks: ask.0, size: ask.1 });
        }
    }

    #[test]
    fn an_update_is_judged_by_the_last_quote_at_or_below_it_whichever_came_first() {
        let mut feed = Feed::new();
        feed.levels(8, (99, 1), (101, 5));
        feed.quote(9, (99, 5), (101, 5));
        feed.levels(9, (99, 5), (101, 5));
        feed.quote(12, (99, 6), (101, 5));
        feed.quote(14, (99, 7), (101, 5));
        feed.levels(13, (99, 6), (101, 5));
        feed.levels(16, (99, 7), (101, 5));
        feed.quote(17, (99, 9), (101, 5));
        feed.levels(17, (99, 9), (101, 5));
        feed.levels(18, (99, 8), (101, 5));
        let report = feed.quotes.finish();
        // No quote came before 8, none after 18; 9, 13, 16 and 17 equal the quotes of 9, 12, 14 and 17.
        assert_eq!((report.compared, report.different, report.without_quote), (4, 0, 2), "{report:?}");
    }

    #[test]
    fn a_book_that_differs_is_counted_and_shown() {
        let mut feed = Feed::new();
        feed.quote(9, (99, 5), (101, 5));
        feed.levels(10, (99, 5), (101, 5));
        feed.levels(11, (98, 1), (101, 4));
        feed.quote(12, (99, 5), (101, 4));
        let report = feed.quotes.finish();
        assert_eq!((report.compared, report.different, report.without_quote), (2, 1, 0));
        let (book, quote) = ([(99, 5), (101, 4)], [(99, 5), (101, 5)]);
        assert_eq!(report.shown, [Difference { instrument: InstrumentId(0), sequence: 11, book, quote }]);
    }

    #[test]
    fn crossed_before_the_first_trade_is_an_auction_and_after_it_a_fault() {
        let mut feed = Feed::new();
        feed.levels(1, (102, 5), (101, 5));
        feed.tell(2, Flags::LAST, Body::Trade { resting_side: None, price_ticks: 101, size: 5 });
        feed.tell(3, Flags::LAST, Body::Level { side: Side::Bid, price_ticks: 102, size: 0 });
        feed.levels(4, (103, 5), (101, 5));
        let report = feed.crosses.report();
        assert_eq!((report.crossed_before_first_trade, report.crossed_after_first_trade), (1, 2));
        assert_eq!(report.first_crossed, Some(2));
    }
}
