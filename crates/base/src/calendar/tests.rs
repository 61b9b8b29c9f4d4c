use super::*;
use proptest::prelude::*;

fn weekday_holidays(year: i16) -> Vec<Date> {
    days_of(year).filter(|day| !is_weekend(*day) && !is_session(*day)).collect()
}

fn early_closes(year: i16) -> Vec<Date> {
    days_of(year).filter(|day| close_time(*day).is_some_and(|close| close != CLOSE)).collect()
}

fn days_of(year: i16) -> impl Iterator<Item = Date> {
    date(year, 1, 1).series(1.day()).take_while(move |day| day.year() == year)
}

fn dates(year: i16, month_days: &[(i8, i8)]) -> Vec<Date> {
    month_days.iter().map(|(month, day)| date(year, *month, *day)).collect()
}

/// The exchange's published holidays and early closes.
#[test]
fn published_years() {
    type Days = &'static [(i8, i8)];
    let published: [(i16, Days, Days); 10] = [
        (1996, &[(1, 1), (2, 19), (4, 5), (5, 27), (7, 4), (9, 2), (11, 28), (12, 25)], &[(7, 5), (11, 29), (12, 24)]),
        (
            2001,
            &[
                (1, 1),
                (1, 15),
                (2, 19),
                (4, 13),
                (5, 28),
                (7, 4),
                (9, 3),
                (9, 11),
                (9, 12),
                (9, 13),
                (9, 14),
                (11, 22),
                (12, 25),
            ],
            &[(7, 3), (11, 23), (12, 24)],
        ),
        (2011, &[(1, 17), (2, 21), (4, 22), (5, 30), (7, 4), (9, 5), (11, 24), (12, 26)], &[(11, 25)]),
        (
            2012,
            &[(1, 2), (1, 16), (2, 20), (4, 6), (5, 28), (7, 4), (9, 3), (10, 29), (10, 30), (11, 22), (12, 25)],
            &[(7, 3), (11, 23), (12, 24)],
        ),
        (
            2013,
            &[(1, 1), (1, 21), (2, 18), (3, 29), (5, 27), (7, 4), (9, 2), (11, 28), (12, 25)],
            &[(7, 3), (11, 29), (12, 24)],
        ),
        (
            2018,
            &[(1, 1), (1, 15), (2, 19), (3, 30), (5, 28), (7, 4), (9, 3), (11, 22), (12, 5), (12, 25)],
            &[(7, 3), (11, 23), (12, 24)],
        ),
        (
            2019,
            &[(1, 1), (1, 21), (2, 18), (4, 19), (5, 27), (7, 4), (9, 2), (11, 28), (12, 25)],
            &[(7, 3), (11, 29), (12, 24)],
        ),
        (2021, &[(1, 1), (1, 18), (2, 15), (4, 2), (5, 31), (7, 5), (9, 6), (11, 25), (12, 24)], &[(11, 26)]),
        (2022, &[(1, 17), (2, 21), (4, 15), (5, 30), (6, 20), (7, 4), (9, 5), (11, 24), (12, 26)], &[(11, 25)]),
        (
            2025,
            &[(1, 1), (1, 9), (1, 20), (2, 17), (4, 18), (5, 26), (6, 19), (7, 4), (9, 1), (11, 27), (12, 25)],
            &[(7, 3), (11, 28), (12, 24)],
        ),
    ];
    for (year, holidays, early) in published {
        assert_eq!(weekday_holidays(year), dates(year, holidays), "holidays of {year}");
        assert_eq!(early_closes(year), dates(year, early), "early closes of {year}");
    }
}

#[test]
fn early_closes_were_at_two_before_1993() {
    assert_eq!(close_time(date(1991, 12, 24)), Some(EARLY_CLOSE_BEFORE_1993));
    assert_eq!(close_time(date(1992, 11, 27)), Some(EARLY_CLOSE_BEFORE_1993));
    assert_eq!(close_time(date(1991, 11, 29)), Some(CLOSE));
    assert_eq!(close_time(date(2019, 12, 24)), Some(EARLY_CLOSE));
    assert_eq!(close_time(date(2002, 7, 5)), Some(EARLY_CLOSE));
    assert_eq!(close_time(date(2002, 7, 3)), Some(CLOSE));
}

#[test]
fn a_year_has_the_known_number_of_sessions() {
    for (year, sessions) in [(1998, 252), (2001, 248), (2012, 250), (2019, 252), (2020, 253), (2021, 252), (2025, 250)]
    {
        assert_eq!(days_of(year).filter(|day| is_session(*day)).count(), sessions, "{year}");
    }
}

#[test]
fn sessions_between_leaves_out_the_first_day_and_keeps_the_last() {
    let sessions: Vec<Date> = sessions_between(date(2019, 4, 17), date(2019, 4, 22)).collect();
    assert_eq!(sessions, dates(2019, &[(4, 18), (4, 22)]));
    assert_eq!(sessions_between(date(2019, 4, 22), date(2019, 4, 17)).count(), 0);
    assert_eq!(session_on_or_before(date(2014, 6, 21)), date(2014, 6, 20));
    assert_eq!(session_on_or_before(date(2001, 9, 16)), date(2001, 9, 10));
    assert_eq!(session_after(date(2019, 4, 18)), date(2019, 4, 22));
}

#[test]
fn the_ends_of_time_do_not_panic() {
    for day in [Date::MIN, Date::MAX, Date::ZERO] {
        let _ = (is_session(day), close_time(day), session_on_or_before(day), session_after(day));
        let _ = sessions_between(day, Date::MAX).take(3).count();
    }
}

proptest! {
    #[test]
    fn every_coming_year_has_ten_holidays_or_nine(year in 2026i16..=2100) {
        let holidays = weekday_holidays(year);
        // Ten a year from 2022, less New Year on a Saturday.
        let saturday_new_year = date(year, 1, 1).weekday() == Weekday::Saturday;
        prop_assert_eq!(holidays.len(), if saturday_new_year { 9 } else { 10 });
    }

    #[test]
    fn good_friday_is_a_friday_in_march_or_april(year in 1990i16..=2100) {
        let day = good_friday(year);
        prop_assert_eq!(day.weekday(), Weekday::Friday);
        prop_assert!((date(year, 3, 20)..=date(year, 4, 23)).contains(&day));
    }
}
