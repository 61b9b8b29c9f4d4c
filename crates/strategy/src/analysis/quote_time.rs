//! When the quotes were taken: an argument, a column, or what the layout is known for.

use jiff::{Timestamp, civil::Time};
use zomma_base::{calendar, time};
use zomma_market::chain::{Chain, Layout};

/// The instant of a chain's quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuoteTime {
    /// The instant.
    pub instant: Timestamp,
    /// Where it came from, in words.
    pub source: &'static str,
}

/// Minutes between the CBOE end-of-day snapshot and the close: 15:45 on a full day, 12:45 on an early close.
const CBOE_SNAPSHOT_MINUTES_BEFORE_CLOSE: i64 = 15;

/// The instant of the chain's quotes: the New York time that is given, else the file's own, else what the layout is known for.
pub fn quote_instant(chain: &Chain, given: Option<Time>) -> Timestamp {
    resolve(chain, given).instant
}

/// The instant of the chain's quotes: `--quote-time`, else the file's own, else what the layout is known for.
pub(super) fn resolve(chain: &Chain, given: Option<Time>) -> QuoteTime {
    let date = chain.quote_date;
    let close = calendar::close_time(date).unwrap_or(calendar::CLOSE);
    let (local, source) = match (given, chain.quote_time, chain.layout) {
        (Some(time), _, _) => (time, "given (--quote-time), New York"),
        (None, Some(time), _) => (time, "the file, New York"),
        (None, None, Layout::CboeEndOfDay) => (
            close.saturating_sub(jiff::SignedDuration::from_mins(CBOE_SNAPSHOT_MINUTES_BEFORE_CLOSE)),
            "assumed: 15 minutes before the New York close, when the CBOE end-of-day snapshot is taken",
        ),
        (None, None, _) => (close, "assumed: the New York close of the quote date"),
    };
    QuoteTime { instant: time::new_york_instant(date.to_datetime(local)), source }
}
