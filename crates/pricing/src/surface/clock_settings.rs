//! Clocks made of days: weekends and holidays that bring less variance than a trading day, and events that bring more.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
};
use serde::{Deserialize, Serialize};
use zomma_base::{
    Settlement, calendar,
    time::{Expiry, ExpiryError, new_york_instant, new_york_local, year_fraction},
};

use super::clock::{Clock, ClockError};

/// Years of one ordinary day.
const DAY: f64 = 1.0 / 365.0;
/// An event's variance comes within so many years of its instant: one hour. A contract that expires at that instant has none of it.
const EVENT_YEARS: f64 = DAY / 24.0;
/// A horizon of more than this many years has no knots beyond.
const MOST_YEARS: f64 = 50.0;
/// Heaviest weight of a day off.
const MOST_WEIGHT: f64 = 1000.0;

/// An announcement, an election: an instant that brings variance of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VarianceEvent {
    /// Years from the valuation instant, ACT/365F.
    pub years: f64,
    /// Its variance, in ordinary days.
    pub extra_days: f64,
}

/// What a [`Clock`] of days is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockSettings {
    /// Variance of a calendar day without a session (Saturday, Sunday, holiday; New York) over that of a session's day. 1 is calendar time.
    #[serde(default = "one")]
    pub weekend_weight: f64,
    /// Events.
    #[serde(default)]
    pub events: Vec<VarianceEvent>,
}

fn one() -> f64 {
    1.0
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self { weekend_weight: one(), events: Vec::new() }
    }
}

impl ClockSettings {
    /// The clock from `valuation` on, with days weighed up to `horizon_years` (the last expiry; days pass as calendars do beyond it).
    ///
    /// # Errors
    /// [`ClockError::Weight`] and [`ClockError::Event`] of a setting out of range.
    pub fn clock(&self, valuation: Timestamp, horizon_years: f64) -> Result<Clock, ClockError> {
        Clock::weekdays(valuation, horizon_years, self.weekend_weight, calendar::is_session)?.with_events(&self.events)
    }
}

