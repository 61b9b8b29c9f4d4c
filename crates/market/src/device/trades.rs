//! What features of trades keep of an instrument, and how a trade changes it: what the kernel does, on the CPU.
//!
//! Rows       what was traded in lots, at most 2⁶⁴ − 1; the last trade's price; what is known ([`LAST`] and the bits behind it); the bits of the last
//!            effective spread
//! As         [`EffectiveSpread`](crate::features::spread::EffectiveSpread): who began a trade is told by the venue, else by the mid before it, else by
//!            the last change of the price
//! Exact      prices of less than 2⁶¹ ticks, above or below 0; beyond, the spread is that of the prices as floating-point numbers

use super::{
    arrays::BookArrays,
    batch::{ASKS, NO_MID, SIDED},
};
use crate::event::Side;

/// A trade has been seen: its price stands in the state.
pub(super) const LAST: u64 = 1;
/// The last change of the price was upwards.
pub(super) const ROSE: u64 = 2;
/// It was downwards.
pub(super) const FELL: u64 = 4;
/// There is an effective spread.
pub(super) const SPREAD: u64 = 8;

/// Prices count exactly up to here, in ticks, and half ticks up to twice of it: twice a price less a mid stays within 63 bits.
pub(super) const MOST_TICKS: i64 = (1 << 61) - 1;

/// Takes a trade of an instrument.
pub(super) fn take(arrays: &mut BookArrays, instrument: usize, trade: &[u64]) {
    let n = arrays.instruments;
    let (what, price, size) = (trade[0], trade[1] as i64, trade[2]);
    let mid = mid_half_ticks(arrays, instrument).filter(|_| what & NO_MID == 0);
    let row = |row: usize| row * n + instrument;
    let state = &mut arrays.state;
    state[row(0)] = state[row(0)].saturating_add(size);
    let (last, mut known) = (state[row(1)] as i64, state[row(2)]);
    if known & LAST != 0 && price != last {
        known = known & !(ROSE | FELL) | if price > last { ROSE } else { FELL };
    }
    known |= LAST;
    let above = mid.map(|mid| above_mid(price, mid));
    let by_change = (known & (ROSE | FELL) != 0).then_some(known & ROSE != 0);
    let by_quote = above.filter(|above| *above != 0.0).map(|above| above > 0.0);
    let by_venue = (what & SIDED != 0).then_some(what & ASKS != 0);
    if let (Some(is_bought), Some(above)) = (by_venue.or(by_quote).or(by_change), above) {
        let sign = if is_bought { 1.0 } else { -1.0 };
        state[row(3)] = (sign * above).to_bits();
        known |= SPREAD;
    }
    state[row(1)] = price as u64;
    state[row(2)] = known;
}

/// Twice a price's distance from the mid, in ticks.
fn above_mid(price: i64, mid_half_ticks: i64) -> f64 {
    let fits = |number: i64, most: i64| -most <= number && number <= most;
    if fits(price, MOST_TICKS) && fits(mid_half_ticks, 2 * MOST_TICKS) {
        return (2 * price - mid_half_ticks) as f64;
    }
    price as f64 * 2.0 - mid_half_ticks as f64
}

fn mid_half_ticks(arrays: &BookArrays, instrument: usize) -> Option<i64> {
    let best = |side| (arrays.depth(side, instrument) > 0).then(|| arrays.level(side, 0, instrument).price_ticks);
    Some(best(Side::Bid)?.saturating_add(best(Side::Ask)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::spread::effective_spread_ticks;

    #[test]
    fn a_spread_at_the_ends_of_what_prices_can_be_is_that_of_the_stream() {
        let ends =
            [0, 1, -1, 1 << 61, -(1 << 61), (1 << 61) - 1, 1 - (1 << 61), 1 << 62, -(1 << 62), i64::MAX - 1, i64::MIN];
        for price in ends {
            for mid in ends {
                let (found, exact) = (above_mid(price, mid), effective_spread_ticks(1, price, mid));
                // Where prices are beyond what is exact each of the two is rounded once before the difference.
                assert!((found - exact).abs() <= 2048.0, "{price} {mid}: {found} and {exact}");
                let is_within = price.unsigned_abs() < 1 << 61 && mid.unsigned_abs() <= (1 << 62) - 2;
                assert!(!is_within || found == exact, "{price} {mid}");
            }
        }
    }
}
