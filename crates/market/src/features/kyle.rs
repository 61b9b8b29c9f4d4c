//! Kyle's lambda: by how much the price moves with what was bought on balance.
//!
//! Sources: Kyle, "Continuous auctions and insider trading", Econometrica 53 (1985), eq. 2.6 (Δp = λ·y); Hasbrouck, "Trading costs and returns for
//! US equities", Journal of Finance 64 (2009), section 4 (the regression over short intervals on Σ sign·√volume). Over the last n intervals of one
//! length the mid's change in ticks is regressed on x, the signed volume of the interval: Σ D·v in lots, or Σ D·√v. Unit of lambda: ticks a lot,
//! or ticks a root of a lot.

use super::{
    Depth, FeatureError, Trade,
    error::duration,
    regression::{Line, RollingLine},
    spread::TradeSign,
};

/// What the change of the mid is regressed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedVolume {
    /// Σ D·v.
    Plain,
    /// Σ D·√v.
    Root,
}

/// Kyle's lambda over the last intervals, streaming. An interval counts when a later event shows that it is over; those without trades count too.
#[derive(Debug, Clone)]
pub struct KyleLambda {
    interval_ns: u64,
    window: u64,
    volume: SignedVolume,
    rolling: RollingLine,
    line: Option<Line>,
    signs: TradeSign,
    index: Option<u64>,
    signed: f64,
    mid_half_ticks: Option<i64>,
    mid_at_start: Option<i64>,
}

impl KyleLambda {
    /// Over `intervals` (3 or more) intervals of `interval_ns`, which begin at whole numbers of it since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(interval_ns: u64, intervals: usize, volume: SignedVolume) -> Result<Self, FeatureError> {
        Ok(Self {
            interval_ns: duration("interval_ns", interval_ns)?,
            window: intervals as u64,
            volume,
            rolling: RollingLine::new(intervals)?,
            line: None,
            signs: TradeSign::new(),
            index: None,
            signed: 0.0,
            mid_half_ticks: None,
            mid_at_start: None,
        })
    }

    /// Ends the intervals that are over by a time.
    #[inline]
    pub fn advance(&mut self, time_ns: u64) {
        let index = time_ns / self.interval_ns;
        match self.index {
            None => self.index = Some(index),
            Some(open) if index > open => self.close(index - open, index),
            Some(_) => {}
        }
    }

    fn close(&mut self, over: u64, index: u64) {
        if let (Some(now), Some(start)) = (self.mid_half_ticks, self.mid_at_start) {
            self.rolling.push(self.signed, now.saturating_sub(start) as f64 * 0.5);
            // More empty intervals than the window holds say no more than as many as it holds.
            for _ in 0..(over - 1).min(self.window) {
                self.rolling.push(0.0, 0.0);
            }
            self.line = self.rolling.line();
        }
        (self.index, self.signed, self.mid_at_start) = (Some(index), 0.0, self.mid_half_ticks);
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.advance(depth.time_ns);
        self.mid_half_ticks = depth.mid_half_ticks().or(self.mid_half_ticks);
        self.mid_at_start = self.mid_at_start.or(self.mid_half_ticks);
    }

    /// Takes the next trade, given before the book that it left behind.
    pub fn on_trade(&mut self, trade: &Trade) {
        self.advance(trade.time_ns);
        let sign = self.signs.on_trade(trade, self.mid_half_ticks).map_or(0.0, f64::from);
        let size = trade.size as f64;
        self.signed += match self.volume {
            SignedVolume::Plain => sign * size,
            SignedVolume::Root => sign * size.sqrt(),
        };
    }

    /// Forgets the last book, across which nothing is a difference, and what was traded in the open interval until now: it begins anew.
    pub fn on_break(&mut self) {
        (self.mid_half_ticks, self.mid_at_start, self.signed) = (None, None, 0.0);
    }

    /// Lambda; `None` before the window is full, and where neither side was traded or the mid never moved in it.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.line.map(|line| line.slope)
    }

    /// The whole regression that lambda is the slope of.
    pub fn line(&self) -> Option<Line> {
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::super::lobster::{self, level};
    use super::*;
    use crate::event::Side;

    /// One trade and the book after it, an interval of 10 ns each.
    fn feed(kyle: &mut KyleLambda, trades: &[(u64, bool, i64)]) {
        for (i, &(size, bought, mid)) in trades.iter().enumerate() {
            let time_ns = i as u64 * 10;
            let resting_side = Some(if bought { Side::Ask } else { Side::Bid });
            kyle.on_trade(&Trade { time_ns, price_ticks: 100, size, resting_side });
            kyle.on_depth(&Depth { time_ns, bids: &[level(mid - 1, 1)], asks: &[level(mid + 1, 1)] });
        }
    }

    #[test]
    fn lambda_by_hand() {
        // The first interval begins without a mid. Then 4 bought: +2 ticks; 9 sold: −3; 16 bought: +4: the mid moves with the root, λ = 1.
        let trades = [(1, true, 100), (4, true, 102), (9, false, 99), (16, true, 103), (1, true, 104)];
        let mut root = KyleLambda::new(10, 3, SignedVolume::Root).unwrap();
        feed(&mut root, &trades);
        let line = root.line().unwrap();
        assert!((line.slope - 1.0).abs() < 1e-12 && (line.r_squared - 1.0).abs() < 1e-12, "{line:?}");
        // Against x = 4, −9, 16: means 11/3 and 1, Σdxdy = 88, Σdx² = 353 − 3·(11/3)² = 938/3.
        let mut plain = KyleLambda::new(10, 3, SignedVolume::Plain).unwrap();
        feed(&mut plain, &trades);
        let by_hand = (8.0 + 27.0 + 64.0 - 11.0) / (353.0 - 121.0 / 3.0);
        assert!((plain.value().unwrap() - by_hand).abs() < 1e-12, "{:?}, by hand {by_hand}", plain.value());
    }

    #[test]
    fn a_long_pause_ends_and_empties_the_window() {
        let mut kyle = KyleLambda::new(10, 3, SignedVolume::Plain).unwrap();
        feed(&mut kyle, &[(1, true, 100), (4, true, 102), (9, false, 99), (16, true, 103), (1, true, 104)]);
        assert!(kyle.value().is_some());
        kyle.on_depth(&Depth { time_ns: u64::MAX, bids: &[level(1, 1)], asks: &[level(3, 1)] });
        assert_eq!(kyle.value(), None);
    }

    #[test]
    fn real_the_mid_moves_with_what_is_bought() {
        let Some(day) = lobster::amzn() else { return };
        for volume in [SignedVolume::Plain, SignedVolume::Root] {
            let mut kyle = KyleLambda::new(10_000_000_000, 180, volume).unwrap();
            for row in 0..day.rows() {
                day.trade(row).into_iter().for_each(|trade| kyle.on_trade(trade));
                kyle.on_depth(&day.depth(row));
            }
            let line = kyle.line().unwrap();
            assert!(line.slope > 3.0 * line.slope_error, "{volume:?}: {line:?}");
        }
    }
}
