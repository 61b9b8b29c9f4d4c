//! One instrument on two venues: what one sells below what the other buys at.
//!
//! Definition  bid(A) ≥ ask(B): locked where they are equal, crossed where the bid is higher; edge = bid − ask − both fees, size = the smaller
//! State       the last top of book of each venue, by exchange time
//! Age         a quote older than the stated age when the other one changes is stale: its venue may have gone silent, and what it shows is told
//!             apart and never counted as executable
//! Time        never goes back: a quote whose time is before its venue's last one is counted and left out
//! Cost        O(1) a quote, no allocation
//!
//! An episode begins with the quote that locks or crosses the venues and ends with the one that parts them.

/// Best bid and ask of one venue. A side that is not there has a size of zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopOfBook {
    /// Nanoseconds; both venues count from the same instant.
    pub time_ns: u64,
    /// Best bid, currency a unit.
    pub bid: f64,
    /// Units wanted there.
    pub bid_size: f64,
    /// Best ask.
    pub ask: f64,
    /// Units offered there.
    pub ask_size: f64,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossVenueConfig {
    /// Fee at each venue, as a part of the price (a rebate is below zero).
    pub fee_rate: [f64; 2],
    /// Fee at each venue, currency a unit.
    pub fee_per_unit: [f64; 2],
    /// Greatest age of the quote that did not change.
    pub max_age_ns: u64,
}

/// How two venues stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// Bid equals ask: nothing to be earned, and nothing moves until one gives way.
    Locked,
    /// Bid above ask.
    Crossed,
}

/// One moment at which buying on a venue and selling on the other pays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossVenueFinding {
    /// Time of the quote that showed it.
    pub time_ns: u64,
    /// Venue where it is bought; sold on the other.
    pub buy_venue: usize,
    /// Ask there.
    pub buy_price: f64,
    /// Bid on the other.
    pub sell_price: f64,
    /// Units: the smaller of both sizes.
    pub size: f64,
    /// Locked or crossed.
    pub market: Market,
    /// Bid less ask, currency a unit.
    pub edge: f64,
    /// The same less both fees.
    pub edge_after_fees: f64,
    /// Age of the older quote.
    pub age_ns: u64,
    /// Whether that is above what is allowed.
    pub is_stale: bool,
}

impl CrossVenueFinding {
    /// Whether fees leave something of a quote that is young enough.
    pub fn is_executable(&self) -> bool {
        !self.is_stale && self.edge_after_fees > 0.0 && self.size > 0.0
    }
}

/// A stretch of time over which the venues were locked or crossed in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// What began it.
    pub first: CrossVenueFinding,
    /// The moment of the greatest edge after fees among the executable ones; of all of them where none was.
    pub best: CrossVenueFinding,
    /// Time of the quote that ended it.
    pub end_ns: u64,
}

/// What a quote did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Update {
    /// The venues are locked or crossed.
    pub finding: Option<CrossVenueFinding>,
    /// An episode is over.
    pub ended: Option<Episode>,
}

/// Counts over all quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CrossVenueCounts {
    /// Quotes taken.
    pub quotes: u64,
    /// Left out: a time before the venue's last, a price that is not above zero, a size below zero, or a book crossed in itself.
    pub left_out: u64,
    /// Moments locked.
    pub locked: u64,
    /// Moments crossed.
    pub crossed: u64,
    /// Of both, those with a quote that is too old.
    pub stale: u64,
    /// Those that pay after fees, with quotes young enough.
    pub executable: u64,
}

/// Follows two venues.
#[derive(Clone, Debug)]
pub struct CrossVenue {
    config: CrossVenueConfig,
    tops: [Option<TopOfBook>; 2],
    running: Option<Episode>,
    counts: CrossVenueCounts,
}

impl CrossVenue {
    /// Nothing seen yet.
    pub fn new(config: CrossVenueConfig) -> Self {
        Self { config, tops: [None; 2], running: None, counts: CrossVenueCounts::default() }
    }

    /// Counts so far.
    pub fn counts(&self) -> CrossVenueCounts {
        self.counts
    }

