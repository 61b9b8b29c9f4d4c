//! Chains that are wrong in every way: an answer or an error that says why, never a panic, never a number without a status.

use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_pricing::{american::european_price, black::Row};
use zomma_strategy::analysis::{Analysis, AnalysisError, analyze};

use crate::support::{Made, chain, config};

const TODAY: Date = date(2025, 6, 13);

fn row(option_type: OptionType, strike: f64, expiry: DateTime, bid: f64, ask: f64) -> Made {
    Made { option_type, strike, expiry, bid, ask }
}

fn in_days(days: i64) -> DateTime {
    TODAY.saturating_add(jiff::Span::new().days(days)).to_datetime(jiff::civil::Time::midnight())
}

/// Every number has a status, and every status that is not `Ok` has no number.
fn check(analysis: &Analysis) {
    let quotes = &analysis.quotes;
    let rows = analysis.rows_read;
    assert_eq!(quotes.status.len(), rows);
    for (volatility, status) in [
        (&quotes.bid_volatility, &quotes.bid_volatility_status),
        (&quotes.mid_volatility, &quotes.mid_volatility_status),
        (&quotes.ask_volatility, &quotes.ask_volatility_status),
    ] {
        for row in 0..rows {
            assert_eq!(
                status[row] == Status::Ok,
                volatility[row].is_finite(),
                "row {row}: {} {}",
                status[row],
                volatility[row]
            );
        }
    }
    for row in 0..rows {
        for greek in zomma_pricing::black::Greek::ALL {
            let value = quotes.greeks.column(greek)[row];
            // Lambda divides by a price that can vanish; a forward at the strike without volatility has infinite Greeks.
            if greek != zomma_pricing::black::Greek::Lambda || !quotes.greeks_status[row].is_ok() {
                assert_eq!(quotes.greeks_status[row].is_ok(), !value.is_nan(), "row {row} {}", greek.as_str());
            }
        }
    }
    let rejected: usize = analysis.rejected.values().sum();
    let kept = quotes.status.iter().filter(|status| status.is_ok()).count();
    assert_eq!(rejected + kept, rows);
    assert!(analysis.quality.inside <= Some(analysis.quality.quotes));
    assert_eq!(analysis.quality.quotes, analysis.expiries.iter().map(|expiry| expiry.quality.quotes).sum::<usize>());
}

fn run(last: Option<f64>, made: &[Made]) -> Result<Analysis, AnalysisError> {
    let result = analyze(&chain(TODAY, last, made), None, None, &config());
    if let Ok(analysis) = &result {
        check(analysis);
    }
    result
}

#[test]
fn an_empty_chain_has_no_usable_row() {
    let error = run(Some(100.0), &[]).unwrap_err().to_string();
    assert!(error.contains("made by hand") && error.contains("no rows"), "{error}");
}

#[test]
fn two_quotes_of_one_pair_give_a_forward_and_a_flat_slice() {
    let made =
        [row(OptionType::Call, 100.0, in_days(28), 2.9, 3.1), row(OptionType::Put, 100.0, in_days(28), 2.4, 2.6)];
    let analysis = run(None, &made).unwrap();
    assert!((analysis.expiries[0].forward - 100.5).abs() < 0.1, "{}", analysis.expiries[0].forward);
    assert!(analysis.quotes.surface_volatility.iter().all(|v| *v > 0.1 && *v < 1.0));
}

#[test]
fn calls_alone_need_a_spot() {
    let made: Vec<Made> = (0..10)
        .map(|i| 90.0 + 2.0 * f64::from(i))
        .map(|strike| {
            let value = (100.0 - strike).max(0.0) + 2.0;
            row(OptionType::Call, strike, in_days(28), value - 0.05, value + 0.05)
        })
        .collect();
    let analysis = run(Some(100.0), &made).unwrap();
    assert_eq!(analysis.expiries[0].forward_source, zomma_strategy::analysis::ForwardSource::SpotAndCarry);
    assert_eq!(analysis.spot, 100.0);
    let error = run(None, &made).unwrap_err().to_string();
    assert!(error.contains("10 no_forward"), "{error}");
}

#[test]
fn nothing_but_nan_is_no_quote() {
    let made = [row(OptionType::Call, 100.0, in_days(7), f64::NAN, f64::NAN); 3];
    let error = run(Some(f64::NAN), &made).unwrap_err().to_string();
    assert!(error.contains("2 duplicate, 1 no_quote"), "{error}");
}

