//! Which row comes when.
//!
//! Order  an epoch has every row once. Its shards come in an order of their own; the rows to learn from, in that order, are cut into blocks (the
//!        shuffle buffer), and each block is permuted. Permutations are those of R. Durstenfeld (Algorithm 235, 1964) with hashed counters, so
//!        that the row at a position depends on the seed, the epoch and the position alone

use std::ops::Range;

use crate::data::points::uniform;

/// Rows of a shard, among those to learn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub shard: usize,
    pub rows: Range<u64>,
}

/// The order of the rows to learn from.
#[derive(Clone, Debug)]
pub(super) struct Order {
    counts: Vec<u64>,
    total: u64,
    block: u64,
    seed: u64,
}

impl Order {
    /// Of so many rows a shard, in blocks of `block`.
    pub(super) fn new(counts: Vec<u64>, block: u64, seed: u64) -> Self {
        let total = counts.iter().sum();
        Self { counts, total, block: block.max(1), seed }
    }

    /// The block of a position, and the place within it.
    pub(super) fn at(&self, position: u64) -> (u64, u64, u64) {
        let (epoch, within) = (position / self.total, position % self.total);
        (epoch, within / self.block, within % self.block)
    }

    /// The block after one: the epoch's next, or the next epoch's first.
    pub(super) fn after(&self, epoch: u64, block: u64) -> (u64, u64) {
        if (block + 1) * self.block < self.total { (epoch, block + 1) } else { (epoch + 1, 0) }
    }

    /// What a block is made of, before it is permuted.
    pub(super) fn pieces(&self, epoch: u64, block: u64) -> Vec<Piece> {
        let wanted = block * self.block..((block + 1) * self.block).min(self.total);
        let mut begin = 0;
        let mut pieces = Vec::new();
        for shard in permutation(self.counts.len(), self.seed_of(epoch, u64::MAX)) {
            let end = begin + self.counts[shard];
            let (from, to) = (wanted.start.max(begin), wanted.end.min(end));
            if from < to {
                pieces.push(Piece { shard, rows: from - begin..to - begin });
            }
            begin = end;
        }
        pieces
    }

    /// The permutation of a block of so many rows.
    pub(super) fn permutation(&self, epoch: u64, block: u64, rows: usize) -> Vec<usize> {
        permutation(rows, self.seed_of(epoch, block))
    }

    fn seed_of(&self, epoch: u64, block: u64) -> u64 {
        (uniform(self.seed.wrapping_add(epoch.wrapping_mul(0x2545_f491_4f6c_dd1d)), block) * (1u64 << 53) as f64) as u64
    }
}

/// The numbers below `count` in an order of chance.
fn permutation(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        let other = (uniform(seed, i as u64) * (i + 1) as f64) as usize;
        order.swap(i, other.min(i));
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows of an epoch in order, as shard and row.
    fn epoch(order: &Order, epoch: u64) -> Vec<(usize, u64)> {
        let mut rows = Vec::new();
        let (mut at, mut block) = (epoch, 0);
        while at == epoch {
            let piece = |piece: Piece| piece.rows.map(move |row| (piece.shard, row));
            let unordered: Vec<(usize, u64)> = order.pieces(at, block).into_iter().flat_map(piece).collect();
            rows.extend(order.permutation(at, block, unordered.len()).into_iter().map(|i| unordered[i]));
            (at, block) = order.after(at, block);
        }
        rows
    }

    proptest! {
        #[test]
        fn an_epoch_has_every_row_once_in_an_order_of_its_own(
            counts in proptest::collection::vec(0u64..40, 1..8),
            block in 1u64..60,
            seed: u64,
        ) {
            let total: u64 = counts.iter().sum();
            prop_assume!(total > 0);
            let order = Order::new(counts.clone(), block, seed);
            let all: Vec<(usize, u64)> =
                counts.iter().enumerate().flat_map(|(shard, rows)| (0..*rows).map(move |row| (shard, row))).collect();
            for number in 0..3 {
                let mut found = epoch(&order, number);
                found.sort_unstable();
                prop_assert_eq!(&found, &all);
            }
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_a_position_is_where_it_was() {
        let order = |seed| Order::new(vec![50, 70, 30], 64, seed);
        assert_ne!(epoch(&order(1), 0), epoch(&order(1), 1));
        assert_ne!(epoch(&order(1), 0), epoch(&order(2), 0));
        assert_eq!(epoch(&order(1), 5), epoch(&order(1), 5));
        assert_eq!(order(1).at(0), (0, 0, 0));
        assert_eq!(order(1).at(149), (0, 2, 21));
        assert_eq!(order(1).at(150 + 65), (1, 1, 1));
    }

    #[test]
    fn a_permutation_is_even() {
        // Where number 0 lands among 8, over 8,000 seeds: 1,000 each with a deviation of 30.
        let mut landed = [0usize; 8];
        (0..8000).for_each(|seed| landed[permutation(8, seed).iter().position(|i| *i == 0).unwrap_or(0)] += 1);
        assert!(landed.iter().all(|count| count.abs_diff(1000) < 150), "{landed:?}");
    }
}