    /// The next quote of a venue (0 or 1; any odd number is 1).
    pub fn quote(&mut self, venue: usize, top: TopOfBook) -> Update {
        let venue = venue & 1;
        let is_back = self.tops[venue].is_some_and(|last| top.time_ns < last.time_ns);
        if is_back || !is_book(&top) {
            self.counts.left_out += 1;
            return Update::default();
        }
        self.counts.quotes += 1;
        self.tops[venue] = Some(top);
        let finding = self.look();
        let mut ended = None;
        match (finding, &mut self.running) {
            (Some(finding), Some(running)) if finding.buy_venue == running.first.buy_venue => {
                if is_better(&finding, &running.best) {
                    running.best = finding;
                }
                running.end_ns = finding.time_ns;
            }
            (finding, running) => {
                let now_ns = self.tops.iter().flatten().map(|top| top.time_ns).max().unwrap_or_default();
                ended = running.take().map(|episode| Episode { end_ns: now_ns, ..episode });
                *running = finding.map(|finding| Episode { first: finding, best: finding, end_ns: finding.time_ns });
            }
        }
        Update { finding, ended }
    }

    /// The episode that is still running at the end of the feeds.
    pub fn finish(&mut self) -> Option<Episode> {
        self.running.take()
    }

    fn look(&mut self) -> Option<CrossVenueFinding> {
        let [Some(first), Some(second)] = self.tops else { return None };
        let tops = [first, second];
        let buy_venue = (0..2).find(|&venue| {
            let (there, other) = (&tops[venue], &tops[1 - venue]);
            there.ask_size > 0.0 && other.bid_size > 0.0 && other.bid >= there.ask
        })?;
        let sell_venue = 1 - buy_venue;
        let (buy_price, sell_price) = (tops[buy_venue].ask, tops[sell_venue].bid);
        let fee = |venue: usize, price: f64| self.config.fee_rate[venue] * price + self.config.fee_per_unit[venue];
        let edge = sell_price - buy_price;
        let age_ns = first.time_ns.abs_diff(second.time_ns);
        let finding = CrossVenueFinding {
            time_ns: first.time_ns.max(second.time_ns),
            buy_venue,
            buy_price,
            sell_price,
            size: tops[buy_venue].ask_size.min(tops[sell_venue].bid_size),
            market: if edge > 0.0 { Market::Crossed } else { Market::Locked },
            edge,
            edge_after_fees: edge - fee(buy_venue, buy_price) - fee(sell_venue, sell_price),
            age_ns,
            is_stale: age_ns > self.config.max_age_ns,
        };
        match finding.market {
            Market::Locked => self.counts.locked += 1,
            Market::Crossed => self.counts.crossed += 1,
        }
        self.counts.stale += u64::from(finding.is_stale);
        self.counts.executable += u64::from(finding.is_executable());
        Some(finding)
    }
}

fn is_better(a: &CrossVenueFinding, b: &CrossVenueFinding) -> bool {
    (a.is_executable(), a.edge_after_fees) > (b.is_executable(), b.edge_after_fees)
}

