//! What stands in one cell, and how it is read as a number, a date, a time or a word.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use zomma_base::{ExerciseStyle, OptionType, Settlement, time};

/// A cell of any source: text from CSV and JSON, typed from Parquet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Absent,
    Text(&'a [u8]),
    Number(f64),
    Date(Date),
    /// A wall clock in New York.
    Local(DateTime),
    Instant(Timestamp),
}

/// What a numeric cell gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Empty, `NaN`, `null`, `N/A`, `-`.
    Absent,
    /// A number, perhaps infinite.
    Is(f64),
    /// Something else.
    Unreadable,
}

impl Number {
    /// NaN where there is none.
    #[inline]
    pub fn or_nan(self) -> f64 {
        match self {
            Self::Is(value) => value,
            Self::Absent | Self::Unreadable => f64::NAN,
        }
    }
}

/// A date, and the time of day where the cell has one. Midnight is no time: files write it for a bare date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub date: Date,
    pub time: Option<Time>,
}

impl Moment {
    /// The wall clock, midnight where there is no time.
    pub fn datetime(self) -> DateTime {
        self.date.to_datetime(self.time.unwrap_or(Time::midnight()))
    }
}

impl<'a> Cell<'a> {
    #[inline]
    pub fn number(self) -> Number {
        match self {
            Self::Number(value) if value.is_nan() => Number::Absent,
            Self::Number(value) => Number::Is(value),
            Self::Text(text) => number(text),
            Self::Absent => Number::Absent,
            Self::Date(_) | Self::Local(_) | Self::Instant(_) => Number::Unreadable,
        }
    }

    pub fn moment(self) -> Option<Moment> {
        match self {
            Self::Absent => None,
            Self::Text(text) => moment(text.trim_ascii()),
            // Parquet and JSON may hold 20190426 as a number.
            Self::Number(value) => (value.fract() == 0.0 && (1e7..1e8).contains(&value))
                .then(|| compact_date(value as u32))
                .flatten()
                .map(|date| Moment { date, time: None }),
            Self::Date(date) => Some(Moment { date, time: None }),
            Self::Local(local) => Some(of_local(local)),
            Self::Instant(instant) => Some(of_instant(instant)),
        }
    }

    pub fn time(self) -> Option<Time> {
        match self {
            Self::Text(text) => clock(text.trim_ascii()),
            Self::Local(local) => Some(local.time()),
            Self::Instant(instant) => Some(time::new_york_local(instant).time()),
            Self::Absent | Self::Number(_) | Self::Date(_) => None,
        }
    }

    /// The text, blanks trimmed; empty where there is none.
    #[inline]
    pub fn text(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.trim_ascii(),
            _ => b"",
        }
    }

    /// The value as an error shows it.
    pub fn shown(self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Text(text) => String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned(),
            Self::Number(value) => value.to_string(),
            Self::Date(date) => date.to_string(),
            Self::Local(local) => local.to_string(),
            Self::Instant(instant) => instant.to_string(),
        }
    }
}

fn of_local(local: DateTime) -> Moment {
    let time = local.time();
    Moment { date: local.date(), time: (time != Time::midnight()).then_some(time) }
}

/// An instant on a wall clock in New York; but midnight UTC is a bare date, which is how tables with zones write one.
fn of_instant(instant: Timestamp) -> Moment {
    let utc = jiff::tz::Offset::UTC.to_datetime(instant);
    if utc.time() == Time::midnight() {
        return Moment { date: utc.date(), time: None };
    }
    of_local(time::new_york_local(instant))
}

#[inline]
fn number(text: &[u8]) -> Number {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Number::Absent;
    }
    if let Some(value) = short_decimal(text) {
        return Number::Is(value);
    }
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
        Some(value) if value.is_nan() => Number::Absent,
        Some(value) => Number::Is(value),
        None => dressed_number(text),
    }
}

