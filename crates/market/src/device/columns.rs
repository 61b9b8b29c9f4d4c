//! The features of all books on the CPU: level by level over arrays of instruments, so that the compiler vectorises across instruments.

use super::{
    arrays::BookArrays,
    plan::{
        CODE, DEPTH, EFFECTIVE_SPREAD, IMBALANCE, MICROPRICE, MID, NO_ENTRY, Plan, RELATIVE_SPREAD, SPREAD, TABLE_HEAD,
        TRADED, WALL_DISTANCE, WALL_SIZE, WEIGHTED_MID, table_of,
    },
    trades,
};

/// Instruments that are done at once: their sums stay in the nearest cache.
const BLOCK: usize = 256;

/// The features of every instrument, [feature][instrument] as bits of f64, then room for the flows, then a bit for each feature that has a value.
pub(super) fn features(arrays: &BookArrays, plan: &Plan) -> Vec<u64> {
    let n = arrays.instruments;
    let mut out = vec![0; plan.outputs() * n];
    let present = (plan.outputs() - 1) * n;
    let mut from = 0;
    while from < n {
        let count = BLOCK.min(n - from);
        let block = Block { arrays, from, count };
        for (feature, code) in plan.codes.chunks_exact(CODE).enumerate() {
            let [kind, side, levels, ticks] = [code[0], code[1], code[2], code[3]];
            let (mut values, mut has) = ([0.0; BLOCK], [false; BLOCK]);
            block.feature(kind, (side as usize, levels as usize, ticks), &mut values, &mut has);
            for at in 0..count {
                out[feature * n + from + at] = if has[at] { values[at].to_bits() } else { 0 };
                out[present + from + at] |= u64::from(has[at]) << feature;
            }
        }
        from += count;
    }
    out
}

/// Some neighbouring instruments.
struct Block<'a> {
    arrays: &'a BookArrays,
    from: usize,
    count: usize,
}