/// Whether the sides that are there can be traded at.
fn is_book(top: &TopOfBook) -> bool {
    let is_side =
        |price: f64, size: f64| size == 0.0 || (size > 0.0 && size.is_finite() && price > 0.0 && price.is_finite());
    let is_crossed = top.bid_size > 0.0 && top.ask_size > 0.0 && top.bid >= top.ask;
    is_side(top.bid, top.bid_size) && is_side(top.ask, top.ask_size) && !is_crossed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: CrossVenueConfig =
        CrossVenueConfig { fee_rate: [0.0005, 0.0], fee_per_unit: [0.0, 0.003], max_age_ns: 1_000 };

    fn top(time_ns: u64, bid: f64, bid_size: f64, ask: f64, ask_size: f64) -> TopOfBook {
        TopOfBook { time_ns, bid, bid_size, ask, ask_size }
    }

    #[test]
    fn a_planted_cross_is_found_with_its_edge_and_its_length() {
        let mut venues = CrossVenue::new(CONFIG);
        assert_eq!(venues.quote(0, top(100, 99.9, 5.0, 100.0, 7.0)), Update::default());
        assert_eq!(venues.quote(1, top(150, 99.8, 5.0, 99.95, 5.0)), Update::default());
        // Venue 1 now buys at 100.25 what venue 0 sells at 100.
        let finding = venues.quote(1, top(400, 100.25, 3.0, 100.3, 5.0)).finding.unwrap();
        assert_eq!((finding.buy_venue, finding.market, finding.size, finding.age_ns), (0, Market::Crossed, 3.0, 300));
        assert_eq!(finding.edge, 0.25);
        // Fees: 100 × 0.0005 there and 0.003 here.
        assert!((finding.edge_after_fees - 0.197).abs() < 1e-12 && finding.is_executable());
        // The same, seen when venue 0 is too old.
        let stale = venues.quote(1, top(2_000, 100.5, 3.0, 100.6, 5.0)).finding.unwrap();
        assert!(stale.is_stale && !stale.is_executable());
        let end = venues.quote(0, top(2_100, 100.4, 1.0, 100.55, 1.0));
        let episode = end.ended.unwrap();
        assert_eq!((episode.first.time_ns, episode.end_ns, end.finding), (400, 2_100, None));
        assert_eq!(episode.best, finding, "an executable moment is better than a stale one with a greater edge");
        let counts = CrossVenueCounts { quotes: 5, left_out: 0, locked: 0, crossed: 2, stale: 1, executable: 1 };
        assert_eq!((venues.counts(), venues.finish()), (counts, None));
    }

    #[test]
    fn a_locked_market_earns_nothing_and_bad_quotes_are_left_out() {
        let mut venues = CrossVenue::new(CrossVenueConfig { fee_rate: [0.0; 2], fee_per_unit: [0.0; 2], ..CONFIG });
        venues.quote(0, top(100, 99.0, 1.0, 100.0, 1.0));
        let locked = venues.quote(1, top(100, 100.0, 1.0, 101.0, 1.0)).finding.unwrap();
        assert_eq!((locked.market, locked.edge, locked.is_executable()), (Market::Locked, 0.0, false));
        // Nobody stands behind the bid: no lock.
        let update = venues.quote(1, top(110, 100.0, 0.0, 101.0, 1.0));
        assert!(update.finding.is_none() && update.ended.is_some());
        let bad = [
            top(90, 99.0, 1.0, 100.0, 1.0),
            top(200, f64::NAN, 1.0, 100.0, 1.0),
            top(200, 99.0, -1.0, 100.0, 1.0),
            top(200, 99.0, 1.0, f64::INFINITY, 1.0),
            top(200, 100.0, 1.0, 99.0, 1.0),
        ];
        for quote in bad {
            assert_eq!(venues.quote(1, quote), Update::default(), "{quote:?}");
        }
        assert_eq!((venues.counts().left_out, venues.counts().quotes), (5, 3));
    }

    proptest! {
        #[test]
        fn venues_around_one_price_never_cross(
            moves in prop::collection::vec((0..2_usize, 0.001..0.2_f64, 0..50_u64), 1..200),
        ) {
            let mut venues = CrossVenue::new(CONFIG);
            let mut time_ns = 0;
            for (venue, half, step) in moves {
                time_ns += step;
                // Both quote around 100, each with a spread of its own.
                let update = venues.quote(venue, top(time_ns, 100.0 - half, 1.0, 100.0 + half, 1.0));
                prop_assert_eq!(update, Update::default());
            }
        }

        #[test]
        fn what_is_found_is_what_the_last_two_quotes_say(
            moves in prop::collection::vec((0..2_usize, 95..105_i32, 1..4_i32, 0..3_u8, 0..2_000_u64), 1..200),
        ) {
            let mut venues = CrossVenue::new(CONFIG);
            let mut last: [Option<TopOfBook>; 2] = [None; 2];
            let mut time_ns = 0;
            for (venue, bid, spread, size, step) in moves {
                time_ns += step;
                let quote = top(time_ns, f64::from(bid), f64::from(size), f64::from(bid + spread), 2.0);
                let update = venues.quote(venue, quote);
                last[venue] = Some(quote);
                let expected = last[0].zip(last[1]).and_then(|(a, b)| {
                    let edges = [(0, b.bid - a.ask, b.bid_size.min(a.ask_size)), (1, a.bid - b.ask, a.bid_size.min(b.ask_size))];
                    edges.into_iter().find(|(_, edge, size)| *edge >= 0.0 && *size > 0.0)
                });
                prop_assert_eq!(update.finding.map(|found| (found.buy_venue, found.edge, found.size)), expected);
                if let Some(found) = update.finding {
                    prop_assert_eq!(found.is_stale, last[0].unwrap().time_ns.abs_diff(last[1].unwrap().time_ns) > 1_000);
                }
            }
        }
    }
}
