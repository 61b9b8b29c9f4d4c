//! From a date or date-time in a file to an instant, and from there to years.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, time},
    tz::TimeZone,
};

/// Seconds of an ACT/365F year.
const SECONDS_A_YEAR: f64 = 365.0 * 86_400.0;

/// Reads `2019-04-25T15:45` (New York) or a date-time with an offset or `Z`. A date alone is its close, 16:00 New York.
pub fn parse_instant(text: &str) -> Result<Timestamp, String> {
    let allowed = "an ISO date or date-time such as 2019-04-25T15:45 (New York) or 2019-04-25T19:45:00Z";
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let local = if text.len() == 10 {
        text.parse::<Date>().map(|date| date.to_datetime(time(16, 0, 0, 0)))
    } else {
        text.parse::<DateTime>()
    };
    let new_york = TimeZone::get("America/New_York").map_err(|error| error.to_string())?;
    local
        .ok()
        .and_then(|local| local.to_zoned(new_york).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| allowed.to_string())
}

/// ACT/365F years from one instant to another.
pub fn years_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / SECONDS_A_YEAR
}

/// Reads a column of expiries, most of which repeat the one before.
#[derive(Debug)]
pub struct ExpiryReader {
    valuation_time: Timestamp,
    last_text: String,
    last_years: Option<f64>,
}

impl ExpiryReader {
    /// Years count from `valuation_time`.
    pub fn new(valuation_time: Timestamp) -> Self {
        Self { valuation_time, last_text: String::new(), last_years: None }
    }

    /// Years to the expiry that the text names, or None where it names none.
    pub fn years(&mut self, text: &str) -> Option<f64> {
        if text != self.last_text {
            text.clone_into(&mut self.last_text);
            self.last_years = parse_instant(text).ok().map(|expiry| years_between(self.valuation_time, expiry));
        }
        self.last_years
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_close_in_new_york() {
        assert_eq!(parse_instant("2019-04-26").unwrap(), "2019-04-26T20:00:00Z".parse().unwrap());
        assert_eq!(parse_instant("2019-12-20").unwrap(), "2019-12-20T21:00:00Z".parse().unwrap());
        assert_eq!(parse_instant("2019-04-25T15:45").unwrap(), "2019-04-25T19:45:00Z".parse().unwrap());
        assert_eq!(parse_instant("2019-04-25T15:45:00+02:00").unwrap(), "2019-04-25T13:45:00Z".parse().unwrap());
        assert!(parse_instant("26/04/2019").is_err());
    }

    #[test]
    fn years_are_actual_over_365() {
        let mut reader = ExpiryReader::new(parse_instant("2019-04-25").unwrap());
        assert_eq!(reader.years("2020-04-24"), Some(1.0));
        assert_eq!(reader.years("soon"), None);
        assert_eq!(reader.years("2019-04-25"), Some(0.0));
    }
}
