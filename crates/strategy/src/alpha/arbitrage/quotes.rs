//! Quotes as they can be traded.

use zomma_base::{ExerciseStyle, OptionType};

/// One side of a market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Currency a share.
    pub price: f64,
    /// Contracts (of the hedge: shares) that are there; `None` where the data do not say.
    pub size: Option<f64>,
}

/// What is known against a quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteState {
    /// Nothing.
    #[default]
    Live,
    /// Nobody stands behind the side that is traded: its size is zero.
    ZeroSize,
    /// It repeats an older one.
    Stale,
    /// Its bid is above its ask.
    Crossed,
}

/// The market of one option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionQuote {
    /// Row of the chain, for the reader.
    pub row: usize,
    /// Call or put.
    pub option_type: OptionType,
    /// Strike, above zero.
    pub strike: f64,
    /// Where it can be sold; a price above zero.
    pub bid: Option<Level>,
    /// Where it can be bought; a price above zero.
    pub ask: Option<Level>,
    /// What is known against it.
    pub state: QuoteState,
}

/// What one unit of currency at expiry costs now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CashQuote {
    /// What borrowing brings: e^{−r T} at the rate that is paid.
    pub borrow: f64,
    /// What lending costs: e^{−r T} at the rate that is earned.
    pub lend: f64,
}

impl CashQuote {
    /// Cash at a continuously compounded rate, borrowed and lent half of `spread` worse.
    pub fn at(rate: f64, spread: f64, years: f64) -> Self {
        Self { borrow: (-(rate + 0.5 * spread) * years).exp(), lend: (-(rate - 0.5 * spread) * years).exp() }
    }
}

/// What the underlying can be traded at against the options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hedge {
    /// The stock itself.
    Stock {
        /// Where it can be sold.
        bid: Level,
        /// Where it can be bought.
        ask: Level,
        /// Continuous dividend yield that a holder gets and a short seller pays: an assumption.
        dividend_yield: f64,
    },
    /// A forward or future for the expiry, in units of a share; it costs nothing to enter.
    Forward {
        /// Where it can be sold.
        bid: Level,
        /// Where it can be bought.
        ask: Level,
    },
}

/// The markets of one expiry.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpiryQuotes {
    /// ACT/365F years, above zero.
    pub years: f64,
    /// Exercise style of the options.
    pub exercise_style: ExerciseStyle,
    /// Borrowing and lending; without it nothing that needs a rate is looked for.
    pub cash: Option<CashQuote>,
    /// Against which parity is looked for.
    pub hedge: Option<Hedge>,
    /// Forward and discount factor that tie this expiry to the others (the calendar's carry): an assumption, not a quote.
    pub carry: Option<[f64; 2]>,
    /// The options, in any order; one quote an option.
    pub options: Vec<OptionQuote>,
}

/// One option of a ladder, with the sides that may be traded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rung {
    pub row: usize,
    pub option_type: OptionType,
    pub strike: f64,
    pub bid: Option<Level>,
    pub ask: Option<Level>,
    pub state: QuoteState,
}

/// Calls and puts of one expiry by ascending strike.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    pub calls: Vec<Rung>,
    pub puts: Vec<Rung>,
}

/// A strike where call and put are both quoted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub call: Rung,
    pub put: Rung,
}

impl Ladder {
    /// The options of an expiry: all of them, or those alone against which nothing is known.
    pub fn new(expiry: &ExpiryQuotes, only_live: bool) -> Self {
        let mut ladder = Self::default();
        let is_tradable = |level: &Level| level.price > 0.0 && level.price.is_finite();
        let is_live = |level: &Level| !only_live || level.size != Some(0.0);
        for quote in &expiry.options {
            let is_strike = quote.strike.is_finite() && quote.strike > 0.0;
            if !is_strike || (only_live && quote.state != QuoteState::Live) {
                continue;
            }
            let side = |level: Option<Level>| level.filter(is_tradable).filter(is_live);
            let rung = Rung {
                row: quote.row,
                option_type: quote.option_type,
                strike: quote.strike,
                bid: side(quote.bid),
                ask: side(quote.ask),
                state: quote.state,
            };
            match quote.option_type {
                OptionType::Call => ladder.calls.push(rung),
                OptionType::Put => ladder.puts.push(rung),
            }
        }
        for rungs in [&mut ladder.calls, &mut ladder.puts] {
            rungs.sort_by(|a, b| a.strike.total_cmp(&b.strike));
        }
        ladder
    }

    /// The strikes where both are quoted.
    pub fn pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::with_capacity(self.calls.len().min(self.puts.len()));
        let mut puts = self.puts.iter().peekable();
        for call in &self.calls {
            while puts.next_if(|put| put.strike < call.strike).is_some() {}
            if let Some(put) = puts.next_if(|put| put.strike == call.strike) {
                pairs.push(Pair { call: *call, put: *put });
            }
        }
        pairs
    }
}
