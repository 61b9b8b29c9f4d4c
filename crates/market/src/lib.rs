//! Turns feed bytes and files into records, such as option chains and daily bars, and books and trades into features.
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

pub mod bars;
pub mod chain;
pub mod container;
pub mod event;
pub mod features;
pub mod feed;
pub mod instruments;
