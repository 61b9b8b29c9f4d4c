//! Daily bars from CSV: the history that a real-world density is made of.

use jiff::civil::Date;

/// Daily closes in order of date, adjusted for splits and dividends where the file says how.
#[derive(Clone, Debug, Default)]
pub struct DailyBars {
    /// Dates, ascending.
    pub date: Vec<Date>,
    /// Open, high, low and close as traded.
    pub open: Vec<f64>,
    /// High.
    pub high: Vec<f64>,
    /// Low.
    pub low: Vec<f64>,
    /// Close.
    pub close: Vec<f64>,
    /// Close adjusted for splits and dividends; equals `close` where the file has no such column.
    pub adjusted_close: Vec<f64>,
    /// Cash dividend by ex-date, where the file says it.
    pub dividend: Vec<f64>,
}
