//! Volume beside price: on-balance volume, and the average price weighted by volume.
//!
//! Sources: Granville, "Granville's new key to stock market profits" (1963) (on-balance volume: a bar's volume is added when it closes higher than the
//! bar before, taken away when it closes lower); Berkowitz, Logue and Noser, "The total cost of transactions on the NYSE", Journal of Finance 43
//! (1988) (volume-weighted average price).

use super::Bar;

/// On-balance volume, in the unit of volumes. Window: from the start.
#[derive(Debug, Clone, Default)]
pub struct Obv {
    close: Option<f64>,
    sum: f64,
}

impl Obv {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bar.
    pub fn push(&mut self, bar: &Bar) {
        if !bar.is_one() {
            return;
        }
        if let Some(close) = self.close.replace(bar.close) {
            self.sum += if bar.close > close {
                bar.volume
            } else if bar.close < close {
                -bar.volume
            } else {
                0.0
            };
        }
    }

    /// `None` before the first bar, 0 at it.
    pub fn value(&self) -> Option<f64> {
        self.close.map(|_| self.sum)
    }
}

/// The average price weighted by volume, in the unit of prices. Window: from the start, or the last [`Vwap::clear`].
#[derive(Debug, Clone, Default)]
pub struct Vwap {
    paid: f64,
    volume: f64,
}

impl Vwap {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a trade; one whose numbers are not finite, or whose volume is below 0, is left out.
    pub fn push_trade(&mut self, price: f64, volume: f64) {
        let paid = price * volume;
        if paid.is_finite() && volume.is_finite() && volume >= 0.0 {
            self.paid += paid;
            self.volume += volume;
        }
    }

    /// Takes a bar, all of it at its typical price.
    pub fn push_bar(&mut self, bar: &Bar) {
        if bar.is_one() {
            self.push_trade(bar.typical_price(), bar.volume);
        }
    }

    /// Starts anew, as at the start of a session.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// `None` before anything was traded.
    pub fn value(&self) -> Option<f64> {
        (self.volume > 0.0).then(|| self.paid / self.volume)
    }
}
