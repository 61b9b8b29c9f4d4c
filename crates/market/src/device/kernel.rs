//! Books on a device: a thread applies the changes of one instrument in their order, and finds its features.
//!
//! Definition  what [`arrays`](super::arrays) and [`columns`](super::columns) do on the CPU
//! Shapes      prices, sizes [2][K][n], bids first; heads [3][n] levels of bids, of asks, and flags; starts [n + 1] and words [3] a change; codes [4] a
//!             feature; out [F][n] bits of f64, [M][n] flows, [n] bits of presence. Neighbouring threads read neighbouring instruments
//! Exact       all sums are of integers; every division is one IEEE operation, and the one product that is added to something passes through the
//!             bits, so that no compiler fuses them

use cubecl::prelude::*;

use super::{
    arrays::{OVERFLOW_BIT, TOLD, TOLD_BIT},
    batch::{ASKS, END, NO_FLOW, SET},
    plan::{DEPTH, IMBALANCE, MID, RELATIVE_SPREAD, SPREAD, WALL_DISTANCE, WALL_SIZE},
};

/// Sizes count up to here in flows, as on the CPU: 2⁶¹.
const MOST_LOTS: u64 = 1 << 61;

/// A price in the order of its side: greater is better, on either side.
#[cube]
fn key(price: i64, side: u32) -> i64 {
    let mut key = price;
    if side == 1u32 {
        // Not the negative, which the least number has not.
        key = i64::reinterpret(!u64::reinterpret(price));
    }
    key
}

#[cube]
fn lots(size: u64) -> i64 {
    i64::reinterpret(min(size, comptime!(MOST_LOTS).runtime()))
}

/// a + b, or the greatest number.
#[cube]
fn add_saturating(a: u64, b: u64) -> u64 {
    let sum = a + b;
    let mut out = sum;
    if sum < a {
        out = a | !a;
    }
    out
}

/// Sets, adds or takes away a level of a side; how many levels it has then.
#[cube]
fn set_level(
    prices: &mut Array<i64>,
    sizes: &mut Array<u64>,
    base: usize,
    n: usize,
    depth: u32,
    side: u32,
    price: i64,
    size: u64,
    #[comptime] levels: u32,
) -> u32 {
    let wanted = key(price, side);
    let mut at = 0u32;
    let mut looking = true;
    let mut is_there = false;
    while looking {
        if at < depth {
            let there = key(prices[base + at as usize * n], side);
            if there > wanted {
                at += 1u32;
            } else {
                is_there = there == wanted;
                looking = false;
            }
        } else {
            looking = false;
        }
    }
    let mut depth_after = depth;
    if is_there {
        if size == 0u64 {
            let mut level = at + 1u32;
            while level < depth {
                let from = base + level as usize * n;
                prices[from - n] = prices[from];
                sizes[from - n] = sizes[from];
                level += 1u32;
            }
            depth_after = depth - 1u32;
        } else {
            sizes[base + at as usize * n] = size;
        }
    } else if size > 0u64 && at < levels {
        depth_after = min(depth + 1u32, levels.runtime());
        let mut level = depth_after - 1u32;
        while level > at {
            let to = base + level as usize * n;
            prices[to] = prices[to - n];
            sizes[to] = sizes[to - n];
            level -= 1u32;
        }
        prices[base + at as usize * n] = price;
        sizes[base + at as usize * n] = size;
    }
    depth_after
}

/// What rests within so many ticks of the best price among the best levels.
#[cube]
fn depth_within(prices: &Array<i64>, sizes: &Array<u64>, base: usize, n: usize, depth: u32, ticks: u64) -> u64 {
    let mut sum = 0u64.runtime();
    if depth > 0u32 {
        let best = prices[base];
        let mut level = 0u32;
        while level < depth {
            let at = base + level as usize * n;
            let price = prices[at];
            let mut distance = u64::reinterpret(best) - u64::reinterpret(price);
            if price > best {
                distance = u64::reinterpret(price) - u64::reinterpret(best);
            }
            if distance <= ticks {
                sum = add_saturating(sum, sizes[at]);
            }
            level += 1u32;
        }
    }
    sum
}

