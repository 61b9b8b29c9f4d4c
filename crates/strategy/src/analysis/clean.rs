//! Says which rows are usable, and why the others are not.
//!
//! In this order, the first that applies: what the reader could not read; a contract that stands in an earlier row; an expiry
//! that has passed; any row of a date that only repeats the day before; a quote that is not a number; neither bid nor ask, or
//! no ask; bid above ask; a bid of zero; a single stale quote. An empty bid is zero. Rejected rows take no part in forwards, surface
//! and wheel, and still get what volatilities and Greeks they can have.

use zomma_base::Status;
use zomma_market::chain::{Chain, Quotes};

use super::{
    expiries::{Expiries, is_strike},
    stale,
};

/// What cleaning found.
pub(super) struct Cleaned {
    /// Why each row was rejected, or `Ok`.
    pub status: Vec<Status>,
    /// Whether the whole date repeats the day before.
    pub is_copy: bool,
}

/// The bid, where an empty one means zero.
#[inline]
pub(super) fn bid_or_zero(quotes: &Quotes, row: usize) -> f64 {
    let bid = quotes.bid[row];
    if bid.is_nan() { 0.0 } else { bid }
}

/// Cleans a chain and lists the usable rows of each expiry by strike.
pub(super) fn clean(chain: &Chain, previous: Option<&Chain>, expiries: &mut Expiries) -> Cleaned {
    let quotes = &chain.quotes;
    let repeats = previous.map(|previous| stale::compare(chain, previous, expiries));
    let is_copy = repeats.as_ref().is_some_and(|repeats| repeats.is_copy);
    let mut status: Vec<Status> = (0..quotes.status.len())
        .map(|row| match quotes.status[row] {
            Status::Ok if !is_strike(quotes.strike[row]) => Status::BadStrike,
            Status::Ok if expiries.row_years[row] <= 0.0 => Status::Expired,
            Status::Ok if is_copy => Status::StaleQuote,
            Status::Ok => quote_status(bid_or_zero(quotes, row), quotes.ask[row]),
            unreadable => unreadable,
        })
        .collect();
    for expiry in &expiries.alive {
        for pair in expiry.rows.windows(2) {
            let (first, second) = (pair[0] as usize, pair[1] as usize);
            let is_same = quotes.strike[first] == quotes.strike[second]
                && quotes.option_type[first] == quotes.option_type[second];
            if is_same && quotes.status[second].is_ok() {
                status[second] = Status::Duplicate;
            }
        }
    }
    for &row in repeats.iter().flat_map(|repeats| &repeats.stale_rows) {
        if status[row as usize].is_ok() {
            status[row as usize] = Status::StaleQuote;
        }
    }
    for expiry in &mut expiries.alive {
        expiry.collect_strikes(quotes, &status);
    }
    Cleaned { status, is_copy }
}

/// What a bid and an ask alone say.
fn quote_status(bid: f64, ask: f64) -> Status {
    if bid.is_infinite() || bid < 0.0 || ask.is_infinite() || ask < 0.0 {
        Status::BadQuote
    } else if ask.is_nan() || (bid == 0.0 && ask == 0.0) {
        Status::NoQuote
    } else if bid > ask {
        Status::CrossedQuote
    } else if bid == 0.0 {
        Status::ZeroBid
    } else {
        Status::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quote_has_its_reason() {
        assert_eq!(quote_status(1.0, 1.1), Status::Ok);
        assert_eq!(quote_status(1.0, 1.0), Status::Ok);
        assert_eq!(quote_status(0.0, 0.05), Status::ZeroBid);
        assert_eq!(quote_status(0.0, 0.0), Status::NoQuote);
        assert_eq!(quote_status(0.0, f64::NAN), Status::NoQuote);
        assert_eq!(quote_status(1.0, f64::NAN), Status::NoQuote);
        assert_eq!(quote_status(1.2, 1.1), Status::CrossedQuote);
        assert_eq!(quote_status(1.2, 0.0), Status::CrossedQuote);
        assert_eq!(quote_status(-1.0, 1.1), Status::BadQuote);
        assert_eq!(quote_status(f64::INFINITY, f64::INFINITY), Status::BadQuote);
        assert_eq!(quote_status(1.0, f64::INFINITY), Status::BadQuote);
    }
}
