//! Which instrument a publisher's number means, and when.

use std::collections::HashMap;

use ::dbn::{Metadata, Publisher, SType};

use crate::{
    event::InstrumentId,
    instruments::{Definition, Instruments, OptionTerms},
};

/// A tick is the unit of DBN's prices: 10^−9. The venue's own increment would not do: trades between two of them are common.
const TICK_NANOS: i64 = 1;
/// Sizes are whole shares or contracts.
const LOT_NANOS: i64 = 1_000_000_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// What is known of instruments. One symbol of one publisher is one instrument, whatever its numbers were over time.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    pub instruments: Instruments,
    names: HashMap<u32, Vec<Name>>,
    /// By the feed's number, since a new name makes all that it meant void.
    resolved: HashMap<u32, Vec<Resolved>>,
    /// Those of the records before, each at the place of its number: a stream of many instruments goes from one to the other with every record.
    recent: Recent,
    /// Its instruments have the plain symbols.
    first_publisher: Option<u16>,
    /// The venue's price increment by instrument; 0 where it is not known.
    increments_nanos: Vec<i64>,
}

/// A name, and when it holds.
#[derive(Debug, PartialEq)]
struct Name {
    from_ns: u64,
    until_ns: u64,
    symbol: String,
}

/// What numbers meant last, in a table without collisions resolved: the later one stays. Empty until it is used.
#[derive(Debug, Default)]
struct Recent(Vec<Option<(u32, Resolved)>>);

impl Recent {
    /// A power of two: 4,096 times 40 bytes are in the second cache, and options come in their thousands.
    const PLACES: usize = 4_096;

    /// Where a number stands: multiplied by an odd number near 2^32 divided by the golden ratio, numbers that lie close or apart by powers of two
    /// spread (Knuth, The Art of Computer Programming, volume 3, section 6.4).
    #[inline]
    fn place(number: u32) -> usize {
        (number.wrapping_mul(2_654_435_769) >> (32 - Self::PLACES.trailing_zeros())) as usize
    }

    #[inline]
    fn get(&self, number: u32) -> Option<&Resolved> {
        match self.0.get(Self::place(number)) {
            Some(Some((known, resolved))) if *known == number => Some(resolved),
            _ => None,
        }
    }

    fn set(&mut self, number: u32, resolved: Resolved) {
        if self.0.is_empty() {
            self.0 = vec![None; Self::PLACES];
        }
        self.0[Self::place(number)] = Some((number, resolved));
    }

