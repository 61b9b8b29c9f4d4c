//! The stream of a recorded feed on its way into books: what was asked for is picked out as it passes.

use zomma_market::{
    book::Books,
    event::{Body, Event, Flags, InstrumentId, Side, Sink, Step},
    instruments::Instruments,
    truth::{CrossCheck, QuoteCheck},
};

use super::{latency::Latency, moment::Moment, rows::Rows};
use crate::feed::{Listener, Note};

const DAY_NS: u64 = 86_400_000_000_000;

/// Books of a feed with what was asked for.
pub struct Replay {
    /// The books as they stand now.
    pub books: Books,
    /// Messages that have passed.
    pub messages: u64,
    /// Events that have passed.
    pub events: u64,
    /// Of these, trades and executions.
    pub trades: u64,
    /// The earliest and the latest time that the exchange told, in nanoseconds since the Unix epoch.
    pub span_ns: Option<(u64, u64)>,
    /// Times of single messages.
    pub latency: Latency,
    /// Levels after given message counts.
    pub rows: Option<Rows>,
    /// Moments at which the top is wanted, in order.
    pub moments: Moments,
    /// What the feed has beside its messages.
    pub notes: Vec<Note>,
    /// The books against the feed's own word.
    pub checks: Option<(QuoteCheck, CrossCheck)>,
}

impl Replay {
    /// Into these books, which are empty.
    pub fn new(books: Books, rows: Option<Rows>, moments: Moments, is_checked: bool) -> Self {
        Self {
            books,
            messages: 0,
            events: 0,
            trades: 0,
            span_ns: None,
            latency: Latency::new(),
            rows,
            moments,
            notes: Vec::new(),
            checks: is_checked.then(Default::default),
        }
    }
}

impl Listener for Replay {
    /// Writes the rows that are due before any message.
    fn begin(&mut self, instruments: &Instruments) {
        if let Some(rows) = &mut self.rows {
            rows.after(0, &self.books, instruments);
        }
    }

    fn interrupted(&mut self) {
        self.latency.interrupted();
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn is_done(&self) -> bool {
        self.rows.as_ref().is_some_and(Rows::has_failed)
    }
}

impl Sink for Replay {
    fn event(&mut self, event: &Event) {
        let has_time = !event.flags.contains(Flags::BAD_TIME);
        if has_time {
            self.moments.before(event, &self.books);
        }
        if event.flags.contains(Flags::LAST) {
            self.moments.message_end();
        }
        self.books.apply(event);
        self.events += 1;
        self.trades += u64::from(matches!(event.body, Body::Trade { .. } | Body::Execute { .. }));
        if has_time {
            let time_ns = event.exchange_ns;
            let (first, last) = self.span_ns.unwrap_or((time_ns, time_ns));
            self.span_ns = Some((first.min(time_ns), last.max(time_ns)));
        }
        if let Some((quotes, crosses)) = &mut self.checks {
            quotes.event(event, &self.books);
            crosses.event(event, &self.books);
        }
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.messages += 1;
        self.latency.message_end();
        if let Some(rows) = &mut self.rows {
            rows.after(self.messages, &self.books, instruments);
        }
    }

    fn looks_ahead(&self) -> bool {
        self.books.looks_ahead()
    }

    #[inline]
    fn ahead(&self, step: Step, instrument: InstrumentId, known: u64) -> u64 {
        self.books.ahead(step, instrument, known)
    }
}

/// Tops at given moments.
pub struct Moments {
    asked: Vec<Moment>,
    day_ns: Option<u64>,
    wanted_ns: Vec<u64>,
    /// For each moment that has come: the moment and the top of every instrument.
    pub tops: Vec<(u64, Vec<TopLine>)>,
    /// The latest time that is believed.
    latest_ns: Option<u64>,
    /// The last event's time where it is more than a day ahead.
    doubted: Option<Doubted>,
}

/// A time that the next message has to confirm.
struct Doubted {
    time_ns: u64,
    /// Whether its own message has ended, whose other events say nothing new.
    has_ended: bool,
    /// The tops before it.
    tops: Vec<TopLine>,
}

/// The top of one instrument's book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopLine {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Price in ticks and size in lots of the best bid and ask, where there are any.
    pub sides: [Option<(i64, u64)>; 2],
}

impl Moments {
    /// The moments that were asked for; times of day are of the day that begins at `day_ns`, else of the first event's day in UTC.
    pub fn new(asked: &[Moment], day_ns: Option<u64>) -> Self {
        Self { asked: asked.to_vec(), day_ns, wanted_ns: Vec::new(), tops: Vec::new(), latest_ns: None, doubted: None }
    }

