//! Makes an ITCH feed of many stocks, message by message.
//!
//! Of the made feed's messages 46 % add an order (one in ten of them with attribution), 40 % delete one, 6 % execute, 4 % replace, 2 % cancel a
//! part and 2 % trade against a hidden order. Young orders go first, stocks differ in how busy they are (the busiest has about √stocks times
//! the mean), and prices lie around a mid that stays, dense near it.

use zomma_market::itch::{
    Header, Message, Stock, encode_framed,
    message::{
        AddAttributedOrder, AddOrder, OrderCancel, OrderDelete, OrderExecuted, OrderReplace, StockDirectory, Trade,
    },
};

/// Pseudo-random numbers of a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Seed(pub u64);

impl Seed {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// 0, 1, 2 and so on, each half as often as the one before it.
    fn halving(&mut self) -> usize {
        self.bits().trailing_zeros() as usize
    }
}

/// A resting order.
#[derive(Debug, Clone, Copy)]
struct Resting {
    reference: u64,
    shares: u32,
    side: u8,
}

/// How many orders rest in a stock's book at most, so that it stays as large as it is.
const MOST_RESTING: usize = 400;
/// Nanoseconds between two messages, in the mean.
const GAP_NS: usize = 20_000;
/// One cent.
const CENT: u32 = 100;

/// Makes messages of so many stocks, without end.
#[derive(Debug)]
pub struct Made {
    seed: Seed,
    stocks: Vec<Vec<Resting>>,
    time_ns: u64,
    next_reference: u64,
}

impl Made {
    /// A feed of so many stocks (below 65,535), and the directory messages that begin it.
    pub fn new(stocks: usize, seed: u64, out: &mut Vec<u8>) -> Self {
        let made =
            Self { seed: Seed(seed), stocks: vec![Vec::new(); stocks], time_ns: 34_200_000_000_000, next_reference: 1 };
        for place in 0..stocks {
            let directory = StockDirectory {
                header: made.header(place),
                stock: symbol(place),
                market_category: b'Q',
                financial_status: b'N',
                round_lot_shares: 100,
                round_lots_only: b'N',
                issue_classification: b'C',
                issue_sub_type: *b"Z ",
                authenticity: b'P',
                short_sale_threshold: b'N',
                ipo: b'N',
                luld_tier: b'1',
                etp: b'N',
                etp_leverage: 0,
                inverse: b'N',
            };
            encode_framed(&directory.into(), out);
        }
        made
    }

    /// Appends the next message.
    pub fn next(&mut self, out: &mut Vec<u8>) {
        let stocks = self.stocks.len();
        // The lesser a number the more often it is drawn: as the square of an even one.
        let even = self.seed.below(1 << 20);
        let place = (even * even * stocks) >> 40;
        self.time_ns += self.seed.below(2 * GAP_NS) as u64;
        let resting = self.stocks[place].len();
        let kind = self.seed.below(100);
        let message = match kind {
            _ if resting >= MOST_RESTING => self.delete(place),
            0..46 => self.add(place),
            98.. => self.hidden_trade(place),
            _ if resting == 0 => self.add(place),
            46..86 => self.delete(place),
            86..92 => self.execute(place),
            92..96 => self.replace(place),
            _ => self.cancel(place),
        };
        encode_framed(&message, out);
    }

    fn header(&self, place: usize) -> Header {
        Header { stock_locate: place as u16 + 1, tracking_number: 0, timestamp_ns: self.time_ns }
    }

    fn reference(&mut self) -> u64 {
        self.next_reference += 1 + self.seed.below(4) as u64;
        self.next_reference
    }

    /// A price of a side: one to some forty cents from the mid.
    fn price(&mut self, place: usize, side: u8) -> u32 {
        let mid = (20 + place as u32 % 300) * 10_000;
        let cents = 1 + 3 * self.seed.halving().min(12) as u32 + self.seed.below(3) as u32;
        if side == b'B' { mid - cents * CENT } else { mid + cents * CENT }
    }

    /// Of the orders that rest the youngest, or one a little older.
    fn young(&mut self, place: usize) -> usize {
        let resting = self.stocks[place].len();
        let age = self.seed.halving() * 8 + self.seed.below(8);
        resting - 1 - age.min(resting - 1)
    }

    fn add(&mut self, place: usize) -> Message {
        let side = [b'B', b'S'][self.seed.below(2)];
        let shares = 100 * (1 + self.seed.halving() as u32);
        let (reference, price) = (self.reference(), self.price(place, side));
        self.stocks[place].push(Resting { reference, shares, side });
        let (header, stock) = (self.header(place), symbol(place));
        if self.seed.below(10) == 0 {
            let attribution = *b"MAKR";
            return AddAttributedOrder { header, order_reference: reference, side, shares, stock, price, attribution }
                .into();
        }
        AddOrder { header, order_reference: reference, side, shares, stock, price }.into()
    }

    fn delete(&mut self, place: usize) -> Message {
        let order = self.young(place);
        let order = self.stocks[place].remove(order);
        OrderDelete { header: self.header(place), order_reference: order.reference }.into()
    }

    /// Takes a part of an order, or all of it.
    fn take(&mut self, place: usize, all: bool) -> (u64, u32) {
        let at = self.young(place);
        let order = &mut self.stocks[place][at];
        let shares = if all { order.shares } else { order.shares.min(50) };
        order.shares -= shares;
        let taken = (order.reference, shares);
        if order.shares == 0 {
            self.stocks[place].remove(at);
        }
        taken
    }

    fn execute(&mut self, place: usize) -> Message {
        let all = self.seed.below(2) == 0;
        let (order_reference, shares) = self.take(place, all);
        OrderExecuted { header: self.header(place), order_reference, shares, match_number: order_reference }.into()
    }

    fn cancel(&mut self, place: usize) -> Message {
        let (order_reference, shares) = self.take(place, false);
        OrderCancel { header: self.header(place), order_reference, shares }.into()
    }

    fn replace(&mut self, place: usize) -> Message {
        let at = self.young(place);
        let order = self.stocks[place].remove(at);
        let (reference, price) = (self.reference(), self.price(place, order.side));
        let shares = 100 * (1 + self.seed.halving() as u32);
        self.stocks[place].push(Resting { reference, shares, side: order.side });
        let header = self.header(place);
        let (original_order_reference, new_order_reference) = (order.reference, reference);
        OrderReplace { header, original_order_reference, new_order_reference, shares, price }.into()
    }

    fn hidden_trade(&mut self, place: usize) -> Message {
        let price = self.price(place, b'B');
        let (header, stock) = (self.header(place), symbol(place));
        Trade { header, order_reference: 0, side: b'B', shares: 10, stock, price, match_number: self.time_ns }.into()
    }
}

fn symbol(place: usize) -> Stock {
    Stock::new(&format!("S{place:05}")).expect("a symbol of six letters")
}
