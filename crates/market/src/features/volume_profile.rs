//! How much was traded at each price: the volume profile, its point of control and its value area.
//!
//! Source: Dalton, Jones and Dalton, "Mind over markets" (1990), appendix 1 (the value area from the point of control outwards: of the two prices
//! next above and the two next below, those with more volume are added, until the share is reached). Window: from the start, or the last
//! [`VolumeProfile::clear`]. Unit: lots at prices in bins of `bin_ticks`.

use super::{FeatureError, Trade, error::bad};

/// How many bins a profile may have.
const MOST_BINS: usize = 1 << 16;

/// A volume profile, streaming: a trade costs an addition; bins are added as the price moves into them.
#[derive(Debug, Clone)]
pub struct VolumeProfile {
    bin_ticks: i64,
    lowest: i64,
    lots: Vec<u64>,
    control: usize,
    total: u64,
    outside: u64,
}

/// The range of prices where most was traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueArea {
    /// The lowest price in it, in ticks: the start of its lowest bin.
    pub low_ticks: i64,
    /// The highest price in it, in ticks: the end of its highest bin.
    pub high_ticks: i64,
    /// What was traded there, in lots.
    pub lots: u64,
}

impl VolumeProfile {
    /// Bins of `bin_ticks` (1 or more), from multiples of it on.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] below 1.
    pub fn new(bin_ticks: i64) -> Result<Self, FeatureError> {
        if bin_ticks < 1 {
            return Err(bad("bin_ticks", bin_ticks, "1 or more"));
        }
        Ok(Self { bin_ticks, lowest: 0, lots: Vec::new(), control: 0, total: 0, outside: 0 })
    }

    /// Takes the next trade.
    #[inline]
    pub fn on_trade(&mut self, trade: &Trade) {
        let bin = trade.price_ticks.div_euclid(self.bin_ticks);
        let Some(place) = self.place(bin) else {
            self.outside = self.outside.saturating_add(trade.size);
            return;
        };
        self.lots[place] = self.lots[place].saturating_add(trade.size);
        self.total = self.total.saturating_add(trade.size);
        let most = self.lots[self.control];
        if self.lots[place] > most || (self.lots[place] == most && place < self.control) {
            self.control = place;
        }
    }

    /// The place of a bin, made where it is new and there is room.
    #[inline]
    fn place(&mut self, bin: i64) -> Option<usize> {
        if self.lots.is_empty() {
            self.lowest = bin;
        }
        let above = i128::from(bin) - i128::from(self.lowest);
        if above >= 0 && above < self.lots.len() as i128 {
            return Some(above as usize);
        }
        let span = if above < 0 { self.lots.len() as i128 - above } else { above + 1 };
        if span > MOST_BINS as i128 {
            return None;
        }
        if above < 0 {
            // A quarter more than is needed, so that a falling price seldom moves what there is.
            let more = ((-above) as usize + span as usize / 4).min(MOST_BINS - self.lots.len());
            let more = more.min((self.lowest as i128 - i128::from(i64::MIN)).min(MOST_BINS as i128) as usize);
            self.lots.splice(0..0, std::iter::repeat_n(0, more));
            (self.lowest, self.control) = (self.lowest - more as i64, self.control + more);
        } else {
            self.lots.resize(span as usize, 0);
        }
        Some((i128::from(bin) - i128::from(self.lowest)) as usize)
    }

    /// Starts anew, as at the start of a session.
    pub fn clear(&mut self) {
        self.lots.clear();
        (self.control, self.total, self.outside) = (0, 0, 0);
    }

    /// What was traded in all, in lots.
    pub fn total_lots(&self) -> u64 {
        self.total
    }

    /// What was traded more than 65,536 bins away from other prices, and is not in the profile; in lots.
    pub fn outside_lots(&self) -> u64 {
        self.outside
    }

    /// The point of control, in ticks: the start of the bin in which most was traded, the lowest of several. `None` before the first trade.
    #[inline]
    pub fn point_of_control_ticks(&self) -> Option<i64> {
        (self.total > 0).then(|| self.start(self.control))
    }

    /// Every bin in which something was traded, by price: where it starts in ticks, and the lots.
    pub fn bins(&self) -> impl Iterator<Item = (i64, u64)> {
        self.lots.iter().enumerate().filter(|(_, lots)| **lots > 0).map(|(place, lots)| (self.start(place), *lots))
    }

