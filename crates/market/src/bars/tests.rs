use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::chain::Member;

fn member(text: &str) -> Member {
    Member { name: "bars.csv".into(), bytes: text.as_bytes().to_vec(), one_of_many: false }
}

fn bars(text: &str) -> DailyBars {
    parse(&member(text)).unwrap()
}

#[test]
fn plain_bars_in_any_order() {
    let read = bars("Close;Date;Open\r\n11;2020-01-03;10\r\n10;2020-01-02;9\r\n\r\n");
    assert_eq!(read.date, [date(2020, 1, 2), date(2020, 1, 3)]);
    assert_eq!((read.close.as_slice(), read.adjusted_close.as_slice()), (&[10.0, 11.0][..], &[10.0, 11.0][..]));
    assert_eq!(read.open, [9.0, 10.0]);
    assert!(read.high.iter().all(|high| high.is_nan()) && read.notes.is_empty());
    assert_eq!(read.dividend, [0.0, 0.0]);
}

#[test]
fn adjusted_columns_are_taken_and_said() {
    let read = bars("Date,Close,Adj Close,divCash\n2020-01-02,10,5,0\n2020-01-03,null,null,\n2020-01-06,5.1,5.1,0.2\n");
    assert_eq!((read.adjusted_close.as_slice(), read.dividend.as_slice()), (&[5.0, 5.1][..], &[0.0, 0.2][..]));
    assert_eq!(read.notes.len(), 2);
    assert!(read.notes[0].contains("1 rows without a close") && read.notes[1].contains("adjClose"));
}

#[test]
fn no_look_ahead() {
    let read = bars("date,close\n2020-01-02,10\n2020-01-03,11\n2020-01-06,12\n");
    assert_eq!(read.before(date(2020, 1, 3)).close, [10.0]);
    assert_eq!(read.until(date(2020, 1, 3)).close, [10.0, 11.0]);
    assert_eq!(read.until(date(2020, 1, 5)).close, [10.0, 11.0]);
    assert!(read.before(date(2020, 1, 2)).is_empty());
    assert_eq!(read.until(date(2021, 1, 1)).len(), 3);
}

#[test]
fn a_gap_of_a_simple_ratio_is_a_split_and_a_crash_is_not() {
    let split = bars("date,open,close\n2014-06-05,640,647\n2014-06-06,650,645.57\n2014-06-09,92.69,93.7\n");
    assert_eq!(split.adjusted_close[1], 645.57 / 7.0);
    assert_eq!(split.close[1], 645.57);
    assert!(split.notes[0].contains("7:1 split"), "{:?}", split.notes);
    let crash = bars("date,open,close\n2000-09-28,49.31,53.38\n2000-09-29,28.06,25.81\n");
    assert_eq!(crash.adjusted_close, crash.close);
    assert!(crash.notes[0].contains("left as a move"), "{:?}", crash.notes);
    let reverse = bars("date,open,close\n2020-01-02,1,1\n2020-01-03,10.1,9.8\n");
    assert_eq!(reverse.adjusted_close[0], 10.0);
}

#[test]
fn factors_adjust_and_give_dividends() {
    let factors = member("20200102,0.49,0.5,10\n20200103,0.98,1,5\n20501231,1,1,0\n");
    let read = bars("date,open,close\n2020-01-02,10,10\n2020-01-03,5,5\n2020-01-06,5,5.2\n");
    assert!(read.notes[0].contains("2:1"));
    let read = read.with_factors(&factors).unwrap();
    assert_eq!(read.adjusted_close, [10.0 * 0.49 * 0.5, 5.0 * 0.98, 5.2]);
    assert_eq!(read.dividend[0], 0.0);
    assert!((read.dividend[1] - 5.0).abs() < 1e-12 && (read.dividend[2] - 0.1).abs() < 1e-12, "{:?}", read.dividend);
    assert_eq!(read.notes.len(), 1);
    for bad in ["", "20200102,0,1,1\n", "20200102,1\n", "x,1,1,1\n", "20200103,1,1,1\n20200102,1,1,1\n"] {
        assert!(bars("date,close\n2020-01-02,10\n").with_factors(&member(bad)).is_err(), "{bad}");
    }
}

#[test]
fn errors_name_file_row_field_value_and_what_is_allowed() {
    for (text, parts) in [
        ("", &["bars.csv", "empty"][..]),
        ("date,open\n2020-01-02,1\n", &["bars.csv", "missing close", "date, open"]),
        ("date,close\n", &["no data rows"]),
        ("date,close\n2020-01-02,-5\n", &["row 1", "close", "\"-5\"", "above zero"]),
        ("date,close\n2020-01-02,1\n2020-13-02,1\n", &["row 2", "date", "\"2020-13-02\"", "allowed"]),
        ("date,close\n2020-01-02,inf\n", &["row 1", "close", "\"inf\""]),
        ("date,close,open\n2020-01-02,1,x\n", &["row 1", "open", "\"x\""]),
        ("date,close\n2020-01-02,1\n2020-01-02,2\n", &["row 2", "second bar", "2020-01-02"]),
        ("symbol,date,close\nA,2020-01-02,1\nB,2020-01-03,1\n", &["row 2", "\"B\"", "\"A\""]),
        ("PK\u{3}\u{4}", &["zip"]),
    ] {
        let words = parse(&member(text)).unwrap_err().to_string();
        assert!(parts.iter().all(|part| words.contains(part)), "{text:?}: {words}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bare = Member { name: "x".into(), bytes: bytes.clone(), one_of_many: false };
        let _ = parse(&bare);
        let mut headed = b"date,open,close,divCash\n".to_vec();
        headed.extend(&bytes);
        let _ = parse(&Member { name: "x".into(), bytes: headed, one_of_many: false });
        let _ = bars("date,close\n2020-01-02,10\n").with_factors(&bare);
    }

    #[test]
    fn returns_of_the_past_do_not_depend_on_the_future(closes in proptest::collection::vec(1.0f64..100.0, 3..20)) {
        let mut text = "date,close\n".to_owned();
        let days = date(2020, 1, 1).series(jiff::Span::new().days(1));
        for (day, close) in days.zip(&closes) {
            text.push_str(&format!("{day},{close}\n"));
        }
        let all = bars(&text);
        let cut = bars(text.trim_end().rsplit_once('\n').unwrap().0);
        for day in 1..cut.len() {
            let full = (all.adjusted_close[day] / all.adjusted_close[day - 1]).ln();
            let known = (cut.adjusted_close[day] / cut.adjusted_close[day - 1]).ln();
            prop_assert!((full - known).abs() < 1e-12);
        }
    }
}
