//! Features of one instrument, from the events of a feed.

use super::{
    FeatureSet,
    depths::{DepthStream, Times},
};
use crate::{
    book::Books,
    event::{Event, InstrumentId},
};

/// Keeps the book of one instrument, and gives it and its trades to a set of features.
///
/// A trade is given before the book that it left behind. Executions that the venue reports again in bulk
/// ([`Flags::NON_PRINTABLE`](crate::event::Flags::NON_PRINTABLE)) change the book and are no trades. A book is given when the venue's message that
/// changed it has ended ([`Flags::LAST`](crate::event::Flags::LAST)), with its best levels.
///
/// Where the feed lost something ([`Flags::GAP`](crate::event::Flags::GAP)) or fills the book anew from a snapshot, what changed since the last book is no flow, return or step
/// of one event: features of differences begin anew there, and keep their windows.
///
/// Time never steps back, and one event cannot move it on by more than a day: such a time counts as that of the event before, until the next event
/// that tells a time confirms it with one within a day of it.
pub struct FeatureStream {
    depths: DepthStream,
    set: FeatureSet,
}

impl FeatureStream {
    /// Features of an instrument, from so many levels of its book.
    pub fn new(set: FeatureSet, instrument: InstrumentId, levels: usize) -> Self {
        Self { depths: DepthStream::new(instrument, levels), set }
    }

    /// The same, on these times.
    pub fn on(self, times: Times) -> Self {
        Self { depths: self.depths.on(times), ..self }
    }

    /// Takes the next event; whether it brought the values up to date.
    pub fn event(&mut self, event: &Event) -> bool {
        let Self { depths, set } = self;
        let mut is_up_to_date = false;
        depths.event(event, &mut |next| is_up_to_date |= set.take(next));
        is_up_to_date
    }

    /// Moves on to a time at which nothing was told ([`FeatureSet::advance`]).
    pub fn advance(&mut self, time_ns: u64) {
        self.depths.advance(time_ns);
        self.set.advance(time_ns);
    }

    /// The time of the values: the latest that was told, and that is believed.
    pub fn time_ns(&self) -> Option<u64> {
        self.depths.time_ns()
    }

    /// The time that the next event would be taken to have, were it to tell this one: a leap of more than a day is believed once a second event
    /// confirms it.
    pub fn would_be_ns(&self, time_ns: u64) -> u64 {
        self.depths.would_be_ns(time_ns)
    }

    /// How many events told a time more than a day after the one before, which nothing had confirmed; the first event after a weekend is one.
    pub fn unbelieved_times(&self) -> u64 {
        self.depths.unbelieved_times()
    }

    /// The features.
    pub fn set(&self) -> &FeatureSet {
        &self.set
    }

