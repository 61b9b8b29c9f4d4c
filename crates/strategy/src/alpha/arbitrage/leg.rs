//! One trade of a package.

use zomma_base::OptionType;

use super::quotes::{Level, QuoteState, Rung};

/// What is traded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instrument {
    /// An option.
    Option {
        /// Row of the chain.
        row: usize,
        /// Call or put.
        option_type: OptionType,
        /// Strike.
        strike: f64,
        /// Index of the expiry.
        expiry: usize,
    },
    /// The underlying.
    Stock,
    /// A forward on it for the expiry; its price is paid then.
    Forward {
        /// Index of the expiry.
        expiry: usize,
    },
    /// Money at the expiry: bought is lent, sold is borrowed. At a price of 1 it is on demand.
    Cash {
        /// Index of the expiry.
        expiry: usize,
    },
}

/// Bought or sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// At the ask.
    Buy,
    /// At the bid.
    Sell,
}

impl Side {
    /// +1 for what is held, −1 for what is owed.
    #[inline]
    pub fn sign(self) -> f64 {
        match self {
            Self::Buy => 1.0,
            Self::Sell => -1.0,
        }
    }

    /// The name that outputs print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// One trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    /// What.
    pub instrument: Instrument,
    /// Bought or sold.
    pub side: Side,
    /// Executable price, currency a share.
    pub price: f64,
    /// Traded for each unit of the package: contracts, shares over the multiplier, or currency a share of cash at expiry.
    pub quantity: f64,
    /// What the quantity has become at expiry: more than it where dividends are reinvested.
    pub delivered: f64,
    /// Contracts (shares over the multiplier) that are there at this price; `None` where the data do not say, infinite for cash.
    pub size: Option<f64>,
    /// What is known against the quote.
    pub state: QuoteState,
}

impl Leg {
    /// An option bought at its ask or sold at its bid; `None` where that side is not there.
    pub(super) fn option(rung: &Rung, side: Side, quantity: f64, expiry: usize) -> Option<Self> {
        let level = match side {
            Side::Buy => rung.ask,
            Side::Sell => rung.bid,
        }?;
        let state =
            if rung.state == QuoteState::Live && level.size == Some(0.0) { QuoteState::ZeroSize } else { rung.state };
        Some(Self {
            instrument: Instrument::Option {
                row: rung.row,
                option_type: rung.option_type,
                strike: rung.strike,
                expiry,
            },
            side,
            price: level.price,
            quantity,
            delivered: quantity,
            size: level.size,
            state,
        })
    }

    /// Shares (`quantity` of them a share of a contract) that are `delivered` at expiry.
    pub(super) fn stock(level: Level, side: Side, quantity: f64, delivered: f64, multiplier: f64) -> Self {
        Self::hedge(Instrument::Stock, level, side, [quantity, delivered], multiplier)
    }

    /// A forward.
    pub(super) fn forward(level: Level, side: Side, expiry: usize, multiplier: f64) -> Self {
        Self::hedge(Instrument::Forward { expiry }, level, side, [1.0; 2], multiplier)
    }

    fn hedge(
        instrument: Instrument,
        level: Level,
        side: Side,
        [quantity, delivered]: [f64; 2],
        multiplier: f64,
    ) -> Self {
        let state = if level.size == Some(0.0) { QuoteState::ZeroSize } else { QuoteState::Live };
        Self {
            instrument,
            side,
            price: level.price,
            quantity,
            delivered,
            size: level.size.map(|shares| shares / multiplier),
            state,
        }
    }

    /// Money at expiry: lent (bought) or borrowed (sold).
    pub(super) fn cash(side: Side, face: f64, price: f64, expiry: usize) -> Self {
        Self {
            instrument: Instrument::Cash { expiry },
            side,
            price,
            quantity: face,
            delivered: face,
            size: Some(f64::INFINITY),
            state: QuoteState::Live,
        }
    }

    /// What it costs now; below zero where it brings money in. A forward costs nothing.
    pub fn cost(&self) -> f64 {
        match self.instrument {
            Instrument::Forward { .. } => 0.0,
            _ => self.side.sign() * self.quantity * self.price,
        }
    }
}
