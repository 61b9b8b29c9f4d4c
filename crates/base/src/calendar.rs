//! The trading calendar of the New York Stock Exchange, by rule.
//!
//! Rules      New Year (a Saturday is not observed, a Sunday on Monday), Martin Luther King (third Monday of January from
//!            1998), Washington (third Monday of February), Good Friday, Memorial Day (last Monday of May), Juneteenth (from
//!            2022), Independence Day, Labor Day, Thanksgiving, Christmas; a Saturday is observed on Friday and a Sunday on
//!            Monday unless said otherwise. Special closures are listed in [`SPECIAL_CLOSURES`].
//! Early      13:00 on the day after Thanksgiving, on 24 December from Monday to Thursday, on 3 July from Monday to Thursday
//!            (Wednesdays from 2013; before that, 5 July when it is a Friday), and on the days in [`SPECIAL_EARLY_CLOSES`].
//!            Before 1993 early closes were at 14:00.
//! Source     NYSE Rule 7.2 and the exchange's list of closings since 1885.
//! Domain     1990 to 2100; outside, the same rules apply without the history. Halts inside a day are not closes.
//!
//! US options exchanges keep the same days and early closes.

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday, date, time};

/// Days on which the exchange stayed shut outside the rules, 1990 to 2025.
pub const SPECIAL_CLOSURES: [Date; 11] = [
    date(1994, 4, 27),  // Nixon
    date(2001, 9, 11),  // attacks of 11 September
    date(2001, 9, 12),  //
    date(2001, 9, 13),  //
    date(2001, 9, 14),  //
    date(2004, 6, 11),  // Reagan
    date(2007, 1, 2),   // Ford
    date(2012, 10, 29), // Hurricane Sandy
    date(2012, 10, 30), //
    date(2018, 12, 5),  // G. H. W. Bush
    date(2025, 1, 9),   // Carter
];

/// Early closes outside the rules.
pub const SPECIAL_EARLY_CLOSES: [Date; 2] = [date(1997, 12, 26), date(2003, 12, 26)];

/// The regular open, New York.
pub const OPEN: Time = time(9, 30, 0, 0);
/// The regular close, New York.
pub const CLOSE: Time = time(16, 0, 0, 0);
/// An early close, New York, since 1993.
pub const EARLY_CLOSE: Time = time(13, 0, 0, 0);
/// An early close, New York, before 1993.
pub const EARLY_CLOSE_BEFORE_1993: Time = time(14, 0, 0, 0);

/// Whether the exchange trades on `day`.
pub fn is_session(day: Date) -> bool {
    !is_weekend(day) && !is_holiday(day)
}

/// The close in New York time, or `None` where `day` is no session.
pub fn close_time(day: Date) -> Option<Time> {
    if !is_session(day) {
        return None;
    }
    if !is_early_close(day) {
        return Some(CLOSE);
    }
    Some(if day.year() < 1993 { EARLY_CLOSE_BEFORE_1993 } else { EARLY_CLOSE })
}

/// The sessions after `from` up to and including `to`, in order; none where `to` is not after `from`.
pub fn sessions_between(from: Date, to: Date) -> impl Iterator<Item = Date> {
    from.series(1.day()).skip(1).take_while(move |day| *day <= to).filter(|day| is_session(*day))
}

/// `day` where it is a session, else the last session before it.
pub fn session_on_or_before(day: Date) -> Date {
    // No run of closed days is longer than 6 (September 2001), so the search ends; at the first date of all it gives up.
    let mut candidate = day;
    while !is_session(candidate) {
        match candidate.yesterday() {
            Ok(earlier) => candidate = earlier,
            Err(_) => return day,
        }
    }
    candidate
}

/// The first session after `day`.
pub fn session_after(day: Date) -> Date {
    let mut candidate = day;
    while let Ok(later) = candidate.tomorrow() {
        candidate = later;
        if is_session(candidate) {
            return candidate;
        }
    }
    day
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_holiday(day: Date) -> bool {
    let (year, month, number, weekday) = (day.year(), day.month(), day.day(), day.weekday());
    let is_monday = weekday == Weekday::Monday;
    let is_nth = |n: i8| (number - 1) / 7 + 1 == n;
    let by_rule = match month {
        1 => (number == 1) || (number == 2 && is_monday) || (year >= 1998 && is_monday && is_nth(3)),
        2 => is_monday && is_nth(3),
        3 | 4 => weekday == Weekday::Friday && day == good_friday(year),
        5 => is_monday && number > 24,
        6 => year >= 2022 && is_observed(day, 19),
        7 => is_observed(day, 4),
        9 => is_monday && is_nth(1),
        11 => weekday == Weekday::Thursday && is_nth(4),
        12 => is_observed(day, 25),
        _ => false,
    };
    by_rule || SPECIAL_CLOSURES.contains(&day)
}

/// Whether `day`, a weekday, is when the holiday on `number` of its month is observed.
fn is_observed(day: Date, number: i8) -> bool {
    day.day() == number
        || (day.day() == number - 1 && day.weekday() == Weekday::Friday)
        || (day.day() == number + 1 && day.weekday() == Weekday::Monday)
}

fn is_early_close(day: Date) -> bool {
    let (year, month, number, weekday) = (day.year(), day.month(), day.day(), day.weekday());
    match (month, number) {
        (11, 23..=29) => weekday == Weekday::Friday && year >= 1992,
        (12, 24) => weekday != Weekday::Friday,
        (7, 3) => year >= 1995 && weekday != Weekday::Friday && (weekday != Weekday::Wednesday || year >= 2013),
        (7, 5) => (1996..2013).contains(&year) && weekday == Weekday::Friday,
        _ => SPECIAL_EARLY_CLOSES.contains(&day),
    }
}

/// Two days before Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876, as in Meeus, Astronomical
/// Algorithms, 2nd ed., p. 67).
fn good_friday(year: i16) -> Date {
    let y = i32::from(year);
    let a = y.rem_euclid(19);
    let (b, c) = (y.div_euclid(100), y.rem_euclid(100));
    let (d, e) = (b.div_euclid(4), b.rem_euclid(4));
    let f = (b + 8).div_euclid(25);
    let g = (b - f + 1).div_euclid(3);
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l).div_euclid(451);
    let n = h + l - 7 * m + 114;
    // Easter lies between 22 March and 25 April by construction, so month and day are in range.
    let easter = Date::new(year, (n / 31) as i8, (n % 31 + 1) as i8).unwrap_or(Date::ZERO);
    easter.checked_sub(2.days()).unwrap_or(easter)
}

#[cfg(test)]
mod tests;