/// Digits with at most one point, fifteen of them at most: the integer and the power of ten are exact in f64, so their
/// quotient is rounded once and equals what the standard library reads (a test compares them). Most cells are such.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    if text.len() > 16 {
        return None;
    }
    let (mut mantissa, mut digits, mut behind_point) = (0u64, 0usize, None);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if behind_point.is_none() => behind_point = Some(digits),
            _ => return None,
        }
    }
    if digits == 0 || digits > 15 {
        return None;
    }
    Some(mantissa as f64 / POWERS[behind_point.map_or(0, |at| digits - at)])
}

/// `N/A` and its like; `$1,234.50`; `1234,5` where the comma is the decimal point (it can only stand in a cell where it is
/// not the delimiter, or quoted).
#[cold]
fn dressed_number(text: &[u8]) -> Number {
    let Ok(text) = std::str::from_utf8(text) else { return Number::Unreadable };
    if ["na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "<na>"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Number::Absent;
    }
    let bare: String = text.chars().filter(|c| !matches!(c, '$' | '€' | '£' | ' ' | '\u{a0}')).collect();
    let plain = match (bare.split_once(','), bare.contains('.')) {
        (None, _) => bare,
        (Some(_), true) => ungrouped(&bare),
        (Some((whole, fraction)), false) if fraction.len() == 3 && !whole.is_empty() && whole != "0" => {
            ungrouped(&bare)
        }
        (Some((_, fraction)), false) if fraction.contains(',') => ungrouped(&bare),
        (Some(_), false) => bare.replace(',', "."),
    };
    plain.parse().map_or(Number::Unreadable, Number::Is)
}

/// Commas between groups of three digits, taken out; anything else stays as it is and is not a number then.
fn ungrouped(text: &str) -> String {
    let whole = text.split('.').next().unwrap_or_default().trim_start_matches(['-', '+']);
    let mut groups = whole.split(',');
    let is_first_short = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    if is_first_short && groups.all(|group| group.len() == 3) { text.replace(',', "") } else { text.to_owned() }
}

/// `2019-04-26`, `04/26/2019`, `2019/04/26`, `20190426`, `26-Apr-2019`, each perhaps with a time behind `T` or a blank; or
/// an instant.
fn moment(text: &[u8]) -> Option<Moment> {
    if let Some(date) = date(text) {
        return Some(Moment { date, time: None });
    }
    let cut = text.iter().position(|byte| matches!(byte, b'T' | b' '))?;
    let (day, rest) = (date(&text[..cut])?, &text[cut + 1..]);
    if let Some(time) = clock(rest) {
        return Some(Moment { date: day, time: (time != Time::midnight()).then_some(time) });
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<Timestamp>().ok().map(of_instant)
}

fn date(text: &[u8]) -> Option<Date> {
    match text {
        [a, b, c, d, b'-', e, f, b'-', g, h] | [a, b, c, d, b'/', e, f, b'/', g, h] => {
            civil(digits(&[*a, *b, *c, *d])?, digits(&[*e, *f])?, digits(&[*g, *h])?)
        }
        [a, b, b'/', c, d, b'/', e, f, g, h] => {
            civil(digits(&[*e, *f, *g, *h])?, digits(&[*a, *b])?, digits(&[*c, *d])?)
        }
        _ if text.len() == 8 && text.iter().all(u8::is_ascii_digit) => compact_date(digits(text)?),
        _ => irregular_date(text),
    }
}

/// `4/26/2019`, `26-Apr-2019`.
fn irregular_date(text: &[u8]) -> Option<Date> {
    let mut slashed = text.split(|byte| *byte == b'/');
    if let (Some(month), Some(day), Some(year), None) = (slashed.next(), slashed.next(), slashed.next(), slashed.next())
        && year.len() == 4
    {
        return civil(digits(year)?, digits(month)?, digits(day)?);
    }
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let mut dashed = text.split(|byte| *byte == b'-');
    if let (Some(day), Some(month), Some(year), None) = (dashed.next(), dashed.next(), dashed.next(), dashed.next())
        && year.len() == 4
    {
        let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name.as_bytes()))?;
        return civil(digits(year)?, month as u32 + 1, digits(day)?);
    }
    None
}

