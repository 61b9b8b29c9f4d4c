//! What trading costs: the quoted, relative, effective and realised spread.
//!
//! Sources: Huang and Stoll, "Dealer versus auction markets", Journal of Financial Economics 41 (1996), section 3 (effective spread
//! 2·D·(p − m), realised spread 2·D·(p − m after a while)); Lee and Ready, "Inferring trade direction from intraday data", Journal of Finance 46
//! (1991), section III (the quote rule, and the tick test at the mid). D is +1 where a buyer began the trade and −1 where a seller did. All
//! spreads are round trips: twice what one side pays.

use std::collections::VecDeque;

use super::{Depth, FeatureError, Trade, error::duration};

/// Quoted spread in ticks, ask − bid, now; below 0 in a crossed book. `None` where a side is empty.
#[inline]
pub fn spread_ticks(depth: &Depth<'_>) -> Option<i64> {
    depth.best().map(|(bid, ask)| ask.price_ticks.saturating_sub(bid.price_ticks))
}

/// Quoted spread as a share of the mid, now: (ask − bid)/mid, ×10,000 for basis points. `None` where a side is empty or the mid is not above 0.
#[inline]
pub fn relative_spread(depth: &Depth<'_>) -> Option<f64> {
    let mid = depth.mid_ticks().filter(|mid| *mid > 0.0)?;
    Some(spread_ticks(depth)? as f64 / mid)
}

/// Effective spread of a trade in ticks: 2·D·(price − mid before the trade).
#[inline]
pub fn effective_spread_ticks(sign: i8, price_ticks: i64, mid_half_ticks: i64) -> f64 {
    f64::from(sign) * (2 * i128::from(price_ticks) - i128::from(mid_half_ticks)) as f64
}

/// Who began a trade: the venue's word where there is one, else Lee and Ready's rules: above the mid a buyer, below it a seller, at it whoever
/// the last change of the trade price points to.
#[derive(Debug, Clone, Default)]
pub struct TradeSign {
    last_price_ticks: Option<i64>,
    last_change: Option<i8>,
}

impl TradeSign {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a trade with the mid before it; +1 for a buyer, −1 for a seller, `None` where no rule tells.
    pub fn on_trade(&mut self, trade: &Trade, mid_half_ticks: Option<i64>) -> Option<i8> {
        let change = self.last_price_ticks.and_then(|last| match trade.price_ticks.cmp(&last) {
            std::cmp::Ordering::Greater => Some(1),
            std::cmp::Ordering::Less => Some(-1),
            std::cmp::Ordering::Equal => None,
        });
        self.last_change = change.or(self.last_change);
        self.last_price_ticks = Some(trade.price_ticks);
        let by_quote = mid_half_ticks.and_then(|mid| {
            let above = 2 * i128::from(trade.price_ticks) - i128::from(mid);
            (above != 0).then_some(if above > 0 { 1 } else { -1 })
        });
        trade.sign().or(by_quote).or(self.last_change)
    }
}

/// Effective spread of the last trade, in ticks, streaming. Window: the last trade.
#[derive(Debug, Clone, Default)]
pub struct EffectiveSpread {
    signs: TradeSign,
    mid_half_ticks: Option<i64>,
    latest: Option<f64>,
}

impl EffectiveSpread {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.mid_half_ticks = depth.mid_half_ticks();
    }

    /// Takes the next trade, given before the book that it left behind.
    pub fn on_trade(&mut self, trade: &Trade) {
        let sign = self.signs.on_trade(trade, self.mid_half_ticks);
        if let (Some(sign), Some(mid)) = (sign, self.mid_half_ticks) {
            self.latest = Some(effective_spread_ticks(sign, trade.price_ticks, mid));
        }
    }

    /// Forgets the last mid: it may not be that of the next trade.
    pub fn on_break(&mut self) {
        self.mid_half_ticks = None;
    }

    /// Of the last trade whose side and mid are known; `None` before the first.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.latest
    }
}

/// Realised spread in ticks, streaming: 2·D·(price − mid `horizon_ns` later), of the trade that last grew that old; the mean by size of all of
/// them beside it. A trade's value is known when its horizon has passed and not before; the mid of an instant is the last one told at or before it.
#[derive(Debug, Clone)]
pub struct RealisedSpread {
    horizon_ns: u64,
    now_ns: u64,
    signs: TradeSign,
    mid_half_ticks: Option<i64>,
    waiting: VecDeque<(u64, i8, i64, u64)>,
    latest: Option<f64>,
    weighted: f64,
    weight: f64,
}

