//! Messages of trades and of crosses to come: TotalView-ITCH 5.0, sections 1.5 to 1.8.

use super::field::{Field, Header, Stock, message};

message! {
    /// "P", Trade (not of a cross): an execution against an order that the book does not show.
    Trade, b'P', 44, {
        /// 0 since December 2010.
        order_reference: u64,
        /// The side of the hidden order; always "B" since July 2014, whatever the side was.
        side: u8,
        /// How many shares.
        shares: u32,
        /// The symbol.
        stock: Stock,
        /// The price, four decimals.
        price: u32,
        /// The number of the match.
        match_number: u64,
    }
}

message! {
    /// "Q", Cross Trade: all that a cross executed, in bulk.
    CrossTrade, b'Q', 40, {
        /// How many shares; 0 where there was no interest.
        shares: u64,
        /// The symbol.
        stock: Stock,
        /// The price of the cross, four decimals.
        price: u32,
        /// The number of the match.
        match_number: u64,
        /// "O" opening, "C" closing, "H" of an IPO or a halt, "I" intraday and post-close.
        cross_type: u8,
    }
}

message! {
    /// "B", Broken Trade: an execution was taken back. The book does not change.
    BrokenTrade, b'B', 19, {
        /// The number of the match.
        match_number: u64,
    }
}

message! {
    /// "I", Net Order Imbalance Indicator, before a cross.
    NetOrderImbalance, b'I', 50, {
        /// Shares that would match at the reference price.
        paired_shares: u64,
        /// Shares that would not.
        imbalance_shares: u64,
        /// "B" buy, "S" sell, "N" none, "O" too few orders to tell, "P" paused.
        imbalance_direction: u8,
        /// The symbol.
        stock: Stock,
        /// The price at which orders of the cross alone would clear, four decimals.
        far_price: u32,
        /// The price at which orders of the cross and the continuous book would clear, four decimals.
        near_price: u32,
        /// The price at which the figures above are told, four decimals.
        reference_price: u32,
        /// "O" opening, "C" closing, "H" of an IPO or a halt, "A" extended trading close.
        cross_type: u8,
        /// How far the near price is from the reference: "L", "1" to "9", "A" to "C", or a space.
        price_variation: u8,
    }
}

message! {
    /// "N", Retail Price Improvement Indicator.
    RetailInterest, b'N', 20, {
        /// The symbol.
        stock: Stock,
        /// "B" on the buy side, "S" on the sell side, "A" on both, "N" on none.
        interest: u8,
    }
}

message! {
    /// "O", Direct Listing with Capital Raise: the prices within which it may open.
    DirectListing, b'O', 48, {
        /// The symbol.
        stock: Stock,
        /// "Y" may be released for trading, "N" may not.
        open_eligibility: u8,
        /// The lowest price allowed, four decimals.
        minimum_price: u32,
        /// The highest price allowed, four decimals.
        maximum_price: u32,
        /// The reference price when the test of volatility was passed, four decimals.
        near_execution_price: u32,
        /// When that price was set.
        near_execution_time: u64,
        /// The lower collar, four decimals.
        lower_collar: u32,
        /// The upper collar, four decimals.
        upper_collar: u32,
    }
}