fn compact_date(yyyymmdd: u32) -> Option<Date> {
    civil(yyyymmdd / 10_000, yyyymmdd / 100 % 100, yyyymmdd % 100)
}

fn civil(year: u32, month: u32, day: u32) -> Option<Date> {
    // A year of three digits is a mistake, and so is one beyond any contract.
    if !(1900..=2200).contains(&year) {
        return None;
    }
    Date::new(year as i16, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    text.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// `15:45`, `15:45:00`, `15:45:00.123`, `1545`, `3:45 PM`.
fn clock(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (text, afternoon) = match text.len().checked_sub(2).and_then(|cut| text.split_at_checked(cut)) {
        Some((head, tail)) if tail.eq_ignore_ascii_case("pm") => (head.trim(), Some(true)),
        Some((head, tail)) if tail.eq_ignore_ascii_case("am") => (head.trim(), Some(false)),
        _ => (text, None),
    };
    let part = |text: &str| digits(text.as_bytes()).filter(|_| text.len() <= 2);
    let (hour, minute, second, nanosecond) = if let Some((hour, rest)) = text.split_once(':') {
        let (minute, second) = rest.split_once(':').unwrap_or((rest, "0"));
        let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
        let fraction = if fraction.len() > 9 { fraction.get(..9)? } else { fraction };
        let scale = 10i64.pow(9 - fraction.len() as u32);
        let nanosecond = fraction.parse::<u32>().ok().map(|digits| i64::from(digits) * scale)?;
        (part(hour)?, part(minute)?, part(second)?, nanosecond)
    } else if text.len() == 4 {
        let hhmm = digits(text.as_bytes())?;
        (hhmm / 100, hhmm % 100, 0, 0)
    } else {
        return None;
    };
    let hour = match (afternoon, hour) {
        (None, hour) => hour,
        (Some(is_afternoon), 1..=12) => hour % 12 + if is_afternoon { 12 } else { 0 },
        (Some(_), _) => return None,
    };
    Time::new(hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?, nanosecond.try_into().ok()?).ok()
}

/// `call`, `put`, `C`, `P`, in any case.
#[inline]
pub(crate) fn option_type(text: &[u8]) -> Option<OptionType> {
    match text {
        b"call" | b"C" | b"c" => Some(OptionType::Call),
        b"put" | b"P" | b"p" => Some(OptionType::Put),
        _ if text.eq_ignore_ascii_case(b"call") || text.eq_ignore_ascii_case(b"calls") => Some(OptionType::Call),
        _ if text.eq_ignore_ascii_case(b"put") || text.eq_ignore_ascii_case(b"puts") => Some(OptionType::Put),
        _ => None,
    }
}

/// `am`, `pm`, `A`, `P`; 1 and 0 of a column `am_settlement`.
pub(crate) fn settlement(cell: Cell<'_>) -> Option<Settlement> {
    let is_any = |words: &[&str]| words.iter().any(|word| cell.text().eq_ignore_ascii_case(word.as_bytes()));
    if is_any(&["am", "a", "a.m.", "am-settled", "1", "true"]) || matches!(cell, Cell::Number(1.0)) {
        Some(Settlement::Am)
    } else if is_any(&["pm", "p", "p.m.", "pm-settled", "0", "false"]) || matches!(cell, Cell::Number(0.0)) {
        Some(Settlement::Pm)
    } else {
        None
    }
}

/// `european`, `american`, `E`, `A`, in any case.
pub(crate) fn exercise_style(text: &[u8]) -> Option<ExerciseStyle> {
    if text.eq_ignore_ascii_case(b"european") || text.eq_ignore_ascii_case(b"e") {
        Some(ExerciseStyle::European)
    } else if text.eq_ignore_ascii_case(b"american") || text.eq_ignore_ascii_case(b"a") {
        Some(ExerciseStyle::American)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date as on, time as at};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Number {
        number(text.as_bytes())
    }

    #[test]
    fn numbers_plain_absent_and_dressed() {
        for (text, value) in [
            ("2919.04", 2919.04),
            ("-5", -5.0),
            (" 7 ", 7.0),
            ("1e3", 1e3),
            ("$1,234.50", 1234.5),
            ("1,234", 1234.0),
            ("12,345,678", 12_345_678.0),
            ("2109,9", 2109.9),
            ("0,125", 0.125),
            ("inf", f64::INFINITY),
            (".5", 0.5),
            ("5.", 5.0),
        ] {
            assert_eq!(read(text), Number::Is(value), "{text}");
        }
        for text in ["", "  ", "nan", "NaN", "N/A", "null", "-", "--"] {
            assert_eq!(read(text), Number::Absent, "{text}");
        }
        for text in ["abc", "1,23,4.5", "1.2.3", ".", "12,34,567", "0x10"] {
            assert_eq!(read(text), Number::Unreadable, "{text}");
        }
    }

    #[test]
    fn dates_of_every_form() {
        let expected = Some(Moment { date: on(2019, 4, 6), time: None });
        for text in [
            "2019-04-06",
            "04/06/2019",
            "4/6/2019",
            "2019/04/06",
            "20190406",
            "06-Apr-2019",
            "6-APR-2019",
            "2019-04-06T00:00:00",
            "2019-04-06 00:00",
            "2019-04-06T00:00:00Z",
        ] {
            assert_eq!(Cell::Text(text.as_bytes()).moment(), expected, "{text}");
        }
        assert_eq!(Cell::Number(20_190_406.0).moment(), expected);
        let timed = Some(Moment { date: on(2019, 4, 6), time: Some(at(15, 45, 0, 0)) });
        for text in ["2019-04-06 15:45", "2019-04-06T15:45:00", "04/06/2019 3:45 PM", "2019-04-06T19:45:00Z"] {
            assert_eq!(Cell::Text(text.as_bytes()).moment(), timed, "{text}");
        }
        for text in
            ["", "2019-02-30", "26/04/2019", "19-04-06", "yesterday", "2019-04-06X", "0001-01-01", "2019-04-06 25:00"]
        {
            assert_eq!(Cell::Text(text.as_bytes()).moment(), None, "{text}");
        }
    }

    #[test]
    fn clocks() {
        for (text, expected) in [
            ("15:45", at(15, 45, 0, 0)),
            ("15:45:30", at(15, 45, 30, 0)),
            ("15:45:30.5", at(15, 45, 30, 500_000_000)),
            ("1545", at(15, 45, 0, 0)),
            ("12:05 am", at(0, 5, 0, 0)),
            ("12:05PM", at(12, 5, 0, 0)),
        ] {
            assert_eq!(Cell::Text(text.as_bytes()).time(), Some(expected), "{text}");
        }
        for text in ["", "25:00", "15:60", "15", "15:45 XM", "0:00 PM", "pm"] {
            assert_eq!(Cell::Text(text.as_bytes()).time(), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_decimals_equal_the_standard_library(mantissa in 0u64..1_000_000_000_000_000, places in 0usize..=15) {
            let digits = format!("{mantissa:016}");
            let text = format!("{}.{}", &digits[..16 - places], &digits[16 - places..]);
            let text = text.trim_start_matches('0');
            if let Some(value) = short_decimal(text.as_bytes()) {
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..24), text in "[-0-9/:T.,APMZ ]{0,24}") {
            for cell in [Cell::Text(&bytes), Cell::Text(text.as_bytes())] {
                let _ = (cell.number(), cell.moment(), cell.time(), settlement(cell), cell.shown());
                let _ = (option_type(cell.text()), exercise_style(cell.text()));
            }
        }
    }
}