/// The flow into one level, bids' less asks', from what was there before and what is there now.
#[cube]
fn flow_of(before: i64, before_size: u64, now: i64, now_size: u64) -> i64 {
    let mut flow = 0i64.runtime();
    if now >= before {
        flow += lots(now_size);
    }
    if now <= before {
        flow -= lots(before_size);
    }
    flow
}

/// Applies a batch and finds the features.
#[cube(launch_unchecked)]
pub(super) fn update(
    starts: &Array<u64>,
    words: &Array<u64>,
    codes: &Array<u64>,
    prices: &mut Array<i64>,
    sizes: &mut Array<u64>,
    heads: &mut Array<u32>,
    out: &mut Array<u64>,
    instruments: u32,
    features: u32,
    worst: i64,
    zero: u64,
    #[comptime] levels: u32,
    #[comptime] flow_levels: u32,
) {
    let n = instruments as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let room = comptime!(if flow_levels == 0 { 1usize } else { flow_levels as usize });
        let mut before_price = Array::<i64>::new(comptime!(2 * room));
        let mut before_size = Array::<u64>::new(comptime!(2 * room));
        let mut flow = Array::<i64>::new(room);
        let mut present = 0u64.runtime();
        let mut depths = Array::<u32>::new(2usize);
        depths[0] = heads[i];
        depths[1] = heads[n + i];
        let mut flags = heads[2 * n + i];
        let side_stride = comptime!(levels as usize) * n;

        #[unroll]
        for level in 0..comptime!(flow_levels as usize) {
            flow[level] = 0i64;
            before_price[level] = key(worst, 1u32);
            before_size[level] = 0u64;
            before_price[room + level] = key(worst, 1u32);
            before_size[room + level] = 0u64;
            #[unroll]
            for side in 0..2u32 {
                if (level as u32) < depths[side as usize] {
                    let cell = side as usize * side_stride + level * n + i;
                    before_price[side as usize * room + level] = key(prices[cell], side);
                    before_size[side as usize * room + level] = sizes[cell];
                }
            }
        }

        let first = starts[0];
        let mut at = starts[i] - first;
        let end = starts[i + 1] - first;
        while at < end {
            let word = 3 * usize::cast_from(at);
            let what = words[word];
            if (what & SET) != 0u64 {
                let side = u32::cast_from(what & ASKS);
                let base = side as usize * side_stride + i;
                let depth = depths[side as usize];
                let price = i64::reinterpret(words[word + 1]);
                depths[side as usize] = set_level(prices, sizes, base, n, depth, side, price, words[word + 2], levels);
            }
            if (what & END) != 0u64 {
                flags |= TOLD;
                #[unroll]
                for level in 0..comptime!(flow_levels as usize) {
                    let mut of_level = 0i64.runtime();
                    #[unroll]
                    for side in 0..2u32 {
                        let place = side as usize * room + level;
                        let mut price = key(worst, 1u32);
                        let mut size = 0u64.runtime();
                        if (level as u32) < depths[side as usize] {
                            let cell = side as usize * side_stride + level * n + i;
                            price = key(prices[cell], side);
                            size = sizes[cell];
                        }
                        let of_side = flow_of(before_price[place], before_size[place], price, size);
                        if side == 0u32 {
                            of_level += of_side;
                        } else {
                            of_level -= of_side;
                        }
                        before_price[place] = price;
                        before_size[place] = size;
                    }
                    if (what & NO_FLOW) == 0u64 {
                        let old = flow[level];
                        let sum = old + of_level;
                        if ((old ^ sum) & (of_level ^ sum)) < 0i64 {
                            present |= comptime!(1u64 << OVERFLOW_BIT).runtime();
                        }
                        flow[level] = sum;
                    }
                }
            }
            at += 1u64;
        }
        heads[i] = depths[0];
        heads[n + i] = depths[1];
        heads[2 * n + i] = flags;

        // The best prices, of use where both sides have one.
        let bid = prices[i];
        let ask = prices[side_stride + i];
        let bid_size = f64::cast_from(sizes[i]);
        let ask_size = f64::cast_from(sizes[side_stride + i]);
        let is_two_sided = depths[0] > 0u32 && depths[1] > 0u32;
        let mut sum = bid + ask;
        if ((bid ^ sum) & (ask ^ sum)) < 0i64 {
            sum = worst;
            if bid < 0i64 {
                sum = key(worst, 1u32);
            }
        }
        let mut apart = ask - bid;
        if ((ask ^ bid) & (ask ^ apart)) < 0i64 {
            apart = worst;
            if ask < 0i64 {
                apart = key(worst, 1u32);
            }
        }
        let mid = f64::cast_from(sum) * 0.5f64;
        let spread = f64::cast_from(apart);

        let mut feature = 0u32;
        while feature < features {
            let code = 4 * feature as usize;
            let kind = codes[code];
            let side = u32::cast_from(codes[code + 1]);
            let most = u32::cast_from(codes[code + 2]);
            let ticks = codes[code + 3];
            let base = side as usize * side_stride + i;
            let depth = min(depths[side as usize], most);
            let mut value = 0.0f64.runtime();
            let mut has = is_two_sided;
            if kind == MID {
                value = mid;
            } else if kind == SPREAD {
                value = spread;
            } else if kind == RELATIVE_SPREAD {
                value = spread / mid;
                has = is_two_sided && mid > 0.0f64;
            } else if kind == DEPTH {
                value = f64::cast_from(depth_within(prices, sizes, base, n, depth, ticks));
                has = true;
            } else if kind == IMBALANCE {
                let asks_depth = min(depths[1], most);
                let bids = f64::cast_from(depth_within(prices, sizes, i, n, depth, ticks));
                let asks = f64::cast_from(depth_within(prices, sizes, side_stride + i, n, asks_depth, ticks));
                value = (bids - asks) / (bids + asks);
                has = bids + asks > 0.0f64;
            } else if kind == WALL_DISTANCE || kind == WALL_SIZE {
                has = depth > 0u32;
                if has {
                    let mut greatest = 0u64.runtime();
                    let mut where_price = prices[base];
                    let mut level = 0u32;
                    while level < depth {
                        let cell = base + level as usize * n;
                        if sizes[cell] > greatest {
                            greatest = sizes[cell];
                            where_price = prices[cell];
                        }
                        level += 1u32;
                    }
                    if kind == WALL_DISTANCE {
                        greatest = u64::reinterpret(prices[base]) - u64::reinterpret(where_price);
                        if where_price > prices[base] {
                            greatest = u64::reinterpret(where_price) - u64::reinterpret(prices[base]);
                        }
                    }
                    value = f64::cast_from(greatest);
                }
            } else {
                let apart = f64::cast_from(ask) - f64::cast_from(bid);
                let leaning = apart * (bid_size / (ask_size + bid_size));
                value = f64::cast_from(bid) + f64::reinterpret(u64::reinterpret(leaning) ^ zero);
                has = is_two_sided && ask_size + bid_size > 0.0f64;
            }
            let mut bits = 0u64.runtime();
            if has {
                bits = u64::reinterpret(value);
                present |= 1u64 << u64::cast_from(feature);
            }
            out[feature as usize * n + i] = bits;
            feature += 1u32;
        }
        let flows = features as usize * n;
        #[unroll]
        for level in 0..comptime!(flow_levels as usize) {
            out[flows + level * n + i] = u64::reinterpret(flow[level]);
        }
        present |= u64::cast_from(flags & TOLD) << u64::cast_from(TOLD_BIT);
        out[flows + comptime!(flow_levels as usize) * n + i] = present;
    }
}
