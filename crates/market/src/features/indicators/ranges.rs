//! Ranges: highest and lowest of the last bars, the average true range and the directional movement.
//!
//! Source: Wilder, "New concepts in technical trading systems" (1978), sections III (true range) and IV (directional movement; DX and ADX). The true
//! range of a bar is the greatest of high − low, |high − close before| and |low − close before|; of the first bar, high − low.

use std::collections::VecDeque;

use super::{
    super::FeatureError,
    Bar,
    averages::{Ema, period},
};

/// The lowest low and the highest high of the last n bars, in constant time on average: of each, only those are held that no later one beats.
#[derive(Debug, Clone)]
pub struct RollingExtremes {
    period: u64,
    bars: u64,
    lows: VecDeque<(u64, f64)>,
    highs: VecDeque<(u64, f64)>,
}

impl RollingExtremes {
    /// Of the last `bars` bars.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        let period = period("bars", bars)? as u64;
        Ok(Self { period, bars: 0, lows: VecDeque::with_capacity(bars + 1), highs: VecDeque::with_capacity(bars + 1) })
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if !bar.is_one() {
            return;
        }
        while self.lows.back().is_some_and(|(_, low)| *low >= bar.low) {
            self.lows.pop_back();
        }
        while self.highs.back().is_some_and(|(_, high)| *high <= bar.high) {
            self.highs.pop_back();
        }
        self.lows.push_back((self.bars, bar.low));
        self.highs.push_back((self.bars, bar.high));
        self.bars += 1;
        for held in [&mut self.lows, &mut self.highs] {
            if held.front().is_some_and(|(at, _)| at + self.period < self.bars) {
                held.pop_front();
            }
        }
    }

    /// Lowest and highest; `None` before n bars.
    pub fn value(&self) -> Option<(f64, f64)> {
        if self.bars < self.period {
            return None;
        }
        Some((self.lows.front()?.1, self.highs.front()?.1))
    }
}

/// The true range of a bar after a close.
fn true_range(bar: &Bar, close_before: Option<f64>) -> f64 {
    let height = bar.high - bar.low;
    close_before.map_or(height, |close| height.max((bar.high - close).abs()).max((bar.low - close).abs()))
}

/// Wilder's average true range, in the unit of prices: the mean of the first n true ranges, then smoothed by 1/n.
#[derive(Debug, Clone)]
pub struct Atr {
    smoothed: Ema,
    close: Option<f64>,
}

impl Atr {
    /// Over `bars`; 14 are Wilder's.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { smoothed: Ema::wilder(bars)?, close: None })
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if bar.is_one() {
            self.smoothed.push(true_range(bar, self.close));
            self.close = Some(bar.close);
        }
    }

    /// `None` before n bars.
    pub fn value(&self) -> Option<f64> {
        self.smoothed.value()
    }
}

/// Wilder's directional movement: how much of the true range went up (+DI) and down (−DI), and how one-sided that is on average (ADX); 0 to 100.
///
/// Of a bar's rise above the high before and its fall below the low before, the greater counts, where it is above 0. Both and the true range are
/// smoothed from the mean of the first n changes on by 1/n; DX = 100·|+DI − −DI|/(+DI + −DI); ADX is the mean of the first n DX, then smoothed by 1/n.
#[derive(Debug, Clone)]
pub struct Adx {
    up: Ema,
    down: Ema,
    range: Ema,
    smoothed: Ema,
    before: Option<Bar>,
}

impl Adx {
    /// Over `bars`; 14 are Wilder's.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        let smoothing = || Ema::wilder(bars);
        Ok(Self { up: smoothing()?, down: smoothing()?, range: smoothing()?, smoothed: smoothing()?, before: None })
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if !bar.is_one() {
            return;
        }
        if let Some(before) = self.before.replace(*bar) {
            let (rise, fall) = (bar.high - before.high, before.low - bar.low);
            self.up.push(if rise > fall { rise.max(0.0) } else { 0.0 });
            self.down.push(if fall > rise { fall.max(0.0) } else { 0.0 });
            self.range.push(true_range(bar, Some(before.close)));
            if let (Some(up), Some(down)) = (self.up.value(), self.down.value()) {
                self.smoothed.push(if up + down > 0.0 { 100.0 * ((up - down).abs() / (up + down)) } else { 0.0 });
            }
        }
    }

    fn indicator(&self, of: &Ema) -> Option<f64> {
        let (moved, range) = (of.value()?, self.range.value()?);
        Some(if range > 0.0 { 100.0 * moved / range } else { 0.0 })
    }

    /// +DI; `None` before n + 1 bars.
    pub fn plus(&self) -> Option<f64> {
        self.indicator(&self.up)
    }

    /// −DI; `None` before n + 1 bars.
    pub fn minus(&self) -> Option<f64> {
        self.indicator(&self.down)
    }

    /// ADX; `None` before 2n bars.
    pub fn value(&self) -> Option<f64> {
        self.smoothed.value()
    }
}
