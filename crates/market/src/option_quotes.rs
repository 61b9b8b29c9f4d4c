//! The latest quotes of a feed's options, as the columns of a chain.

use jiff::Timestamp;
use zomma_base::{OccSymbol, Settlement, Status, root, time::new_york_local};

use crate::{
    chain::Quotes,
    event::{Body, Event, InstrumentId, NO_PRICE, Sink},
    instruments::{Instruments, OptionTerms},
};

/// Keeps the last quote of each side of each instrument.
///
/// ```
/// use zomma_market::{dbn::DbnDecoder, feed::Decoder as _, option_quotes::OptionQuotes};
///
/// let (mut decoder, mut latest) = (DbnDecoder::fragment(3)?, OptionQuotes::new());
/// decoder.feed(&[], &mut latest)?;
/// let chain = latest.chain(decoder.instruments(), "SPY");
/// assert!(chain.is_empty());
/// # Ok::<(), zomma_market::feed::FeedError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OptionQuotes {
    sides: Vec<[Option<(i64, u64)>; 2]>,
    time_ns: u64,
}

impl OptionQuotes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// When the latest event was received, in nanoseconds since the Unix epoch.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// The last bid and ask of an instrument, each its price in ticks and its size in lots.
    pub fn of(&self, instrument: InstrumentId) -> [Option<(i64, u64)>; 2] {
        self.sides.get(instrument.0 as usize).copied().unwrap_or_default()
    }

    /// A row for each option on an underlying whose terms are known and that was quoted, by number of instrument. A side without a quote is NaN.
    pub fn chain(&self, instruments: &Instruments, underlying: &str) -> Quotes {
        let mut quotes = Quotes { present: vec!["bid", "ask"], ..Quotes::default() };
        for (number, sides) in self.sides.iter().enumerate() {
            let id = InstrumentId(number as u32);
            let (Some(terms), Some(definition)) = (instruments.option(id), instruments.latest(id)) else { continue };
            if terms.underlying != underlying || sides.iter().all(Option::is_none) {
                continue;
            }
            let price = |side: Option<(i64, u64)>| side.map_or(f64::NAN, |(ticks, _)| definition.price(ticks));
            let symbol = OccSymbol::from_bytes(definition.symbol.as_bytes());
            let root = symbol.as_ref().map_or(underlying, OccSymbol::root);
            // Of others the instant of expiry says all.
            let settlement = if symbol.is_some() { root::settlement(root) } else { Settlement::Pm };
            let known = quotes.roots.iter().position(|known| known == root);
            let Ok(place) = u16::try_from(known.unwrap_or(quotes.roots.len())) else { continue };
            if known.is_none() {
                quotes.roots.push(root.to_owned());
            }
            let (expiry, status) = expiry_of(terms);
            quotes.source_row.push(number as u32 + 1);
            quotes.symbol.push(&definition.symbol);
            quotes.root.push(place);
            quotes.option_type.push(terms.option_type);
            quotes.strike.push(terms.strike());
            quotes.expiry.push(expiry);
            quotes.settlement.push(settlement);
            quotes.exercise_style.push(None);
            quotes.bid.push(price(sides[0]));
            quotes.ask.push(price(sides[1]));
            for absent in
                [&mut quotes.last, &mut quotes.volume, &mut quotes.open_interest, &mut quotes.vendor_implied_volatility]
            {
                absent.push(f64::NAN);
            }
            quotes.status.push(status);
        }
        quotes
    }
}

fn expiry_of(terms: &OptionTerms) -> (jiff::civil::DateTime, Status) {
    match Timestamp::from_nanosecond(i128::from(terms.expiry_ns)) {
        Ok(instant) => (new_york_local(instant), Status::Ok),
        Err(_) => (jiff::civil::DateTime::ZERO, Status::BadExpiry),
    }
}

impl Sink for OptionQuotes {
    fn event(&mut self, event: &Event) {
        self.time_ns = self.time_ns.max(event.receive_ns);
        let number = event.instrument.0 as usize;
        // Decoders number instruments from 0 on, so this is as long as their table.
        if number >= self.sides.len() {
            self.sides.resize(number + 1, [None; 2]);
        }
        match event.body {
            Body::Quote { side, price_ticks, size } => {
                self.sides[number][side as usize] = (price_ticks != NO_PRICE).then_some((price_ticks, size));
            }
            Body::Clear => self.sides[number] = [None; 2],
            _ => {}
        }
    }
}
