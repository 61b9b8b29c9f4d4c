//! Books on a device: a thread applies the changes of one instrument in their order, and finds its features.
//!
//! Definition  what [`arrays`](super::arrays) and [`columns`](super::columns) do on the CPU
//! Shapes      prices, sizes [2][K][n], bids first; heads [3][n] levels of bids, of asks, and flags; starts [n + 1] and words [3] a change; codes [4] a
//!             feature, then R numbers of levels; state [S][n]; out [F][n] bits of f64, [M][n] flows, [R][n] what rested, [n] books, [n] bits of
//!             presence. Neighbouring threads read neighbouring instruments
//! Exact       all sums are of integers; every division is one IEEE operation, and the one product that is added to something passes through the
//!             bits, so that no compiler fuses them

#![expect(
    clippy::collapsible_if,
    reason = "a condition of compile time stands alone, so that nothing of what it leaves out is compiled"
)]

use cubecl::prelude::*;

use super::{
    arrays::{OVERFLOW_BIT, TOLD, TOLD_BIT},
    batch::{ASKS, END, NO_FLOW, NO_MID, PUT, SAME_BIT, SET, TRADE},
    kernel_parts::{depth_within, flow_of, key, mid_half_ticks, set_level},
    kernel_states::{table_entry, take_trade},
    plan::{
        DEPTH, EFFECTIVE_SPREAD, IMBALANCE, MICROPRICE, MID, RELATIVE_SPREAD, SPREAD, TRADED, WALL_DISTANCE, WALL_SIZE,
    },
    trades::SPREAD as HAS_SPREAD,
};

/// Applies a batch and finds the features.
#[cube(launch_unchecked)]
pub(super) fn update(
    starts: &Array<u64>,
    words: &Array<u64>,
    codes: &Array<u64>,
    prices: &mut Array<i64>,
    sizes: &mut Array<u64>,
    heads: &mut Array<u32>,
    state: &mut Array<u64>,
    out: &mut Array<u64>,
    instruments: u32,
    features: u32,
    worst: i64,
    zero: u64,
    #[comptime] levels: u32,
    #[comptime] flow_levels: u32,
    #[comptime] resting: u32,
    #[comptime] has_trades: u32,
    #[comptime] has_state: u32,
) {
    let n = instruments as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let room = comptime!(if flow_levels == 0 { 1usize } else { flow_levels as usize });
        let mut before_price = Array::<i64>::new(comptime!(2 * room));
        let mut before_size = Array::<u64>::new(comptime!(2 * room));
        let mut flow = Array::<i64>::new(room);
        let sums = comptime!(if resting == 0 { 1usize } else { resting as usize });
        let mut rested = Array::<f64>::new(sums);
        let mut books = 0u64.runtime();
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

        #[unroll]
        for place in 0..comptime!(resting as usize) {
            rested[place] = 0.0f64;
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
            if comptime!(has_state == 1) {
                if (what & PUT) != 0u64 {
                    let row = usize::cast_from(words[word + 1]);
                    state[row * n + i] = words[word + 2];
                }
            }
            if comptime!(has_trades == 1) {
                if (what & TRADE) != 0u64 {
                    let mid = mid_half_ticks(prices[i], prices[side_stride + i], worst);
                    let has_mid = depths[0] > 0u32 && depths[1] > 0u32 && (what & NO_MID) == 0u64;
                    let price = i64::reinterpret(words[word + 1]);
                    take_trade(state, i, n, what, price, words[word + 2], mid, has_mid);
                }
            }
            if (what & END) != 0u64 {
                flags |= TOLD;
                if comptime!(resting > 0) {
                    let count = 1u64 + (what >> comptime!(SAME_BIT as u64).runtime());
                    books += count;
                    #[unroll]
                    for place in 0..comptime!(resting as usize) {
                        let most = u32::cast_from(codes[4 * features as usize + place]);
                        let every = zero | !zero;
                        let bids = depth_within(prices, sizes, i, n, min(depths[0], most), every);
                        let asks = depth_within(prices, sizes, side_stride + i, n, min(depths[1], most), every);
                        let both = f64::cast_from(bids) + f64::cast_from(asks);
                        rested[place] = rested[place] + both * f64::cast_from(count);
                    }
                }
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
        let mut apart = ask - bid;
        if ((ask ^ bid) & (ask ^ apart)) < 0i64 {
            apart = worst;
            if ask < 0i64 {
                apart = key(worst, 1u32);
            }
        }
        let mid = f64::cast_from(mid_half_ticks(bid, ask, worst)) * 0.5f64;
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
            } else if kind == MICROPRICE {
                if comptime!(has_state == 1) {
                    if is_two_sided {
                        let entry = table_entry(state, i, n, ticks, most, apart, bid_size, ask_size);
                        value = mid + f64::reinterpret(entry);
                        has = entry != (entry | !entry);
                    }
                }
            } else if kind == EFFECTIVE_SPREAD {
                if comptime!(has_trades == 1) {
                    value = f64::reinterpret(state[3 * n + i]);
                    has = (state[2 * n + i] & HAS_SPREAD) != 0u64;
                }
            } else if kind == TRADED {
                if comptime!(has_trades == 1) {
                    value = f64::cast_from(state[i]);
                    has = true;
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
        let rests = flows + comptime!(flow_levels as usize) * n;
        #[unroll]
        for place in 0..comptime!(resting as usize) {
            out[rests + place * n + i] = u64::reinterpret(rested[place]);
        }
        if comptime!(resting > 0) {
            out[rests + comptime!(resting as usize) * n + i] = books;
        }
        present |= u64::cast_from(flags & TOLD) << u64::cast_from(TOLD_BIT);
        out[rests + comptime!(if resting > 0 { resting as usize + 1 } else { 0usize }) * n + i] = present;
    }
}

/// The CUDA sources of the kernel: books with flows of all their levels, and deeper ones without.
#[cfg(test)]
pub(super) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<zomma_gpu::cuda_source::Source>) {
    use zomma_gpu::cuda_source::{array, settings, source};
    for (name, levels, flow_levels, states) in
        [("books_5_flows", 5, 5, 0), ("books_20", 20, 0, 0), ("books_states", 5, 5, 1)]
    {
        let kernel = update::Update::<R>::new(
            settings(super::launch::BLOCK_THREADS),
            session.client().clone(),
            array(),
            array(),
            array(),
            array(),
            array(),
            array(),
            array(),
            array(),
            (),
            (),
            (),
            (),
            levels,
            flow_levels,
            states,
            states,
            states,
        );
        out.push((name.into(), source(kernel).unwrap()));
    }
}
