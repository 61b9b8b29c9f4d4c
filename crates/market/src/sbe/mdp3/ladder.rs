//! One side of a book by price level: what turns level numbers into prices ("MDP 3.0 - Market by Price - Book Management").

/// What happens to a level: `MDUpdateAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum UpdateAction {
    /// A new level: those from there on move down, and what falls below the depth is gone.
    New = 0,
    /// The level holds another size.
    Change = 1,
    /// The level is gone: those behind it move up.
    Delete = 2,
    /// The levels from the best through this one are gone.
    DeleteThru = 3,
    /// The levels from this one to the last are gone.
    DeleteFrom = 4,
    /// The level has another price and size.
    Overlay = 5,
}

impl UpdateAction {
    /// The action of a number.
    pub fn of(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::New,
            1 => Self::Change,
            2 => Self::Delete,
            3 => Self::DeleteThru,
            4 => Self::DeleteFrom,
            5 => Self::Overlay,
            _ => return None,
        })
    }
}

/// Why an update does not fit the levels that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// There is no such level: how many there could be.
    Level(usize),
    /// The level has another price.
    Price(i64),
}

/// An update of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LevelUpdate {
    pub action: UpdateAction,
    /// From 1, the best.
    pub level: u8,
    /// In billionths, before the display factor.
    pub mantissa: i64,
    pub size: u64,
}

/// Prices with their sizes, the best first.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder(Vec<(i64, u64)>);

impl Ladder {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a level behind the last.
    pub fn push(&mut self, mantissa: i64, size: u64) {
        self.0.push((mantissa, size));
    }

    /// Takes the levels below a depth away, and gives their prices.
    pub fn cut(&mut self, depth: usize) -> Vec<i64> {
        self.0.drain(depth.min(self.0.len())..).map(|level| level.0).collect()
    }

    pub fn levels(&self) -> &[(i64, u64)] {
        &self.0
    }

    /// All that stands at a price; the venue tells a price twice only between two updates of one event.
    fn total(&self, mantissa: i64) -> u64 {
        self.0.iter().filter(|level| level.0 == mantissa).fold(0, |total, level| total.saturating_add(level.1))
    }

    /// Applies an update, and gives each price whose size has changed with all that it holds now. Where it does not fit nothing changes.
    pub fn apply(&mut self, update: LevelUpdate, depth: usize, mut give: impl FnMut(i64, u64)) -> Result<(), Misfit> {
        let LevelUpdate { action, level, mantissa, size } = update;
        let (level, len) = (usize::from(level), self.0.len());
        let most = match action {
            UpdateAction::New | UpdateAction::Overlay => (len + 1).min(depth),
            // Both may say more than there is.
            UpdateAction::DeleteThru => usize::MAX,
            UpdateAction::DeleteFrom => usize::MAX,
            UpdateAction::Change | UpdateAction::Delete => len,
        };
        if level == 0 || level > most {
            return Err(Misfit::Level(most));
        }
        let at = level - 1;
        match action {
            UpdateAction::New => {
                if len >= depth
                    && let Some((fallen, _)) = self.0.pop()
                {
                    give(fallen, self.total(fallen));
                }
                self.0.insert(at, (mantissa, size));
                give(mantissa, self.total(mantissa));
            }
            UpdateAction::Change if self.0[at].0 != mantissa => return Err(Misfit::Price(self.0[at].0)),
            UpdateAction::Change => {
                self.0[at].1 = size;
                give(mantissa, self.total(mantissa));
            }
            UpdateAction::Overlay => {
                if at == len {
                    self.0.push((mantissa, size));
                } else {
                    let (before, _) = std::mem::replace(&mut self.0[at], (mantissa, size));
                    if before != mantissa {
                        give(before, self.total(before));
                    }
                }
                give(mantissa, self.total(mantissa));
            }
            UpdateAction::Delete if self.0[at].0 != mantissa => return Err(Misfit::Price(self.0[at].0)),
            UpdateAction::Delete => {
                self.0.remove(at);
                give(mantissa, self.total(mantissa));
            }
            UpdateAction::DeleteThru => self.0.drain(..level.min(len)).for_each(|(price, _)| give(price, 0)),
            UpdateAction::DeleteFrom => self.0.drain(at.min(len)..).for_each(|(price, _)| give(price, 0)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(ladder: &mut Ladder, action: UpdateAction, level: u8, mantissa: i64, size: u64) -> Vec<(i64, u64)> {
        let mut given = Vec::new();
        let update = LevelUpdate { action, level, mantissa, size };
        ladder.apply(update, 3, |mantissa, size| given.push((mantissa, size))).unwrap();
        given
    }

    #[test]
    fn each_action_moves_the_levels_as_the_venue_says() {
        use UpdateAction::{Change, Delete, DeleteFrom, DeleteThru, New, Overlay};
        let mut bids = Ladder::default();
        assert_eq!(updated(&mut bids, New, 1, 100, 5), [(100, 5)]);
        assert_eq!(updated(&mut bids, New, 2, 98, 7), [(98, 7)]);
        assert_eq!(updated(&mut bids, New, 2, 99, 6), [(99, 6)]);
        // The third level falls below a depth of three.
        assert_eq!(updated(&mut bids, New, 1, 101, 1), [(98, 0), (101, 1)]);
        assert_eq!(updated(&mut bids, Change, 2, 100, 9), [(100, 9)]);
        assert_eq!(updated(&mut bids, Overlay, 1, 102, 2), [(101, 0), (102, 2)]);
        assert_eq!(bids.levels(), [(102, 2), (100, 9), (99, 6)]);
        assert_eq!(updated(&mut bids, Delete, 2, 100, 0), [(100, 0)]);
        assert_eq!(updated(&mut bids, New, 3, 97, 4), [(97, 4)]);
        assert_eq!(updated(&mut bids, DeleteFrom, 2, 0, 0), [(99, 0), (97, 0)]);
        assert_eq!(updated(&mut bids, New, 2, 96, 4), [(96, 4)]);
        assert_eq!(updated(&mut bids, DeleteThru, 1, 0, 0), [(102, 0)]);
        assert_eq!(bids.levels(), [(96, 4)]);
    }

    #[test]
    fn an_update_that_does_not_fit_changes_nothing() {
        let mut asks = Ladder::default();
        asks.push(10, 1);
        let apply = |asks: &mut Ladder, action, level, mantissa| {
            asks.apply(LevelUpdate { action, level, mantissa, size: 1 }, 2, |_, _| panic!("nothing changes"))
        };
        assert_eq!(apply(&mut asks, UpdateAction::New, 0, 9), Err(Misfit::Level(2)));
        assert_eq!(apply(&mut asks, UpdateAction::New, 3, 9), Err(Misfit::Level(2)));
        assert_eq!(apply(&mut asks, UpdateAction::Delete, 2, 10), Err(Misfit::Level(1)));
        assert_eq!(apply(&mut asks, UpdateAction::Delete, 1, 11), Err(Misfit::Price(10)));
        assert_eq!(apply(&mut asks, UpdateAction::Change, 1, 11), Err(Misfit::Price(10)));
        assert_eq!(asks.levels(), [(10, 1)]);
    }
}
