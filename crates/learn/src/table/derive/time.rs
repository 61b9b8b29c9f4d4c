//! Parts of the time.
//!
//! time_of_day is seconds since the zone's midnight; _sin and _cos go once round in a day, in seven days from Monday on, in a year. seconds_to_close is
//! to the next close of the New York Stock Exchange, early closes included. expiry_years are ACT/365F to another column of time.

use std::f64::consts::TAU;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use zomma_base::{
    calendar,
    time::{SECONDS_PER_YEAR, new_york_instant, new_york_local},
};

use super::Columns;
use crate::LearnError;

const SECONDS_A_DAY: f64 = 86_400.0;

/// What a number of a column of time counts since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Nanoseconds, as `zomma features` writes.
    #[default]
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Days.
    D,
}

impl TimeUnit {
    fn nanoseconds(self) -> i64 {
        match self {
            Self::Ns => 1,
            Self::Us => 1_000,
            Self::Ms => 1_000_000,
            Self::S => 1_000_000_000,
            Self::D => 86_400_000_000_000,
        }
    }

    /// Nanoseconds as the unit counts them.
    pub(super) fn shown(self, time: i64) -> String {
        let unit = self.nanoseconds();
        if time % unit == 0 { (time / unit).to_string() } else { (time as f64 / unit as f64).to_string() }
    }

    pub(super) fn seconds(self) -> f64 {
        match self {
            Self::Ns => 1e-9,
            Self::Us => 1e-6,
            Self::Ms => 1e-3,
            Self::S => 1.0,
            Self::D => SECONDS_A_DAY,
        }
    }
}

/// Columns made of a column of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeDerivation {
    /// The column of time.
    pub of: String,
    /// What it counts.
    #[serde(default)]
    pub unit: TimeUnit,
    /// Whose clock and calendar days are meant, by its name in the time zone database.
    #[serde(default = "new_york_name")]
    pub zone: String,
    /// A column of time at which the row's contract expires, in the same unit, for `expiry_years`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// What is made.
    pub columns: Vec<String>,
    /// Put before the names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

fn new_york_name() -> String {
    "America/New_York".into()
}

/// One part of the time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    TimeOfDay,
    TimeOfDaySin,
    TimeOfDayCos,
    DayOfWeek,
    DayOfWeekSin,
    DayOfWeekCos,
    DayOfYearSin,
    DayOfYearCos,
    SecondsToClose,
    ExpiryYears,
}

const PARTS: [(&str, Part); 10] = [
    ("time_of_day", Part::TimeOfDay),
    ("time_of_day_sin", Part::TimeOfDaySin),
    ("time_of_day_cos", Part::TimeOfDayCos),
    ("day_of_week", Part::DayOfWeek),
    ("day_of_week_sin", Part::DayOfWeekSin),
    ("day_of_week_cos", Part::DayOfWeekCos),
    ("day_of_year_sin", Part::DayOfYearSin),
    ("day_of_year_cos", Part::DayOfYearCos),
    ("seconds_to_close", Part::SecondsToClose),
    ("expiry_years", Part::ExpiryYears),
];

impl TimeDerivation {
    pub(super) fn check(&self) -> Result<(), LearnError> {
        self.plan().map(|_| ())
    }

    fn plan(&self) -> Result<(TimeZone, Vec<Part>), LearnError> {
        let zone = TimeZone::get(&self.zone).map_err(|_| {
            LearnError::bad("data.table.derive.zone", &self.zone, "a name such as America/New_York or UTC")
        })?;
        if self.columns.is_empty() {
            return Err(LearnError::bad("data.table.derive.columns", "an empty list", "one part of the time or more"));
        }
        let part = |name: &String| {
            let known = PARTS.iter().find(|(known, _)| known == name);
            let part = known.map(|(_, part)| *part).ok_or_else(|| {
                let names: Vec<&str> = PARTS.iter().map(|(known, _)| *known).collect();
                LearnError::bad("data.table.derive.columns", name, names.join(", "))
            })?;
            if part == Part::ExpiryYears && self.expiry.is_none() {
                let wanted = "the column of time at which a row's contract expires".into();
                return Err(LearnError::Missing { key: "data.table.derive.expiry".into(), wanted });
            }
            Ok(part)
        };
        Ok((zone, self.columns.iter().map(part).collect::<Result<_, _>>()?))
    }

    pub(super) fn derive(&self, from: &dyn Columns) -> Result<Vec<Vec<f64>>, LearnError> {
        let (zone, parts) = self.plan()?;
        let times = from.numbers(&self.of)?;
        let expiries = self.expiry.as_deref().map(|name| from.numbers(name)).transpose()?;
        let mut columns = vec![vec![f64::NAN; times.len()]; parts.len()];
        let seconds = self.unit.seconds();
        let is_calendar = parts.iter().any(|part| *part != Part::ExpiryYears);
        for (row, time) in times.iter().enumerate() {
            let instant = instant(*time, self.unit);
            let local = instant.filter(|_| is_calendar).map(|instant| zone.to_datetime(instant));
            for (column, part) in columns.iter_mut().zip(&parts) {
                column[row] = match part {
                    Part::ExpiryYears => {
                        let expiry = expiries.as_ref().map_or(f64::NAN, |expiries| expiries[row]);
                        (expiry - time) * seconds / SECONDS_PER_YEAR
                    }
                    Part::SecondsToClose => instant.map_or(f64::NAN, to_close),
                    part => local.map_or(f64::NAN, |local| part.of(local)),
                };
            }
        }
        Ok(columns)
    }
}

