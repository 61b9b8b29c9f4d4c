//! Years between two instants, as every other part counts them.

use arrow_array::{
    Array, ArrayRef,
    cast::AsArray,
    types::{Date32Type, TimestampNanosecondType},
};
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err};
use jiff::{Timestamp, civil, tz::TimeZone};
use zomma_base::{
    Settlement,
    time::{Expiry, new_york_instant, year_fraction},
};

use super::{
    FunctionInfo, Shape,
    arguments::{Argument, Kind},
    scalar::Scalar,
};

const ARGUMENTS: &[Argument] = &[Argument::of("time", Kind::Time), Argument::of("expiry", Kind::Time)];

/// `year_fraction(time, expiry)`.
pub(super) fn function() -> Scalar {
    let info = FunctionInfo {
        name: "year_fraction".into(),
        shape: Shape::Row,
        arguments: ARGUMENTS.to_vec(),
        returns: "float",
        unit: "years, ACT/365F",
        about: "from one instant to another; a date is that day's close in New York, a wall clock without an offset New York's"
            .into(),
        example: "year_fraction('2019-04-25T15:45', '2019-06-21')".into(),
    };
    Scalar::new(
        info,
        DataType::Float64,
        Box::new(|rows| {
            let (from, to) = (instants(rows.column(0))?, instants(rows.column(1))?);
            let years = from.iter().zip(&to).map(|ends| match ends {
                (Some(from), Some(to)) => year_fraction(*from, *to),
                _ => f64::NAN,
            });
            Ok(rows.floats(years.collect(), |_| true))
        }),
    )
}

/// The instants of a column; none where the text names none.
pub(super) fn instants(column: &ArrayRef) -> Result<Vec<Option<Timestamp>>> {
    Ok(match column.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let nanos = column.as_primitive::<TimestampNanosecondType>();
            nanos.iter().map(|nanos| nanos.and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok())).collect()
        }
        DataType::Timestamp(_, None) => {
            let nanos = column.as_primitive::<TimestampNanosecondType>();
            let mut known = Known::new();
            nanos.iter().map(|nanos| known.of(nanos?, new_york_clock)).collect()
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            let mut known = Known::new();
            days.iter().map(|days| known.of(days?, close)).collect()
        }
        DataType::Utf8View => {
            let mut known = Known::new();
            let parse = |text: &str| Some(Expiry::parse(text).ok()?.instant(Settlement::Pm));
            column.as_string_view().iter().map(|text| known.of(text?, parse)).collect()
        }
        other => return exec_err!("year_fraction cannot count from a column of type {other}"),
    })
}

/// The instant of the row before: most rows repeat it, and to find one in New York's calendar takes a while.
struct Known<T> {
    last: Option<(T, Option<Timestamp>)>,
}

impl<T: PartialEq + Copy> Known<T> {
    fn new() -> Self {
        Self { last: None }
    }

    fn of(&mut self, value: T, instant: impl FnOnce(T) -> Option<Timestamp>) -> Option<Timestamp> {
        match self.last {
            Some((last, instant)) if last == value => instant,
            _ => {
                let found = instant(value);
                self.last = Some((value, found));
                found
            }
        }
    }
}

/// The instant of a wall clock in New York, which comes counted as if it were UTC.
fn new_york_clock(nanos: i64) -> Option<Timestamp> {
    let clock = Timestamp::from_nanosecond(nanos.into()).ok()?.to_zoned(TimeZone::UTC).datetime();
    Some(new_york_instant(clock))
}

/// The close in New York of a day since 1970-01-01.
fn close(days: i32) -> Option<Timestamp> {
    let date = civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(Expiry::Date(date).instant(Settlement::Pm))
}
