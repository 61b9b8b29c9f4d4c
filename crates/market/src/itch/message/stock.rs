//! Messages of the session and of a stock: TotalView-ITCH 5.0, sections 1.1 and 1.2.

use super::field::{Field, Header, Stock, message};

message! {
    /// "S", System Event: the day begins, trading begins, and so on.
    SystemEvent, b'S', 12, {
        /// "O" start of messages, "S" start of system hours, "Q" start of market hours, "M" end of market hours, "E" end of system hours,
        /// "C" end of messages.
        event_code: u8,
    }
}

message! {
    /// "R", Stock Directory: a stock that may be traded today, and its locate.
    StockDirectory, b'R', 39, {
        /// The symbol.
        stock: Stock,
        /// Where it is listed: "Q" Nasdaq Global Select, "N" NYSE and so on.
        market_category: u8,
        /// Whether its company meets the listing's requirements: "N" it does, "D" deficient and so on.
        financial_status: u8,
        /// How many shares are a round lot.
        round_lot_shares: u32,
        /// "Y" takes orders of round lots alone.
        round_lots_only: u8,
        /// What it is: "C" common stock, "Q" fund and so on.
        issue_classification: u8,
        /// What it is, in two letters.
        issue_sub_type: [u8; 2],
        /// "P" live, "T" test.
        authenticity: u8,
        /// Whether its short sales must be closed out: "Y", "N" or a space.
        short_sale_threshold: u8,
        /// "Y" set up for release from an IPO, "N" not, or a space.
        ipo: u8,
        /// The tier of its limit-up limit-down bands: "1", "2" or a space.
        luld_tier: u8,
        /// "Y" an exchange-traded product, "N" not, or a space.
        etp: u8,
        /// How many times the index an exchange-traded product moves.
        etp_leverage: u32,
        /// "Y" moves against its index, "N" with it.
        inverse: u8,
    }
}

message! {
    /// "H", Stock Trading Action: trading of the stock is halted, or goes on.
    TradingAction, b'H', 25, {
        /// The symbol.
        stock: Stock,
        /// "H" halted everywhere, "P" paused, "Q" quotes alone are taken before a cross, "T" trades.
        trading_state: u8,
        /// Nothing.
        reserved: u8,
        /// Why, in four letters.
        reason: [u8; 4],
    }
}

message! {
    /// "Y", Reg SHO: whether short sales are restricted.
    ShortSaleRestriction, b'Y', 20, {
        /// The symbol.
        stock: Stock,
        /// "0" none, "1" since a fall today, "2" still.
        action: u8,
    }
}

message! {
    /// "L", Market Participant Position: how a market maker stands in a stock.
    ParticipantPosition, b'L', 26, {
        /// The market participant.
        participant: [u8; 4],
        /// The symbol.
        stock: Stock,
        /// "Y" the primary market maker, "N" not.
        primary_market_maker: u8,
        /// "N" normal, "P" passive, "S" syndicate and so on.
        mode: u8,
        /// "A" active, "E" excused, "W" withdrawn, "S" suspended, "D" deleted.
        state: u8,
    }
}

message! {
    /// "V", Market-Wide Circuit Breaker Decline Levels of the day.
    CircuitBreakerLevels, b'V', 35, {
        /// The first level, eight decimals.
        level_1: u64,
        /// The second level, eight decimals.
        level_2: u64,
        /// The third level, eight decimals.
        level_3: u64,
    }
}

message! {
    /// "W", Market-Wide Circuit Breaker Status: a level was breached.
    CircuitBreakerStatus, b'W', 12, {
        /// "1", "2" or "3".
        breached_level: u8,
    }
}

message! {
    /// "K", Quoting Period Update of an IPO.
    IpoQuotingPeriod, b'K', 28, {
        /// The symbol.
        stock: Stock,
        /// When quotes are taken, in seconds since midnight.
        release_time_seconds: u32,
        /// "A" expected, "C" cancelled or postponed.
        release_qualifier: u8,
        /// The price of the IPO, four decimals.
        price: u32,
    }
}

message! {
    /// "J", Limit Up – Limit Down Auction Collar: the prices within which a pause's auction may match.
    AuctionCollar, b'J', 35, {
        /// The symbol.
        stock: Stock,
        /// What the collars are reckoned from, four decimals.
        reference_price: u32,
        /// The upper collar, four decimals.
        upper_collar: u32,
        /// The lower collar, four decimals.
        lower_collar: u32,
        /// How often the auction was extended.
        extensions: u32,
    }
}

message! {
    /// "h", Operational Halt: one market of the operator's stops trading a stock, or goes on.
    OperationalHalt, b'h', 21, {
        /// The symbol.
        stock: Stock,
        /// "Q" Nasdaq, "B" BX, "X" PSX.
        market: u8,
        /// "H" halted, "T" goes on.
        action: u8,
    }
}
