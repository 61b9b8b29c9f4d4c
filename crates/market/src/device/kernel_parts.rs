//! Parts of the kernel: one level of one side, and what rests there.

use cubecl::prelude::*;

/// Sizes count up to here in flows, as on the CPU: 2⁶¹.
const MOST_LOTS: u64 = 1 << 61;

/// A price in the order of its side: greater is better, on either side.
#[cube]
pub(super) fn key(price: i64, side: u32) -> i64 {
    let mut key = price;
    if side == 1u32 {
        // Not the negative, which the least number has not.
        key = i64::reinterpret(!u64::reinterpret(price));
    }
    key
}

#[cube]
pub(super) fn lots(size: u64) -> i64 {
    i64::reinterpret(min(size, comptime!(MOST_LOTS).runtime()))
}

/// a + b, or the greatest number.
#[cube]
pub(super) fn add_saturating(a: u64, b: u64) -> u64 {
    let sum = a + b;
    let mut out = sum;
    if sum < a {
        out = a | !a;
    }
    out
}

/// Sets, adds or takes away a level of a side; how many levels it has then.
#[cube]
pub(super) fn set_level(
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
pub(super) fn depth_within(
    prices: &Array<i64>,
    sizes: &Array<u64>,
    base: usize,
    n: usize,
    depth: u32,
    ticks: u64,
) -> u64 {
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
pub(super) fn flow_of(before: i64, before_size: u64, now: i64, now_size: u64) -> i64 {
    let mut flow = 0i64.runtime();
    if now >= before {
        flow += lots(now_size);
    }
    if now <= before {
        flow -= lots(before_size);
    }
    flow
}

/// The mid in half ticks, a + b, or the number next to it that there is; `worst` is the greatest.
#[cube]
pub(super) fn mid_half_ticks(bid: i64, ask: i64, worst: i64) -> i64 {
    let mut sum = bid + ask;
    if ((bid ^ sum) & (ask ^ sum)) < 0i64 {
        sum = worst;
        if bid < 0i64 {
            sum = key(worst, 1u32);
        }
    }
    sum
}
