//! Bars: what the price did over an interval.

use super::super::{
    FeatureError, Trade,
    error::{bad, duration},
};

/// What the price did over an interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bar {
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// What was traded.
    pub volume: f64,
}

impl Bar {
    /// The bar, where it is one.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a number that is not finite, a high below a low, an open or close outside them, or a volume below 0.
    pub fn checked(self) -> Result<Self, FeatureError> {
        for (field, value) in [
            ("high", self.high),
            ("low", self.low),
            ("open", self.open),
            ("close", self.close),
            ("volume", self.volume),
        ] {
            if !value.is_finite() {
                return Err(bad(field, value, "finite numbers"));
            }
        }
        if self.high < self.low {
            return Err(bad("high", self.high, "low or above"));
        }
        for (field, value) in [("open", self.open), ("close", self.close)] {
            if !(self.low..=self.high).contains(&value) {
                return Err(bad(field, value, "from low to high"));
            }
        }
        if self.volume < 0.0 { Err(bad("volume", self.volume, "0 or more")) } else { Ok(self) }
    }

    /// Whether it is one.
    pub(super) fn is_one(&self) -> bool {
        self.checked().is_ok()
    }

    /// (high + low + close)/3.
    pub fn typical_price(&self) -> f64 {
        (self.high + self.low + self.close) / 3.0
    }
}

/// Bars of trades over intervals of one length, in ticks and lots. A bar is given when a later trade or book shows that it is over; an interval
/// without trades has none. A time that steps back counts as the latest time seen.
#[derive(Debug, Clone)]
pub struct TradeBars {
    interval_ns: u64,
    now_ns: u64,
    open: Option<(u64, Bar)>,
}

impl TradeBars {
    /// Intervals of `interval_ns`, which begin at whole numbers of it since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for an interval of no time or more than a day.
    pub fn new(interval_ns: u64) -> Result<Self, FeatureError> {
        Ok(Self { interval_ns: duration("interval_ns", interval_ns)?, now_ns: 0, open: None })
    }

    /// Moves on to a time; the bar that is over by it.
    #[inline]
    pub fn advance(&mut self, time_ns: u64) -> Option<Bar> {
        self.now_ns = self.now_ns.max(time_ns);
        let over = self.open.filter(|(index, _)| self.now_ns / self.interval_ns > *index);
        if over.is_some() {
            self.open = None;
        }
        over.map(|(_, bar)| bar)
    }

    /// Takes the next trade; the bar that is over by its time.
    pub fn on_trade(&mut self, trade: &Trade) -> Option<Bar> {
        let over = self.advance(trade.time_ns);
        let (price, size) = (trade.price_ticks as f64, trade.size as f64);
        let (_, bar) = self.open.get_or_insert((
            self.now_ns / self.interval_ns,
            Bar { open: price, high: price, low: price, close: price, volume: 0.0 },
        ));
        *bar =
            Bar { high: bar.high.max(price), low: bar.low.min(price), close: price, volume: bar.volume + size, ..*bar };
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_earlier_than_a_bar_that_is_over_belongs_to_the_next() {
        let mut bars = TradeBars::new(10).unwrap();
        let mut at = |time_ns, price_ticks| bars.on_trade(&Trade { time_ns, price_ticks, size: 1, resting_side: None });
        assert_eq!(at(5, 100), None);
        let first = at(12, 101).unwrap();
        assert_eq!((first.close, first.volume), (100.0, 1.0));
        assert_eq!(at(7, 102), None, "late");
        assert_eq!(bars.advance(20).unwrap().volume, 2.0);
        // No bar is open: a late trade opens none that is over already.
        let late = Trade { time_ns: 8, price_ticks: 103, size: 1, resting_side: None };
        assert_eq!(bars.on_trade(&late), None);
        assert_eq!(bars.advance(25), None);
        assert_eq!(bars.advance(30).unwrap().close, 103.0);
    }
}
