//! Messages of orders: TotalView-ITCH 5.0, sections 1.3 (adding) and 1.4 (changing).

use super::field::{Field, Header, Stock, message};

message! {
    /// "A", Add Order without attribution: a new order rests in the book.
    AddOrder, b'A', 36, {
        /// The order's number, unique in the day.
        order_reference: u64,
        /// "B" buy, "S" sell.
        side: u8,
        /// How many shares.
        shares: u32,
        /// The symbol.
        stock: Stock,
        /// The price, four decimals.
        price: u32,
    }
}

message! {
    /// "F", Add Order with attribution: a new order of a market participant who shows its name.
    AddAttributedOrder, b'F', 40, {
        /// The order's number, unique in the day.
        order_reference: u64,
        /// "B" buy, "S" sell.
        side: u8,
        /// How many shares.
        shares: u32,
        /// The symbol.
        stock: Stock,
        /// The price, four decimals.
        price: u32,
        /// The market participant.
        attribution: [u8; 4],
    }
}

message! {
    /// "E", Order Executed at the order's own price.
    OrderExecuted, b'E', 31, {
        /// The resting order.
        order_reference: u64,
        /// How many shares were executed.
        shares: u32,
        /// The number of the match.
        match_number: u64,
    }
}

message! {
    /// "C", Order Executed at a price other than the order's own.
    OrderExecutedWithPrice, b'C', 36, {
        /// The resting order.
        order_reference: u64,
        /// How many shares were executed.
        shares: u32,
        /// The number of the match.
        match_number: u64,
        /// "Y" counts as a trade; "N" does not, since a cross reports it in bulk.
        printable: u8,
        /// The price of the execution, four decimals.
        price: u32,
    }
}

message! {
    /// "X", Order Cancel: some shares of an order are taken away.
    OrderCancel, b'X', 23, {
        /// The order.
        order_reference: u64,
        /// How many shares are taken away.
        shares: u32,
    }
}

message! {
    /// "D", Order Delete: all that is left of an order is taken away.
    OrderDelete, b'D', 19, {
        /// The order.
        order_reference: u64,
    }
}

message! {
    /// "U", Order Replace: an order gets another number, price and size, and goes last. Its side and stock stay.
    OrderReplace, b'U', 35, {
        /// The order that goes.
        original_order_reference: u64,
        /// The number of the order that takes its place.
        new_order_reference: u64,
        /// How many shares it has.
        shares: u32,
        /// Its price, four decimals.
        price: u32,
    }
}
