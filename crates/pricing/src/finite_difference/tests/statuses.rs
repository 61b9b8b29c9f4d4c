use proptest::prelude::*;
use zomma_base::Status;

use super::*;

fn good() -> Row {
    row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.0], 0.25)
}

fn american(row: Row, dividends: &[CashDividend]) -> Result<Estimate, Status> {
    american_with_dividends(&row, dividends, &Settings::default())
}

#[test]
fn the_first_bad_field_is_named() {
    let bad = f64::NAN;
    for (row, status) in [
        (Row { spot: -1.0, strike: bad, ..good() }, Status::BadSpot),
        (Row { strike: 0.0, ..good() }, Status::BadStrike),
        (Row { expiry_years: bad, ..good() }, Status::BadExpiry),
        (Row { expiry_years: 0.0, ..good() }, Status::Expired),
        (Row { risk_free_rate: f64::INFINITY, ..good() }, Status::BadRate),
        (Row { dividend_yield: bad, ..good() }, Status::BadYield),
        (Row { volatility: -0.1, ..good() }, Status::BadVolatility),
        (Row { expiry_years: 1e9, ..good() }, Status::Overflow),
        (Row { spot: 1e-200, ..good() }, Status::Overflow),
    ] {
        assert_eq!(american(row, &[]), Err(status), "{row:?}");
    }
    for dividend in [cash(0.5, -1.0), cash(0.5, bad), cash(-0.1, 1.0), cash(bad, 1.0), cash(f64::INFINITY, 1.0)] {
        assert_eq!(american(good(), &[dividend]), Err(Status::BadDividend), "{dividend:?}");
    }
    let tiny = Settings { space_steps: 3, ..Settings::default() };
    assert_eq!(american_with_dividends(&good(), &[], &tiny), Err(Status::BadMethod));
}

/// An explicit scheme is refused where it is unstable, and right where it is not.
#[test]
fn explicit() {
    let contract = Contract::european(good());
    let at = |time_steps| {
        solve(&contract, &Settings { scheme: Scheme::Explicit, space_steps: 60, time_steps, ..Settings::default() })
    };
    assert_eq!(at(20), Err(Status::BadMethod));
    let exact = crate::black::scalar::price(&good(), crate::black::Model::Bsm).unwrap();
    assert!((at(4000).unwrap().value - exact).abs() < 5e-3);
}

/// Without volatility: the certain value, which a small volatility approaches.
#[test]
fn no_volatility() {
    let dividends = [cash(0.5, 20.0)];
    for (option_type, strike) in [(OptionType::Put, 100.0), (OptionType::Call, 90.0), (OptionType::Put, 120.0)] {
        let at = |volatility| american(Row { option_type, strike, volatility, ..good() }, &dividends).unwrap();
        let (certain, near) = (at(0.0), at(0.002));
        assert!((certain.value - near.value).abs() < 0.02, "{certain:?} {near:?}");
    }
    let european = solve(&Contract::european(Row { volatility: 0.0, ..good() }), &Settings::default()).unwrap();
    assert_eq!(european.value, 0.0);
}

