//! Instants, styles, cleaning and counting, on small chains whose answer is known.

use jiff::civil::{Date, DateTime, Time, date, time};
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status};
use zomma_market::chain::{Chain, Layout};
use zomma_pricing::{american::european_price, black::Row};
use zomma_strategy::analysis::{Analysis, RateSource, analyze};

use crate::support::{Made, chain, config};

const TODAY: Date = date(2019, 4, 25);
const MONTH: Date = date(2019, 5, 24);

fn midnight(day: Date) -> DateTime {
    day.to_datetime(Time::midnight())
}

/// A chain of one expiry at 20 % on a forward of 100, a cent of half-spread, strikes 80 to 120.
fn smile(quote_date: Date, expiry: Date, forward: f64) -> Chain {
    let years = f64::from(expiry.duration_since(quote_date).as_hours() as i32) / 24.0 / 365.0;
    let mut made = Vec::new();
    for i in -20..=20 {
        let strike = 100.0 + f64::from(i);
        for option_type in [OptionType::Call, OptionType::Put] {
            let row = Row {
                option_type,
                spot: forward,
                strike,
                expiry_years: years,
                risk_free_rate: 0.0,
                dividend_yield: 0.0,
                volatility: 0.2,
            };
            let value = european_price(&row).unwrap();
            made.push(Made {
                option_type,
                strike,
                expiry: midnight(expiry),
                bid: (value - 0.01).max(0.0),
                ask: value + 0.01,
            });
        }
    }
    chain(quote_date, Some(forward), &made)
}

fn run(chain: &Chain) -> Analysis {
    analyze(chain, None, None, &config()).unwrap()
}

#[test]
fn at_a_quarter_to_four_the_afternoon_lives_and_the_morning_is_settled() {
    let mut chain = smile(TODAY, MONTH, 100.0);
    chain.layout = Layout::CboeEndOfDay;
    for row in 0..4 {
        chain.quotes.expiry[row] = midnight(TODAY);
        chain.quotes.settlement[row] = if row < 2 { Settlement::Am } else { Settlement::Pm };
    }
    let analysis = run(&chain);
    assert_eq!(analysis.quote_instant.to_string(), "2019-04-25T19:45:00Z");
    // The put far out of the money of the smile's lowest strike has no bid.
    assert_eq!(analysis.quotes.status[..4], [Status::Expired, Status::Expired, Status::Ok, Status::ZeroBid]);
    assert!((analysis.quotes.expiry_years[2] * 365.0 * 24.0 * 60.0 - 15.0).abs() < 1e-9);
    // Told that it is five past four, the afternoon is over as well.
    let late = zomma_strategy::analysis::AnalysisConfig { quote_time: Some(time(16, 5, 0, 0)), ..config() };
    assert_eq!(analyze(&chain, None, None, &late).unwrap().rejected[&Status::Expired], 4);
}

#[test]
fn an_early_close_moves_the_snapshot_and_the_close() {
    let day = date(2019, 7, 3);
    let mut chain = smile(day, date(2019, 8, 2), 100.0);
    assert_eq!(run(&chain).quote_instant.to_string(), "2019-07-03T17:00:00Z");
    chain.layout = Layout::CboeEndOfDay;
    assert_eq!(run(&chain).quote_instant.to_string(), "2019-07-03T16:45:00Z");
}

#[test]
fn style_comes_from_the_argument_then_the_column_then_the_root() {
    let mut chain = smile(TODAY, MONTH, 100.0);
    let style = |chain: &Chain, given| {
        let config = zomma_strategy::analysis::AnalysisConfig { exercise_style: given, ..config() };
        analyze(chain, None, None, &config).unwrap().expiries[0].exercise_style
    };
    assert_eq!(style(&chain, None), ExerciseStyle::European);
    assert_eq!(style(&chain, Some(ExerciseStyle::American)), ExerciseStyle::American);
    chain.quotes.exercise_style.fill(None);
    assert_eq!(style(&chain, None), ExerciseStyle::American, "TST is no index");
    chain.quotes.roots = vec!["SPXW".to_owned()];
    assert_eq!(style(&chain, None), ExerciseStyle::European);
}