impl RealisedSpread {
    /// Nothing seen yet.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a horizon of no time or more than a day.
    pub fn new(horizon_ns: u64) -> Result<Self, FeatureError> {
        Ok(Self {
            horizon_ns: duration("horizon_ns", horizon_ns)?,
            now_ns: 0,
            signs: TradeSign::new(),
            mid_half_ticks: None,
            waiting: VecDeque::with_capacity(256),
            latest: None,
            weighted: 0.0,
            weight: 0.0,
        })
    }

    /// Moves on to a time: settles the trades whose horizon ended before it, by the mid that held until then.
    #[inline]
    pub fn advance(&mut self, time_ns: u64) {
        self.now_ns = self.now_ns.max(time_ns);
        while let Some(&(at_ns, sign, price_ticks, size)) = self.waiting.front() {
            if self.now_ns - at_ns <= self.horizon_ns {
                break;
            }
            self.waiting.pop_front();
            if let Some(mid) = self.mid_half_ticks {
                let spread = effective_spread_ticks(sign, price_ticks, mid);
                self.latest = Some(spread);
                self.weighted += spread * size as f64;
                self.weight += size as f64;
            }
        }
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.advance(depth.time_ns);
        self.mid_half_ticks = depth.mid_half_ticks();
    }

    /// Takes the next trade, given before the book that it left behind.
    pub fn on_trade(&mut self, trade: &Trade) {
        self.advance(trade.time_ns);
        if let Some(sign) = self.signs.on_trade(trade, self.mid_half_ticks) {
            self.waiting.push_back((self.now_ns, sign, trade.price_ticks, trade.size));
        }
    }

    /// Forgets the last mid: it may not be that of the next trade.
    pub fn on_break(&mut self) {
        self.mid_half_ticks = None;
    }

    /// Of the trade that last grew as old as the horizon; `None` before the first.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.latest
    }

    /// The mean by size of all trades as old as the horizon; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.weighted / self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, lobster::level};
    use super::*;
    use crate::event::Side;

    fn book(time_ns: u64, bid: &[Level], ask: &[Level], then: impl FnOnce(&Depth<'_>)) {
        then(&Depth { time_ns, bids: bid, asks: ask });
    }

    fn buy(time_ns: u64, price_ticks: i64, size: u64) -> Trade {
        Trade { time_ns, price_ticks, size, resting_side: Some(Side::Ask) }
    }

    #[test]
    fn quoted_and_relative_spread_by_hand() {
        book(0, &[level(9_990, 5)], &[level(10_010, 5)], |depth| {
            assert_eq!(spread_ticks(depth), Some(20));
            assert_eq!(relative_spread(depth), Some(0.002));
        });
        book(0, &[level(10, 5)], &[level(8, 5)], |crossed| assert_eq!(spread_ticks(crossed), Some(-2)));
        book(0, &[level(-5, 5)], &[level(5, 5)], |no_price| assert_eq!(relative_spread(no_price), None));
        book(0, &[], &[level(8, 5)], |one_sided| assert_eq!(spread_ticks(one_sided), None));
    }

    #[test]
    fn effective_and_realised_spread_by_hand() {
        let (mut effective, mut realised) = (EffectiveSpread::new(), RealisedSpread::new(1_000).unwrap());
        book(0, &[level(100, 5)], &[level(104, 5)], |depth| {
            effective.on_depth(depth);
            realised.on_depth(depth);
        });
        // Bought at 104 against a mid of 102: 4 ticks. A second later the mid is 103: realised 2.
        effective.on_trade(&buy(10, 104, 3));
        realised.on_trade(&buy(10, 104, 3));
        assert_eq!(effective.value(), Some(4.0));
        book(500, &[level(102, 5)], &[level(104, 5)], |depth| realised.on_depth(depth));
        book(1_010, &[level(102, 5)], &[level(106, 5)], |depth| realised.on_depth(depth));
        assert_eq!(realised.value(), None, "the horizon ends at 1,010, and the book may still change within it");
        book(1_011, &[level(110, 5)], &[level(112, 5)], |depth| realised.on_depth(depth));
        assert_eq!((realised.value(), realised.mean()), (Some(0.0), Some(0.0)), "by the mid told at 1,010: 104");
    }

    #[test]
    fn lee_and_ready_where_the_venue_does_not_tell() {
        let mut signs = TradeSign::new();
        let mut at =
            |price_ticks, mid| signs.on_trade(&Trade { time_ns: 0, price_ticks, size: 1, resting_side: None }, mid);
        assert_eq!(at(100, Some(200)), None, "at the mid and no trade before");
        assert_eq!(at(101, Some(200)), Some(1));
        assert_eq!(at(99, Some(200)), Some(-1));
        assert_eq!(at(100, Some(200)), Some(1), "at the mid, above the last trade");
        assert_eq!(at(100, Some(200)), Some(1), "at the mid, as the last trade: by the change before");
        assert_eq!(at(99, None), Some(-1));
    }
}
