//! What a feed's instruments are called and what their ticks and lots are worth, with the time from which each definition holds.

use std::collections::HashMap;

use crate::event::InstrumentId;

/// Billionths of one: prices and sizes are kept as whole numbers of them. Divided by, since a billionth is no exact number.
const NANOS: f64 = 1e9;

/// What an instrument is called and in what units its prices and sizes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The venue's name of it.
    pub symbol: String,
    /// One tick of price in billionths of the currency: 100,000 where prices have four decimals. Above 0.
    pub tick_nanos: i64,
    /// One lot of size in billionths of a unit: 1,000,000,000 where sizes are whole shares or contracts. Above 0.
    pub lot_nanos: i64,
    /// From when it holds, in nanoseconds since the Unix epoch; 0 for always.
    pub valid_from_ns: u64,
}

impl Definition {
    /// A price in the currency.
    pub fn price(&self, price_ticks: i64) -> f64 {
        price_ticks as f64 * self.tick_nanos as f64 / NANOS
    }

    /// A size in units (shares, contracts, coins).
    pub fn size(&self, size: u64) -> f64 {
        size as f64 * self.lot_nanos as f64 / NANOS
    }
}

/// The instruments of one feed, each with its definitions by time.
#[derive(Debug, Clone, Default)]
pub struct Instruments {
    by_symbol: HashMap<String, InstrumentId>,
    definitions: Vec<Vec<Definition>>,
}

impl Instruments {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a definition, and gives the instrument that it is of: one symbol is one instrument for as long as the feed lasts. A definition that
    /// says nothing new is not kept twice.
    pub fn define(&mut self, definition: Definition) -> InstrumentId {
        let next = InstrumentId(self.definitions.len() as u32);
        let id = *self.by_symbol.entry(definition.symbol.clone()).or_insert(next);
        if id == next {
            self.definitions.push(Vec::new());
        }
        let of_it = &mut self.definitions[id.0 as usize];
        let place = of_it.partition_point(|known| known.valid_from_ns <= definition.valid_from_ns);
        let says_the_same = place.checked_sub(1).is_some_and(|before| {
            let known = &of_it[before];
            (known.tick_nanos, known.lot_nanos) == (definition.tick_nanos, definition.lot_nanos)
        });
        if !says_the_same {
            of_it.insert(place, definition);
        }
        id
    }

    /// How many instruments there are; their numbers are 0 to this.
    pub fn len(&self) -> usize {
        self.definitions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// The instrument of this name.
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        self.by_symbol.get(symbol).copied()
    }

    /// The latest definition of an instrument.
    pub fn latest(&self, id: InstrumentId) -> Option<&Definition> {
        self.definitions.get(id.0 as usize)?.last()
    }

    /// The definition of an instrument that held at a time; the first one before that.
    pub fn at(&self, id: InstrumentId, time_ns: u64) -> Option<&Definition> {
        let of_it = self.definitions.get(id.0 as usize)?;
        let after = of_it.partition_point(|known| known.valid_from_ns <= time_ns);
        of_it.get(after.saturating_sub(1))
    }

    /// Every instrument with its latest definition, by number.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Definition)> {
        let ids = (0..).map(InstrumentId);
        ids.zip(&self.definitions).filter_map(|(id, of_it)| Some((id, of_it.last()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(symbol: &str, tick_nanos: i64, valid_from_ns: u64) -> Definition {
        Definition { symbol: symbol.into(), tick_nanos, lot_nanos: 1_000_000_000, valid_from_ns }
    }

    #[test]
    fn a_definition_holds_from_its_time_until_the_next() {
        let mut instruments = Instruments::new();
        let id = instruments.define(definition("ES", 250_000_000, 0));
        assert_eq!(instruments.define(definition("NQ", 250_000_000, 0)), InstrumentId(1));
        assert_eq!(instruments.define(definition("ES", 100_000_000, 500)), id);
        assert_eq!(instruments.at(id, 499).unwrap().tick_nanos, 250_000_000);
        assert_eq!(instruments.at(id, 500).unwrap().tick_nanos, 100_000_000);
        assert_eq!(instruments.latest(id).unwrap().price(46_000), 4_600.0);
        assert_eq!(definition("X", 100_000, 0).price(2_206_400), 220.64);
        assert_eq!((instruments.len(), instruments.find("CL")), (2, None));
    }

    #[test]
    fn the_same_definition_again_is_not_kept_twice() {
        let mut instruments = Instruments::new();
        let id = instruments.define(definition("ES", 250_000_000, 0));
        instruments.define(definition("ES", 250_000_000, 900));
        assert_eq!(instruments.at(id, 1_000).unwrap().valid_from_ns, 0);
    }
}
