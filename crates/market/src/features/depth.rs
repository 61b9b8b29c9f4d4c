//! How much rests in the book, on which side, and the mid price that it leans to.
//!
//! Window of all: the book now. Sources: Cao, Hansch and Wang, "The information content of an open limit-order book", Journal of Futures
//! Markets 29 (2009), section 3 (depth and imbalance by level); Gatheral and Oomen, "Zero-intelligence realized variance estimation", Finance
//! and Stochastics 14 (2010), eq. 2 (the mid weighted by the other side's size).

use super::{Depth, FeatureError, Level, error::bad};

/// The most levels that a feature looks at.
pub const MOST_LEVELS: usize = 20;

/// A number of levels that a feature can look at.
///
/// # Errors
///
/// [`FeatureError::BadParameter`] outside 1 to [`MOST_LEVELS`].
pub fn checked_levels(levels: usize) -> Result<usize, FeatureError> {
    if (1..=MOST_LEVELS).contains(&levels) { Ok(levels) } else { Err(bad("levels", levels, "1 to 20")) }
}

/// Depth of one side in lots: the sizes of its best `levels` levels, or of all there are where they are fewer. 0 on an empty side.
#[inline]
pub fn side_depth(side: &[Level], levels: usize) -> u64 {
    side.iter().take(levels).fold(0, |sum: u64, level| sum.saturating_add(level.size))
}

/// Imbalance at the best `levels` levels: (B − A)/(B + A), B and A the depths of the sides; −1 (all asks) to 1 (all bids). `None` in an empty book.
#[inline]
pub fn imbalance(depth: &Depth<'_>, levels: usize) -> Option<f64> {
    let bids = side_depth(depth.bids, levels) as f64;
    let asks = side_depth(depth.asks, levels) as f64;
    (bids + asks > 0.0).then(|| (bids - asks) / (bids + asks))
}

/// The mid weighted by size, in ticks: (bid·A + ask·B)/(A + B), A and B what rests at the best ask and bid. It leans to the side that is soon
/// gone. `None` where a side is empty or nothing rests.
#[inline]
pub fn weighted_mid_ticks(depth: &Depth<'_>) -> Option<f64> {
    let (bid, ask) = depth.best()?;
    let (b, a) = (bid.size as f64, ask.size as f64);
    let spread = (ask.price_ticks as f64) - (bid.price_ticks as f64);
    (a + b > 0.0).then(|| bid.price_ticks as f64 + spread * (b / (a + b)))
}

#[cfg(test)]
mod tests {
    use super::super::lobster::level;
    use super::*;

    #[test]
    fn depth_imbalance_and_weighted_mid_by_hand() {
        let bids = [level(100, 30), level(99, 10), level(98, 5)];
        let asks = [level(102, 10), level(104, 10)];
        let depth = Depth { time_ns: 0, bids: &bids, asks: &asks };
        assert_eq!((side_depth(&bids, 2), side_depth(&asks, 5), side_depth(&[], 5)), (40, 20, 0));
        assert_eq!(imbalance(&depth, 1), Some(0.5));
        assert_eq!(imbalance(&depth, 2), Some(20.0 / 60.0));
        assert_eq!(imbalance(&depth, 5), Some(25.0 / 65.0));
        // 30 of 40 rest at the bid: three quarters of the way to the ask.
        assert_eq!(weighted_mid_ticks(&depth), Some(101.5));
    }

    #[test]
    fn an_empty_book_has_no_imbalance() {
        let empty = Depth { time_ns: 0, bids: &[], asks: &[] };
        assert_eq!((imbalance(&empty, 3), weighted_mid_ticks(&empty)), (None, None));
        let one_sided = Depth { time_ns: 0, bids: &[level(1, 1)], asks: &[] };
        assert_eq!((imbalance(&one_sided, 3), weighted_mid_ticks(&one_sided)), (Some(1.0), None));
    }

    #[test]
    fn levels_out_of_range_are_told() {
        assert_eq!(checked_levels(0).unwrap_err().to_string(), "levels 0; allowed: 1 to 20");
        assert_eq!(checked_levels(21).unwrap_err().to_string(), "levels 21; allowed: 1 to 20");
    }
}
