//! Oscillators: where the price stands between bounds, 0 to 100.
//!
//! Sources: Wilder, "New concepts in technical trading systems" (1978), section VI (RSI); Murphy, "Technical analysis of the financial markets"
//! (1999), chapter 10 (Lane's stochastic).

use super::{
    super::FeatureError,
    Bar,
    averages::{Ema, Sma, period},
    ranges::RollingExtremes,
};

/// Wilder's relative strength index: 100·U/(U + D), U and D the smoothed rises and falls of the close, each smoothed from the mean of the first n on
/// by 1/n. 50 where nothing moved.
#[derive(Debug, Clone)]
pub struct Rsi {
    rises: Ema,
    falls: Ema,
    last: Option<f64>,
}

impl Rsi {
    /// Over `bars` changes; 14 are Wilder's.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize) -> Result<Self, FeatureError> {
        Ok(Self { rises: Ema::wilder(bars)?, falls: Ema::wilder(bars)?, last: None })
    }

    /// Takes the next close; one that is not finite is left out.
    pub fn push(&mut self, close: f64) {
        if !close.is_finite() {
            return;
        }
        if let Some(last) = self.last {
            self.rises.push((close - last).max(0.0));
            self.falls.push((last - close).max(0.0));
        }
        self.last = Some(close);
    }

    /// `None` before n changes.
    pub fn value(&self) -> Option<f64> {
        let (rises, falls) = (self.rises.value()?, self.falls.value()?);
        Some(if rises + falls > 0.0 { 100.0 * (rises / (rises + falls)) } else { 50.0 })
    }
}

/// The stochastic: %K = 100·(close − lowest low)/(highest high − lowest low) of the last n bars, and %D, its simple average. 50 where the bars have no
/// height.
#[derive(Debug, Clone)]
pub struct Stochastic {
    extremes: RollingExtremes,
    smoothed: Sma,
    k: Option<f64>,
}

impl Stochastic {
    /// %K over `bars` (14 are usual), %D over `smoothing` (3 are usual).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 10,000.
    pub fn new(bars: usize, smoothing: usize) -> Result<Self, FeatureError> {
        Ok(Self {
            extremes: RollingExtremes::new(bars)?,
            smoothed: Sma::new(period("smoothing", smoothing)?)?,
            k: None,
        })
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if !bar.is_one() {
            return;
        }
        self.extremes.push(bar);
        self.k = self
            .extremes
            .value()
            .map(|(low, high)| if high > low { 100.0 * ((bar.close - low) / (high - low)) } else { 50.0 });
        if let Some(k) = self.k {
            self.smoothed.push(k);
        }
    }

    /// %K; `None` before n bars.
    pub fn k(&self) -> Option<f64> {
        self.k
    }

    /// %D; `None` before n + smoothing − 1 bars.
    pub fn d(&self) -> Option<f64> {
        self.smoothed.value()
    }
}
