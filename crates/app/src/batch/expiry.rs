//! From a date or date-time in a file to years.

use jiff::Timestamp;
use zomma_base::{
    Settlement,
    time::{Expiry, year_fraction},
};

/// Reads `2019-04-25T15:45` (New York) or a date-time with an offset or `Z`. A date alone is that day's close in New York.
pub fn parse_instant(text: &str) -> Result<Timestamp, String> {
    const ALLOWED: &str =
        "a date (2019-04-26), a New York date-time (2019-04-26T16:00) or an instant (2019-04-26T20:00:00Z)";
    Expiry::parse(text).map(|expiry| expiry.instant(Settlement::Pm)).map_err(|_| format!("allowed: {ALLOWED}"))
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

    /// ACT/365F years to the expiry that the text names, or None where it names none.
    pub fn years(&mut self, text: &str) -> Option<f64> {
        if text != self.last_text {
            text.clone_into(&mut self.last_text);
            self.last_years = parse_instant(text).ok().map(|expiry| year_fraction(self.valuation_time, expiry));
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
        assert_eq!(parse_instant("2019-12-24").unwrap(), "2019-12-24T18:00:00Z".parse().unwrap());
        assert_eq!(parse_instant("2019-04-25T15:45").unwrap(), "2019-04-25T19:45:00Z".parse().unwrap());
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
