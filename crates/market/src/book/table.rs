//! Where an order is kept, by its instrument and number: a hash table with open addressing whose entries are eight bytes.
//!
//! An entry holds 32 bits of the hash and the order's place in the pool of orders. The place in the table follows from those bits, so that neither
//! taking an entry out nor growing the table reads an order. Whoever looks up compares the number itself, in the order.

/// The least number of entries: 512 bytes.
const LEAST_BITS: u32 = 6;

/// Prices, orders and entries are found by 32-bit places; half of the table stays empty.
const MOST_BITS: u32 = 31;

/// 32 bits of hash of an order's number and instrument.
///
/// One multiplication of 64 by 64 bits whose halves are folded: ascending numbers (ITCH) and numbers that differ in their high bits alone
/// (one feed repeated with shifted numbers) are spread alike.
#[inline(always)]
pub(super) fn hash(instrument: u32, order_id: u64) -> u32 {
    let keyed = order_id ^ u64::from(instrument).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let wide = u128::from(keyed ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9_u128;
    let folded = (wide as u64) ^ (wide >> 64) as u64;
    (folded >> 32) as u32
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct OrderTable {
    /// The hash in the upper half, the order's place plus one in the lower; 0 is empty.
    entries: Vec<u64>,
    bits: u32,
    len: usize,
    on_huge_pages: bool,
}

impl OrderTable {
    /// Room for so many orders before it grows.
    pub(super) fn with_capacity(orders: usize, on_huge_pages: bool) -> Self {
        let wanted = orders.saturating_mul(2).clamp(1 << LEAST_BITS, 1 << MOST_BITS);
        let bits = wanted.next_power_of_two().trailing_zeros();
        Self { entries: empty(bits, on_huge_pages), bits, len: 0, on_huge_pages }
    }

    /// The place in the table where the search of a hash begins.
    #[inline(always)]
    fn home(&self, hash: u32) -> usize {
        (hash >> (32 - self.bits)) as usize
    }

    /// Finds the order of this hash that `is_it` knows: `Ok` with its entry and the order's place, else `Err` with the empty entry where it would go.
    #[inline(always)]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Result<(usize, u32), usize> {
        let mask = self.entries.len() - 1;
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at & mask];
            if entry == 0 {
                return Err(at & mask);
            }
            let order = (entry as u32).wrapping_sub(1);
            if (entry >> 32) as u32 == hash && is_it(order) {
                return Ok((at & mask, order));
            }
            at += 1;
        }
    }

    /// Puts an order into the empty entry that [`find`](Self::find) gave for its hash.
    #[inline(always)]
    pub(super) fn insert(&mut self, empty: usize, hash: u32, order: u32) {
        self.entries[empty] = u64::from(hash) << 32 | u64::from(order + 1);
        self.len += 1;
        if self.len * 2 > self.entries.len() && self.bits < MOST_BITS {
            self.grow();
        }
    }

    /// Takes an entry out, and moves those after it up so that no search ends too early.
    #[inline(always)]
    pub(super) fn remove(&mut self, entry: usize) {
        let mask = self.entries.len() - 1;
        let mut hole = entry;
        let mut at = entry;
        loop {
            at = (at + 1) & mask;
            let moved = self.entries[at];
            if moved == 0 {
                break;
            }
            let from_home = at.wrapping_sub(self.home((moved >> 32) as u32)) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.entries[hole] = moved;
                hole = at;
            }
        }
        self.entries[hole] = 0;
        self.len -= 1;
    }

    #[cold]
    fn grow(&mut self) {
        self.bits += 1;
        let old = std::mem::replace(&mut self.entries, empty(self.bits, self.on_huge_pages));
        let mask = self.entries.len() - 1;
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let mut at = self.home((entry >> 32) as u32);
            while self.entries[at] != 0 {
                at = (at + 1) & mask;
            }
            self.entries[at] = entry;
        }
    }

    /// Asks the processor to fetch the entry where the search of a hash begins.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u32) {
        super::pool::prefetch(&self.entries, self.home(hash));
    }

    /// The order in the entry where the search of a hash begins, if any: for fetching ahead alone.
    #[inline(always)]
    pub(super) fn likely(&self, hash: u32) -> u32 {
        (self.entries[self.home(hash)] as u32).wrapping_sub(1)
    }
}

/// Empty entries: memory that the system gives zeroed is not written, so huge pages can still be asked for.
fn empty(bits: u32, on_huge_pages: bool) -> Vec<u64> {
    let mut entries = vec![0; 1 << bits];
    if on_huge_pages {
        super::huge::advise(&mut entries);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn finds_what_was_put_in_and_nothing_that_was_taken_out() {
        let mut table = OrderTable::with_capacity(0, false);
        let mut numbers: Vec<u64> = Vec::new();
        let mut known: HashMap<u64, u32> = HashMap::new();
        let mut state = 7u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Few numbers, so that most are put in and taken out many times, in clusters that are shifted up.
            let number = (state >> 33) % 3_000;
            let hash = hash(0, number) >> 3 << 3;
            match table.find(hash, |order| numbers[order as usize] == number) {
                Ok((entry, order)) => {
                    assert_eq!(known.remove(&number), Some(order));
                    table.remove(entry);
                }
                Err(empty) => {
                    assert!(!known.contains_key(&number));
                    let order = numbers.len() as u32;
                    numbers.push(number);
                    table.insert(empty, hash, order);
                    known.insert(number, order);
                }
            }
            assert_eq!(table.len, known.len());
        }
        assert!(table.entries.len() >= 2 * known.len());
    }

    #[test]
    fn numbers_that_differ_in_few_bits_are_spread() {
        let most_in_a_bucket = |numbers: &mut dyn Iterator<Item = (u32, u64)>| {
            let mut buckets = vec![0; 1 << 12];
            numbers.for_each(|(instrument, id)| buckets[(hash(instrument, id) >> 20) as usize] += 1);
            buckets.into_iter().max().unwrap()
        };
        // 4,096 numbers in 4,096 buckets: chance puts 7 or 8 into the fullest.
        assert!(most_in_a_bucket(&mut (0..4_096).map(|id| (3, id))) < 12);
        assert!(most_in_a_bucket(&mut (0..4_096).map(|id| (3, id << 40))) < 12);
        assert!(most_in_a_bucket(&mut (0..4_096).map(|instrument| (instrument, 17))) < 12);
    }
}
