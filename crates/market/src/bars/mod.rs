//! Daily bars from CSV: the history that a real-world density is made of.
//!
//! Columns are found by name in any order. Closes are adjusted as the file says (`adjClose`), or by a LEAN factor file
//! ([`DailyBars::with_factors`]), or, where neither is there, for splits that show as an overnight gap near a simple ratio
//! ([`splits`]); what was done stands in `notes`.

mod error;
mod factors;
mod read;
pub mod splits;

use jiff::civil::Date;

pub use error::BarsError;
pub use factors::actions;
pub use read::{parse, read};

/// Daily closes in order of date, adjusted for splits and dividends where the file says how. Columns of one length; NaN is an
/// absent number.
#[derive(Clone, Debug, Default)]
pub struct DailyBars {
    /// Dates, ascending, each once.
    pub date: Vec<Date>,
    /// Open, high, low and close as traded.
    pub open: Vec<f64>,
    /// High.
    pub high: Vec<f64>,
    /// Low.
    pub low: Vec<f64>,
    /// Close, above zero.
    pub close: Vec<f64>,
    /// Close adjusted for splits and dividends; equals `close` where nothing is known of either.
    pub adjusted_close: Vec<f64>,
    /// Cash dividend by ex-date, where the file says it; zero on other days.
    pub dividend: Vec<f64>,
    /// What a user should be told: where adjustments came from, rows left out.
    pub notes: Vec<String>,
}

impl DailyBars {
    /// Days.
    pub fn len(&self) -> usize {
        self.date.len()
    }

    /// Whether there is no day.
    pub fn is_empty(&self) -> bool {
        self.date.is_empty()
    }

    /// The bars of the days before `date`: what was known at its open.
    ///
    /// Adjusted closes keep their scale, which later splits and dividends set; returns between two of them do not depend on
    /// it, so they look into no future.
    #[must_use]
    pub fn before(&self, date: Date) -> Self {
        self.first(self.date.partition_point(|day| *day < date))
    }

    /// The bars up to and including `date`: what was known at its close.
    #[must_use]
    pub fn until(&self, date: Date) -> Self {
        self.first(self.date.partition_point(|day| *day <= date))
    }

    fn first(&self, days: usize) -> Self {
        Self {
            date: self.date[..days].to_vec(),
            open: self.open[..days].to_vec(),
            high: self.high[..days].to_vec(),
            low: self.low[..days].to_vec(),
            close: self.close[..days].to_vec(),
            adjusted_close: self.adjusted_close[..days].to_vec(),
            dividend: self.dividend[..days].to_vec(),
            notes: self.notes.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
