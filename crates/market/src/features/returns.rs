//! Returns of the mid over intervals of one length.

use super::{Depth, FeatureError, error::duration};

/// Cuts the stream of books into intervals and gives the logarithm of the mid's return over each, from the last mid before it to its last mid; 0
/// where nothing happened. No unit. An interval's return is known when a later book or moment shows that it is over.
#[derive(Debug, Clone)]
pub struct IntervalReturns {
    interval_ns: u64,
    most_empty: u64,
    index: Option<u64>,
    mid_half_ticks: Option<i64>,
    at_start: Option<i64>,
}

impl IntervalReturns {
    /// Intervals of `interval_ns`, which begin at whole numbers of it since the Unix epoch. After a pause no more than `most_empty` empty ones are
    /// given: a window that holds so many has seen all there is.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for an interval of no time or more than a day.
    pub fn new(interval_ns: u64, most_empty: usize) -> Result<Self, FeatureError> {
        let interval_ns = duration("interval_ns", interval_ns)?;
        Ok(Self { interval_ns, most_empty: most_empty as u64, index: None, mid_half_ticks: None, at_start: None })
    }

    /// Takes the next book, after giving the return of each interval that is over by its time. A mid that is not above 0 counts as none.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>, over: impl FnMut(f64)) {
        self.advance(depth.time_ns, over);
        self.mid_half_ticks = depth.mid_half_ticks().filter(|mid| *mid > 0).or(self.mid_half_ticks);
        self.at_start = self.at_start.or(self.mid_half_ticks);
    }

    /// Gives the return of each interval that is over by a time.
    #[inline]
    pub fn advance(&mut self, time_ns: u64, mut over: impl FnMut(f64)) {
        let index = time_ns / self.interval_ns;
        let open = *self.index.get_or_insert(index);
        if index > open {
            if let (Some(now), Some(start)) = (self.mid_half_ticks, self.at_start) {
                over((now as f64 / start as f64).ln());
                (0..(index - open - 1).min(self.most_empty)).for_each(|_| over(0.0));
            }
            (self.index, self.at_start) = (Some(index), self.mid_half_ticks);
        }
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        (self.mid_half_ticks, self.at_start) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::lobster::level;
    use super::*;

    #[test]
    fn returns_by_hand() {
        let mut returns = IntervalReturns::new(10, 100).unwrap();
        let mut seen = Vec::new();
        for (time_ns, mid) in [(3, 100), (9, 200), (12, 100), (15, 400), (41, 400)] {
            let (bids, asks) = ([level(mid - 1, 1)], [level(mid + 1, 1)]);
            returns.on_depth(&Depth { time_ns, bids: &bids, asks: &asks }, |r| seen.push(r));
        }
        let ln2 = std::f64::consts::LN_2;
        let by_hand = [ln2, ln2, 0.0, 0.0];
        assert_eq!(seen.len(), by_hand.len());
        assert!(seen.iter().zip(by_hand).all(|(found, by_hand)| (found - by_hand).abs() < 1e-12), "{seen:?}");
    }

    #[test]
    fn a_clock_that_jumps_makes_no_flood() {
        let mut returns = IntervalReturns::new(1, 7).unwrap();
        let mut given = 0;
        let (bids, asks) = ([level(1, 1)], [level(3, 1)]);
        for time_ns in [0, u64::MAX, 3, u64::MAX] {
            returns.on_depth(&Depth { time_ns, bids: &bids, asks: &asks }, |_| given += 1);
        }
        assert_eq!(given, 8);
    }
}
