//! Parts of the kernel that keep a state of an instrument, or look one up: what [`trades`](super::trades) and [`columns`](super::columns) do on the CPU.

use cubecl::prelude::*;

use super::{
    batch::{ASKS, SIDED},
    kernel_parts::add_saturating,
    trades::{FELL, LAST, MOST_TICKS, ROSE, SPREAD},
};

/// Takes a trade, with twice the mid before it where that is known.
#[cube]
pub(super) fn take_trade(
    state: &mut Array<u64>,
    i: usize,
    n: usize,
    what: u64,
    price: i64,
    size: u64,
    mid: i64,
    has_mid: bool,
) {
    state[i] = add_saturating(state[i], size);
    let last = i64::reinterpret(state[n + i]);
    let mut known = state[2 * n + i];
    if (known & LAST) != 0u64 && price != last {
        known &= !(ROSE | FELL);
        if price > last {
            known |= ROSE;
        } else {
            known |= FELL;
        }
    }
    known |= LAST;
    if has_mid {
        let most = comptime!(MOST_TICKS).runtime();
        // Twice a number is exact: fused or not, the difference is the same.
        let mut above = f64::cast_from(price) * 2.0f64 - f64::cast_from(mid);
        if price <= most && price >= -most && mid <= 2i64 * most && mid >= -2i64 * most {
            above = f64::cast_from(2i64 * price - mid);
        }
        let mut sign = 0.0f64.runtime();
        if (what & SIDED) != 0u64 {
            sign = -1.0f64;
            if (what & ASKS) != 0u64 {
                sign = 1.0f64;
            }
        } else if above > 0.0f64 {
            sign = 1.0f64;
        } else if above < 0.0f64 {
            sign = -1.0f64;
        } else if (known & ROSE) != 0u64 {
            sign = 1.0f64;
        } else if (known & FELL) != 0u64 {
            sign = -1.0f64;
        }
        if sign != 0.0f64 {
            state[3 * n + i] = u64::reinterpret(sign * above);
            known |= SPREAD;
        }
    }
    state[n + i] = u64::reinterpret(price);
    state[2 * n + i] = known;
}

/// What the table of a microprice says of a book with both sides: bits of f64, or all bits where it has no value.
#[cube]
pub(super) fn table_entry(
    state: &Array<u64>,
    i: usize,
    n: usize,
    code: u64,
    imbalances: u32,
    apart: i64,
    bid_size: f64,
    ask_size: f64,
) -> u64 {
    let row = usize::cast_from(code & 0xffff_ffffu64);
    let spreads = usize::cast_from(code >> 32u64);
    let grid = state[row * n + i];
    let mut entry = grid | !grid;
    let resting = bid_size + ask_size;
    if apart > 0i64 && resting > 0.0f64 && grid > 0u64 {
        let wide = u64::reinterpret(apart);
        let mut steps = spreads - 1;
        if wide <= state[(row + 1) * n + i] {
            steps = usize::cast_from((wide - 1u64) / grid);
        }
        let bucket = u32::cast_from(bid_size / resting * f64::cast_from(imbalances));
        let bucket = min(bucket, imbalances - 1u32);
        entry = state[(row + 2 + steps * imbalances as usize + bucket as usize) * n + i];
    }
    entry
}
