//! What a feed's instruments are called and what their ticks and lots are worth, with the time from which each definition holds; of options their
//! terms, of shares what companies did to them.

mod actions;
mod option;

use std::collections::HashMap;

pub use actions::{Action, AdjustFor, Adjustment, DatedAction};
pub use option::OptionTerms;

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
    /// Of names such as `AAPL@XBOS` by what is before the `@`; none where there are several.
    by_plain: HashMap<String, Option<InstrumentId>>,
    definitions: Vec<Vec<Definition>>,
    options: HashMap<InstrumentId, OptionTerms>,
    actions: HashMap<InstrumentId, Vec<DatedAction>>,
}

impl Instruments {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a definition, and gives the instrument that it is of: one symbol is one instrument for as long as the feed lasts, unless
    /// [`Action::SymbolChange`] took the symbol away before. A definition that says nothing new is not kept twice.
    pub fn define(&mut self, definition: Definition) -> InstrumentId {
        let next = InstrumentId(self.definitions.len() as u32);
        let known = self.by_symbol.get(&definition.symbol).copied();
        let id = known.filter(|id| !self.was_renamed(*id, &definition)).unwrap_or(next);
        if id == next {
            self.by_symbol.insert(definition.symbol.clone(), next);
            if let Some((plain, _)) = definition.symbol.rsplit_once('@') {
                self.by_plain.entry(plain.to_owned()).and_modify(|only| *only = None).or_insert(Some(next));
            }
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

    /// Whether the instrument that had a symbol is called otherwise at the time of a definition: the symbol is another's then.
    fn was_renamed(&self, id: InstrumentId, definition: &Definition) -> bool {
        self.actions.contains_key(&id)
            && self.at(id, definition.valid_from_ns).is_some_and(|known| known.symbol != definition.symbol)
    }

    /// Keeps the terms of an option; `false`, and nothing is kept, where there is no such instrument.
    pub fn set_option(&mut self, id: InstrumentId, terms: OptionTerms) -> bool {
        let is_known = (id.0 as usize) < self.definitions.len();
        if is_known {
            self.options.insert(id, terms);
        }
        is_known
    }

    /// The terms of an instrument that is an option, where they are known.
    pub fn option(&self, id: InstrumentId) -> Option<&OptionTerms> {
        self.options.get(&id)
    }

    /// Keeps what a company does to its share from a time on. The same thing again is not kept twice. A change of symbol is a definition as well: the
    /// instrument stays the same, and is found by either name.
    ///
    /// # Errors
    ///
    /// [`BadAction`] for an instrument that there is not, or an action that makes no sense.
    pub fn act(&mut self, id: InstrumentId, from_ns: u64, action: Action) -> Result<(), BadAction> {
        let Some(latest) = self.latest(id) else {
            return Err(BadAction(format!("instrument {}; allowed: 0 to below {}", id.0, self.len())));
        };
        if let Some(problem) = action.problem() {
            return Err(BadAction(format!("{}: {problem}", latest.symbol)));
        }
        let dated = DatedAction { from_ns, action };
        if self.actions(id).contains(&dated) {
            return Ok(());
        }
        if let Action::SymbolChange { to } = &dated.action {
            self.by_symbol.insert(to.clone(), id);
            let of_it = &mut self.definitions[id.0 as usize];
            let place = of_it.partition_point(|known| known.valid_from_ns <= from_ns);
            let before = of_it[place.saturating_sub(1)].clone();
            if before.symbol != *to {
                of_it.insert(place, Definition { symbol: to.clone(), valid_from_ns: from_ns, ..before });
            }
        }
        let of_it = self.actions.entry(id).or_default();
        let place = of_it.partition_point(|known| known.from_ns <= from_ns);
        of_it.insert(place, dated);
        Ok(())
    }

    /// What is known to have happened to a share, in the order of the times.
    pub fn actions(&self, id: InstrumentId) -> &[DatedAction] {
        self.actions.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What a price or a size of a time is to be multiplied by to stand beside those of another time.
    pub fn adjustment(&self, id: InstrumentId, from_ns: u64, to_ns: u64, what: AdjustFor) -> Adjustment {
        Adjustment::over(self.actions(id), from_ns, to_ns, what)
    }

    /// How many instruments there are; their numbers are 0 to this.
    pub fn len(&self) -> usize {
        self.definitions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// The instrument of this name; else the only one that is called so at some venue or market (`<symbol>@…`).
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        self.by_symbol.get(symbol).copied().or_else(|| *self.by_plain.get(symbol)?)
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

/// Why an action was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAction(String);

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

    #[test]
    fn prices_of_two_times_stand_beside_each_other() {
        let mut instruments = Instruments::new();
        let id = instruments.define(definition("AAPL", 100_000, 0));
        let split = |new_shares, old_shares| Action::Split { new_shares, old_shares };
        let dividend = Action::CashDividend { amount_nanos: 5_000_000_000, close_nanos: 100_000_000_000 };
        // Told out of order, and one twice.
        for (from_ns, action) in [(300, split(1, 10)), (100, split(4, 1)), (200, dividend.clone()), (100, split(4, 1))]
        {
            instruments.act(id, from_ns, action).unwrap();
        }
        assert_eq!(instruments.actions(id).len(), 3);
        let factor = |from, to, what| {
            let Adjustment { price, size } = instruments.adjustment(id, from, to, what);
            (price, size)
        };
        use AdjustFor::{Splits, SplitsAndDividends};
        assert_eq!(factor(99, 100, Splits), (0.25, 4.0));
        // At its own time an action has happened.
        assert_eq!(factor(100, 199, SplitsAndDividends), (1.0, 1.0));
        assert_eq!(factor(150, 250, Splits), (1.0, 1.0));
        assert_eq!(factor(150, 250, SplitsAndDividends), (0.95, 1.0));
        assert_eq!(factor(0, 1_000, SplitsAndDividends), (0.25 * 0.95 * 10.0, 0.4));
        let (there, back) = (factor(0, 250, SplitsAndDividends), factor(250, 0, SplitsAndDividends));
        assert!((there.0 * back.0 - 1.0).abs() < 1e-15 && (there.1 * back.1 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_new_symbol_is_the_same_instrument_and_the_old_one_may_be_anothers() {
        let mut instruments = Instruments::new();
        let id = instruments.define(definition("FB", 100_000, 0));
        instruments.act(id, 500, Action::SymbolChange { to: "META".into() }).unwrap();
        assert_eq!((instruments.find("META"), instruments.find("FB")), (Some(id), Some(id)));
        assert_eq!(instruments.at(id, 499).unwrap().symbol, "FB");
        assert_eq!(instruments.at(id, 500).unwrap().symbol, "META");
        assert_eq!(instruments.define(definition("META", 100_000, 600)), id);
        assert_eq!(instruments.define(definition("FB", 100_000, 400)), id);
        let other = instruments.define(definition("FB", 100_000, 900));
        assert_ne!(other, id);
        assert_eq!((instruments.find("FB"), instruments.len()), (Some(other), 2));
    }

    #[test]
    fn actions_that_make_no_sense_are_refused_in_words() {
        let mut instruments = Instruments::new();
        let id = instruments.define(definition("X", 1, 0));
        let mut refused = |id, action| instruments.act(id, 1, action).unwrap_err().to_string();
        let none = Action::Split { new_shares: 0, old_shares: 1 };
        assert_eq!(refused(id, none.clone()), "X: a split of 0 for 1; allowed: both above 0");
        assert_eq!(refused(InstrumentId(7), none), "instrument 7; allowed: 0 to below 1");
        let all = Action::CashDividend { amount_nanos: 5, close_nanos: 5 };
        assert_eq!(refused(id, all), "X: a dividend of 5e-9; allowed: 0 to below the last price, 5e-9");
        assert!(instruments.actions(id).is_empty());
    }

    #[test]
    fn a_plain_name_finds_the_only_instrument_that_is_called_so_somewhere() {
        let mut instruments = Instruments::new();
        let mut define = |symbol: &str| {
            instruments.define(Definition { symbol: symbol.into(), tick_nanos: 1, lot_nanos: 1, valid_from_ns: 0 });
            ["BTC", "BTC@spot", "BTC@futures"].map(|name| instruments.find(name).map(|id| id.0))
        };
        assert_eq!(define("ETH@spot"), [None, None, None]);
        assert_eq!(define("BTC@futures"), [Some(1), None, Some(1)]);
        assert_eq!(define("BTC@spot"), [None, Some(2), Some(1)], "either could be meant");
        assert_eq!(define("BTC"), [Some(3), Some(2), Some(1)], "its own name goes before");
    }
}