    /// The book.
    pub fn books(&self) -> &Books {
        self.depths.books()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Body, Flags, NO_PRICE, Side},
        features::Trade,
    };

    fn tell(stream: &mut FeatureStream, flags: Flags, body: Body) -> bool {
        stream.event(&Event { exchange_ns: 5, receive_ns: 5, sequence: 1, instrument: InstrumentId(3), flags, body })
    }

    fn stream(features: &str) -> FeatureStream {
        FeatureStream::new(FeatureSet::parse(features).unwrap(), InstrumentId(3), 5)
    }

    #[test]
    fn a_row_comes_when_the_message_has_ended() {
        let mut stream = stream("spread,bid_depth:5");
        let add = |order_id, side, price_ticks| Body::Add { order_id, side, price_ticks, size: 30 };
        assert!(!tell(&mut stream, Flags(0), add(1, Side::Bid, 100)));
        assert!(tell(&mut stream, Flags::LAST, add(2, Side::Ask, 102)));
        assert_eq!(stream.set().values(), [Some(2.0), Some(30.0)]);
        let other = Event {
            exchange_ns: 6,
            receive_ns: 6,
            sequence: 2,
            instrument: InstrumentId(0),
            flags: Flags::LAST,
            body: add(9, Side::Bid, 101),
        };
        assert!(!stream.event(&other));
        assert_eq!(stream.set().values()[0], Some(2.0));
    }

    #[test]
    fn an_execution_is_a_trade_at_its_orders_price_and_one_of_a_cross_is_none() {
        let mut stream = stream("mid");
        for (order_id, price_ticks) in [(1, 100), (2, 104)] {
            tell(&mut stream, Flags::LAST, Body::Add { order_id, side: Side::Bid, price_ticks, size: 30 });
        }
        let event = |flags, body| {
            let instrument = InstrumentId(3);
            Event { exchange_ns: 5, receive_ns: 5, sequence: 1, instrument, flags, body }
        };
        let trade = |price_ticks, resting_side| Some(Trade { time_ns: 5, price_ticks, size: 10, resting_side });
        let execute = |order_id, price_ticks| Body::Execute { order_id, size: 10, price_ticks };
        let of_order = stream.depths.trade(&event(Flags::LAST, execute(2, NO_PRICE)), 5);
        assert_eq!(of_order, trade(104, Some(Side::Bid)));
        assert_eq!(stream.depths.trade(&event(Flags::LAST, execute(1, 99)), 5), trade(99, Some(Side::Bid)));
        let too_much = Body::Execute { order_id: 1, size: u64::MAX, price_ticks: NO_PRICE };
        let left = Trade { time_ns: 5, price_ticks: 100, size: 30, resting_side: Some(Side::Bid) };
        assert_eq!(stream.depths.trade(&event(Flags::LAST, too_much), 5), Some(left));
        assert_eq!(stream.depths.trade(&event(Flags::LAST | Flags::NON_PRINTABLE, execute(1, 90)), 5), None);
        let told = Body::Trade { resting_side: None, price_ticks: 101, size: 10 };
        assert_eq!(stream.depths.trade(&event(Flags::LAST, told), 5), trade(101, None));
    }

    #[test]
    fn a_feed_of_quotes_alone_has_its_quotes_as_the_book() {
        let mut stream = stream("spread");
        tell(&mut stream, Flags(0), Body::Quote { side: Side::Bid, price_ticks: 100, size: 5 });
        assert!(tell(&mut stream, Flags::LAST, Body::Quote { side: Side::Ask, price_ticks: 103, size: 5 }));
        assert_eq!(stream.set().values(), [Some(3.0)]);
        // Once levels are told, quotes beside them are not the book.
        tell(&mut stream, Flags::LAST, Body::Level { side: Side::Bid, price_ticks: 101, size: 5 });
        assert!(!tell(&mut stream, Flags::LAST, Body::Quote { side: Side::Bid, price_ticks: 102, size: 5 }));
        assert_eq!(stream.set().values(), [None]);
    }

    #[test]
    fn a_time_that_the_exchange_did_not_tell_is_that_of_the_event_before() {
        let mut stream = stream("spread");
        let mut at = |exchange_ns, flags| {
            let body = Body::Level { side: Side::Bid, price_ticks: 100, size: 5 };
            stream.event(&Event { exchange_ns, receive_ns: 9, sequence: 1, instrument: InstrumentId(3), flags, body });
            stream.time_ns()
        };
        assert_eq!(at(50, Flags::LAST | Flags::BAD_TIME), None);
        assert_eq!(at(10, Flags::LAST), Some(10));
        assert_eq!(at(60, Flags::LAST | Flags::BAD_TIME), Some(10));
        assert_eq!(at(20, Flags::LAST), Some(20));
    }

    #[test]
    fn a_time_far_ahead_is_believed_once_the_next_confirms_it() {
        const DAY_NS: u64 = 86_400_000_000_000;
        let mut stream = stream("ofi:10s");
        let mut at = |exchange_ns, flags, size| {
            let body = Body::Level { side: Side::Bid, price_ticks: 100, size };
            stream.event(&Event { exchange_ns, receive_ns: 9, sequence: 1, instrument: InstrumentId(3), flags, body });
            (stream.time_ns().unwrap(), stream.unbelieved_times(), stream.set().values()[0].unwrap())
        };
        assert_eq!(at(1_000, Flags::LAST, 5), (1_000, 0, 0.0));
        assert_eq!(at(u64::MAX, Flags::LAST, 8), (1_000, 1, 3.0), "it counts as the time before");
        assert_eq!(at(2_000, Flags::LAST, 9), (2_000, 1, 4.0), "and the window goes on");
        assert_eq!(at(1_500, Flags::LAST, 10), (2_000, 1, 5.0), "a step back counts as the latest time");
        assert_eq!(at(2_000 + 11_000_000_000, Flags::LAST, 11), (11_000_002_000, 1, 1.0), "the window still moves on");
        let far_ns = 11_000_002_000 + DAY_NS;
        assert_eq!(at(far_ns, Flags::LAST, 12), (far_ns, 1, 1.0), "a day is believed");
        // One time refutes another, and one that is not told does neither.
        assert_eq!(at(far_ns + 3 * DAY_NS, Flags::LAST, 12).1, 2);
        assert_eq!(at(far_ns + 9 * DAY_NS, Flags::LAST, 12), (far_ns, 3, 1.0));
        assert_eq!(at(5, Flags::LAST | Flags::BAD_TIME, 13), (far_ns, 3, 2.0));
        assert_eq!(at(far_ns + 8 * DAY_NS, Flags::LAST, 14), (far_ns + 8 * DAY_NS, 3, 1.0));
    }

    #[test]
    fn what_a_loss_hid_is_the_flow_or_the_return_of_no_event() {
        // Intervals of a second, each with a trade and a book after it. Before the loss the mid is 101, in the snapshot 201.
        let minute_ns = 60_000_000_000u64;
        let told = |gap: bool, anew: Flags| {
            let mut stream = stream("ofi:10s,ofi_level:10s:2,realised_variance:1s:4,kyle:1s:3,effective_spread");
            let mut now_ns = minute_ns;
            let mut tell = |flags, body| {
                now_ns += 250_000_000;
                let instrument = InstrumentId(3);
                stream.event(&Event { exchange_ns: now_ns, receive_ns: 5, sequence: 1, instrument, flags, body });
                stream.set().values().to_vec()
            };
            let level = |side, price_ticks, size| Body::Level { side, price_ticks, size };
            for size in [5, 6, 7, 8, 9, 10, 11, 12] {
                tell(Flags::LAST, level(Side::Bid, 100, size));
                tell(Flags::LAST, level(Side::Ask, 102, 5));
                tell(Flags::LAST, Body::Trade { resting_side: Some(Side::Ask), price_ticks: 102, size });
            }
            if gap {
                tell(Flags::GAP, Body::Status(crate::event::TradingStatus::Trading));
            }
            tell(anew, Body::Clear);
            tell(anew, level(Side::Bid, 200, 900));
            let fresh = tell(anew | Flags::LAST, level(Side::Ask, 202, 5));
            for size in [901, 902, 903, 904, 905, 906, 907] {
                tell(Flags::LAST, level(Side::Bid, 200, size));
                tell(Flags::LAST, Body::Trade { resting_side: Some(Side::Ask), price_ticks: 202, size });
            }
            (fresh, tell(Flags::LAST, level(Side::Bid, 200, 908)))
        };
        for gap in [false, true] {
            let (fresh, later) = told(gap, Flags::SNAPSHOT);
            // The window holds what flowed before: 7 lots to the bid and 5 to the ask, and none of the 900.
            assert_eq!(fresh[0], Some(2.0), "gap {gap}");
            // 8 more came to the bid, the ask's 5 have left the window, and the mid never moved.
            assert_eq!((later[0], later[2]), (Some(15.0), Some(0.0)), "gap {gap}");
            assert_eq!(later[3], None, "gap {gap}: a mid that never moved has no lambda");
            assert_eq!(later[4], Some(2.0));
        }
        // A book that is emptied and filled by events of the market is what happened.
        let (fresh, later) = told(false, Flags(0));
        assert!(fresh[0].unwrap() > 800.0 && later[2].unwrap() > 0.1, "{fresh:?} {later:?}");
    }
}
