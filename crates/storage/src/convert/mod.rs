//! What other parts of Zomma have, as rows of tables.

mod doubts;
mod quotes;
mod surfaces;
mod ticks;

pub use doubts::LoneTimes;
pub use quotes::{QuoteRows, option_symbol, quotes};
pub use surfaces::surface;
pub use ticks::TickRows;
