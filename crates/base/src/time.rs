//! Instants and years: when a contract expires, and how far off that is.
//!
//! A contract expires at an instant, not on a date: AM-settled at 09:30 New York, PM-settled at that day's close, early
//! closes included. Years are ACT/365F: seconds/(365·86,400). The time zone database is built into the program.

use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::{Settlement, calendar};

/// Seconds in a year of ACT/365F.
pub const SECONDS_PER_YEAR: f64 = 365.0 * 86_400.0;

/// New York.
pub fn new_york() -> &'static TimeZone {
    static NEW_YORK: OnceLock<TimeZone> = OnceLock::new();
    // The database is compiled in (jiff's `tzdb-bundle-always`), so the name is always found; a test holds this.
    NEW_YORK.get_or_init(|| TimeZone::get("America/New_York").expect("the bundled time zone database has New York"))
}

/// The instant of a wall clock in New York. A time that a change of clocks skips or repeats is read as RFC 5545 does (the
/// earlier of two, or moved on by the gap); a date at the end of the representable range saturates.
pub fn new_york_instant(local: DateTime) -> Timestamp {
    let end_of_time = if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    new_york().to_ambiguous_timestamp(local).compatible().unwrap_or(end_of_time)
}

/// The wall clock in New York at an instant.
pub fn new_york_local(instant: Timestamp) -> DateTime {
    new_york().to_datetime(instant)
}

/// The instant at which a contract with this expiry date is settled.
///
/// A date without a session (the Saturdays on which monthly options formally expired until 2015, Good Fridays) settles with
/// the last session before it.
pub fn expiry_instant(expiry: Date, settlement: Settlement) -> Timestamp {
    let session = calendar::session_on_or_before(expiry);
    let local = match settlement {
        Settlement::Am => calendar::OPEN,
        Settlement::Pm => calendar::close_time(session).unwrap_or(calendar::CLOSE),
    };
    new_york_instant(session.to_datetime(local))
}

/// ACT/365F years from one instant to another; negative where `to` is the earlier.
pub fn year_fraction(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / SECONDS_PER_YEAR
}

/// An expiry as a file states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// A date: the settlement says the instant.
    Date(Date),
    /// A wall clock in New York.
    Local(DateTime),
    /// An instant (a date-time with an offset or `Z`).
    Instant(Timestamp),
}

impl Expiry {
    /// Reads `2019-04-26`, `2019-04-26T16:00`, `2019-04-26 16:00:00`, `2019-04-26T20:00:00Z` or with an offset.
    pub fn parse(text: &str) -> Result<Self, ExpiryError> {
        let text = text.trim();
        if text.len() <= 10 {
            return text.parse().map(Self::Date).map_err(|_| ExpiryError { value: text.to_owned() });
        }
        // An instant first: a date-time parser would read over an offset.
        text.parse()
            .map(Self::Instant)
            .or_else(|_| text.parse().map(Self::Local))
            .map_err(|_| ExpiryError { value: text.to_owned() })
    }

    /// The instant of expiry.
    pub fn instant(self, settlement: Settlement) -> Timestamp {
        match self {
            Self::Date(expiry) => expiry_instant(expiry, settlement),
            Self::Local(local) => new_york_instant(local),
            Self::Instant(instant) => instant,
        }
    }
}

/// A text that is no expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryError {
    /// The text.
    pub value: String,
}

impl fmt::Display for ExpiryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expiry {:?}: not a date (2019-04-26), a New York date-time (2019-04-26T16:00) or an instant (2019-04-26T20:00:00Z)",
            self.value
        )
    }
}

impl std::error::Error for ExpiryError {}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn settlement_says_the_instant_in_summer_and_winter() {
        let summer = date(2019, 6, 21);
        assert_eq!(expiry_instant(summer, Settlement::Am), utc("2019-06-21T13:30:00Z"));
        assert_eq!(expiry_instant(summer, Settlement::Pm), utc("2019-06-21T20:00:00Z"));
        let winter = date(2019, 1, 18);
        assert_eq!(expiry_instant(winter, Settlement::Am), utc("2019-01-18T14:30:00Z"));
        assert_eq!(expiry_instant(winter, Settlement::Pm), utc("2019-01-18T21:00:00Z"));
    }

    #[test]
    fn early_closes_settle_early() {
        assert_eq!(expiry_instant(date(2019, 11, 29), Settlement::Pm), utc("2019-11-29T18:00:00Z"));
        assert_eq!(expiry_instant(date(2019, 7, 3), Settlement::Pm), utc("2019-07-03T17:00:00Z"));
    }

    #[test]
    fn a_saturday_settles_on_friday_and_good_friday_on_thursday() {
        assert_eq!(expiry_instant(date(2014, 6, 21), Settlement::Pm), utc("2014-06-20T20:00:00Z"));
        assert_eq!(expiry_instant(date(2014, 6, 21), Settlement::Am), utc("2014-06-20T13:30:00Z"));
        assert_eq!(expiry_instant(date(2019, 4, 19), Settlement::Pm), utc("2019-04-18T20:00:00Z"));
    }

    #[test]
    fn years_are_seconds_over_365_days() {
        let from = utc("2019-04-25T19:45:00Z");
        assert_eq!(year_fraction(from, utc("2019-04-26T19:45:00Z")), 1.0 / 365.0);
        assert_eq!(year_fraction(from, utc("2020-04-24T19:45:00Z")), 1.0);
        assert_eq!(year_fraction(utc("2020-04-24T19:45:00Z"), from), -1.0);
    }

    #[test]
    fn an_expiry_is_a_date_a_local_time_or_an_instant() {
        assert_eq!(Expiry::parse("2019-04-26"), Ok(Expiry::Date(date(2019, 4, 26))));
        assert_eq!(Expiry::parse(" 2019-04-26T16:00 "), Ok(Expiry::Local(datetime(2019, 4, 26, 16, 0, 0, 0))));
        assert_eq!(Expiry::parse("2019-04-26 16:00:00"), Ok(Expiry::Local(datetime(2019, 4, 26, 16, 0, 0, 0))));
        assert_eq!(Expiry::parse("2019-04-26T16:00:00-04:00"), Ok(Expiry::Instant(utc("2019-04-26T20:00:00Z"))));
        for text in ["2019-04-26", "2019-04-26T16:00", "2019-04-26T20:00:00Z"] {
            let instant = Expiry::parse(text).unwrap().instant(Settlement::Pm);
            assert_eq!(instant, utc("2019-04-26T20:00:00Z"), "{text}");
        }
        for bad in ["", "soon", "2019-02-30", "2019-04-26T25:00", "04/26/2019", "2019-04-26T16:00:00 somewhere"] {
            let error = Expiry::parse(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    proptest! {
        #[test]
        fn local_time_goes_round(seconds in 631_152_000i64..4_102_444_800, settlement in 0..2) {
            let instant = Timestamp::from_second(seconds).unwrap();
            let local = new_york_local(instant);
            // The repeated hour of autumn has two instants for one wall clock.
            let back = new_york_instant(local);
            let gap = (instant.as_second() - back.as_second()).abs();
            prop_assert!(gap == 0 || gap == 3600);
            let settlement = if settlement == 0 { Settlement::Am } else { Settlement::Pm };
            prop_assert!(new_york_local(expiry_instant(local.date(), settlement)).date() <= local.date());
        }
    }
}
