//! Orders and price levels in two pools: fixed places that are used again, so that steady state allocates nothing.

/// No place in a pool.
pub(super) const NONE: u32 = u32::MAX;

/// An order in the queue of its price.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Order {
    /// The venue's number.
    pub(super) id: u64,
    /// What it shows, above 0.
    pub(super) size: u64,
    /// Its level.
    pub(super) level: u32,
    /// The order before it in the queue.
    pub(super) before: u32,
    /// The order after it in the queue; in a free place, the next free one.
    pub(super) after: u32,
    /// Its instrument.
    pub(super) instrument: u32,
}

/// A price with what rests there.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Level {
    /// The price in the order of the ladder: see [`super::ladder::key`].
    pub(super) key: i64,
    /// All that rests there, above 0.
    pub(super) total: u64,
    /// The first order of the queue; in a free place, the next free one.
    pub(super) first: u32,
    /// The last order of the queue.
    pub(super) last: u32,
    /// How many orders; 0 where the feed told the level, not its orders.
    pub(super) count: u32,
    /// The side, as the number of its ladder.
    pub(super) side: u32,
}

/// What can be kept in a [`Pool`].
pub(super) trait Pooled: Copy {
    /// The field that links free places.
    fn link(&mut self) -> &mut u32;
}

impl Pooled for Order {
    fn link(&mut self) -> &mut u32 {
        &mut self.after
    }
}

impl Pooled for Level {
    fn link(&mut self) -> &mut u32 {
        &mut self.first
    }
}

/// Places of one kind; a place that was given back is the next to be used, since it is still in the cache.
#[derive(Debug, Clone)]
pub(super) struct Pool<T> {
    places: Vec<T>,
    free: u32,
    used: usize,
    on_huge_pages: bool,
}

impl<T: Pooled> Pool<T> {
    /// Room for so many before it grows.
    pub(super) fn with_capacity(places: usize, on_huge_pages: bool) -> Self {
        Self { places: super::huge::reserved(places, on_huge_pages), free: NONE, used: 0, on_huge_pages }
    }

    /// How many places are in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Keeps a value, and gives its place. The caller holds to a limit below [`NONE`].
    #[inline(always)]
    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.used += 1;
        let place = self.free;
        if let Some(reused) = self.places.get_mut(place as usize) {
            self.free = *reused.link();
            *reused = value;
            return place;
        }
        if self.on_huge_pages && self.places.len() == self.places.capacity() {
            self.grow();
        }
        self.places.push(value);
        (self.places.len() - 1) as u32
    }

    /// Moves to new memory that is twice as large: what a vector grows by itself may stay on the small pages that it has.
    #[cold]
    fn grow(&mut self) {
        let mut places = super::huge::reserved((2 * self.places.len()).max(64), true);
        places.extend_from_slice(&self.places);
        self.places = places;
    }

    /// Gives a place back.
    #[inline(always)]
    pub(super) fn remove(&mut self, place: u32) {
        *self.places[place as usize].link() = self.free;
        self.free = place;
        self.used -= 1;
    }

    /// Asks the processor to fetch a place.
    #[inline(always)]
    pub(super) fn prefetch(&self, place: u32) {
        prefetch(&self.places, place as usize);
    }

    /// What is in a place, for fetching ahead: the place may have been given back, and one that there is not is the last. `None` where there is no place.
    #[inline(always)]
    pub(super) fn peek(&self, place: u32) -> Option<&T> {
        self.places.get((place as usize).min(self.places.len().wrapping_sub(1)))
    }
}

impl<T> std::ops::Index<u32> for Pool<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, place: u32) -> &T {
        &self.places[place as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Pool<T> {
    #[inline(always)]
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.places[place as usize]
    }
}

/// Asks the processor to fetch the cache line of an item, of the last one where the index is beyond it: whether an order has another behind it is as
/// chance will have it, and a branch on it would cost more than a fetch. Does nothing where there is no item, or no such instruction.
#[inline(always)]
pub(super) fn prefetch<T>(items: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(index.min(items.len().wrapping_sub(1))) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is that of a live item, SSE is part of every x86-64, and a prefetch reads nothing that a program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, index);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_orders_or_levels_share_a_cache_line_and_none_lies_across_two() {
        assert_eq!((size_of::<Order>(), align_of::<Order>()), (32, 32));
        assert_eq!((size_of::<Level>(), align_of::<Level>()), (32, 32));
    }

    #[test]
    fn a_place_given_back_is_the_next_one_used() {
        let order = Order { id: 1, size: 1, level: 0, before: NONE, after: NONE, instrument: 0 };
        let mut pool = Pool::with_capacity(0, false);
        let places: Vec<u32> = (0..4).map(|id| pool.insert(Order { id, ..order })).collect();
        pool.remove(places[1]);
        pool.remove(places[3]);
        assert_eq!(pool.used(), 2);
        assert_eq!((pool.insert(order), pool.insert(order), pool.insert(order)), (places[3], places[1], 4));
        assert_eq!((pool[places[0]].id, pool[places[2]].id), (0, 2));
    }
}
