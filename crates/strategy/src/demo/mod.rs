//! A generated market to try things on: the options of an index, ZMX, on two sessions, and its price history.
//!
//! The same seed and date give the same file on every machine. ZMX is European and AM-settled, ZMXW European and PM-settled, ZMXA
//! American and PM-settled; all three are written on one index that pays a dividend every quarter. Prices come from an SSVI surface
//! without arbitrage, with a spread and noise laid over it, in ticks. What real files have wrong with them is here too: crossed
//! quotes, quotes that repeat the session before, empty and zero bids, rows without a quote, duplicates, an expiry that has passed.

mod chain;
mod faults;
mod history;
mod market;

use std::io::{self, Write};

use jiff::civil::{Date, Time, date};
use zomma_base::{ExerciseStyle, OptionType, Settlement};

pub use self::{chain::demo_chain, history::demo_history};

/// The seed that documents and pictures use.
pub const SEED: u64 = 20_250_613;
/// The quote date that documents and pictures use: a Friday, with a monthly expiry a week off.
pub const QUOTE_DATE: Date = date(2025, 6, 13);
/// Ticker of the index.
pub const UNDERLYING: &str = "ZMX";

/// One row of the generated chain. NaN is an empty cell.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoRow {
    /// Date of the quotes.
    pub quote_date: Date,
    /// New York time of the quotes.
    pub quote_time: Time,
    /// Price of the index as the vendor prints it: a little behind the options.
    pub spot: f64,
    /// Option root.
    pub root: &'static str,
    /// Call or put.
    pub option_type: OptionType,
    /// Exercise style.
    pub exercise_style: ExerciseStyle,
    /// AM or PM.
    pub settlement: Settlement,
    /// Expiry date.
    pub expiry: Date,
    /// Strike.
    pub strike: f64,
    /// Bid.
    pub bid: f64,
    /// Ask.
    pub ask: f64,
    /// Last trade.
    pub last: f64,
    /// Contracts traded.
    pub volume: u32,
    /// Contracts open.
    pub open_interest: u32,
}

/// One daily bar of the generated history.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoBar {
    /// Session.
    pub date: Date,
    /// Open.
    pub open: f64,
    /// High.
    pub high: f64,
    /// Low.
    pub low: f64,
    /// Close.
    pub close: f64,
}

/// Writes a chain as CSV in our own layout.
pub fn write_chain_csv(rows: &[DemoRow], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "quote_date,quote_time,underlying,spot,root,option_type,exercise_style,settlement,expiry,strike,bid,ask,last,volume,open_interest"
    )?;
    for row in rows {
        let money = |value: f64| if value.is_nan() { String::new() } else { format!("{value:.2}") };
        writeln!(
            out,
            "{},{:02}:{:02},{UNDERLYING},{:.2},{},{},{},{},{},{},{},{},{},{},{}",
            row.quote_date,
            row.quote_time.hour(),
            row.quote_time.minute(),
            row.spot,
            row.root,
            row.option_type.as_str(),
            row.exercise_style.as_str(),
            row.settlement.as_str(),
            row.expiry,
            row.strike,
            money(row.bid),
            money(row.ask),
            money(row.last),
            row.volume,
            row.open_interest,
        )?;
    }
    Ok(())
}

/// Writes a history as CSV.
pub fn write_history_csv(bars: &[DemoBar], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "date,open,high,low,close")?;
    for bar in bars {
        writeln!(out, "{},{:.2},{:.2},{:.2},{:.2}", bar.date, bar.open, bar.high, bar.low, bar.close)?;
    }
    Ok(())
}
