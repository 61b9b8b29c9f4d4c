//! What real files have wrong with them, laid over the second session.

use jiff::{ToSpan, civil::Date};
use zomma_base::calendar;

use super::DemoRow;
use crate::random::SplitMix64;

/// One row in so many is spoilt in each way.
const CROSSED_ONE_IN: usize = 150;
const STALE_ONE_IN: usize = 40;
const EMPTY_BID_ONE_IN: usize = 3;
const NO_QUOTE_ONE_IN: usize = 300;
/// Rows that stand twice.
const DUPLICATES: usize = 6;
/// Rows of an expiry that has passed.
const EXPIRED: usize = 8;

/// Spoils rows of `today`; `before` is the clean session before.
pub(super) fn spoil(random: &mut SplitMix64, before: &[DemoRow], today: &mut Vec<DemoRow>) {
    for row in today.iter_mut() {
        if row.bid == 0.0 && random.below(EMPTY_BID_ONE_IN) == 0 {
            row.bid = f64::NAN;
        } else if row.bid > 0.0 && row.ask > row.bid && random.below(CROSSED_ONE_IN) == 0 {
            std::mem::swap(&mut row.bid, &mut row.ask);
        } else if random.below(NO_QUOTE_ONE_IN) == 0 {
            (row.bid, row.ask) = (0.0, 0.0);
        } else if random.below(STALE_ONE_IN) == 0 {
            repeat(before, row);
        }
    }
    for _ in 0..DUPLICATES {
        let from = random.below(today.len());
        let copy = today[from].clone();
        today.insert(from + 1, copy);
    }
    let Some(passed) = today.first().and_then(|row| last_friday(row.quote_date)) else { return };
    let mut expired: Vec<DemoRow> = today.iter().take(EXPIRED).cloned().collect();
    for row in &mut expired {
        row.expiry = passed;
        (row.bid, row.ask, row.volume, row.last) = (0.0, 0.0, 0, f64::NAN);
    }
    today.splice(0..0, expired);
}

/// Gives a row the quote of the session before.
fn repeat(before: &[DemoRow], row: &mut DemoRow) {
    let is_same = |other: &&DemoRow| {
        (other.root, other.option_type, other.expiry) == (row.root, row.option_type, row.expiry)
            && other.strike == row.strike
    };
    if let Some(earlier) = before.iter().find(is_same) {
        (row.bid, row.ask, row.last, row.volume) = (earlier.bid, earlier.ask, earlier.last, earlier.volume);
    }
}

/// The last session a week or more before a date.
fn last_friday(date: Date) -> Option<Date> {
    date.checked_sub(7.days()).ok().map(calendar::session_on_or_before)
}
