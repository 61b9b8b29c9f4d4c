//! Turns feed bytes and files into records, events, order books and features: option chains, daily bars, market data.
//!
//! ```
//! use zomma_market::chain::{Member, ReadOptions, parse};
//!
//! let csv = "quote_date,symbol,bid,ask,open_interest\n\
//!            2019-04-25,SPXW190426C02900000,25.1,25.6,310\n\
//!            2019-04-25,SPXW190426P02900000,5.8,6.0,1204\n";
//! let file = Member { name: "day.csv".into(), bytes: csv.into(), one_of_many: false };
//! let chains = parse(&file, &ReadOptions::default())?;
//! assert_eq!(chains[0].underlying, "SPX");
//! assert_eq!(chains[0].quotes.strike, [2900.0, 2900.0]);
//! # Ok::<(), zomma_market::chain::ChainError>(())
//! ```

mod ahead;
#[cfg(test)]
mod allocations;
pub mod bars;
pub mod binance;
pub mod book;
pub mod chain;
pub mod container;
pub mod dbn;
pub mod decimal;
pub mod device;
pub mod event;
pub mod features;
pub mod feed;
pub mod format;
pub mod fuzzing;
pub mod ingest;
pub mod instruments;
pub mod itch;
pub mod lines;
pub mod lobster;
#[cfg(test)]
mod mutations;
pub mod option_quotes;
mod outcome;
pub mod placement;
pub mod recording;
pub mod sbe;
pub mod tardis;
pub mod truth;