impl Block<'_> {
    fn row<'b, T>(&self, column: &'b [T], row: usize) -> &'b [T] {
        let start = row * self.arrays.instruments + self.from;
        &column[start..start + self.count]
    }

    fn level(&self, side: usize, level: usize) -> (&[i64], &[u64]) {
        let row = side * self.arrays.levels + level;
        (self.row(&self.arrays.prices, row), self.row(&self.arrays.sizes, row))
    }

    fn depths(&self, side: usize) -> &[u32] {
        self.row(&self.arrays.heads, side)
    }

    fn feature(
        &self,
        kind: u64,
        (side, levels, ticks): (usize, usize, u64),
        values: &mut [f64; BLOCK],
        has: &mut [bool; BLOCK],
    ) {
        let count = self.count;
        let (values, has) = (&mut values[..count], &mut has[..count]);
        match kind {
            MID | SPREAD | RELATIVE_SPREAD | WEIGHTED_MID => self.of_best(kind, values, has),
            DEPTH => {
                let sums = self.depth_within(side, levels, ticks);
                for at in 0..count {
                    (values[at], has[at]) = (sums[at] as f64, true);
                }
            }
            IMBALANCE => {
                let (bids, asks) = (self.depth_within(0, levels, ticks), self.depth_within(1, levels, ticks));
                for at in 0..count {
                    let (bids, asks) = (bids[at] as f64, asks[at] as f64);
                    (values[at], has[at]) = ((bids - asks) / (bids + asks), bids + asks > 0.0);
                }
            }
            WALL_DISTANCE | WALL_SIZE => {
                let (distances, sizes) = self.wall(side, levels);
                let depths = self.depths(side);
                for at in 0..count {
                    let value = if kind == WALL_SIZE { sizes[at] } else { distances[at] };
                    (values[at], has[at]) = (value as f64, depths[at] > 0);
                }
            }
            TRADED => {
                let lots = self.row(&self.arrays.state, 0);
                for at in 0..count {
                    (values[at], has[at]) = (lots[at] as f64, true);
                }
            }
            EFFECTIVE_SPREAD => {
                let (known, spreads) = (self.row(&self.arrays.state, 2), self.row(&self.arrays.state, 3));
                for at in 0..count {
                    (values[at], has[at]) = (f64::from_bits(spreads[at]), known[at] & trades::SPREAD != 0);
                }
            }
            MICROPRICE => self.microprice(levels, table_of(ticks), values, has),
            // A plan has no other.
            _ => {}
        }
    }

    fn of_best(&self, kind: u64, values: &mut [f64], has: &mut [bool]) {
        let ((bid, bid_size), (ask, ask_size)) = (self.level(0, 0), self.level(1, 0));
        let (bids, asks) = (self.depths(0), self.depths(1));
        for at in 0..self.count {
            let is_two_sided = bids[at] > 0 && asks[at] > 0;
            let mid = bid[at].saturating_add(ask[at]) as f64 * 0.5;
            let spread = ask[at].saturating_sub(bid[at]) as f64;
            (values[at], has[at]) = match kind {
                MID => (mid, is_two_sided),
                SPREAD => (spread, is_two_sided),
                RELATIVE_SPREAD => (spread / mid, is_two_sided && mid > 0.0),
                _ => {
                    let (b, a) = (bid_size[at] as f64, ask_size[at] as f64);
                    let apart = ask[at] as f64 - bid[at] as f64;
                    (bid[at] as f64 + apart * (b / (a + b)), is_two_sided && a + b > 0.0)
                }
            };
        }
    }

    /// The mid and what the table in the state, of a fit on the CPU, says of the imbalance and the spread.
    fn microprice(&self, imbalances: usize, (row, spreads): (usize, usize), values: &mut [f64], has: &mut [bool]) {
        let ((bid, bid_size), (ask, ask_size)) = (self.level(0, 0), self.level(1, 0));
        let (bids, asks) = (self.depths(0), self.depths(1));
        let (grid, widest) = (self.row(&self.arrays.state, row), self.row(&self.arrays.state, row + 1));
        for at in 0..self.count {
            let apart = ask[at].saturating_sub(bid[at]);
            let (b, a) = (bid_size[at] as f64, ask_size[at] as f64);
            if bids[at] == 0 || asks[at] == 0 || apart <= 0 || b + a <= 0.0 || grid[at] == 0 {
                continue;
            }
            let apart = apart as u64;
            let steps = if apart > widest[at] { spreads - 1 } else { ((apart - 1) / grid[at]) as usize };
            let bucket = ((b / (b + a) * imbalances as f64) as usize).min(imbalances - 1);
            let entry = self.row(&self.arrays.state, row + TABLE_HEAD + steps * imbalances + bucket)[at];
            let mid = bid[at].saturating_add(ask[at]) as f64 * 0.5;
            (values[at], has[at]) = (mid + f64::from_bits(entry), entry != NO_ENTRY);
        }
    }

    fn depth_within(&self, side: usize, levels: usize, ticks: u64) -> [u64; BLOCK] {
        let mut sums = [0_u64; BLOCK];
        if self.arrays.levels == 0 {
            return sums;
        }
        let (best, depths) = (self.level(side, 0).0, self.depths(side));
        for level in 0..levels.min(self.arrays.levels) {
            let (prices, sizes) = self.level(side, level);
            for at in 0..self.count {
                let is_within = (level as u32) < depths[at] && prices[at].abs_diff(best[at]) <= ticks;
                sums[at] = sums[at].saturating_add(if is_within { sizes[at] } else { 0 });
            }
        }
        sums
    }

    /// How far from the best price the level with most lots is, and what it holds.
    fn wall(&self, side: usize, levels: usize) -> ([u64; BLOCK], [u64; BLOCK]) {
        let (mut distances, mut most) = ([0; BLOCK], [0; BLOCK]);
        let (best, depths) = (self.level(side, 0).0, self.depths(side));
        for level in 0..levels.min(self.arrays.levels) {
            let (prices, sizes) = self.level(side, level);
            for at in 0..self.count {
                let is_more = (level as u32) < depths[at] && sizes[at] > most[at];
                most[at] = if is_more { sizes[at] } else { most[at] };
                distances[at] = if is_more { prices[at].abs_diff(best[at]) } else { distances[at] };
            }
        }
        (distances, most)
    }
}