impl Part {
    fn of(self, local: DateTime) -> f64 {
        let (date, clock) = (local.date(), local.time());
        let of_day = f64::from(clock.hour()) * 3600.0
            + f64::from(clock.minute()) * 60.0
            + f64::from(clock.second())
            + f64::from(clock.subsec_nanosecond()) * 1e-9;
        let day = of_day / SECONDS_A_DAY;
        let in_week = f64::from(date.weekday().to_monday_zero_offset());
        let of_week = TAU * (in_week + day) / 7.0;
        let of_year = TAU * (f64::from(date.day_of_year()) - 1.0 + day) / f64::from(date.days_in_year());
        match self {
            Self::TimeOfDay => of_day,
            Self::TimeOfDaySin => (TAU * day).sin(),
            Self::TimeOfDayCos => (TAU * day).cos(),
            Self::DayOfWeek => in_week,
            Self::DayOfWeekSin => of_week.sin(),
            Self::DayOfWeekCos => of_week.cos(),
            Self::DayOfYearSin => of_year.sin(),
            Self::DayOfYearCos => of_year.cos(),
            Self::SecondsToClose | Self::ExpiryYears => f64::NAN,
        }
    }
}

/// A column of time in nanoseconds since the epoch, None where a cell is empty. Whole numbers are exact; where a number of fractions cannot say a
/// nanosecond, as of seconds since 1970, a time is the next of the finest decimal steps that all of the column can say (there microseconds), so that
/// rows a tenth of a second apart are.
///
/// Errors: those of `from`; a time beyond what 64 bits count, by its row.
pub(super) fn instants(from: &dyn Columns, name: &str, unit: TimeUnit) -> Result<Vec<Option<i64>>, LearnError> {
    let beyond = |row: usize, shown: String| {
        let years = "1677-09-21 to 2262-04-11";
        from.wrong(
            row,
            format!("column {name} is {shown}, counted in {unit:?}; allowed: {years} (time_unit says what it counts)"),
        )
    };
    let scale = unit.nanoseconds();
    if let Some(whole) = from.whole_numbers(name)? {
        let scaled = |(row, time): (usize, Option<i64>)| match time.map(|time| (time, time.checked_mul(scale))) {
            Some((time, None)) => Err(beyond(row, time.to_string())),
            scaled => Ok(scaled.and_then(|(_, scaled)| scaled)),
        };
        return whole.into_iter().enumerate().map(scaled).collect();
    }
    let numbers = from.numbers(name)?;
    let greatest = numbers.iter().copied().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
    let between = (greatest.next_up() - greatest) * scale as f64;
    let mut step = 1i128;
    while (step as f64) < 2.0 * between && step < i128::from(i64::MAX) {
        step *= 10;
    }
    let scaled = |(row, time): (usize, f64)| {
        if !time.is_finite() {
            return Ok(None);
        }
        // Whole units first: their product is exact.
        let whole = time.trunc() as i128 * i128::from(scale) + ((time - time.trunc()) * scale as f64).round() as i128;
        let time_ns = (whole + step / 2).div_euclid(step) * step;
        i64::try_from(time_ns).map(Some).map_err(|_| beyond(row, time.to_string()))
    };
    numbers.into_iter().enumerate().map(scaled).collect()
}

/// The instant of a number, where there is one in the calendar.
fn instant(time: f64, unit: TimeUnit) -> Option<Timestamp> {
    if !time.is_finite() {
        return None;
    }
    // Whole seconds first: nanoseconds since the epoch are beyond what f64 counts one by one, by some hundred.
    let seconds = (time * unit.seconds()).floor();
    let rest = match unit {
        TimeUnit::D | TimeUnit::S => (time * unit.seconds() - seconds) * 1e9,
        unit => (time - seconds / unit.seconds()) * unit.seconds() * 1e9,
    };
    let is_in_calendar = seconds.abs() < 2e11;
    is_in_calendar.then(|| Timestamp::new(seconds as i64, (rest as i32).clamp(0, 999_999_999)).ok()).flatten()
}

/// Seconds to the next close of the New York Stock Exchange.
fn to_close(instant: Timestamp) -> f64 {
    let local = new_york_local(instant);
    let today = local.date();
    let close = calendar::close_time(today).map(|close| new_york_instant(today.to_datetime(close)));
    let close = close.filter(|close| instant <= *close).unwrap_or_else(|| {
        let next = calendar::session_after(today);
        new_york_instant(next.to_datetime(calendar::close_time(next).unwrap_or(calendar::CLOSE)))
    });
    close.duration_since(instant).as_secs_f64()
}
