//! Moments that a user names: an instant, or a time of the session's day.

use jiff::{Timestamp, civil};

/// A moment as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// An instant, in nanoseconds since the Unix epoch.
    Instant(u64),
    /// A time of the day, in nanoseconds since its midnight.
    OfDay(u64),
}

/// Reads `10:30:00.5`, a time of the session's day, or an instant such as `2012-06-21T14:30:00Z`.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        let ns = u64::try_from(instant.as_nanosecond()).map_err(|_| "an instant from 1970 on".to_owned())?;
        return Ok(Moment::Instant(ns));
    }
    let is_time = text.len() >= 5 && text.as_bytes()[2] == b':';
    let time = is_time.then(|| text.parse::<civil::Time>().ok()).flatten();
    let time = time.ok_or("a time of day such as 10:30:00.5, or an instant such as 2012-06-21T14:30:00Z")?;
    let since_midnight = time.duration_since(civil::Time::midnight());
    // A time of the day is not before its midnight.
    Ok(Moment::OfDay(u64::try_from(since_midnight.as_nanos()).unwrap_or(0)))
}

impl Moment {
    /// Nanoseconds since the Unix epoch, where the session's day begins at `day_ns`.
    pub fn instant_ns(self, day_ns: u64) -> u64 {
        match self {
            Self::Instant(ns) => ns,
            Self::OfDay(ns) => day_ns.saturating_add(ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_and_instants_are_read_and_others_refused() {
        assert_eq!(parse_moment("10:30:00.5"), Ok(Moment::OfDay(37_800_500_000_000)));
        assert_eq!(parse_moment("09:30"), Ok(Moment::OfDay(34_200_000_000_000)));
        assert_eq!(parse_moment("1970-01-01T00:00:02Z"), Ok(Moment::Instant(2_000_000_000)));
        for bad in ["", "10", "25:00:00", "noon", "1960-01-01T00:00:00Z"] {
            assert!(parse_moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_begins_at_midnight_in_new_york() {
        // Midnight of 21 June 2012 in New York.
        let midnight = 1_340_251_200_000_000_000;
        assert_eq!(Moment::OfDay(34_200_000_000_000).instant_ns(midnight), 1_340_285_400_000_000_000);
    }
}
