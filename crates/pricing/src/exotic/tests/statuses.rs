use proptest::prelude::*;
use zomma_base::Status;

use super::*;

#[test]
fn bad_fields() {
    let good = row(OptionType::Call, 100.0, 95.0, 1.0, [0.05, 0.0], 0.2);
    let down = SingleBarrier { level: 90.0, direction: Direction::Down, knock: Knock::Out, rebate: 0.0 };
    assert_eq!(barrier(&Row { spot: 90.0, ..good }, &down), Err(Status::BarrierHit));
    assert_eq!(barrier(&good, &SingleBarrier { direction: Direction::Up, ..down }), Err(Status::BarrierHit));
    assert_eq!(barrier(&good, &SingleBarrier { level: -1.0, ..down }), Err(Status::BadBarrier));
    assert_eq!(barrier(&good, &SingleBarrier { rebate: f64::NAN, ..down }), Err(Status::BadRebate));
    assert_eq!(barrier(&Row { volatility: 0.0, ..good }, &down), Err(Status::BadVolatility));
    assert_eq!(cash_or_nothing(&good, -1.0), Err(Status::BadPrice));
    assert_eq!(cash_or_nothing(&Row { volatility: 0.0, ..good }, 1.0), Ok((-0.05_f64).exp()));
    assert_eq!(geometric_asian_at(&good, &[]), Err(Status::BadExpiry));
    assert_eq!(geometric_asian_at(&good, &[1.5]), Err(Status::BadExpiry));
    assert_eq!(floating_lookback(&good, 0.0), Err(Status::BadSpot));
    assert_eq!(fixed_lookback(&Row { expiry_years: -1.0, ..good }, 100.0), Err(Status::Expired));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bits_never_panic(bits in prop::array::uniform9(any::<u64>()), put: bool, up: bool, starts: bool) {
        let [spot, strike, expiry_years, rate, dividend_yield, volatility, level, rebate, _] = bits.map(f64::from_bits);
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let usual = |x: f64, at: f64, i: u32| if bits[8] >> i & 1 == 0 { at } else { x.abs() };
        let row = Row {
            option_type,
            spot: usual(spot, 100.0, 0),
            strike: usual(strike, 90.0, 1),
            expiry_years: usual(expiry_years, 0.7, 2),
            risk_free_rate: usual(rate, 0.03, 3),
            dividend_yield: usual(dividend_yield, 0.01, 4),
            volatility: usual(volatility, 0.3, 5),
        };
        let direction = if up { Direction::Up } else { Direction::Down };
        let knock = if starts { Knock::In } else { Knock::Out };
        let terms = SingleBarrier { level: usual(level, if up { 130.0 } else { 80.0 }, 6), direction, knock, rebate: usual(rebate, 1.0, 7) };
        for value in [
            barrier(&row, &terms),
            cash_or_nothing(&row, terms.rebate),
            asset_or_nothing(&row),
            american_cash_or_nothing(&row, terms.rebate),
            american_asset_or_nothing(&row),
            geometric_asian(&row),
            geometric_asian_at(&row, &[0.1, level, 0.2]),
            floating_lookback(&row, terms.level),
            fixed_lookback(&row, terms.level),
        ].into_iter().flatten() {
            prop_assert!(value.is_finite(), "{row:?} {terms:?} {value}");
        }
    }
}
