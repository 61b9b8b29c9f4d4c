//! Where liquidity lies in the book: what rests near the best price, and the level that holds most.
//!
//! Window of all: the book now. Sources: Cao, Hansch and Wang, "The information content of an open limit-order book", Journal of Futures Markets
//! 29 (2009), section 3 (depth by distance from the best price); Biais, Hillion and Spatt, "An empirical analysis of the limit order book and the
//! order flow in the Paris Bourse", Journal of Finance 50 (1995), section I (where in the book depth gathers).

use super::Level;

/// What rests within `ticks` of the side's best price, among its best `levels` levels, in lots. 0 on an empty side.
#[inline]
pub fn depth_within(side: &[Level], ticks: u64, levels: usize) -> u64 {
    let Some(best) = side.first() else { return 0 };
    side.iter()
        .take(levels)
        .take_while(|level| level.price_ticks.abs_diff(best.price_ticks) <= ticks)
        .fold(0, |sum: u64, level| sum.saturating_add(level.size))
}

/// The liquidity level of a side: that with most lots of its best `levels` levels, the nearest of several. Its distance from the best price in
/// ticks, and its size in lots; `None` on an empty side.
#[inline]
pub fn liquidity_level(side: &[Level], levels: usize) -> Option<(u64, u64)> {
    let best = side.first()?;
    let most = side.iter().take(levels).reduce(|most, level| if level.size > most.size { level } else { most })?;
    Some((most.price_ticks.abs_diff(best.price_ticks), most.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(levels: &[(i64, u64)]) -> Vec<Level> {
        levels.iter().map(|&(price_ticks, size)| Level { price_ticks, size }).collect()
    }

    #[test]
    fn depth_near_the_best_price_by_hand() {
        let bids = side(&[(100, 5), (98, 7), (97, 11), (90, 13)]);
        assert_eq!([0, 1, 2, 3, 9, 10].map(|ticks| depth_within(&bids, ticks, 20)), [5, 5, 12, 23, 23, 36]);
        assert_eq!((depth_within(&bids, 10, 2), depth_within(&[], 10, 2)), (12, 0));
        let huge = side(&[(i64::MAX, u64::MAX), (i64::MIN, 1)]);
        assert_eq!((depth_within(&huge, u64::MAX, 2), depth_within(&huge, u64::MAX - 1, 2)), (u64::MAX, u64::MAX));
    }

    #[test]
    fn the_level_with_most_is_the_nearest_of_several() {
        let asks = side(&[(100, 5), (103, 9), (104, 9), (110, 40)]);
        assert_eq!(liquidity_level(&asks, 1), Some((0, 5)));
        assert_eq!(liquidity_level(&asks, 3), Some((3, 9)));
        assert_eq!((liquidity_level(&asks, 4), liquidity_level(&[], 4)), (Some((10, 40)), None));
    }
}