/// Why text is no event.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VarianceEventError {
    /// Not `instant=days`.
    #[error("{text:?} is no event: write it as 2014-07-23T16:00=3, an instant in New York and its extra days")]
    Form {
        /// The text.
        text: String,
    },
    /// The instant does not read.
    #[error(transparent)]
    Instant(#[from] ExpiryError),
    /// In the past, or a negative or infinite number of days.
    #[error(transparent)]
    Value(#[from] ClockError),
}

impl VarianceEvent {
    /// Reads `2014-07-23T16:00=3`: a wall clock in New York or a date (which means that day's close), and days of extra variance.
    ///
    /// # Errors
    /// See [`VarianceEventError`]; an event before `valuation` is one.
    pub fn parse(text: &str, valuation: Timestamp) -> Result<Self, VarianceEventError> {
        let form = || VarianceEventError::Form { text: text.to_owned() };
        let (instant, days) = text.split_once('=').ok_or_else(form)?;
        let extra_days: f64 = days.trim().parse().map_err(|_| form())?;
        let instant = Expiry::parse(instant.trim())?.instant(Settlement::Pm);
        Ok(Self { years: year_fraction(valuation, instant), extra_days }.checked()?)
    }

    fn checked(self) -> Result<Self, ClockError> {
        let Self { years, extra_days } = self;
        let is_sound = years >= 0.0 && extra_days >= 0.0 && years.is_finite() && extra_days.is_finite();
        if is_sound { Ok(self) } else { Err(ClockError::Event { years, extra_days }) }
    }
}

impl Clock {
    /// A clock on which a day counts one where `is_session`, and `weekend_weight` where not, up to `horizon_years` from `valuation`. Days
    /// begin at midnight in New York. Variance time is in years of session days, so that a year of weekends at 0.3 has less than one.
    ///
    /// # Errors
    /// [`ClockError::Weight`] unless the weight is above 0 and at most 1000.
    pub fn weekdays(
        valuation: Timestamp,
        horizon_years: f64,
        weekend_weight: f64,
        is_session: impl Fn(Date) -> bool,
    ) -> Result<Self, ClockError> {
        if !(weekend_weight > 0.0 && weekend_weight <= MOST_WEIGHT) {
            return Err(ClockError::Weight { weight: weekend_weight });
        }
        if weekend_weight == 1.0 {
            return Ok(Self::default());
        }
        let horizon_years = if horizon_years > 0.0 { horizon_years.min(MOST_YEARS) } else { 0.0 };
        let weight = |day| if is_session(day) { 1.0 } else { weekend_weight };
        let mut knots: Vec<[f64; 2]> = Vec::new();
        let mut before = [0.0, 0.0];
        let mut day = new_york_local(valuation).date();
        // Days of one weight in a row make one stretch.
        while before[0] < horizon_years {
            let this = weight(day);
            let mut next = day;
            let end = loop {
                next = match next.checked_add(1.day()) {
                    Ok(next) => next,
                    Err(_) => return Self::new(knots),
                };
                let years = year_fraction(valuation, new_york_instant(next.to_datetime(Time::midnight())));
                if weight(next) != this || years >= horizon_years {
                    break years;
                }
            };
            day = next;
            if end > before[0] {
                before = [end, before[1] + this * (end - before[0])];
                knots.push(before);
            }
        }
        Self::new(knots)
    }

    /// This clock with the variance of `events` added, each within the hour after its instant.
    ///
    /// # Errors
    /// [`ClockError::Event`] of one in the past, or of a negative or infinite number of days.
    pub fn with_events(&self, events: &[VarianceEvent]) -> Result<Self, ClockError> {
        let mut years: Vec<f64> = self.knots().iter().map(|knot| knot[0]).collect();
        let mut real = Vec::new();
        for event in events {
            let event = event.checked()?;
            if event.extra_days > 0.0 {
                years.extend([event.years, event.years + EVENT_YEARS]);
                real.push(event);
            }
        }
        if real.is_empty() {
            return Ok(self.clone());
        }
        years.retain(|years| *years > 0.0);
        years.sort_by(f64::total_cmp);
        years.dedup();
        let extra = |t: f64| -> f64 {
            let of = |event: &VarianceEvent| DAY * event.extra_days * ((t - event.years) / EVENT_YEARS).clamp(0.0, 1.0);
            real.iter().map(of).sum()
        };
        Self::new(years.into_iter().map(|t| [t, self.at(t)[0] + extra(t)]).collect())
    }
}

/// The extra days of variance that the market gives an event at `event_years`, from total variance at the money `terms` of (years, w) by
/// ascending expiry.
///
/// The expiries either side of the event enclose it; what their variance rises by more than ordinary days would bring is the event's. An
/// ordinary day brings what a day of the stretches next to this one does, in the time of `clock` (weekends weighed, no event): the mean of
/// the one before and the one after, or the one that there is. None where no expiry follows the event, no neighbour says what a day
/// brings, or the rise is less than an ordinary one.
pub fn event_days(terms: &[[f64; 2]], event_years: f64, clock: &Clock) -> Option<f64> {
    let after = terms.partition_point(|term| term[0] <= event_years);
    let point = |i: usize| if i == 0 { Some([0.0, 0.0]) } else { terms.get(i - 1).map(|[t, w]| [clock.at(*t)[0], *w]) };
    // Stretch i ends at point i + 1; the first begins today.
    let stretch = |i: usize| {
        let ([from, low], [to, high]) = (point(i)?, point(i + 1)?);
        (to > from).then_some([to - from, high - low])
    };
    let rate = |[time, rise]: [f64; 2]| rise / time;
    let [time, rise] = stretch(after)?;
    let neighbours = [after.checked_sub(1).and_then(stretch), stretch(after + 1)];
    let rates: Vec<f64> = neighbours.into_iter().flatten().map(rate).filter(|rate| *rate > 0.0).collect();
    if rates.is_empty() {
        return None;
    }
    let ordinary = rates.iter().sum::<f64>() / rates.len() as f64;
    let days = (rise / ordinary - time) / DAY;
    (days > 0.0 && days.is_finite()).then_some(days)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Weekday, date};

    use super::*;
    use crate::surface::{
        Slices, Svi,
        smile::VolatilitySurface,
        violations::{Coverage, violations},
    };

    /// Wednesday 23 July 2014, 10:00 in New York.
    fn valuation() -> Timestamp {
        new_york_instant(date(2014, 7, 23).at(10, 0, 0, 0))
    }

    fn years(day: Date, hour: i8) -> f64 {
        year_fraction(valuation(), new_york_instant(day.at(hour, 0, 0, 0)))
    }

    #[test]
    fn a_weekend_passes_slower_and_a_week_sums_up() {
        let clock = ClockSettings { weekend_weight: 0.3, events: vec![] }.clock(valuation(), 1.0).expect("sound");
        let [friday, sunday, monday] =
            [(25, 15), (27, 12), (28, 10)].map(|(day, hour)| clock.at(years(date(2014, 7, day), hour)));
        assert_eq!([friday[1], monday[1]].map(|slope| (slope * 1e12).round() / 1e12), [1.0, 1.0]);
        assert!((sunday[1] - 0.3).abs() < 1e-12);
        // From Wednesday 10:00 a week on: five days of sessions and two of 0.3.
        let week = clock.at(years(date(2014, 7, 30), 10))[0];
        assert!((week - 5.6 * DAY).abs() < 1e-12, "{week}");
        // Labor Day, Monday 1 September 2014, is a day off.
        assert!((clock.at(years(date(2014, 9, 1), 12))[1] - 0.3).abs() < 1e-9);
        // Monotone, also where clocks change (2 November 2014).
        let times: Vec<f64> = (0..4000).map(|i| clock.at(f64::from(i) * 3e-4)[0]).collect();
        assert!(times.windows(2).all(|pair| pair[1] > pair[0]));
    }

    #[test]
    fn a_weight_of_one_without_events_is_calendar_time() {
        let clock = ClockSettings::default().clock(valuation(), 5.0).expect("sound");
        assert!(clock.is_calendar());
        let nearly = Clock::weekdays(valuation(), 5.0, 1.0 + 1e-13, calendar::is_session).expect("sound");
        for t in [1e-6, 0.004, 0.3, 2.7, 9.0] {
            assert!((nearly.at(t)[0] - t).abs() < 1e-11);
        }
    }

    #[test]
    fn an_event_brings_its_days_within_the_hour_after_it() {
        let at = years(date(2014, 7, 24), 16);
        let plain = Clock::weekdays(valuation(), 1.0, 0.3, calendar::is_session).expect("sound");
        let clock = plain.with_events(&[VarianceEvent { years: at, extra_days: 3.0 }]).expect("sound");
        assert!((clock.at(at)[0] - plain.at(at)[0]).abs() < 1e-15, "an expiry at its instant has none of it");
        let later = at + EVENT_YEARS;
        assert!((clock.at(later)[0] - plain.at(later)[0] - 3.0 * DAY).abs() < 1e-15);
        assert!((clock.at(at + 0.5 * EVENT_YEARS)[1] - 73.0).abs() < 1e-6, "an hour of 3 days and an hour");
        assert!((clock.at(0.9)[0] - plain.at(0.9)[0] - 3.0 * DAY).abs() < 1e-14);
        // Two at once add up, and one now takes effect at once.
        let twice = [VarianceEvent { years: 0.0, extra_days: 1.0 }, VarianceEvent { years: 0.0, extra_days: 2.0 }];
        let now = Clock::default().with_events(&twice).expect("sound");
        assert!((now.at(0.5)[0] - 0.5 - 3.0 * DAY).abs() < 1e-15);
    }

    #[test]
    fn settings_and_clocks_read_back_and_events_parse() {
        let event = VarianceEvent::parse("2014-07-24T16:00=3", valuation()).expect("an event");
        assert!((event.years - years(date(2014, 7, 24), 16)).abs() < 1e-15 && event.extra_days == 3.0);
        let by_date = VarianceEvent::parse("2014-07-24=3", valuation()).expect("an event");
        assert_eq!(by_date, event, "a date is its close");
        let settings = ClockSettings { weekend_weight: 0.3, events: vec![event] };
        let json = serde_json::to_string(&settings).expect("plain data");
        assert_eq!(serde_json::from_str::<ClockSettings>(&json).expect("written by us"), settings);
        assert_eq!(serde_json::from_str::<ClockSettings>("{}").expect("defaults"), ClockSettings::default());
        let clock = settings.clock(valuation(), 2.0).expect("sound");
        let json = serde_json::to_string(&clock).expect("plain data");
        assert_eq!(serde_json::from_str::<Clock>(&json).expect("written by us"), clock);
        for bad in ["2014-07-24", "2014-07-24=x", "tomorrow=3", "2014-07-22=3", "2014-07-24=-1", "2014-07-24=inf"] {
            assert!(VarianceEvent::parse(bad, valuation()).is_err(), "{bad}");
        }
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let settings = ClockSettings { weekend_weight: weight, events: vec![] };
            assert!(matches!(settings.clock(valuation(), 1.0), Err(ClockError::Weight { .. })), "{weight}");
        }
    }

    #[test]
    fn a_surface_on_such_a_clock_has_no_arbitrage_and_quiet_weekends() {
        let event = VarianceEvent { years: 0.05, extra_days: 4.0 };
        let clock = ClockSettings { weekend_weight: 0.2, events: vec![event] }.clock(valuation(), 1.0).expect("sound");
        let smile = |level: f64| Svi { a: level, b: 0.1 * level.sqrt(), rho: -0.6, m: 0.01, sigma: 0.1 };
        let expiry_years = vec![0.04, 0.1, 0.6];
        let coverage: Vec<Coverage> = expiry_years
            .iter()
            .map(|&expiry_years| Coverage { expiry_years, log_moneyness_range: [-0.5, 0.4] })
            .collect();
        let surface = Slices { expiry_years, smiles: vec![smile(0.002), smile(0.006), smile(0.03)], clock };
        assert_eq!(violations(&surface, &coverage).1, vec![]);
        let saturday = years(date(2014, 8, 23), 12);
        assert_eq!(date(2014, 8, 23).weekday(), Weekday::Saturday);
        let [quiet, loud] = [saturday, saturday + 3.0 * DAY].map(|t| surface.variance(0.0, t).by_t);
        assert!((quiet / loud - 0.2).abs() < 1e-9, "{quiet} {loud}");
    }

    #[test]
    fn an_events_days_are_found_in_the_term_structure_that_has_them() {
        let clock = Clock::weekdays(valuation(), 1.0, 0.3, calendar::is_session).expect("sound");
        let event = VarianceEvent { years: 0.11, extra_days: 2.5 };
        let eventful = clock.with_events(&[event]).expect("sound");
        let terms: Vec<[f64; 2]> = [0.02, 0.05, 0.09, 0.13, 0.2].map(|t| [t, 0.09 * eventful.at(t)[0]]).to_vec();
        let found = event_days(&terms, event.years, &clock).expect("it is there");
        assert!((found - 2.5).abs() < 1e-9, "{found}");
        // Before the first expiry, and without an event.
        let first: Vec<[f64; 2]> = terms[3..].to_vec();
        assert!((event_days(&first, event.years, &clock).expect("it is there") - 2.5).abs() < 1e-9);
        assert!(event_days(&terms, 0.15, &clock).is_none(), "less than the stretch before");
        assert!(event_days(&terms, 0.3, &clock).is_none() && event_days(&[], 0.1, &clock).is_none());
    }
}
