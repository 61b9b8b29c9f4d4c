//! Patterns of bars, and breakouts of a channel.
//!
//! Definitions after Nison, "Japanese candlestick charting techniques" (1991), chapters 4 (hammer, engulfing) and 8 (doji), with the numbers stated
//! that the book leaves to the eye; Donchian's channel after Murphy, "Technical analysis of the financial markets" (1999), chapter 9. With body =
//! |close − open|, height = high − low:
//!
//! - doji: height above 0 and body at most a tenth of it.
//! - hammer: body above 0, the lower shadow (from the body's lower end to the low) at least twice the body, the upper shadow at most a tenth of the
//!   height. Whether it hangs after a rise or stands after a fall is the reader's.
//! - engulfing: the bar before fell and this one rose (+1) or the other way round (−1), and this one's body holds the other's: it reaches at least as
//!   far on both sides, and further on one.
//! - inside bar: high below the high before and low above the low before.
//! - breakout: close above the highest high (+1) or below the lowest low (−1) of the n bars before it, itself left out.

use super::{super::FeatureError, Bar, ranges::RollingExtremes};

/// Whether a bar is a doji.
pub fn is_doji(bar: &Bar) -> bool {
    let height = bar.high - bar.low;
    height > 0.0 && (bar.close - bar.open).abs() <= 0.1 * height
}

/// Whether a bar is a hammer.
pub fn is_hammer(bar: &Bar) -> bool {
    let body = (bar.close - bar.open).abs();
    let lower = bar.open.min(bar.close) - bar.low;
    let upper = bar.high - bar.open.max(bar.close);
    body > 0.0 && lower >= 2.0 * body && upper <= 0.1 * (bar.high - bar.low)
}

/// +1 where a bar that rose engulfs one that fell, −1 where one that fell engulfs one that rose, else 0.
pub fn engulfing(before: &Bar, bar: &Bar) -> i8 {
    let (low, high) = (bar.open.min(bar.close), bar.open.max(bar.close));
    let (low_before, high_before) = (before.open.min(before.close), before.open.max(before.close));
    if !(low <= low_before && high >= high_before && (low < low_before || high > high_before)) {
        0
    } else if before.close < before.open && bar.close > bar.open {
        1
    } else if before.close > before.open && bar.close < bar.open {
        -1
    } else {
        0
    }
}

/// Whether a bar lies inside the one before.
pub fn is_inside(before: &Bar, bar: &Bar) -> bool {
    bar.high < before.high && bar.low > before.low
}

/// The patterns at one bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patterns {
    /// A doji.
    pub doji: bool,
    /// A hammer.
    pub hammer: bool,
    /// +1, −1 or 0; `None` at the first bar.
    pub engulfing: Option<i8>,
    /// An inside bar; `None` at the first bar.
    pub inside: Option<bool>,
    /// +1, −1 or 0; `None` until there are n bars before.
    pub breakout: Option<i8>,
}

/// The patterns, streaming.
#[derive(Debug, Clone)]
pub struct PatternReader {
    before: Option<Bar>,
    channel: RollingExtremes,
    latest: Option<Patterns>,
}

impl PatternReader {
    /// With a channel of `channel_bars`; 20 are usual.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(channel_bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { before: None, channel: RollingExtremes::new(channel_bars)?, latest: None })
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if !bar.is_one() {
            return;
        }
        let before = self.before.replace(*bar);
        self.latest = Some(Patterns {
            doji: is_doji(bar),
            hammer: is_hammer(bar),
            engulfing: before.map(|before| engulfing(&before, bar)),
            inside: before.map(|before| is_inside(&before, bar)),
            breakout: self.channel.value().map(|(low, high)| i8::from(bar.close > high) - i8::from(bar.close < low)),
        });
        // The bar joins the channel only after it has been held against it.
        self.channel.push(bar);
    }

    /// At the last bar; `None` before the first.
    pub fn value(&self) -> Option<Patterns> {
        self.latest
    }
}
