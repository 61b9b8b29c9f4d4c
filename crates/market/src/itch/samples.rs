//! What tests share: messages of every type, a small generator of random numbers, and damage done to bytes.

use super::message::*;
use crate::event::{Event, Sink};

/// Midnight of 2012-06-21, New York.
pub const MIDNIGHT_NS: u64 = 1_340_251_200_000_000_000;

/// SplitMix64: the same numbers on every machine, for ever.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Flips bits, cuts off, cuts out, repeats or inserts, once to a few times.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let (from, to) = (self.below(bytes.len()), self.below(bytes.len()));
            let (from, to) = (from.min(to), from.max(to));
            match self.below(6) {
                0 | 1 => bytes[from] ^= 1 << self.below(8),
                2 => bytes[from] = self.next() as u8,
                3 => bytes.truncate(to.max(1)),
                4 => drop(bytes.drain(from..to.min(from + 40))),
                _ => {
                    let piece = bytes[from..to.min(from + 90)].to_vec();
                    let at = self.below(bytes.len());
                    bytes.splice(at..at, piece);
                }
            }
        }
    }
}

/// Events, and how many messages have ended: a sink that tells a message without events from none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub events: Vec<Event>,
    pub ended: u64,
}

impl Sink for Taken {
    fn event(&mut self, event: &Event) {
        self.events.push(*event);
    }

    fn message_end(&mut self, _: &crate::instruments::Instruments) {
        self.ended += 1;
    }
}

pub fn header(stock_locate: u16, timestamp_ns: u64) -> Header {
    Header { stock_locate, tracking_number: 0, timestamp_ns }
}

pub fn stock(symbol: &str) -> Stock {
    Stock::new(symbol).unwrap()
}

pub fn add(locate: u16, symbol: &str, order_reference: u64, side: u8, shares: u32, price: u32) -> Message {
    AddOrder { header: header(locate, 1), order_reference, side, shares, stock: stock(symbol), price }.into()
}

pub fn directory(locate: u16, symbol: &str) -> Message {
    StockDirectory {
        header: header(locate, 1),
        stock: stock(symbol),
        market_category: b'Q',
        financial_status: b'N',
        round_lot_shares: 100,
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo: b' ',
        luld_tier: b'1',
        etp: b'N',
        etp_leverage: 0,
        inverse: b'N',
    }
    .into()
}

/// A day in short: each type at least once, in an order that a venue could send.
pub fn day() -> Vec<Message> {
    let at = |timestamp_ns| header(1, timestamp_ns);
    let (aapl, halt) = (stock("AAPL"), *b"T1  ");
    let action = |time, trading_state| TradingAction {
        header: at(time),
        stock: aapl,
        trading_state,
        reserved: b' ',
        reason: halt,
    };
    vec![
        SystemEvent { header: header(0, 1), event_code: b'O' }.into(),
        directory(1, "AAPL"),
        directory(2, "AMZN"),
        action(2, b'T').into(),
        ShortSaleRestriction { header: at(3), stock: aapl, action: b'0' }.into(),
        ParticipantPosition {
            header: at(3),
            participant: *b"MAKR",
            stock: aapl,
            primary_market_maker: b'Y',
            mode: b'N',
            state: b'A',
        }
        .into(),
        CircuitBreakerLevels { header: header(0, 4), level_1: 1, level_2: 2, level_3: 3 }.into(),
        add(1, "AAPL", 10, b'B', 100, 5_859_000),
        add(2, "AMZN", 11, b'S', 300, 2_232_000),
        AddAttributedOrder {
            header: at(5),
            order_reference: 12,
            side: b'S',
            shares: 200,
            stock: aapl,
            price: 5_860_000,
            attribution: *b"MAKR",
        }
        .into(),
        IpoQuotingPeriod {
            header: at(5),
            stock: aapl,
            release_time_seconds: 34_200,
            release_qualifier: b'A',
            price: 1,
        }
        .into(),
        OrderExecuted { header: at(6), order_reference: 10, shares: 40, match_number: 1 }.into(),
        OrderExecutedWithPrice {
            header: at(7),
            order_reference: 12,
            shares: 50,
            match_number: 2,
            printable: b'Y',
            price: 5_859_500,
        }
        .into(),
        OrderExecutedWithPrice {
            header: at(8),
            order_reference: 12,
            shares: 50,
            match_number: 3,
            printable: b'N',
            price: 5_859_700,
        }
        .into(),
        CrossTrade { header: at(8), shares: 50, stock: aapl, price: 5_859_700, match_number: 3, cross_type: b'O' }
            .into(),
        CrossTrade { header: at(8), shares: 0, stock: aapl, price: 0, match_number: 4, cross_type: b'C' }.into(),
        OrderCancel { header: at(9), order_reference: 10, shares: 10 }.into(),
        OrderReplace {
            header: at(10),
            original_order_reference: 10,
            new_order_reference: 13,
            shares: 70,
            price: 5_859_100,
        }
        .into(),
        Trade {
            header: at(11),
            order_reference: 0,
            side: b'B',
            shares: 5,
            stock: aapl,
            price: 5_859_400,
            match_number: 5,
        }
        .into(),
        Trade {
            header: at(11),
            order_reference: 0,
            side: b'S',
            shares: 6,
            stock: aapl,
            price: 5_859_400,
            match_number: 6,
        }
        .into(),
        BrokenTrade { header: at(12), match_number: 5 }.into(),
        NetOrderImbalance {
            header: at(12),
            paired_shares: 1,
            imbalance_shares: 2,
            imbalance_direction: b'B',
            stock: aapl,
            far_price: 3,
            near_price: 4,
            reference_price: 5,
            cross_type: b'C',
            price_variation: b'L',
        }
        .into(),
        RetailInterest { header: at(12), stock: aapl, interest: b'A' }.into(),
        CircuitBreakerStatus { header: header(0, 13), breached_level: b'1' }.into(),
        action(14, b'H').into(),
        action(15, b'Q').into(),
        action(16, b'P').into(),
        AuctionCollar {
            header: at(16),
            stock: aapl,
            reference_price: 1,
            upper_collar: 2,
            lower_collar: 3,
            extensions: 0,
        }
        .into(),
        OperationalHalt { header: at(17), stock: aapl, market: b'Q', action: b'H' }.into(),
        DirectListing {
            header: at(17),
            stock: aapl,
            open_eligibility: b'N',
            minimum_price: 1,
            maximum_price: 2,
            near_execution_price: 3,
            near_execution_time: 4,
            lower_collar: 5,
            upper_collar: 6,
        }
        .into(),
        OrderDelete { header: at(18), order_reference: 13 }.into(),
    ]
}
