//! Moving averages: simple, exponential, MACD and Bollinger bands. Unit: that of the values, `percent_b` a number.
//!
//! Sources: Murphy, "Technical analysis of the financial markets" (1999), chapter 9 (simple and exponential averages) and chapter 10 (MACD, Appel's);
//! Bollinger, "Bollinger on Bollinger bands" (2001), chapter 7 (bands of two standard deviations of the last n values, divided by n).

use super::super::{
    FeatureError,
    error::{bad, positive},
    window::RollingTotal,
};

/// A period in bars, 1 to 10,000.
pub(super) fn period(field: &'static str, bars: usize) -> Result<usize, FeatureError> {
    if (1..=10_000).contains(&bars) { Ok(bars) } else { Err(bad(field, bars, "1 to 10,000")) }
}

/// The simple moving average: the mean of the last n values.
#[derive(Debug, Clone)]
pub struct Sma {
    total: RollingTotal,
    period: f64,
}

impl Sma {
    /// Of the last `bars` values.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { total: RollingTotal::new(period("bars", bars)?)?, period: bars as f64 })
    }

    /// Takes the next value; one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if value.is_finite() {
            self.total.push(value);
        }
    }

    /// `None` before n values.
    pub fn value(&self) -> Option<f64> {
        self.total.sum().map(|sum| sum / self.period)
    }
}

/// The exponential moving average: from the mean of the first n values on, each moves it by 2/(n + 1) of the way to itself.
#[derive(Debug, Clone)]
pub struct Ema {
    period: usize,
    share: f64,
    seen: usize,
    mean: f64,
}

impl Ema {
    /// With the share 2/(`bars` + 1).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { period: period("bars", bars)?, share: 2.0 / (bars as f64 + 1.0), seen: 0, mean: 0.0 })
    }

    /// Wilder's smoothing: the share is 1/`bars`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn wilder(bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { share: 1.0 / bars as f64, ..Self::new(bars)? })
    }

    /// Takes the next value; one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.seen < self.period {
            self.seen += 1;
            self.mean += (value - self.mean) / self.seen as f64;
        } else {
            self.mean += self.share * (value - self.mean);
        }
    }

    /// `None` before n values.
    pub fn value(&self) -> Option<f64> {
        (self.seen == self.period).then_some(self.mean)
    }
}

/// MACD: a fast exponential average less a slow one, and the exponential average of that (the signal).
#[derive(Debug, Clone)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
}

impl Macd {
    /// Of `fast`, `slow` and `signal` bars: 12, 26 and 9 are usual; `fast` less than `slow`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000, or a fast average that is not faster.
    pub fn new(fast: usize, slow: usize, signal: usize) -> Result<Self, FeatureError> {
        if fast >= slow {
            return Err(bad("fast", fast, "less than slow"));
        }
        Ok(Self {
            fast: Ema::new(period("fast", fast)?)?,
            slow: Ema::new(period("slow", slow)?)?,
            signal: Ema::new(period("signal", signal)?)?,
        })
    }

    /// Takes the next close.
    pub fn push(&mut self, close: f64) {
        self.fast.push(close);
        self.slow.push(close);
        if let Some(line) = self.line().filter(|_| close.is_finite()) {
            self.signal.push(line);
        }
    }

    /// The fast average less the slow one; `None` before the slow one's bars.
    pub fn line(&self) -> Option<f64> {
        Some(self.fast.value()? - self.slow.value()?)
    }

    /// The signal; `None` before `slow` + `signal` − 1 bars.
    pub fn signal(&self) -> Option<f64> {
        self.signal.value()
    }

    /// The line less the signal.
    pub fn histogram(&self) -> Option<f64> {
        Some(self.line()? - self.signal()?)
    }
}

/// Bollinger bands.
#[derive(Debug, Clone)]
pub struct Bollinger {
    values: RollingTotal,
    squares: RollingTotal,
    centre: f64,
    period: f64,
    width: f64,
    latest: f64,
}

/// The bands at one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// The simple average.
    pub middle: f64,
    /// So many standard deviations above it.
    pub upper: f64,
    /// As many below it.
    pub lower: f64,
    /// Where the last value stands: 0 at the lower band, 1 at the upper; `None` where the bands meet.
    pub percent_b: Option<f64>,
}

impl Bollinger {
    /// Of the last `bars` values (2 or more; 20 is usual), `deviations` wide on each side (2 is usual).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 2 to 10,000, or a width that is not above 0.
    pub fn new(bars: usize, deviations: f64) -> Result<Self, FeatureError> {
        if bars < 2 {
            return Err(bad("bars", bars, "2 to 10,000"));
        }
        let rolling = || RollingTotal::new(period("bars", bars)?);
        let width = positive("deviations", deviations)?;
        Ok(Self { values: rolling()?, squares: rolling()?, centre: f64::NAN, period: bars as f64, width, latest: 0.0 })
    }

    /// Takes the next value; one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.centre.is_nan() {
            // Squares about the first value lose less to rounding than squares of prices.
            self.centre = value;
        }
        let from_centre = value - self.centre;
        self.values.push(from_centre);
        self.squares.push(from_centre * from_centre);
        self.latest = value;
    }

    /// `None` before n values.
    pub fn value(&self) -> Option<Bands> {
        let mean = self.values.sum()? / self.period;
        let square = self.squares.sum()? / self.period;
        let variance = square - mean * mean;
        let deviation = if variance > 1e-14 * square { variance.sqrt() } else { 0.0 };
        let middle = self.centre + mean;
        let (upper, lower) = (middle + self.width * deviation, middle - self.width * deviation);
        let percent_b = (upper > lower).then(|| (self.latest - lower) / (upper - lower));
        Some(Bands { middle, upper, lower, percent_b })
    }
}