    /// The value area of a `share` of all that was traded (0.7 is usual), in time that goes with the number of bins; `None` before the first trade.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a share outside (0, 1].
    pub fn value_area(&self, share: f64) -> Result<Option<ValueArea>, FeatureError> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(bad("share", share, "above 0, to 1"));
        }
        if self.total == 0 {
            return Ok(None);
        }
        let needed = share * self.total as f64;
        let (mut low, mut high, mut held) = (self.control, self.control, self.lots[self.control]);
        while (held as f64) < needed {
            let last = self.lots.len() - 1;
            let up = (high + 2).min(last);
            let down = low.saturating_sub(2);
            let above: u64 = self.lots[high + 1..=up].iter().sum();
            let below: u64 = self.lots[down..low].iter().sum();
            if (up > high && above >= below) || down == low {
                (high, held) = (up, held + above);
            } else {
                (low, held) = (down, held + below);
            }
        }
        let high_ticks = self.start(high).saturating_add(self.bin_ticks - 1);
        Ok(Some(ValueArea { low_ticks: self.start(low), high_ticks, lots: held }))
    }

    fn start(&self, place: usize) -> i64 {
        (self.lowest + place as i64).saturating_mul(self.bin_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn profile(bin_ticks: i64, trades: &[(i64, u64)]) -> VolumeProfile {
        let mut profile = VolumeProfile::new(bin_ticks).unwrap();
        for &(price_ticks, size) in trades {
            profile.on_trade(&Trade { time_ns: 0, price_ticks, size, resting_side: None });
        }
        profile
    }

    #[test]
    fn value_area_by_hand() {
        // 100 in all; the most at 103. Above it 20 + 5, below it 15 + 8: up, 60 held. Then 2 above and 23 below: down, 83 of the 70 needed.
        let found = profile(1, &[(100, 15), (101, 8), (102, 15), (103, 35), (104, 20), (105, 5), (106, 2)]);
        assert_eq!(found.point_of_control_ticks(), Some(103));
        let area = found.value_area(0.7).unwrap();
        assert_eq!(area, Some(ValueArea { low_ticks: 101, high_ticks: 105, lots: 83 }));
        let all = found.value_area(1.0).unwrap().unwrap();
        assert_eq!((all.low_ticks, all.high_ticks, all.lots), (100, 106, 100));
    }

    #[test]
    fn bins_hold_whole_ranges_and_prices_below_nought() {
        let found = profile(10, &[(-1, 3), (0, 4), (9, 5), (-10, 2)]);
        assert_eq!(found.bins().collect::<Vec<_>>(), [(-10, 5), (0, 9)]);
        assert_eq!(found.point_of_control_ticks(), Some(0));
    }

    #[test]
    fn a_wild_price_is_counted_and_makes_no_bins() {
        let found = profile(1, &[(100, 1), (i64::MAX, 7), (i64::MIN, 8), (101, 1)]);
        assert_eq!((found.total_lots(), found.outside_lots()), (2, 15));
        let error = found.value_area(0.0).unwrap_err().to_string();
        assert_eq!(error, "share 0; allowed: above 0, to 1");
        assert_eq!(profile(1, &[]).value_area(0.7), Ok(None));
    }

    proptest! {
        #[test]
        fn streaming_is_a_count_by_bin(trades in prop::collection::vec((-3000i64..3000, 1u64..100), 1..200), bin in 1i64..50) {
            let found = profile(bin, &trades);
            let mut counted: BTreeMap<i64, u64> = BTreeMap::new();
            trades.iter().for_each(|(price, size)| *counted.entry(price.div_euclid(bin) * bin).or_default() += size);
            let most = counted.values().max().unwrap();
            prop_assert_eq!(found.point_of_control_ticks(), counted.iter().find(|(_, lots)| *lots == most).map(|(price, _)| *price));
            prop_assert_eq!(found.bins().collect::<Vec<_>>(), counted.into_iter().collect::<Vec<_>>());
            let area = found.value_area(0.7).unwrap().unwrap();
            prop_assert!(area.lots as f64 >= 0.7 * found.total_lots() as f64);
        }
    }
}