    /// An event is about to be applied: the moments before it see the books as they are.
    fn before(&mut self, event: &Event, books: &Books) {
        if !self.asked.is_empty() {
            let day_ns = self.day_ns.unwrap_or(event.exchange_ns / DAY_NS * DAY_NS);
            self.wanted_ns = self.asked.drain(..).map(|moment| moment.instant_ns(day_ns)).collect();
            self.wanted_ns.sort_unstable();
        }
        let time_ns = event.exchange_ns;
        let is_far = self.latest_ns.is_some_and(|latest_ns| time_ns.saturating_sub(latest_ns) > DAY_NS);
        match self.doubted.take() {
            Some(doubted) if doubted.time_ns.abs_diff(time_ns) <= DAY_NS => {
                if !doubted.has_ended {
                    self.doubted = Some(doubted);
                    return;
                }
                while let Some(wanted_ns) = self.next_before(doubted.time_ns) {
                    self.tops.push((wanted_ns, doubted.tops.clone()));
                }
            }
            _ if is_far => {
                let tops = if self.next_before(time_ns).is_some() { tops(books) } else { Vec::new() };
                self.doubted = Some(Doubted { time_ns, has_ended: false, tops });
                return;
            }
            _ => {}
        }
        self.latest_ns = self.latest_ns.max(Some(time_ns));
        while let Some(wanted_ns) = self.next_before(time_ns) {
            self.tops.push((wanted_ns, tops(books)));
        }
    }

    /// The message of the event that was told last ends with it.
    fn message_end(&mut self) {
        if let Some(doubted) = &mut self.doubted {
            doubted.has_ended = true;
        }
    }

    /// The next moment, where it is before a time.
    fn next_before(&self, time_ns: u64) -> Option<u64> {
        self.wanted_ns.get(self.tops.len()).copied().filter(|wanted_ns| *wanted_ns < time_ns)
    }

    /// The feed has ended: the moments that have not come see the books as they ended.
    pub fn end(&mut self, books: &Books) {
        while let Some(&wanted_ns) = self.wanted_ns.get(self.tops.len()) {
            self.tops.push((wanted_ns, tops(books)));
        }
    }
}

/// The top of every instrument that has a level or a quote.
pub fn tops(books: &Books) -> Vec<TopLine> {
    let sides = |id: InstrumentId| {
        let book = books.book(id);
        [Side::Bid, Side::Ask].map(|side| {
            let level = book.best(side).map(|level| (level.price_ticks, level.size));
            level.or_else(|| book.quote(side))
        })
    };
    let lines =
        (0..books.instruments()).map(InstrumentId).map(|instrument| TopLine { instrument, sides: sides(instrument) });
    lines.filter(|line| line.sides.iter().any(Option::is_some)).collect()
}

#[cfg(test)]
mod tests {
    use zomma_market::event::{Body, Flags};

    use super::*;

    /// The best bid at each moment, of books whose bid grows by a tick with each event; events of one time in a row are of one message.
    fn bids(times_ns: &[u64], wanted_ns: &[u64]) -> Vec<Option<i64>> {
        let (asked, tops) = (Vec::new(), Vec::new());
        let wanted_ns = wanted_ns.to_vec();
        let mut moments = Moments { asked, day_ns: None, wanted_ns, tops, latest_ns: None, doubted: None };
        let mut books = Books::new();
        for (place, time_ns) in times_ns.iter().enumerate() {
            let body = Body::Level { side: Side::Bid, price_ticks: place as i64 + 1, size: 1 };
            let is_last = times_ns.get(place + 1) != Some(time_ns);
            let (instrument, flags) = (InstrumentId(0), if is_last { Flags::LAST } else { Flags(0) });
            let (exchange_ns, receive_ns) = (*time_ns, *time_ns);
            let event = Event { exchange_ns, receive_ns, sequence: 1, instrument, flags, body };
            moments.before(&event, &books);
            if is_last {
                moments.message_end();
            }
            books.apply(&event);
        }
        moments.end(&books);
        let bid = |(_, tops): &(u64, Vec<TopLine>)| Some(tops.first()?.sides[0]?.0);
        moments.tops.iter().map(bid).collect()
    }

    #[test]
    fn a_clock_that_jumps_takes_no_moment_and_a_pause_of_days_does() {
        // One event far ahead is not believed: what is asked of later sees what came until then.
        assert_eq!(bids(&[10, 20, 9 * DAY_NS, 30, 40], &[15, 35]), [Some(1), Some(4)]);
        // Nor is one message, of however many events.
        assert_eq!(bids(&[10, 20, 9 * DAY_NS, 9 * DAY_NS, 30, 40], &[15, 35]), [Some(1), Some(5)]);
        // The next confirms it: the moments of the pause see the book before it.
        let monday_ns = 3 * DAY_NS;
        let times_ns = [10, 20, monday_ns, monday_ns + 5, monday_ns + 9];
        assert_eq!(bids(&times_ns, &[15, 2 * DAY_NS, monday_ns + 2, monday_ns + 7]), [1, 2, 3, 4].map(Some));
        // A pause in which no moment lies is one too.
        assert_eq!(bids(&times_ns, &[monday_ns + 7]), [Some(4)]);
        // At the end of the feed nothing confirms it.
        assert_eq!(bids(&[10, 20, 9 * DAY_NS], &[2 * DAY_NS]), [Some(3)]);
    }
}
