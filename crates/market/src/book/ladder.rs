//! One side's prices, sorted with the best last: what happens at the top moves nothing, and a search begins there.

use crate::event::Side;

/// How many prices from the top are looked at one after the other before the rest is halved: most of what happens is there.
const NEAR: usize = 12;

/// A price in the order of its ladder: ascending is better, on either side.
#[inline(always)]
pub(super) fn key(side: Side, price_ticks: i64) -> i64 {
    match side {
        Side::Bid => price_ticks,
        // Not the negative, which i64::MIN has not.
        Side::Ask => !price_ticks,
    }
}

/// The price of a key; the side is the number of the ladder.
#[inline(always)]
pub(super) fn price_of(side: u32, key: i64) -> i64 {
    if side == Side::Bid as u32 { key } else { !key }
}

/// A price of a ladder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    /// The price's key.
    pub(super) key: i64,
    /// Its level in the pool of levels.
    pub(super) level: u32,
}

/// The prices of one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
}

impl Ladder {
    /// `Ok` with the place of a price, else `Err` with the place where it would go.
    #[inline(always)]
    pub(super) fn find(&self, key: i64) -> Result<usize, usize> {
        let far = self.rungs.len().saturating_sub(NEAR);
        for (place, rung) in self.rungs.iter().enumerate().skip(far).rev() {
            if rung.key <= key {
                return if rung.key == key { Ok(place) } else { Err(place + 1) };
            }
        }
        self.find_far(far, key)
    }

    /// The same among the first `far`, where less happens.
    #[inline(never)]
    fn find_far(&self, far: usize, key: i64) -> Result<usize, usize> {
        self.rungs[..far].binary_search_by_key(&key, |rung| rung.key)
    }

    /// The level at a place.
    #[inline(always)]
    pub(super) fn level(&self, place: usize) -> u32 {
        self.rungs[place].level
    }

    /// Puts a price where [`find`](Self::find) said that it goes.
    #[inline(always)]
    pub(super) fn insert(&mut self, place: usize, rung: Rung) {
        self.rungs.insert(place, rung);
    }

    /// Takes the price at a place away.
    #[inline(always)]
    pub(super) fn remove(&mut self, place: usize) {
        self.rungs.remove(place);
    }

    /// Takes every price away.
    pub(super) fn clear(&mut self) {
        self.rungs.clear();
    }

    /// All prices, the best last.
    #[inline(always)]
    pub(super) fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Asks the processor to fetch the top.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        super::pool::prefetch(&self.rungs, self.rungs.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_is_found_near_and_far() {
        for len in [0i64, 1, 2, 11, 12, 13, 40] {
            let mut ladder = Ladder::default();
            for place in 0..len {
                ladder.insert(place as usize, Rung { key: 10 * place, level: place as u32 });
            }
            for place in 0..len {
                assert_eq!(ladder.find(10 * place), Ok(place as usize));
                assert_eq!(ladder.find(10 * place - 1), Err(place as usize));
            }
            assert_eq!(ladder.find(i64::MAX), Err(len as usize));
            assert_eq!(ladder.find(i64::MIN), Err(0));
        }
    }

    #[test]
    fn a_better_price_has_the_greater_key_and_keys_go_back() {
        assert!(key(Side::Bid, 101) > key(Side::Bid, 100));
        assert!(key(Side::Ask, 100) > key(Side::Ask, 101));
        for price in [i64::MIN, -5, 0, 7, i64::MAX - 1] {
            for side in [Side::Bid, Side::Ask] {
                assert_eq!(price_of(side as u32, key(side, price)), price);
            }
        }
    }
}