    fn forget(&mut self, number: u32) {
        if self.get(number).is_some() {
            self.0[Self::place(number)] = None;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Resolved {
    publisher: u16,
    id: InstrumentId,
    from_ns: u64,
    until_ns: u64,
}

impl Resolved {
    #[inline]
    fn holds(&self, publisher: u16, time_ns: u64) -> bool {
        self.publisher == publisher && self.from_ns <= time_ns && time_ns <= self.until_ns
    }
}

impl Symbols {
    /// Takes the mappings of a header: from symbols to numbers, or back. What an earlier header's numbers meant is void; its instruments stay.
    pub fn take_metadata(&mut self, metadata: &Metadata) {
        self.names.clear();
        self.resolved.clear();
        self.recent = Recent::default();
        for mapping in &metadata.mappings {
            for interval in &mapping.intervals {
                let (number, symbol) = if metadata.stype_out == SType::InstrumentId {
                    (&interval.symbol, &mapping.raw_symbol)
                } else {
                    (&mapping.raw_symbol, &interval.symbol)
                };
                // Neither is a number where the mapping is between symbols: nothing to know then.
                let Ok(number) = number.parse::<u32>() else { continue };
                // A continuous contract is another instrument after each roll.
                let is_continuous = metadata.stype_in == Some(SType::Continuous);
                let symbol = if is_continuous { format!("{symbol}#{number}") } else { symbol.clone() };
                let nanos = |seconds: i64| u64::try_from(i128::from(seconds) * NANOS_PER_SECOND).unwrap_or(0);
                let from_ns = nanos(interval.start_date.midnight().assume_utc().unix_timestamp());
                let end_ns = nanos(interval.end_date.midnight().assume_utc().unix_timestamp());
                let name = Name { from_ns, until_ns: end_ns.saturating_sub(1), symbol };
                self.names.entry(number).or_default().push(name);
            }
        }
    }

    /// Takes a name that the stream itself tells: it holds from now on.
    pub fn name(&mut self, number: u32, symbol: &str) {
        let name = Name { from_ns: 0, until_ns: u64::MAX, symbol: symbol.into() };
        let names = self.names.entry(number).or_default();
        if *names != [name] {
            *names = vec![Name { from_ns: 0, until_ns: u64::MAX, symbol: symbol.into() }];
            self.resolved.remove(&number);
            self.recent.forget(number);
        }
    }

    /// The instrument that a publisher's number means at a time.
    #[inline]
    pub fn resolve(&mut self, publisher: u16, number: u32, time_ns: u64) -> InstrumentId {
        match self.recent.get(number) {
            Some(resolved) if resolved.holds(publisher, time_ns) => resolved.id,
            _ => self.look_up(publisher, number, time_ns),
        }
    }

    /// The instrument that a number probably means, as far as the records before tell; one that there is not where they do not.
    #[inline(always)]
    pub fn likely(&self, number: u32) -> InstrumentId {
        self.recent.get(number).map_or(InstrumentId(u32::MAX), |resolved| resolved.id)
    }

    fn look_up(&mut self, publisher: u16, number: u32, time_ns: u64) -> InstrumentId {
        let known = self.resolved.entry(number).or_default();
        let resolved = match known.iter().find(|known| known.holds(publisher, time_ns)) {
            Some(resolved) => *resolved,
            None => {
                let name = self
                    .names
                    .get(&number)
                    .and_then(|names| names.iter().find(|name| name.from_ns <= time_ns && time_ns <= name.until_ns));
                // A number without a name keeps to itself, and is looked up again only for a time at which it has one.
                let (symbol, from_ns, until_ns) = match name {
                    Some(name) => (name.symbol.clone(), name.from_ns, name.until_ns),
                    None if self.names.contains_key(&number) => (format!("#{number}"), time_ns, time_ns),
                    None => (format!("#{number}"), 0, u64::MAX),
                };
                let first_publisher = *self.first_publisher.get_or_insert(publisher);
                let symbol = if publisher == first_publisher { symbol } else { of_venue(&symbol, publisher) };
                let terms = OptionTerms::of_symbol(name.map_or("", |name| &name.symbol));
                let id = self.instruments.define(Definition {
                    symbol,
                    tick_nanos: TICK_NANOS,
                    lot_nanos: LOT_NANOS,
                    valid_from_ns: 0,
                });
                if let Some(terms) = terms {
                    self.instruments.set_option(id, terms);
                }
                let resolved = Resolved { publisher, id, from_ns, until_ns };
                if from_ns < until_ns {
                    known.push(resolved);
                }
                resolved
            }
        };
        self.recent.set(number, resolved);
        resolved.id
    }

    /// Keeps the venue's price increment.
    pub fn set_increment(&mut self, id: InstrumentId, nanos: i64) {
        let index = id.0 as usize;
        if self.increments_nanos.len() <= index {
            self.increments_nanos.resize(index + 1, 0);
        }
        self.increments_nanos[index] = nanos;
    }

    /// The venue's price increment, where a definition told it.
    pub fn increment(&self, id: InstrumentId) -> Option<i64> {
        self.increments_nanos.get(id.0 as usize).copied().filter(|&nanos| nanos > 0)
    }
}

/// The symbol at another venue than the stream's first: its book is another one.
fn of_venue(symbol: &str, publisher: u16) -> String {
    match Publisher::try_from(publisher) {
        Ok(publisher) => format!("{symbol}@{}", publisher.venue()),
        Err(_) => format!("{symbol}@{publisher}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(symbols: &mut Symbols, publisher: u16, number: u32, time_ns: u64) -> String {
        let id = symbols.resolve(publisher, number, time_ns);
        symbols.instruments.latest(id).unwrap().symbol.clone()
    }

    #[test]
    fn a_number_means_what_it_is_called_at_the_time() {
        let mut symbols = Symbols::default();
        let name = |from_ns, until_ns, symbol: &str| Name { from_ns, until_ns, symbol: symbol.into() };
        symbols.names.insert(5, vec![name(100, 199, "ESH4"), name(200, 299, "ESM4")]);
        symbols.names.insert(6, vec![name(200, 299, "ESH4")]);
        assert_eq!(symbol(&mut symbols, 1, 5, 150), "ESH4");
        assert_eq!(symbol(&mut symbols, 1, 5, 250), "ESM4");
        assert_eq!(symbol(&mut symbols, 1, 5, 199), "ESH4");
        // The number changed, the instrument did not.
        assert_eq!(symbols.resolve(1, 6, 250), symbols.resolve(1, 5, 150));
        assert_eq!(symbol(&mut symbols, 1, 5, 300), "#5");
        assert_eq!(symbol(&mut symbols, 1, 7, 0), "#7");
    }

    #[test]
    fn numbers_that_share_a_place_or_a_publisher_do_not_mean_each_other() {
        let mut symbols = Symbols::default();
        // More numbers than there are places, by ones and by powers of two, in turns and by two publishers.
        let numbers: Vec<u32> = (0..6_000).chain((0..20).map(|power| 1 << power)).collect();
        for number in &numbers {
            symbols.name(*number, &format!("S{number}"));
        }
        for _ in 0..2 {
            for number in &numbers {
                assert_eq!(symbol(&mut symbols, 2, *number, 0), format!("S{number}"));
                assert_eq!(symbol(&mut symbols, 3, *number, 0), format!("S{number}@XBOS"));
            }
        }
        // A name that changes holds at once, also for one that another number has pushed out.
        symbols.name(5, "NEW");
        assert_eq!((symbol(&mut symbols, 2, 5, 0), symbol(&mut symbols, 2, 6, 0)), ("NEW".into(), "S6".into()));
    }

    #[test]
    fn each_venue_has_its_own_book() {
        let mut symbols = Symbols::default();
        symbols.name(5, "AAPL");
        assert_eq!(symbol(&mut symbols, 2, 5, 0), "AAPL");
        assert_eq!(symbol(&mut symbols, 3, 5, 0), "AAPL@XBOS");
        assert_eq!(symbol(&mut symbols, 60_000, 5, 0), "AAPL@60000");
        assert_eq!(symbols.instruments.len(), 3);
    }

    #[test]
    fn a_new_name_is_another_instrument_and_the_same_name_is_not() {
        let mut symbols = Symbols::default();
        let unnamed = symbols.resolve(1, 5, 10);
        symbols.name(5, "ESH4");
        let named = symbols.resolve(1, 5, 10);
        symbols.name(5, "ESH4");
        assert_ne!(unnamed, named);
        assert_eq!(symbols.resolve(1, 5, 10), named);
    }
}