#[test]
fn a_lone_month_keeps_its_rate_and_finds_its_forward() {
    let analysis = run(&smile(TODAY, MONTH, 100.0));
    let expiry = &analysis.expiries[0];
    assert!((expiry.forward - 100.0).abs() < 1e-3, "{}", expiry.forward);
    assert!((expiry.discount_factor - 1.0).abs() < 1e-3);
    assert!(matches!(expiry.rate_source, RateSource::Parity | RateSource::ParityCurve));
    assert!((expiry.atm_volatility - 0.2).abs() < 1e-3);
    assert_eq!(analysis.quality.inside, Some(analysis.quality.quotes));
}

#[test]
fn a_rejected_row_counts_as_outside() {
    let mut chain = smile(TODAY, MONTH, 100.0);
    let clean = run(&chain).quality;
    // A second row for an out-of-the-money call (row 52: strike 106) is a duplicate; it is still a quote that the surface did not use.
    let quotes = &mut chain.quotes;
    assert_eq!((quotes.option_type[52], quotes.strike[52]), (OptionType::Call, 106.0));
    (quotes.option_type[54], quotes.strike[54]) = (OptionType::Call, 106.0);
    let spoilt = run(&chain);
    assert_eq!(spoilt.rejected[&Status::Duplicate], 1);
    assert_eq!((spoilt.quality.quotes, spoilt.quality.inside), (clean.quotes, clean.inside.map(|inside| inside - 1)));
    // A crossed one has no bid-ask to be inside of.
    let quotes = &mut chain.quotes;
    (quotes.bid[56], quotes.ask[56]) = (quotes.ask[56], quotes.bid[56]);
    assert_eq!(run(&chain).quality.quotes, clean.quotes - 1);
}

#[test]
fn a_date_on_which_nothing_traded_is_a_copy() {
    let mut before = smile(TODAY, MONTH, 100.0);
    let rows = before.quotes.status.len();
    before.quotes.volume = (0..rows).map(|row| (row % 3) as f64 * 7.0).collect();
    before.quotes.last = before.quotes.ask.clone();
    // The next day: fresh quotes of a market that moved, the trades of the day before.
    let mut today = smile(date(2019, 4, 26), MONTH, 100.4);
    today.quotes.volume.clone_from(&before.quotes.volume);
    today.quotes.last.clone_from(&before.quotes.last);
    let error = analyze(&today, Some(&before), None, &config()).unwrap_err().to_string();
    assert!(error.contains("82 stale_quote (the date repeats the one before: nothing traded)"), "{error}");
    // With trades of its own it is a day.
    today.quotes.volume.iter_mut().for_each(|volume| *volume += 1.0);
    assert!(analyze(&today, Some(&before), None, &config()).is_ok());
}

#[test]
fn a_row_that_stands_still_among_rows_that_moved_is_stale() {
    let before = smile(TODAY, MONTH, 100.0);
    let mut today = smile(date(2019, 4, 26), MONTH, 101.0);
    for row in [40, 41, 60, 61] {
        (today.quotes.bid[row], today.quotes.ask[row]) = (before.quotes.bid[row], before.quotes.ask[row]);
    }
    let analysis = analyze(&today, Some(&before), None, &config()).unwrap();
    assert_eq!(analysis.rejected.get(&Status::StaleQuote), Some(&4), "{:?}", analysis.rejected);
    // Resting at the end of the strikes, with nothing beyond that moved, is no sign.
    let mut resting = smile(date(2019, 4, 26), MONTH, 101.0);
    (resting.quotes.bid[81], resting.quotes.ask[81]) = (before.quotes.bid[81], before.quotes.ask[81]);
    let analysis = analyze(&resting, Some(&before), None, &config()).unwrap();
    assert_eq!(analysis.rejected.get(&Status::StaleQuote), None);
}
