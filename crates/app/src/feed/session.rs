//! What a feed's file does not say of itself, but its name or the user does.

use jiff::{
    civil::{Date, Time},
    tz::TimeZone,
};
use zomma_base::time::new_york_instant;
use zomma_market::recording::Session;

use super::Opened;

/// What an unnamed stock is called.
const UNNAMED: &str = "STOCK";

/// The session of a feed, with the date and the symbol that the user named.
pub fn session_of(opened: &Opened, date: Option<Date>, symbol: Option<&str>) -> Session {
    let named = opened.lobster.as_ref();
    let date = date.or_else(|| named?.date);
    let symbol = symbol.or_else(|| named.map(|name| name.symbol.as_str()));
    Session {
        midnight_ns: date.map_or(0, new_york_midnight_ns),
        symbol: symbol.filter(|symbol| !symbol.is_empty()).unwrap_or(UNNAMED).to_owned(),
    }
}

/// Midnight in New York of a date, in nanoseconds since the Unix epoch; what is before 1970 counts as 1970.
fn new_york_midnight_ns(date: Date) -> u64 {
    u64::try_from(new_york_instant(date.to_datetime(Time::midnight())).as_nanosecond()).unwrap_or(0)
}

/// Midnight in UTC of a date, in nanoseconds since the Unix epoch; what is before 1970 counts as 1970.
pub fn utc_midnight_ns(date: Date) -> u64 {
    let midnight = date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC);
    midnight.ok().and_then(|it| u64::try_from(it.timestamp().as_nanosecond()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_new_york() {
        assert_eq!(new_york_midnight_ns(jiff::civil::date(2012, 6, 21)), 1_340_251_200_000_000_000);
        assert_eq!(new_york_midnight_ns(jiff::civil::date(1950, 1, 1)), 0);
        assert_eq!(utc_midnight_ns(jiff::civil::date(2012, 6, 21)), 1_340_236_800_000_000_000);
    }
}