#[test]
fn everything_crossed_is_said() {
    let made: Vec<Made> = (0..5).map(|i| row(OptionType::Put, 90.0 + f64::from(i), in_days(7), 2.0, 1.0)).collect();
    let error = run(Some(100.0), &made).unwrap_err().to_string();
    assert!(error.contains("5 crossed_quote"), "{error}");
}

#[test]
fn an_expiry_before_the_quotes_is_expired() {
    let made = [row(OptionType::Put, 90.0, in_days(-1), 2.0, 2.1)];
    let error = run(Some(100.0), &made).unwrap_err().to_string();
    assert!(error.contains("1 expired"), "{error}");
}

/// Value on a forward of 100 without rate.
fn black(option_type: OptionType, strike: f64, expiry_years: f64, volatility: f64) -> f64 {
    let row =
        Row { option_type, spot: 100.0, strike, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0, volatility };
    european_price(&row).unwrap()
}

#[test]
fn ten_minutes_and_three_hundred_percent() {
    // The close is at 16:00, so 16:10 of the day is ten minutes off.
    let soon = TODAY.to_datetime(jiff::civil::time(16, 10, 0, 0));
    let mut made = Vec::new();
    for i in -8..=8 {
        let strike = 100.0 + f64::from(i);
        for (option_type, intrinsic) in
            [(OptionType::Call, (100.0 - strike).max(0.0)), (OptionType::Put, (strike - 100.0).max(0.0))]
        {
            let time_value = 0.4 * (-0.5 * f64::from(i * i)).exp();
            made.push(row(option_type, strike, soon, intrinsic + time_value, intrinsic + time_value + 0.02));
            let far = black(option_type, strike, 90.0 / 365.0, 3.0);
            made.push(row(option_type, strike, in_days(90), far - 0.5, far + 0.5));
        }
    }
    let analysis = run(None, &made).unwrap();
    assert_eq!(analysis.expiries.len(), 2);
    assert!((analysis.spot - 100.0).abs() < 0.1, "{}", analysis.spot);
    let far = &analysis.expiries[1];
    assert!((far.atm_volatility - 3.0).abs() < 0.05, "{}", far.atm_volatility);
}

#[test]
fn constant_prices_do_not_panic() {
    let made: Vec<Made> = (0..40)
        .map(|i| {
            let option_type = if i % 2 == 0 { OptionType::Call } else { OptionType::Put };
            row(option_type, 80.0 + f64::from(i), in_days(30), 5.0, 5.0)
        })
        .collect();
    let _ = run(Some(100.0), &made);
}

#[test]
fn a_filter_without_its_column_is_refused() {
    let made = [row(OptionType::Put, 90.0, in_days(28), 1.0, 1.1)];
    let mut config = config();
    config.wheel.min_open_interest = Some(10.0);
    let error = analyze(&chain(TODAY, Some(100.0), &made), None, None, &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--min-open-interest needs the column open_interest, which made by hand does not have"
    );
}

fn any_price() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..50.0f64,
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(-1.0), Just(f64::MAX), Just(f64::MIN_POSITIVE)],
    ]
}

fn any_strike() -> impl Strategy<Value = f64> {
    prop_oneof![12 => (1u32..40).prop_map(|i| 5.0 * f64::from(i)), 1 => any_price()]
}

prop_compose! {
    fn any_row()(
        is_call in any::<bool>(),
        strike in any_strike(),
        days in -3i64..800,
        minutes in prop_oneof![3 => Just(0i64), 1 => 1i64..1439],
        bid in any_price(),
        ask in any_price(),
    ) -> Made {
        let option_type = if is_call { OptionType::Call } else { OptionType::Put };
        let expiry = in_days(days - days % 30).saturating_add(jiff::Span::new().minutes(minutes));
        row(option_type, strike, expiry, bid, ask)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chain_has_an_answer_or_a_reason(
        made in prop::collection::vec(any_row(), 0..60),
        last in prop_oneof![Just(None), any_price().prop_map(Some)],
        is_american in any::<bool>(),
    ) {
        let mut chain = chain(TODAY, last, &made);
        if is_american {
            chain.quotes.exercise_style.fill(Some(ExerciseStyle::American));
        }
        match analyze(&chain, Some(&chain.clone()), None, &config()) {
            Ok(analysis) => check(&analysis),
            Err(error) => prop_assert!(error.to_string().contains("no usable row")),
        }
        if let Ok(analysis) = analyze(&chain, None, None, &config()) {
            check(&analysis);
        }
    }
}
