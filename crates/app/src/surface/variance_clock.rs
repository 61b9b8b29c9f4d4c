//! The clock that the command line asks for, of one day's quotes: weekends that weigh less, events that weigh more.

use anyhow::Context;
use jiff::Timestamp;
use zomma_pricing::surface::{Clock, ClockError, ClockSettings, VarianceEvent, VarianceEventError};

use super::quotes::Quotes;
use crate::failure::BadArguments;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ClockOptions {
    /// Variance of a day without a session over that of a session's day; 1 is calendar time.
    pub weekend_weight: f64,
    /// Events, as written: 2014-07-23T16:00=3.
    pub events: Vec<String>,
    /// Instant of the quotes, where they do not say it.
    pub valuation_time: Option<Timestamp>,
}

impl Default for ClockOptions {
    fn default() -> Self {
        Self { weekend_weight: 1.0, events: Vec::new(), valuation_time: None }
    }
}

impl ClockOptions {
    /// The clock of a day. An event that is past by then takes no part.
    pub fn clock(&self, quotes: &Quotes) -> anyhow::Result<Clock> {
        if self.weekend_weight == 1.0 && self.events.is_empty() {
            return Ok(Clock::default());
        }
        let said = quotes.quoted.quote_time.as_deref().and_then(|time| time.parse().ok());
        let valuation = self.valuation_time.or(said).ok_or_else(|| {
            BadArguments(
                "--weekend-weight and --event need the time of the quotes, which a table of volatilities does not say: --valuation-time \
                 2019-04-25T15:45 (New York), or with an offset or Z"
                    .into(),
            )
        })?;
        let mut events = Vec::new();
        for text in &self.events {
            match VarianceEvent::parse(text, valuation) {
                Ok(event) => events.push(event),
                Err(VarianceEventError::Value(ClockError::Event { years, extra_days }))
                    if years < 0.0 && extra_days >= 0.0 => {}
                Err(error) => return Err(BadArguments(format!("--event {error}")).into()),
            }
        }
        let horizon_years = quotes.quoted.slices.last().map_or(0.0, |slice| slice.expiry_years);
        let settings = ClockSettings { weekend_weight: self.weekend_weight, events };
        settings.clock(valuation, horizon_years).with_context(|| "--weekend-weight, --event")
    }
}
