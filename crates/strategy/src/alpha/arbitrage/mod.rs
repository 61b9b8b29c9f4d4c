//! What can be bought at the ask and sold at the bid so that money comes in now and none can be owed later.
//!
//! Every quote is taken as it can be traded: options and the hedge are bought at the ask and sold at the bid, money is borrowed and lent at
//! stated rates, fees are paid a contract and a share. A [`Finding`] is a list of [`Leg`]s whose prices bring `edge` now and whose payoff is
//! at or above zero whatever the underlying does; that is computed from the legs themselves ([`payoff`]), and a package that fails it is no
//! finding. Mid prices take no part.
//!
//! Inequalities: Merton (1973, Theory of rational option pricing, theorems 1 to 4: bounds, monotonicity, convexity in the strike, time);
//! Stoll (1969) and Merton (1973b) for put-call parity, European and American; Carr and Madan (2005, A note on sufficient conditions for no
//! arbitrage) for the calendar with carry. American rows get the American inequalities alone: a short box is not riskless there, because both of its
//! short options can be exercised at different times, so it is replaced by the bounds of the two verticals.
//!
//! Units: prices, edge and payoff are currency a share; one unit has one contract of the leg that is sold for the most; fees are currency a
//! contract or share; rates are continuously compounded.

mod boxes;
mod butterflies;
mod calendars;
mod chain;
mod costs;
pub mod cross_venue;
mod finding;
mod leg;
mod parity;
pub mod payoff;
mod quotes;
mod scan;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod test_market;
mod verticals;

pub use boxes::{BoxRate, BoxRates, box_rates};
pub use chain::{ChainScan, HedgeRule, ScanConfig, scan_chain};
pub use costs::Costs;
pub use finding::{Assumption, Finding, Kind, Standing};
pub use leg::{Instrument, Leg, Side};
pub use quotes::{CashQuote, ExpiryQuotes, Hedge, Level, OptionQuote, QuoteState};
pub use scan::scan;