/// The smallest grid, one time step, and a million dividends all give a number.
#[test]
fn extremes_of_size() {
    let small = Settings { space_steps: 4, time_steps: 1, ..Settings::default() };
    assert!(american_with_dividends(&good(), &[cash(0.3, 1.0)], &small).is_ok());
    let many: Vec<_> = (0..1_000_000).map(|i| cash(i as f64 * 1e-6, 5e-6)).collect();
    let got = american(good(), &many).unwrap().value;
    let fewer: Vec<_> = (0..1000).map(|i| cash((i as f64 + 0.5) * 1e-3, 5e-3)).collect();
    let near = american(good(), &fewer).unwrap().value;
    assert!((got - near).abs() < 1e-3, "{got} {near}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bits_never_panic(bits in prop::array::uniform11(any::<u64>()), put: bool, kind in 0..4u8) {
        let [spot, strike, expiry_years, rate, dividend_yield, volatility, t, d, u, e, level] = bits.map(f64::from_bits);
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        // Half of the fields of each kind are of a usual size, or hardly a row would pass the checks.
        let usual = |x: f64, at: f64, i: u32| if bits[0] >> i & 1 == 0 { at } else { x };
        let row = Row {
            option_type,
            spot: usual(spot, 100.0, 0),
            strike: usual(strike, 90.0, 1),
            expiry_years: usual(expiry_years, 0.7, 2),
            risk_free_rate: usual(rate, 0.03, 3),
            dividend_yield: usual(dividend_yield, 0.01, 4),
            volatility: usual(volatility, 0.3, 5),
        };
        let dividends = [cash(usual(t, 0.2, 6), usual(d, 2.0, 7)), cash(usual(u, 0.4, 8), usual(e, 3.0, 9))];
        let dates = [t, 0.1, 0.5];
        let settings = Settings { space_steps: 24, time_steps: 6, ..Settings::default() };
        let knock = if bits[1] & 1 == 0 { Knock::Out } else { Knock::In };
        let contract = match kind {
            0 => Contract::american(row, &dividends),
            1 => Contract { exercise: Exercise::Bermudan(&dates), ..Contract::european(row) },
            2 => Contract {
                barrier: Some(Barrier { lower: Some(usual(level, 80.0, 10)), upper: None, knock, rebate: d.abs(), monitoring: Monitoring::Continuous }),
                ..Contract::european(row)
            },
            _ => Contract {
                payoff: Payoff::CashOrNothing(d.abs()),
                barrier: Some(Barrier { lower: None, upper: Some(usual(level, 180.0, 10)), knock, rebate: 1.0, monitoring: Monitoring::Dates(&dates) }),
                ..Contract::european(row)
            },
        };
        if let Ok(got) = solve(&contract, &settings) {
            prop_assert!([got.value, got.error, got.delta, got.gamma, got.theta].iter().all(|x| x.is_finite()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Terms far from any market, but terms: numbers come out, within what no arbitrage allows and the error stated.
    #[test]
    fn extreme_terms_give_numbers(
        logs in prop::array::uniform5(-4.0..4.0_f64),
        rates in prop::array::uniform2(-0.3..0.5_f64),
        times in prop::array::uniform2(0.0..1.2_f64),
        put: bool,
        scheme in prop::sample::select(vec![Scheme::TrBdf2, Scheme::Rannacher, Scheme::CrankNicolson, Scheme::ImplicitEuler]),
    ) {
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let [spot, years, volatility, first, second] = logs.map(|x| 10.0_f64.powf(x));
        let row = row(option_type, 100.0 * spot, 100.0, 0.01 * years, rates, 0.01 * volatility.min(2e3));
        // Beyond this 64 cells are too few near zero, or 16 steps for the rate, for the grid to know its own error.
        let known = row.volatility * row.expiry_years.sqrt() < 4.0 && (rates[0].abs() + rates[1].abs()) * row.expiry_years < 1.0;
        let dividends = [cash(times[0] * row.expiry_years, first), cash(times[1] * row.expiry_years, second)];
        let settings = Settings { space_steps: 64, time_steps: 16, scheme, ..Settings::default() };
        let european = solve(&Contract { dividends: &dividends, ..Contract::european(row) }, &settings);
        let american = american_with_dividends(&row, &dividends, &settings);
        if let (Ok(european), Ok(american)) = (european, american) {
            let exercise = (option_type.sign() * (row.spot - row.strike)).max(0.0);
            prop_assert!(american.value >= exercise, "{row:?} {dividends:?} {american:?}");
            let most = match option_type {
                OptionType::Call => row.spot * (-rates[1] * row.expiry_years).exp().max(1.0),
                OptionType::Put => row.strike * (-rates[0] * row.expiry_years).exp().max(1.0),
            };
            prop_assert!(american.value <= most && european.value <= most && european.value >= 0.0, "{row:?} {american:?}");
            let allowed = |e: &Estimate| 10.0 * e.error + 1e-5 * most;
            let least = european.value - allowed(&european) - allowed(&american);
            prop_assert!(!known || american.value >= least, "{row:?} {dividends:?} {european:?} {american:?}");
        }
    }
}
